//! Ticks: one scheduled moment of a resource is one run, however often it is delivered.

use crate::ResourceId;
use lake::RunId;
use sha2::{Digest, Sha256};

/// The run's id of a tick: its time is the scheduled one, its other 80 bits come from the resource's name, so that the same tick delivered twice is the
/// same run.
pub fn run_id_for_tick(resource: &ResourceId, scheduled_ms: i64) -> RunId {
    let mut hash = Sha256::new();
    hash.update(resource.pipeline.as_str());
    // No name holds a `/`: two resources never hash the same text.
    hash.update("/");
    hash.update(resource.resource.as_str());
    hash.update("/");
    hash.update(scheduled_ms.to_be_bytes());
    // A ULID counts from 1970: an earlier moment is told apart by the hash alone.
    RunId::new(u64::try_from(scheduled_ms).unwrap_or(0), ten_bytes(&hash.finalize()))
}

/// The id of what a schedule of the stack itself starts, `backup` or `drill`: as [`run_id_for_tick`] for a resource.
pub fn run_id_for_task(task: &str, scheduled_ms: i64) -> RunId {
    let mut hash = Sha256::new();
    // No resource hashes a text that begins so: no name is empty.
    hash.update("/");
    hash.update(task);
    hash.update("/");
    hash.update(scheduled_ms.to_be_bytes());
    RunId::new(u64::try_from(scheduled_ms).unwrap_or(0), ten_bytes(&hash.finalize()))
}

/// The id of a run that is started because others have completed: always the same for the same runs, so that who starts it twice starts one. Its time is
/// `at_ms`, when the last of them ended.
pub fn run_id_after(resource: &ResourceId, completed: &[RunId], at_ms: i64) -> RunId {
    let mut hash = Sha256::new();
    hash.update(resource.to_string());
    // No tick hashes a text with this in it.
    hash.update("/after");
    for run in completed {
        hash.update(run.to_bytes());
    }
    RunId::new(u64::try_from(at_ms).unwrap_or(0), ten_bytes(&hash.finalize()))
}

/// The first 80 bits of a hash.
fn ten_bytes(hash: &[u8]) -> u128 {
    let mut random = [0; 16];
    for (to, from) in random.iter_mut().skip(6).zip(hash) {
        *to = *from;
    }
    u128::from_be_bytes(random)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use pipeline::Name;
    use std::collections::HashSet;

    fn resource(pipeline: &str, resource: &str) -> ResourceId {
        ResourceId {
            pipeline: Name::new(pipeline).unwrap(),
            resource: Name::new(resource).unwrap(),
        }
    }

    #[test]
    fn a_tick_of_the_stack_is_no_tick_of_a_resource() {
        let at = 1_795_489_200_000;
        let ids = [
            run_id_for_task("backup", at),
            run_id_for_task("drill", at),
            run_id_for_task("backup", at + 1),
            run_id_for_tick(&resource("backup", "backup"), at),
        ];
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert_eq!(run_id_for_task("backup", at), ids[0]);
        assert_eq!(ids[0].started_ms(), 1_795_489_200_000);
    }

    #[test]
    fn the_same_tick_is_the_same_run_and_another_is_another() {
        let mut seen = HashSet::new();
        for (pipeline, name) in [("a", "b"), ("a", "bc"), ("ab", "c"), ("b", "a")] {
            for at in [0, 1, 1_518_000_000_000] {
                let id = run_id_for_tick(&resource(pipeline, name), at);
                assert_eq!(id, run_id_for_tick(&resource(pipeline, name), at));
                assert_eq!(id.started_ms(), at as u64);
                assert!(seen.insert(id));
            }
        }
    }

    /// The id of a tick must never change, or a tick in flight during an update would run twice.
    #[test]
    fn the_id_of_a_tick_is_for_good() {
        let id = run_id_for_tick(&resource("earthquakes", "events"), 1_518_000_000_000);
        // Computed by hand: 48 bits of time, then the first 80 of SHA-256("earthquakes/events/" + the time, 8 bytes, big-endian).
        assert_eq!(id.to_string(), "01C5QXKK003AXTQYAWDBRN5PMM");
    }
}
