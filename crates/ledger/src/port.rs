//! The port to where the ledger is kept: SQLite on a laptop, DynamoDB in the cloud.

use crate::{CollectionClaim, Cursor, Fact, FactKey, Held, Lease, LeaseOutcome, LeaseRequest, Note, ResourceId, RunRecord, Shelf, Stage};
use async_trait::async_trait;
use lake::{RawKey, RunId};
use pipeline::Name;

/// What an extraction leaves behind when it ends well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    pub run: RunId,
    pub ended_ms: i64,
    pub parts: u32,
    pub captures: u64,
    pub bytes: u64,
    /// The cursor to commit, if the resource is incremental and saw a value.
    pub cursor: Option<Cursor>,
}

/// Which runs to list, the newest first.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub pipeline: Option<Name>,
    pub resource: Option<Name>,
    pub limit: Option<usize>,
}

/// A part that has not reached its end state: an intent was recorded, but no fact of the stage `next`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub raw: RawKey,
    pub definition: String,
    pub generation: u32,
    pub next: Stage,
}

/// Where runs, facts, cursors and leases are kept. Every method is atomic and durable when it returns.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The generation of a definition: 1 for a pipeline's first, one more for each that was not known. The newest applied again keeps its generation; an
    /// older one applied again after others gets a new, higher one, since it is the newest then.
    async fn apply_definition(&self, pipeline: &Name, definition: &str) -> Result<u32, LedgerError>;

    /// The newest definition and its generation.
    async fn newest_definition(&self, pipeline: &Name) -> Result<Option<(String, u32)>, LedgerError>;

    /// Keeps the first claim on a collection for good; returns the one that is kept. Another one than `claim` means: the resource may not write there.
    async fn claim_collection(&self, claim: &CollectionClaim) -> Result<CollectionClaim, LedgerError>;

    /// The claim that is kept on a collection, if there is one.
    async fn claimed(&self, collection: &Name) -> Result<Option<CollectionClaim>, LedgerError>;

    /// Takes the resource's lease when it is free, has expired, or its holder is dead by `holder_is_dead` (a process of this machine that is no more).
    async fn take_lease(
        &self,
        resource: &ResourceId,
        request: &LeaseRequest,
        holder_is_dead: &(dyn for<'a> Fn(&'a crate::Holder) -> bool + Sync),
    ) -> Result<LeaseOutcome, LedgerError>;

    /// Moves the lease's expiry; [`LedgerError::LeaseLost`] when it is no longer ours.
    async fn renew_lease(&self, lease: &Lease, expires_ms: i64) -> Result<Lease, LedgerError>;

    /// Gives the lease back; well too when it is no longer ours.
    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError>;

    /// Who holds the resource's lease, if it was not given back. It may have expired.
    async fn held(&self, resource: &ResourceId) -> Result<Option<Held>, LedgerError>;

    /// Records the start of a run under the lease. A run with this id that is there already is returned as it is, unless it was
    /// skipped: the same tick delivered twice at once, the second of which found the lease held by the first.
    async fn begin_run(&self, lease: &Lease, run: &RunRecord) -> Result<RunRecord, LedgerError>;

    /// Records a run that never began: its tick found the lease held.
    async fn record_skipped(&self, run: &RunRecord) -> Result<(), LedgerError>;

    /// The newest run of the resource that is still `Extracting`, to be resumed.
    async fn run_to_resume(&self, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError>;

    /// Records, before it is put, that a raw object is about to be.
    async fn record_intent(&self, lease: &Lease, raw: &RawKey, definition: &str, generation: u32) -> Result<(), LedgerError>;

    /// The raw keys of a run's intents, in order.
    async fn intents(&self, run: RunId, resource: &ResourceId) -> Result<Vec<RawKey>, LedgerError>;

    /// Ends an extraction well, in one transaction: fence check, run state, cursor (which never moves back). Once more, it changes nothing;
    /// [`LedgerError::CannotEnd`] when the run never began, failed or was skipped.
    async fn end_extraction(&self, lease: &Lease, extracted: &Extracted) -> Result<(), LedgerError>;

    /// Ends an extraction with an error, under the lease. The cursor does not move.
    async fn fail_extraction(&self, lease: &Lease, run: RunId, ended_ms: i64, message: &str) -> Result<(), LedgerError>;

    async fn run(&self, run: RunId, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError>;

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError>;

    /// The cursor of a resource under its source's hash.
    async fn cursor(&self, resource: &ResourceId, source: &str) -> Result<Option<Cursor>, LedgerError>;

    /// Writes a fact unless one is there; returns the one that is kept. [`LedgerError::NotAFact`] when it does not add up.
    async fn record_fact(&self, key: &FactKey, fact: &Fact, at_ms: i64) -> Result<Fact, LedgerError>;

    async fn fact(&self, key: &FactKey) -> Result<Option<Fact>, LedgerError>;

    /// All facts of a run under a definition.
    async fn facts(&self, run: RunId, resource: &ResourceId, definition: &str) -> Result<Vec<(FactKey, Fact)>, LedgerError>;

    /// The parts of a pipeline that have not reached their end state, in order: intents without a load fact under their definition. An intent for a
    /// marker counts too: a load fact (of nothing) ends it, once its run is replaced or is known never to be.
    async fn unfinished(&self, pipeline: &Name) -> Result<Vec<Unfinished>, LedgerError>;

    /// The note under this key, if there is one.
    async fn note(&self, shelf: Shelf, key: &str) -> Result<Option<Note>, LedgerError>;

    /// Puts a note where the one of the revision `after` is (`None`: where none is); `false`, and nothing is changed, when that is not so any more.
    /// At most [`NOTE_BYTES_MAX`](crate::note::NOTE_BYTES_MAX) under a key of at most [`NOTE_KEY_BYTES_MAX`](crate::note::NOTE_KEY_BYTES_MAX) bytes.
    async fn put_note(&self, shelf: Shelf, key: &str, after: Option<u64>, text: &str) -> Result<bool, LedgerError>;

    /// Takes the note of this revision away; `false`, and nothing is changed, when another revision or none is there.
    async fn remove_note(&self, shelf: Shelf, key: &str, revision: u64) -> Result<bool, LedgerError>;

    /// Notes of a shelf in the byte order of their keys, at most `limit`: those after `after`, or from its start.
    async fn notes(&self, shelf: Shelf, after: Option<&str>, limit: usize) -> Result<Vec<(String, Note)>, LedgerError>;
}

/// What went wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A worker that was overtaken: it must stop, and write nothing more.
    #[error("the lease of {resource} was taken over (token {token} is no longer the newest): another worker goes on with it")]
    LeaseLost { resource: ResourceId, token: u64 },
    #[error("could not {action} in the ledger")]
    Unavailable {
        action: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Trying again does not help: somebody must put a permission, a name, a region or credentials right.
    #[error("could not {action} in the table `{table}`: {problem}")]
    Denied {
        action: &'static str,
        table: String,
        /// What is wrong, and what to do about it.
        problem: String,
    },
    /// An end of extraction that does not fit the run's state.
    #[error("the run {run} of {resource} cannot end: {problem}")]
    CannotEnd {
        run: RunId,
        resource: ResourceId,
        problem: &'static str,
    },
    /// A fact that would break the law of conservation.
    #[error("the {} fact of {} cannot be recorded: {problem}", .key.stage.as_str(), .key.raw.key())]
    NotAFact { key: Box<FactKey>, problem: &'static str },
    #[error("the ledger {path} has schema version {found}, and this program knows {known} at most: use a newer tidemill")]
    Newer { path: String, found: i64, known: i64 },
    #[error("the ledger holds something that is not ours at {place}: {problem}")]
    Damaged { place: String, problem: String },
}
