//! What a backup says of itself. It is written last: without it there is no backup.

use crate::retention::Class;
use serde::{Deserialize, Serialize};

/// The format of the manifests that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// A whole backup. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    /// The backup's id, as its keys have it.
    pub id: String,
    pub class: Class,
    /// The database that was backed up, and what served it.
    pub database: String,
    pub server_version: String,
    /// The program that wrote it, as `tidemill 0.1.0`.
    pub tool: String,
    /// When the first document was read, and when the last was. What was written between may or may not be in it.
    pub began_ms: i64,
    pub ended_ms: i64,
    /// Until when it is locked.
    pub locked_until_ms: i64,
    pub consistency: Consistency,
    pub collections: Vec<Collection>,
    /// What was not backed up, and why.
    pub left_out: Vec<LeftOut>,
    /// In their order: put one after another, their bytes are one archive.
    pub parts: Vec<Part>,
    /// SHA-256 of this manifest with an empty `checksum`, hexadecimal.
    pub checksum: String,
}

/// What may be relied on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// `majority` or `local`.
    pub read_concern: String,
    /// Whether all was read as of one moment.
    pub snapshot: bool,
}

/// A collection or view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    pub name: String,
    pub view: bool,
    /// Options and indexes in canonical Extended JSON, as the archive has them.
    pub metadata: String,
    pub documents: u64,
    /// Of BSON.
    pub bytes: u64,
    /// The sum of the documents' SHA-256, modulo 2^256, hexadecimal: the same for equal documents in any order.
    pub hash: String,
    /// CRC-64/XZ of the documents' bytes in their order, hexadecimal: the archive's own check.
    pub crc64: String,
}

/// What was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    pub name: String,
    pub why: String,
}

/// An object of the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub key: String,
    pub size: u64,
    /// Of its bytes, hexadecimal.
    pub sha256: String,
    pub ranges: Vec<Range>,
}

/// Documents of one collection that were read one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub collection: String,
    /// The first and the last `_id`, in canonical Extended JSON.
    pub first: String,
    pub last: String,
    pub documents: u64,
    pub began_ms: i64,
    pub ended_ms: i64,
}
