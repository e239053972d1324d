//! Notes: small texts beside the runs, each with a revision, so that two writers never overwrite each other unseen.
//!
//! What is applied, which incidents are open, how often a run was handed over: each is a shelf of notes, and its rules are pure functions from the
//! text that is there to the one that is to be.

use crate::{Ledger, LedgerError};

/// A kind of notes. Every shelf is a list of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// The pipelines that are applied, by name.
    Pipelines,
    /// Incidents, by id turned over: the newest first.
    Incidents,
    /// The open incident of each cause, and those that nobody was told of.
    Causes,
    /// How often a run was handed over to a continuation.
    Hops,
    /// How far `watch` has looked at a resource.
    Watched,
    /// Backups, by id: how far each is, and what came of it.
    Backups,
    /// The parts of a backup that is under way, by its id and their number.
    BackupParts,
    /// Drills, by id: what each found out.
    Drills,
}

impl Shelf {
    pub fn as_str(self) -> &'static str {
        match self {
            Shelf::Pipelines => "pipelines",
            Shelf::Incidents => "incidents",
            Shelf::Causes => "causes",
            Shelf::Hops => "hops",
            Shelf::Watched => "watched",
            Shelf::Backups => "backups",
            Shelf::BackupParts => "backup-parts",
            Shelf::Drills => "drills",
        }
    }
}

/// The longest note, in bytes: well below what a DynamoDB item may have (400 KB).
pub const NOTE_BYTES_MAX: usize = 300_000;

/// The longest key of a note, in bytes.
pub const NOTE_KEY_BYTES_MAX: usize = 512;

/// A note as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// JSON.
    pub text: String,
    /// 1 for a new note, one more with each change.
    pub revision: u64,
}

/// What a change makes of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    Put(String),
    Remove,
}

/// More writers of one note at the same moment than there are.
const TRIES_MAX: u32 = 50;

/// Changes a note by a pure function of what is there: tried again, on what another put there meanwhile. Answers with what the function answered last.
///
/// # Errors
/// [`LedgerError`] of the ledger, or [`LedgerError::Unavailable`] when others were faster every time.
pub async fn change_note<T: Send>(
    ledger: &dyn Ledger,
    shelf: Shelf,
    key: &str,
    change: impl Fn(Option<&str>) -> (Change, T) + Send + Sync,
) -> Result<T, LedgerError> {
    for _ in 0..TRIES_MAX {
        let there = ledger.note(shelf, key).await?;
        let (to_do, answer) = change(there.as_ref().map(|note| note.text.as_str()));
        let revision = there.as_ref().map(|note| note.revision);
        let done = match (to_do, revision) {
            (Change::Keep, _) | (Change::Remove, None) => true,
            (Change::Put(text), _) => ledger.put_note(shelf, key, revision, &text).await?,
            (Change::Remove, Some(revision)) => ledger.remove_note(shelf, key, revision).await?,
        };
        if done {
            return Ok(answer);
        }
    }
    Err(LedgerError::Unavailable {
        action: "change a note that others keep changing",
        source: format!("the note `{key}` of the shelf `{}`", shelf.as_str()).into(),
    })
}
