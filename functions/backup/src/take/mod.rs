//! Takes a backup: parts into the vault, a note after each, and the manifest last. Whatever was stopped goes on after its newest note.
//!
//! Memory: one part (16 MiB as stored), about 4 MB of documents that were read, one document more, and some hundred bytes a part and a collection for the
//! manifest: it does not grow with the documents.

mod begin;
mod checkpoint;
mod end;
mod fill;
mod plan;

use crate::manifest::Manifest;
use crate::retention::Class;
use crate::{Error, Policy, Services};
use begin::Begun;
use checkpoint::Checkpoint;
use fill::Reading;
use lake::RunId;
use ledger::{BackupRecord, Next, Run, Step};
use plan::Plan;

/// A backup to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The same id again goes on with what was stopped.
    pub id: RunId,
    /// Whether a database without documents is backed up.
    pub allow_empty: bool,
    pub policy: Policy,
}

/// What became of a backup.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    Done(Box<Manifest>),
    /// The time was up: the same id again goes on.
    HandedOver {
        id: RunId,
        parts: u32,
        documents: u64,
    },
    /// Another backup is at work, or has taken the place of this one.
    Busy {
        with: RunId,
    },
}

/// One backup at work.
struct Work<'a> {
    request: &'a Request,
    run: &'a Run,
    services: &'a Services,
    record: BackupRecord,
}

/// Takes a backup, or goes on with it. A backup that is done answers [`Taken::Done`] again.
///
/// # Errors
/// [`Error`] says what happened and, by [`Error::next`], whether trying again helps. A failure that does not pass is recorded, for `watch`; the same id can
/// still be tried again, and begins anew.
pub async fn take(request: &Request, run: &Run, services: &Services) -> Result<Taken, Error> {
    let record = match begin::begin(request, run, services).await? {
        Begun::Done(manifest) => return Ok(Taken::Done(manifest)),
        Begun::Busy { with } => return Ok(Taken::Busy { with }),
        Begun::Work(record) => record,
    };
    let work = Work {
        request,
        run,
        services,
        record,
    };
    let taken = work.go_on().await;
    if let Err(error) = &taken {
        match error {
            Error::Changed { .. } => end::anew(&work).await?,
            Error::Overtaken { .. } => end::tidy(&work).await?,
            // What failed is told, not that it could not be recorded.
            error if error.next() != Next::Retry => drop(end::failed(&work, &error.in_words()).await),
            _ => {}
        }
    }
    taken
}

impl Work<'_> {
    /// What it is kept as.
    fn class(&self) -> Class {
        // Only `begin` writes it; another text would be a damaged ledger, and the shortest lock is then the safe one.
        Class::parse(&self.record.class).unwrap_or(Class::Daily)
    }

    async fn go_on(&self) -> Result<Taken, Error> {
        let noted = Checkpoint::load(self.services.ledger.as_ref(), &self.record).await?;
        let (plan, mut checkpoint) = match noted {
            Some(checkpoint) => (Plan::of_first_part(&checkpoint, self).await?, checkpoint),
            None => {
                let plan = Plan::make(self).await?;
                let checkpoint = self.put_prelude(&plan).await?;
                (plan, checkpoint)
            }
        };
        let mut reading = Reading::default();
        loop {
            if checkpoint.has_ended() {
                return end::end(self, &plan, &checkpoint)
                    .await
                    .map(|manifest| Taken::Done(Box::new(manifest)));
            }
            if self.run.is_out_of_time() {
                self.run.reached(Step::HandedOver)?;
                return Ok(Taken::HandedOver {
                    id: self.request.id,
                    parts: checkpoint.parts(),
                    documents: checkpoint.documents(),
                });
            }
            self.put_next_part(&plan, &mut checkpoint, &mut reading).await?;
        }
    }
}
