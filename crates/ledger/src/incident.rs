//! Incidents: what somebody should know of, one a cause and not one a message. What is kept and how it changes is here, pure; `shelves` keeps it.
//!
//! An incident is opened by the first sighting of its cause, seen again by each later one, and recovers once; a cause that is seen after that is a new
//! incident.

mod shelves;

pub use shelves::{Standing, causes, incident, incidents, recover, see, told};

use crate::ResourceId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use ulid::Ulid;

/// An incident's id: a ULID, whose time is when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId(Ulid);

/// A text that is not an [`IncidentId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an incident's id: expected a ULID of 26 characters, as `tidemill incidents` shows it")]
pub struct IncidentIdError(pub String);

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Messages that a queue gave up.
    DeadLetter,
    /// An extraction that ended with an error.
    FailedRun,
    /// A scheduled moment at which nothing ran.
    MissedRun,
    /// A run that is not done after the time in which the next should have begun.
    LateRun,
    /// Several runs in a row that found another at work.
    SkippedRuns,
    /// A part that reaches no end state, however often it is queued again.
    StuckObject,
    /// A run of which more was set aside than `reject_limit` allows.
    RejectsOverLimit,
    /// A `replace` run whose documents readers do not see.
    NotShown,
    /// A dead letter that nobody can make sense of.
    UnreadableMessage,
    /// The newest backup that came to an end failed.
    BackupFailed,
    /// The last good backup is older than was promised, or there was none ever.
    BackupLate,
    /// The newest drill failed: the backup could not be restored, or was not equal to what it says of itself.
    DrillFailed,
    /// The last good drill is longer ago than was promised, or there was none ever.
    DrillLate,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    /// What it is about, the same text for each sighting: no two incidents of a cause are open at once.
    pub cause: String,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceId>,
    /// The dead-letter queue it was found in, as `clean-replay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Milliseconds since 1970, as all times here.
    pub opened_ms: i64,
    /// When it was seen last.
    pub seen_ms: i64,
    /// How often it was seen, the first time included.
    pub times: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_ms: Option<i64>,
    /// What happened, in a sentence.
    pub summary: String,
    /// The command to type next.
    pub next: String,
    /// How many objects (or messages) are concerned.
    pub objects: u64,
    /// How many records are in them, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// What happened when, the oldest first; at most [`TIMELINE_MAX`], of which the first is kept.
    pub timeline: Vec<Moment>,
    /// What of it nobody was told of yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Transition>,
}

/// A line of an incident's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub at_ms: i64,
    pub what: String,
}

/// What people and other systems are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    Opened,
    Recovered,
}

/// A cause as it is seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub cause: String,
    pub kind: Kind,
    pub resource: Option<ResourceId>,
    pub queue: Option<String>,
    pub at_ms: i64,
    pub summary: String,
    /// The command to type next; `{id}` in it becomes the incident's id.
    pub next: String,
    pub objects: u64,
    pub records: Option<u64>,
}

/// What became of a sighting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is the first of its cause, or the first since the cause recovered.
    Opened(Incident),
    /// The incident was open already.
    Again(Incident),
}

/// The most lines of a timeline.
pub const TIMELINE_MAX: usize = 50;

/// The longest text that is kept, in bytes: an upstream's message may be of any length.
const TEXT_BYTES_MAX: usize = 1_000;

impl Incident {
    /// The incident that a sighting opens.
    pub fn open(id: IncidentId, sighting: &Sighting) -> Incident {
        let summary = shortened(&sighting.summary);
        Incident {
            id,
            cause: sighting.cause.clone(),
            kind: sighting.kind,
            resource: sighting.resource.clone(),
            queue: sighting.queue.clone(),
            opened_ms: sighting.at_ms,
            seen_ms: sighting.at_ms,
            times: 1,
            recovered_ms: None,
            next: sighting.next.replace("{id}", &id.to_string()),
            objects: sighting.objects,
            records: sighting.records,
            timeline: vec![Moment {
                at_ms: sighting.at_ms,
                what: format!("opened: {summary}"),
            }],
            untold: vec![Transition::Opened],
            summary,
        }
    }

    pub fn is_open(&self) -> bool {
        self.recovered_ms.is_none()
    }

    /// The incident after one more sighting. One that is not later than the last is known already (a tick delivered twice, the same failed run looked at
    /// again): it counts no more, though it may know better how much is concerned.
    pub fn seen_again(&self, sighting: &Sighting) -> Incident {
        let summary = shortened(&sighting.summary);
        let mut next = self.clone();
        if sighting.at_ms > self.seen_ms {
            next.seen_ms = sighting.at_ms;
            next.times = self.times.saturating_add(1);
        }
        // A cause that stays as it is makes no line a minute.
        if summary != self.summary || (sighting.objects, sighting.records) != (self.objects, self.records) {
            next.add_moment(next.seen_ms, format!("seen again: {summary}"));
            (next.objects, next.records) = (sighting.objects, sighting.records);
            next.summary = summary;
        }
        next
    }

    /// The incident recovered; `None` when it had recovered before.
    pub fn recovered(&self, at_ms: i64, words: &str) -> Option<Incident> {
        if !self.is_open() {
            return None;
        }
        let mut next = self.clone();
        next.recovered_ms = Some(at_ms);
        next.add_moment(at_ms, format!("recovered: {}", shortened(words)));
        next.untold.push(Transition::Recovered);
        Some(next)
    }

    /// How long it lasted, or lasts at `now_ms`.
    pub fn lasted_ms(&self, now_ms: i64) -> i64 {
        self.recovered_ms.unwrap_or(now_ms).saturating_sub(self.opened_ms).max(0)
    }

    fn add_moment(&mut self, at_ms: i64, what: String) {
        if self.timeline.len() >= TIMELINE_MAX {
            // How it began stays.
            self.timeline.remove(1);
        }
        self.timeline.push(Moment { at_ms, what });
    }
}

impl IncidentId {
    /// From its 26 characters.
    ///
    /// # Errors
    /// [`IncidentIdError`] for another text.
    pub fn parse(text: &str) -> Result<IncidentId, IncidentIdError> {
        Ulid::from_string(text)
            .map(IncidentId)
            .map_err(|_| IncidentIdError(text.to_owned()))
    }

    /// Derived from what is opened and when, so that two watchers who open the same at the same moment make one. `tried` tells apart what is opened twice
    /// in a millisecond.
    fn of(cause: &str, at_ms: i64, tried: u32) -> IncidentId {
        let mut hash = Sha256::new();
        hash.update(cause);
        hash.update(at_ms.to_be_bytes());
        hash.update(tried.to_be_bytes());
        let mut random = [0; 16];
        for (to, from) in random.iter_mut().skip(6).zip(hash.finalize()) {
            *to = from;
        }
        IncidentId(Ulid::from_parts(u64::try_from(at_ms).unwrap_or(0), u128::from_be_bytes(random)))
    }

    /// Its key on the shelf, whose order is that of the bytes: turned over, so that the newest comes first.
    fn shelf_key(self) -> String {
        Ulid(!self.0.0).to_string()
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for IncidentId {
    type Error = IncidentIdError;
    fn try_from(text: String) -> Result<IncidentId, IncidentIdError> {
        IncidentId::parse(&text)
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> String {
        id.to_string()
    }
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::DeadLetter => "dead_letter",
            Kind::FailedRun => "failed_run",
            Kind::MissedRun => "missed_run",
            Kind::LateRun => "late_run",
            Kind::SkippedRuns => "skipped_runs",
            Kind::StuckObject => "stuck_object",
            Kind::RejectsOverLimit => "rejects_over_limit",
            Kind::NotShown => "not_shown",
            Kind::UnreadableMessage => "unreadable_message",
            Kind::BackupFailed => "backup_failed",
            Kind::BackupLate => "backup_late",
            Kind::DrillFailed => "drill_failed",
            Kind::DrillLate => "drill_late",
        }
    }
}

/// The text, cut at a character when it is too long.
fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;
