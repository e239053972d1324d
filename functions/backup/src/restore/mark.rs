//! The mark that a restore leaves in its target: what is being restored, and how far. While it stands, the target is not whole.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// The backup's id.
    pub backup: String,
    /// Which worker is at it: another that goes on writes its own, and this one stops.
    #[serde(default)]
    pub holder: String,
    /// The collections that alone are restored; empty: all. In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    pub stage: Stage,
    /// What this restore makes: what is there under these names is its own, and not whole.
    pub makes: Vec<String>,
    /// What is taken away first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<String>,
    /// What of it was somebody's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
    /// Of the parts that are done.
    pub documents: u64,
    pub inserted: u64,
    pub already_there: u64,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Stage {
    /// What is in the way is taken away, and collections are made.
    #[default]
    Dropping,
    /// So many parts are put back.
    Documents { part: usize },
    /// So many collections and views have their indexes and validators.
    Completing { done: usize },
}

impl Mark {
    /// Who restores, in words.
    pub fn by(&self) -> String {
        match self.only.as_slice() {
            [] => format!("the backup {}", self.backup),
            only => format!("`{}` of the backup {}", only.join("`, `"), self.backup),
        }
    }
}

/// A restore that did not come to its end, as the mark in its target says: what is there is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfRestored {
    /// The backup's id.
    pub backup: String,
    /// The collections that alone are restored, in order; empty: all.
    pub only: Vec<String>,
}

impl HalfRestored {
    /// What the text of a [`documents::Database::mark`] says. `None`: it is not one that this version knows.
    pub fn of_mark(text: &str) -> Option<HalfRestored> {
        let Mark { backup, only, .. } = serde_json::from_str(text).ok()?;
        Some(HalfRestored { backup, only })
    }
}
