//! A definition that is edited while a run is under way: the run ends as it began, the next has the new one, and no row is lost between them.

use crate::rows::{Source, pipeline, runs, texts, tick};
use crate::stack::shared;
use ledger::RunState;
use serde_json::json;

#[test]
fn a_run_keeps_the_definition_it_began_with() {
    let (stack, source, name) = (shared(), Source::start(2), "edited");
    let old_text = pipeline(name, &source);
    let field = "        text:    {type: string}\n";
    let new_text = old_text.replace(field, &format!("{field}        tick:    {{type: long}}\n"));
    assert_ne!(old_text, new_text);
    let old = stack.publish(&old_text);
    source.hold(2);
    tick(stack, name, 1);
    stack.until("the run is under way", || source.asked(2) == 1);
    let new = stack.publish(&new_text);
    source.release();
    stack.until("the rows are there", || texts(stack, name) == source.texts(1));
    stack.until_idle();
    let with_tick = |number: u64| stack.database.find(name, json!({"tick": number})).len();
    assert_eq!(with_tick(1), 0, "cleaned by the definition that the run began with");

    source.set_tick(2);
    tick(stack, name, 2);
    stack.until("the rows are those of the next tick", || texts(stack, name) == source.texts(2));
    stack.until_idle();
    assert_eq!(with_tick(2), 20);
    let told: Vec<_> = runs(stack, name)
        .into_iter()
        .map(|run| (run.state, run.definition, run.generation))
        .collect();
    let expected =
        [(&new, 2), (&old, 1)].map(|(published, generation)| (RunState::Extracted, published.checked.hash.as_str().to_owned(), generation));
    assert_eq!(told, expected);
}
