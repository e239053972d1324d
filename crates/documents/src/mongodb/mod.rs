//! Documents in a MongoDB database: the collections that users see, and ours beside them, whose names begin with `tidemill.`.

mod attempt;
mod client;
mod command;
mod control;
mod cursor;
mod database;
mod declare;
mod error;
mod examine;
mod indexes;
mod looks;
mod patience;
mod read;
mod receipts;
mod replace;
mod reply;
mod turn;
mod uri;
mod write;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocumentBuf};
use pipeline::Name;

use self::client::Link;
use crate::{Batch, Change, Contract, Documents, DocumentsError, Replaced, Target, Tightness, Version, WriteOutcome};

pub use self::database::MongoDatabase;
pub use self::examine::{Examination, ExaminedCollection, Permission};
pub use self::uri::{Fixed, Uri, UriError, Whereabouts, with_database};

/// Documents in a MongoDB database. Nothing is asked of the server, or of [`Uri`], before the first call that needs it.
pub struct MongoDocuments {
    link: Link,
    declared: declare::Declared,
    settled: replace::Settled,
    receipts: receipts::Prepared,
}

impl MongoDocuments {
    /// The database is the one that the URI names, or else `tidemill`.
    pub fn new(uri: Arc<dyn Uri>) -> MongoDocuments {
        MongoDocuments {
            link: Link::new(uri),
            declared: declare::Declared::default(),
            settled: replace::Settled::default(),
            receipts: receipts::Prepared::default(),
        }
    }

    /// The same of another database of the server.
    fn of(&self, database: &str) -> MongoDocuments {
        MongoDocuments {
            link: self.link.to(database),
            declared: declare::Declared::default(),
            settled: replace::Settled::default(),
            receipts: receipts::Prepared::default(),
        }
    }
}

/// Tells nothing: what it holds is a secret, or leads to one.
impl fmt::Debug for MongoDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDocuments").finish_non_exhaustive()
    }
}

#[async_trait]
impl Documents for MongoDocuments {
    async fn write(&self, target: &Target, batch: &Batch<'_>) -> Result<WriteOutcome, DocumentsError> {
        write::write(self, target, batch).await
    }

    async fn settle(&self, object: &str) -> Result<(), DocumentsError> {
        receipts::forget(self, object).await
    }

    async fn visible(&self, collection: &Name) -> Result<Option<Version>, DocumentsError> {
        replace::visible(self, collection).await
    }

    async fn replace(&self, collection: &Name, version: Version) -> Result<Replaced, DocumentsError> {
        replace::replace(self, collection, version).await
    }

    async fn get(&self, collection: &Name, id: RawBsonRef<'_>, deleted: bool) -> Result<Option<RawDocumentBuf>, DocumentsError> {
        read::get(self, collection, id, deleted).await
    }

    async fn scan(&self, collection: &Name, after: Option<RawBsonRef<'_>>, limit: usize) -> Result<Vec<RawDocumentBuf>, DocumentsError> {
        read::scan(self, collection, after, limit).await
    }

    async fn collections(&self) -> Result<Vec<String>, DocumentsError> {
        read::collections(self).await
    }

    async fn declare(&self, target: &Target, contract: &Contract) -> Result<(), DocumentsError> {
        declare::declare(self, target, contract).await
    }

    async fn plan(&self, contract: &Contract, tightness: Tightness) -> Result<Vec<Change>, DocumentsError> {
        declare::plan(self, contract, tightness).await
    }

    async fn carry_out(&self, contract: &Contract, changes: &[Change]) -> Result<Vec<String>, DocumentsError> {
        declare::carry_out(self, contract, changes).await
    }

    async fn count(&self, collection: &Name) -> Result<Option<u64>, DocumentsError> {
        read::count(self, collection).await
    }

    async fn close(&self) {
        self.link.close().await;
    }
}
