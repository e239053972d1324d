//! Freshness: whether a resource ran when its schedule says, and whether its runs get done. Pure.

use jiff::{Timestamp, tz::TimeZone};
use ledger::{RunRecord, RunState};
use pipeline::{Pipeline, Schedule};
use std::time::Duration;

/// A run may start this much later than its moment before it counts as missed; with a `jitter`, twice that if it is more.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// When a run should be done whose pipeline has no schedule: nobody comes after it who would go on with it.
pub fn due_without_schedule_ms(started_ms: i64) -> i64 {
    started_ms.saturating_add(millis(WITHOUT_SCHEDULE))
}

const WITHOUT_SCHEDULE: Duration = Duration::from_secs(24 * 60 * 60);

/// So many skipped runs in a row are an incident: the resource does not come to its turn.
pub const SKIPPED_IN_A_ROW: usize = 3;

/// When a resource should run.
#[derive(Clone, Debug)]
pub struct Timing {
    schedule: Schedule,
    zone: TimeZone,
    grace_ms: i64,
    /// Since when the schedule is known to be there: nothing before was missed.
    since_ms: i64,
}

impl Timing {
    /// Of a pipeline that was applied at `since_ms`; `None` for one without a schedule.
    pub fn of(pipeline: &Pipeline, since_ms: i64) -> Option<Timing> {
        let jitter = pipeline.jitter.map_or(Duration::ZERO, |jitter| jitter.0);
        Some(Timing {
            schedule: pipeline.timing()?,
            zone: pipeline.zone(),
            grace_ms: millis(GRACE.max(jitter.saturating_mul(2))),
            since_ms,
        })
    }

    /// The moment at which a run should have started and did not, going by the newest first `runs` of the resource. `None` when it is fresh, or when it is
    /// too early to tell.
    pub fn missed(&self, runs: &[RunRecord], now_ms: i64) -> Option<i64> {
        // Whoever is at it answers for the ticks that come meanwhile; whether it gets done is another question.
        if runs.iter().any(|run| run.state == RunState::Extracting) {
            return None;
        }
        let last = runs.iter().map(activity_ms).max();
        let latest = now_ms.saturating_sub(self.grace_ms);
        let expected = match &self.schedule {
            // Counted from the last sign of life, for its text does not say when it began.
            Schedule::Rate(every) => last.unwrap_or(self.since_ms).max(self.since_ms).saturating_add(millis(*every)),
            schedule => {
                let moment = schedule.last_at_or_before(timestamp(latest)?, &self.zone)?.as_millisecond();
                if moment < self.since_ms || last.is_some_and(|last| last >= moment) {
                    return None;
                }
                moment
            }
        };
        (expected <= latest).then_some(expected)
    }

    /// When a run that started at `started_ms` should be done: when the next one starts, and the grace. One that was started between two moments (by
    /// hand, or after others) has as much time as lies between moments.
    pub fn due_ms(&self, started_ms: i64) -> Option<i64> {
        let next = self.schedule.next_after(timestamp(started_ms)?, &self.zone)?;
        let one_later = self.schedule.next_after(next, &self.zone).unwrap_or(next);
        let (next_ms, one_later_ms) = (next.as_millisecond(), one_later.as_millisecond());
        let whole_ms = started_ms.saturating_add(one_later_ms.saturating_sub(next_ms));
        Some(next_ms.max(whole_ms).saturating_add(self.grace_ms))
    }
}

/// The newest of the runs that were skipped in a row, if these are [`SKIPPED_IN_A_ROW`] or more, and how many; of runs, the newest first.
pub fn skipped_in_a_row(runs: &[RunRecord]) -> Option<(&RunRecord, usize)> {
    let count = runs.iter().take_while(|run| is_skipped(run)).count();
    let newest = runs.first()?;
    (count >= SKIPPED_IN_A_ROW).then_some((newest, count))
}

/// The newest run that was not skipped; of runs, the newest first.
pub fn newest_begun(runs: &[RunRecord]) -> Option<&RunRecord> {
    runs.iter().find(|run| !is_skipped(run))
}

fn is_skipped(run: &RunRecord) -> bool {
    matches!(run.state, RunState::Skipped { .. })
}

/// The last sign of life of a run: a tick that resumes an older run leaves no run of its own.
fn activity_ms(run: &RunRecord) -> i64 {
    let scheduled = i64::try_from(run.id.started_ms()).unwrap_or(i64::MAX);
    scheduled.max(run.started_ms).max(run.ended_ms.unwrap_or(i64::MIN))
}

fn timestamp(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
