//! Documents in an SQLite file: a view a collection, for people; behind it a table, for us. Several processes may use the file at once.

mod database;
mod read;
mod receipts;
mod tables;
mod write;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocumentBuf};
use pipeline::Name;
use rusqlite::{Connection, ErrorCode};

pub use self::database::SqliteDatabase;
use self::tables::Holds;
use crate::{Batch, Change, Contract, Documents, DocumentsError, Replaced, Target, Tightness, Version, WriteOutcome};

/// Documents in an SQLite file.
#[derive(Debug)]
pub struct SqliteDocuments {
    connection: Mutex<Connection>,
}

/// How long a process waits for another's write.
const BUSY: Duration = Duration::from_secs(60);

impl SqliteDocuments {
    /// Opens the file, and makes it if need be. Its folder must be there.
    pub fn open(path: &Path) -> Result<SqliteDocuments, DocumentsError> {
        Ok(SqliteDocuments {
            connection: Mutex::new(connect(path)?),
        })
    }

    /// A panic elsewhere leaves no half-done transaction behind (its guard rolls back), so the connection is good to use.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a file, and makes it if need be.
fn connect(path: &Path) -> Result<Connection, DocumentsError> {
    let failed = |source: rusqlite::Error| DocumentsError::Open {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    if tables::holds(&connection).map_err(failed)? == Holds::Another {
        return Err(DocumentsError::NotOurs { path: path.to_owned() });
    }
    configure(&connection).map_err(failed)?;
    tables::prepare(&mut connection).map_err(failed)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    // Measured with `examples/write.rs`: fewer and larger writes cost less than the bytes that an index page of this size writes in vain.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    use_log(connection)?;
    // The fact that a batch is loaded stands in another file: a power cut must not lose the batch and keep the fact.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The log is carried over to the file whenever it is this long, so that it does not grow much longer, and no commit takes long. A page of the index that
    // several batches changed is carried over once.
    connection.pragma_update(None, "wal_autocheckpoint", LOG_BYTES / PAGE_BYTES)?;
    // A negative number is in KiB. A batch's changed pages stay here until its commit.
    connection.pragma_update(None, "cache_size", -CACHE_BYTES / 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Switches a new file to a write-ahead log. Of two processes that do so at once SQLite tells one that the file is busy, without the wait it makes elsewhere.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waited < BUSY => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            result => return result,
        }
    }
}

const PAGE_BYTES: i64 = 16 * 1024;
const LOG_BYTES: i64 = 32 * 1024 * 1024;
const CACHE_BYTES: i64 = 8 * 1024 * 1024;

#[async_trait]
impl Documents for SqliteDocuments {
    async fn write(&self, target: &Target, batch: &Batch<'_>) -> Result<WriteOutcome, DocumentsError> {
        write::write(&mut self.lock(), target, batch)
    }

    async fn settle(&self, object: &str) -> Result<(), DocumentsError> {
        receipts::forget(&self.lock(), object).map_err(|failure| failure.named("settle an object", "*"))
    }

    async fn visible(&self, collection: &Name) -> Result<Option<Version>, DocumentsError> {
        let live = tables::live(&self.lock(), collection).map_err(|failure| failure.named("read the version", collection.as_str()))?;
        Ok(live.and_then(|live| live.version))
    }

    async fn replace(&self, collection: &Name, version: Version) -> Result<Replaced, DocumentsError> {
        tables::replace(&mut self.lock(), collection, version).map_err(|failure| failure.named("replace documents", collection.as_str()))
    }

    async fn get(&self, collection: &Name, id: RawBsonRef<'_>, deleted: bool) -> Result<Option<RawDocumentBuf>, DocumentsError> {
        read::get(&self.lock(), collection, id, deleted).map_err(|failure| failure.named("get a document", collection.as_str()))
    }

    async fn scan(&self, collection: &Name, after: Option<RawBsonRef<'_>>, limit: usize) -> Result<Vec<RawDocumentBuf>, DocumentsError> {
        read::scan(&self.lock(), collection, after, limit).map_err(|failure| failure.named("list documents", collection.as_str()))
    }

    async fn collections(&self) -> Result<Vec<String>, DocumentsError> {
        tables::collections(&self.lock()).map_err(|failure| failure.named("list", "*"))
    }

    /// A table is made by its first batch, and has neither validator nor indexes.
    async fn declare(&self, _: &Target, _: &Contract) -> Result<(), DocumentsError> {
        Ok(())
    }

    async fn plan(&self, _: &Contract, _: Tightness) -> Result<Vec<Change>, DocumentsError> {
        Ok(Vec::new())
    }

    async fn carry_out(&self, _: &Contract, _: &[Change]) -> Result<Vec<String>, DocumentsError> {
        Ok(Vec::new())
    }

    async fn count(&self, collection: &Name) -> Result<Option<u64>, DocumentsError> {
        read::count(&self.lock(), collection).map_err(|failure| failure.named("count documents", collection.as_str()))
    }
}

/// What can go wrong here, before the collection is named.
#[derive(Debug)]
enum Failure {
    Sqlite(rusqlite::Error),
    /// An `_id` that was asked for.
    Key(crate::element::Unreadable),
    Damaged(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sqlite(error)
    }
}

impl Failure {
    fn named(self, action: &'static str, collection: &str) -> DocumentsError {
        let collection = collection.to_owned();
        match self {
            Failure::Sqlite(source) => DocumentsError::Unavailable {
                action,
                collection,
                source: Box::new(source),
            },
            Failure::Key(source) => DocumentsError::Unavailable {
                action,
                collection,
                source: Box::new(source),
            },
            Failure::Damaged(problem) => DocumentsError::Damaged { collection, problem },
        }
    }
}
