//! What a backup says of itself. It is written last: without it there is no backup.

mod check;

use crate::hash::{Sums, sha256_hex};
use crate::keys;
use crate::retention::Class;
use lake::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use check::ManifestError;

/// The format of the manifests that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// No manifest is longer: it is held in memory.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

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

impl Manifest {
    /// Fills in the checksum, and checks all that [`Manifest::parse`] does: what is written can be read.
    pub fn sealed(mut self) -> Result<Manifest, ManifestError> {
        self.checksum.clear();
        self.checksum = sha256_hex(&self.to_bytes()?);
        self.check()?;
        match self.to_bytes()?.len() {
            ..=MANIFEST_BYTES_MAX => Ok(self),
            bytes => Err(ManifestError::TooLong { bytes }),
        }
    }

    /// As it is written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The manifest that lies under the key, if it is whole, unchanged, of a format that this version knows, and of the backup that the key names.
    pub fn parse(key: &Key, bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let Some((class, id)) = keys::of_manifest(key) else {
            return Err(ManifestError::Key);
        };
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLong { bytes: bytes.len() });
        }
        // First of all: another format may have other fields.
        match serde_json::from_slice::<Format>(bytes)?.format {
            FORMAT => {}
            format if format > FORMAT => return Err(ManifestError::Newer { format }),
            format => return Err(ManifestError::UnknownFormat { format }),
        }
        let manifest: Manifest = serde_json::from_slice(bytes)?;
        let expected = manifest.checksum_expected()?;
        if manifest.checksum != expected || manifest.to_bytes()? != bytes {
            return Err(ManifestError::Checksum);
        }
        if manifest.class != class || manifest.id != id.to_string() {
            return Err(ManifestError::Elsewhere {
                class: manifest.class,
                id: manifest.id,
            });
        }
        manifest.check()?;
        Ok(manifest)
    }

    /// Compares with what the collections and views of an archive have come to (see [`crate::archive::Reader::finish`]).
    pub fn compare(&self, found: &BTreeMap<String, Sums>) -> Result<(), ManifestError> {
        for collection in &self.collections {
            let name = || collection.name.clone();
            let sums = found
                .get(&collection.name)
                .ok_or_else(|| ManifestError::Missing { collection: name() })?;
            let differs = |what, expected: String, found: String| match expected == found {
                true => Ok(()),
                false => Err(ManifestError::Differs {
                    collection: name(),
                    what,
                    expected,
                    found,
                }),
            };
            differs(
                "the number of documents",
                collection.documents.to_string(),
                sums.documents.to_string(),
            )?;
            differs("the number of bytes", collection.bytes.to_string(), sums.bytes.to_string())?;
            differs("the hash of its documents", collection.hash.clone(), sums.hash.to_hex())?;
            differs("the CRC of its documents", collection.crc64.clone(), sums.crc64.to_hex())?;
        }
        let known = |name: &String| self.collections.iter().any(|collection| collection.name == *name);
        match found.keys().find(|name| !known(name)) {
            Some(name) => Err(ManifestError::NotInManifest { collection: name.clone() }),
            None => Ok(()),
        }
    }

    /// Of all collections.
    pub fn documents(&self) -> u64 {
        self.collections
            .iter()
            .fold(0, |sum, collection| sum.saturating_add(collection.documents))
    }

    /// Of BSON, of all collections.
    pub fn bytes(&self) -> u64 {
        self.collections
            .iter()
            .fold(0, |sum, collection| sum.saturating_add(collection.bytes))
    }

    /// Of all parts, as they lie in the vault.
    pub fn packed_bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.size))
    }

    fn checksum_expected(&self) -> Result<String, ManifestError> {
        let without = Manifest {
            checksum: String::new(),
            ..self.clone()
        };
        Ok(sha256_hex(&without.to_bytes()?))
    }
}

/// The one field that every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
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
