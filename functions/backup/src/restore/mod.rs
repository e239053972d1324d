//! Puts a backup back: all of it is verified before anything is changed, then read again and put back, part by part. A mark in the target says how far it is, and
//! that the target is not whole while it stands; the same restore goes on from there.
//!
//! Memory: one part as stored, and what it takes to read it (17 MB at most).

mod mark;
mod put_back;
mod selection;
mod target;

use crate::archive::Documents;
use crate::manifest::Manifest;
use crate::verify::{Verification, Verified, verified};
use crate::{Error, Progress};
use documents::Database;
use lake::Store;
use ledger::{Run, Step};
pub use mark::HalfRestored;
pub(crate) use mark::Mark;
use mark::Stage;
use selection::Selection;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;

/// How a backup is put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Only these collections and views; empty: all.
    pub only: Vec<String>,
    /// Whether what is there under the same names is taken away first.
    pub replace: bool,
    /// Whether what another restore left half done is thrown away.
    pub start_over: bool,
    /// Everything is verified and looked at, and nothing is changed.
    pub dry_run: bool,
}

/// What became of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    Done(Report),
    /// The time was up: the same restore again goes on.
    HandedOver {
        part: u32,
        parts: u32,
    },
}

/// What was restored, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The backup's id.
    pub backup: String,
    /// The database it was restored into.
    pub database: String,
    pub verified: Verified,
    /// The collections and views that were restored, in the order of the backup.
    pub collections: Vec<String>,
    /// What was there under the same names, and was taken away; in a dry run: what would be.
    pub replaced: Vec<String>,
    /// Documents that were read from the backup: each was inserted, or its `_id` was taken.
    pub documents: u64,
    pub inserted: u64,
    pub already_there: u64,
    /// What the server could not do, as an index it does not know: a sentence each.
    pub warnings: Vec<String>,
    pub dry_run: bool,
}

/// Puts a backup back.
///
/// # Errors
/// [`Error`] says what is wrong, and what to do. Before all of the backup has been verified, nothing is changed; after it, the mark says so.
pub async fn restore(
    manifest: &Manifest,
    wish: &Wish,
    run: &Run,
    vault: &dyn Store,
    target: &dyn Database,
    progress: &dyn Progress,
) -> Result<Restored, Error> {
    let restoring = Restoring::new(manifest, wish, run, vault, target, progress).await?;
    // What can't be restored into is said before hours of reading.
    let looked = restoring.look().await?;
    let mut verification = Verification::default();
    let look = |documents: &Documents<'_>| restoring.check_documents(documents);
    if !verification.go_on(manifest, run, vault, progress, &look).await? {
        return Err(Error::OutOfTime {
            id: manifest.id.clone(),
            part: count(verification.part),
            parts: count(manifest.parts.len()),
        });
    }
    run.reached(Step::Verified)?;
    if wish.dry_run {
        let mut report = restoring.report(&Mark::default());
        report.replaced = looked.there;
        return Ok(Restored::Done(report));
    }
    match restoring.put_back().await? {
        PutBackAll::HandedOver { part } => Ok(restoring.handed_over(part)),
        PutBackAll::Whole(mark) => {
            restoring.take_mark_away().await?;
            run.reached(Step::RestoreEnded)?;
            Ok(Restored::Done(restoring.report(&mark)))
        }
    }
}

/// One restore at work.
pub(crate) struct Restoring<'a> {
    manifest: &'a Manifest,
    wish: &'a Wish,
    run: &'a Run,
    vault: &'a dyn Store,
    target: &'a dyn Database,
    progress: &'a dyn Progress,
    /// The target's name.
    database: String,
    selection: Selection,
    keeps_all: bool,
    /// Which worker this is.
    holder: String,
    /// The mark as it was seen or written last.
    seen: Mutex<Option<String>>,
}

/// What became of putting back what was verified.
pub(crate) enum PutBackAll {
    HandedOver {
        part: usize,
    },
    /// All is there. The mark still stands.
    Whole(Box<Mark>),
}

impl<'a> Restoring<'a> {
    pub async fn new(
        manifest: &'a Manifest,
        wish: &'a Wish,
        run: &'a Run,
        vault: &'a dyn Store,
        target: &'a dyn Database,
        progress: &'a dyn Progress,
    ) -> Result<Restoring<'a>, Error> {
        Ok(Restoring {
            manifest,
            wish,
            run,
            vault,
            target,
            progress,
            database: target.server().await?.database,
            selection: Selection::of(manifest, &wish.only)?,
            keeps_all: false,
            holder: format!("{:016x}", RandomState::new().hash_one(&manifest.id)),
            seen: Mutex::default(),
        })
    }

    /// So that the server takes nothing away before it is compared: nothing expires.
    pub fn keeping_all(self) -> Restoring<'a> {
        Restoring { keeps_all: true, ..self }
    }

    /// Puts back what has been verified.
    pub async fn put_back(&self) -> Result<PutBackAll, Error> {
        let looked = self.look().await?;
        let mut mark = match looked.goes_on {
            Some(mark) => {
                let mark = Mark {
                    holder: self.holder.clone(),
                    ..mark
                };
                self.set_mark(&mark).await?;
                mark
            }
            None => {
                let mark = self.first_mark(&looked);
                self.set_mark(&mark).await?;
                self.run.reached(Step::RestoreMarked)?;
                mark
            }
        };
        if mark.stage == Stage::Dropping {
            self.drop_and_make(&mark).await?;
            mark.stage = Stage::Documents { part: 0 };
            self.set_mark(&mark).await?;
            self.run.reached(Step::RestoreMarked)?;
        }
        if let Some(part) = self.put_back_documents(&mut mark).await? {
            return Ok(PutBackAll::HandedOver { part });
        }
        if !self.complete(&mut mark).await? {
            return Ok(PutBackAll::HandedOver {
                part: self.manifest.parts.len(),
            });
        }
        Ok(PutBackAll::Whole(Box::new(mark)))
    }

    pub fn report(&self, mark: &Mark) -> Report {
        Report {
            backup: self.manifest.id.clone(),
            database: self.database.clone(),
            verified: verified(self.manifest),
            collections: self.selection.names(self.manifest),
            replaced: mark.replaced.clone(),
            documents: mark.documents,
            inserted: mark.inserted,
            already_there: mark.already_there,
            warnings: mark.warnings.clone(),
            dry_run: self.wish.dry_run,
        }
    }

    fn handed_over(&self, part: usize) -> Restored {
        Restored::HandedOver {
            part: count(part),
            parts: count(self.manifest.parts.len()),
        }
    }
}

fn count(parts: usize) -> u32 {
    u32::try_from(parts).unwrap_or(u32::MAX)
}
