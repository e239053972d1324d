//! How far a backup is: what its part notes say, one after another. The first note of a part stands; who finds another one there is not alone, and stops.

use crate::Error;
use crate::hash::Sums;
use crate::id::Id;
use crate::manifest::{Consistency, LeftOut, Part, Range};
use lake::RunId;
use ledger::{BackupRecord, Ledger, LedgerError, Note, Shelf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many notes are read at once: each has at most some 100 KB.
const PAGE: usize = 20;

/// What a part holds, and where the reading stands after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartNote {
    pub part: Part,
    /// In the note of the first part only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// What the collections of the part's ranges have come to so far, in the order of the ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sums: Vec<Sums>,
    pub position: Position,
    pub noted_ms: i64,
}

/// What is decided at the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    pub began_ms: i64,
    pub locked_until_ms: i64,
    pub consistency: Consistency,
    pub left_out: Vec<LeftOut>,
}

/// Where the reading stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Position {
    /// The namespace with this place in the prelude is next, from its start.
    Before { namespace: usize },
    /// The collection with this place is being read.
    Within {
        namespace: usize,
        /// The last `_id` that was read.
        after: Id,
        /// Which collection it was when its reading began.
        identity: Option<Vec<u8>>,
    },
    /// The archive is ended.
    End,
}

/// What the notes of a backup come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoint {
    notes: Vec<PartNote>,
    sums: BTreeMap<String, Sums>,
}

impl Checkpoint {
    /// What is noted of this attempt; `None` when nothing is.
    pub async fn load(ledger: &dyn Ledger, record: &BackupRecord) -> Result<Option<Checkpoint>, Error> {
        let mut checkpoint = Checkpoint::default();
        each_under(ledger, &prefix(record), |key, note| {
            let damaged = |problem: String| LedgerError::Damaged {
                place: format!("the note `{key}` of the shelf `{}`", Shelf::BackupParts.as_str()),
                problem,
            };
            if key != checkpoint.next_key(record) {
                return Err(damaged("the notes before it are not all there".to_owned()));
            }
            checkpoint.add(serde_json::from_str(&note.text).map_err(|error| damaged(error.to_string()))?);
            Ok(())
        })
        .await?;
        Ok(Some(checkpoint).filter(|checkpoint| !checkpoint.notes.is_empty()))
    }

    /// Notes the next part. A note that is there already and says the same is this one.
    pub async fn note(&mut self, ledger: &dyn Ledger, record: &BackupRecord, note: PartNote) -> Result<(), Error> {
        let key = self.next_key(record);
        let text = serde_json::to_string(&note).map_err(|error| LedgerError::Unavailable {
            action: "write the note of a part",
            source: error.into(),
        })?;
        if !ledger.put_note(Shelf::BackupParts, &key, None, &text).await? {
            let there = ledger.note(Shelf::BackupParts, &key).await?;
            if there.is_none_or(|there| there.text != text) {
                return Err(Error::Overtaken { id: record.id });
            }
        }
        self.add(note);
        Ok(())
    }

    fn add(&mut self, note: PartNote) {
        for (range, sums) in note.part.ranges.iter().zip(&note.sums) {
            self.sums.insert(range.collection.clone(), *sums);
        }
        self.notes.push(note);
    }

    fn next_key(&self, record: &BackupRecord) -> String {
        format!("{}{:06}", prefix(record), self.parts() + 1)
    }

    pub fn parts(&self) -> u32 {
        u32::try_from(self.notes.len()).unwrap_or(u32::MAX)
    }

    /// As stored.
    pub fn bytes(&self) -> u64 {
        self.notes.iter().map(|note| note.part.size).sum()
    }

    pub fn documents(&self) -> u64 {
        self.sums.values().map(|sums| sums.documents).sum()
    }

    /// What the collection has come to so far.
    pub fn sums(&self, collection: &str) -> Sums {
        self.sums.get(collection).copied().unwrap_or_default()
    }

    pub fn position(&self) -> Position {
        self.notes
            .last()
            .map_or(Position::Before { namespace: 0 }, |note| note.position.clone())
    }

    pub fn has_ended(&self) -> bool {
        self.position() == Position::End
    }

    pub fn first(&self) -> Option<&Part> {
        self.notes.first().map(|note| &note.part)
    }

    pub fn start(&self) -> Option<&Start> {
        self.notes.first().and_then(|note| note.start.as_ref())
    }

    /// When the last document was read.
    pub fn ended_ms(&self) -> Option<i64> {
        let ranges = self.notes.iter().flat_map(|note| &note.part.ranges);
        ranges.map(|range: &Range| range.ended_ms).max()
    }

    pub fn to_parts(&self) -> Vec<Part> {
        self.notes.iter().map(|note| note.part.clone()).collect()
    }
}

/// What the keys of the notes of an attempt begin with.
pub(super) fn prefix(record: &BackupRecord) -> String {
    format!("{}/{:03}/", record.id, record.attempt)
}

/// What the keys of all notes of a backup begin with.
pub(super) fn prefix_of_all(id: RunId) -> String {
    format!("{id}/")
}

/// The keys that begin so, in order, each with its note's revision.
pub(super) async fn keys_under(ledger: &dyn Ledger, prefix: &str) -> Result<Vec<(String, u64)>, LedgerError> {
    let mut found = Vec::new();
    each_under(ledger, prefix, |key, note| {
        found.push((key, note.revision));
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Does something with each note whose key begins so, in order.
async fn each_under(
    ledger: &dyn Ledger,
    prefix: &str,
    mut each: impl FnMut(String, Note) -> Result<(), LedgerError> + Send,
) -> Result<(), LedgerError> {
    let mut after = prefix.to_owned();
    loop {
        let page = ledger.notes(Shelf::BackupParts, Some(&after), PAGE).await?;
        let is_last = page.len() < PAGE;
        for (key, note) in page {
            if !key.starts_with(prefix) {
                return Ok(());
            }
            after.clone_from(&key);
            each(key, note)?;
        }
        if is_last {
            return Ok(());
        }
    }
}
