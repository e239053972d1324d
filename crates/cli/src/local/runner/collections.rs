//! The collections of a run become as their contracts say: made and relaxed before anything is fetched, tightened at the end, when nothing of an older
//! definition can come any more.

use super::{Problem, ResourceReport, Runner, RunnerError};
use crate::{failure::chain, output::numbers::count, publish};
use documents::{Change, Contract, DocumentsError, Tightness};
use ledger::ResourceId;
use pipeline::{Checked, Name, Resource};

/// The collections that a run or replay writes.
pub(super) struct Collections(Vec<Collection>);

struct Collection {
    owner: ResourceId,
    contract: Contract,
    /// What was carried out, whether the server could do it or not.
    tried: Vec<Change>,
    changes: Vec<String>,
    notices: Vec<String>,
    error: Option<String>,
}

impl Collections {
    pub fn of(pipeline: &Name, resources: &[&Resource]) -> Collections {
        let collections = resources.iter().map(|resource| Collection::of(pipeline, resource));
        Collections(collections.collect())
    }

    /// Puts into a resource's report what was done to its collection, and what could not be.
    pub fn tell(&mut self, report: &mut ResourceReport) {
        let of_resource = self.0.iter_mut().find(|collection| collection.owner.resource == report.resource);
        let Some(collection) = of_resource else { return };
        report.changes.append(&mut collection.changes);
        report.notices.append(&mut collection.notices);
        if let Some(message) = collection.error.take() {
            report.problems.push(Problem {
                object: format!("the collection `{}`", collection.contract.collection),
                raw: None,
                message,
                not_shown: false,
            });
        }
    }
}

impl Collection {
    fn of(pipeline: &Name, resource: &Resource) -> Collection {
        let owner = ResourceId {
            pipeline: pipeline.clone(),
            resource: resource.name.clone(),
        };
        Collection {
            contract: Contract::of(resource, &owner.to_string()),
            owner,
            tried: Vec::new(),
            changes: Vec::new(),
            notices: Vec::new(),
            error: None,
        }
    }

    /// Says something once.
    fn note(&mut self, text: String) {
        if !self.notices.contains(&text) {
            self.notices.push(text);
        }
    }

    /// Whether what is planned was not tried in this run yet.
    fn is_new(&self, change: &Change) -> bool {
        !self.tried.contains(change)
    }
}

impl Runner {
    /// Makes the collections, and relaxes their validators, before anything is fetched: what is set wrongly is said at once, and nothing was begun.
    /// Answers with the error when the store is only away: the source may not have tomorrow what it has today, so fetching and cleaning go on.
    pub(super) async fn prepare(&self, collections: &mut Collections) -> Result<Option<DocumentsError>, RunnerError> {
        for collection in &mut collections.0 {
            match self.bring(collection, Tightness::Relaxed).await {
                Ok(()) => {}
                Err(error) if error.passes() => return Ok(Some(error)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Tightens the validators of collections to which nothing of an older definition can come. What goes wrong is told in the reports: the documents are there.
    pub(super) async fn tighten(&self, checked: &Checked, collections: &mut Collections, skipped: &[Name]) -> Result<(), RunnerError> {
        let unfinished = self.home.ledger.unfinished(&checked.pipeline.pipeline).await?;
        for collection in &mut collections.0 {
            // Whoever is at the resource tightens.
            if skipped.contains(&collection.owner.resource) {
                continue;
            }
            let older = publish::older(self.home.ledger.as_ref(), &collection.owner, checked.hash.as_str(), &unfinished).await?;
            let done = match older {
                0 => self.bring(collection, Tightness::Tight).await,
                older => self.stay_relaxed(collection, older).await,
            };
            if let Err(error) = done {
                collection.error = Some(chain(&error));
            }
        }
        Ok(())
    }

    async fn stay_relaxed(&self, collection: &mut Collection, older: u64) -> Result<(), DocumentsError> {
        let planned = self.home.documents.plan(&collection.contract, Tightness::Tight).await?;
        if planned.iter().any(|change| collection.is_new(change)) {
            let objects = match older {
                1 => "1 object of theirs is".to_owned(),
                older => format!("{} objects of theirs are", count(older)),
            };
            collection.note(format!(
                "the validator of `{}` still allows what older definitions allow: {objects} to be loaded yet",
                collection.contract.collection
            ));
        }
        Ok(())
    }

    /// Plans, shows, does.
    async fn bring(&self, collection: &mut Collection, tightness: Tightness) -> Result<(), DocumentsError> {
        let name = collection.contract.collection.clone();
        let mut planned = self.home.documents.plan(&collection.contract, tightness).await?;
        planned.retain(|change| collection.is_new(change));
        if planned.is_empty() {
            return Ok(());
        }
        for change in &planned {
            match change {
                Change::Leave { what } => collection.note(format!("`{name}`: {what}")),
                _ => {
                    self.progress.say(&format!("{name}: {change}"));
                    collection.changes.push(change.to_string());
                }
            }
        }
        collection.tried.extend(planned.iter().cloned());
        for left in self.home.documents.carry_out(&collection.contract, &planned).await? {
            collection.note(format!("`{name}`: {left}"));
        }
        Ok(())
    }
}
