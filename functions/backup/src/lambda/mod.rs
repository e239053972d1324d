//! What stands between a message of the queue and the library: the policy, the continuation, what is recorded and so need not come again. Belongs to the binary.

mod answer;
#[cfg(test)]
mod tests;

use backup::retention::Retention;
use backup::settings::{DAYS, DAYS_MAX, LEAVE_OUT, LOCK_MODE, LOCK_MODES, MONGODB_SECRET, QUEUE_URL, VAULT_BUCKET, names};
use backup::{Drilled, Error, Policy, Request, Services, Taken};
use host::SystemClock;
use host::event::{BackupMessage, BackupTask};
use host::lambda::{Answer, Failure, Queue, RecordContext};
use host::settings::{Key, Reader};
use lake::RunId;
use lake::s3::LockMode;
use ledger::backup::{change_backup, change_drill};
use ledger::hops::{self, Budget, Hop, Spent};
use ledger::{BackupState, DrillState, LedgerError, Next, Run, Unwatched};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Two days of invocations of 15 minutes; and of a backup, how many in a row may put no part.
const BUDGET: Budget = Budget {
    hops_max: 200,
    barren_hops_max: 3,
};

/// The settings on AWS that only this function has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    pub queue_url: String,
    pub vault_bucket: String,
    pub lock_mode: LockMode,
    pub mongodb_secret: String,
    pub policy: Policy,
}

impl Own {
    pub fn read(reader: &mut Reader) -> Own {
        let [queue_url, vault_bucket, mongodb_secret] =
            [QUEUE_URL, VAULT_BUCKET, MONGODB_SECRET].map(|(name, about)| reader.read(Key::required(name, about)));
        let [governance, _] = LOCK_MODES;
        let lock_mode = match reader.choice(Key::optional(LOCK_MODE.0, LOCK_MODE.1), &LOCK_MODES, governance) {
            "COMPLIANCE" => LockMode::Compliance,
            _ => LockMode::Governance,
        };
        let usual = Retention::default();
        let [daily, weekly, monthly, yearly] = DAYS;
        let mut days = |(name, about), default: u32| {
            let days = reader.number(name, about, u64::from(default), 1..=DAYS_MAX);
            u32::try_from(days).unwrap_or(default)
        };
        let retention = Retention {
            daily: days(daily, usual.daily),
            weekly: days(weekly, usual.weekly),
            monthly: days(monthly, usual.monthly),
            yearly: days(yearly, usual.yearly),
        };
        let leave_out = reader.optional(LEAVE_OUT.0, LEAVE_OUT.1).unwrap_or_default();
        Own {
            queue_url,
            vault_bucket,
            lock_mode,
            mongodb_secret,
            policy: Policy {
                retention,
                leave_out: names(&leave_out),
                ..Policy::default()
            },
        }
    }
}

/// What the process works with, built once.
pub struct Desk {
    services: Services,
    policy: Policy,
    /// `None` on this machine: whoever invoked the function is told the continuation.
    queue: Option<Queue>,
}

/// What a continuation finds of the invocation before it, beside what the work itself notes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Carried {
    #[serde(default)]
    parts: u32,
}

/// One message at work.
struct Case<'a> {
    desk: &'a Desk,
    message: &'a BackupMessage,
    id: RunId,
    run: Run,
}

impl Desk {
    pub fn new(services: Services, policy: Policy, queue: Option<Queue>) -> Desk {
        Desk { services, policy, queue }
    }

    /// One backup or drill, or one hop of it. A message is done only when what it asks for has ended, in the vault or on the record.
    pub async fn handle(&self, message: BackupMessage, context: RecordContext) -> Result<Answer, Failure> {
        let Some(id) = message.run_id() else {
            return Err(Failure {
                error_type: "UnknownMessage",
                next: Next::Reject,
                chain: "the message names neither an id nor a time".to_owned(),
            });
        };
        let case = Case {
            desk: self,
            message: &message,
            id,
            run: Run {
                clock: Arc::new(SystemClock),
                observer: Arc::new(Unwatched),
                deadline_ms: Some(context.deadline_ms),
            },
        };
        match message.task {
            BackupTask::Backup => case.backup().await,
            BackupTask::Drill => case.drill().await,
        }
    }
}

impl Case<'_> {
    async fn backup(&self) -> Result<Answer, Failure> {
        let request = Request {
            id: self.id,
            allow_empty: self.message.allow_empty,
            policy: self.desk.policy.clone(),
        };
        match backup::take(&request, &self.run, &self.desk.services).await {
            Ok(Taken::Done(manifest)) => self.ended(answer::taken(&manifest)).await,
            Ok(Taken::HandedOver { parts, .. }) => self.hand_over(Some(parts)).await,
            Ok(Taken::Busy { with }) => match self.backup_state().await.map_err(told)? {
                Some(BackupState::Failed { given_up_by: Some(by), .. }) => self.ended(answer::given_up(self.id, by)).await,
                _ => Err(self.busy(with)),
            },
            Err(error) => {
                let state = self.backup_state().await;
                // A letter sent back long after: what it asked for was done, and the lifecycle has taken it since.
                if matches!((&error, &state), (Error::NotFound { .. }, Ok(Some(BackupState::Done)))) {
                    return self.ended(answer::was_taken(self.id)).await;
                }
                let failure = Failure::new(error.name(), error.next(), &error);
                let recorded = matches!(state, Ok(Some(BackupState::Failed { .. })));
                self.failed(failure, recorded).await
            }
        }
    }

    async fn drill(&self) -> Result<Answer, Failure> {
        match backup::drill(self.id, &self.run, &self.desk.services).await {
            Ok(Drilled::Done(record)) => self.ended(answer::drilled(&record)).await,
            Ok(Drilled::Failed(_)) => self.ended(answer::has_failed(self.id)).await,
            Ok(Drilled::HandedOver { .. }) => self.hand_over(None).await,
            Ok(Drilled::Busy { with }) => Err(self.busy(with)),
            Err(error) => {
                let state = self.drill_state().await;
                // `watch` tells when a backup is owed; there is nothing that could be tried.
                if matches!((&error, &state), (Error::NotFound { .. }, Ok(None))) {
                    tracing::warn!("there is no backup that could be restored");
                    return self.ended(answer::nothing_to_drill(self.id)).await;
                }
                let failure = Failure::new(error.name(), error.next(), &error);
                let recorded = matches!(state, Ok(Some(DrillState::Failed { .. })));
                self.failed(failure, recorded).await
            }
        }
    }

    /// The message comes again after the visibility time-out of its queue, when the other has ended or has been given up. Were it done, then nothing would be
    /// left of its backup should the other fail; nor, where the same message was delivered twice, of the one that is at work.
    fn busy(&self, with: RunId) -> Failure {
        Failure {
            error_type: "Busy",
            next: Next::Retry,
            chain: format!(
                "the {} {with} is at work: this one comes to its turn after it",
                self.message.task.as_str()
            ),
        }
    }

    /// What is recorded as failed need not come again: `watch` tells of it. All else does.
    async fn failed(&self, failure: Failure, recorded: bool) -> Result<Answer, Failure> {
        if failure.next == Next::Retry || !recorded {
            return Err(failure);
        }
        tracing::error!(
            error_type = failure.error_type,
            chain = failure.chain,
            task = self.message.task.as_str(),
            "it failed"
        );
        self.ended(answer::failed(self.id, &failure)).await
    }

    /// Sends the continuation, within the budget of hops. `parts`: how much of a backup is in the vault.
    async fn hand_over(&self, parts: Option<u32>) -> Result<Answer, Failure> {
        let (ledger, key) = (self.desk.services.ledger.as_ref(), self.hops_key());
        let before: Carried = hops::carried(ledger, &key).await.map_err(told)?;
        let hop = match parts {
            Some(parts) if parts == before.parts => Hop::Barren,
            _ => Hop::Brought,
        };
        let carried = Carried {
            parts: parts.unwrap_or_default(),
        };
        if let Err(spent) = hops::hand_over(ledger, &key, hop, &carried, &BUDGET).await.map_err(told)? {
            return self.spent(spent).await;
        }
        let next = self.message.continuation(self.id);
        if let Some(queue) = &self.desk.queue {
            queue.send(&next.to_json(), None).await?;
        }
        Ok(answer::handed_over(&next))
    }

    /// The work has no end: it is recorded as failed.
    async fn spent(&self, spent: Spent) -> Result<Answer, Failure> {
        let failure = Failure {
            error_type: "HopsSpent",
            next: Next::Alarm,
            chain: in_words(spent),
        };
        let (ledger, now_ms) = (self.desk.services.ledger.as_ref(), self.run.clock.now_ms());
        match self.message.task {
            BackupTask::Backup => {
                let changed = change_backup(ledger, self.id, |there| {
                    let running = there.filter(|record| record.is_running())?;
                    Some(running.failed(&failure.chain, None, now_ms))
                });
                changed.await.map(drop)
            }
            BackupTask::Drill => {
                let changed = change_drill(ledger, self.id, |there| {
                    let running = there.filter(|record| record.is_running())?;
                    Some(running.ended(Some(&failure.chain), now_ms))
                });
                changed.await.map(drop)
            }
        }
        .map_err(told)?;
        self.failed(failure, true).await
    }

    /// Nothing goes on with it: how often it was handed over is forgotten.
    async fn ended(&self, answer: Answer) -> Result<Answer, Failure> {
        let ledger = self.desk.services.ledger.as_ref();
        hops::forget(ledger, &self.hops_key()).await.map_err(told)?;
        Ok(answer)
    }

    async fn backup_state(&self) -> Result<Option<BackupState>, LedgerError> {
        let record = ledger::backup::backup(self.desk.services.ledger.as_ref(), self.id).await?;
        Ok(record.map(|record| record.state))
    }

    async fn drill_state(&self) -> Result<Option<DrillState>, LedgerError> {
        let record = ledger::backup::drill(self.desk.services.ledger.as_ref(), self.id).await?;
        Ok(record.map(|record| record.state))
    }

    fn hops_key(&self) -> String {
        format!("{}/{}", self.id, self.message.task.as_str())
    }
}

fn in_words(spent: Spent) -> String {
    match spent {
        Spent::TooMany { hops } => format!(
            "it was handed over {hops} times, as often as it may be, and has not come to an end: give `backup` more memory (`BackupMegabytes`, which is processor too), or leave collections out (`BackupLeaveOut`)"
        ),
        Spent::Barren { hops } => format!(
            "no part came into the vault within {hops} invocations one after another: see that the database is not overloaded, and give `backup` a longer time-out (`BackupSeconds`)"
        ),
    }
}

fn told(error: LedgerError) -> Failure {
    let error = Error::from(error);
    Failure::new(error.name(), error.next(), &error)
}
