//! Batches are bounded by count and by bytes, and are the same each time.

use crate::desk::{Desk, document, documents, watch};
use bson::Document;
use ledger::Step;
use std::sync::Arc;

/// How many documents the batches of an object of these have.
async fn batches(documents: &[Document]) -> Vec<u64> {
    let desk = Desk::new("", "{collection: c}").await;
    let clean = desk.put(1, 1, documents, 0).await;
    let watch = Arc::new(watch(usize::MAX));
    let outcome = desk.load_watched(&clean, &watch).await.unwrap();
    assert_eq!(outcome.tally.documents_in, documents.len() as u64);
    assert_eq!(desk.seen().await.len(), documents.len());
    let steps = watch.steps.lock().unwrap();
    let sizes = steps.iter().filter_map(|step| match step {
        Step::BatchLoaded { documents } => Some(*documents),
        _ => None,
    });
    sizes.collect()
}

#[tokio::test]
async fn a_batch_has_at_most_so_many_documents() {
    assert_eq!(batches(&[]).await, [0; 0]);
    assert_eq!(batches(&documents(1, 0..10_000)).await, [10_000]);
    assert_eq!(batches(&documents(1, 0..10_001)).await, [10_000, 1]);
}

#[tokio::test]
async fn a_batch_has_at_most_so_many_bytes_unless_one_document_is_larger() {
    let megabytes = |id: i64, megabytes: usize| document(1, id, &"x".repeat(megabytes * 1_000_000));
    let of_one: Vec<Document> = (0..9).map(|id| megabytes(id, 1)).collect();
    assert_eq!(batches(&of_one).await, [4, 4, 1]);
    let mixed = [megabytes(0, 1), megabytes(1, 6), megabytes(2, 6), megabytes(3, 1), megabytes(4, 1)];
    assert_eq!(batches(&mixed).await, [1, 1, 1, 2]);
}
