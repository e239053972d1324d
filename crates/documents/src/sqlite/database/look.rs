//! What there is in the file: the collections, and what is noted of the versions that readers see, as MongoDB's documents of it are.

use bson::{Bson, RawBsonRef, RawDocumentBuf, doc};
use pipeline::Name;
use rusqlite::{Connection, OptionalExtension};

use super::super::read::{damaged, snapshot};
use super::super::{Failure, tables};
use crate::key::key_of;
use crate::noted::{self, CONTROL};
use crate::{Namespace, NamespaceKind};

/// What is noted comes first, as with MongoDB.
pub(super) fn namespaces(connection: &Connection) -> Result<Vec<Namespace>, Failure> {
    snapshot(connection, || {
        let mut namespaces = Vec::new();
        let noted = controls(connection)?.len() as u64;
        if noted > 0 {
            namespaces.push(namespace(CONTROL, None, noted));
        }
        for name in tables::collections(connection)? {
            let Some(live) = tables::live(connection, &named(&name)?)? else {
                continue;
            };
            // No row is ever deleted.
            let rows = format!(r#"SELECT coalesce(max(rowid), 0) FROM "{}""#, live.table);
            let estimate: i64 = connection.query_row(&rows, [], |row| row.get(0))?;
            namespaces.push(namespace(&name, Some(live.table.into_bytes()), estimate as u64));
        }
        Ok(namespaces)
    })
}

fn namespace(name: &str, identity: Option<Vec<u8>>, estimate: u64) -> Namespace {
    Namespace {
        name: name.to_owned(),
        kind: NamespaceKind::Collection,
        options: doc! {},
        indexes: vec![doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }],
        identity,
        estimate: Some(estimate),
    }
}

/// Which version it is.
pub(super) fn identity(connection: &Connection, collection: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Ok(name) = Name::new(collection) else {
        return Ok(None);
    };
    Ok(tables::live(connection, &name)?.map(|live| live.table.into_bytes()))
}

/// What is noted of each collection that has a version, with its key, in the order of the keys.
pub(super) fn controls(connection: &Connection) -> Result<Vec<(Vec<u8>, RawDocumentBuf)>, Failure> {
    let mut controls = Vec::new();
    for name in tables::collections(connection)? {
        let version = tables::live(connection, &named(&name)?)?.and_then(|live| live.version);
        let Some(version) = version else { continue };
        let noted = doc! { "_id": &name, "visible": noted::version(version), "swap": Bson::Null };
        let key = key_of(RawBsonRef::String(&name)).map_err(Failure::Key)?;
        controls.push((key, RawDocumentBuf::try_from(&noted).map_err(damaged)?));
    }
    Ok(controls)
}

fn named(name: &str) -> Result<Name, Failure> {
    Name::new(name).map_err(|_| Failure::Damaged("it has no name that Tidemill gives".to_owned()))
}

/// The table of the mark. It is made when it is needed.
pub(super) const RESTORE: &str = "tidemill:restore";

pub(super) fn mark(connection: &Connection) -> Result<Option<String>, Failure> {
    let there = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?";
    if !connection.prepare_cached(there)?.exists([RESTORE])? {
        return Ok(None);
    }
    let text = connection.query_row(&format!(r#"SELECT text FROM "{RESTORE}""#), [], |row| row.get(0));
    Ok(text.optional()?)
}
