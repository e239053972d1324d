//! Which runs `replay --since` asks for.

use jiff::Timestamp;
use lake::RunId;
use ledger::{Ledger, LedgerError, ResourceId, RunFilter};
use std::collections::BTreeSet;

/// The runs that are asked for: of an id from this time on, or at work at it or later as the ledger knows. A run's id has the time that it was meant for: what
/// started late, or went on for long, brought what is newer than its id.
pub struct Since {
    from_ms: Option<u64>,
    longer: BTreeSet<RunId>,
}

impl Since {
    /// Of a resource; `None` asks for all.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub async fn of(ledger: &dyn Ledger, resource: &ResourceId, since: Option<Timestamp>) -> Result<Since, LedgerError> {
        let Some(since_ms) = since.map(Timestamp::as_millisecond).filter(|since_ms| *since_ms > 0) else {
            return Ok(Since {
                from_ms: None,
                longer: BTreeSet::new(),
            });
        };
        let filter = RunFilter {
            pipeline: Some(resource.pipeline.clone()),
            resource: Some(resource.resource.clone()),
            limit: None,
        };
        let runs = ledger.runs(&filter).await?;
        let longer = runs.iter().filter(|run| run.ended_ms.is_none_or(|ended_ms| ended_ms >= since_ms));
        Ok(Since {
            from_ms: u64::try_from(since_ms).ok(),
            longer: longer.map(|run| run.id).collect(),
        })
    }

    pub fn asks_for(&self, run: RunId) -> bool {
        self.from_ms.is_none_or(|from_ms| run.started_ms() >= from_ms) || self.longer.contains(&run)
    }
}
