//! People are told at least once; two ticks at once open one incident; a tick that runs out of time is gone on with.

use crate::given::{SHOP, Stack, at};
use ledger::Shelf;
use ledger::incident::Kind;
use watch::Tick;

#[tokio::test]
async fn who_could_not_be_told_is_told_by_the_next_tick() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "10:00").await;
    stack.fail(&run, "10:01", "no").await;
    stack.ports.0.lock().unwrap().topic_is_down = true;
    let error = stack.try_tick("10:02").await.unwrap_err();
    assert_eq!((error.kind(), error.next()), ("Partly", ledger::Next::Retry));
    assert!(
        error
            .to_string()
            .starts_with("1 of the things to look at could not be; the first, the incident "),
        "{error}"
    );
    // It recovers before anybody was told that it opened, and both are told.
    stack.complete("orders", "11:00", 1, 0).await;
    stack.try_tick("11:01").await.unwrap_err();
    assert_eq!(stack.told(), [""; 0]);
    stack.ports.0.lock().unwrap().topic_is_down = false;
    assert_eq!(stack.tick("11:02").await.told, 2);
    assert_eq!(
        stack.told(),
        ["[dev] failed run: shop/orders", "[dev] recovered: failed run: shop/orders"]
    );
    assert_eq!(stack.tick("11:03").await.told, 0);
    assert!(ledger::incident::causes(stack.ledger(), None, 9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ticks_at_once_open_one_incident() {
    for _ in 0..10 {
        let stack = Stack::new().await;
        let run = stack.begin("orders", "10:00").await;
        stack.fail(&run, "10:01", "no").await;
        stack.set_clock(at("10:02"));
        let tick = || {
            let (run, services) = (stack.run.clone(), stack.services.clone());
            tokio::spawn(async move { watch::handle(&Tick, &run, &services).await.unwrap() })
        };
        let (one, other) = (tick(), tick());
        assert_eq!(one.await.unwrap().opened + other.await.unwrap().opened, 1);
        assert_eq!(stack.only(Kind::FailedRun).await.times, 1);
        // At least once, by one or both.
        assert!((1..=2).contains(&stack.told().len()));
    }
}

#[tokio::test]
async fn a_tick_without_time_tells_and_the_next_looks_at_the_others() {
    let mut stack = Stack::new().await;
    stack
        .apply(&SHOP.replace("pipeline: shop", "pipeline: bakery"), "09:30", false)
        .await;
    stack.run.deadline_ms = Some(at("10:06"));
    let outcome = stack.tick("10:06").await;
    assert_eq!((outcome.cut_short, outcome.pipelines), (true, 0));
    stack.run.deadline_ms = Some(at("10:08"));
    let outcome = stack.tick("10:07").await;
    assert_eq!((outcome.cut_short, outcome.pipelines, outcome.opened), (false, 2, 2));
}

/// One that can't be looked at does not hide the others.
#[tokio::test]
async fn a_pipeline_that_cannot_be_read_is_told_and_the_others_are_looked_at() {
    let stack = Stack::new().await;
    let mut broken = ledger::applied(stack.ledger()).await.unwrap().remove(0);
    broken.pipeline = pipeline::Name::new("aaa").unwrap();
    ledger::put_applied(stack.ledger(), &broken).await.unwrap();
    let error = stack.try_tick("10:06").await.unwrap_err();
    assert!(error.to_string().contains("the first, the pipeline aaa"), "{error}");
    stack.only(Kind::MissedRun).await;
}

/// A newer version wrote them, before somebody rolled back; or they are damaged.
#[tokio::test]
async fn notes_that_cannot_be_read_do_not_end_the_watch() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "10:00").await;
    stack.fail(&run, "10:01", "no").await;
    for (shelf, key) in [(Shelf::Causes, "a/b/c"), (Shelf::Pipelines, "aaa")] {
        assert!(stack.ledger().put_note(shelf, key, None, "[7]").await.unwrap());
    }
    let error = stack.try_tick("10:02").await.unwrap_err();
    assert!(error.to_string().starts_with("2 of the things"), "{error}");
    assert_eq!(stack.told(), ["[dev] failed run: shop/orders"]);
    // Its pipeline's note can't be read: that is not to say that it was taken away.
    let applied = stack.ledger().note(Shelf::Pipelines, "shop").await.unwrap().unwrap();
    let damaged = stack.ledger().put_note(Shelf::Pipelines, "shop", Some(applied.revision), "[7]");
    assert!(damaged.await.unwrap());
    stack.try_tick("10:03").await.unwrap_err();
    assert_eq!(stack.told().len(), 1, "it did not recover");
}

#[tokio::test]
async fn a_topic_that_is_down_is_not_asked_without_end() {
    let mut stack = Stack::new().await;
    stack.services.limits.told_max = 2;
    for of in ["orders", "items", "stock", "report"] {
        let run = stack.begin(of, "10:00").await;
        stack.fail(&run, "10:01", "no").await;
    }
    stack.ports.0.lock().unwrap().topic_is_down = true;
    stack.try_tick("10:02").await.unwrap_err();
    assert_eq!(stack.ports.0.lock().unwrap().asked, 2);
}
