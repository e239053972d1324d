//! Commands as bytes: documents are copied into them as they are, without being decoded. Pure.

use std::ops::Range;

use bson::RawDocumentBuf;

use super::uri::MAJORITY_MAX;
use crate::element::{Element, Unreadable, kind};

/// The most bytes of a command. The server takes 16 KiB more than its largest document; half of them are left to what the driver adds.
pub(super) const COMMAND_BYTES_MAX: usize = 16 * 1024 * 1024 + 8 * 1024;

/// The most statements of a command. The server would take a hundred times as many (`maxWriteBatchSize`), but then a slow or busy one answers too late, and all
/// of it is done again; more than this many save nothing that could be measured.
pub(super) const STATEMENTS_MAX: usize = 1_000;

/// A statement of an update: what must be there, and what takes its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replacement<'a> {
    /// The key, as the document has it.
    pub id: Element<'a>,
    /// The value of `_tidemill.rank` that was seen, with its length and subtype.
    pub seen: &'a [u8],
    pub document: &'a [u8],
}

/// `find` of the stamps that are stored under some keys, as the read concern says.
pub(super) fn find_stamps<'a>(
    collection: &str,
    ids: impl ExactSizeIterator<Item = Element<'a>>,
    concern: &str,
) -> Result<RawDocumentBuf, Unreadable> {
    // One more than there can be: a reply that is not full has no cursor to be closed.
    let most = i32::try_from(ids.len() + 1).unwrap_or(i32::MAX);
    let mut command = Writer::with_capacity(256 + ids.len() * 48);
    command.string("find", collection);
    command.within(kind::DOCUMENT, "filter", |command| {
        command.within(kind::DOCUMENT, "_id", |command| {
            command.within(kind::ARRAY, "$in", |command| {
                for (at, id) in ids.enumerate() {
                    command.numbered(at, id.kind, id.value);
                }
            });
        });
    });
    command.within(kind::DOCUMENT, "projection", |command| {
        for field in ["_id", "_tidemill.rank", "_tidemill.hash", "_tidemill.deleted"] {
            command.int32(field, 1);
        }
    });
    command.int32("batchSize", most);
    command.within(kind::DOCUMENT, "readConcern", |command| command.string("level", concern));
    command.finish()
}

/// `insert` of some documents, each for itself.
pub(super) fn insert<'a>(collection: &str, documents: impl Iterator<Item = &'a [u8]> + Clone) -> Result<RawDocumentBuf, Unreadable> {
    insert_with(collection, documents, false)
}

/// The same, whether the collection's validator would take the documents or not.
pub(super) fn insert_unvalidated<'a>(
    collection: &str,
    documents: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<RawDocumentBuf, Unreadable> {
    insert_with(collection, documents, true)
}

fn insert_with<'a>(
    collection: &str,
    documents: impl Iterator<Item = &'a [u8]> + Clone,
    unvalidated: bool,
) -> Result<RawDocumentBuf, Unreadable> {
    let bytes: usize = documents.clone().map(|document| document.len() + STATEMENT_BYTES_MAX).sum();
    let mut command = Writer::with_capacity(256 + bytes);
    command.string("insert", collection);
    command.unordered();
    if unvalidated {
        command.element(kind::BOOLEAN, "bypassDocumentValidation", &[1]);
    }
    command.within(kind::ARRAY, "documents", |command| {
        for (at, document) in documents.enumerate() {
            command.numbered(at, kind::DOCUMENT, document);
        }
    });
    command.finish()
}

/// `update` of some documents, each for itself, and only where what was seen is still there.
pub(super) fn update<'a>(
    collection: &str,
    statements: impl Iterator<Item = Replacement<'a>> + Clone,
) -> Result<RawDocumentBuf, Unreadable> {
    let bytes: usize = statements.clone().map(|statement| statement.bytes()).sum();
    let mut command = Writer::with_capacity(256 + bytes);
    command.string("update", collection);
    command.unordered();
    command.within(kind::ARRAY, "updates", |command| {
        for (at, statement) in statements.enumerate() {
            command.statement(at, |command| {
                command.within(kind::DOCUMENT, "q", |command| {
                    command.element(statement.id.kind, "_id", statement.id.value);
                    command.element(kind::BINARY, "_tidemill.rank", statement.seen);
                });
                command.element(kind::DOCUMENT, "u", statement.document);
            });
        }
    });
    command.finish()
}

/// `delete` of documents that have these very keys and ranks.
pub(super) fn delete<'a>(
    collection: &str,
    ids_and_ranks: impl Iterator<Item = (Element<'a>, &'a [u8])>,
) -> Result<RawDocumentBuf, Unreadable> {
    let mut command = Writer::with_capacity(4096);
    command.string("delete", collection);
    command.unordered();
    command.within(kind::ARRAY, "deletes", |command| {
        for (at, (id, rank)) in ids_and_ranks.enumerate() {
            command.statement(at, |command| {
                command.within(kind::DOCUMENT, "q", |command| {
                    command.element(id.kind, "_id", id.value);
                    command.element(kind::BINARY, "_tidemill.rank", rank);
                });
                command.int32("limit", 1);
            });
        }
    });
    command.finish()
}

/// What a statement's bytes may be beside those of its documents: types, names, lengths, ends.
const STATEMENT_BYTES_MAX: usize = 64;

impl Replacement<'_> {
    /// At most so many bytes of a command.
    pub(super) fn bytes(&self) -> usize {
        self.id.value.len() + self.seen.len() + self.document.len() + STATEMENT_BYTES_MAX
    }
}

/// Cuts statements of these lengths into commands: as few as may be, in their order. One that is too long for any has a command of its own.
pub(super) fn cut(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    const MOST: usize = COMMAND_BYTES_MAX - 1024;
    let mut cuts = Vec::new();
    let (mut start, mut bytes, mut end) = (0, 0, 0);
    for (at, length) in lengths.enumerate() {
        if at > start && (bytes + length > MOST || at - start == STATEMENTS_MAX) {
            cuts.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += length;
        end = at + 1;
    }
    if end > start {
        cuts.push(start..end);
    }
    cuts
}

/// Writes BSON from front to back; lengths are put in when a document ends.
struct Writer {
    bytes: Vec<u8>,
    digits: itoa::Buffer,
}

impl Writer {
    fn with_capacity(bytes: usize) -> Writer {
        let mut writer = Writer {
            bytes: Vec::with_capacity(bytes),
            digits: itoa::Buffer::new(),
        };
        writer.bytes.extend([0; 4]);
        writer
    }

    fn finish(mut self) -> Result<RawDocumentBuf, Unreadable> {
        self.close(0);
        RawDocumentBuf::from_bytes(self.bytes).map_err(|_| Unreadable::Malformed("a command of over 2 GiB"))
    }

    fn element(&mut self, kind: u8, name: &str, value: &[u8]) {
        self.head(kind, name);
        self.bytes.extend_from_slice(value);
    }

    /// An element of an array.
    fn numbered(&mut self, at: usize, kind: u8, value: &[u8]) {
        self.number(kind, at);
        self.bytes.extend_from_slice(value);
    }

    fn statement(&mut self, at: usize, inner: impl FnOnce(&mut Writer)) {
        self.number(kind::DOCUMENT, at);
        self.enclosed(inner);
    }

    fn within(&mut self, kind: u8, name: &str, inner: impl FnOnce(&mut Writer)) {
        self.head(kind, name);
        self.enclosed(inner);
    }

    fn string(&mut self, name: &str, text: &str) {
        self.head(kind::STRING, name);
        self.bytes.extend((text.len() as u32 + 1).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    fn int32(&mut self, name: &str, value: i32) {
        self.element(kind::INT32, name, &value.to_le_bytes());
    }

    /// Every statement is tried, whatever becomes of others, and a majority is waited for.
    fn unordered(&mut self) {
        self.element(kind::BOOLEAN, "ordered", &[0]);
        self.within(kind::DOCUMENT, "writeConcern", |command| {
            command.string("w", "majority");
            command.int32("wtimeout", MAJORITY_MAX.as_millis() as i32);
        });
    }

    fn head(&mut self, kind: u8, name: &str) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
    }

    fn number(&mut self, kind: u8, at: usize) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(self.digits.format(at).as_bytes());
        self.bytes.push(0);
    }

    fn enclosed(&mut self, inner: impl FnOnce(&mut Writer)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        inner(self);
        self.close(start);
    }

    fn close(&mut self, start: usize) {
        self.bytes.push(0);
        let length = (self.bytes.len() - start) as u32;
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
