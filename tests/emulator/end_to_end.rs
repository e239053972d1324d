//! From a schedule to documents: the repository's own pipeline, through all that the template wires together.

use crate::stack::shared;
use cli::local::Upstream;
use ledger::{CleanTally, Fact, RunState};
use std::path::Path;

const EVENTS: u64 = 1_707;

#[test]
fn a_tick_of_the_schedule_becomes_documents() {
    let stack = shared();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    let upstream = stack.wait(Upstream::start("earthquakes", &folder)).unwrap();
    let text = std::fs::read_to_string(folder.join("earthquakes.yaml")).unwrap();
    let real = "https://earthquake.usgs.gov/fdsnws/event/1/";
    assert!(text.contains(real));
    let (often, seldom) = ("schedule: rate(1 minute)", "schedule: rate(1 day)");
    let text = text.replace(real, &upstream.base_url()).replace("schedule: rate(5 minutes)", often);
    assert!(text.contains(often));
    stack.apply("earthquakes", &text);
    assert!(stack.apply("earthquakes", &text).contains("nothing to change"));
    stack.until("all earthquakes are documents", || stack.count("earthquakes") == EVENTS);
    // Another definition, and another schedule: no tick comes between the tests.
    stack.apply("earthquakes", &text.replace(often, seldom));
    stack.until_idle();

    let runs = crate::rows::runs(stack, "earthquakes");
    let first = runs.last().unwrap();
    assert_eq!((&first.state, first.parts), (&RunState::Extracted, 1));
    let facts = stack
        .wait(stack.ledger.facts(first.id, &first.resource, &first.definition))
        .unwrap();
    let cleaned = facts.iter().find_map(|(_, fact)| match fact {
        Fact::Clean(tally) => Some(*tally),
        Fact::Load(_) => None,
    });
    let expected = CleanTally {
        records_in: EVENTS,
        out: EVENTS,
        ..CleanTally::default()
    };
    assert_eq!(cleaned, Some(expected));
    let inserted = facts.iter().find_map(|(_, fact)| match fact {
        Fact::Load(tally) => Some(tally.inserted),
        Fact::Clean(_) => None,
    });
    assert_eq!(inserted, Some(EVENTS));
    assert_eq!(stack.count("earthquakes"), EVENTS);
}
