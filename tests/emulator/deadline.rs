//! Law 6 on AWS: a run that takes longer than the function's time goes on in continuations, and ends as if it had been one.

use crate::rows::{Source, loaded, pipeline, runs, texts, tick};
use crate::stack::Stack;
use ledger::RunState;
use std::time::{Duration, Instant};

/// All pages together take longer than a function has in a stack that is in a hurry.
const PAGES: u64 = 40;
const A_PAGE: Duration = Duration::from_millis(700);

#[test]
fn a_long_run_goes_on_in_continuations() {
    let source = Source::answering(PAGES, |reply| {
        let begun = Instant::now();
        while begun.elapsed() < A_PAGE {
            std::thread::park_timeout(A_PAGE);
        }
        Some(reply)
    });
    let (stack, name) = (Stack::deploy("short"), "long");
    stack.hurry();
    let published = stack.publish(&pipeline(name, &source));
    tick(&stack, name, 1);
    stack.until("the rows are there", || texts(&stack, name) == source.texts(1));
    stack.until_idle();
    let runs = runs(&stack, name);
    assert_eq!((runs.len(), &runs[0].state), (1, &RunState::Extracted), "{runs:?}");
    assert!(runs[0].parts > 1, "each continuation begins an object: {runs:?}");
    assert_eq!(stack.keys("raw", name).len(), runs[0].parts as usize);
    assert_eq!(loaded(&stack, &published).inserted, PAGES * crate::rows::ROWS);
    assert_eq!(stack.unfinished(name), 0);
    assert!(
        source.upstream.count() as u64 <= PAGES + u64::from(runs[0].parts) + 1,
        "pages were fetched again: {} requests",
        source.upstream.count()
    );
}
