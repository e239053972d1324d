//! BSON (bsonspec.org, version 1.1) appended byte by byte. Lengths are patched when what they measure is closed.

/// The types of elements that are written.
pub(crate) mod tag {
    pub const DOUBLE: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const DOCUMENT: u8 = 0x03;
    pub const ARRAY: u8 = 0x04;
    pub const BINARY: u8 = 0x05;
    pub const BOOL: u8 = 0x08;
    pub const DATE: u8 = 0x09;
    pub const NULL: u8 = 0x0a;
    pub const INT32: u8 = 0x10;
    pub const INT64: u8 = 0x12;
    pub const DECIMAL128: u8 = 0x13;
}

/// How deep a BSON document may nest: MongoDB's limit.
pub(crate) const LEVELS_MAX: u32 = 100;

/// An element's key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'a> {
    /// A text without a NUL.
    Name(&'a str),
    /// Of a field of the contract.
    Field(&'a Header),
    /// A place in a list.
    Index(u32),
}

/// The type and key of a field's elements, ready to be copied. A short one is copied as so many bytes whatever its length: that is two moves
/// instead of a call.
#[derive(Debug)]
pub(crate) struct Header {
    short: [u8; HEADER_BYTES],
    length: usize,
    bytes: Box<[u8]>,
}

const HEADER_BYTES: usize = 32;

impl Header {
    pub fn new(name: &str) -> Header {
        let bytes: Box<[u8]> = [&[tag::NULL], name.as_bytes(), &[0]].concat().into();
        let mut short = [0; HEADER_BYTES];
        patch(&mut short, 0, &bytes);
        Header {
            short,
            length: bytes.len(),
            bytes,
        }
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>, tag: u8) {
        let start = out.len();
        if self.length <= HEADER_BYTES {
            out.extend_from_slice(&self.short);
            out.truncate(start + self.length);
        } else {
            out.extend_from_slice(&self.bytes);
        }
        if let Some(first) = out.get_mut(start) {
            *first = tag;
        }
    }
}

/// Appends an element's type and key; its value must follow.
#[inline]
pub(crate) fn element(out: &mut Vec<u8>, tag: u8, key: Key<'_>) {
    if let Key::Field(header) = key {
        return header.write(out, tag);
    }
    other_element(out, tag, key);
}

fn other_element(out: &mut Vec<u8>, tag: u8, key: Key<'_>) {
    out.push(tag);
    match key {
        Key::Name(name) => out.extend_from_slice(name.as_bytes()),
        Key::Field(_) => {}
        Key::Index(digit @ 0..=9) => out.push(b'0' + digit as u8),
        Key::Index(index) => out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes()),
    }
    out.push(0);
}

/// Begins a document or list; the place is for [`close`].
#[inline]
pub(crate) fn open(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    at
}

/// Ends what was begun at `at`.
#[inline]
pub(crate) fn close(out: &mut Vec<u8>, at: usize) {
    out.push(0);
    let length = (out.len() - at) as u32;
    patch(out, at, &length.to_le_bytes());
}

/// Puts `bytes` over those at `at`.
#[inline]
pub(crate) fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Appends the value of a string.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32 + 1).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// Appends the value of a generic binary.
pub(crate) fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.push(0);
    out.extend_from_slice(bytes);
}

/// The value of the element in `bytes` (one whole element), after its type and key.
#[inline]
pub(crate) fn value_of(element: &[u8]) -> (u8, &[u8]) {
    let Some((&tag, rest)) = element.split_first() else {
        return (tag::NULL, &[]);
    };
    let end = memchr::memchr(0, rest).map_or(rest.len(), |at| at + 1);
    (tag, rest.get(end..).unwrap_or_default())
}
