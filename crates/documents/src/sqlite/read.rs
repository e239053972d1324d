//! Reading what readers see.

use bson::{RawBsonRef, RawDocumentBuf};
use pipeline::Name;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Failure, tables};
use crate::key::key_of;

pub(super) fn get(
    connection: &Connection,
    collection: &Name,
    id: RawBsonRef<'_>,
    deleted: bool,
) -> Result<Option<RawDocumentBuf>, Failure> {
    let key = key_of(id).map_err(Failure::Key)?;
    snapshot(connection, || {
        let Some(live) = tables::live(connection, collection)? else {
            return Ok(None);
        };
        let mut statement = connection.prepare_cached(&format!(r#"SELECT bson FROM "{}" WHERE key = ? AND deleted <= ?"#, live.table))?;
        let found = statement.query_row(params![key, deleted], bytes).optional()?;
        found.map(document).transpose()
    })
}

pub(super) fn scan(
    connection: &Connection,
    collection: &Name,
    after: Option<RawBsonRef<'_>>,
    limit: usize,
) -> Result<Vec<RawDocumentBuf>, Failure> {
    // No key is empty.
    let after = after.map(key_of).transpose().map_err(Failure::Key)?.unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    snapshot(connection, || {
        let Some(live) = tables::live(connection, collection)? else {
            return Ok(Vec::new());
        };
        let mut statement = connection.prepare_cached(&format!(
            r#"SELECT bson FROM "{}" WHERE key > ? AND deleted = 0 ORDER BY key LIMIT ?"#,
            live.table
        ))?;
        let rows = statement.query_map(params![after, limit], bytes)?;
        rows.map(|row| document(row?)).collect()
    })
}

pub(super) fn count(connection: &Connection, collection: &Name) -> Result<Option<u64>, Failure> {
    snapshot(connection, || {
        let Some(live) = tables::live(connection, collection)? else {
            return Ok(None);
        };
        // Both counts read an index, not the documents.
        let mut statement = connection.prepare_cached(&format!(
            r#"SELECT (SELECT count(*) FROM "{0}") - (SELECT count(*) FROM "{0}" WHERE deleted <> 0)"#,
            live.table
        ))?;
        let count: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(Some(count as u64))
    })
}

/// Reads in one transaction: the table that is live must not be dropped by another process before it is read.
fn snapshot<T>(connection: &Connection, read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let transaction = connection.unchecked_transaction()?;
    let result = read();
    transaction.finish()?;
    result
}

fn bytes(row: &Row<'_>) -> rusqlite::Result<Vec<u8>> {
    row.get(0)
}

fn document(bytes: Vec<u8>) -> Result<RawDocumentBuf, Failure> {
    RawDocumentBuf::from_bytes(bytes).map_err(|error| Failure::Damaged(format!("a document can't be read: {error}")))
}
