//! The port to where documents are kept: SQLite on a laptop, MongoDB in the cloud. Values go in, no driver type comes out.

use std::path::PathBuf;

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use pipeline::Name;

use crate::{Change, Contract, Tightness};

/// Which version of a `replace` collection: the run, then the definition's generation. The greater one is the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The run's id, 16 bytes in the order of time.
    pub run: [u8; 16],
    pub generation: u32,
}

/// Where documents are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub collection: Name,
    /// For `replace`: the version being built, out of readers' sight until [`Documents::replace`].
    pub version: Option<Version>,
}

/// Documents of one clean object, in its order. The same object always makes the same batches.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// The clean object's key.
    pub object: &'a str,
    /// Which batch of the object, counted from 0.
    pub ordinal: u32,
    /// Each has `_id`, the contract's fields, and `_tidemill: {run, at, version, rank, hash}` (and `deleted: true` for a tombstone).
    pub documents: &'a [&'a RawDocument],
}

/// What became of a batch's documents. The six add up to the batch's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub stale: u64,
    /// A higher rank of the same key was in the same batch, or a newer `replace` version is visible already.
    pub superseded: u64,
    pub refused: u64,
}

/// A document the store would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the batch.
    pub index: usize,
    /// The store's words.
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOutcome {
    pub tally: Tally,
    pub refusals: Vec<Refusal>,
}

/// What became of a wish to make a version visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Readers see it now (or saw it already).
    Visible,
    /// A newer one is visible: this one was dropped.
    Older,
}

/// Where documents are kept. Any batch may be written any number of times, in any order, beside others: the documents end the same.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Writes a batch: for each key the highest rank of the batch is judged against what is there (see [`crate::judge`]).
    ///
    /// A batch has a receipt, and the same batch of the same object is answered by it: its numbers are true even when the process died between the write and
    /// the fact. SQLite commits both together. MongoDB keeps a plan first, then the answer: what an attempt that died had written is counted by its plan.
    async fn write(&self, target: &Target, batch: &Batch<'_>) -> Result<WriteOutcome, DocumentsError>;

    /// Forgets the receipts of an object, once its fact is recorded.
    async fn settle(&self, object: &str) -> Result<(), DocumentsError>;

    /// The version of a `replace` collection that readers see.
    async fn visible(&self, collection: &Name) -> Result<Option<Version>, DocumentsError>;

    /// Makes a version visible at once, if it is newer than the one that is, and drops older ones. A version nothing was written to is empty.
    async fn replace(&self, collection: &Name, version: Version) -> Result<Replaced, DocumentsError>;

    /// One document by its key, tombstones included when `deleted` is wished for.
    async fn get(&self, collection: &Name, id: RawBsonRef<'_>, deleted: bool) -> Result<Option<RawDocumentBuf>, DocumentsError>;

    /// Documents in the order of their keys (BSON's order), after the key `after`, at most `limit`; tombstones are left out.
    async fn scan(&self, collection: &Name, after: Option<RawBsonRef<'_>>, limit: usize) -> Result<Vec<RawDocumentBuf>, DocumentsError>;

    /// The collections that readers see, by name.
    async fn collections(&self) -> Result<Vec<String>, DocumentsError>;

    /// Makes sure that what the target names is there, as the contract says, and that its documents will be taken: nothing is taken away or made stricter.
    /// Cheap when it was done before. Without it, a batch makes its collection with neither validator nor indexes.
    async fn declare(&self, target: &Target, contract: &Contract) -> Result<(), DocumentsError>;

    /// What must be done so that the collection is as the contract says. A store without validators and indexes: nothing.
    async fn plan(&self, contract: &Contract, tightness: Tightness) -> Result<Vec<Change>, DocumentsError>;

    /// Does it, in the order of the plan. Answers with what the server could not do, a sentence each; the rest is done.
    async fn carry_out(&self, contract: &Contract, changes: &[Change]) -> Result<Vec<String>, DocumentsError>;

    /// How many documents readers see; `None` when there is no such collection.
    async fn count(&self, collection: &Name) -> Result<Option<u64>, DocumentsError>;

    /// Ends what goes on by itself, connections and their watchers, before the process does. A store that has none: nothing.
    async fn close(&self) {}
}

/// What went wrong with the store of documents.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    #[error("could not open the documents at {}", path.display())]
    Open {
        path: PathBuf,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{} is not a file of documents that this version of Tidemill can read: give another path, or move the file away", path.display())]
    NotOurs { path: PathBuf },
    #[error("could not {action} in the collection `{collection}`")]
    Unavailable {
        action: &'static str,
        collection: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A document without what every clean document has: only a bug or a foreign object makes one.
    #[error("document {index} of a batch of `{object}` is not a clean document: {problem}")]
    NotClean {
        object: String,
        index: usize,
        problem: &'static str,
    },
    #[error("the collection `{collection}` holds something that is not ours: {problem}")]
    Damaged { collection: String, problem: String },
    /// The collection is somebody else's, or not one that documents can be kept in (a view, one with a collation).
    #[error("the collection `{collection}` can't be used: {problem}")]
    NotOurCollection { collection: String, problem: String },
    /// Passes by itself, or when somebody sees to the server or the way to it.
    #[error(
        "could not {action} in the collection `{collection}`: no answer from MongoDB at {server} ({problem}): see that it runs and can be reached from here (its list of permitted addresses, security groups, DNS)"
    )]
    Unreachable {
        action: &'static str,
        collection: String,
        server: String,
        /// What was tried, and what came of it.
        problem: String,
    },
    #[error(
        "MongoDB at {server} does not let Tidemill in ({problem}): see that user, password and `authSource` (or the certificate, or the role) in the URI are right"
    )]
    SignIn { server: String, problem: String },
    #[error(
        "could not {action} in the collection `{collection}` of the database `{database}` at {server}: the user may not do so ({problem}): give it the role `readWrite` and the action `collMod` on the database (the role `dbAdmin` has it)"
    )]
    Denied {
        action: &'static str,
        collection: String,
        database: String,
        server: String,
        problem: String,
    },
    #[error("the certificate of MongoDB at {server} is not to be trusted: {problem}")]
    Certificate { server: String, problem: String },
    /// The URI itself is a secret: only the part that is wrong is named.
    #[error("the URI of MongoDB can't be used: {problem}")]
    Uri { problem: String },
    #[error("the URI of MongoDB could not be read")]
    NoUri { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("MongoDB at {server} can't be used: {problem}")]
    Unsupported { server: String, problem: String },
    /// The embedded store keeps what Tidemill loads, and nothing else.
    #[error(
        "the collection `{collection}` can't be put into the embedded store: {problem}: leave it out, or restore into MongoDB, which takes it"
    )]
    Unfit { collection: String, problem: String },
    /// Only what a restore put there may be dropped as a whole.
    #[error("the database `{database}` is not dropped: no restore has left its mark in it, so it is not known to be a scratch")]
    NotAScratch { database: String },
    #[error("`{name}` can't be the name of a database: {problem}")]
    NoDatabase { name: String, problem: &'static str },
    #[error("could not {action} in the collection `{collection}` of the database `{database}` at {server}: the server says: {said}")]
    Refused {
        action: &'static str,
        collection: String,
        database: String,
        server: String,
        said: String,
    },
}

impl DocumentsError {
    /// Whether the same call may succeed later, though nobody changes a setting.
    pub fn passes(&self) -> bool {
        match self {
            DocumentsError::Unavailable { .. } | DocumentsError::Unreachable { .. } | DocumentsError::NoUri { .. } => true,
            DocumentsError::Open { .. }
            | DocumentsError::NotOurs { .. }
            | DocumentsError::NotClean { .. }
            | DocumentsError::Damaged { .. }
            | DocumentsError::NotOurCollection { .. }
            | DocumentsError::SignIn { .. }
            | DocumentsError::Denied { .. }
            | DocumentsError::Certificate { .. }
            | DocumentsError::Uri { .. }
            | DocumentsError::Unsupported { .. }
            | DocumentsError::Unfit { .. }
            | DocumentsError::NotAScratch { .. }
            | DocumentsError::NoDatabase { .. }
            | DocumentsError::Refused { .. } => false,
        }
    }
}
