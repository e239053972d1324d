//! What `watch` needs of the world beside the lake and the ledger: the queues, who is notified, the bus of events.

use async_trait::async_trait;
use lake::{CleanKey, RawKey, RunId};
use ledger::ResourceId;
use serde_json::Value;

/// The dead-letter queues of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadQueue {
    Extract,
    Clean,
    CleanReplay,
    Load,
    Backup,
    /// What an EventBridge rule could not deliver.
    Rules,
    /// What a schedule could not deliver.
    Schedules,
}

impl DeadQueue {
    pub const ALL: [DeadQueue; 7] = [
        DeadQueue::Extract,
        DeadQueue::Clean,
        DeadQueue::CleanReplay,
        DeadQueue::Load,
        DeadQueue::Backup,
        DeadQueue::Rules,
        DeadQueue::Schedules,
    ];

    /// Its name between the stack's name and `-dead`.
    pub fn as_str(self) -> &'static str {
        match self {
            DeadQueue::Extract => "extract",
            DeadQueue::Clean => "clean",
            DeadQueue::CleanReplay => "clean-replay",
            DeadQueue::Load => "load",
            DeadQueue::Backup => "backup",
            DeadQueue::Rules => "rules",
            DeadQueue::Schedules => "schedules",
        }
    }
}

/// What a dead letter asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A run of a resource.
    Tick { resource: ResourceId, run: Option<RunId> },
    /// To clean a raw object, under a definition that a replay named, or under its own.
    Raw { raw: RawKey, definition: Option<String> },
    /// To load a clean object.
    Clean(CleanKey),
    /// A backup, or the drill that restores one.
    Vault { task: Task, id: Option<RunId> },
}

/// What the function `backup` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    Backup,
    Drill,
}

impl Task {
    pub const ALL: [Task; 2] = [Task::Backup, Task::Drill];

    /// As its message says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Task::Backup => "backup",
            Task::Drill => "drill",
        }
    }
}

/// A message in a dead-letter queue. It stays there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The queue's id of the message.
    pub id: String,
    pub sent_ms: i64,
    /// What it asked for; `None` for one that nobody can make sense of.
    pub subjects: Option<Vec<Subject>>,
}

/// What was seen in a dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    pub letters: Vec<Letter>,
    /// There are others in it that were not seen: more than were asked for, or ones that somebody else looks at just now.
    pub more: bool,
}

/// Work that is queued.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A run of a resource that waited for others.
    Extract {
        resource: ResourceId,
        run: RunId,
    },
    Clean(RawKey),
    Load(CleanKey),
}

/// The queues of a stack.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Looks at the messages of a dead-letter queue, each once, at most `limit`. They stay there.
    async fn dead_letters(&self, queue: DeadQueue, limit: usize) -> Result<Letters, PortError>;

    /// Sends work to the queue of its function.
    async fn send(&self, work: &Work) -> Result<(), PortError>;
}

/// Who is told in plain words.
#[async_trait]
pub trait Notify: Send + Sync {
    /// `subject` is ASCII, at most 100 characters, without line breaks.
    async fn notify(&self, subject: &str, text: &str) -> Result<(), PortError>;
}

/// An event for other systems.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Such as `tidemill.run.completed`.
    pub kind: &'static str,
    pub at_ms: i64,
    pub detail: Value,
}

/// The bus of events.
#[async_trait]
pub trait Events: Send + Sync {
    async fn put(&self, event: &Event) -> Result<(), PortError>;
}

/// A port that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} `{name}`: {problem}")]
pub struct PortError {
    /// Such as "look into the queue".
    pub action: &'static str,
    pub name: String,
    pub problem: String,
    /// Whether trying again may go well without anybody's doing.
    pub passes: bool,
}
