//! The collection is declared before the first document and before a version is shown; a store that fails says what happens next.

use crate::desk::{Desk, documents, name};
use async_trait::async_trait;
use bson::{RawBsonRef, RawDocumentBuf};
use documents::{Batch, Change, Contract, Documents, DocumentsError, Replaced, SqliteDocuments, Target, Tightness, Version, WriteOutcome};
use ledger::Next;
use load::{Error, Replacement};
use pipeline::Name;
use std::sync::{Arc, Mutex};

/// The store, and what was asked of it.
struct Told {
    inner: Arc<SqliteDocuments>,
    calls: Mutex<Vec<&'static str>>,
    contracts: Mutex<Vec<Contract>>,
    /// Fails whatever is declared.
    away: bool,
}

impl Told {
    fn call(&self, what: &'static str) {
        self.calls.lock().unwrap().push(what);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[async_trait]
impl Documents for Told {
    async fn write(&self, target: &Target, batch: &Batch<'_>) -> Result<WriteOutcome, DocumentsError> {
        self.call("write");
        self.inner.write(target, batch).await
    }
    async fn settle(&self, object: &str) -> Result<(), DocumentsError> {
        self.inner.settle(object).await
    }
    async fn visible(&self, collection: &Name) -> Result<Option<Version>, DocumentsError> {
        self.inner.visible(collection).await
    }
    async fn replace(&self, collection: &Name, version: Version) -> Result<Replaced, DocumentsError> {
        self.call("replace");
        self.inner.replace(collection, version).await
    }
    async fn get(&self, collection: &Name, id: RawBsonRef<'_>, deleted: bool) -> Result<Option<RawDocumentBuf>, DocumentsError> {
        self.inner.get(collection, id, deleted).await
    }
    async fn scan(&self, collection: &Name, after: Option<RawBsonRef<'_>>, limit: usize) -> Result<Vec<RawDocumentBuf>, DocumentsError> {
        self.inner.scan(collection, after, limit).await
    }
    async fn collections(&self) -> Result<Vec<String>, DocumentsError> {
        self.inner.collections().await
    }
    async fn declare(&self, target: &Target, contract: &Contract) -> Result<(), DocumentsError> {
        self.call("declare");
        self.contracts.lock().unwrap().push(contract.clone());
        if self.away {
            return Err(DocumentsError::Unreachable {
                action: "declare",
                collection: target.collection.to_string(),
                server: "db.example.org:27017".to_owned(),
                problem: "the connection was refused".to_owned(),
            });
        }
        self.inner.declare(target, contract).await
    }
    async fn plan(&self, contract: &Contract, tightness: Tightness) -> Result<Vec<Change>, DocumentsError> {
        self.inner.plan(contract, tightness).await
    }
    async fn carry_out(&self, contract: &Contract, changes: &[Change]) -> Result<Vec<String>, DocumentsError> {
        self.inner.carry_out(contract, changes).await
    }
    async fn count(&self, collection: &Name) -> Result<Option<u64>, DocumentsError> {
        self.inner.count(collection).await
    }
}

/// A desk whose store tells what is asked of it.
async fn desk(load: &str, away: bool) -> (Desk, Arc<Told>) {
    let mut desk = Desk::new("", load).await;
    let told = Arc::new(Told {
        inner: desk.documents.clone(),
        calls: Mutex::default(),
        contracts: Mutex::default(),
        away,
    });
    desk.services.documents = told.clone();
    (desk, told)
}

#[tokio::test]
async fn a_collection_is_declared_once_an_object_before_its_first_document() {
    let (desk, told) = desk("{collection: c}", false).await;
    // More than one batch.
    let clean = desk.put(1, 1, &documents(1, 0..10_001), 0).await;
    desk.load(&clean).await.unwrap();
    assert_eq!(told.take(), ["declare", "write", "write"]);
    let contract = told.contracts.lock().unwrap().remove(0);
    assert_eq!((contract.collection, contract.owner.as_str()), (name("c"), "p/r"));
    // Nothing to write, nothing to declare.
    let empty = desk.put(1, 2, &[], 0).await;
    desk.load(&empty).await.unwrap();
    assert_eq!(told.take(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_version_is_declared_before_it_is_shown_even_if_nothing_was_written_to_it() {
    let (desk, told) = desk("{collection: c, write_disposition: replace, allow_empty: true}", false).await;
    let part = desk.put(1, 1, &documents(1, 0..2), 0).await;
    desk.load(&part).await.unwrap();
    assert_eq!(told.take(), ["declare", "write"]);
    let marker = desk.put_marker(1, 1).await;
    desk.load(&marker).await.unwrap();
    assert_eq!(told.take(), ["declare", "replace"]);
    let empty = desk.put_marker(2, 0).await;
    let outcome = desk.load(&empty).await.unwrap();
    assert_eq!(outcome.replacement, Some(Replacement::Visible));
    assert_eq!(told.take(), ["declare", "replace"]);
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again_later_and_nothing_is_recorded() {
    let (desk, told) = desk("{collection: c}", true).await;
    let clean = desk.put(1, 1, &documents(1, 0..2), 0).await;
    let error = desk.load(&clean).await.unwrap_err();
    assert_eq!(error.next(), Next::Retry);
    assert!(matches!(error, Error::Documents(DocumentsError::Unreachable { .. })), "{error:?}");
    assert_eq!(told.take(), ["declare"]);
    assert_eq!(desk.loaded(&clean).await, None);
}
