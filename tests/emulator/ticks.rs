//! Two ticks at once: one has the lease and works, the other is skipped and seen.

use crate::rows::{Source, loaded, pipeline, runs, texts, tick};
use crate::stack::shared;
use ledger::RunState;

#[test]
fn a_tick_that_finds_another_at_work_is_skipped() {
    let (stack, source, name) = (shared(), Source::start(2), "overlapping");
    let published = stack.publish(&pipeline(name, &source));
    source.hold(1);
    tick(stack, name, 1);
    stack.until("the first is at work", || source.asked(1) == 1);
    tick(stack, name, 2);
    stack.until("the second is skipped", || {
        runs(stack, name).iter().any(|run| matches!(run.state, RunState::Skipped { .. }))
    });
    source.release();
    stack.until("the rows are there", || texts(stack, name) == source.texts(1));
    stack.until_idle();
    let states: Vec<_> = runs(stack, name).into_iter().map(|run| run.state).collect();
    assert!(matches!(&states[..], [RunState::Skipped { .. }, RunState::Extracted]), "{states:?}");
    assert_eq!(source.asked(1), 1, "nobody else asked the source");
    assert_eq!(loaded(stack, &published).documents_in, 20);
}
