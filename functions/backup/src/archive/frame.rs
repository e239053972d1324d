//! One document or terminator of an archive, and the values in the documents that are the archive's own.

use bson::{RawBsonRef, RawDocument};

use super::{ArchiveError, DOCUMENT_BYTES_MAX, TERMINATOR};

/// The shortest document: its length and its end.
const DOCUMENT_BYTES_MIN: usize = 5;

/// The next thing.
pub(super) enum Frame<'b> {
    Needs(usize),
    Terminator,
    Document(&'b RawDocument),
}

/// What lies at the start of the bytes; its length is looked at before anything waits for it.
#[inline]
pub(super) fn frame<'b>(bytes: &'b [u8], at: u64, what: &'static str) -> Result<Frame<'b>, ArchiveError> {
    let Some(head) = bytes.first_chunk() else {
        return Ok(Frame::Needs(4));
    };
    if *head == TERMINATOR {
        return Ok(Frame::Terminator);
    }
    let said = i32::from_le_bytes(*head);
    let length = usize::try_from(said).unwrap_or(0);
    if !(DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&length) {
        return Err(ArchiveError::Length {
            at,
            what,
            bytes: said.into(),
            bytes_min: DOCUMENT_BYTES_MIN,
            bytes_max: DOCUMENT_BYTES_MAX,
        });
    }
    let Some(bytes) = bytes.get(..length) else {
        return Ok(Frame::Needs(length));
    };
    let document = RawDocument::from_bytes(bytes).map_err(|_| ArchiveError::Unexpected {
        at: at + length as u64 - 1,
        expected: "the zero that ends a document",
        found: hex(bytes.get(length - 1..).unwrap_or_default()),
    })?;
    Ok(Frame::Document(document))
}

/// The types of the fields that an archive's own documents have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int32,
    Int64,
    Boolean,
}

#[derive(Clone, Copy)]
pub(super) enum Value<'b> {
    Missing,
    Text(&'b str),
    Int32(i32),
    Int64(i64),
    Boolean(bool),
}

impl<'b> Value<'b> {
    pub fn of(value: RawBsonRef<'b>, kind: Kind) -> Option<Value<'b>> {
        match (value, kind) {
            (RawBsonRef::String(text), Kind::Text) => Some(Value::Text(text)),
            (RawBsonRef::Int32(number), Kind::Int32) => Some(Value::Int32(number)),
            (RawBsonRef::Int64(number), Kind::Int64) => Some(Value::Int64(number)),
            (RawBsonRef::Boolean(answer), Kind::Boolean) => Some(Value::Boolean(answer)),
            _ => None,
        }
    }

    pub fn text(self) -> &'b str {
        if let Value::Text(text) = self { text } else { "" }
    }

    pub fn int32(self) -> i32 {
        if let Value::Int32(number) = self { number } else { 0 }
    }

    pub fn int64(self) -> i64 {
        if let Value::Int64(number) = self { number } else { 0 }
    }

    pub fn boolean(self) -> bool {
        matches!(self, Value::Boolean(true))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// So much of a text from outside as an error may hold.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}
