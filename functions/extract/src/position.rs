//! Where an extraction stands: what a raw object's metadata keeps, so that another worker can go on after it.

use crate::error::Error;
use crate::paging;
use serde::{Deserialize, Serialize};

/// The state after a raw object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Captures and bytes of the run so far.
    pub captures: u64,
    pub bytes: u64,
    /// The greatest cursor value seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<i64>,
    /// Records of pages on which none had a cursor value, nor null in its place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_cursor: u64,
    pub next: Position,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is to be read next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    Start,
    /// A page of an API.
    Page(paging::State),
    /// A file (a hash of its name, as names may be long) from this place on.
    File {
        file: String,
        mark: Mark,
    },
    /// All was read.
    Done,
    /// The source failed after what was kept, and nobody has recorded it yet.
    Failed(String),
}

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How many bytes stand before it, after decompression.
    pub offset: u64,
    /// A hash of these bytes, by which who goes on here knows that it is the same file still. Without meaning at the start.
    pub hash: u64,
}

impl Position {
    /// The error for a position at which a source of this kind cannot go on.
    pub fn not_of(self, kind: &'static str) -> Error {
        match self {
            Position::Failed(message) => Error::FailedBefore { message },
            _ => Error::State {
                key: format!("a run of `{kind}`"),
                source: None,
            },
        }
    }
}
