//! How often, and how long, something is tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::Fault;

/// Tries that failed one after the other.
const TRIES_MAX: u32 = 8;
/// From the first try on, or the last progress. A queue's message waits longer than this.
const TOTAL_MAX: Duration = Duration::from_secs(60);
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Rounds without a failure or progress in which others were first. Each time one of them came further, so that this many mean that something is wrong.
const ROUNDS_MAX: u32 = 200;

/// The tries at one thing.
#[derive(Debug)]
pub(super) struct Patience {
    started: Instant,
    failed: u32,
    rounds: u32,
}

impl Patience {
    pub(super) fn new() -> Patience {
        Patience {
            started: Instant::now(),
            failed: 0,
            rounds: 0,
        }
    }

    /// Something was done that stays done: clock and counts begin anew.
    pub(super) fn progressed(&mut self) {
        *self = Patience::new();
    }

    /// After a failure: waits, if it may pass, or gives it back.
    pub(super) async fn after(&mut self, fault: Fault) -> Result<(), Fault> {
        self.failed += 1;
        if !fault.is_retryable() || self.failed >= TRIES_MAX || self.started.elapsed() >= TOTAL_MAX {
            return Err(fault);
        }
        let most = PAUSE_FIRST.saturating_mul(1 << (self.failed - 1).min(16)).min(PAUSE_MAX);
        pause(most).await;
        Ok(())
    }

    /// After a round in which others were first; `false` when there were too many, or it went on for too long.
    pub(super) async fn again(&mut self) -> bool {
        self.failed = 0;
        self.rounds += 1;
        if self.rounds > 2 {
            pause(Duration::from_millis(u64::from(self.rounds.min(40)) * 5)).await;
        }
        self.rounds < ROUNDS_MAX && self.started.elapsed() < TOTAL_MAX
    }
}

/// At random half to all of it, so that those who failed together do not come back together.
pub(super) async fn pause(most: Duration) {
    sleep(most.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
}

#[cfg(test)]
mod tests;
