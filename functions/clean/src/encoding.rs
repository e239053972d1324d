//! Bytes that are no UTF-8: what they seem to be instead.

use crate::fault::{Problem, Reason};

/// Whether bytes start with UTF-16's byte order mark.
pub(crate) fn has_utf16_mark(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
}

/// What is said of such bytes.
pub(crate) fn utf16(reason: Reason) -> Problem {
    Problem::new(
        reason,
        "not UTF-8: it looks like UTF-16; have it written as UTF-8, or convert it before",
    )
}
