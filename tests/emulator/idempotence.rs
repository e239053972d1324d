//! Law 3 on AWS: messages come twice, late and in any order, as queues deliver them; the documents are the same.

use crate::rows::{Source, loaded, pipeline, runs, texts, tick};
use crate::stack::{Stack, shared};
use serde_json::json;

#[test]
fn a_tick_that_comes_twice_is_one_run() {
    let (stack, source, name) = (shared(), Source::start(2), "twice");
    let published = stack.publish(&pipeline(name, &source));
    tick(stack, name, 1);
    stack.until("the rows are there", || texts(stack, name) == source.texts(1));
    // The source has moved on: a second fetch would show.
    source.set_tick(2);
    tick(stack, name, 1);
    stack.until_idle();
    assert_eq!(texts(stack, name), source.texts(1));
    assert_eq!(runs(stack, name).len(), 1);
    assert_eq!(stack.keys("raw", name).len(), 1);
    assert_eq!(loaded(stack, &published).documents_in, 20);
}

#[test]
fn objects_that_come_twice_and_backwards_leave_the_newest_rows() {
    let (stack, source, name) = (Stack::deploy("backwards"), Source::start(2), "backwards");
    let published = stack.publish(&pipeline(name, &source));
    stack.listen("load", false);
    for number in 1..=3 {
        source.set_tick(number);
        tick(&stack, name, number);
        stack.until("the tick's object is clean", || stack.keys("clean", name).len() == number as usize);
    }
    // Where the rule put them they would come in order.
    stack.until("the rule has queued all", || stack.depth("load") == 3);
    stack.purge("load");
    let objects = stack.keys("clean", name);
    for key in objects.iter().rev().chain(&objects) {
        stack.send("load", &json!({"clean": key}));
    }
    stack.listen("load", true);
    stack.until_idle();
    assert_eq!(texts(&stack, name), source.texts(3));
    let tally = loaded(&stack, &published);
    assert_eq!(
        (tally.documents_in, tally.refused),
        (60, 0),
        "each object is counted once: {tally:?}"
    );

    let before = stack.database.find(name, json!({}));
    for key in stack.keys("raw", name) {
        stack.send("clean", &json!({"raw": key}));
    }
    stack.until_idle();
    assert_eq!(stack.keys("clean", name), objects, "the same objects under the same keys");
    assert_eq!(stack.database.find(name, json!({})), before);
    assert_eq!(loaded(&stack, &published), tally);
}
