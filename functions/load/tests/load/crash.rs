//! A process that dies anywhere, and is followed by another: the documents and the numbers are those of an undisturbed load.

use crate::desk::{Desk, document, documents, watch};
use ledger::{LoadTally, Stage, Step};
use load::Error;
use std::sync::Arc;

#[tokio::test]
async fn the_numbers_are_true_wherever_it_was_stopped() {
    let mut of = documents(1, 0..10_500);
    of.push(document(1, 10_500, &"z".repeat(17_000_000)));
    let expected = LoadTally {
        documents_in: 10_501,
        inserted: 10_500,
        refused: 1,
        ..LoadTally::default()
    };
    let mut named = Vec::new();
    for stop_after in 0.. {
        let desk = Desk::new("", "{collection: c}").await;
        let clean = desk.put(1, 1, &of, 0).await;
        let killed = Arc::new(watch(stop_after));
        let ended = desk.load_watched(&clean, &killed).await;
        if ended.is_ok() {
            break;
        }
        assert!(matches!(ended, Err(Error::Interrupted(_))), "{ended:?}");
        named.extend(killed.steps.lock().unwrap().last().cloned());
        let outcome = desk.load(&clean).await.unwrap();
        assert_eq!(outcome.tally, expected, "stopped after {named:?}");
        assert_eq!(desk.seen().await.len(), 10_500, "stopped after {named:?}");
        assert_eq!(desk.refused(&clean).await.unwrap().len(), 1, "stopped after {named:?}");
    }
    let batch = |documents| Step::BatchLoaded { documents };
    assert_eq!(
        named,
        [
            batch(10_000),
            batch(500),
            batch(1),
            Step::RefusedWritten,
            Step::LoadFactRecorded,
            Step::ReceiptsSettled
        ]
    );
}

#[tokio::test]
async fn the_fact_that_is_kept_is_the_first() {
    let desk = Desk::new("", "{collection: c}").await;
    let clean = desk.put(1, 1, &documents(1, 0..3), 0).await;
    let first = desk.load(&clean).await.unwrap();
    let again = desk.load(&clean).await.unwrap();
    assert_eq!((first.tally.inserted, first.this_attempt), (3, first.tally));
    assert_eq!((again.tally, again.this_attempt.unchanged), (first.tally, 3));
    assert_eq!(desk.loaded(&clean).await, Some(first.tally));
}

#[tokio::test]
async fn before_the_fact_nothing_is_owed_less() {
    let desk = Desk::new("", "{collection: c}").await;
    let clean = desk.put(1, 1, &documents(1, 0..3), 0).await;
    let ended = desk.load_watched(&clean, &Arc::new(watch(0))).await;
    assert!(matches!(ended, Err(Error::Interrupted(_))), "{ended:?}");
    assert_eq!(desk.seen().await, [0, 1, 2], "the batch is there");
    assert_eq!(desk.services.ledger.fact(&desk.fact_key(&clean, Stage::Load)).await.unwrap(), None);
}
