//! What the documents of a collection add up to: their number, their bytes, a hash that no order changes, and the archive's own check.

use bson::RawDocument;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// A text that is not the hexadecimal form of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} lower-case hexadecimal digits")]
pub struct NotHex {
    pub digits: usize,
}

/// The sum of documents' SHA-256 (each a whole number, its highest byte first) modulo 2^256: equal documents have the same, in whatever order and parts.
///
/// It tells a loss or a change by accident from none. It is no proof against one who makes documents so that the sum stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CollectionHash {
    /// The lowest first.
    words: [u64; 4],
}

impl CollectionHash {
    pub fn add(&mut self, document: &[u8]) {
        self.merge(&CollectionHash::from_be_bytes(Sha256::digest(document).into()));
    }

    /// Adds the sum of other documents.
    pub fn merge(&mut self, other: &CollectionHash) {
        let mut carry = false;
        for (word, other) in self.words.iter_mut().zip(other.words) {
            let (sum, over) = word.overflowing_add(other);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = over | over_again;
        }
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.to_string()
    }

    pub fn parse(hex: &str) -> Result<CollectionHash, NotHex> {
        bytes_of_hex(hex).map(CollectionHash::from_be_bytes)
    }

    fn from_be_bytes(bytes: [u8; 32]) -> CollectionHash {
        let mut words = [0; 4];
        let (eights, _) = bytes.as_chunks::<8>();
        for (word, eight) in words.iter_mut().rev().zip(eights) {
            *word = u64::from_be_bytes(*eight);
        }
        CollectionHash { words }
    }
}

impl fmt::Display for CollectionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl From<CollectionHash> for String {
    fn from(hash: CollectionHash) -> String {
        hash.to_string()
    }
}

impl TryFrom<String> for CollectionHash {
    type Error = NotHex;

    fn try_from(hex: String) -> Result<CollectionHash, NotHex> {
        CollectionHash::parse(&hex)
    }
}

/// CRC-64/XZ of bytes in their order (Go's `crc64.ECMA`, as `mongodump` has it). What is kept is enough to go on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Crc64(u64);

impl Crc64 {
    pub fn add(&mut self, bytes: &[u8]) {
        let mut digest = CrcDigest::new_with_init_state(CrcAlgorithm::Crc64Xz, !self.0);
        digest.update(bytes);
        self.0 = digest.finalize();
    }

    pub fn value(self) -> u64 {
        self.0
    }

    /// 16 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.to_string()
    }

    pub fn parse(hex: &str) -> Result<Crc64, NotHex> {
        bytes_of_hex(hex).map(u64::from_be_bytes).map(Crc64)
    }
}

impl From<u64> for Crc64 {
    fn from(value: u64) -> Crc64 {
        Crc64(value)
    }
}

impl fmt::Display for Crc64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Crc64> for String {
    fn from(crc: Crc64) -> String {
        crc.to_string()
    }
}

impl TryFrom<String> for Crc64 {
    type Error = NotHex;

    fn try_from(hex: String) -> Result<Crc64, NotHex> {
        Crc64::parse(&hex)
    }
}

/// What documents of one collection add up to. It can be kept as JSON, and gone on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    pub documents: u64,
    pub bytes: u64,
    pub hash: CollectionHash,
    pub crc64: Crc64,
}

impl Sums {
    pub fn add(&mut self, document: &RawDocument) {
        self.add_hashed(document.as_bytes());
        self.crc64.add(document.as_bytes());
    }

    /// As [`Sums::add`], but for the CRC: of documents that lie one after another, it is taken at once.
    pub(crate) fn add_hashed(&mut self, document: &[u8]) {
        self.documents += 1;
        self.bytes += document.len() as u64;
        self.hash.add(document);
    }
}

/// SHA-256 as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    CollectionHash::from_be_bytes(Sha256::digest(bytes).into()).to_string()
}

fn bytes_of_hex<const BYTES: usize>(hex: &str) -> Result<[u8; BYTES], NotHex> {
    let wrong = NotHex { digits: 2 * BYTES };
    let mut bytes = [0; BYTES];
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != BYTES || !rest.is_empty() {
        return Err(wrong);
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high).ok_or(wrong)? << 4 | digit(*low).ok_or(wrong)?;
    }
    Ok(bytes)
}

/// Lower-case only: each value has one text.
fn digit(text: u8) -> Option<u8> {
    match text {
        b'0'..=b'9' => Some(text - b'0'),
        b'a'..=b'f' => Some(text - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_crc_is_the_one_of_xz_and_can_be_gone_on_from() {
        let mut whole = Crc64::default();
        whole.add(b"123456789");
        assert_eq!(whole.to_hex(), "995dc9bbdf1939fa");
        let long: Vec<u8> = (0..4000_u32).map(|i| (i * i) as u8).collect();
        let mut expected = Crc64::default();
        expected.add(&long);
        for cut in [0, 1, 7, 128, 255, 3999, 4000] {
            let (first, second) = long.split_at(cut);
            let mut crc = Crc64::default();
            crc.add(first);
            let mut crc = Crc64::parse(&crc.to_hex()).unwrap();
            crc.add(second);
            assert_eq!(crc, expected, "cut at {cut}");
        }
    }

    #[test]
    fn the_hash_is_a_sum_with_carries_modulo_2_to_the_256() {
        let all = "ff".repeat(32);
        let mut sum = CollectionHash::parse(&all).unwrap();
        let one = format!("{}1", "0".repeat(63));
        sum.merge(&CollectionHash::parse(&one).unwrap());
        assert_eq!(sum, CollectionHash::default());
        sum.merge(&CollectionHash::parse(&all).unwrap());
        assert_eq!(sum.to_hex(), all);
        // Of the words of all but the highest: the carry goes through three of them.
        let mut sum = CollectionHash::parse(&format!("{}{}", "0".repeat(16), "f".repeat(48))).unwrap();
        sum.merge(&CollectionHash::parse(&one).unwrap());
        assert_eq!(sum.to_hex(), format!("{}1{}", "0".repeat(15), "0".repeat(48)));
    }

    #[test]
    fn a_document_counts_by_its_sha256() {
        let mut hash = CollectionHash::default();
        hash.add(b"abc");
        // From FIPS 180-2.
        assert_eq!(hash.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha256_hex(b"abc"), hash.to_hex());
    }

    #[test]
    fn only_its_own_hexadecimal_form_is_read() {
        for wrong in ["", "ab", &"F".repeat(64), &"g".repeat(64), &"0".repeat(65)] {
            assert!(CollectionHash::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Crc64::parse("995DC9BBDF1939FA").is_err());
    }
}
