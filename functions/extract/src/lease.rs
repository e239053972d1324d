//! Keeps the resource's lease while the work waits for the source.

use crate::error::Error;
use ledger::{Clock, Lease, Ledger};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A lease held, renewed when half of its time has passed.
pub struct Keeper {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    duration: Duration,
    held: Mutex<(Lease, Instant)>,
}

impl Keeper {
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, duration: Duration, lease: Lease) -> Keeper {
        Keeper {
            ledger,
            clock,
            duration,
            held: Mutex::new((lease, Instant::now())),
        }
    }

    pub fn lease(&self) -> Lease {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Does `work`, renewing the lease whenever it is time to. A lease that is lost ends the work.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut work = std::pin::pin!(work);
        loop {
            let renewed = self.held.lock().unwrap_or_else(PoisonError::into_inner).1;
            tokio::select! {
                biased;
                result = &mut work => return Ok(result),
                () = sleep_until(renewed + self.duration / 2) => self.renew().await?,
            }
        }
    }

    async fn renew(&self) -> Result<(), Error> {
        let now = Instant::now();
        let duration_ms = i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX);
        let renewed = self
            .ledger
            .renew_lease(&self.lease(), self.clock.now_ms().saturating_add(duration_ms))
            .await?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = (renewed, now);
        Ok(())
    }
}
