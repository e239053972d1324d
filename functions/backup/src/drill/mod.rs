//! A drill: the newest backup is verified, restored into a scratch database beside its own, read back and compared, and the scratch is dropped. A backup is one that
//! has been restored.
//!
//! Memory: that of a restore.

mod begin;
mod compare;

use crate::choose;
use crate::manifest::Manifest;
use crate::restore::{PutBackAll, Restoring, Wish};
use crate::verify::Verification;
use crate::{Error, Services, Unseen};
use begin::Begun;
use compare::Comparison;
use documents::Database;
use lake::RunId;
use ledger::backup::change_drill;
use ledger::{DrillRecord, LedgerError, Next, Run, Step};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A sign of life is given so often.
const SLICE_MS: i64 = 5 * 60 * 1_000;

/// What became of a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drilled {
    /// All was equal.
    Done(DrillRecord),
    /// It has failed before, and is not tried again under this id.
    Failed(DrillRecord),
    /// The time was up: the same id again goes on.
    HandedOver { id: RunId, documents: u64 },
    /// Another drill is at work.
    Busy { with: RunId },
}

/// Where a drill stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Phase {
    Verifying(Verification),
    /// How far, the scratch itself knows.
    Restoring,
    Comparing(Comparison),
    /// All is equal.
    Dropping,
}

/// One drill at work.
struct Drilling<'a> {
    run: &'a Run,
    services: &'a Services,
    record: DrillRecord,
    manifest: Manifest,
    scratch: Arc<dyn Database>,
}

/// Tries the newest backup, or goes on with it. What failed and does not pass is recorded, and its scratch dropped.
///
/// # Errors
/// [`Error`] says what is wrong with the backup, or what else happened; by [`Error::next`] whether trying again helps.
pub async fn drill(id: RunId, run: &Run, services: &Services) -> Result<Drilled, Error> {
    let record = match begin::begin(id, run, services).await? {
        Begun::Work(record) => record,
        Begun::Ended(drilled) => return Ok(drilled),
    };
    let failed = match work(record.clone(), run, services).await {
        Err(error) if error.next() != Next::Retry => error,
        drilled => return drilled,
    };
    // What failed is told, not that a scratch could not be dropped: it stands under its name, with its mark.
    if let Ok(scratch) = services.database.sibling(&record.scratch) {
        drop(scratch.drop_all().await);
    }
    let (words, now_ms) = (failed.in_words(), run.clock.now_ms());
    let ended = |there: Option<&DrillRecord>| {
        there
            .filter(|record| record.is_running())
            .map(|record| record.ended(Some(&words), now_ms))
    };
    change_drill(services.ledger.as_ref(), id, ended).await?;
    Err(failed)
}

async fn work(record: DrillRecord, run: &Run, services: &Services) -> Result<Drilled, Error> {
    let (class, backup) = choose::ids(services.vault.as_ref())
        .await?
        .into_iter()
        .find(|(_, id)| *id == record.backup)
        .ok_or_else(|| Error::NotFound {
            wanted: record.backup.to_string(),
        })?;
    let mut drilling = Drilling {
        run,
        services,
        manifest: choose::read(class, backup, services.vault.as_ref()).await?,
        scratch: services.database.sibling(&record.scratch)?,
        record,
    };
    drilling.go_on().await
}

impl Drilling<'_> {
    async fn go_on(&mut self) -> Result<Drilled, Error> {
        let mut phase = self.phase()?;
        loop {
            if phase == Phase::Dropping {
                return self.end().await;
            }
            if self.run.is_out_of_time() {
                self.run.reached(Step::HandedOver)?;
                return Ok(Drilled::HandedOver {
                    id: self.record.id,
                    documents: self.record.documents,
                });
            }
            phase = self.slice(phase).await?;
            self.save(&phase).await?;
        }
    }

    /// Works for a few minutes, or to the end of the phase. What comes next.
    async fn slice(&mut self, phase: Phase) -> Result<Phase, Error> {
        let slice_ms = self.run.clock.now_ms().saturating_add(SLICE_MS);
        let run = Run {
            deadline_ms: Some(self.run.deadline_ms.map_or(slice_ms, |deadline_ms| deadline_ms.min(slice_ms))),
            ..self.run.clone()
        };
        let vault = self.services.vault.as_ref();
        Ok(match phase {
            Phase::Verifying(mut verification) => match verification.go_on(&self.manifest, &run, vault, &Unseen, &|_| Ok(())).await? {
                true => {
                    run.reached(Step::Verified)?;
                    Phase::Restoring
                }
                false => Phase::Verifying(verification),
            },
            Phase::Restoring => {
                let wish = Wish::default();
                let restoring = Restoring::new(&self.manifest, &wish, &run, vault, self.scratch.as_ref(), &Unseen).await?;
                match restoring.keeping_all().put_back().await? {
                    PutBackAll::HandedOver { .. } => Phase::Restoring,
                    PutBackAll::Whole(mark) => {
                        self.record.warnings = mark.warnings;
                        Phase::Comparing(Comparison::default())
                    }
                }
            }
            Phase::Comparing(mut comparison) => {
                let all = comparison
                    .go_on(&self.manifest, &self.record.scratch, self.scratch.as_ref(), &run)
                    .await?;
                self.record.collections = comparison.collections();
                self.record.documents = comparison.documents();
                self.record.bytes = comparison.bytes();
                match all {
                    true => Phase::Dropping,
                    false => Phase::Comparing(comparison),
                }
            }
            Phase::Dropping => Phase::Dropping,
        })
    }

    async fn end(&self) -> Result<Drilled, Error> {
        self.scratch.drop_all().await?;
        self.run.reached(Step::ScratchDropped)?;
        let now_ms = self.run.clock.now_ms();
        let ended = |there: Option<&DrillRecord>| there.filter(|record| record.is_running()).map(|record| record.ended(None, now_ms));
        let there = change_drill(self.services.ledger.as_ref(), self.record.id, ended).await?;
        self.run.reached(Step::DrillRecorded)?;
        match there {
            Some(record) => Ok(Drilled::Done(record)),
            None => Err(Error::Overtaken { id: self.record.id }),
        }
    }

    fn phase(&self) -> Result<Phase, LedgerError> {
        let Some(text) = &self.record.checkpoint else {
            return Ok(Phase::Verifying(Verification::default()));
        };
        serde_json::from_str(text).map_err(|error| LedgerError::Damaged {
            place: format!("the checkpoint of the drill {}", self.record.id),
            problem: error.to_string(),
        })
    }

    /// Keeps where it stands, and gives a sign of life.
    async fn save(&mut self, phase: &Phase) -> Result<(), Error> {
        let text = serde_json::to_string(phase).map_err(|error| LedgerError::Unavailable {
            action: "write the checkpoint of a drill",
            source: error.into(),
        })?;
        self.record.checkpoint = Some(text);
        self.record.seen_ms = self.run.clock.now_ms();
        let ours = &self.record;
        let there = change_drill(self.services.ledger.as_ref(), ours.id, |there| {
            there.filter(|record| record.is_running()).map(|_| ours.clone())
        });
        match there.await? {
            Some(record) if record.is_running() => Ok(()),
            _ => Err(Error::Overtaken { id: self.record.id }),
        }
    }
}
