//! A history made from a seed: definitions, runs, and the raw records they brought. What it ought to lead to is in `model`.

use fastrand::Rng;
use lake::{Part, RawKey, RunId};
use ledger::ResourceId;
use pipeline::Name;

/// How documents meet each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Merge,
    AppendContent,
    AppendPosition,
    Replace,
}

/// What a pipeline file says, as far as order is concerned. Its generation is its place in the history, counted from 1.
#[derive(Clone, Debug)]
pub struct Definition {
    pub hash: String,
    pub source: String,
    /// What the contract makes of a value: an edit that changes documents. Two definitions may have the same.
    pub factor: i64,
    /// Greater values are rejected.
    pub value_max: i64,
    /// Values that this divides are dropped by a filter; 0 drops none.
    pub drop_every: i64,
    /// Whether keys are 64-bit integers, not 32-bit ones: the same keys all the same.
    pub long_keys: bool,
}

/// A record as the source gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw {
    pub key: i32,
    pub version: i64,
    pub value: i64,
    pub volatile: i64,
    pub deleted: bool,
}

/// A line of a raw object.
#[derive(Clone, Debug)]
pub struct Capture {
    pub at_ms: i64,
    pub records: Vec<Raw>,
}

/// A run as it was meant; who really put which object is found out by dealing it.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    pub id: RunId,
    pub started_ms: i64,
    pub generation: u32,
    pub parts: u32,
    /// The greatest cursor value its records hold, if any.
    pub candidate: Option<i64>,
    /// The source breaks in the end: the run fails.
    pub fails: bool,
}

pub struct History {
    pub resource: ResourceId,
    pub disposition: Disposition,
    pub has_version: bool,
    pub allow_empty: bool,
    pub reject_limit: u64,
    pub batch_documents: usize,
    pub definitions: Vec<Definition>,
    pub runs: Vec<PlannedRun>,
    /// How likely a record, a key, a step is what; kept so that parts can be made when they are fetched.
    keys: i32,
    values: i64,
}

impl History {
    pub fn new(rng: &mut Rng) -> History {
        let disposition = match rng.u8(0..8) {
            0..=3 => Disposition::Merge,
            4 => Disposition::AppendContent,
            5 => Disposition::AppendPosition,
            _ => Disposition::Replace,
        };
        let definitions: Vec<Definition> = (1..=rng.u32(1..=3)).map(|generation| definition(rng, generation)).collect();
        let mut started_ms = 1_700_000_000_000;
        let runs = (0..rng.u32(1..=4))
            .map(|_| run(rng, &mut started_ms, definitions.len(), disposition))
            .collect();
        History {
            resource: ResourceId {
                pipeline: Name::new("simulated").unwrap(),
                resource: Name::new("records").unwrap(),
            },
            disposition,
            has_version: rng.bool(),
            allow_empty: rng.bool(),
            reject_limit: if rng.bool() { u64::MAX } else { rng.u64(0..3) },
            batch_documents: rng.usize(1..=5),
            definitions,
            runs,
            keys: rng.i32(1..=6),
            values: rng.i64(1..=12),
        }
    }

    pub fn definition(&self, generation: u32) -> &Definition {
        &self.definitions[generation as usize - 1]
    }

    pub fn raw_key(&self, run: RunId, part: Part) -> RawKey {
        RawKey {
            pipeline: self.resource.pipeline.clone(),
            resource: self.resource.resource.clone(),
            run,
            part,
        }
    }

    /// What the source answers when a part is fetched now. Fetched again, it may answer something else.
    pub fn fetch(&self, rng: &mut Rng, run: &PlannedRun) -> Vec<Capture> {
        let mut at_ms = run.started_ms;
        let lines = rng.usize(1..=3);
        (0..lines)
            .map(|_| {
                // A clock may stand still, and may be set back.
                at_ms += rng.i64(-2..=5);
                let records = rng.usize(0..=5);
                let mut records: Vec<Raw> = (0..records).map(|_| self.record(rng)).collect();
                if !records.is_empty() && rng.u8(0..4) == 0 {
                    let again = records[rng.usize(0..records.len())];
                    records.push(again);
                }
                Capture { at_ms, records }
            })
            .collect()
    }

    fn record(&self, rng: &mut Rng) -> Raw {
        Raw {
            key: rng.i32(0..self.keys),
            version: rng.i64(-2..=3),
            value: rng.i64(0..self.values),
            volatile: rng.i64(0..2),
            deleted: rng.u8(0..6) == 0,
        }
    }
}

fn definition(rng: &mut Rng, generation: u32) -> Definition {
    let source = rng.u8(0..2);
    Definition {
        hash: format!("{:064x}", u64::from(generation) << 40 | 0xd0),
        source: format!("source-{source}"),
        factor: rng.i64(1..=2),
        value_max: if rng.bool() { i64::MAX } else { 10 },
        drop_every: if rng.u8(0..3) == 0 { rng.i64(2..=5) } else { 0 },
        long_keys: rng.bool(),
    }
}

fn run(rng: &mut Rng, started_ms: &mut i64, definitions: usize, disposition: Disposition) -> PlannedRun {
    *started_ms += rng.i64(0..=20);
    let parts = rng.u32(0..=3);
    PlannedRun {
        id: RunId::new(*started_ms as u64, rng.u128(..) >> 48),
        started_ms: *started_ms,
        generation: rng.u32(1..=definitions as u32),
        parts,
        candidate: (parts > 0).then(|| *started_ms + rng.i64(-30..=10)),
        fails: disposition != Disposition::Replace && rng.u8(0..8) == 0,
    }
}
