//! The statements on notes: each change names the revision that it follows.

use super::{Fault, rows};
use crate::{Note, Shelf};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

pub(super) fn note(db: &Connection, shelf: Shelf, key: &str) -> Result<Option<Note>, Fault> {
    let sql = "SELECT text, revision FROM notes WHERE shelf = ? AND key = ?";
    let found = db
        .prepare_cached(sql)?
        .query_row([shelf.as_str(), key], |row| Ok(of(row, 0)))
        .optional()?;
    found.transpose()
}

pub(super) fn put_note(tx: &Transaction<'_>, shelf: Shelf, key: &str, after: Option<u64>, text: &str) -> Result<bool, Fault> {
    let changed = match after {
        None => tx
            .prepare_cached("INSERT INTO notes (shelf, key, revision, text) VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING")?
            .execute(params![shelf.as_str(), key, text])?,
        Some(after) => tx
            .prepare_cached("UPDATE notes SET revision = revision + 1, text = ? WHERE shelf = ? AND key = ? AND revision = ?")?
            .execute(params![text, shelf.as_str(), key, rows::integer(after)?])?,
    };
    Ok(changed > 0)
}

pub(super) fn remove_note(tx: &Transaction<'_>, shelf: Shelf, key: &str, revision: u64) -> Result<bool, Fault> {
    let removed = tx
        .prepare_cached("DELETE FROM notes WHERE shelf = ? AND key = ? AND revision = ?")?
        .execute(params![shelf.as_str(), key, rows::integer(revision)?])?;
    Ok(removed > 0)
}

pub(super) fn notes(db: &Connection, shelf: Shelf, after: Option<&str>, limit: usize) -> Result<Vec<(String, Note)>, Fault> {
    let sql = "SELECT text, revision, key FROM notes WHERE shelf = ? AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(params![shelf.as_str(), after, limit], |row| Ok((row.get(2)?, of(row, 0))))?;
    let mut notes = Vec::new();
    for row in found {
        let (key, note) = row?;
        notes.push((key, note?));
    }
    Ok(notes)
}

fn of(row: &Row<'_>, from: usize) -> Result<Note, Fault> {
    Ok(Note {
        text: row.get(from)?,
        revision: rows::count(row, from + 1, &|| "notes".to_owned())?,
    })
}
