//! What people read.

use crate::given::{Stack, at, letter, resource};
use ledger::incident::{Incident, IncidentId, Kind, Sighting, Transition};
use watch::words::{Commands, incident_event, lasted, notification};
use watch::{DeadQueue, Subject};

fn commands() -> Commands {
    Commands {
        stack: Some("dev".to_owned()),
    }
}

fn incident() -> Incident {
    let sighting = Sighting {
        cause: "dead_letter/load/shop/orders".to_owned(),
        kind: Kind::DeadLetter,
        resource: Some(resource("orders")),
        queue: Some("load".to_owned()),
        at_ms: at("10:00"),
        summary: "1,200 messages of shop/orders are dead".to_owned(),
        next: commands().redrive(),
        objects: 1_200,
        records: Some(1_234_567),
    };
    let id = IncidentId::parse("01KATSZM001QFFQXN8Y4QZQ5C8").unwrap();
    Incident::open(id, &sighting)
}

#[test]
fn an_incident_says_what_happened_and_what_to_type() {
    let incident = incident();
    let (subject, text) = notification(&incident, Transition::Opened, &commands());
    assert_eq!(subject, "[dev] dead letter: shop/orders");
    assert_eq!(
        text,
        "1,200 messages of shop/orders are dead.

Since 2026-11-24 10:00 UTC. Concerned: 1,200 objects or messages, 1,234,567 records.

What to type next:
  tidemill redrive 01KATSZM001QFFQXN8Y4QZQ5C8 --stack dev

All that is known of it:
  tidemill incidents show 01KATSZM001QFFQXN8Y4QZQ5C8 --stack dev

You may be told this twice; the incident's id is 01KATSZM001QFFQXN8Y4QZQ5C8.
"
    );
    let recovered = incident.recovered(at("11:05"), "all was loaded").unwrap();
    let (subject, text) = notification(&recovered, Transition::Recovered, &commands());
    assert_eq!(subject, "[dev] recovered: dead letter: shop/orders");
    assert!(
        text.starts_with(
            "Recovered: all was loaded\n\nIt was: 1,200 messages of shop/orders are dead.\n\
             From 2026-11-24 10:00 UTC to 2026-11-24 11:05 UTC, 1 hour 5 minutes.\n"
        ),
        "{text}"
    );
    let event = incident_event(&recovered, Transition::Recovered, &commands());
    assert_eq!(event.kind, "tidemill.incident.recovered");
    assert_eq!(event.detail["incident"], "01KATSZM001QFFQXN8Y4QZQ5C8");
    assert_eq!(event.detail["recovered_at"], "2026-11-24T11:05:00Z");
    assert_eq!((&event.detail["pipeline"], &event.detail["stack"]), (&"shop".into(), &"dev".into()));
}

/// SNS refuses a subject of more than 100 characters, of other than ASCII, or with a line break.
#[test]
fn a_subject_is_one_that_sns_takes() {
    let mut incident = incident();
    incident.resource = None;
    incident.queue = Some(format!("é\n{}", "x".repeat(200)));
    let (subject, _) = notification(&incident, Transition::Opened, &commands());
    assert!(
        subject.len() == 100 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)),
        "{subject}"
    );
}

#[test]
fn spans_in_words() {
    for (ms, words) in [
        (-5, "less than a minute"),
        (59_999, "less than a minute"),
        (60_000, "1 minute"),
        (3_600_000, "1 hour"),
        (7_500_000, "2 hours 5 minutes"),
    ] {
        assert_eq!(lasted(ms), words);
    }
}

/// In a home no stack is named.
#[tokio::test]
async fn a_command_is_one_that_can_be_typed() {
    let mut stack = Stack::new().await;
    stack.services.commands = Commands::default();
    let tick = Subject::Tick {
        resource: resource("orders"),
        run: None,
    };
    stack.put_letters(DeadQueue::Schedules, vec![letter("1", "10:00", Some(tick))], true);
    stack.tick("10:01").await;
    let incident = stack.only(Kind::DeadLetter).await;
    assert_eq!(incident.next, format!("tidemill redrive {}", incident.id));
    assert_eq!(
        incident.summary,
        "at least 1 message of shop/orders in the dead-letter queue of `schedules`: a schedule could not deliver them"
    );
}
