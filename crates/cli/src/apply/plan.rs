//! What must be done so that a stack runs the pipelines of some files: from what is wanted and what is there. Pure.

use super::schedule::{Difference, Schedule};
use ledger::applied::Applied;
use pipeline::Name;
use std::collections::{BTreeMap, BTreeSet};

/// What the pipeline files say.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub pipelines: Vec<PipelineWanted>,
    /// These are all there are to be: one that is applied and not among them is taken away.
    pub whole: bool,
}

/// A pipeline file.
#[derive(Clone, Debug)]
pub struct PipelineWanted {
    pub pipeline: Name,
    pub file: String,
    pub definition: DefinitionWanted,
    pub schedules: Vec<Schedule>,
    pub collections: Vec<CollectionWanted>,
}

/// The definition that the file is or becomes.
#[derive(Clone, Debug)]
pub struct DefinitionWanted {
    /// Its SHA-256.
    pub hash: String,
    /// Its generation, when it is the newest already.
    pub newest: Option<u32>,
    /// Its text is in the lake.
    pub stored: bool,
}

/// A collection, and what must be done to it, in words.
#[derive(Clone, Debug, Default)]
pub struct CollectionWanted {
    pub collection: String,
    pub is_new: bool,
    pub changes: Vec<String>,
    /// What is left to the user.
    pub left: Vec<String>,
}

/// What the stack has.
#[derive(Clone, Debug, Default)]
pub struct There {
    pub applied: Vec<Applied>,
    /// All of the stack's group.
    pub schedules: Vec<Schedule>,
}

/// What is to be done, in the order in which it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub collections: Vec<CollectionStep>,
    pub definitions: Vec<DefinitionStep>,
    pub schedules: Vec<ScheduleStep>,
    /// Pipelines that are taken away: their data stays.
    pub removed: Vec<Name>,
    /// Schedules of the group that are not Tidemill's.
    pub foreign: Vec<String>,
    /// What is left to the user, a sentence each.
    pub left: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionStep {
    pub collection: String,
    pub is_new: bool,
    pub changes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionStep {
    pub pipeline: Name,
    pub hash: String,
    pub is_new: bool,
    pub why: Why,
}

/// Why a definition is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The pipeline is new to this stack.
    New,
    /// The file is another one than the newest definition.
    Edited,
    /// It was taken away, and is there again.
    Back,
    /// An earlier `apply` was cut short.
    CutShort,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleStep {
    Create(Schedule),
    Change { to: Schedule, differences: Vec<Difference> },
    Delete { name: String, expression: String },
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub create: usize,
    pub change: usize,
    pub delete: usize,
}

/// What leads from what is there to what is wanted. Carried out and asked again, it is nothing.
pub fn plan(wanted: &Wanted, there: &There) -> Plan {
    let mut plan = Plan::default();
    let applied: BTreeMap<&str, &Applied> = there.applied.iter().map(|one| (one.pipeline.as_str(), one)).collect();
    for pipeline in &wanted.pipelines {
        plan.definitions
            .extend(definition(pipeline, applied.get(pipeline.pipeline.as_str()).copied()));
        for collection in &pipeline.collections {
            let left = collection.left.iter().map(|what| format!("`{}`: {what}", collection.collection));
            plan.left.extend(left);
            if !collection.changes.is_empty() {
                plan.collections.push(CollectionStep {
                    collection: collection.collection.clone(),
                    is_new: collection.is_new,
                    changes: collection.changes.clone(),
                });
            }
        }
    }
    let names: BTreeSet<&str> = wanted.pipelines.iter().map(|one| one.pipeline.as_str()).collect();
    if wanted.whole {
        let gone = there
            .applied
            .iter()
            .filter(|one| !one.removed && !names.contains(one.pipeline.as_str()));
        plan.removed = gone.map(|one| one.pipeline.clone()).collect();
    }
    schedules(wanted, there, &applied, &mut plan);
    plan
}

fn definition(wanted: &PipelineWanted, applied: Option<&Applied>) -> Option<DefinitionStep> {
    let is_newest = wanted.definition.newest.is_some();
    let noted = applied.is_some_and(|one| one.definition == wanted.definition.hash && Some(one.generation) == wanted.definition.newest);
    let why = match applied {
        Some(one) if one.removed => Why::Back,
        None if !is_newest => Why::New,
        Some(_) if !is_newest => Why::Edited,
        _ if noted && wanted.definition.stored => return None,
        _ => Why::CutShort,
    };
    Some(DefinitionStep {
        pipeline: wanted.pipeline.clone(),
        hash: wanted.definition.hash.clone(),
        is_new: applied.is_none_or(|one| one.removed),
        why,
    })
}

fn schedules(wanted: &Wanted, there: &There, applied: &BTreeMap<&str, &Applied>, plan: &mut Plan) {
    let found: BTreeMap<&str, &Schedule> = there.schedules.iter().map(|one| (one.name.as_str(), one)).collect();
    let mut names = BTreeSet::new();
    for schedule in wanted.pipelines.iter().flat_map(|one| &one.schedules) {
        names.insert(schedule.name.as_str());
        let Some(there) = found.get(schedule.name.as_str()) else {
            plan.schedules.push(ScheduleStep::Create(schedule.clone()));
            continue;
        };
        let differences = there.differences(schedule);
        if !differences.is_empty() {
            plan.schedules.push(ScheduleStep::Change {
                to: schedule.clone(),
                differences,
            });
        }
    }
    let pipelines: BTreeSet<&str> = wanted.pipelines.iter().map(|one| one.pipeline.as_str()).collect();
    let is_known = |name: &str| applied.contains_key(name) || pipelines.contains(name);
    for schedule in there.schedules.iter().filter(|one| !names.contains(one.name.as_str())) {
        match schedule.pipeline(is_known) {
            None => plan.foreign.push(schedule.name.clone()),
            Some(pipeline) if wanted.whole || pipelines.contains(pipeline.as_str()) => plan.schedules.push(ScheduleStep::Delete {
                name: schedule.name.clone(),
                expression: schedule.expression.clone(),
            }),
            Some(_) => {}
        }
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.summary() == Summary::default()
    }

    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            delete: self.removed.len(),
            ..Summary::default()
        };
        let definitions = self.definitions.iter().map(|step| step.is_new);
        let collections = self.collections.iter().map(|step| step.is_new);
        for is_new in definitions.chain(collections) {
            match is_new {
                true => summary.create += 1,
                false => summary.change += 1,
            }
        }
        for step in &self.schedules {
            match step {
                ScheduleStep::Create(_) => summary.create += 1,
                ScheduleStep::Change { .. } => summary.change += 1,
                ScheduleStep::Delete { .. } => summary.delete += 1,
            }
        }
        summary
    }
}

#[cfg(test)]
mod tests;
