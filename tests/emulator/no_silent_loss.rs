//! Law 5 on AWS: functions are killed at work, objects are poison; nothing is lost, and nothing else is held up.

use crate::rows::{Source, loaded, pipeline, runs, texts, tick};
use crate::stack::{Stack, hurried};
use ledger::RunState;
use serde_json::json;
use servers::mongodb;
use tidemill_tests::gate::{Gate, Side};

#[test]
fn extract_killed_between_pages_goes_on() {
    let (stack, source, name) = (hurried(), Source::start(3), "killed_extract");
    let published = stack.publish(&pipeline(name, &source));
    source.hold(2);
    tick(stack, name, 1);
    stack.until("extract waits for the second page", || source.asked(2) > 0);
    assert!(stack.kill("extract"), "extract was at work");
    source.release();
    stack.until("the rows are there", || texts(stack, name) == source.texts(1));
    stack.until_idle();
    let runs = runs(stack, name);
    assert_eq!((runs.len(), &runs[0].state), (1, &RunState::Extracted), "{runs:?}");
    assert_eq!(loaded(stack, &published).inserted, 30);
    assert_eq!(stack.unfinished(name), 0);
}

#[test]
fn clean_killed_goes_on() {
    let (stack, source, name) = (hurried(), Source::start(3), "killed_clean");
    let published = stack.publish(&pipeline(name, &source));
    tick(stack, name, 1);
    stack.until("clean was at work, and is killed", || stack.kill("clean"));
    stack.until("the rows are there", || texts(stack, name) == source.texts(1));
    stack.until_idle();
    assert_eq!(loaded(stack, &published).inserted, 30);
    assert_eq!(stack.unfinished(name), 0);
}

/// The database has done what it was told, and `load` does not live to hear it.
#[test]
fn load_killed_before_the_answer_goes_on() {
    let gate = Gate::start(&mongodb::shared().host());
    let database = mongodb::shared().fresh_database();
    let uri = gate.uri(database.name());
    let (stack, source, name) = (Stack::deploy_onto("gated", database, &uri), Source::start(3), "killed_load");
    stack.hurry();
    let published = stack.publish(&pipeline(name, &source));
    gate.hold_next("insert killed_load", Side::Answer);
    tick(&stack, name, 1);
    stack.until("load has sent the rows", || gate.is_held());
    assert!(stack.kill("load"), "load was at work");
    gate.cut();
    stack.until_idle();
    assert_eq!(texts(&stack, name), source.texts(1));
    let tally = loaded(&stack, &published);
    assert_eq!((tally.documents_in, tally.inserted, tally.updated), (30, 30, 0), "{tally:?}");
    assert_eq!(stack.unfinished(name), 0);
}

#[test]
fn poison_ends_as_a_dead_letter_and_holds_nothing_up() {
    let (stack, source, name) = (Stack::deploy("poisoned"), Source::start(1), "poison");
    for queue in ["extract", "clean"] {
        stack.hasten(queue, 5);
    }
    stack.publish(&pipeline(name, &source));
    let poison = "raw/poison/rows/dt=2026-01-01/01KDVTBJ000000000000000000/0000000000.jsonl.zst";
    let bucket = stack.lake();
    stack.call(
        "s3",
        "put_object",
        json!({"Bucket": bucket, "Key": poison, "Body": "this is no zstd", "IfNoneMatch": "*"}),
    );
    stack.send("extract", &json!({"what": "is no message"}));
    tick(&stack, name, 1);
    stack.until("the good rows are there", || texts(&stack, name) == source.texts(1));
    stack.until("poison is set aside", || {
        stack.depth("clean-dead") == 1 && stack.depth("extract-dead") == 1
    });
    let letter = stack.first_message("clean-dead");
    assert!(letter.contains(poison), "{letter}");
    assert_eq!(stack.first_message("extract-dead"), json!({"what": "is no message"}).to_string());
    assert_eq!(
        stack.call("s3", "head_object", json!({"Bucket": bucket, "Key": poison}))["ContentLength"],
        15
    );
    assert_eq!([stack.depth("load"), stack.depth("load-dead"), stack.depth("rules-dead")], [0; 3]);
}
