//! The ledger in a SQLite file: for a laptop, and for several processes of one machine at once.

mod notes;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod work;

use crate::{
    CollectionClaim, Cursor, Extracted, Fact, FactKey, Held, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LedgerError, Note,
    ResourceId, RunFilter, RunRecord, Shelf, Unfinished,
};
use async_trait::async_trait;
use lake::{RawKey, RunId};
use pipeline::Name;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a call waits for another process's transaction. Theirs are as short as ours, so only a stuck process makes it pass.
const BUSY: Duration = Duration::from_secs(10);

/// How long it pauses between two attempts to open the file.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Statements kept prepared: more than there are.
const STATEMENTS_MAX: usize = 64;

/// A ledger in a file, which `sqlite3` can read.
///
/// Its methods block the thread for one small transaction: some statements on a few rows and one write to disk. On a laptop that is shorter than
/// handing the work to another thread and back would be worth, and the runner has nothing to do that a millisecond's wait would hurt.
pub struct SqliteLedger {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl SqliteLedger {
    /// Opens the file, or creates it, with its folder, and brings an older schema up to date.
    pub fn open(path: &Path) -> Result<SqliteLedger, LedgerError> {
        let action = "open the database";
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| LedgerError::Unavailable { action, source: e.into() })?;
        }
        let connection = connect(path).map_err(|fault| fault.told(action, path))?;
        Ok(SqliteLedger {
            path: path.to_owned(),
            connection: Mutex::new(connection),
        })
    }

    /// Runs one statement, which sees one state of the ledger.
    fn read<T>(&self, action: &'static str, body: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, LedgerError> {
        body(&self.connection()).map_err(|fault| fault.told(action, &self.path))
    }

    /// Runs a transaction that holds the file's write lock from its start, so that what it reads stays true. An error leaves nothing of it behind.
    fn write<T>(&self, action: &'static str, body: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, LedgerError> {
        transact(&mut self.connection(), body).map_err(|fault| fault.told(action, &self.path))
    }

    /// A thread that panicked inside a transaction has rolled it back: the connection is as good as before.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn transact<T>(connection: &mut Connection, body: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let answer = body(&transaction)?;
    transaction.commit()?;
    Ok(answer)
}

/// Opens the file. Processes that create it at the same moment are in each other's way while one changes its journal, and SQLite does not wait there but
/// says at once that it is busy: so it is tried again here, as long as any other call would wait.
fn connect(path: &Path) -> Result<Connection, Fault> {
    let start = Instant::now();
    loop {
        match connect_once(path) {
            Err(Fault::Sql(error)) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && start.elapsed() < BUSY => {
                std::thread::sleep(BUSY_PAUSE);
            }
            answer => return answer,
        }
    }
}

fn connect_once(path: &Path) -> Result<Connection, Fault> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Before anything is changed: the file may be another program's.
    let found = schema::version(&connection.transaction()?, path)?;
    // `FULL`: a transaction is on the disk when it returns. Where a file system can't do WAL, SQLite stays with its rollback journal: slower, as safe.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    if found != schema::newest() {
        schema::migrate(&mut connection, path)?;
    }
    Ok(connection)
}

/// What goes wrong inside a call, before it is told what the call was for.
enum Fault {
    Sql(rusqlite::Error),
    Ledger(LedgerError),
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Fault {
    fn told(self, action: &'static str, path: &Path) -> LedgerError {
        match self {
            Fault::Ledger(error) => error,
            Fault::Other(source) => LedgerError::Unavailable { action, source },
            Fault::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => LedgerError::Damaged {
                    place: path.display().to_string(),
                    problem: format!("SQLite cannot read it ({error}): move it away, or bring back a copy"),
                },
                _ => LedgerError::Unavailable {
                    action,
                    source: error.into(),
                },
            },
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Sql(error)
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Fault {
        Fault::Ledger(error)
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn apply_definition(&self, pipeline: &Name, definition: &str) -> Result<u32, LedgerError> {
        self.write("apply a definition", |tx| work::apply_definition(tx, pipeline, definition))
    }

    async fn newest_definition(&self, pipeline: &Name) -> Result<Option<(String, u32)>, LedgerError> {
        self.read("read the newest definition", |db| work::newest_definition(db, pipeline))
    }

    async fn claim_collection(&self, claim: &CollectionClaim) -> Result<CollectionClaim, LedgerError> {
        self.write("claim a collection", |tx| work::claim_collection(tx, claim))
    }

    async fn claimed(&self, collection: &Name) -> Result<Option<CollectionClaim>, LedgerError> {
        self.read("look up the claim on a collection", |db| work::claimed(db, collection))
    }

    async fn take_lease(
        &self,
        resource: &ResourceId,
        request: &LeaseRequest,
        holder_is_dead: &(dyn for<'a> Fn(&'a Holder) -> bool + Sync),
    ) -> Result<LeaseOutcome, LedgerError> {
        self.write("take a lease", |tx| work::take_lease(tx, resource, request, holder_is_dead))
    }

    async fn renew_lease(&self, lease: &Lease, expires_ms: i64) -> Result<Lease, LedgerError> {
        self.write("renew a lease", |tx| work::renew_lease(tx, lease, expires_ms))
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.write("give back a lease", |tx| work::release_lease(tx, lease))
    }

    async fn held(&self, resource: &ResourceId) -> Result<Option<Held>, LedgerError> {
        self.read("look up a lease", |db| work::held(db, resource))
    }

    async fn begin_run(&self, lease: &Lease, run: &RunRecord) -> Result<RunRecord, LedgerError> {
        self.write("begin a run", |tx| work::begin_run(tx, lease, run))
    }

    async fn record_skipped(&self, run: &RunRecord) -> Result<(), LedgerError> {
        self.write("record a skipped run", |tx| work::insert_run(tx, run))
    }

    async fn run_to_resume(&self, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError> {
        self.read("look for a run to resume", |db| work::run_to_resume(db, resource))
    }

    async fn record_intent(&self, lease: &Lease, raw: &RawKey, definition: &str, generation: u32) -> Result<(), LedgerError> {
        self.write("record an intent", |tx| work::record_intent(tx, lease, raw, definition, generation))
    }

    async fn intents(&self, run: RunId, resource: &ResourceId) -> Result<Vec<RawKey>, LedgerError> {
        self.read("list a run's intents", |db| work::intents(db, run, resource))
    }

    async fn end_extraction(&self, lease: &Lease, extracted: &Extracted) -> Result<(), LedgerError> {
        self.write("end an extraction", |tx| work::end_extraction(tx, lease, extracted))
    }

    async fn fail_extraction(&self, lease: &Lease, run: RunId, ended_ms: i64, message: &str) -> Result<(), LedgerError> {
        self.write("record a failed extraction", |tx| {
            work::fail_extraction(tx, lease, run, ended_ms, message)
        })
    }

    async fn run(&self, run: RunId, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError> {
        self.read("read a run", |db| work::run(db, run, resource))
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
        self.read("list runs", |db| work::runs(db, filter))
    }

    async fn cursor(&self, resource: &ResourceId, source: &str) -> Result<Option<Cursor>, LedgerError> {
        self.read("read a cursor", |db| work::cursor(db, resource, source))
    }

    async fn record_fact(&self, key: &FactKey, fact: &Fact, at_ms: i64) -> Result<Fact, LedgerError> {
        self.write("record a fact", |tx| work::record_fact(tx, key, fact, at_ms))
    }

    async fn fact(&self, key: &FactKey) -> Result<Option<Fact>, LedgerError> {
        self.read("read a fact", |db| work::fact(db, key))
    }

    async fn facts(&self, run: RunId, resource: &ResourceId, definition: &str) -> Result<Vec<(FactKey, Fact)>, LedgerError> {
        self.read("list a run's facts", |db| work::facts(db, run, resource, definition))
    }

    async fn unfinished(&self, pipeline: &Name) -> Result<Vec<Unfinished>, LedgerError> {
        self.read("list unfinished parts", |db| work::unfinished(db, pipeline))
    }

    async fn note(&self, shelf: Shelf, key: &str) -> Result<Option<Note>, LedgerError> {
        self.read("read a note", |db| notes::note(db, shelf, key))
    }

    async fn put_note(&self, shelf: Shelf, key: &str, after: Option<u64>, text: &str) -> Result<bool, LedgerError> {
        self.write("put a note", |tx| notes::put_note(tx, shelf, key, after, text))
    }

    async fn remove_note(&self, shelf: Shelf, key: &str, revision: u64) -> Result<bool, LedgerError> {
        self.write("remove a note", |tx| notes::remove_note(tx, shelf, key, revision))
    }

    async fn notes(&self, shelf: Shelf, after: Option<&str>, limit: usize) -> Result<Vec<(String, Note)>, LedgerError> {
        self.read("list notes", |db| notes::notes(db, shelf, after, limit))
    }
}
