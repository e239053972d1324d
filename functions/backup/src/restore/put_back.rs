//! The documents of a backup back into their collections, then the indexes, the validators and the views.

use super::mark::{Mark, Stage};
use super::{Restoring, count};
use crate::archive::{Documents, Event, Reader};
use crate::manifest::Part;
use crate::{Error, stored};
use bson::RawDocument;
use ledger::Step;

/// The most sentences of what a server could not do that are kept.
const WARNINGS_MAX: usize = 100;

/// What was put back of a part.
#[derive(Default)]
struct Tally {
    documents: u64,
    inserted: u64,
    already_there: u64,
}

impl Restoring<'_> {
    /// Puts back the documents of the parts that are not done. The part at which the time was up, if it was.
    pub(super) async fn put_back_documents(&self, mark: &mut Mark) -> Result<Option<usize>, Error> {
        let Stage::Documents { part: done } = mark.stage else {
            return Ok(None);
        };
        for (index, part) in self.manifest.parts.iter().enumerate().skip(done) {
            if !self.selection.reads(part) {
                continue;
            }
            if self.run.is_out_of_time() {
                return Ok(Some(index));
            }
            let Some(tally) = self.put_back_part(part).await? else {
                return Ok(Some(index));
            };
            mark.stage = Stage::Documents { part: index + 1 };
            mark.documents += tally.documents;
            mark.inserted += tally.inserted;
            mark.already_there += tally.already_there;
            mark.bytes += part.size;
            self.set_mark(mark).await?;
            self.run.reached(Step::PartPutBack { number: count(index + 1) })?;
            self.progress
                .part(count(index + 1), count(self.manifest.parts.len()), mark.documents, mark.bytes);
        }
        let put_back = mark.inserted + mark.already_there;
        if put_back != mark.documents {
            return Err(Error::Unbalanced {
                id: self.manifest.id.clone(),
                database: self.database.clone(),
                documents: mark.documents,
                put_back,
            });
        }
        mark.stage = Stage::Completing { done: 0 };
        Ok(None)
    }

    /// Puts back what is wanted of a part, which is compared with the manifest once more before. `None` when the time was up: it is done again then.
    async fn put_back_part(&self, part: &Part) -> Result<Option<Tally>, Error> {
        let bytes = stored::part(&self.manifest.id, part, self.vault).await?;
        let damaged = |problem: String| Error::Damaged {
            id: self.manifest.id.clone(),
            object: part.key.clone(),
            problem,
        };
        let mut tally = Tally::default();
        let mut packed = bytes.as_slice();
        let mut reader = Reader::of_part(&self.manifest.database);
        while let Some(event) = reader.next(&mut packed).map_err(|error| damaged(crate::error::chain(&error)))? {
            let Event::Documents(documents) = event else { continue };
            if !self.selection.touches(documents.collection) {
                continue;
            }
            if tally.documents > 0 && self.run.is_out_of_time() {
                return Ok(None);
            }
            self.put_back_batch(&documents, &mut tally).await?;
        }
        Ok(Some(tally))
    }

    async fn put_back_batch(&self, documents: &Documents<'_>, tally: &mut Tally) -> Result<(), Error> {
        let batch: Vec<&RawDocument> = self.wanted(documents).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let put = self.target.put_back(documents.collection, &batch).await?;
        tally.documents += batch.len() as u64;
        tally.inserted += put.inserted;
        tally.already_there += put.already_there;
        self.run.reached(Step::BatchPutBack {
            documents: batch.len() as u64,
        })?;
        Ok(())
    }

    /// Makes the indexes, validators and views. `false` when the time was up before the last.
    pub(super) async fn complete(&self, mark: &mut Mark) -> Result<bool, Error> {
        let Stage::Completing { done } = mark.stage else { return Ok(true) };
        // A view must come after what it is a view of.
        let collections = || self.selection.collections(self.manifest);
        let ordered = collections().filter(|it| !it.view).chain(collections().filter(|it| it.view));
        for (index, collection) in ordered.enumerate().skip(done) {
            if index > done && self.run.is_out_of_time() {
                return Ok(false);
            }
            let warnings = self.target.complete(&self.namespace(collection)?).await?;
            let room = WARNINGS_MAX.saturating_sub(mark.warnings.len());
            mark.warnings.extend(warnings.into_iter().take(room));
            mark.stage = Stage::Completing { done: index + 1 };
            self.set_mark(mark).await?;
            self.run.reached(Step::NamespaceCompleted)?;
        }
        Ok(true)
    }
}
