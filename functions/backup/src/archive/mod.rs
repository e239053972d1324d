//! The archive of `mongodump --archive`, as its public description has it (mongodb/mongo-tools, `common/archive/spec.md`), before it is packed.
//!
//! ```text
//! archive  = magic, header, metadata of each namespace, terminator, (segment | end of a namespace)…
//! segment  = {db, collection, EOF: false, CRC: 0}, document…, terminator
//! end      = {db, collection, EOF: true, CRC: of all its documents}, terminator
//! ```
//!
//! All but the magic and the terminators are BSON documents. Ours are of one database, and every part of a backup ends where a segment or an end does.

mod extended_json;
mod frame;
mod metadata;
mod parse;
mod read;
mod write;

pub use extended_json::canonical;
pub use metadata::{described, metadata, namespace};
pub use read::{Documents, Event, Reader};
pub use write::Writer;

use crate::gzip::GzipError;

/// The first bytes of an archive.
pub const MAGIC: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];

/// What ends the prelude, a segment, and the end of a namespace.
pub const TERMINATOR: [u8; 4] = [0xff; 4];

/// The version of the format.
pub const VERSION: &str = "0.1";

/// No document is longer: what a server takes, and 16 KiB more for its own.
pub const DOCUMENT_BYTES_MAX: usize = (16 << 20) + (16 << 10);

/// No prelude is longer: it is held in memory.
pub const PRELUDE_BYTES_MAX: usize = 64 << 20;

/// No name of a namespace is longer (MongoDB allows 255 bytes with the database's).
pub const NAME_BYTES_MAX: usize = 255;

/// What an archive begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prelude {
    pub database: String,
    /// As `8.0.4`. `mongorestore` wants to read a version in it.
    pub server_version: String,
    /// What wrote it.
    pub tool_version: String,
    pub namespaces: Vec<Described>,
}

/// A namespace, as the prelude tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub name: String,
    pub view: bool,
    /// See [`metadata`].
    pub metadata: String,
    /// About how large it is, for `mongorestore`'s progress and order only.
    pub size: i32,
}

/// What is wrong with an archive, or can't be put into one. An offset without another word is one in the unpacked bytes of the part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    #[error("at byte {at}: expected {expected}, and found {found}")]
    Unexpected { at: u64, expected: &'static str, found: String },
    #[error("at byte {at}: the bytes end where {expected} was expected")]
    Truncated { at: u64, expected: &'static str },
    #[error("at byte {at}: {what} says it has {bytes} bytes; at least {bytes_min} and at most {bytes_max} are allowed")]
    Length {
        at: u64,
        what: &'static str,
        bytes: i64,
        bytes_min: usize,
        bytes_max: usize,
    },
    #[error("at byte {at}: `{collection}` {why}")]
    Namespace { at: u64, collection: String, why: &'static str },
    #[error("`{collection}`: its {documents} documents have the CRC {found:016x}, and the archive says {expected:016x}")]
    Crc {
        collection: String,
        documents: u64,
        expected: u64,
        found: u64,
    },
    #[error("`{collection}` is not ended: the archive stops before its last document")]
    NotEnded { collection: String },
    #[error("`{collection}`: its options and indexes can't be kept as Extended JSON, or read from it: {why}")]
    Metadata { collection: String, why: String },
    #[error("a value can't be written as Extended JSON: {why}")]
    Value { why: String },
    #[error("the gzip stream can't be read or written")]
    Gzip(#[from] GzipError),
}

/// Is it a name that a namespace can have?
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0')
}
