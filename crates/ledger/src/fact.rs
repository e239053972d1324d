//! Facts: what became of an object at a stage. Written once; the first completion wins.

use lake::RawKey;
use serde::{Deserialize, Serialize};

/// A stage that ends with a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Clean,
    Load,
}

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactKey {
    pub raw: RawKey,
    /// The SHA-256 of the definition, 64 hexadecimal digits.
    pub definition: String,
    pub stage: Stage,
}

/// What became of the records of a raw object. `in = out + rejected + dropped + duplicates`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanTally {
    #[serde(rename = "in")]
    pub records_in: u64,
    pub out: u64,
    pub rejected: u64,
    pub dropped: u64,
    pub duplicates: u64,
}

/// What became of the documents of a clean object. `in = inserted + updated + unchanged + stale + superseded + refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadTally {
    #[serde(rename = "in")]
    pub documents_in: u64,
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub stale: u64,
    pub superseded: u64,
    pub refused: u64,
}

/// A stage's result for one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Clean(CleanTally),
    Load(LoadTally),
}

impl CleanTally {
    /// Whether it adds up.
    pub fn balances(&self) -> bool {
        self.records_in == self.out + self.rejected + self.dropped + self.duplicates
    }
}

impl std::ops::AddAssign for CleanTally {
    fn add_assign(&mut self, other: CleanTally) {
        self.records_in += other.records_in;
        self.out += other.out;
        self.rejected += other.rejected;
        self.dropped += other.dropped;
        self.duplicates += other.duplicates;
    }
}

impl LoadTally {
    /// Whether it adds up.
    pub fn balances(&self) -> bool {
        self.documents_in == self.inserted + self.updated + self.unchanged + self.stale + self.superseded + self.refused
    }
}

impl std::ops::AddAssign for LoadTally {
    fn add_assign(&mut self, other: LoadTally) {
        self.documents_in += other.documents_in;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.stale += other.stale;
        self.superseded += other.superseded;
        self.refused += other.refused;
    }
}
