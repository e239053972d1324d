//! Dead letters: one incident a cause, recovered when what they were about is done.

use crate::given::{Stack, at, letter, resource};
use lake::Part;
use ledger::incident::Kind;
use watch::{DeadQueue, Letter, Subject};

#[tokio::test]
async fn letters_of_a_resource_are_one_incident_until_their_parts_are_done() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "10:00").await;
    let mut parts = Vec::new();
    for number in 1..=2 {
        parts.push(stack.part(&run, Part::Number(number), "10:00").await);
    }
    stack.end(&run, 2, "10:01").await;
    for part in &parts {
        stack.clean(part, 40, 0).await;
    }
    let letters: Vec<Letter> = parts
        .iter()
        .enumerate()
        .map(|(place, part)| letter(&place.to_string(), "10:02", Some(Subject::Clean(stack.clean_key(part)))))
        .collect();
    stack.put_letters(DeadQueue::Load, letters[..1].to_vec(), false);
    assert_eq!(stack.tick("10:30").await.opened, 1);
    let opened = stack.only(Kind::DeadLetter).await;
    assert_eq!(opened.cause, "dead_letter/load/shop/orders");
    assert_eq!(
        (opened.resource.clone(), opened.queue.as_deref()),
        (Some(resource("orders")), Some("load"))
    );
    assert_eq!((opened.objects, opened.records), (1, Some(40)));
    assert_eq!(opened.next, format!("tidemill redrive {} --stack dev", opened.id));
    stack.put_letters(DeadQueue::Load, letters, false);
    let outcome = stack.tick("10:31").await;
    assert_eq!((outcome.opened, outcome.letters), (0, 2));
    let more = stack.only(Kind::DeadLetter).await;
    assert_eq!((more.id, more.objects, more.records), (opened.id, 2, Some(80)));
    // Redriven, but not loaded yet; then one of them is.
    stack.put_letters(DeadQueue::Load, Vec::new(), false);
    assert_eq!(stack.tick("10:32").await.recovered, 0);
    stack.load(&parts[0], 40).await;
    assert_eq!(stack.tick("10:33").await.recovered, 0);
    stack.load(&parts[1], 40).await;
    // Not while there are letters that nobody saw.
    stack.put_letters(DeadQueue::Load, Vec::new(), true);
    assert_eq!(stack.tick("10:34").await.recovered, 0);
    stack.put_letters(DeadQueue::Load, Vec::new(), false);
    assert_eq!(stack.tick("10:35").await.recovered, 1);
    stack.nothing_is_open().await;
    assert_eq!(
        stack
            .ledger()
            .note(ledger::Shelf::Watched, "dead/dead_letter/load/shop/orders")
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        stack.told(),
        ["[dev] dead letter: shop/orders", "[dev] recovered: dead letter: shop/orders"]
    );
}

#[tokio::test]
async fn each_queue_and_resource_is_a_cause_of_its_own() {
    let stack = Stack::new().await;
    let mut raws = Vec::new();
    for of in ["orders", "items"] {
        let run = stack.begin(of, "10:00").await;
        raws.push(stack.part(&run, Part::Number(1), "10:00").await);
    }
    let raw = |place: usize| Subject::Raw {
        raw: raws[place].clone(),
        definition: None,
    };
    stack.put_letters(
        DeadQueue::Clean,
        vec![
            letter("1", "10:01", Some(raw(0))),
            letter("2", "10:01", Some(raw(1))),
            letter("3", "10:02", None),
        ],
        false,
    );
    stack.put_letters(DeadQueue::Rules, vec![letter("4", "10:03", Some(raw(0)))], false);
    let tick = Letter {
        subjects: Some(Vec::new()),
        ..letter("5", "10:04", None)
    };
    stack.put_letters(DeadQueue::Schedules, vec![tick], false);
    assert_eq!(stack.tick("10:04").await.opened, 5);
    let mut causes: Vec<String> = stack.open_incidents().await.into_iter().map(|incident| incident.cause).collect();
    causes.sort_unstable();
    assert_eq!(
        causes,
        [
            "dead_letter/clean/shop/items",
            "dead_letter/clean/shop/orders",
            "dead_letter/rules/shop/orders",
            "dead_letter/schedules",
            "unreadable_message/clean",
        ]
    );
}

#[tokio::test]
async fn what_nobody_can_read_recovers_when_it_is_gone() {
    let stack = Stack::new().await;
    stack.put_letters(DeadQueue::Extract, vec![letter("1", "10:01", None)], false);
    stack.tick("10:02").await;
    let unreadable = stack.only(Kind::UnreadableMessage).await;
    assert_eq!(unreadable.next, format!("tidemill incidents show {} --stack dev", unreadable.id));
    stack.put_letters(DeadQueue::Extract, Vec::new(), false);
    assert_eq!(stack.tick("10:03").await.recovered, 1);
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn a_tick_that_is_dead_recovers_with_a_run_that_goes_well() {
    let stack = Stack::new().await;
    let tick = Subject::Tick {
        resource: resource("orders"),
        run: None,
    };
    stack.put_letters(DeadQueue::Extract, vec![letter("1", "10:00", Some(tick))], false);
    stack.tick("10:01").await;
    assert_eq!(stack.only(Kind::DeadLetter).await.opened_ms, at("10:00"));
    stack.put_letters(DeadQueue::Extract, Vec::new(), false);
    assert_eq!(stack.tick("10:02").await.recovered, 0);
    stack.complete("orders", "10:03", 1, 0).await;
    assert_eq!(stack.tick("10:04").await.recovered, 1);
    stack.nothing_is_open().await;
}
