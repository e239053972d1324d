//! What takes keys from the queues and calls `clean` and `load`: one of each at a time, with patience for what may pass by itself.

use crate::{
    failure::chain,
    local::{Place, events::Queues, routes::Function},
    output::numbers::{count, counted},
};
use documents::DocumentsError;
use lake::{CleanKey, Key, Part, RawKey};
use ledger::{Interrupted, Missing, Next, Refused, Run};
use load::Replacement;
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc::Receiver;

/// How often one object is tried again.
const RETRIES_MAX: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(200);

/// An object that could not be cleaned or loaded. It stays owed in the ledger, so the next run tries it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub object: String,
    pub raw: Option<RawKey>,
    pub message: String,
    /// Nothing failed, but the documents of its `replace` run are not what readers see.
    pub not_shown: bool,
}

impl Problem {
    /// A complete `replace` run that must not be shown, though each of its objects was loaded. `raw`: any of its objects.
    pub fn refused(refused: Refused, raw: &RawKey) -> Problem {
        Problem::not_shown(raw, format!("{}: the documents of the run before stay", why_refused(refused)))
    }

    fn not_shown(raw: &RawKey, message: String) -> Problem {
        let marker = RawKey {
            part: Part::End,
            ..raw.clone()
        };
        Problem {
            object: marker.key().to_string(),
            raw: Some(marker),
            message,
            not_shown: true,
        }
    }
}

/// The problems of a run, as they are found.
#[derive(Clone, Default)]
pub struct Problems(Arc<Mutex<Vec<Problem>>>);

impl Problems {
    /// Notes a problem, once.
    pub fn add(&self, problem: Problem) {
        let mut problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn take(&self) -> Vec<Problem> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why the store of documents can't be had, once that is known: then nothing more is loaded in this run, and waits in `clean/` for the next.
#[derive(Clone)]
pub struct Away {
    why: Arc<OnceLock<String>>,
    /// A server has its own patience: what it says after that holds for the next object too.
    is_server: bool,
}

impl Away {
    pub fn of(place: &Place) -> Away {
        Away {
            why: Arc::default(),
            is_server: *place != Place::Embedded,
        }
    }

    pub fn set(&self, error: &DocumentsError) {
        // The first reason is the one that is told.
        let _ = self.why.set(chain(error));
    }

    pub fn why(&self) -> Option<String> {
        self.why.get().cloned()
    }

    /// Whether this means that the next object would not be taken either.
    fn is(&self, error: &DocumentsError) -> bool {
        self.is_server
            && !matches!(
                error,
                DocumentsError::NotClean { .. }
                    | DocumentsError::Damaged { .. }
                    | DocumentsError::NotOurCollection { .. }
                    | DocumentsError::Refused { .. }
                    | DocumentsError::Denied { .. }
            )
    }
}

/// What both functions work with.
#[derive(Clone)]
pub struct Workers {
    pub run: Run,
    pub clean: Arc<clean::Services>,
    pub load: Arc<load::Services>,
    pub problems: Problems,
    pub away: Away,
}

impl Workers {
    /// Cleans whatever is announced, until the queue ends; then nothing more will come for `load`.
    pub async fn clean_all(self, mut queue: Receiver<Key>, queues: Queues) -> Result<(), Interrupted> {
        while let Some(key) = queue.recv().await {
            match RawKey::parse(key.as_str()) {
                Ok(raw) => {
                    self.clean(&clean::Input { raw, definition: None }).await?;
                }
                Err(error) => self.failed(&key, None, &error),
            }
        }
        queues.close(Function::Load);
        Ok(())
    }

    /// Loads whatever is announced, until the queue ends.
    pub async fn load_all(self, mut queue: Receiver<Key>) -> Result<(), Interrupted> {
        while let Some(key) = queue.recv().await {
            match CleanKey::parse(key.as_str()) {
                Ok(clean) => {
                    self.load(&load::Input {
                        clean,
                        again_in_order: false,
                    })
                    .await?;
                }
                Err(error) => self.failed(&key, None, &error),
            }
        }
        Ok(())
    }

    /// Cleans one raw object. A failure is noted, and the others go on.
    pub async fn clean(&self, input: &clean::Input) -> Result<Option<clean::Outcome>, Interrupted> {
        let mut attempts = 0;
        loop {
            match clean::handle(input, &self.run, &self.clean).await {
                Ok(outcome) => return Ok(Some(outcome)),
                Err(clean::Error::Interrupted { .. }) => return Err(Interrupted),
                Err(error) if error.next() == Next::Retry && attempts < RETRIES_MAX => back_off(&mut attempts).await,
                Err(error) => {
                    self.failed(&input.raw.key(), Some(&input.raw), &error);
                    return Ok(None);
                }
            }
        }
    }

    /// Loads one clean object. A failure is noted, and the others go on, unless the store is away.
    pub async fn load(&self, input: &load::Input) -> Result<Option<load::Outcome>, Interrupted> {
        if self.away.why().is_some() {
            return Ok(None);
        }
        let mut attempts = 0;
        loop {
            match load::handle(input, &self.run, &self.load).await {
                Ok(outcome) => {
                    self.look_at(outcome.replacement, &input.clean.raw);
                    return Ok(Some(outcome));
                }
                Err(load::Error::Interrupted { .. }) => return Err(Interrupted),
                Err(load::Error::Documents(error)) if self.away.is(&error) => {
                    self.away.set(&error);
                    return Ok(None);
                }
                Err(error) if error.next() == Next::Retry && attempts < RETRIES_MAX => back_off(&mut attempts).await,
                Err(error) => {
                    self.failed(&input.clean.clean(), Some(&input.clean.raw), &error);
                    return Ok(None);
                }
            }
        }
    }

    /// A complete `replace` run that must not be shown has failed, though each of its objects was loaded.
    fn look_at(&self, replacement: Option<Replacement>, raw: &RawKey) {
        let Some(Replacement::Refused(refused)) = replacement else { return };
        self.problems.add(Problem::refused(refused, raw));
    }

    /// A `replace` run of which nothing more comes, and that waits all the same, is never shown.
    pub fn waits(&self, missing: Missing, raw: &RawKey) {
        let why = match missing {
            Missing::Marker => {
                "it has no end marker, since its extraction did not end, or the resource was not `replace` then: run the pipeline again"
                    .to_owned()
            }
            Missing::Loads(parts) | Missing::CleanFacts(parts) => {
                format!("{} of it could not be brought in: replay again", counted(parts.into(), "part"))
            }
        };
        let message = format!("readers do not see the documents of run {}: {why}", raw.run);
        self.problems.add(Problem::not_shown(raw, message));
    }

    fn failed(&self, key: &Key, raw: Option<&RawKey>, error: &dyn std::error::Error) {
        self.problems.add(Problem {
            object: key.to_string(),
            raw: raw.cloned(),
            message: chain(error),
            not_shown: false,
        });
    }
}

/// Why a complete `replace` run is not shown, in words.
pub fn why_refused(refused: Refused) -> String {
    match refused {
        Refused::RejectsOverLimit { rejected, records_in } => {
            let (rejected, records) = (count(rejected), counted(records_in, "record"));
            format!("{rejected} of {records} were rejected or refused, more than `reject_limit` allows")
        }
        Refused::Empty => "the run brought no document, and `allow_empty` is not set".to_owned(),
    }
}

async fn back_off(attempts: &mut u32) {
    *attempts += 1;
    tokio::time::sleep(BACKOFF * *attempts).await;
}
