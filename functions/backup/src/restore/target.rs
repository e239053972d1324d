//! What is in the way in the target of a restore, and taking it away.

use super::Restoring;
use super::mark::{Mark, Stage};
use super::selection::CONTROL;
use crate::archive::Documents;
use crate::manifest::Collection;
use crate::{Error, archive};
use bson::RawDocument;
use documents::{DocumentsError, Namespace};
use ledger::Step;
use std::sync::PoisonError;

/// What there is in the target.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// The mark of this very restore, from which it goes on.
    pub goes_on: Option<Mark>,
    /// What is there under the names that are restored.
    pub there: Vec<String>,
    /// What a restore made that is to be thrown away.
    thrown_away: Vec<String>,
}

impl Restoring<'_> {
    /// Whether the target can be restored into. Nothing is changed.
    pub(super) async fn look(&self) -> Result<Looked, Error> {
        let mut looked = Looked::default();
        let text = self.target.mark().await?;
        self.seen(text.clone());
        if let Some(text) = text {
            match serde_json::from_str::<Mark>(&text) {
                Ok(mark) if self.wish.start_over => looked.thrown_away = mark.makes,
                Ok(mark) if mark.backup == self.manifest.id && mark.only == self.selection.only() => {
                    looked.goes_on = Some(mark);
                    return Ok(looked);
                }
                Ok(mark) => {
                    return Err(Error::HalfRestored {
                        database: self.database.clone(),
                        by: mark.by(),
                    });
                }
                Err(_) if self.wish.start_over => {}
                Err(error) => {
                    return Err(Error::UnknownMark {
                        database: self.database.clone(),
                        problem: error.to_string(),
                    });
                }
            }
        }
        self.check_fits()?;
        let wanted = self.selection.names(self.manifest);
        let is_in_the_way = |name: &String| *name != CONTROL && wanted.contains(name) && !looked.thrown_away.contains(name);
        looked.there = self
            .target
            .namespaces()
            .await?
            .into_iter()
            .map(|namespace| namespace.name)
            .filter(is_in_the_way)
            .collect();
        if !looked.there.is_empty() && !self.wish.replace && !self.wish.dry_run {
            return Err(Error::NotEmpty {
                database: self.database.clone(),
                collections: in_words(&looked.there),
            });
        }
        Ok(looked)
    }

    /// The mark of a restore that begins.
    pub(super) fn first_mark(&self, looked: &Looked) -> Mark {
        let mut makes = self.selection.names(self.manifest);
        makes.retain(|name| name != CONTROL);
        for name in &looked.thrown_away {
            if !makes.contains(name) {
                makes.push(name.clone());
            }
        }
        Mark {
            backup: self.manifest.id.clone(),
            holder: self.holder.clone(),
            only: self.selection.only(),
            stage: Stage::Dropping,
            makes,
            drops: looked.there.iter().chain(&looked.thrown_away).cloned().collect(),
            replaced: looked.there.clone(),
            ..Mark::default()
        }
    }

    /// A store that can't keep all of it (the embedded one has no views) says so now, and not when something was dropped or after all documents.
    fn check_fits(&self) -> Result<(), Error> {
        for collection in self.selection.collections(self.manifest) {
            self.target.fits(&self.namespace(collection)?)?;
        }
        Ok(())
    }

    /// The same of documents: what Tidemill did not write is nothing for the embedded store.
    pub(super) fn check_documents(&self, documents: &Documents<'_>) -> Result<(), Error> {
        if !self.selection.touches(documents.collection) {
            return Ok(());
        }
        let wanted: Vec<&RawDocument> = self.wanted(documents).collect();
        Ok(self.target.fits_documents(documents.collection, &wanted)?)
    }

    /// The documents of a batch that are restored.
    pub(super) fn wanted<'d>(&self, documents: &'d Documents<'_>) -> impl Iterator<Item = &'d RawDocument> {
        documents
            .iter()
            .filter(|document| self.selection.wants(documents.collection, document))
    }

    pub(super) async fn set_mark(&self, mark: &Mark) -> Result<(), Error> {
        let text = serde_json::to_string(mark).map_err(|error| DocumentsError::Unavailable {
            action: "write the mark of a restore",
            collection: self.database.clone(),
            source: error.into(),
        })?;
        self.still_ours().await?;
        self.target.set_mark(Some(&text)).await?;
        self.seen(Some(text));
        Ok(())
    }

    /// Takes the mark away: the target is whole.
    pub(super) async fn take_mark_away(&self) -> Result<(), Error> {
        self.still_ours().await?;
        self.target.set_mark(None).await?;
        self.seen(None);
        Ok(())
    }

    /// Whether the mark is as this worker saw or wrote it last. Looking and writing are two steps, so two workers that begin in the same moment may both pass
    /// once; the one whose mark was written over stops at its next step.
    pub(super) async fn still_ours(&self) -> Result<(), Error> {
        let there = self.target.mark().await?;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen == there {
            true => Ok(()),
            false => Err(Error::RestoredByAnother {
                database: self.database.clone(),
            }),
        }
    }

    fn seen(&self, text: Option<String>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Takes away what is in the way, and makes the collections.
    pub(super) async fn drop_and_make(&self, mark: &Mark) -> Result<(), Error> {
        for name in &mark.drops {
            self.still_ours().await?;
            self.target.drop_namespace(name).await?;
            self.run.reached(Step::NamespaceDropped)?;
        }
        let collections = || self.selection.collections(self.manifest).filter(|collection| !collection.view);
        for name in collections().map(|collection| &collection.name).filter(|name| *name != CONTROL) {
            // A collection that somebody dropped has left what is of the moment for it: a receipt would say that a replayed batch is written.
            if !mark.drops.contains(name) && self.target.identity(name).await?.is_none() {
                self.target.drop_namespace(name).await?;
            }
        }
        if self.selection.has(CONTROL) {
            // What is noted of collections that are not there: the backup's own notes take its place.
            self.target.drop_namespace(CONTROL).await?;
            self.run.reached(Step::NamespaceDropped)?;
        }
        for collection in collections() {
            self.target.create(&self.namespace(collection)?).await?;
            self.run.reached(Step::NamespaceMade)?;
        }
        Ok(())
    }

    /// A collection or view, as the backup has it.
    pub(super) fn namespace(&self, collection: &Collection) -> Result<Namespace, Error> {
        let namespace = archive::namespace(&collection.metadata).map_err(|error| Error::Damaged {
            id: self.manifest.id.clone(),
            object: format!("the manifest, at `{}`", collection.name),
            problem: crate::error::chain(&error),
        })?;
        Ok(if self.keeps_all { keeping_all(namespace) } else { namespace })
    }
}

/// The same, but for what lets a server take documents away by itself: those that have expired since, or for which a capped collection has no room.
fn keeping_all(mut namespace: Namespace) -> Namespace {
    for option in ["expireAfterSeconds", "capped", "size", "max"] {
        namespace.options.remove(option);
    }
    for index in &mut namespace.indexes {
        index.remove("expireAfterSeconds");
    }
    namespace
}

/// The first few names.
fn in_words(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
