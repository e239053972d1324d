//! Backups and drills: whether the last that came to an end failed, and whether the last good one is older than was promised. Pure.

use crate::ports::Task;
use lake::RunId;
use ledger::{BackupRecord, BackupState, DrillRecord, DrillState};

/// A backup or drill that says it runs, but gave no sign of life for so long, is not counted on any more.
pub const SILENT_MS: i64 = 30 * 60_000;

/// How old the last good backup and the last good drill may be; `None`: no age is promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    pub backup_ms: Option<i64>,
    pub drill_ms: Option<i64>,
}

/// A backup or a drill, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: RunId,
    /// What was written before that is in it; what was written later may not be.
    pub began_ms: i64,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Running {
        /// Its last sign of life.
        alive_ms: i64,
    },
    Good {
        ended_ms: i64,
    },
    Failed {
        ended_ms: i64,
        message: String,
    },
}

/// How the last that came to an end came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<'a> {
    /// None did.
    None,
    Well(&'a Entry),
    Failed {
        failed: &'a Entry,
        message: &'a str,
    },
}

/// Whether a promised age is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age<'a> {
    Kept,
    /// It is missed, and this one is at work: it is waited for.
    AtWork(&'a Entry),
    Missed(Late<'a>),
}

/// A promised age that is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late<'a> {
    /// Since when it is missed.
    pub at_ms: i64,
    pub promised_ms: i64,
    /// `None`: there was none ever.
    pub last_good: Option<&'a Entry>,
    /// Since when one was waited for.
    pub since_ms: i64,
    pub meanwhile: Meanwhile<'a>,
}

/// What there is in the place of a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile<'a> {
    /// None was begun after the last good one.
    Nothing,
    /// It has run for longer than the promised age.
    Running(&'a Entry),
    /// It says that it runs, but gave no sign of life since `alive_ms`.
    Silent {
        silent: &'a Entry,
        alive_ms: i64,
    },
    Failed(&'a Entry),
}

/// The last that came to an end, whichever began first: one that was begun again and went well shows that the fault is gone.
pub fn ended(entries: &[Entry]) -> Ended<'_> {
    let last = entries
        .iter()
        .filter_map(|entry| Some((entry.ended_ms()?, entry.id, entry)))
        .max_by_key(|(ended_ms, id, _)| (*ended_ms, *id));
    match last {
        Some((_, _, entry)) => match &entry.state {
            State::Failed { message, .. } => Ended::Failed { failed: entry, message },
            State::Running { .. } | State::Good { .. } => Ended::Well(entry),
        },
        None => Ended::None,
    }
}

/// The good one that holds the newest.
pub fn last_good(entries: &[Entry]) -> Option<&Entry> {
    let good = entries.iter().filter(|entry| entry.is_good());
    good.max_by_key(|entry| (entry.began_ms, entry.id))
}

/// Whether the promised age is kept at `now_ms`. It is counted from the last good one, but not from before `since_ms`, when one was waited for first. One
/// that is at work, gives signs of life and has not taken longer than the promised age itself is waited for.
pub fn age(entries: &[Entry], since_ms: i64, promised_ms: i64, now_ms: i64) -> Age<'_> {
    let last_good = last_good(entries);
    let at_ms = last_good
        .map_or(since_ms, |good| good.began_ms.max(since_ms))
        .saturating_add(promised_ms);
    if now_ms <= at_ms {
        return Age::Kept;
    }
    let is_after = |entry: &&Entry| last_good.is_none_or(|good| entry.id > good.id);
    if let Some(at_work) = entries.iter().filter(is_after).find(|entry| entry.is_at_work(promised_ms, now_ms)) {
        return Age::AtWork(at_work);
    }
    let newest = entries.iter().filter(is_after).max_by_key(|entry| entry.id);
    let meanwhile = match newest.map(|entry| (entry, &entry.state)) {
        None | Some((_, State::Good { .. })) => Meanwhile::Nothing,
        Some((failed, State::Failed { .. })) => Meanwhile::Failed(failed),
        Some((silent, State::Running { alive_ms })) if is_silent(*alive_ms, now_ms) => Meanwhile::Silent {
            silent,
            alive_ms: *alive_ms,
        },
        Some((running, State::Running { .. })) => Meanwhile::Running(running),
    };
    Age::Missed(Late {
        at_ms,
        promised_ms,
        last_good,
        since_ms,
        meanwhile,
    })
}

fn is_silent(alive_ms: i64, now_ms: i64) -> bool {
    now_ms.saturating_sub(alive_ms) > SILENT_MS
}

impl Promised {
    pub fn of(&self, task: Task) -> Option<i64> {
        match task {
            Task::Backup => self.backup_ms,
            Task::Drill => self.drill_ms,
        }
    }
}

impl From<&BackupRecord> for Entry {
    fn from(record: &BackupRecord) -> Entry {
        let ended_ms = record.ended_ms.unwrap_or(record.seen_ms);
        Entry {
            id: record.id,
            began_ms: record.began_ms,
            state: match &record.state {
                BackupState::Running => State::Running { alive_ms: record.seen_ms },
                BackupState::Done => State::Good { ended_ms },
                BackupState::Failed { message, .. } => State::Failed {
                    ended_ms,
                    message: message.clone(),
                },
            },
        }
    }
}

impl From<&DrillRecord> for Entry {
    fn from(record: &DrillRecord) -> Entry {
        let ended_ms = record.ended_ms.unwrap_or(record.seen_ms);
        Entry {
            id: record.id,
            began_ms: record.began_ms,
            state: match &record.state {
                DrillState::Running => State::Running { alive_ms: record.seen_ms },
                DrillState::Done => State::Good { ended_ms },
                DrillState::Failed { message } => State::Failed {
                    ended_ms,
                    message: message.clone(),
                },
            },
        }
    }
}

impl Entry {
    pub fn is_good(&self) -> bool {
        matches!(self.state, State::Good { .. })
    }

    pub fn ended_ms(&self) -> Option<i64> {
        match &self.state {
            State::Running { .. } => None,
            State::Good { ended_ms } | State::Failed { ended_ms, .. } => Some(*ended_ms),
        }
    }

    fn is_at_work(&self, promised_ms: i64, now_ms: i64) -> bool {
        let is_alive = matches!(self.state, State::Running { alive_ms } if !is_silent(alive_ms, now_ms));
        is_alive && now_ms.saturating_sub(self.began_ms) <= promised_ms
    }
}
