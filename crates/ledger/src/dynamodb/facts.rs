//! Intents and facts of a run's parts, and which parts are owed.

use super::definitions::vanished;
use super::fault::Fault;
use super::items;
use super::key::{self, Key};
use super::leases;
use super::query::Query;
use super::table::Table;
use super::write::{Expression, Outcome, Write};
use crate::{Fact, FactKey, Lease, LedgerError, ResourceId, Stage, Unfinished, fact};
use lake::{RawKey, RunId};
use pipeline::Name;

pub(super) async fn intend(table: &Table, lease: &Lease, raw: &RawKey, definition: &str, generation: u32) -> Result<(), Fault> {
    let resource = ResourceId {
        pipeline: raw.pipeline.clone(),
        resource: raw.resource.clone(),
    };
    leases::must_be_of(lease, &resource)?;
    let writes = [
        leases::fence(lease),
        Write::Put {
            item: items::intent(&Key::intent(raw), raw, definition, generation),
            condition: Some(Expression::absent()),
        },
        Write::Put {
            item: items::intent(&Key::owed(raw, definition), raw, definition, generation),
            condition: None,
        },
    ];
    match table.transact(&writes).await? {
        Outcome::Written => Ok(()),
        Outcome::Refused { write: 0, .. } => Err(leases::lost(lease, &resource)),
        // The first intent of a part stands.
        Outcome::Refused { .. } => leases::confirm(table, lease).await,
    }
}

pub(super) async fn intents(table: &Table, run: RunId, resource: &ResourceId) -> Result<Vec<RawKey>, Fault> {
    let query = Query::of(key::of_run(run, resource), key::INTENT_PREFIX);
    let items = table.list(query, None).await?;
    items.iter().map(|item| items::Row::of(item).raw()).collect()
}

pub(super) async fn record(table: &Table, key: &FactKey, fact: &Fact, at_ms: i64) -> Result<Fact, Fault> {
    if let Some(problem) = fact.fault(key) {
        let key = Box::new(key.clone());
        return Err(LedgerError::NotAFact { key, problem }.into());
    }
    let put = Write::Put {
        item: items::fact(key, fact, at_ms)?,
        condition: Some(Expression::absent()),
    };
    let outcome = match key.stage {
        Stage::Clean => table.write(&put).await?,
        // What is loaded is owed no more.
        Stage::Load => {
            let owed = Write::Delete {
                key: Key::owed(&key.raw, &key.definition),
                condition: None,
            };
            table.transact(&[put, owed]).await?
        }
    };
    match outcome {
        Outcome::Written => Ok(*fact),
        Outcome::Refused { there: Some(first), .. } => Ok(items::read_fact(&first)?.2),
        Outcome::Refused { there: None, .. } => get(table, key).await?.ok_or_else(vanished),
    }
}

pub(super) async fn get(table: &Table, key: &FactKey) -> Result<Option<Fact>, Fault> {
    let item = table.get(&Key::fact(key)).await?;
    Ok(item.as_ref().map(items::read_fact).transpose()?.map(|(_, _, fact)| fact))
}

pub(super) async fn list(table: &Table, run: RunId, resource: &ResourceId, definition: &str) -> Result<Vec<(FactKey, Fact)>, Fault> {
    let query = Query::of(key::of_run(run, resource), key::fact_prefix(definition));
    let items = table.list(query, None).await?;
    let facts = items.iter().map(|item| {
        let (raw, stage, fact) = items::read_fact(item)?;
        let definition = definition.to_owned();
        Ok((FactKey { raw, definition, stage }, fact))
    });
    facts.collect()
}

/// What is owed, and the facts of each owed part: few, however many are done. A load fact may be there though its part is owed: one that was recorded
/// before its intent was.
pub(super) async fn unfinished(table: &Table, pipeline: &Name) -> Result<Vec<Unfinished>, Fault> {
    let owed = table.list(Query::of(key::owed_by(pipeline), ""), None).await?;
    let owed: Vec<_> = owed.iter().map(items::read_owed).collect::<Result<_, _>>()?;
    let key_of = |raw: &RawKey, definition: &str, stage| {
        Key::fact(&FactKey {
            raw: raw.clone(),
            definition: definition.to_owned(),
            stage,
        })
    };
    let keys = owed.iter().flat_map(|(raw, definition, _)| {
        let of = |stage| key_of(raw, definition, stage);
        [of(Stage::Clean), of(Stage::Load)]
    });
    let done = table.get_all(&keys.collect::<Vec<_>>()).await?;
    let mut parts: Vec<Unfinished> = owed
        .into_iter()
        .filter_map(|(raw, definition, generation)| {
            let is_done = |stage| done.contains_key(&key_of(&raw, &definition, stage));
            let next = fact::next_stage(is_done(Stage::Clean), is_done(Stage::Load))?;
            Some(Unfinished {
                raw,
                definition,
                generation,
                next,
            })
        })
        .collect();
    parts.sort_unstable_by(|a, b| a.raw.cmp(&b.raw));
    Ok(parts)
}
