//! What a document is called, what it is compared by, and where it stands in the order: `_id`, hash, rank, `_tidemill`.

use crate::bson_writer::{self as bson, Key, element, patch, tag};
use ledger::{Place, Rank};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// How many ids are remembered to find duplicates; past it, all are forgotten. It depends on the object alone, so the result does too.
const IDS_MAX: usize = 131_072;

/// `_tidemill` of the documents of an object: written once, its changing bytes patched for each document.
#[derive(Debug)]
pub(crate) struct Stamp {
    bytes: Vec<u8>,
    at: usize,
    version: usize,
    rank: usize,
    hash: usize,
    length: usize,
}

impl Stamp {
    pub fn new(run: &str) -> Stamp {
        let mut bytes = Vec::with_capacity(256);
        element(&mut bytes, tag::DOCUMENT, Key::Name("_tidemill"));
        let length = bson::open(&mut bytes);
        element(&mut bytes, tag::STRING, Key::Name("run"));
        bson::string(&mut bytes, run);
        element(&mut bytes, tag::DATE, Key::Name("at"));
        let at = bytes.len();
        bytes.extend_from_slice(&[0; 8]);
        element(&mut bytes, tag::INT64, Key::Name("version"));
        let version = bytes.len();
        bytes.extend_from_slice(&[0; 8]);
        element(&mut bytes, tag::BINARY, Key::Name("rank"));
        bson::binary(&mut bytes, &[0; Rank::LENGTH]);
        let rank = bytes.len() - Rank::LENGTH;
        element(&mut bytes, tag::BINARY, Key::Name("hash"));
        bson::binary(&mut bytes, &[0; 16]);
        let hash = bytes.len() - 16;
        bson::close(&mut bytes, length);
        Stamp {
            bytes,
            at,
            version,
            rank,
            hash,
            length,
        }
    }

    /// Appends it.
    pub fn write(&mut self, out: &mut Vec<u8>, captured_at_ms: i64, version: i64, rank: Rank, hash: u128, deleted: bool) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        patch(out, start + self.at, &captured_at_ms.to_le_bytes());
        patch(out, start + self.version, &version.to_le_bytes());
        patch(out, start + self.rank, &rank.0);
        patch(out, start + self.hash, &hash.to_be_bytes());
        if deleted {
            out.pop();
            element(out, tag::BOOL, Key::Name("deleted"));
            out.push(1);
            bson::close(out, start + self.length);
        }
    }
}

/// 128 bits over the elements of fields.
#[inline]
pub(crate) fn hash(fields: &[u8]) -> u128 {
    xxh3_128(fields)
}

/// The first 128 bits of the SHA-256 over a BSON document of these elements, as 32 hexadecimal digits.
pub(crate) fn content_id(fields: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update((fields.len() as u32 + 5).to_le_bytes());
    digest.update(fields);
    digest.update([0]);
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A place in `raw/` as text.
pub(crate) fn position_id(place: Place) -> String {
    format!("{}/{}/{}/{}", place.run, place.part, place.line, place.item)
}

/// The latest record of each id, to find those that say the same again.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    latest: HashMap<u64, u64, BuildHasherDefault<Hashed>>,
    within: u32,
}

impl Seen {
    /// Whether the latest record with this `_id` was the same; else this one is the latest. Records of another `within` than the one before are
    /// never the same, so those are forgotten.
    ///
    /// 64 bits of each hash are kept: a record that differs from the latest of its id is taken for it once in 10^19 times.
    #[inline]
    pub fn is_duplicate(&mut self, id: &[u8], fields: u128, within: u32) -> bool {
        if self.within != within || self.latest.len() >= IDS_MAX {
            self.latest.clear();
            self.within = within;
        }
        let digest = fields as u64;
        self.latest.insert(xxh3_64(id), digest) == Some(digest)
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
