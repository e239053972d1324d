//! The messages of `backup`, as they stand in its queue: read and written.

use super::message::{RequestedBy, SCHEDULED_TIME, is_zero, json, message, read, scheduled_ms};
use super::{EventError, Message, Origin, Subject};
use lake::RunId;
use ledger::run_id_for_task;
use serde::{Deserialize, Serialize};

const BACKUP: &str = r#"{"task": "backup" or "drill", "scheduled_at": …, "requested_by": …}"#;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupTask {
    /// The database to the vault.
    Backup,
    /// The newest backup into a scratch database, and compared.
    Drill,
}

impl BackupTask {
    pub const ALL: [BackupTask; 2] = [BackupTask::Backup, BackupTask::Drill];

    pub fn as_str(self) -> &'static str {
        match self {
            BackupTask::Backup => "backup",
            BackupTask::Drill => "drill",
        }
    }
}

/// Asks `backup` for a backup or a drill, or to go on with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupMessage {
    pub task: BackupTask,
    /// The moment of the tick, milliseconds since 1970.
    pub scheduled_ms: Option<i64>,
    /// Never [`RequestedBy::After`].
    pub requested_by: RequestedBy,
    /// The id of the backup or the drill, unless it follows from the tick.
    pub id: Option<RunId>,
    /// How many continuations came before.
    pub hop: u32,
    /// An empty database is backed up, too.
    pub allow_empty: bool,
}

impl BackupMessage {
    /// What `tidemill backup --stack` and `tidemill backup drill --stack` ask for.
    pub fn requested(task: BackupTask, id: RunId, allow_empty: bool) -> BackupMessage {
        BackupMessage {
            task,
            scheduled_ms: None,
            requested_by: RequestedBy::Run,
            id: Some(id),
            hop: 0,
            allow_empty,
        }
    }

    /// The one named, or the tick's. `None` only for a message made by hand that has neither.
    pub fn run_id(&self) -> Option<RunId> {
        self.id.or_else(|| Some(run_id_for_task(self.task.as_str(), self.scheduled_ms?)))
    }

    /// The message that goes on with `id`, one hop further.
    pub fn continuation(&self, id: RunId) -> BackupMessage {
        BackupMessage {
            requested_by: RequestedBy::Continuation,
            id: Some(id),
            hop: self.hop.saturating_add(1),
            ..self.clone()
        }
    }

    /// The message as it stands in the queue.
    pub fn to_json(&self) -> String {
        json(&BackupText {
            task: self.task,
            scheduled_at: self
                .scheduled_ms
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                .map(|at| at.to_string()),
            requested_by: self.requested_by,
            id: self.id.map(|id| id.to_string()),
            hop: self.hop,
            allow_empty: self.allow_empty,
        })
    }

    /// The text of the task's schedule: EventBridge Scheduler puts the moment of the tick into it.
    pub fn schedule_json(task: BackupTask) -> String {
        json(&BackupText {
            task,
            scheduled_at: Some(SCHEDULED_TIME.to_owned()),
            requested_by: RequestedBy::Schedule,
            id: None,
            hop: 0,
            allow_empty: false,
        })
    }

    fn check(&self) -> Result<(), EventError> {
        let problem = if self.requested_by == RequestedBy::After {
            "nothing that backs up waits for runs: expected `requested_by` to be `schedule`, `run` or `continuation`"
        } else if self.id.is_none() && self.scheduled_ms.is_none() {
            "expected `scheduled_at` or `id`, else no backup and no drill is meant"
        } else if self.requested_by == RequestedBy::Continuation && self.id.is_none() {
            "a continuation needs `id`"
        } else if self.allow_empty && self.task == BackupTask::Drill {
            "`allow_empty` is only for a backup"
        } else {
            return Ok(());
        };
        Err(EventError::Rule { problem })
    }
}

impl Message for BackupMessage {
    fn parse(body: &str, origin: &Origin<'_>) -> Result<Vec<BackupMessage>, EventError> {
        let text: BackupText = message(read(body, BACKUP)?, BACKUP)?;
        let message = BackupMessage {
            task: text.task,
            scheduled_ms: text.scheduled_at.map(|at| scheduled_ms(at, origin)).transpose()?,
            requested_by: text.requested_by,
            id: text.id.as_deref().map(RunId::parse).transpose()?,
            hop: text.hop,
            allow_empty: text.allow_empty,
        };
        message.check()?;
        Ok(vec![message])
    }

    fn subject(&self) -> Subject {
        Subject {
            run: self.run_id().map(|id| id.to_string()),
            ..Subject::default()
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupText {
    task: BackupTask,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<String>,
    requested_by: RequestedBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    hop: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allow_empty: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const ORIGIN: Origin<'_> = Origin {
        lake_bucket: None,
        sent_ms: 1_795_489_261_000,
    };

    fn one(body: &str) -> BackupMessage {
        BackupMessage::parse(body, &ORIGIN).unwrap().remove(0)
    }

    /// What is written is what is read, whichever way it is asked for.
    #[test]
    fn a_message_comes_back_as_it_went() {
        for task in BackupTask::ALL {
            let tick = one(&BackupMessage::schedule_json(task).replace(SCHEDULED_TIME, "2026-11-24T03:00:00Z"));
            let id = tick.run_id().unwrap();
            let asked = BackupMessage::requested(task, RunId::new(7, 7), task == BackupTask::Backup);
            assert_eq!(asked.run_id(), Some(RunId::new(7, 7)));
            for message in [tick.clone(), asked, tick.continuation(id), tick.continuation(id).continuation(id)] {
                assert_eq!(one(&message.to_json()), message);
            }
            assert_eq!(tick.continuation(id).continuation(id).hop, 2);
            assert_eq!(tick.continuation(id).run_id(), Some(id), "a continuation goes on with the same");
        }
    }

    /// The same tick delivered twice is the same backup, and no drill. A text whose time was left in it has the minute in which it was sent.
    #[test]
    fn a_tick_is_one_backup() {
        let [backup, drill] = BackupTask::ALL.map(BackupMessage::schedule_json);
        let sent = one(&backup);
        assert_eq!(sent.scheduled_ms, Some(1_795_489_260_000));
        assert_eq!(sent.run_id(), one(&backup).run_id());
        assert_ne!(sent.run_id(), one(&drill).run_id());
    }

    #[test]
    fn what_is_refused_is_told_with_what_was_expected() {
        let id = RunId::new(7, 7);
        for (body, expected) in [
            (
                r#"{"task":"backup","requested_by":"schedule"}"#.to_owned(),
                "expected `scheduled_at` or `id`",
            ),
            (
                r#"{"task":"drill","requested_by":"continuation","scheduled_at":"2026-11-24T03:00:00Z"}"#.to_owned(),
                "a continuation needs `id`",
            ),
            (
                format!(r#"{{"task":"backup","requested_by":"after","id":"{id}"}}"#),
                "waits for runs",
            ),
            (
                format!(r#"{{"task":"drill","requested_by":"run","id":"{id}","allow_empty":true}}"#),
                "only for a backup",
            ),
            (
                r#"{"task":"backup","requested_by":"schedule","scheduled_at":"at night"}"#.to_owned(),
                "`at night` is not a time",
            ),
        ] {
            let told = BackupMessage::parse(&body, &ORIGIN).unwrap_err().to_string();
            assert!(told.contains(expected), "{body}: {told}");
        }
        for body in [
            "",
            "[1]",
            r#"{"task":"restore","requested_by":"run"}"#,
            r#"{"task":"backup","requested_by":"run","hops":1}"#,
        ] {
            let told = BackupMessage::parse(body, &ORIGIN).unwrap_err().to_string();
            assert!(told.contains(r#"expected {"task""#), "{body}: {told}");
        }
    }
}
