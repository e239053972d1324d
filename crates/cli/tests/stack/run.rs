//! `run` asks by a message; what can't be is told.

use crate::desk::Desk;
use cli::cloud::names::Queue;
use host::event::{ExtractMessage, Message as _, Origin, RequestedBy};

#[test]
fn a_run_is_a_message_in_the_queue_of_extract() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    let early = desk.type_in(&["run", "orders", "--no-wait"]);
    assert!(early.code == 2 && early.err.contains("is not applied to the stack"), "{early:?}");
    assert_eq!(desk.apply().code, 0);
    let said = desk.type_in(&["run", "orders", "--no-wait", "--json", "--base-url", "http://127.0.0.1:1/"]);
    assert_eq!(said.code, 0, "{said:?}");
    let bodies = desk.messages(&desk.names.queue(Queue::Extract));
    let origin = Origin {
        lake_bucket: None,
        sent_ms: 0,
    };
    let [body] = bodies.as_slice() else { panic!("{bodies:?}") };
    let message = ExtractMessage::parse(body, &origin).unwrap().remove(0);
    assert_eq!(message.resource_id().to_string(), "orders/orders");
    assert_eq!((message.requested_by, message.hop), (RequestedBy::Run, 0));
    assert_eq!(message.base_url.as_deref(), Some("http://127.0.0.1:1/"));
    assert_eq!(said.json()[0]["run"], message.run_id().unwrap().to_string());
}

/// The functions' own parser reads what the schedules send.
#[test]
fn a_schedule_sends_what_extract_reads() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    assert_eq!(desk.apply().code, 0);
    let schedule = desk.schedule("orders.orders");
    let origin = Origin {
        lake_bucket: None,
        sent_ms: 61_000,
    };
    let message = ExtractMessage::parse(schedule["Target"]["Input"].as_str().unwrap(), &origin)
        .unwrap()
        .remove(0);
    assert_eq!(message.resource_id().to_string(), "orders/orders");
    assert_eq!((message.requested_by, message.scheduled_ms), (RequestedBy::Schedule, Some(60_000)));
}

#[test]
fn a_file_that_was_edited_since_is_noted() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    assert_eq!(desk.apply().code, 0);
    desk.pipeline("orders", "rate(3 hours)");
    let said = desk.type_in(&["run", "orders", "--no-wait"]);
    assert!(said.code == 0 && said.err.contains("was edited since it was applied"), "{said:?}");
    let unknown = desk.type_in(&["run", "orders", "--no-wait", "--resource", "x"]);
    assert!(unknown.code == 2 && unknown.err.contains("no resource `x`"), "{unknown:?}");
}

#[test]
fn files_are_no_business_of_a_stack() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    assert_eq!(desk.type_in(&["check", "orders"]).code, 0);
    let said = desk.type_in(&["check", "orders", "--stack", "dev"]);
    assert!(said.code == 2 && said.err.contains("leave --stack out"), "{said:?}");
    let name = desk.type_in(&["runs", "--stack", "Not_A_Stack"]);
    assert!(name.code == 2 && name.err.contains("is not the name of a stack"), "{name:?}");
}
