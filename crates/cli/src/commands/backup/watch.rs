//! How far a backup, a restore or a drill is, shown while it goes on.

use crate::output::{
    numbers::{bytes, count, counted},
    progress::Progress,
};
use ledger::{Interrupted, Observer, Step};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts the steps, and shows them.
pub(in crate::commands) struct Watch {
    progress: Progress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    doing: &'static str,
    parts: u32,
    documents: u64,
    bytes: u64,
}

impl Watch {
    pub fn new(progress: Progress, doing: &'static str) -> Watch {
        Watch {
            progress,
            state: Mutex::new(State { doing, ..State::default() }),
        }
    }

    /// Takes the drawing away.
    pub fn end(&self) {
        self.progress.end();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watch {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        let mut state = self.state();
        match step {
            Step::PartPut { bytes, .. } => state.bytes += bytes,
            Step::PartNoted { number, documents } => {
                state.parts = *number;
                state.documents += documents;
            }
            Step::Compared { documents } => {
                state.doing = "comparing";
                state.documents += documents;
            }
            Step::Verified => {
                *state = State {
                    doing: "restoring",
                    ..State::default()
                };
                self.progress.say("every byte is as it was written");
                return Ok(());
            }
            _ => return Ok(()),
        }
        let text = state.text();
        self.progress.tell(&text);
        Ok(())
    }
}

impl State {
    fn text(&self) -> String {
        let parts = match self.parts {
            0 => String::new(),
            parts => format!("part {}, ", count(parts.into())),
        };
        let stored = match self.bytes {
            0 => String::new(),
            stored => format!(", {}", bytes(stored)),
        };
        format!("{}: {parts}{}{stored}", self.doing, counted(self.documents, "document"))
    }
}

impl ::backup::Progress for Watch {
    fn part(&self, done: u32, of: u32, documents: u64, stored: u64) {
        let text = format!(
            "{}: part {} of {}, {}, {}",
            self.state().doing,
            count(done.into()),
            count(of.into()),
            counted(documents, "document"),
            bytes(stored),
        );
        self.progress.tell(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_and_a_verified_backup_is_counted_anew() {
        let watch = Watch::new(Progress::silent(), "backing up");
        let reached = |step: Step| assert_eq!(watch.reached(&step), Ok(()));
        for number in 1..=2 {
            reached(Step::PartPut { number, bytes: 600_000 });
            reached(Step::PartNoted { number, documents: 1_000 });
        }
        assert_eq!(watch.state().text(), "backing up: part 2, 2,000 documents, 1.1 MB");
        reached(Step::Verified);
        reached(Step::Compared { documents: 1 });
        assert_eq!(watch.state().text(), "comparing: 1 document");
    }
}
