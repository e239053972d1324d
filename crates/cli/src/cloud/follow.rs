//! A run that was asked for: followed through the ledger, from the message to the last document.

use super::{CloudError, Stack, names::Queue};
use crate::{
    local::{
        ResourceReport, RunnerError,
        clock::SystemClock,
        runner::{Problem, Skipped, waiting},
    },
    output::{numbers::counted, progress::Progress},
    ports::Ports,
};
use host::event::{ExtractMessage, RequestedBy};
use lake::{Part, RawKey, RunId};
use ledger::{Clock as _, Replacement, ResourceId, RunRecord, RunState, incident};
use pipeline::{Name, Pipeline, WriteDisposition};
use std::time::Duration;

/// The ledger is asked so often, the more seldom the longer it takes.
const ASKED_AFTER: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// So many times each.
const ASKED_TIMES: usize = 10;

/// Incidents are looked for so often, in times that the ledger is asked.
const LOOKED_FOR_EVERY: u32 = 5;
/// More that are open at once than anybody reads.
const INCIDENTS_MAX: usize = 100;

/// A run that was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub resource: ResourceId,
    pub run: RunId,
    /// A run that was cut short: `extract` goes on with it before it begins another.
    pub resumed: Option<RunId>,
    pub at_ms: i64,
}

/// How far a run has come.
enum Reached {
    /// `extract` has not taken the message yet.
    Queued,
    Extracting,
    /// So many objects are to be cleaned or loaded yet.
    Working(u64),
    Done,
}

/// Sends the message that starts a run of a resource.
///
/// # Errors
/// [`CloudError`] of the queue or the ledger.
pub async fn ask(stack: &Stack, pipeline: &Name, resource: &Name, base_url: Option<&str>) -> Result<Asked, CloudError> {
    let at_ms = SystemClock.now_ms();
    let run = RunId::new(u64::try_from(at_ms).unwrap_or(0), fastrand::u128(..));
    let id = ResourceId {
        pipeline: pipeline.clone(),
        resource: resource.clone(),
    };
    let resumed = stack.ports.ledger.run_to_resume(&id).await?;
    let message = ExtractMessage {
        pipeline: pipeline.clone(),
        resource: resource.clone(),
        scheduled_ms: Some(at_ms),
        requested_by: RequestedBy::Run,
        run: Some(run),
        hop: 0,
        base_url: base_url.map(str::to_owned),
    };
    let queue = stack.names.queue(Queue::Extract);
    stack.queues.send(&queue, &[message.to_json()]).await?;
    Ok(Asked {
        resource: id,
        run,
        resumed: resumed.map(|record| record.id),
        at_ms,
    })
}

/// Waits until the run has ended, all of it is loaded, or an incident says that it will not be; then tells what became of it.
///
/// # Errors
/// [`RunnerError`] when the ledger or the lake can't be asked.
pub async fn follow(ports: &Ports, asked: &Asked, pipeline: &Pipeline, progress: &Progress) -> Result<ResourceReport, RunnerError> {
    let mut times = 0;
    let mut said = String::new();
    loop {
        let record = record(ports, asked).await?;
        let reached = reached(ports, record.as_ref()).await?;
        if let (Reached::Done, Some(record)) = (&reached, &record) {
            return report(ports, asked, pipeline, record).await;
        }
        let text = told(asked, record.as_ref(), &reached);
        if text != said {
            progress.say(&text);
            said = text;
        }
        if times % LOOKED_FOR_EVERY == LOOKED_FOR_EVERY - 1
            && let Some(problem) = incident_of(ports, asked).await?
        {
            let mut report = match &record {
                Some(record) => report(ports, asked, pipeline, record).await?,
                None => ResourceReport::new(pipeline, &asked.resource.resource),
            };
            report.problems.push(problem);
            return Ok(report);
        }
        let place = (times as usize / ASKED_TIMES).min(ASKED_AFTER.len() - 1);
        tokio::time::sleep(ASKED_AFTER.get(place).copied().unwrap_or_default()).await;
        times = times.saturating_add(1);
    }
}

/// The run that the message led to: the one it names; or one that was cut short, once that has ended.
async fn record(ports: &Ports, asked: &Asked) -> Result<Option<RunRecord>, RunnerError> {
    if let Some(record) = ports.ledger.run(asked.run, &asked.resource).await? {
        return Ok(Some(record));
    }
    match asked.resumed {
        Some(resumed) => Ok(ports.ledger.run(resumed, &asked.resource).await?),
        None => Ok(None),
    }
}

async fn reached(ports: &Ports, record: Option<&RunRecord>) -> Result<Reached, RunnerError> {
    let Some(record) = record else { return Ok(Reached::Queued) };
    Ok(match record.state {
        RunState::Extracting => Reached::Extracting,
        RunState::Skipped { .. } => Reached::Done,
        RunState::Extracted | RunState::Failed { .. } => {
            let unfinished = ports.ledger.unfinished(&record.resource.pipeline).await?;
            match waiting(ports, record, &unfinished).await? {
                0 => Reached::Done,
                objects => Reached::Working(objects),
            }
        }
    })
}

fn told(asked: &Asked, record: Option<&RunRecord>, reached: &Reached) -> String {
    let id = &asked.resource;
    match reached {
        Reached::Queued => format!("{id}: the message is in the queue, run {}", asked.run),
        Reached::Extracting => format!("{id}: extracting"),
        Reached::Working(objects) => {
            let captures = record.map_or(0, |record| record.captures);
            let objects = counted(*objects, "object");
            format!(
                "{id}: extracted {}, {objects} to be cleaned or loaded yet",
                counted(captures, "capture")
            )
        }
        Reached::Done => format!("{id}: done"),
    }
}

async fn report(ports: &Ports, asked: &Asked, pipeline: &Pipeline, record: &RunRecord) -> Result<ResourceReport, RunnerError> {
    let mut report = ResourceReport::of_run(ports, pipeline, record).await?;
    report.took_ms = record.ended_ms.map_or(0, |ended| ended - record.started_ms);
    match &record.state {
        RunState::Failed { message } => report.error = Some(message.clone()),
        RunState::Skipped { holder } => {
            report.skipped = Some(Skipped {
                holder: holder.clone(),
                until_ms: None,
            });
        }
        RunState::Extracted => report.problems.extend(not_shown(ports, pipeline, record).await?),
        RunState::Extracting => {}
    }
    if record.id != asked.run {
        report.notices.push(format!(
            "the run {} had been cut short: this was its end, and no other was begun",
            record.id
        ));
    }
    Ok(report)
}

/// A `replace` run that is complete and must not be shown, by the judgement of `load`.
async fn not_shown(ports: &Ports, pipeline: &Pipeline, record: &RunRecord) -> Result<Option<Problem>, RunnerError> {
    let mut resources = pipeline.resources.iter();
    let Some(resource) = resources.find(|resource| resource.name == record.resource.resource) else {
        return Ok(None);
    };
    if resource.load.write_disposition != WriteDisposition::Replace {
        return Ok(None);
    }
    let facts = ports.ledger.facts(record.id, &record.resource, &record.definition).await?;
    match ledger::replacement(Some(record.parts), &facts, pipeline.reject_limit, resource.load.allow_empty) {
        Replacement::Refused(refused) => {
            let marker = RawKey {
                pipeline: record.resource.pipeline.clone(),
                resource: record.resource.resource.clone(),
                run: record.id,
                part: Part::End,
            };
            Ok(Some(Problem::refused(refused, &marker)))
        }
        Replacement::Wait(_) | Replacement::Ready => Ok(None),
    }
}

/// An open incident of this resource that was opened since: what waits now waits for a person.
async fn incident_of(ports: &Ports, asked: &Asked) -> Result<Option<Problem>, RunnerError> {
    let open = incident::incidents(ports.ledger.as_ref(), true, INCIDENTS_MAX).await?;
    let of_this = |one: &&incident::Incident| one.resource.as_ref() == Some(&asked.resource) && one.seen_ms >= asked.at_ms;
    Ok(open.iter().find(of_this).map(|one| Problem {
        object: format!("incident {}", one.id),
        raw: None,
        message: format!("{}; next: {}", one.summary, one.next),
        not_shown: false,
    }))
}
