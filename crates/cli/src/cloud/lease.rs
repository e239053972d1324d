//! One `apply` at a time: a lease in the stack's ledger, renewed while the work goes on. Who was killed is waited for no longer than it lasts.

use super::CloudError;
use crate::{
    local::{clock::SystemClock, holder},
    output::numbers::moment,
};
use ledger::{Clock as _, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LedgerError, ResourceId};
use pipeline::Name;
use std::{pin::pin, sync::Arc, time::Duration};

const LASTS_MS: i64 = 60_000;
const RENEWED_EVERY: Duration = Duration::from_secs(15);

/// Between the holder and the moment at which it began.
const SINCE: &str = ", since ";

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
        holder.name = format!("{}{SINCE}{} UTC", holder.name, moment(now_ms));
        let request = LeaseRequest {
            holder,
            now_ms,
            duration_ms: LASTS_MS,
        };
        match ledger.take_lease(&resource()?, &request, &is_dead_here).await? {
            LeaseOutcome::Taken(lease) => Ok(ApplyLease {
                ledger: ledger.clone(),
                lease,
            }),
            LeaseOutcome::Held { holder, .. } => {
                let (name, since) = holder
                    .name
                    .rsplit_once(SINCE)
                    .unwrap_or((&holder.name, "a moment that is not known"));
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

/// Whether the holder was a process of this machine, in this boot, and is no more. Of another machine nothing is known, though it be called the same: there
/// the lease ends by itself.
fn is_dead_here(other: &Holder) -> bool {
    let boot = |holder: &Holder| holder.process_start.as_ref()?.split_once('/').map(|(boot, _)| boot.to_owned());
    let own = boot(&holder::this_process());
    let named = Holder {
        name: other.name.split(SINCE).next().unwrap_or_default().to_owned(),
        ..other.clone()
    };
    own.is_some() && boot(other) == own && holder::is_dead(&named)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn only_who_was_killed_on_this_machine_is_dead() {
        let this = holder::this_process();
        let since = |holder: &Holder| Holder {
            name: format!("{}{SINCE}2026-11-24 10:00:00 UTC", holder.name),
            ..holder.clone()
        };
        assert!(!is_dead_here(&since(&this)));
        let boot = this
            .process_start
            .as_ref()
            .and_then(|start| start.split_once('/'))
            .unwrap()
            .0
            .to_owned();
        let killed = Holder {
            process_start: Some(format!("{boot}/1")),
            ..this.clone()
        };
        assert!(is_dead_here(&since(&killed)));
        let elsewhere = Holder {
            process_start: Some("another boot/1".to_owned()),
            ..this
        };
        assert!(!is_dead_here(&since(&elsewhere)));
    }
}
