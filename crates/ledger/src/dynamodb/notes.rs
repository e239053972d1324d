//! Notes: each change names the revision that it follows, and is a transaction of its own, for only of those DynamoDB remembers what it did when an
//! answer is lost. Else a change that was done would be told as refused, and be done twice.

use super::fault::Fault;
use super::items::{self, Row};
use super::key::{self, Key};
use super::query::Query;
use super::table::Table;
use super::write::{Expression, Outcome, Write};
use crate::note::{NOTE_BYTES_MAX, NOTE_KEY_BYTES_MAX};
use crate::{Note, Shelf};

pub(super) async fn get(table: &Table, shelf: Shelf, key: &str) -> Result<Option<Note>, Fault> {
    let item = table.get(&Key::note(shelf, key)).await?;
    item.as_ref().map(items::read_note).transpose()
}

pub(super) async fn put(table: &Table, shelf: Shelf, key: &str, after: Option<u64>, text: &str) -> Result<bool, Fault> {
    let (bytes, key_bytes) = (text.len(), key.len());
    if bytes > NOTE_BYTES_MAX || key_bytes > NOTE_KEY_BYTES_MAX {
        return Err(Fault::Denied(format!(
            "a note of {bytes} bytes under a key of {key_bytes}: expected at most {NOTE_BYTES_MAX} under {NOTE_KEY_BYTES_MAX}"
        )));
    }
    let note = Note {
        text: text.to_owned(),
        revision: after.unwrap_or(0).saturating_add(1),
    };
    let write = Write::Put {
        item: items::note(&Key::note(shelf, key), &note),
        condition: Some(after.map_or_else(Expression::absent, is_still)),
    };
    Ok(matches!(table.transact(&[write]).await?, Outcome::Written))
}

pub(super) async fn remove(table: &Table, shelf: Shelf, key: &str, revision: u64) -> Result<bool, Fault> {
    let write = Write::Delete {
        key: Key::note(shelf, key),
        condition: Some(is_still(revision)),
    };
    Ok(matches!(table.transact(&[write]).await?, Outcome::Written))
}

fn is_still(revision: u64) -> Expression {
    Expression::new("#revision = :seen").with(":seen", items::number(revision))
}

pub(super) async fn list(table: &Table, shelf: Shelf, after: Option<&str>, limit: usize) -> Result<Vec<(String, Note)>, Fault> {
    let after = after.map(|key| Key::note(shelf, key));
    let query = Query::of(key::on_shelf(shelf), key::NOTE_PREFIX).after(after);
    let items = table.list(query, Some(limit)).await?;
    let notes = items.iter().map(|item| {
        let sk = Row::of(item).text("sk")?;
        let key = sk.strip_prefix(key::NOTE_PREFIX).unwrap_or_default();
        Ok((key.to_owned(), items::read_note(item)?))
    });
    notes.collect()
}
