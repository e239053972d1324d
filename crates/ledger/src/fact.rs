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

impl Fact {
    /// The stage whose result it is.
    pub fn stage(&self) -> Stage {
        match self {
            Fact::Clean(_) => Stage::Clean,
            Fact::Load(_) => Stage::Load,
        }
    }

    /// Whether it adds up.
    pub fn balances(&self) -> bool {
        match self {
            Fact::Clean(tally) => tally.balances(),
            Fact::Load(tally) => tally.balances(),
        }
    }

    /// What forbids to record it under `key`, in words; `None` when it may be.
    pub fn fault(&self, key: &FactKey) -> Option<&'static str> {
        if self.stage() != key.stage {
            Some("its tally is of another stage than its key")
        } else if !self.balances() {
            Some("it does not add up: what came in is not what came out and was set aside")
        } else {
            None
        }
    }
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Clean => "clean",
            Stage::Load => "load",
        }
    }
}

/// The stage that a part waits for, by the stages that have a fact; `None` when it has reached its end state.
pub fn next_stage(cleaned: bool, loaded: bool) -> Option<Stage> {
    match (cleaned, loaded) {
        (_, true) => None,
        (true, false) => Some(Stage::Load),
        (false, false) => Some(Stage::Clean),
    }
}

impl CleanTally {
    /// Whether it adds up.
    pub fn balances(&self) -> bool {
        u128::from(self.records_in) == sum([self.out, self.rejected, self.dropped, self.duplicates])
    }
}

impl std::ops::AddAssign for CleanTally {
    fn add_assign(&mut self, other: CleanTally) {
        self.records_in = self.records_in.saturating_add(other.records_in);
        self.out = self.out.saturating_add(other.out);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
    }
}

impl LoadTally {
    /// Whether it adds up.
    pub fn balances(&self) -> bool {
        let kept = [
            self.inserted,
            self.updated,
            self.unchanged,
            self.stale,
            self.superseded,
            self.refused,
        ];
        u128::from(self.documents_in) == sum(kept)
    }
}

impl std::ops::AddAssign for LoadTally {
    fn add_assign(&mut self, other: LoadTally) {
        self.documents_in = self.documents_in.saturating_add(other.documents_in);
        self.inserted = self.inserted.saturating_add(other.inserted);
        self.updated = self.updated.saturating_add(other.updated);
        self.unchanged = self.unchanged.saturating_add(other.unchanged);
        self.stale = self.stale.saturating_add(other.stale);
        self.superseded = self.superseded.saturating_add(other.superseded);
        self.refused = self.refused.saturating_add(other.refused);
    }
}

/// Wide enough for any tally: one read from a damaged file must not wrap round to a sum that holds.
fn sum<const N: usize>(counts: [u64; N]) -> u128 {
    counts.into_iter().map(u128::from).sum()
}
