//! What a command that reads answers, as the bytes that came: no document is decoded or copied.

use std::future::poll_fn;
use std::pin::Pin;

use bson::raw::RawDocument;
use bson::{RawBsonRef, RawDocumentBuf};
use futures_core::Stream;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};

use super::MongoDocuments;
use super::error::Fault;

/// The batches of documents that a command answers with.
pub(super) struct Batches(RawBatchCursor);

/// Some of the documents.
pub(super) struct Found(RawBatch);

/// Runs a command that answers with a cursor.
pub(super) async fn batches(store: &MongoDocuments, command: RawDocumentBuf) -> Result<Batches, Fault> {
    let cursor = store
        .link
        .once(|database| async move { database.run_raw_cursor_command(command).batch().await });
    cursor.await.map(Batches)
}

impl Batches {
    /// The next batch; `None` at the end.
    pub(super) async fn next(&mut self, store: &MongoDocuments) -> Result<Option<Found>, Fault> {
        let next = store
            .link
            .once(|_| async { poll_fn(|context| Pin::new(&mut self.0).poll_next(context)).await.transpose() });
        Ok(next.await?.map(Found))
    }
}

impl Found {
    pub(super) fn documents(&self) -> Result<impl Iterator<Item = Result<&RawDocument, Fault>>, Fault> {
        let documents = self.0.doc_slices().map_err(|_| unreadable())?.into_iter();
        Ok(documents.map(|document| match document {
            Ok(RawBsonRef::Document(document)) => Ok(document),
            _ => Err(unreadable()),
        }))
    }
}

fn unreadable() -> Fault {
    Fault::damaged("the answer of the server can't be read".to_owned())
}
