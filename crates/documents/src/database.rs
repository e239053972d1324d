//! The port to a whole database, as backup and restore see it: every collection and view of it, whoever made them, tombstones included.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::DocumentsError;

/// What the documents are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The server's version, as `8.0.4`; of the embedded store `0.0.0`.
    pub version: String,
    /// The database's name; of the embedded store `tidemill` (or the sibling's).
    pub database: String,
    /// What readings are certain of.
    pub certainty: Certainty,
}

/// What a reading of documents is certain of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// What is read is on a majority of the servers: it can't be undone. Documents written while others are read may or may not be in it.
    Majority,
    /// One server, or a store without replicas: what is read is what it has.
    Local,
}

/// What a namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceKind {
    Collection,
    /// Its definition is kept; it has no documents of its own.
    View,
    /// It can't be backed up by this version, and must be left out by name.
    TimeSeries,
}

/// A collection or a view of a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    pub name: String,
    pub kind: NamespaceKind,
    /// As `listCollections` tells them: the validator, a view's `viewOn` and `pipeline`, a collation, …; without the UUID.
    pub options: Document,
    /// As `listIndexes` tells them, the one of `_id` included; without background and namespace details that a server adds by itself.
    pub indexes: Vec<Document>,
    /// Which collection it is, whatever it is called: one that another took the place of has another. `None` where a store can't tell.
    pub identity: Option<Vec<u8>>,
    /// About how many documents there are, for progress only.
    pub estimate: Option<u64>,
}

/// Documents being read, in the order of their `_id`.
#[async_trait]
pub trait DocumentStream: Send {
    /// The next documents, at least one and at most about 4 MB of them (or a single longer one); `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<RawDocumentBuf>>, DocumentsError>;
}

/// What became of documents that were put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutBack {
    pub inserted: u64,
    /// Their `_id` was taken: what is there stays (it was put back before, or a loader wrote it since, which is newer).
    pub already_there: u64,
}

/// A whole database. Reading leaves out what is of the moment only: receipts, and versions of `replace` collections that nobody sees yet.
#[async_trait]
pub trait Database: Send + Sync {
    async fn server(&self) -> Result<Server, DocumentsError>;

    /// What there is, by name, but first `tidemill.collections`, where there is something in it: what is noted of the versions of collections must be read before
    /// they are, so that it is never newer. Ours of the moment, and the server's own (`system.…`), are not among it.
    async fn namespaces(&self) -> Result<Vec<Namespace>, DocumentsError>;

    /// The identity that a collection has now (see [`Namespace::identity`]), `None` too when it is not there: cheaper than to list them all.
    async fn identity(&self, collection: &str) -> Result<Option<Vec<u8>>, DocumentsError>;

    /// The documents of a collection in the order of their `_id` (BSON's, or that of the collection's collation), those after the key `after` or from the start.
    /// Of what is noted in `tidemill.collections` a swap that is under way is left out: readers see what they saw before it.
    async fn read(&self, collection: &str, after: Option<RawBsonRef<'_>>) -> Result<Box<dyn DocumentStream>, DocumentsError>;

    /// Whether such a collection or view can be kept here. Nothing is changed, and no server is asked.
    fn fits(&self, namespace: &Namespace) -> Result<(), DocumentsError> {
        let _ = namespace;
        Ok(())
    }

    /// Whether these documents can be put back into this store; else the error that putting them back would end with. Asked before anything is changed.
    fn fits_documents(&self, _collection: &str, _documents: &[&RawDocument]) -> Result<(), DocumentsError> {
        Ok(())
    }

    /// Makes a collection with its options, but for the validator, and without its indexes; well too when it is there already.
    async fn create(&self, namespace: &Namespace) -> Result<(), DocumentsError>;

    /// Puts documents back: those whose `_id` is taken are left as they are there. Can be done any number of times.
    async fn put_back(&self, collection: &str, documents: &[&RawDocument]) -> Result<PutBack, DocumentsError>;

    /// Makes a collection's indexes and then sets its validator, or makes a view, which must come after all collections; well too when it is done already.
    /// Answers with what the server could not do, a sentence each.
    async fn complete(&self, namespace: &Namespace) -> Result<Vec<String>, DocumentsError>;

    /// Takes a collection or view away, and what is of the moment for it (receipts, versions that nobody sees); well too when there is none.
    async fn drop_namespace(&self, name: &str) -> Result<(), DocumentsError>;

    /// Takes the whole database away; well too when there is none. Only for a scratch of ours: it is refused unless [`Database::mark`] stands.
    async fn drop_all(&self) -> Result<(), DocumentsError>;

    /// The text that a restore left in the database to find its way again, which says that what is there is not whole. `None` when none is under way.
    async fn mark(&self) -> Result<Option<String>, DocumentsError>;

    /// Leaves the text, or takes it away.
    async fn set_mark(&self, text: Option<&str>) -> Result<(), DocumentsError>;

    /// Another database of the same server (of the embedded store: another file beside it). It is made when something is put into it.
    fn sibling(&self, name: &str) -> Result<Arc<dyn Database>, DocumentsError>;

    /// Ends what goes on by itself, before the process does.
    async fn close(&self) {}
}
