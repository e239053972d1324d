//! One `apply` at a time: a lease in the stack's ledger, renewed while the work goes on. Who was killed is waited for no longer than it lasts.

use super::CloudError;
use crate::{
    local::clock::SystemClock,
    output::numbers::moment,
};
use ledger::{Clock as _, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LedgerError, ResourceId};
use pipeline::Name;
use std::{pin::pin, sync::Arc, time::Duration};

const LASTS_MS: i64 = 60_000;
const RENEWED_EVERY: Duration = Duration::from_secs(15);

/// The lease of a stack's `apply`.
pub struct ApplyLease {
    ledger: Arc<dyn Ledger>,
    lease: Lease,
}

impl ApplyLease {
    /// # Errors
    /// [`CloudError::Busy`] when somebody else has it.
    pub async fn take(ledger: &Arc<dyn Ledger>, mut holder: Holder) -> Result<ApplyLease, CloudError> {
        let now_ms = SystemClock.now_ms();
        // Two processes of one machine are two; and since when stands in the name, for the lease itself only knows until when.
        holder.name = format!("{}, since {} UTC", holder.name, moment(now_ms));
        let request = LeaseRequest {
            holder,
            now_ms,
            duration_ms: LASTS_MS,
        };
        // Where the other runs is not known here, so nobody is known to be dead: its lease ends.
        match ledger.take_lease(&resource()?, &request, &|_| false).await? {
            LeaseOutcome::Taken(lease) => Ok(ApplyLease {
                ledger: ledger.clone(),
                lease,
            }),
            LeaseOutcome::Held { holder, .. } => {
                let (name, since) = holder.name.rsplit_once(", since ").unwrap_or((&holder.name, "a moment that is not known"));
                Err(CloudError::Busy {
                    holder: name.to_owned(),
                    since: since.to_owned(),
                })
            }
        }
    }

    /// Does the work under the lease, and gives it back.
    ///
    /// # Errors
    /// Those of the work, or [`CloudError::Overtaken`]: the work was dropped where it was.
    pub async fn hold<T, E: From<CloudError>>(self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let ApplyLease { ledger, lease } = self;
        let mut work = pin!(work);
        let mut kept = lease;
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = tokio::time::sleep(RENEWED_EVERY) => {
                    let until = SystemClock.now_ms() + LASTS_MS;
                    kept = match ledger.renew_lease(&kept, until).await {
                        Ok(lease) => lease,
                        Err(LedgerError::LeaseLost { .. }) => return Err(CloudError::Overtaken.into()),
                        // Tried again before it ends; past that, another may be at it.
                        Err(error) if SystemClock.now_ms() < kept.expires_ms => { drop(error); continue }
                        Err(_) => return Err(CloudError::Overtaken.into()),
                    };
                }
            }
        };
        // It ends by itself: what the work came to says more.
        let _ = ledger.release_lease(&kept).await;
        done
    }
}

/// What the lease is on. A resource `apply` of a pipeline `tidemill` would share it, and be none the worse for it.
fn resource() -> Result<ResourceId, CloudError> {
    let name = |text: &str| {
        Name::new(text).map_err(|error| {
            CloudError::Ledger(LedgerError::Unavailable {
                action: "name the lease of apply",
                source: error.into(),
            })
        })
    };
    Ok(ResourceId {
        pipeline: name("tidemill")?,
        resource: name("apply")?,
    })
}
