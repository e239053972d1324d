//! The cursor: how far an incremental resource has been read. Sources are not ordered by it, so it is committed once, when all is durable.

use pipeline::CursorType;
use serde::{Deserialize, Serialize};

/// A cursor's value: milliseconds since 1970 for times, the number itself for `int`.
pub type CursorValue = i64;

/// A committed cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub value: CursorValue,
}

/// The candidate after a value was seen: the greatest so far, whatever order the source has.
pub fn candidate(best: Option<CursorValue>, seen: CursorValue) -> CursorValue {
    best.map_or(seen, |best| best.max(seen))
}

/// The cursor to commit at the end of a run. A time is clamped to the run's start: a record dated later would hide what the source adds until then.
/// It never moves back.
pub fn commit(stored: Option<Cursor>, candidate: CursorValue, run_started_ms: i64, kind: CursorType) -> Cursor {
    let value = match kind {
        CursorType::UnixS | CursorType::UnixMs | CursorType::Iso8601 => candidate.min(run_started_ms),
        CursorType::Int => candidate,
    };
    advance(stored, Cursor { value })
}

/// The later of the stored cursor and a new one.
pub fn advance(stored: Option<Cursor>, new: Cursor) -> Cursor {
    Cursor {
        value: candidate(stored.map(|stored| stored.value), new.value),
    }
}

/// Where a run starts to read: the cursor less the lag, but never before the initial value.
pub fn start_value(cursor: Option<Cursor>, initial: CursorValue, lag_ms: i64) -> CursorValue {
    cursor.map_or(initial, |cursor| cursor.value.saturating_sub(lag_ms).max(initial))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(value: i64) -> Option<Cursor> {
        Some(Cursor { value })
    }

    #[test]
    fn the_candidate_is_the_greatest_value_seen() {
        let seen = [3, 9, -1, 4].into_iter().fold(None, |best, seen| Some(candidate(best, seen)));
        assert_eq!(seen, Some(9));
        assert_eq!(candidate(None, i64::MIN), i64::MIN);
    }

    #[test]
    fn times_are_clamped_to_the_start_of_the_run_and_numbers_are_not() {
        for kind in [CursorType::UnixS, CursorType::UnixMs, CursorType::Iso8601] {
            assert_eq!(commit(None, 2_000, 1_000, kind), Cursor { value: 1_000 });
            assert_eq!(commit(None, 999, 1_000, kind), Cursor { value: 999 });
        }
        assert_eq!(commit(None, 2_000, 1_000, CursorType::Int), Cursor { value: 2_000 });
    }

    #[test]
    fn it_never_moves_back() {
        assert_eq!(commit(at(500), 400, 1_000, CursorType::UnixMs), Cursor { value: 500 });
        assert_eq!(commit(at(5_000), 2_000, 1_000, CursorType::UnixMs), Cursor { value: 5_000 });
        assert_eq!(commit(at(500), 400, 1_000, CursorType::Int), Cursor { value: 500 });
    }

    #[test]
    fn a_run_starts_at_the_cursor_less_the_lag_but_never_before_the_initial_value() {
        assert_eq!(start_value(None, 100, 10), 100);
        assert_eq!(start_value(at(500), 100, 10), 490);
        assert_eq!(start_value(at(105), 100, 10), 100);
        assert_eq!(start_value(at(i64::MIN), i64::MIN, 10), i64::MIN);
    }
}
