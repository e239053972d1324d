//! What became of a resource's run: the numbers of the ledger, and what did not go well.

use super::{RunnerError, clean_key, worker::Problem};
use crate::{
    local::{
        Place,
        set_aside::{Reason, SetAside},
    },
    output::numbers::iso,
    ports::Ports,
};
use lake::{RawMetadata, RunId, StoreError};
use ledger::{CleanTally, LoadTally, RunRecord, RunState, Unfinished, conservation};
use pipeline::{Name, Pipeline, RejectLimit};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One resource of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceReport {
    pub pipeline: Name,
    pub resource: Name,
    pub run: Option<RunId>,
    pub extract: Extracted,
    pub clean: CleanTally,
    pub load: LoadTally,
    pub took_ms: i64,
    /// Why extraction did not end well: what came in before is cleaned and loaded all the same.
    pub error: Option<String>,
    /// What people should know although extraction ended well.
    pub notices: Vec<String>,
    /// Somebody else is at it.
    pub skipped: Option<Skipped>,
    /// Objects that could not be cleaned or loaded.
    pub problems: Vec<Problem>,
    /// Objects that were not loaded, because the store of documents is away.
    pub waiting: Option<Waiting>,
    /// What was done to the collection, its validator and its indexes.
    pub changes: Vec<String>,
    /// Other places that hold documents of earlier runs.
    pub elsewhere: Vec<Place>,
    pub reject_limit: RejectLimit,
    /// Why records were set aside, the most frequent first: when they were too many.
    pub reasons: Vec<Reason>,
}

/// What came over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Extracted {
    pub captures: u64,
    pub bytes: u64,
}

/// Who holds the resource's lease, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub holder: String,
    /// When the lease ends, if they do not renew it.
    pub until_ms: Option<i64>,
}

/// Objects that wait for the store of documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub objects: u64,
    pub why: String,
}

impl Extracted {
    /// What came in with a run. Only one that ended well has its totals in the ledger: of another, its objects say what they hold.
    pub async fn of(home: &Ports, record: &RunRecord) -> Result<Extracted, RunnerError> {
        if record.state == RunState::Extracted {
            return Ok(Extracted {
                captures: record.captures,
                bytes: record.bytes,
            });
        }
        let mut extracted = Extracted::default();
        for raw in home.ledger.intents(record.id, &record.resource).await? {
            let key = raw.key();
            if let Some(metadata) = home.store.head(&key).await? {
                let metadata = RawMetadata::from_metadata(&key, &metadata)?;
                extracted.captures += metadata.captures;
                extracted.bytes += metadata.bytes;
            }
        }
        Ok(extracted)
    }
}

/// How many objects of the run are to be cleaned or loaded yet. An intent whose object never came to be is none.
pub async fn waiting(ports: &Ports, record: &RunRecord, unfinished: &[Unfinished]) -> Result<u64, StoreError> {
    let mut objects = 0;
    for part in unfinished {
        let is_its = part.raw.run == record.id && part.raw.resource == record.resource.resource;
        if is_its && ports.store.head(&part.raw.key()).await?.is_some() {
            objects += 1;
        }
    }
    Ok(objects)
}

impl ResourceReport {
    /// A report without anything in it yet.
    pub fn new(pipeline: &Pipeline, resource: &Name) -> ResourceReport {
        ResourceReport {
            pipeline: pipeline.pipeline.clone(),
            resource: resource.clone(),
            run: None,
            extract: Extracted::default(),
            clean: CleanTally::default(),
            load: LoadTally::default(),
            took_ms: 0,
            error: None,
            notices: Vec::new(),
            skipped: None,
            problems: Vec::new(),
            waiting: None,
            changes: Vec::new(),
            elsewhere: Vec::new(),
            reject_limit: pipeline.reject_limit,
            reasons: Vec::new(),
        }
    }

    /// What the ledger knows of a run: its numbers, and why records were set aside where these are too many.
    pub async fn of_run(ports: &Ports, pipeline: &Pipeline, record: &RunRecord) -> Result<ResourceReport, RunnerError> {
        let facts = ports.ledger.facts(record.id, &record.resource, &record.definition).await?;
        let totals = conservation::totals(&facts);
        let mut set_aside = SetAside::default();
        for (key, fact) in &facts {
            set_aside.add(&clean_key(&key.raw, &key.definition), fact);
        }
        let mut report = ResourceReport {
            run: Some(record.id),
            extract: Extracted::of(ports, record).await?,
            clean: totals.clean,
            load: totals.load,
            ..ResourceReport::new(pipeline, &record.resource.resource)
        };
        if report.over_limit() {
            report.reasons = set_aside.reasons(ports.store.as_ref()).await?;
        }
        Ok(report)
    }

    /// Records that broke their contract, and documents that the store would not take.
    pub fn set_aside(&self) -> u64 {
        self.clean.rejected.saturating_add(self.load.refused)
    }

    /// Whether more was set aside than the pipeline allows.
    pub fn over_limit(&self) -> bool {
        self.reject_limit.exceeded_by(self.set_aside(), self.clean.records_in)
    }

    pub fn is_well(&self) -> bool {
        self.error.is_none() && self.skipped.is_none() && self.waiting.is_none() && self.problems.is_empty() && !self.over_limit()
    }

    /// The object that `run --json` prints.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("pipeline".into(), json!(self.pipeline));
        object.insert("resource".into(), json!(self.resource));
        object.insert("run".into(), json!(self.run.map(|run| run.to_string())));
        object.insert("extract".into(), json!(self.extract));
        object.insert("clean".into(), json!(self.clean));
        object.insert("load".into(), json!(self.load));
        if let Some(skipped) = &self.skipped {
            let until = skipped.until_ms.map(iso);
            object.insert("skipped".into(), json!({"holder": skipped.holder, "until": until}));
        }
        if let Some(error) = &self.error {
            object.insert("error".into(), json!(error));
        }
        if !self.notices.is_empty() {
            object.insert("notices".into(), json!(self.notices));
        }
        if !self.problems.is_empty() {
            let problems = self
                .problems
                .iter()
                .map(|problem| json!({"object": problem.object, "error": problem.message}));
            object.insert("failed".into(), problems.collect());
        }
        if let Some(waiting) = &self.waiting {
            object.insert("waiting".into(), json!({"objects": waiting.objects, "why": waiting.why}));
        }
        if !self.changes.is_empty() {
            object.insert("changes".into(), json!(self.changes));
        }
        if !self.elsewhere.is_empty() {
            let elsewhere = self.elsewhere.iter().map(Place::to_string);
            object.insert("elsewhere".into(), elsewhere.collect());
        }
        if !self.reasons.is_empty() {
            object.insert("reasons".into(), json!(self.reasons));
        }
        Value::Object(object)
    }
}
