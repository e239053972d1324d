//! A replay in the cloud: `raw/` is listed, and fed to a queue of its own no faster than it is worked off, so that the live feeds go on beside it.

use super::{CloudError, Stack, names::Queue};
use crate::{
    local::{
        ResourceReport,
        objects::Keys,
        runner::{Problem, ReplayReport, Since, clean_key},
        set_aside::SetAside,
    },
    output::{
        numbers::{count, counted},
        progress::Progress,
    },
};
use host::event::{CleanMessage, DefinitionChoice};
use jiff::Timestamp;
use lake::{Part, RawKey, RunId, StoreError};
use ledger::{Fact, LedgerError, ResourceId, RunFilter, RunState, Stage};
use pipeline::{Checked, Resource, WriteDisposition};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Messages that wait or are worked on at a time: enough for the functions, and few to take back.
const OUTSTANDING_MAX: u64 = 50;
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// The counts of a queue are approximate: it is empty when it was so often in a row.
const QUIET_TIMES: u32 = 3;
/// Quiet queues and objects without an end state: so long may the last functions take, then it is told.
const PATIENCE: Duration = Duration::from_secs(360);

/// What stops a replay. What was sent until then goes on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("the lake failed")]
    Store(#[from] StoreError),
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    #[error("raw/ of {resource} has expired: the ledger knows {runs} that brought objects{since}, and none of these is there any more")]
    Expired { resource: ResourceId, runs: String, since: String },
    #[error(transparent)]
    Report(#[from] crate::local::RunnerError),
}

/// What is replayed.
pub struct Replay<'a> {
    pub stack: &'a Stack,
    /// The pipeline's newest definition.
    pub checked: &'a Checked,
    pub generation: u32,
    pub since: Option<Timestamp>,
    pub progress: &'a Progress,
}

/// The parts of a resource's runs that are replayed.
type Runs = BTreeMap<RunId, BTreeSet<Part>>;

/// Numbered parts that are loaded.
type Done = BTreeSet<(RunId, Part)>;

impl Replay<'_> {
    /// Replays a resource and waits for its end.
    ///
    /// # Errors
    /// [`ReplayError`]; what was set aside or did not end stands in the report.
    pub async fn resource(&self, resource: &Resource) -> Result<ReplayReport, ReplayError> {
        let began = Instant::now();
        let id = self.id(resource);
        let dead_before = self.dead().await?;
        let mut notices = Vec::new();
        let runs = match resource.load.write_disposition {
            WriteDisposition::Replace => self.newest_run(&id, &mut notices).await?,
            _ => self.runs(&id, None).await?,
        };
        if runs.is_empty() && notices.is_empty() {
            self.expired(&id).await?;
        }
        let before = self.done(&id, &runs).await?;
        self.feed(&id, &runs).await?;
        let missing = self.wait(&id, &runs, &before, dead_before).await?;
        let mut report = self.report(resource, &runs, &before).await?;
        report.took_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        notices.extend(again(before.len() as u64));
        report.notices = notices;
        report.problems.extend(missing);
        let objects = runs.values().map(|parts| parts.len() as u64).sum();
        Ok(ReplayReport { objects, report })
    }

    fn id(&self, resource: &Resource) -> ResourceId {
        ResourceId {
            pipeline: self.checked.pipeline.pipeline.clone(),
            resource: resource.name.clone(),
        }
    }

    /// The raw objects of the resource in the asked time: of all runs, or of one.
    async fn runs(&self, id: &ResourceId, only: Option<RunId>) -> Result<Runs, ReplayError> {
        let prefix = RawKey::resource_prefix(&id.pipeline, &id.resource);
        let prefix = match only {
            Some(run) => format!("{prefix}dt={}/{run}/", run.date()),
            None => prefix,
        };
        let mut keys = Keys::new(self.stack.ports.store.clone(), prefix);
        let since = Since::of(self.stack.ports.ledger.as_ref(), id, self.since).await?;
        let mut runs = Runs::new();
        while let Some(key) = keys.next().await? {
            // What is not ours in the folder is passed over.
            let Ok(raw) = RawKey::parse(key.as_str()) else { continue };
            if since.asks_for(raw.run) {
                runs.entry(raw.run).or_default().insert(raw.part);
            }
        }
        Ok(runs)
    }

    /// Of a resource that replaces, only the newest run is ever shown. One that is loaded under this definition is not loaded again: the first of its parts
    /// would make the documents visible before the others are there, for the queue keeps no order.
    async fn newest_run(&self, id: &ResourceId, notices: &mut Vec<String>) -> Result<Runs, ReplayError> {
        let known = self.known_runs(id).await?;
        let Some(newest) = known.into_iter().max() else {
            return Ok(Runs::new());
        };
        let runs = self.runs(id, Some(newest)).await?;
        let done = self.done(id, &runs).await?;
        let is_loaded = runs
            .values()
            .flatten()
            .all(|part| *part == Part::End || done.contains(&(newest, *part)));
        if !runs.is_empty() && is_loaded {
            notices.push(format!(
                "the newest run, {newest}, is loaded under the newest definition already: there is nothing to replay. Where its documents were lost, run it: a run replaces them all"
            ));
            return Ok(Runs::new());
        }
        Ok(runs)
    }

    /// Runs in the asked time that ended well and brought objects.
    async fn known_runs(&self, id: &ResourceId) -> Result<Vec<RunId>, ReplayError> {
        let filter = RunFilter {
            pipeline: Some(id.pipeline.clone()),
            resource: Some(id.resource.clone()),
            limit: None,
        };
        let runs = self.stack.ports.ledger.runs(&filter).await?;
        let since = Since::of(self.stack.ports.ledger.as_ref(), id, self.since).await?;
        let brought = runs.iter().filter(|run| run.state == RunState::Extracted && run.parts > 0);
        Ok(brought.map(|run| run.id).filter(|run| since.asks_for(*run)).collect())
    }

    async fn expired(&self, id: &ResourceId) -> Result<(), ReplayError> {
        match self.known_runs(id).await?.len() as u64 {
            0 => Ok(()),
            runs => Err(ReplayError::Expired {
                resource: id.clone(),
                runs: counted(runs, "run"),
                since: self.since.map_or(String::new(), |since| format!(" since {since}")),
            }),
        }
    }

    /// Sends the objects in their order, a run's marker after its parts, no more at a time than may be outstanding.
    async fn feed(&self, id: &ResourceId, runs: &Runs) -> Result<(), ReplayError> {
        let queue = self.stack.names.queue(Queue::CleanReplay);
        let all: Vec<String> = runs
            .iter()
            .flat_map(|(run, parts)| parts.iter().map(|part| self.message(id, *run, *part)))
            .collect();
        let (mut sent, mut said) = (0_u64, 0_u64);
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let depth = self.stack.queues.depth(&queue).await?;
            let room = OUTSTANDING_MAX.saturating_sub(depth.waiting.saturating_add(depth.in_work));
            if room == 0 {
                tokio::time::sleep(ASKED_EVERY).await;
                continue;
            }
            let (now, later) = rest.split_at(rest.len().min(room as usize));
            self.stack.queues.send(&queue, now).await?;
            (rest, sent) = (later, sent + now.len() as u64);
            if sent - said >= OUTSTANDING_MAX || rest.is_empty() {
                said = sent;
                self.progress
                    .say(&format!("{id}: sent {} of {}", count(sent), counted(all.len() as u64, "object")));
            }
        }
        Ok(())
    }

    fn message(&self, id: &ResourceId, run: RunId, part: Part) -> String {
        let message = CleanMessage {
            raw: RawKey {
                pipeline: id.pipeline.clone(),
                resource: id.resource.clone(),
                run,
                part,
            },
            definition: Some(DefinitionChoice {
                hash: self.checked.hash.to_string(),
                generation: self.generation,
            }),
        };
        message.to_json()
    }

    /// Waits until every part has its load fact and the queues are quiet; answers with what did not come to an end.
    async fn wait(&self, id: &ResourceId, runs: &Runs, before: &Done, dead_before: u64) -> Result<Option<Problem>, ReplayError> {
        let parts = |runs: &Runs| {
            runs.values()
                .map(|parts| parts.iter().filter(|part| **part != Part::End).count())
                .sum::<usize>()
        };
        let all = parts(runs);
        let (mut quiet, mut last, mut moved, mut said) = (0, 0, Instant::now(), 0);
        loop {
            let done = self.done(id, runs).await?.len();
            if done != last {
                (last, moved) = (done, Instant::now());
            }
            if done != said && done < all {
                said = done;
                self.progress
                    .say(&format!("{id}: loaded {} of {}", count(done as u64), counted(all as u64, "object")));
            }
            quiet = if self.is_quiet().await? { quiet + 1 } else { 0 };
            let dead = self.dead().await?.saturating_sub(dead_before);
            if done == all && (quiet >= QUIET_TIMES || all == 0) {
                // Of those that had their facts before, only a dead letter tells that they were not done again.
                return Ok((dead > 0 && !before.is_empty()).then(|| unended(id, 0, dead)));
            }
            if quiet >= QUIET_TIMES && (dead > 0 || moved.elapsed() > PATIENCE) {
                return Ok(Some(unended(id, (all - done) as u64, dead)));
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    /// The numbered parts that have a load fact under this definition.
    async fn done(&self, id: &ResourceId, runs: &Runs) -> Result<Done, ReplayError> {
        let mut done = BTreeSet::new();
        for (run, parts) in runs {
            let facts = self.stack.ports.ledger.facts(*run, id, self.checked.hash.as_str()).await?;
            let loaded = facts
                .iter()
                .filter(|(key, _)| key.stage == Stage::Load && key.raw.part != Part::End);
            done.extend(loaded.map(|(key, _)| (*run, key.raw.part)).filter(|(_, part)| parts.contains(part)));
        }
        Ok(done)
    }

    async fn is_quiet(&self) -> Result<bool, ReplayError> {
        for queue in [Queue::CleanReplay, Queue::Load] {
            let depth = self.stack.queues.depth(&self.stack.names.queue(queue)).await?;
            if depth.waiting + depth.in_work > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Dead letters of what a replay goes through.
    async fn dead(&self) -> Result<u64, ReplayError> {
        let mut dead = 0;
        for queue in [Queue::CleanReplay, Queue::Load] {
            let depth = self.stack.queues.depth(&self.stack.names.dead(queue)).await?;
            dead += depth.waiting + depth.in_work;
        }
        Ok(dead)
    }

    /// The ledger's numbers of these objects under this definition, but for those that were loaded under it `before`: their facts, which are written once,
    /// are of that first time.
    async fn report(&self, resource: &Resource, runs: &Runs, before: &Done) -> Result<ResourceReport, ReplayError> {
        let id = self.id(resource);
        let mut report = ResourceReport::new(&self.checked.pipeline, &resource.name);
        let mut set_aside = SetAside::default();
        for (run, parts) in runs {
            for (key, fact) in self.stack.ports.ledger.facts(*run, &id, self.checked.hash.as_str()).await? {
                if !parts.contains(&key.raw.part) || before.contains(&(*run, key.raw.part)) {
                    continue;
                }
                set_aside.add(&clean_key(&key.raw, &key.definition), &fact);
                match fact {
                    Fact::Clean(tally) => report.clean += tally,
                    Fact::Load(tally) => report.load += tally,
                }
            }
        }
        if report.over_limit() {
            report.reasons = set_aside.reasons(self.stack.ports.store.as_ref()).await?;
        }
        Ok(report)
    }
}

/// What is to be known of objects whose numbers are not told.
fn again(objects: u64) -> Option<String> {
    let (were, they, are) = match objects {
        0 => return None,
        1 => ("was", "it", "is"),
        _ => ("were", "they", "are"),
    };
    let objects = counted(objects, "object");
    Some(format!(
        "{objects} {were} loaded under this definition before: {they} {were} done again, and {are} not in these numbers"
    ))
}

fn unended(id: &ResourceId, objects: u64, dead: u64) -> Problem {
    let letters = match dead {
        1 => "1 dead letter is".to_owned(),
        dead => format!("{} dead letters are", count(dead)),
    };
    let told = "there since: `tidemill incidents` tells of them";
    let message = match (objects, dead) {
        (objects, 0) => format!("{} reached no end state, though the queues are empty", counted(objects, "object")),
        (0, _) => format!("not all that was loaded before may have been done again, for {letters} {told}"),
        (objects, _) => format!("{} reached no end state, and {letters} {told}", counted(objects, "object")),
    };
    Problem {
        object: id.to_string(),
        raw: None,
        message,
        not_shown: false,
    }
}
