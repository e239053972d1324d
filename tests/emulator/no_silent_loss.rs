//! Law 5 on AWS: functions are killed at work, objects are poison; nothing is lost, and nothing else is held up.

use crate::incident::{incidents, look, redrive};
use crate::rows::{Source, loaded, pipeline, runs, texts, tick};
use crate::stack::{Stack, hurried};
use ledger::RunState;
use serde_json::{Value, json};
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

/// One object is garbage for good, another only as long as its pipeline's definition is lost. Both become dead letters, each with an incident of its own;
/// what is mended comes back by `redrive`, and the other stays where it is.
#[test]
fn poison_ends_as_a_dead_letter_holds_nothing_up_and_comes_back_when_mended() {
    let (stack, source) = (Stack::deploy("poisoned"), Source::start(1));
    for queue in ["extract", "clean"] {
        stack.hasten(queue, 3);
    }
    let lost = lose_definition(&stack, "mended", &source);
    stack.apply("poison", &pipeline("poison", &source));
    let garbage = "raw/poison/rows/dt=2026-01-01/01KDVTBJ000000000000000000/000001.jsonl.zst";
    let object = json!({"Bucket": stack.lake(), "Key": garbage, "Body": "this is no zstd", "IfNoneMatch": "*"});
    stack.call("s3", "put_object", object);
    stack.send("extract", &json!({"what": "is no message"}));
    tick(&stack, "poison", 1);
    stack.until("the good rows are there", || texts(&stack, "poison") == source.texts(1));
    stack.until("poison is set aside", || {
        stack.depth("clean-dead") == 2 && stack.depth("extract-dead") == 1
    });
    // What is lost is an error of `watch` too, which does the rest all the same.
    stack.call(
        "lambda",
        "invoke",
        json!({"FunctionName": "poisoned-watch", "Payload": json!({"tick": "watch"}).to_string()}),
    );
    let open = incidents(&stack, &[]);
    let found: Vec<_> = open
        .iter()
        .map(|incident| (text(incident, "kind"), text(incident, "pipeline")))
        .collect();
    for expected in [("dead_letter", "mended"), ("dead_letter", "poison"), ("unreadable_message", "")] {
        assert!(found.contains(&expected), "{expected:?}: {open:?}");
    }
    assert_eq!(open.len(), 3, "{open:?}");

    stack.call("s3", "delete_object", lost);
    let mended = open.iter().find(|incident| incident["pipeline"] == "mended").unwrap();
    redrive(&stack, text(mended, "incident"));
    stack.until("the rows are there", || texts(&stack, "mended") == source.texts(1));
    stack.until("nothing is at work", || {
        ["clean", "load"].iter().all(|queue| stack.depth(queue) == 0)
    });
    look(&stack);
    let open = incidents(&stack, &[]);
    assert!(
        open.len() == 2 && open.iter().all(|incident| incident["pipeline"] != "mended"),
        "{open:?}"
    );
    assert_eq!([stack.unfinished("mended"), stack.unfinished("poison")], [0; 2]);
    assert_eq!(stack.depth("clean-dead"), 1);
    let letter = stack.first_message("clean-dead");
    assert!(letter.contains(garbage), "{letter}");
    assert_eq!(stack.first_message("extract-dead"), json!({"what": "is no message"}).to_string());
    let kept = stack.call("s3", "head_object", json!({"Bucket": stack.lake(), "Key": garbage}));
    assert_eq!(kept["ContentLength"], 15);
    assert_eq!([stack.depth("load-dead"), stack.depth("rules-dead")], [0; 2]);
}

/// Runs a pipeline up to its raw object, and deletes the definition that `clean` needs for it. What brings the definition back: parameters of
/// `delete_object`, by which the deletion is deleted.
fn lose_definition(stack: &Stack, name: &str, source: &Source) -> Value {
    stack.listen("clean", false);
    stack.apply(name, &pipeline(name, source));
    tick(stack, name, 1);
    stack.until("the raw object is queued", || stack.depth("clean") == 1);
    let mut object = json!({"Bucket": stack.lake(), "Key": stack.keys("definitions", name)[0]});
    let deleted = stack.call("s3", "delete_object", object.clone());
    assert_eq!(stack.keys("definitions", name), [""; 0]);
    stack.listen("clean", true);
    object["VersionId"] = deleted["VersionId"].clone();
    object
}

/// A field of an incident; empty when it has none.
fn text<'a>(incident: &'a Value, field: &str) -> &'a str {
    incident[field].as_str().unwrap_or_default()
}
