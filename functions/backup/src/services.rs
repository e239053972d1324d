//! What backup, restore and drill work with, and whom they tell how far they are.

use crate::retention::Retention;
use documents::Database;
use lake::Store;
use ledger::Ledger;
use std::sync::Arc;

/// How many bytes a part has at most as it is stored, unless a single document is longer. It is held in memory.
pub const PART_BYTES_MAX: usize = 16 << 20;

/// What is built once.
#[derive(Clone)]
pub struct Services {
    pub vault: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub database: Arc<dyn Database>,
}

/// What is backed up, and how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub retention: Retention,
    /// Collections and views that are not backed up, by name.
    pub leave_out: Vec<String>,
    pub part_bytes_max: usize,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            retention: Retention::default(),
            leave_out: Vec::new(),
            part_bytes_max: PART_BYTES_MAX,
        }
    }
}

/// Is told how far the work is, after each part.
pub trait Progress: Send + Sync {
    /// `done` parts `of` all are done; so many documents and stored bytes in all.
    fn part(&self, done: u32, of: u32, documents: u64, bytes: u64);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unseen;

impl Progress for Unseen {
    fn part(&self, _done: u32, _of: u32, _documents: u64, _bytes: u64) {}
}
