//! Replay: `clean` and `load` again from `raw/`, under the pipeline file as it is now. The source is not asked.

use super::{Problem, ResourceReport, Runner, RunnerError, Since, Workers, clean_key, collections::Collections};
use crate::{
    local::{Found, lock::Tried, objects::Keys, set_aside::SetAside},
    publish::{self, Published},
};
use jiff::Timestamp;
use lake::{Part, RawKey};
use ledger::{Fact, Missing, ResourceId};
use load::Replacement;
use pipeline::{Checked, Name, Resource};

/// What became of a resource's raw objects.
#[derive(Clone, Debug)]
pub struct ReplayReport {
    /// How many raw objects were read.
    pub objects: u64,
    /// The numbers of this very replay; `run` and `extract` are empty.
    pub report: ResourceReport,
}

/// One replay of a pipeline.
struct Replay<'a> {
    runner: &'a Runner,
    workers: Workers,
    checked: &'a Checked,
    generation: u32,
    since: Option<Timestamp>,
}

impl Runner {
    /// Goes through the resources' raw objects in their order: of the runs that were at work at `since` or later, or of all.
    ///
    /// # Errors
    /// [`RunnerError`] for what stops everything. A failed object is in the reports, and the others go on.
    pub async fn replay(&self, found: &Found, only: Option<&Name>, since: Option<Timestamp>) -> Result<Vec<ReplayReport>, RunnerError> {
        let resources = super::chosen(&found.checked, only)?;
        publish::claim(self.home.ledger.as_ref(), &found.checked, &resources).await?;
        let pipeline = &found.checked.pipeline.pipeline;
        // What a run is at yet would be published over, and taken up twice.
        let _lock = match self.lock(pipeline)? {
            Tried::Taken(lock) => lock,
            Tried::Held(holder) => {
                return Err(RunnerError::Busy {
                    pipeline: pipeline.clone(),
                    holder,
                });
            }
        };
        let mut collections = Collections::of(pipeline, &resources);
        // All is in raw/ already: without its destination a replay has nothing to do.
        if let Some(error) = self.prepare(&mut collections).await? {
            return Err(error.into());
        }
        self.note_place(pipeline, &resources).await?;
        let Published { checked, generation } = publish::publish(&self.home.ports(), &found.checked, &found.text).await?;
        let replay = Replay {
            runner: self,
            workers: self.workers(self.home.store.clone()),
            checked: &checked,
            generation,
            since,
        };
        let mut reports = Vec::with_capacity(resources.len());
        for resource in resources {
            self.progress
                .begin(&format!("{}/{}", found.checked.pipeline.pipeline, resource.name));
            reports.push(replay.resource(resource).await?);
        }
        if replay.workers.away.why().is_none() {
            self.tighten(&checked, &mut collections, &[]).await?;
        }
        for replayed in &mut reports {
            collections.tell(&mut replayed.report);
        }
        Ok(reports)
    }
}

impl Replay<'_> {
    async fn resource(&self, resource: &Resource) -> Result<ReplayReport, RunnerError> {
        let pipeline = &self.checked.pipeline;
        let began = self.runner.run.clock.now_ms();
        let mut report = ResourceReport::new(pipeline, &resource.name);
        let (mut objects, mut set_aside) = (0, SetAside::default());
        // Of the newest run: an older one would not be shown in any case.
        let mut replacement = None;
        // The run of which parts failed, and how many.
        let mut failed = (None, 0);
        let id = ResourceId {
            pipeline: pipeline.pipeline.clone(),
            resource: resource.name.clone(),
        };
        let since = Since::of(self.runner.home.ledger.as_ref(), &id, self.since).await?;
        // In the order of their keys: run by run, and a run's marker after its parts.
        let mut keys = Keys::new(
            self.runner.home.store.clone(),
            RawKey::resource_prefix(&pipeline.pipeline, &resource.name),
        );
        while let Some(key) = keys.next().await? {
            // What is not ours in the folder is passed over.
            let Ok(raw) = RawKey::parse(key.as_str()) else { continue };
            if !since.asks_for(raw.run) {
                continue;
            }
            objects += 1;
            if raw.part == Part::End && failed.0 == Some(raw.run) {
                // What could not be brought in again would be missed by readers.
                replacement = Some((raw, Replacement::Waiting(Missing::Loads(failed.1))));
                continue;
            }
            let before = self.workers.problems.count();
            if let Some(decided) = self.object(&raw, &mut report, &mut set_aside).await? {
                replacement = Some((raw.clone(), decided));
            }
            if self.workers.problems.count() > before {
                failed = (Some(raw.run), if failed.0 == Some(raw.run) { failed.1 + 1 } else { 1 });
            }
            if self.workers.away.why().is_some() {
                break;
            }
        }
        if let Some((raw, Replacement::Waiting(missing))) = replacement {
            self.workers.waits(missing, &raw);
        }
        self.troubles(resource, &mut report).await?;
        if report.over_limit() {
            report.reasons = set_aside.reasons(self.runner.home.store.as_ref()).await?;
        }
        report.took_ms = self.runner.run.clock.now_ms() - began;
        Ok(ReplayReport { objects, report })
    }

    /// Takes what did not go well into the report. When nothing did, all documents are in this place now.
    async fn troubles(&self, resource: &Resource, report: &mut ResourceReport) -> Result<(), RunnerError> {
        let id = ResourceId {
            pipeline: report.pipeline.clone(),
            resource: resource.name.clone(),
        };
        report.problems = self.workers.problems.take();
        if let Some(why) = self.workers.away.why() {
            report.problems.push(Problem {
                object: id.to_string(),
                raw: None,
                message: format!("{why}; the replay stopped there: type it again when the store of documents is back"),
                not_shown: false,
            });
            return Ok(());
        }
        self.runner.forget_superseded(self.checked, &mut report.problems).await?;
        if report.problems.is_empty() && self.since.is_none() {
            self.runner.note_all(&id)?;
        }
        Ok(())
    }

    /// Cleans and loads one object. For `replace`, answers whether its run's documents are what readers see.
    async fn object(
        &self,
        raw: &RawKey,
        report: &mut ResourceReport,
        set_aside: &mut SetAside,
    ) -> Result<Option<Replacement>, RunnerError> {
        let definition = self.checked.hash.as_str();
        let clean = clean_key(raw, definition);
        let input = clean::Input {
            raw: raw.clone(),
            definition: Some((definition.to_owned(), self.generation)),
        };
        let Some(cleaned) = self.workers.clean(&input).await? else {
            return Ok(None);
        };
        report.clean += cleaned.this_attempt;
        set_aside.add(&clean, &Fact::Clean(cleaned.this_attempt));
        let input = load::Input {
            clean: clean.clone(),
            again_in_order: true,
        };
        let Some(loaded) = self.workers.load(&input).await? else {
            return Ok(None);
        };
        report.load += loaded.this_attempt;
        set_aside.add(&clean, &Fact::Load(loaded.this_attempt));
        Ok(loaded.replacement)
    }
}
