//! The tables of the SQLite ledger, and how a file gets them.

use super::Fault;
use crate::LedgerError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;

/// Says in the file's header whose it is (`TDLG`).
const APPLICATION_ID: i64 = 0x5444_4C47;

/// What each version of the schema adds to the one before: the first makes version 1. A change of the schema is a new entry; an entry that was released
/// is never edited.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3];

/// Times are kept twice: exact in milliseconds, and readable (computed when read, so they cost nothing to write).
const VERSION_1: &str = "
-- The definitions of a pipeline, each time one was applied; the greatest generation is the newest.
CREATE TABLE definitions (
    pipeline      TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    definition    TEXT    NOT NULL,  -- SHA-256 of the file
    PRIMARY KEY (pipeline, generation)
) STRICT, WITHOUT ROWID;

-- Who may extract a resource. A row stays after the lease is given back (holder NULL): its token must not be used again.
CREATE TABLE leases (
    pipeline      TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    token         INTEGER NOT NULL,  -- grows with every lease
    holder        TEXT,
    process       INTEGER,
    process_start TEXT,
    expires_ms    INTEGER NOT NULL,
    expires       TEXT    AS (strftime('%Y-%m-%dT%H:%M:%fZ', expires_ms / 1000.0, 'unixepoch')) VIRTUAL,
    PRIMARY KEY (pipeline, resource)
) STRICT, WITHOUT ROWID;

-- One tick of one resource.
CREATE TABLE runs (
    run           TEXT    NOT NULL,  -- ULID: in the order of time
    pipeline      TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('extracting', 'extracted', 'failed', 'skipped')),
    detail        TEXT,              -- failed: why; skipped: who held the lease
    definition    TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    source        TEXT    NOT NULL,  -- hash of the source section
    cursor_before INTEGER,
    parts         INTEGER NOT NULL,
    captures      INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,  -- of the captures, before compression
    started_ms    INTEGER NOT NULL,
    ended_ms      INTEGER,
    started       TEXT    AS (strftime('%Y-%m-%dT%H:%M:%fZ', started_ms / 1000.0, 'unixepoch')) VIRTUAL,
    ended         TEXT    AS (strftime('%Y-%m-%dT%H:%M:%fZ', ended_ms / 1000.0, 'unixepoch')) VIRTUAL,
    PRIMARY KEY (run DESC, pipeline, resource)
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_extracting ON runs (pipeline, resource, run) WHERE state = 'extracting';

-- Raw objects, recorded before they are put (intents), and what each waits for.
CREATE TABLE parts (
    raw           TEXT    NOT NULL PRIMARY KEY,
    definition    TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    next          TEXT    CHECK (next IN ('clean', 'load'))  -- NULL: it has reached its end state
) STRICT, WITHOUT ROWID;
-- Small however many parts are finished.
CREATE INDEX parts_unfinished ON parts (raw) WHERE next IS NOT NULL;

-- What became of an object at a stage. Written once.
CREATE TABLE facts (
    raw           TEXT    NOT NULL,
    definition    TEXT    NOT NULL,
    stage         TEXT    NOT NULL CHECK (stage IN ('clean', 'load')),
    tally         TEXT    NOT NULL,  -- JSON: tally->>'in'
    at_ms         INTEGER NOT NULL,
    at            TEXT    AS (strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch')) VIRTUAL,
    PRIMARY KEY (raw, definition, stage)
) STRICT, WITHOUT ROWID;

-- How far a resource has been read, under its source's hash: milliseconds since 1970 for times, else the number.
CREATE TABLE cursors (
    pipeline      TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    value         INTEGER NOT NULL,
    PRIMARY KEY (pipeline, resource, source)
) STRICT, WITHOUT ROWID;
";

const VERSION_2: &str = "
-- Which resource writes a collection, and what names and orders its documents, as it was when the collection was begun. Written once.
CREATE TABLE collections (
    collection    TEXT    NOT NULL PRIMARY KEY,
    pipeline      TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    key           TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
";

const VERSION_3: &str = "
-- Small JSON texts beside the runs: what is applied, incidents, how often a run was handed over.
CREATE TABLE notes (
    shelf         TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    revision      INTEGER NOT NULL,  -- grows with every change: who changes it must know the last one
    text          TEXT    NOT NULL,
    PRIMARY KEY (shelf, key)
) STRICT, WITHOUT ROWID;
";

/// The version of the schema that this program works with.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Gives the file the newest schema, all of it or nothing; what it holds stays.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked up under the lock: another process may have done it meanwhile.
    let found = version(&transaction, path)?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest())?;
    transaction.commit()?;
    Ok(())
}

/// The version of the file's schema, 0 for a new file; an error when it is not ours. In a transaction, for it looks twice.
pub(super) fn version(transaction: &Transaction<'_>, path: &Path) -> Result<i64, Fault> {
    let known = newest();
    let place = || path.display().to_string();
    let damaged = |problem: &str| LedgerError::Damaged {
        place: place(),
        problem: problem.to_owned(),
    };
    let header = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version";
    let (application, version): (i64, i64) = transaction.query_row(header, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if application != APPLICATION_ID {
        let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let new = application == 0 && version == 0 && tables == 0;
        return if new {
            Ok(0)
        } else {
            Err(damaged("it is the database of another program, expected a ledger or no file").into())
        };
    }
    match version {
        0 => Err(damaged("it says that it is a ledger but has no schema version").into()),
        found if found < 0 => Err(damaged("its schema version is negative").into()),
        found if found > known => {
            let path = place();
            Err(LedgerError::Newer { path, found, known }.into())
        }
        found => Ok(found),
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Writes a ledger of an older schema, with rows of its time.
    pub(crate) fn write_old(path: &Path, version: usize, rows: &str) {
        let connection = Connection::open(path).unwrap();
        for migration in MIGRATIONS.iter().take(version) {
            connection.execute_batch(migration).unwrap();
        }
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection
            .pragma_update(None, "user_version", i64::try_from(version).unwrap())
            .unwrap();
        connection.execute_batch(rows).unwrap();
    }
}
