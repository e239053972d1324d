//! The reconciler (law 5): which parts that reached no end state are queued again, and which are stuck. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How patient the reconciler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A part is left alone so long: while its message may be under way. At least the queue's visibility time-out times its receives.
    pub after_ms: i64,
    /// After so many attempts a part is stuck; it is queued again once a day from then on.
    pub attempts_max: u32,
    /// So many parts of a pipeline are queued again in a tick.
    pub again_max: usize,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The most parts of a pipeline whose attempts are remembered.
pub const REMEMBERED_MAX: usize = 1_000;

/// What is remembered of a pipeline's parts: a note of the shelf `watched`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The part after which the next tick goes on looking; from the first on without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// By raw key and definition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, Attempt>,
}

/// How often a part was queued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub times: u32,
    pub last_ms: i64,
}

impl Attempts {
    /// Forgets the parts that reached their end state: those that `is_owed` does not know.
    pub fn keep(&mut self, is_owed: impl Fn(&str) -> bool) {
        self.parts.retain(|part, _| is_owed(part));
    }

    /// Whether a part that waits since `since_ms` is to be queued again now.
    pub fn is_due(&self, part: &str, since_ms: i64, now_ms: i64, patience: &Patience) -> bool {
        let wait_ms = match self.parts.get(part) {
            Some(attempt) if attempt.times >= patience.attempts_max => DAY_MS.max(patience.after_ms),
            _ => patience.after_ms,
        };
        let last_ms = self.parts.get(part).map_or(since_ms, |attempt| attempt.last_ms.max(since_ms));
        let known = self.parts.contains_key(part) || self.parts.len() < REMEMBERED_MAX;
        known && now_ms.saturating_sub(last_ms) >= wait_ms
    }

    /// Counts that a part was queued again.
    pub fn count(&mut self, part: &str, now_ms: i64) {
        let attempt = self.parts.entry(part.to_owned()).or_insert(Attempt { times: 0, last_ms: now_ms });
        attempt.times = attempt.times.saturating_add(1);
        attempt.last_ms = now_ms;
    }

    /// The parts that every attempt was made for, and that had their time after the last.
    pub fn stuck(&self, now_ms: i64, patience: &Patience) -> Vec<&str> {
        let tried = |attempt: &Attempt| {
            let more_than_tried = attempt.times > patience.attempts_max;
            attempt.times >= patience.attempts_max && (more_than_tried || now_ms.saturating_sub(attempt.last_ms) >= patience.after_ms)
        };
        self.parts
            .iter()
            .filter(|(_, attempt)| tried(attempt))
            .map(|(part, _)| part.as_str())
            .collect()
    }
}

/// The order in which `parts` (sorted) are looked at: those behind `after` first, so that every one has its turn.
pub fn in_turn<'a, T>(parts: &'a [T], key: impl Fn(&T) -> &str, after: Option<&str>) -> impl Iterator<Item = &'a T> {
    let start = after.map_or(0, |after| parts.partition_point(|part| key(part) <= after));
    let (before, behind) = parts.split_at_checked(start).unwrap_or((&[], parts));
    behind.iter().chain(before)
}
