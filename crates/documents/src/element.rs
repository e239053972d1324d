//! The elements of a BSON document, straight from its bytes and without a panic. Not a decoder: what a value means is for its reader.

use bson::{RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr};

/// The deepest nesting that is kept; MongoDB's limit. The document itself is not counted.
pub const DEPTH_MAX: usize = 100;

/// Why bytes could not be read as BSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("malformed BSON: {0}")]
    Malformed(&'static str),
    #[error("nested over {DEPTH_MAX} levels deep")]
    TooDeep,
}

/// The type bytes of BSON 1.1.
pub(crate) mod kind {
    pub const DOUBLE: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const DOCUMENT: u8 = 0x03;
    pub const ARRAY: u8 = 0x04;
    pub const BINARY: u8 = 0x05;
    pub const UNDEFINED: u8 = 0x06;
    pub const OBJECT_ID: u8 = 0x07;
    pub const BOOLEAN: u8 = 0x08;
    pub const DATE: u8 = 0x09;
    pub const NULL: u8 = 0x0a;
    pub const REGEX: u8 = 0x0b;
    pub const DB_POINTER: u8 = 0x0c;
    pub const CODE: u8 = 0x0d;
    pub const SYMBOL: u8 = 0x0e;
    pub const CODE_WITH_SCOPE: u8 = 0x0f;
    pub const INT32: u8 = 0x10;
    pub const TIMESTAMP: u8 = 0x11;
    pub const INT64: u8 = 0x12;
    pub const DECIMAL128: u8 = 0x13;
    pub const MAX_KEY: u8 = 0x7f;
    pub const MIN_KEY: u8 = 0xff;
}

/// One element: its value's bytes are as long as its type says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub kind: u8,
    pub name: &'a [u8],
    pub value: &'a [u8],
}

/// Walks a document or array.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Of the bytes of a whole document.
    pub fn new(document: &'a [u8]) -> Result<Elements<'a>, Unreadable> {
        let (length, rest) = take_length(document)?;
        if length != document.len() {
            return Err(Unreadable::Malformed("a document's length is not that of its bytes"));
        }
        Ok(Elements { rest })
    }

    /// The next element; `None` at the end.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Element<'a>>, Unreadable> {
        let (&kind, rest) = self.rest.split_first().ok_or(CUT)?;
        if kind == 0 {
            return if rest.is_empty() {
                Ok(None)
            } else {
                Err(Unreadable::Malformed("a document ends before its bytes do"))
            };
        }
        let (name, rest) = take_cstring(rest)?;
        let length = value_length(kind, rest)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(CUT)?;
        self.rest = rest;
        Ok(Some(Element { kind, name, value }))
    }
}

const CUT: Unreadable = Unreadable::Malformed("it is cut short");

/// How many of `rest`'s bytes are a value of this type.
#[inline]
fn value_length(kind: u8, rest: &[u8]) -> Result<usize, Unreadable> {
    Ok(match kind {
        kind::UNDEFINED | kind::NULL | kind::MIN_KEY | kind::MAX_KEY => 0,
        kind::BOOLEAN => 1,
        kind::INT32 => 4,
        kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => 8,
        kind::OBJECT_ID => 12,
        kind::DECIMAL128 => 16,
        kind::STRING | kind::CODE | kind::SYMBOL => take_length(rest)?.0.saturating_add(4),
        kind::BINARY => take_length(rest)?.0.saturating_add(5),
        kind::DB_POINTER => take_length(rest)?.0.saturating_add(16),
        kind::DOCUMENT | kind::ARRAY | kind::CODE_WITH_SCOPE => take_length(rest)?.0,
        kind::REGEX => {
            let (pattern, after) = take_cstring(rest)?;
            pattern.len() + take_cstring(after)?.0.len() + 2
        }
        _ => return Err(Unreadable::Malformed("an unknown type of value")),
    })
}

/// A length in front of bytes, and the bytes after it.
#[inline]
pub(crate) fn take_length(bytes: &[u8]) -> Result<(usize, &[u8]), Unreadable> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(CUT)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Unreadable::Malformed("a negative length"))?;
    Ok((length, rest))
}

/// Bytes up to a NUL, and those after it.
#[inline]
pub(crate) fn take_cstring(bytes: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    let end = find_nul(bytes).ok_or(CUT)?;
    let (text, rest) = bytes.split_at_checked(end).ok_or(CUT)?;
    Ok((text, rest.get(1..).unwrap_or_default()))
}

/// Names are short: a look at eight bytes finds the end of most.
#[inline]
fn find_nul(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    if let Some(word) = bytes.first_chunk() {
        let word = u64::from_le_bytes(*word);
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return Some(zeros.trailing_zeros() as usize / 8);
        }
    }
    memchr::memchr(0, bytes)
}

/// A length, a text, a NUL; and the bytes after them.
#[inline]
pub(crate) fn take_string(bytes: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    let (length, rest) = take_length(bytes)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(CUT)?;
    match text.split_last() {
        Some((0, text)) => Ok((text, rest)),
        _ => Err(Unreadable::Malformed("a string does not end with NUL")),
    }
}

/// The bytes of a value of `N` bytes.
#[inline]
pub(crate) fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Unreadable> {
    value.try_into().map_err(|_| CUT)
}

/// A binary value: its subtype and its bytes. The old subtype 2 holds its length a second time.
#[inline]
pub(crate) fn binary(value: &[u8]) -> Result<(u8, &[u8]), Unreadable> {
    let (length, rest) = take_length(value)?;
    match rest.split_first() {
        Some((&subtype, bytes)) if bytes.len() == length => Ok((subtype, bytes)),
        _ => Err(CUT),
    }
}

/// Code with its scope: the code, and the scope's bytes.
pub(crate) fn code_with_scope(value: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    take_string(take_length(value)?.1)
}

/// Gives `read` the element that a value is.
pub(crate) fn with_element<T>(value: RawBsonRef<'_>, read: impl FnOnce(Element<'_>) -> Result<T, Unreadable>) -> Result<T, Unreadable> {
    let mut holder = RawDocumentBuf::new();
    holder.append(cstr!(""), value);
    match Elements::new(holder.as_bytes())?.next()? {
        Some(element) => read(element),
        None => Err(CUT),
    }
}

/// Is a document nested at most [`DEPTH_MAX`] levels deep?
///
/// Every level takes 7 bytes at the least, so that short documents need no look.
pub(crate) fn depth_is_kept(document: &RawDocument) -> Result<bool, Unreadable> {
    levels_fit(document.as_bytes(), DEPTH_MAX)
}

const LEVEL_BYTES_MIN: usize = 7;

fn levels_fit(document: &[u8], levels: usize) -> Result<bool, Unreadable> {
    if document.len() < (levels + 1) * LEVEL_BYTES_MIN {
        return Ok(true);
    }
    let mut elements = Elements::new(document)?;
    while let Some(element) = elements.next()? {
        let nested = match element.kind {
            kind::DOCUMENT | kind::ARRAY => element.value,
            kind::CODE_WITH_SCOPE => code_with_scope(element.value)?.1,
            _ => continue,
        };
        let Some(left) = levels.checked_sub(1) else { return Ok(false) };
        if !levels_fit(nested, left)? {
            return Ok(false);
        }
    }
    Ok(true)
}
