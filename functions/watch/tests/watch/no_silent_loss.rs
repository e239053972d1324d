//! Law 5: what reached no end state is queued again, and is an incident if that does not help.

use crate::given::{Stack, letter};
use bytes::Bytes;
use lake::{Metadata, Part};
use ledger::incident::Kind;
use watch::{DeadQueue, Subject, Work};

/// A run of the evening before, which ended well.
const PARTS: u32 = 1;

#[tokio::test]
async fn a_raw_object_whose_event_was_lost_is_queued_again() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "01:00").await;
    let part = stack.part(&run, Part::Number(1), "01:10").await;
    stack.end(&run, PARTS, "01:11").await;
    // While its message may be under way, it is left alone: 150 minutes from when it was there.
    stack.tick("03:39").await;
    assert_eq!(stack.sent(), []);
    assert_eq!(stack.tick("03:40").await.again, 1);
    assert_eq!(stack.sent(), [Work::Clean(part.clone())]);
    stack.tick("03:41").await;
    assert_eq!(stack.sent(), [], "its new message is under way");
    // It is cleaned, and now the clean object's event is lost.
    stack.clean(&part, 10, 0).await;
    let clean = stack.clean_key(&part);
    let (key, metadata) = (clean.clean(), Metadata::new());
    let put = stack.services.store.put_new(&key, &metadata, Bytes::from_static(b"x"));
    put.await.unwrap();
    assert_eq!(stack.tick("06:10").await.again, 1);
    assert_eq!(stack.sent(), [Work::Load(clean.clone())]);
    // One that is gone is made again.
    stack.services.store.delete(&clean.clean()).await.unwrap();
    assert_eq!(stack.tick("08:40").await.again, 1);
    assert_eq!(stack.sent(), [Work::Clean(part.clone())]);
    // Three attempts, and time after the last: it is stuck.
    stack.tick("11:09").await;
    assert!(
        stack
            .open_incidents()
            .await
            .iter()
            .all(|incident| incident.kind != Kind::StuckObject)
    );
    stack.tick("11:10").await;
    let open = stack.open_incidents().await;
    let stuck = open.iter().find(|incident| incident.kind == Kind::StuckObject).unwrap();
    assert_eq!((stuck.objects, stuck.records), (1, Some(10)));
    assert_eq!(stuck.next, "tidemill replay shop --resource orders --stack dev");
    assert_eq!(stack.sent(), [], "from now on once a day");
    stack.tick("11:40").await;
    stack.load(&part, 10).await;
    stack.tick("11:41").await;
    assert!(
        stack
            .open_incidents()
            .await
            .iter()
            .all(|incident| incident.kind != Kind::StuckObject)
    );
}

#[tokio::test]
async fn nothing_is_queued_that_is_not_there_or_that_lies_dead() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "01:00").await;
    stack.intent(&run, Part::Number(1)).await;
    let dead = stack.part(&run, Part::Number(2), "01:10").await;
    let lost = stack.part(&run, Part::Number(3), "01:10").await;
    stack.fail(&run, "01:11", "killed").await;
    let subject = Subject::Raw {
        raw: dead.clone(),
        definition: None,
    };
    stack.put_letters(DeadQueue::Clean, vec![letter("1", "01:10", Some(subject))], false);
    stack.tick("08:00").await;
    assert_eq!(stack.sent(), [Work::Clean(lost)]);
}

#[tokio::test]
async fn what_is_queued_again_in_a_tick_is_bounded_and_each_has_its_turn() {
    let mut stack = Stack::new().await;
    stack.services.limits.patience.again_max = 2;
    stack.services.limits.heads_max = 3;
    let run = stack.begin("orders", "01:00").await;
    for number in 1..=3 {
        stack.intent(&run, Part::Number(number)).await;
    }
    let mut parts = Vec::new();
    for number in 4..=7 {
        parts.push(Work::Clean(stack.part(&run, Part::Number(number), "01:10").await));
    }
    stack.fail(&run, "01:11", "killed").await;
    // The first three are not there, and must not stand in the way of the others for good.
    stack.tick("08:00").await;
    assert_eq!(stack.sent(), []);
    stack.tick("08:01").await;
    assert_eq!(stack.sent(), parts[..2]);
    stack.tick("08:02").await;
    assert_eq!(stack.sent(), parts[2..]);
    stack.tick("08:03").await;
    stack.tick("08:04").await;
    assert_eq!(stack.sent(), []);
}

/// A part that can't be looked at does not stand in the way of the others, whose attempts are counted.
#[tokio::test]
async fn what_is_damaged_or_finds_no_queue_does_not_hide_the_others() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "01:00").await;
    let damaged = stack.intent(&run, Part::Number(1)).await;
    let (key, metadata) = (damaged.key(), Metadata::new());
    let put = stack.services.store.put_new(&key, &metadata, Bytes::from_static(b"x"));
    put.await.unwrap();
    let mut parts = vec![Work::Clean(damaged)];
    for number in 2..=3 {
        parts.push(Work::Clean(stack.part(&run, Part::Number(number), "01:10").await));
    }
    stack.end(&run, 3, "01:11").await;
    stack.ports.0.lock().unwrap().room = Some(2);
    let error = stack.try_tick("08:00").await.unwrap_err();
    assert!(error.to_string().contains("the part raw/shop/orders/"), "{error}");
    assert_eq!(stack.sent(), parts[..2]);
    stack.ports.0.lock().unwrap().room = None;
    stack.tick("08:01").await;
    assert_eq!(stack.sent(), parts[2..]);
}

/// What is owed does not wait for somebody to mend the definition.
#[tokio::test]
async fn what_a_pipeline_owes_is_queued_again_without_its_definition() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "01:00").await;
    let part = stack.part(&run, Part::Number(1), "01:10").await;
    stack.end(&run, 1, "01:11").await;
    let mut applied = ledger::applied(stack.ledger()).await.unwrap().remove(0);
    applied.definition = "0".repeat(64);
    ledger::put_applied(stack.ledger(), &applied).await.unwrap();
    stack.try_tick("08:00").await.unwrap_err();
    assert_eq!(stack.sent(), [Work::Clean(part)]);
}
