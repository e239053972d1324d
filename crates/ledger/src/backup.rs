//! Backups and drills on their shelves: how far each is and what came of it. What is kept is here, pure; the functions below keep it, the newest first.

use crate::note::{Change, change_note};
use crate::{Ledger, LedgerError, Shelf};
use lake::RunId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// A backup that gave no sign of life for so long is given up when another wants to begin.
pub const SILENT_MS_MAX: i64 = 20 * 60 * 1_000;

/// The longest text of a failure that is kept, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// The most sentences of a drill that are kept.
const WARNINGS_MAX: usize = 20;

/// How many notes are read at once.
const PAGE: usize = 100;

/// One backup. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRecord {
    #[serde(with = "run_id")]
    pub id: RunId,
    /// What it is kept as: `daily`, `weekly`, `monthly` or `yearly`; decided when it began.
    pub class: String,
    pub began_ms: i64,
    /// The last sign of life: renewed with each part.
    pub seen_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// Which attempt this is, from 1: one that had to begin anew leaves the parts of the one before alone.
    pub attempt: u32,
    /// How much is in the vault.
    pub parts: u32,
    pub documents: u64,
    /// Of the parts, as stored.
    pub bytes: u64,
    pub state: BackupState,
}

/// How far a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupState {
    /// It is at work, or waits for its continuation.
    Running,
    /// Its manifest is in the vault.
    Done,
    Failed {
        message: String,
        /// The backup that gave this one up, since it was silent for too long.
        #[serde(default, with = "optional_run_id", skip_serializing_if = "Option::is_none")]
        given_up_by: Option<RunId>,
    },
}

/// One drill: the newest backup, restored into a scratch database and compared with what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRecord {
    #[serde(with = "run_id")]
    pub id: RunId,
    /// The backup that is tried.
    #[serde(with = "run_id")]
    pub backup: RunId,
    /// The name of the database it is restored into, which is dropped at the end.
    pub scratch: String,
    pub began_ms: i64,
    /// The last sign of life.
    pub seen_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// What was restored and compared so far.
    pub collections: u32,
    pub documents: u64,
    pub bytes: u64,
    /// What the server could not do, as an index it does not know: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Where the comparison stands, in the words of `backup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    pub state: DrillState,
}

/// How far a drill is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillState {
    /// It is at work, or waits for its continuation.
    Running,
    /// All was equal.
    Done,
    Failed {
        message: String,
    },
}

impl BackupRecord {
    /// A backup that begins.
    pub fn begin(id: RunId, class: &str, now_ms: i64) -> BackupRecord {
        BackupRecord {
            id,
            class: class.to_owned(),
            began_ms: now_ms,
            seen_ms: now_ms,
            ended_ms: None,
            attempt: 1,
            parts: 0,
            documents: 0,
            bytes: 0,
            state: BackupState::Running,
        }
    }

    pub fn is_running(&self) -> bool {
        self.state == BackupState::Running
    }

    /// Whether another may begin: nobody is at work on this one, or nobody seems to be any more.
    pub fn is_silent(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.seen_ms) >= SILENT_MS_MAX
    }

    /// The same backup, begun anew: nothing of the attempt before is used.
    #[must_use]
    pub fn anew(&self, now_ms: i64) -> BackupRecord {
        BackupRecord {
            attempt: self.attempt.saturating_add(1),
            ..BackupRecord::begin(self.id, &self.class, now_ms)
        }
    }

    /// The backup, failed.
    #[must_use]
    pub fn failed(&self, message: &str, given_up_by: Option<RunId>, now_ms: i64) -> BackupRecord {
        let message = shortened(message);
        BackupRecord {
            ended_ms: Some(now_ms),
            state: BackupState::Failed { message, given_up_by },
            ..self.clone()
        }
    }

    /// The backup, in the vault.
    #[must_use]
    pub fn done(&self, now_ms: i64) -> BackupRecord {
        BackupRecord {
            seen_ms: now_ms,
            ended_ms: Some(now_ms),
            state: BackupState::Done,
            ..self.clone()
        }
    }
}

impl DrillRecord {
    /// A drill that begins.
    pub fn begin(id: RunId, backup: RunId, scratch: &str, now_ms: i64) -> DrillRecord {
        DrillRecord {
            id,
            backup,
            scratch: scratch.to_owned(),
            began_ms: now_ms,
            seen_ms: now_ms,
            ended_ms: None,
            collections: 0,
            documents: 0,
            bytes: 0,
            warnings: Vec::new(),
            checkpoint: None,
            state: DrillState::Running,
        }
    }

    pub fn is_running(&self) -> bool {
        self.state == DrillState::Running
    }

    /// Whether nobody seems to be at work on it any more.
    pub fn is_silent(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.seen_ms) >= SILENT_MS_MAX
    }

    /// The drill, ended: well, or with a message.
    #[must_use]
    pub fn ended(&self, failure: Option<&str>, now_ms: i64) -> DrillRecord {
        let state = match failure {
            None => DrillState::Done,
            Some(message) => DrillState::Failed {
                message: shortened(message),
            },
        };
        let mut ended = DrillRecord {
            seen_ms: now_ms,
            ended_ms: Some(now_ms),
            checkpoint: None,
            state,
            ..self.clone()
        };
        ended.warnings.truncate(WARNINGS_MAX);
        ended
    }
}

/// Backups, the newest first, at most `limit`.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn backups(ledger: &dyn Ledger, limit: usize) -> Result<Vec<BackupRecord>, LedgerError> {
    newest(ledger, Shelf::Backups, limit).await
}

/// The backup with this id.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn backup(ledger: &dyn Ledger, id: RunId) -> Result<Option<BackupRecord>, LedgerError> {
    one(ledger, Shelf::Backups, id).await
}

/// Changes the record of a backup by a pure function of what is there, which answers with what it becomes (`None`: it stays). Answers with what is there
/// afterwards.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn change_backup(
    ledger: &dyn Ledger,
    id: RunId,
    change: impl Fn(Option<&BackupRecord>) -> Option<BackupRecord> + Send + Sync,
) -> Result<Option<BackupRecord>, LedgerError> {
    change_record(ledger, Shelf::Backups, id, change).await
}

/// Drills, the newest first, at most `limit`.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn drills(ledger: &dyn Ledger, limit: usize) -> Result<Vec<DrillRecord>, LedgerError> {
    newest(ledger, Shelf::Drills, limit).await
}

/// The drill with this id.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn drill(ledger: &dyn Ledger, id: RunId) -> Result<Option<DrillRecord>, LedgerError> {
    one(ledger, Shelf::Drills, id).await
}

/// Changes the record of a drill, as [`change_backup`] does one of a backup.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn change_drill(
    ledger: &dyn Ledger,
    id: RunId,
    change: impl Fn(Option<&DrillRecord>) -> Option<DrillRecord> + Send + Sync,
) -> Result<Option<DrillRecord>, LedgerError> {
    change_record(ledger, Shelf::Drills, id, change).await
}

async fn newest<R: DeserializeOwned>(ledger: &dyn Ledger, shelf: Shelf, limit: usize) -> Result<Vec<R>, LedgerError> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    while found.len() < limit {
        let wanted = PAGE.min(limit - found.len());
        let page = ledger.notes(shelf, after.as_deref(), wanted).await?;
        let is_last = page.len() < wanted;
        for (key, note) in &page {
            found.push(read(shelf, key, &note.text)?);
        }
        after = page.into_iter().next_back().map(|(key, _)| key);
        if is_last {
            break;
        }
    }
    Ok(found)
}

async fn one<R: DeserializeOwned>(ledger: &dyn Ledger, shelf: Shelf, id: RunId) -> Result<Option<R>, LedgerError> {
    let key = shelf_key(id);
    let note = ledger.note(shelf, &key).await?;
    note.map(|note| read(shelf, &key, &note.text)).transpose()
}

async fn change_record<R: DeserializeOwned + Serialize + PartialEq + Send>(
    ledger: &dyn Ledger,
    shelf: Shelf,
    id: RunId,
    change: impl Fn(Option<&R>) -> Option<R> + Send + Sync,
) -> Result<Option<R>, LedgerError> {
    let key = shelf_key(id);
    let changed = |text: Option<&str>| {
        let there: Option<R> = text.map(|text| read(shelf, &key, text)).transpose()?;
        Ok(match change(there.as_ref()) {
            Some(next) if Some(&next) != there.as_ref() => (Change::Put(written(&next)?), Some(next)),
            _ => (Change::Keep, there),
        })
    };
    // A change that can't be worked out changes nothing.
    let or_keep = |changed: Result<(Change, Option<R>), LedgerError>| match changed {
        Ok((to_do, answer)) => (to_do, Ok(answer)),
        Err(error) => (Change::Keep, Err(error)),
    };
    change_note(ledger, shelf, &key, |text| or_keep(changed(text))).await?
}

/// The key of a record on its shelf, whose order is that of the bytes: the id turned over, so that the newest comes first.
fn shelf_key(id: RunId) -> String {
    RunId::from_bytes(id.to_bytes().map(|byte| !byte)).to_string()
}

fn written(record: &impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(record).map_err(|error| LedgerError::Unavailable {
        action: "write the record of a backup",
        source: error.into(),
    })
}

fn read<R: DeserializeOwned>(shelf: Shelf, key: &str, text: &str) -> Result<R, LedgerError> {
    serde_json::from_str(text).map_err(|error| LedgerError::Damaged {
        place: format!("the note `{key}` of the shelf `{}`", shelf.as_str()),
        problem: error.to_string(),
    })
}

/// The text, cut at a character when it is too long.
fn shortened(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=MESSAGE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// A [`RunId`] as its 26 characters.
mod run_id {
    use super::{Deserialize, Deserializer, RunId, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &RunId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RunId, D::Error> {
        RunId::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The same, where there may be none.
mod optional_run_id {
    use super::{Deserialize, Deserializer, RunId, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &Option<RunId>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RunId>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| RunId::parse(&text).map_err(serde::de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests;
