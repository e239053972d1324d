//! What `watch` remembers from tick to tick: notes of the shelf `watched`.

use crate::dead_letters::DeadPart;
use lake::RunId;
use ledger::note::{Change, change_note};
use ledger::{Ledger, LedgerError, ResourceId, Shelf};
use pipeline::Name;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};

/// Where the last tick that was cut short went on to; by the name of the pipeline it looked at last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Name>,
}

/// How far a resource's runs were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The newest run that is complete, and when its extraction ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<CompletedRun>,
    /// The runs of which others were told that they completed or failed, of those that are looked at.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<String>,
    /// The runs that were not complete yet, so that none is lost from sight behind many that were skipped meanwhile.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub incomplete: BTreeSet<String>,
    /// Of a resource that waits for others: the run of each of them after which it was started last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub started_after: BTreeMap<Name, String>,
}

/// So many incomplete runs of a resource are remembered: the newest.
pub const INCOMPLETE_MAX: usize = 20;

/// A run that is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletedRun {
    pub run: String,
    pub ended_ms: i64,
}

/// What was dead under a cause, until it has reached its end state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<DeadPart>,
}

/// How far backups and drills were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vault {
    #[serde(default)]
    pub backups: Waited,
    #[serde(default)]
    pub drills: Waited,
    /// The backups of which others were told that they completed, of those that are looked at.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<String>,
}

/// What a promised age is counted from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// When one was waited for first, since the age was promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// The last good one, so that it is not lost from sight behind many that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Good>,
}

/// A backup or drill that went well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    pub id: String,
    pub began_ms: i64,
    pub ended_ms: i64,
}

impl CompletedRun {
    pub fn id(&self) -> Option<RunId> {
        RunId::parse(&self.run).ok()
    }
}

/// The key of the turn.
pub const TURN: &str = "turn";

/// The key of what is remembered of backups and drills.
pub const VAULT: &str = "vault";

/// The key of a resource's mark.
pub fn mark_key(resource: &ResourceId) -> String {
    format!("run/{resource}")
}

/// The key of a pipeline's attempts.
pub fn attempts_key(pipeline: &Name) -> String {
    format!("again/{pipeline}")
}

/// The key of what is dead under a cause.
pub fn dead_key(cause: &str) -> String {
    format!("dead/{cause}")
}

/// The note under `key`, or the default where there is none. One that this version can't read counts as none: what is remembered here saves work and
/// messages, and nothing is lost with it.
pub async fn read<T: DeserializeOwned + Default>(ledger: &dyn Ledger, key: &str) -> Result<T, LedgerError> {
    let note = ledger.note(Shelf::Watched, key).await?;
    Ok(note.and_then(|note| serde_json::from_str(&note.text).ok()).unwrap_or_default())
}

/// Changes the note under `key`; one that is as the default is taken away.
pub async fn change<T>(ledger: &dyn Ledger, key: &str, change: impl Fn(&mut T) + Send + Sync) -> Result<(), LedgerError>
where
    T: Serialize + DeserializeOwned + Default + PartialEq,
{
    let changed = change_note(ledger, Shelf::Watched, key, |text| {
        let there: Option<T> = text.and_then(|text| serde_json::from_str(text).ok());
        let mut next: T = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        change(&mut next);
        if next == T::default() {
            return (Change::Remove, Ok(()));
        }
        if there.as_ref() == Some(&next) {
            return (Change::Keep, Ok(()));
        }
        match serde_json::to_string(&next) {
            Ok(text) => (Change::Put(text), Ok(())),
            Err(error) => (Change::Keep, Err(error)),
        }
    });
    changed.await?.map_err(|error| LedgerError::Unavailable {
        action: "write a note of watch",
        source: error.into(),
    })
}
