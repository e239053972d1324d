//! The incident drill: the database is down, messages become dead letters, an incident opens; the database is up, the letters are redriven, nothing is
//! lost, the incident closes.

use crate::rows::{Source, pipeline, texts, tick};
use crate::stack::Stack;
use serde_json::{Value, json};
use servers::mongodb::{Options, Server};

#[test]
fn what_a_database_that_is_down_has_kept_back_is_redriven() {
    let server: &'static Server = Box::leak(Box::new(Server::start(Options::default())));
    let database = server.fresh_database();
    let uri = database.uri();
    let (stack, source, name) = (Stack::deploy_onto("drill", database, &uri), Source::start(2), "drill");
    stack.hasten("load", 5);
    stack.apply(name, &pipeline(name, &source));
    server.stop();
    tick(&stack, name, 1);
    stack.until("load has given up", || stack.depth("load-dead") == 1);
    look(&stack);
    let open = incidents(&stack, &[]);
    assert_eq!(
        (open.len(), &open[0]["kind"], &open[0]["objects"]),
        (1, &json!("dead_letter"), &json!(1)),
        "{open:?}"
    );
    // Seen again, it is the same one.
    look(&stack);
    let again = incidents(&stack, &[]);
    assert_eq!((again.len(), &again[0]["incident"]), (1, &open[0]["incident"]), "{again:?}");

    server.start_again();
    let id = open[0]["incident"].as_str().unwrap();
    redrive(&stack, id);
    stack.until("the rows are there", || texts(&stack, name) == source.texts(1));
    stack.until_idle();
    look(&stack);
    assert_eq!(incidents(&stack, &[]), Vec::<Value>::new());
    let all = incidents(&stack, &["--all"]);
    assert_eq!((all.len(), &all[0]["state"]), (1, &json!("recovered")), "{all:?}");
    assert_eq!(stack.unfinished(name), 0);
}

/// As the schedule of `watch` has it done.
pub fn look(stack: &Stack) {
    stack.invoke("watch", &json!({"tick": "watch"}));
}

/// What `tidemill incidents` says, an object each.
pub fn incidents(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    let said = stack.tidemill(&[&["incidents", "--json"], arguments].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Has the one dead letter of an incident sent back. A letter that `watch` has just looked at is hidden for some seconds.
pub fn redrive(stack: &Stack, id: &str) {
    stack.until("the letter is sent back", || {
        let said = stack.tidemill(&["redrive", id]);
        said.starts_with("1 message sent back")
    });
}
