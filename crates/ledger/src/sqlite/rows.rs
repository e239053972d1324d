//! Rows of the SQLite ledger as values, and back. What cannot be read is `Damaged`, with its table and what was expected.

use super::Fault;
use crate::lease::{Held, StoredLease};
use crate::{CollectionClaim, Fact, Holder, LedgerError, ResourceId, RunRecord, RunState, Stage, Unfinished};
use lake::{RawKey, RunId};
use pipeline::Name;
use rusqlite::Row;
use std::fmt::Display;

/// The columns that [`run`] reads.
pub(super) const RUN_COLUMNS: &str = "run, pipeline, resource, state, detail, definition, generation, source, cursor_before, parts, captures, bytes, \
                                      started_ms, ended_ms";

pub(super) fn run(row: &Row<'_>) -> Result<RunRecord, Fault> {
    let id: String = row.get(0)?;
    let place = || format!("run {id}");
    let detail = row.get::<_, Option<String>>(4)?.unwrap_or_default();
    let state = match row.get::<_, String>(3)?.as_str() {
        "extracting" => RunState::Extracting,
        "extracted" => RunState::Extracted,
        "failed" => RunState::Failed { message: detail },
        "skipped" => RunState::Skipped { holder: detail },
        other => return Err(damaged(place(), format!("`{other}` is no state of a run"))),
    };
    let name = |column| Name::new(row.get::<_, String>(column)?).map_err(|e| damaged(place(), e));
    Ok(RunRecord {
        id: RunId::parse(&id).map_err(|e| damaged(place(), e))?,
        resource: ResourceId {
            pipeline: name(1)?,
            resource: name(2)?,
        },
        definition: row.get(5)?,
        generation: row.get(6)?,
        source: row.get(7)?,
        cursor_before: row.get(8)?,
        started_ms: row.get(12)?,
        ended_ms: row.get(13)?,
        state,
        parts: row.get(9)?,
        captures: count(row, 10, &place)?,
        bytes: count(row, 11, &place)?,
    })
}

/// A state as its two columns.
pub(super) fn state(state: &RunState) -> (&'static str, Option<&str>) {
    match state {
        RunState::Extracting => ("extracting", None),
        RunState::Extracted => ("extracted", None),
        RunState::Failed { message } => ("failed", Some(message)),
        RunState::Skipped { holder } => ("skipped", Some(holder)),
    }
}

/// Reads `pipeline, resource, key`.
pub(super) fn claim(row: &Row<'_>, collection: &Name) -> Result<CollectionClaim, Fault> {
    let name = |column| {
        let text = row.get::<_, String>(column)?;
        Name::new(text).map_err(|e| damaged(format!("collection {collection}"), e))
    };
    Ok(CollectionClaim {
        collection: collection.clone(),
        owner: ResourceId {
            pipeline: name(0)?,
            resource: name(1)?,
        },
        key: row.get(2)?,
    })
}

/// Reads `token, holder, process, process_start, expires_ms`.
pub(super) fn lease(row: &Row<'_>) -> Result<StoredLease, Fault> {
    let held = match row.get::<_, Option<String>>(1)? {
        None => None,
        Some(name) => Some(Held {
            holder: Holder {
                name,
                process: row.get(2)?,
                process_start: row.get(3)?,
            },
            expires_ms: row.get(4)?,
        }),
    };
    Ok(StoredLease {
        token: count(row, 0, &|| "a lease".to_owned())?,
        held,
    })
}

pub(super) fn raw_key(text: &str) -> Result<RawKey, Fault> {
    RawKey::parse(text).map_err(|e| damaged(format!("part {text}"), e))
}

/// Reads `raw, definition, generation, next`.
pub(super) fn unfinished(row: &Row<'_>) -> Result<Unfinished, Fault> {
    let raw: String = row.get(0)?;
    Ok(Unfinished {
        next: stage(&row.get::<_, String>(3)?, &raw)?,
        raw: raw_key(&raw)?,
        definition: row.get(1)?,
        generation: row.get(2)?,
    })
}

pub(super) fn stage(text: &str, raw: &str) -> Result<Stage, Fault> {
    match text {
        "clean" => Ok(Stage::Clean),
        "load" => Ok(Stage::Load),
        other => Err(damaged(format!("part {raw}"), format!("`{other}` is no stage"))),
    }
}

pub(super) fn tally(fact: &Fact) -> Result<String, Fault> {
    let text = match fact {
        Fact::Clean(tally) => serde_json::to_string(tally),
        Fact::Load(tally) => serde_json::to_string(tally),
    };
    text.map_err(|e| Fault::Other(Box::new(e)))
}

pub(super) fn fact(stage: Stage, tally: &str, raw: &str) -> Result<Fact, Fault> {
    let fact = match stage {
        Stage::Clean => serde_json::from_str(tally).map(Fact::Clean),
        Stage::Load => serde_json::from_str(tally).map(Fact::Load),
    };
    fact.map_err(|e| damaged(format!("{} fact of {raw}", stage.as_str()), format!("its tally is unreadable: {e}")))
}

/// SQLite's integers end at 2^63: what is greater is an error, never another number.
pub(super) fn integer(count: u64) -> Result<i64, Fault> {
    i64::try_from(count).map_err(|e| Fault::Other(Box::new(e)))
}

pub(super) fn count(row: &Row<'_>, column: usize, place: &dyn Fn() -> String) -> Result<u64, Fault> {
    let found: i64 = row.get(column)?;
    u64::try_from(found).map_err(|_| damaged(place(), format!("{found} is negative, expected a count")))
}

pub(super) fn damaged(place: String, problem: impl Display) -> Fault {
    Fault::Ledger(LedgerError::Damaged {
        place,
        problem: problem.to_string(),
    })
}
