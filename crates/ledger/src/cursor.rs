//! The cursor: how far an incremental resource has been read.

use serde::{Deserialize, Serialize};

/// A cursor's value: milliseconds since 1970 for times, the number itself for `int`.
pub type CursorValue = i64;

/// A committed cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub value: CursorValue,
}
