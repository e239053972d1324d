//! Reading what readers see.

use std::fmt::Display;

use bson::{RawBsonRef, RawDocumentBuf};
use pipeline::Name;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::{Failure, tables};
use crate::extended_json::read;
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
        let mut statement =
            connection.prepare_cached(&format!(r#"SELECT {COLUMNS} FROM "{}" WHERE key = ? AND deleted <= ?"#, live.table))?;
        let mut rows = statement.query(params![key, deleted])?;
        rows.next()?.map(document).transpose()
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
            r#"SELECT {COLUMNS} FROM "{}" WHERE key > ? AND deleted = 0 ORDER BY key LIMIT ?"#,
            live.table
        ))?;
        let mut rows = statement.query(params![after, limit])?;
        let mut documents = Vec::new();
        while let Some(row) = rows.next()? {
            documents.push(document(row)?);
        }
        Ok(documents)
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
pub(super) fn snapshot<T>(connection: &Connection, read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let transaction = connection.unchecked_transaction()?;
    let result = read();
    transaction.finish()?;
    result
}

/// What [`document`] reads.
pub(super) const COLUMNS: &str = "rank, hash, longs, document, bson";

/// The bytes as they were written: those that are kept, or else made from the text.
pub(super) fn document(row: &Row<'_>) -> Result<RawDocumentBuf, Failure> {
    let bytes = match row.get_ref(4)? {
        ValueRef::Null => {
            let longs = if row.get_ref(2)? == ValueRef::Null { &[] } else { blob(row, 2)? };
            let text = row.get_ref(3)?.as_str().map_err(|_| damaged("it has no text"))?;
            read::document(text, longs, blob(row, 0)?, blob(row, 1)?).map_err(damaged)?
        }
        _ => blob(row, 4)?.to_vec(),
    };
    RawDocumentBuf::from_bytes(bytes).map_err(damaged)
}

pub(super) fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], Failure> {
    row.get_ref(column)?
        .as_blob()
        .map_err(|_| damaged("one of its columns is not a blob"))
}

pub(super) fn damaged(problem: impl Display) -> Failure {
    Failure::Damaged(format!("a document can't be read: {problem}"))
}
