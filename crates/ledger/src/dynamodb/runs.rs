//! Runs: begun, ended and listed. Each has two items: its record under its resource, and a mark, never changed, under its pipeline, which the
//! index of all runs holds too.

use super::definitions::vanished;
use super::fault::Fault;
use super::items::{self, Item};
use super::key::{self, Key};
use super::leases;
use super::query::Query;
use super::table::Table;
use super::write::{Expression, Outcome, Write};
use crate::run::Ending;
use crate::{Cursor, Extracted, Lease, LedgerError, ResourceId, RunFilter, RunRecord, RunState, cursor, run};
use lake::RunId;
use pipeline::Name;

/// An end of a run is tried again only when another of the same holder's calls ended it meanwhile.
const TRIES_MAX: u32 = 10;

/// Of a failed run's message; an item can have 400 KB.
const MESSAGE_BYTES_MAX: usize = 64 * 1_024;

pub(super) async fn begin(table: &Table, lease: &Lease, run: &RunRecord) -> Result<RunRecord, Fault> {
    leases::must_be_of(lease, &run.resource)?;
    let absent_or_skipped = Expression::new("attribute_not_exists(#pk) OR #state = :skipped").with(":skipped", items::text("skipped"));
    let writes = [
        leases::fence_and_add(lease, run.id),
        Write::Put {
            item: items::run(run),
            condition: Some(absent_or_skipped),
        },
        mark(run),
    ];
    match table.transact(&writes).await? {
        Outcome::Written => Ok(run.clone()),
        Outcome::Refused { write: 0, .. } => Err(leases::lost(lease, &run.resource)),
        Outcome::Refused { .. } => {
            let stored = get(table, run.id, &run.resource).await?.ok_or_else(vanished)?;
            leases::confirm(table, lease).await?;
            Ok(stored)
        }
    }
}

pub(super) async fn record_skipped(table: &Table, run: &RunRecord) -> Result<(), Fault> {
    let writes = [
        Write::Put {
            item: items::run(run),
            condition: Some(Expression::absent()),
        },
        mark(run),
    ];
    // Refused: it is there already, and stays as it is.
    table.transact(&writes).await.map(drop)
}

fn mark(run: &RunRecord) -> Write {
    Write::Put {
        item: items::mark(run.id, &run.resource),
        condition: None,
    }
}

pub(super) async fn to_resume(table: &Table, resource: &ResourceId) -> Result<Option<RunRecord>, Fault> {
    for run in leases::extracting(table, resource).await? {
        let stored = get(table, run, resource).await?;
        // One that has ended since the set was read is not to be resumed.
        if let Some(run) = stored.filter(|run| run.state == RunState::Extracting) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

pub(super) async fn end(table: &Table, lease: &Lease, extracted: &Extracted) -> Result<(), Fault> {
    for _ in 0..TRIES_MAX {
        let Some(run) = to_end(table, lease, extracted.run, true).await? else {
            return Ok(());
        };
        let change = "SET #state = :state, #ended_ms = :ended_ms, #parts = :parts, #captures = :captures, #bytes = :bytes";
        let change = Expression::new(change)
            .with(":state", items::text(items::state(&RunState::Extracted).0))
            .with(":ended_ms", items::number(extracted.ended_ms))
            .with(":parts", items::number(extracted.parts))
            .with(":captures", items::number(extracted.captures))
            .with(":bytes", items::number(extracted.bytes));
        let mut writes = vec![leases::fence_and_take_away(lease, run.id), ends(&run, change)];
        if let Some(new) = extracted.cursor {
            writes.push(moved(table, &run, new).await?);
        }
        if ended(table, lease, &writes).await? {
            return Ok(());
        }
    }
    Err(Fault::Unavailable("the run or its cursor changed at every attempt".into()))
}

/// The put of the cursor, unless another has put it meanwhile.
async fn moved(table: &Table, run: &RunRecord, new: Cursor) -> Result<Write, Fault> {
    let key = Key::cursor(&run.resource, &run.source);
    let stored = cursor(table, &run.resource, &run.source).await?;
    let condition = match stored {
        Some(stored) => Expression::new("#value = :seen").with(":seen", items::number(stored.value)),
        None => Expression::absent(),
    };
    Ok(Write::Put {
        item: items::cursor(&key, cursor::advance(stored, new)),
        condition: Some(condition),
    })
}

pub(super) async fn fail(table: &Table, lease: &Lease, run: RunId, ended_ms: i64, message: &str) -> Result<(), Fault> {
    for _ in 0..TRIES_MAX {
        let Some(run) = to_end(table, lease, run, false).await? else {
            return Ok(());
        };
        let message = message.get(..message.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default();
        let state = RunState::Failed {
            message: message.to_owned(),
        };
        let change = Expression::new("SET #state = :state, #detail = :detail, #ended_ms = :ended_ms")
            .with(":state", items::text(items::state(&state).0))
            .with(":detail", items::text(message))
            .with(":ended_ms", items::number(ended_ms));
        let writes = [leases::fence_and_take_away(lease, run.id), ends(&run, change)];
        if ended(table, lease, &writes).await? {
            return Ok(());
        }
    }
    Err(Fault::Unavailable("the run changed at every attempt".into()))
}

/// The change of a run that is still extracting.
fn ends(run: &RunRecord, change: Expression) -> Write {
    Write::Change {
        key: Key::run(run.id, &run.resource),
        change,
        condition: Expression::new("#state = :extracting").with(":extracting", items::text("extracting")),
    }
}

/// The run, if it is to end now; `None` when it has ended so already. What speaks against it is told only to who holds the lease.
async fn to_end(table: &Table, lease: &Lease, id: RunId, well: bool) -> Result<Option<RunRecord>, Fault> {
    let run = get(table, id, &lease.resource).await?;
    let ending = run::ending(run.as_ref().map(|run| &run.state), well);
    if ending == Ok(Ending::Now) {
        return Ok(run);
    }
    leases::confirm(table, lease).await?;
    match ending {
        Ok(_) => Ok(None),
        Err(problem) => Err(LedgerError::CannotEnd {
            run: id,
            resource: lease.resource.clone(),
            problem,
        }
        .into()),
    }
}

/// Whether the run was ended by these writes, the first of which is the fence.
async fn ended(table: &Table, lease: &Lease, writes: &[Write]) -> Result<bool, Fault> {
    match table.transact(writes).await? {
        Outcome::Written => Ok(true),
        Outcome::Refused { write: 0, .. } => Err(leases::lost(lease, &lease.resource)),
        Outcome::Refused { .. } => Ok(false),
    }
}

pub(super) async fn get(table: &Table, run: RunId, resource: &ResourceId) -> Result<Option<RunRecord>, Fault> {
    let item = table.get(&Key::run(run, resource)).await?;
    item.as_ref().map(items::read_run).transpose()
}

pub(super) async fn cursor(table: &Table, resource: &ResourceId, source: &str) -> Result<Option<Cursor>, Fault> {
    let item = table.get(&Key::cursor(resource, source)).await?;
    item.as_ref().map(items::read_cursor).transpose()
}

pub(super) async fn list(table: &Table, filter: &RunFilter) -> Result<Vec<RunRecord>, Fault> {
    let query = match (&filter.pipeline, &filter.resource) {
        (Some(pipeline), Some(resource)) => {
            let of = ResourceId {
                pipeline: pipeline.clone(),
                resource: resource.clone(),
            };
            return of_resource(table, &of, filter.limit).await;
        }
        (Some(pipeline), None) => Query::of(key::of_pipeline(pipeline), key::RUN_PREFIX).newest_first(),
        (None, _) => Query::all_runs(),
    };
    let marked = marked(table, query, filter.resource.as_ref(), filter.limit).await?;
    let keys: Vec<Key> = marked.iter().map(|(run, resource)| Key::run(*run, resource)).collect();
    let found = table.get_all(&keys).await?;
    // In the order of the marks.
    keys.iter().filter_map(|key| found.get(key)).map(items::read_run).collect()
}

async fn of_resource(table: &Table, resource: &ResourceId, limit: Option<usize>) -> Result<Vec<RunRecord>, Fault> {
    let query = Query::of(key::of_resource(resource), key::RUN_PREFIX).newest_first();
    table.list(query, limit).await?.iter().map(items::read_run).collect()
}

/// The runs of a list of marks, the newest first, those of one id by resource. DynamoDB turns both orders round, so runs of one id are read to their end
/// before the list is cut.
async fn marked(table: &Table, query: Query, resource: Option<&Name>, limit: Option<usize>) -> Result<Vec<(RunId, ResourceId)>, Fault> {
    let mut pages = table.pages(query);
    let mut marks: Vec<(RunId, ResourceId)> = Vec::new();
    let limit = limit.unwrap_or(usize::MAX);
    let enough = |marks: &[(RunId, ResourceId)]| {
        let of = |index: Option<usize>| index.and_then(|index| marks.get(index)).map(|(run, _)| *run);
        limit == 0 || (marks.len() > limit && of(limit.checked_sub(1)) != of(marks.len().checked_sub(1)))
    };
    while !enough(&marks) {
        // One more than is missing shows where the last id ends. With a filter nobody knows how many it takes.
        let page = resource.map_or(limit.checked_add(1), |_| None);
        let Some(page) = pages.next(page).await? else { break };
        let read: Vec<_> = page.iter().map(|item: &Item| items::read_mark(item)).collect::<Result<_, _>>()?;
        marks.extend(read.into_iter().filter(|(_, of)| resource.is_none_or(|name| *name == of.resource)));
    }
    marks.sort_unstable_by(|(a, of_a), (b, of_b)| b.cmp(a).then_with(|| of_a.cmp(of_b)));
    marks.truncate(limit);
    Ok(marks)
}
