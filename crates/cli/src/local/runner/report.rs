//! What became of a resource's run: the numbers of the ledger, and what did not go well.

use super::worker::Problem;
use crate::output::numbers::iso;
use lake::RunId;
use ledger::{CleanTally, LoadTally};
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
    /// Somebody else is at it.
    pub skipped: Option<Skipped>,
    /// Objects that could not be cleaned or loaded.
    pub problems: Vec<Problem>,
    pub reject_limit: RejectLimit,
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
            skipped: None,
            problems: Vec::new(),
            reject_limit: pipeline.reject_limit,
        }
    }

    /// Whether more records were rejected than the pipeline allows.
    pub fn over_limit(&self) -> bool {
        self.reject_limit.exceeded_by(self.clean.rejected, self.clean.records_in)
    }

    pub fn is_well(&self) -> bool {
        self.error.is_none() && self.skipped.is_none() && self.problems.is_empty() && !self.over_limit()
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
        if !self.problems.is_empty() {
            let problems = self
                .problems
                .iter()
                .map(|problem| json!({"object": problem.object, "error": problem.message}));
            object.insert("failed".into(), problems.collect());
        }
        Value::Object(object)
    }
}
