//! Runs: what one tick of a resource is, and what a function is told of the one it works for.

use lake::RunId;
use pipeline::Name;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A resource of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId {
    pub pipeline: Name,
    pub resource: Name,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.resource)
    }
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// The source is being read.
    Extracting,
    /// All is in `raw/`, the cursor is committed.
    Extracted,
    /// Extraction ended with an error: what is in `raw/` stays and is loaded; the cursor did not move.
    Failed { message: String },
    /// Somebody else held the lease.
    Skipped { holder: String },
}

/// A run as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    pub id: RunId,
    pub resource: ResourceId,
    /// The SHA-256 of the definition it runs under.
    pub definition: String,
    pub generation: u32,
    /// The hash of the source section, under which its cursor is kept.
    pub source: String,
    /// Where its window starts: the committed cursor when it began. A resumed run keeps it.
    pub cursor_before: Option<i64>,
    pub started_ms: i64,
    pub ended_ms: Option<i64>,
    pub state: RunState,
    /// Set when extraction ends.
    pub parts: u32,
    pub captures: u64,
    /// Bytes of the captures, before compression.
    pub bytes: u64,
}

/// What an end of extraction changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The run ends now.
    Now,
    /// It had ended so already: nothing changes.
    Already,
}

/// Whether a run in `state` (`None`: it never began) may end, `well` or with an error. The first end stands; the other kind after it is a fault, told in words.
pub fn ending(state: Option<&RunState>, well: bool) -> Result<Ending, &'static str> {
    match (state, well) {
        (Some(RunState::Extracting), _) => Ok(Ending::Now),
        (Some(RunState::Extracted), true) | (Some(RunState::Failed { .. }), false) => Ok(Ending::Already),
        (Some(RunState::Extracted), false) => Err("it has ended well already"),
        (Some(RunState::Failed { .. }), true) => Err("it has failed already"),
        (Some(RunState::Skipped { .. }), _) => Err("it was skipped"),
        (None, _) => Err("it never began"),
    }
}

/// The wall clock, passed in so that tests have their own.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// What a function is told of the work it does: the clock, the time left, and who watches.
#[derive(Clone)]
pub struct Run {
    pub clock: Arc<dyn Clock>,
    pub observer: Arc<dyn Observer>,
    /// When the work must be handed over, milliseconds since 1970.
    pub deadline_ms: Option<i64>,
}

impl Run {
    /// Reports a step; an error stops the work there, as a kill would: nothing after it is done.
    pub fn reached(&self, step: Step) -> Result<(), Interrupted> {
        self.observer.reached(&step)
    }

    /// Whether the work must be handed over now.
    pub fn is_out_of_time(&self) -> bool {
        self.deadline_ms.is_some_and(|deadline_ms| self.clock.now_ms() >= deadline_ms)
    }
}

/// Watches the steps of a run: shows progress, or stops the work at a chosen step.
pub trait Observer: Send + Sync {
    fn reached(&self, step: &Step) -> Result<(), Interrupted>;
}

/// Lets every step pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Observer for Unwatched {
    fn reached(&self, _step: &Step) -> Result<(), Interrupted> {
        Ok(())
    }
}

/// Every point of a run at which a process can die with a different state left behind. Each is reported right *after* what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    LeaseTaken,
    RunBegun,
    /// A reply was received whole: records counted by the data selector, bytes after decompression.
    PageReceived {
        records: u64,
        bytes: u64,
    },
    IntentRecorded,
    RawPut {
        bytes: u64,
    },
    MarkerPut,
    /// The deadline passed: all that came in is durable, and a continuation may go on.
    HandedOver,
    ExtractionEnded,
    RejectedWritten,
    CleanWritten {
        records: u64,
    },
    CleanFactRecorded,
    BatchLoaded {
        documents: u64,
    },
    RefusedWritten,
    LoadFactRecorded,
    Replaced,
    ReceiptsSettled,
    /// The record of a backup says that it is at work.
    BackupBegun,
    /// An object of a backup is in the vault, and named nowhere yet.
    PartPut {
        number: u32,
        bytes: u64,
    },
    /// The part is noted: a backup that goes on, goes on after it.
    PartNoted {
        number: u32,
        documents: u64,
    },
    ManifestPut,
    BackupRecorded,
    PartNotesRemoved,
    /// Every byte of a backup was read, and is what it says of itself.
    Verified,
    /// The target of a restore says that it is not whole.
    RestoreMarked,
    NamespaceDropped,
    NamespaceMade,
    /// Documents of a part were put back.
    BatchPutBack {
        documents: u64,
    },
    /// All documents of a part are put back, and the target says so.
    PartPutBack {
        number: u32,
    },
    /// A collection has its indexes and validator, or a view is there.
    NamespaceCompleted,
    /// The target of a restore is whole.
    RestoreEnded,
    DrillBegun,
    /// A collection of a scratch was read back, or some of it.
    Compared {
        documents: u64,
    },
    ScratchDropped,
    DrillRecorded,
}

/// The work was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work was stopped")]
pub struct Interrupted;
