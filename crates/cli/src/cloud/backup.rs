//! A backup or a drill that the stack's function is asked for by a message, and that is followed through the ledger to its end.

use super::{CloudError, Stack, names::Queue};
use crate::{
    local::clock::SystemClock,
    output::{
        numbers::{bytes, counted},
        progress::Progress,
    },
};
use host::event::{BackupMessage, BackupTask};
use lake::RunId;
use ledger::{BackupRecord, BackupState, Clock as _, DrillRecord, DrillState, Incident, Ledger, incident};
use std::time::Duration;

/// The ledger is asked so often.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// Incidents are looked for so often, in times that the ledger is asked.
const LOOKED_FOR_EVERY: u32 = 5;
/// More that are open at once than anybody reads.
const INCIDENTS_MAX: usize = 100;

/// What the function is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Backup { allow_empty: bool },
    Drill,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub id: RunId,
    pub at_ms: i64,
    /// It was under way already: nothing was sent.
    pub is_anothers: bool,
}

/// What became of it.
#[derive(Debug)]
pub enum Followed<R> {
    /// It has ended, well or not.
    Ended(R),
    /// It will not end before somebody has seen to this.
    Stuck(Box<Incident>),
}

/// Sends the message, unless one is under way.
///
/// # Errors
/// [`CloudError`] of the queue or the ledger.
pub async fn ask(stack: &Stack, task: Task) -> Result<Asked, CloudError> {
    let at_ms = SystemClock.now_ms();
    if let Some(id) = under_way(stack.ports.ledger.as_ref(), task, at_ms).await? {
        return Ok(Asked {
            id,
            at_ms,
            is_anothers: true,
        });
    }
    let id = RunId::new(u64::try_from(at_ms).unwrap_or(0), fastrand::u128(..));
    let message = match task {
        Task::Backup { allow_empty } => BackupMessage::requested(BackupTask::Backup, id, allow_empty),
        Task::Drill => BackupMessage::requested(BackupTask::Drill, id, false),
    };
    stack.queues.send(&stack.names.queue(Queue::Backup), &[message.to_json()]).await?;
    Ok(Asked {
        id,
        at_ms,
        is_anothers: false,
    })
}

/// The newest of its kind, if it is at work and gives signs of life.
async fn under_way(ledger: &dyn Ledger, task: Task, now_ms: i64) -> Result<Option<RunId>, CloudError> {
    Ok(match task {
        Task::Backup { .. } => {
            let newest = ledger::backup::backups(ledger, 1).await?.into_iter().next();
            let alive = newest.filter(|record| record.is_running() && !record.is_silent(now_ms));
            alive.map(|record| record.id)
        }
        Task::Drill => {
            let newest = ledger::backup::drills(ledger, 1).await?.into_iter().next();
            let alive = newest.filter(|record| record.is_running() && !record.is_silent(now_ms));
            alive.map(|record| record.id)
        }
    })
}

/// Waits until the backup has ended, or an incident says that it will not.
///
/// # Errors
/// [`CloudError`] when the ledger can't be asked.
pub async fn backup(ledger: &dyn Ledger, asked: &Asked, progress: &Progress) -> Result<Followed<BackupRecord>, CloudError> {
    let mut follower = Follower::new(ledger, asked, progress);
    loop {
        let record = ledger::backup::backup(ledger, asked.id).await?;
        let text = match record {
            Some(record) if record.state != BackupState::Running => return Ok(Followed::Ended(record)),
            Some(record) => format!(
                "backing up: {}, {}, {}",
                counted(record.parts.into(), "part"),
                counted(record.documents, "document"),
                bytes(record.bytes)
            ),
            None => format!("the message is in the queue, backup {}", asked.id),
        };
        if let Some(incident) = follower.wait(text).await? {
            return Ok(Followed::Stuck(Box::new(incident)));
        }
    }
}

/// The same of a drill.
///
/// # Errors
/// [`CloudError`] when the ledger can't be asked.
pub async fn drill(ledger: &dyn Ledger, asked: &Asked, progress: &Progress) -> Result<Followed<DrillRecord>, CloudError> {
    let mut follower = Follower::new(ledger, asked, progress);
    loop {
        let record = ledger::backup::drill(ledger, asked.id).await?;
        let text = match record {
            Some(record) if record.state != DrillState::Running => return Ok(Followed::Ended(record)),
            Some(record) => format!(
                "restoring {} into the scratch `{}`: {}, {} compared",
                record.backup,
                record.scratch,
                counted(record.documents, "document"),
                counted(record.collections.into(), "collection"),
            ),
            None => format!("the message is in the queue, drill {}", asked.id),
        };
        if let Some(incident) = follower.wait(text).await? {
            return Ok(Followed::Stuck(Box::new(incident)));
        }
    }
}

/// Says what is new, and looks for incidents now and then.
struct Follower<'a> {
    ledger: &'a dyn Ledger,
    asked: &'a Asked,
    progress: &'a Progress,
    said: String,
    times: u32,
}

impl<'a> Follower<'a> {
    fn new(ledger: &'a dyn Ledger, asked: &'a Asked, progress: &'a Progress) -> Follower<'a> {
        Follower {
            ledger,
            asked,
            progress,
            said: String::new(),
            times: 0,
        }
    }

    /// Waits until the ledger is to be asked again; or answers with an incident of the queue that was seen since.
    async fn wait(&mut self, text: String) -> Result<Option<Incident>, CloudError> {
        if text != self.said {
            self.progress.say(&text);
            self.said = text;
        }
        self.times = self.times.wrapping_add(1);
        if self.times.is_multiple_of(LOOKED_FOR_EVERY) {
            let open = incident::incidents(self.ledger, true, INCIDENTS_MAX).await?;
            let queue = Some(Queue::Backup.as_str());
            let of_this = |one: &Incident| one.queue.as_deref() == queue && one.seen_ms >= self.asked.at_ms;
            if let Some(found) = open.into_iter().find(of_this) {
                return Ok(Some(found));
            }
        }
        tokio::time::sleep(ASKED_EVERY).await;
        Ok(None)
    }
}
