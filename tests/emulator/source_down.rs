//! A source that is down: the run fails and is told so, the cursor stays; when the source is up again, the next tick brings everything.

use crate::rows::{Source, pipeline, runs, texts, tick};
use crate::stack::shared;
use ledger::RunState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn the_tick_after_the_source_is_up_again_brings_all() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = is_down.clone();
    let source = Source::answering(2, move |reply| (!down.load(Ordering::Acquire)).then_some(reply));
    let (stack, name) = (shared(), "down");
    stack.publish(&pipeline(name, &source));
    tick(stack, name, 1);
    stack.until("the run has failed", || {
        matches!(runs(stack, name).first().map(|run| &run.state), Some(RunState::Failed { .. }))
    });
    stack.until_idle();
    assert_eq!(texts(stack, name), BTreeMap::new());
    is_down.store(false, Ordering::Release);
    tick(stack, name, 2);
    stack.until("the rows are there", || texts(stack, name) == source.texts(1));
    stack.until_idle();
    let states: Vec<_> = runs(stack, name).into_iter().map(|run| run.state).collect();
    assert!(
        matches!(&states[..], [RunState::Extracted, RunState::Failed { message }] if message.contains("503")),
        "{states:?}"
    );
    assert_eq!(stack.unfinished(name), 0);
}
