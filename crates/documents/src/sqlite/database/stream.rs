//! Documents in the order of their `_id`, some at a time: a transaction each, that begins after the last one, so that writers are never held up.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocumentBuf};
use pipeline::Name;
use rusqlite::Connection;

use super::super::read::{COLUMNS, blob, document, snapshot};
use super::super::{Failure, tables};
use super::{File, look};
use crate::key::key_of;
use crate::noted::CONTROL;
use crate::{DocumentStream, DocumentsError};

/// How many bytes of documents are given at a time.
const BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Stream {
    file: Arc<File>,
    collection: String,
    /// The key of the last document that was given; no key is empty.
    after: Vec<u8>,
}

impl Stream {
    pub(super) fn new(file: &Arc<File>, collection: &str, after: Option<RawBsonRef<'_>>) -> Result<Stream, DocumentsError> {
        let after = after.map(key_of).transpose().map_err(Failure::Key);
        Ok(Stream {
            file: Arc::clone(file),
            collection: collection.to_owned(),
            after: after.map_err(|failure| failure.named(ACTION, collection))?.unwrap_or_default(),
        })
    }
}

const ACTION: &str = "read documents";

#[async_trait]
impl DocumentStream for Stream {
    async fn next(&mut self) -> Result<Option<Vec<RawDocumentBuf>>, DocumentsError> {
        let (collection, after) = (&self.collection, &self.after);
        let portion = self
            .file
            .look(ACTION, collection, |connection| match Name::new(collection.as_str()) {
                Ok(name) => documents(connection, &name, after),
                Err(_) if collection == CONTROL => controls(connection, after),
                Err(_) => Ok(Portion::default()),
            })?;
        if portion.documents.is_empty() {
            return Ok(None);
        }
        self.after = portion.last;
        Ok(Some(portion.documents))
    }
}

/// Documents, and the key of the last one.
#[derive(Default)]
struct Portion {
    documents: Vec<RawDocumentBuf>,
    last: Vec<u8>,
}

/// Tombstones are among them.
fn documents(connection: &Connection, collection: &Name, after: &[u8]) -> Result<Portion, Failure> {
    snapshot(connection, || {
        let mut portion = Portion::default();
        let Some(live) = tables::live(connection, collection)? else {
            return Ok(portion);
        };
        let select = format!(r#"SELECT {COLUMNS}, key FROM "{}" WHERE key > ? ORDER BY key"#, live.table);
        let mut statement = connection.prepare_cached(&select)?;
        let mut rows = statement.query([after])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let document = document(row)?;
            bytes += document.as_bytes().len();
            if bytes > BYTES && !portion.documents.is_empty() {
                break;
            }
            portion.last = blob(row, KEY)?.to_vec();
            portion.documents.push(document);
        }
        Ok(portion)
    })
}

/// The column of the key, after [`COLUMNS`].
const KEY: usize = 5;

/// One short document a collection: all of them at once.
fn controls(connection: &Connection, after: &[u8]) -> Result<Portion, Failure> {
    let mut portion = Portion::default();
    for (key, noted) in look::controls(connection)? {
        if key.as_slice() > after {
            portion.documents.push(noted);
            portion.last = key;
        }
    }
    Ok(portion)
}
