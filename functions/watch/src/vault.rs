//! Looks at the backups and drills: what failed, what is late, what others are told of.

use crate::backups::{self, Age, Ended, Entry, State};
use crate::marks::{self, Good, Vault, Waited};
use crate::ports::Task;
use crate::{Error, Watcher, words};
use lake::RunId;
use ledger::backup::{backups, drills};
use ledger::incident::Kind;
use ledger::{BackupRecord, BackupState, Sighting};
use std::collections::BTreeSet;

impl Watcher<'_> {
    /// What can't be looked at is a problem of the tick, and hides nothing else.
    pub(crate) async fn look_at_vault(&mut self) {
        let vault = marks::read(self.ledger(), marks::VAULT).await.map_err(Error::from);
        let Some(vault) = self.note(|| "what is remembered of backups".to_owned(), vault) else {
            return;
        };
        let looked = self.look_at_backups(&vault).await;
        // Who does not know of the backups does not know whether there is one to drill with.
        if self.note(|| "the backups".to_owned(), looked).is_none() {
            return;
        }
        let looked = self.look_at_drills(&vault).await;
        self.note(|| "the drills".to_owned(), looked);
    }

    async fn look_at_backups(&mut self, vault: &Vault) -> Result<(), Error> {
        let records = backups(self.ledger(), self.services.limits.backups_max).await?;
        let entries = with_last_good(records.iter().map(Entry::from).collect(), &vault.backups);
        let waited = self.waited(Task::Backup, &vault.backups, &entries);
        let told = self.tell_completed(&records, &vault.told).await;
        let (waited_now, looked_at) = (waited.clone(), ids(&records));
        let remembered = self
            .remember_vault(vault, move |vault| {
                vault.backups.clone_from(&waited_now);
                vault.told.extend(told.iter().cloned());
                // Older ones are not looked at again.
                vault.told.retain(|id| looked_at.contains(id));
            })
            .await;
        self.judge(Task::Backup, &entries, &waited).await?;
        remembered
    }

    async fn look_at_drills(&mut self, vault: &Vault) -> Result<(), Error> {
        let records = drills(self.ledger(), self.services.limits.backups_max).await?;
        let entries = with_last_good(records.iter().map(Entry::from).collect(), &vault.drills);
        let waited = self.waited(Task::Drill, &vault.drills, &entries);
        let waited_now = waited.clone();
        let remembered = self.remember_vault(vault, move |vault| vault.drills.clone_from(&waited_now)).await;
        self.judge(Task::Drill, &entries, &waited).await?;
        remembered
    }

    /// Tells the bus of the backups that nobody was told of yet, the oldest first; answers with those it could tell of.
    async fn tell_completed(&mut self, records: &[BackupRecord], told: &BTreeSet<String>) -> BTreeSet<String> {
        let mut now_told = BTreeSet::new();
        let is_untold = |record: &&BackupRecord| record.state == BackupState::Done && !told.contains(&record.id.to_string());
        for record in records.iter().rev().filter(is_untold) {
            let event = words::backup_event(record, &self.services.commands);
            let put = self.services.events.put(&event).await.map_err(Error::from);
            if self.note(|| format!("the backup {}", record.id), put).is_some() {
                self.outcome.backups += 1;
                now_told.insert(record.id.to_string());
            }
        }
        now_told
    }

    /// What the promised age is counted from now. A drill is waited for once there is a backup that it could restore.
    fn waited(&mut self, task: Task, before: &Waited, entries: &[Entry]) -> Waited {
        let last_good = backups::last_good(entries);
        if let Some(ended_ms) = entries.iter().filter(|entry| entry.is_good()).filter_map(Entry::ended_ms).max() {
            self.good_ended_ms.insert(task, ended_ms);
        }
        let is_waited_for = match task {
            Task::Backup => true,
            Task::Drill => self.good_ended_ms.contains_key(&Task::Backup),
        };
        let is_promised = self.services.promised.of(task).is_some();
        Waited {
            since_ms: (is_promised && is_waited_for).then(|| before.since_ms.unwrap_or(self.now_ms)),
            last_good: last_good.and_then(|entry| {
                Some(Good {
                    id: entry.id.to_string(),
                    began_ms: entry.began_ms,
                    ended_ms: entry.ended_ms()?,
                })
            }),
        }
    }

    async fn remember_vault(&self, before: &Vault, change: impl Fn(&mut Vault) + Send + Sync) -> Result<(), Error> {
        let mut after = before.clone();
        change(&mut after);
        if after != *before {
            marks::change(self.ledger(), marks::VAULT, change).await?;
        }
        Ok(())
    }

    async fn judge(&mut self, task: Task, entries: &[Entry], waited: &Waited) -> Result<(), Error> {
        self.judge_ended(task, entries).await?;
        self.judge_age(task, entries, waited.since_ms).await
    }

    async fn judge_ended(&mut self, task: Task, entries: &[Entry]) -> Result<(), Error> {
        let kind = failed_kind(task);
        match backups::ended(entries) {
            Ended::None => Ok(()),
            Ended::Failed { failed, message } => {
                let summary = words::task_failed(task, failed, message, backups::last_good(entries));
                let next = match task {
                    Task::Backup => self.services.commands.backup(),
                    Task::Drill => self.services.commands.verify(),
                };
                let at_ms = failed.ended_ms().unwrap_or(failed.began_ms);
                self.see(&sighting(kind, at_ms, summary, next)).await
            }
            Ended::Well(good) => {
                // While a failed one is begun again, the last that ended is one from before it.
                let opened_ms = self
                    .standing
                    .get(kind.as_str())
                    .and_then(|open| open.as_ref())
                    .map(|open| open.opened_ms);
                match opened_ms {
                    Some(opened_ms) if good.ended_ms().is_some_and(|ended_ms| ended_ms < opened_ms) => Ok(()),
                    _ => {
                        self.recover(kind.as_str(), &format!("the {} {} went well", task.as_str(), good.id))
                            .await
                    }
                }
            }
        }
    }

    async fn judge_age(&mut self, task: Task, entries: &[Entry], since_ms: Option<i64>) -> Result<(), Error> {
        let kind = late_kind(task);
        let Some((promised_ms, since_ms)) = self.services.promised.of(task).zip(since_ms) else {
            return self.recover(kind.as_str(), "no age is promised any more").await;
        };
        match backups::age(entries, since_ms, promised_ms, self.now_ms) {
            Age::Kept => {
                let words = format!("the promised age of the last good {} is kept again", task.as_str());
                self.recover(kind.as_str(), &words).await
            }
            Age::AtWork(_) => Ok(()),
            Age::Missed(late) => {
                let next = match task {
                    Task::Backup => self.services.commands.backup(),
                    Task::Drill => self.services.commands.drill(),
                };
                self.see(&sighting(kind, late.at_ms, words::task_late(task, &late), next)).await
            }
        }
    }
}

fn failed_kind(task: Task) -> Kind {
    match task {
        Task::Backup => Kind::BackupFailed,
        Task::Drill => Kind::DrillFailed,
    }
}

fn late_kind(task: Task) -> Kind {
    match task {
        Task::Backup => Kind::BackupLate,
        Task::Drill => Kind::DrillLate,
    }
}

/// There is one database: the kind alone is the cause.
fn sighting(kind: Kind, at_ms: i64, summary: String, next: String) -> Sighting {
    Sighting {
        cause: kind.as_str().to_owned(),
        kind,
        resource: None,
        queue: None,
        at_ms,
        summary,
        next,
        objects: 0,
        records: None,
    }
}

fn ids(records: &[BackupRecord]) -> BTreeSet<String> {
    records.iter().map(|record| record.id.to_string()).collect()
}

/// The entries, and the last good one that is remembered, where it is none of them any more.
fn with_last_good(mut entries: Vec<Entry>, waited: &Waited) -> Vec<Entry> {
    let remembered = waited.last_good.as_ref().and_then(|good| {
        Some(Entry {
            id: RunId::parse(&good.id).ok()?,
            began_ms: good.began_ms,
            state: State::Good { ended_ms: good.ended_ms },
        })
    });
    if let Some(good) = remembered
        && entries.iter().all(|entry| entry.id != good.id)
    {
        entries.push(good);
    }
    entries
}
