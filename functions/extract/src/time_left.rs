//! Law 6: the time that is left of this invocation. Nothing sleeps past the deadline, and nothing waits for a source past it.

use crate::error::Error;
use ledger::{Clock, Run};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The clock, and when the work must be handed over.
#[derive(Clone)]
pub struct TimeLeft {
    clock: Arc<dyn Clock>,
    deadline_ms: Option<i64>,
}

impl TimeLeft {
    pub fn of(run: &Run) -> TimeLeft {
        TimeLeft {
            clock: run.clock.clone(),
            deadline_ms: run.deadline_ms,
        }
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Does `work`, unless the deadline comes first: then it is dropped where it waits.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        match self.left() {
            None => Ok(work.await),
            Some(left) => timeout(left, work).await.map_err(|_| Error::OutOfTime),
        }
    }

    /// Waits. A wait that would end after the deadline is not begun.
    pub async fn wait(&self, wait: Duration) -> Result<(), Error> {
        if wait.is_zero() {
            return Ok(());
        }
        if self.left().is_some_and(|left| wait >= left) {
            return Err(Error::OutOfTime);
        }
        sleep(wait).await;
        Ok(())
    }

    fn left(&self) -> Option<Duration> {
        let left_ms = self.deadline_ms?.saturating_sub(self.now_ms());
        Some(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
    }
}
