//! `tidemill runs`: what ran, when, and what became of it.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure, Status,
    arguments::Runs,
    local::runner::{Extracted, waiting, why_refused},
    output::{
        json,
        numbers::{bytes, count, duration, iso, moment},
        tables::{Column, table},
    },
    ports::Ports,
};
use lake::{DefinitionError, StoreError};
use ledger::{Fact, FactKey, ResourceId, RunFilter, RunRecord, RunState, Totals, Unfinished, conservation};
use pipeline::{Checked, WriteDisposition};
use serde_json::{Value, json};
use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

/// Columns of what every run has.
const ALWAYS: [Column; 7] = [
    Column::Text("run"),
    Column::Text("resource"),
    Column::Text("started (UTC)"),
    Column::Number("took"),
    Column::Text("state"),
    Column::Number("captures"),
    Column::Number("bytes"),
];

/// A column of numbers of records or objects.
struct Counted {
    title: &'static str,
    /// Shown though no run has any.
    always: bool,
    of: fn(&Told) -> u64,
}

/// `in` is the sum of those up to `duplicates`, and `out` of those from `inserted` to `refused`.
const COUNTED: [Counted; 12] = [
    Counted::new("in", true, |told| told.totals.clean.records_in),
    Counted::new("out", true, |told| told.totals.clean.out),
    Counted::new("rejected", true, |told| told.totals.clean.rejected),
    Counted::new("dropped", false, |told| told.totals.clean.dropped),
    Counted::new("duplicates", false, |told| told.totals.clean.duplicates),
    Counted::new("inserted", true, |told| told.totals.load.inserted),
    Counted::new("updated", true, |told| told.totals.load.updated),
    Counted::new("unchanged", true, |told| told.totals.load.unchanged),
    Counted::new("stale", false, |told| told.totals.load.stale),
    Counted::new("superseded", false, |told| told.totals.load.superseded),
    Counted::new("refused", true, |told| told.totals.load.refused),
    Counted::new("waiting", false, |told| told.waiting),
];

impl Counted {
    const fn new(title: &'static str, always: bool, of: fn(&Told) -> u64) -> Counted {
        Counted { title, always, of }
    }
}

/// What is told of a run.
struct Told {
    record: RunRecord,
    extracted: Extracted,
    totals: Totals,
    /// Objects of it that are to be cleaned or loaded yet.
    waiting: u64,
    /// More was rejected or refused than its definition allows.
    over_limit: bool,
    /// Of a `replace` run that was extracted.
    replaced: Option<Replaced>,
}

/// What became of a `replace` run's documents.
enum Replaced {
    /// Readers see them.
    Visible,
    /// Readers see a newer run's.
    Superseded,
    /// They are not loaded yet.
    Loading,
    /// They must not be shown.
    Refused(String),
}

pub(super) async fn run(typed: &Runs, home: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let home = home.ports().await?;
    let pipeline = match &typed.pipeline {
        Some(typed) => Some(super::pipeline_name(typed, &home, context).await?),
        None => None,
    };
    let filter = RunFilter {
        pipeline,
        resource: None,
        limit: Some(typed.limit),
    };
    let mut runs = Vec::new();
    let mut unfinished = BTreeMap::new();
    for record in home.ledger.runs(&filter).await? {
        let pipeline = &record.resource.pipeline;
        if !unfinished.contains_key(pipeline) {
            unfinished.insert(pipeline.clone(), home.ledger.unfinished(pipeline).await?);
        }
        let owed = unfinished.get(pipeline).map(Vec::as_slice).unwrap_or_default();
        runs.push(told(&home, record.clone(), owed).await?);
    }
    if as_json {
        for told in &runs {
            json::line(&mut context.out, &object(told))?;
        }
    } else if runs.is_empty() {
        writeln!(context.out, "no runs yet")?;
    } else {
        write!(context.out, "{}", listed(&runs))?;
    }
    Ok(Status::Well)
}

async fn told(home: &Ports, record: RunRecord, unfinished: &[Unfinished]) -> Result<Told, Failure> {
    let facts = home.ledger.facts(record.id, &record.resource, &record.definition).await?;
    let totals = conservation::totals(&facts);
    let definition = definition(home, &record).await?;
    let over_limit = definition.as_ref().is_some_and(|definition| {
        let set_aside = totals.clean.rejected.saturating_add(totals.load.refused);
        definition.pipeline.reject_limit.exceeded_by(set_aside, totals.clean.records_in)
    });
    Ok(Told {
        extracted: Extracted::of(home, &record).await?,
        totals,
        waiting: waiting(home, &record, unfinished).await?,
        over_limit,
        replaced: match &definition {
            Some(definition) => replaced(home, &record, definition, &facts).await?,
            None => None,
        },
        record,
    })
}

/// What the run ran under. A run is listed too when that is gone, or is no longer understood.
async fn definition(home: &Ports, record: &RunRecord) -> Result<Option<Arc<Checked>>, Failure> {
    match home.definitions.get(&record.resource.pipeline, &record.definition).await {
        Ok(definition) => Ok(Some(definition)),
        Err(DefinitionError::Refused { .. } | DefinitionError::Damaged { .. }) => Ok(None),
        Err(DefinitionError::Store {
            source: StoreError::NotFound { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn replaced(home: &Ports, record: &RunRecord, definition: &Checked, facts: &[(FactKey, Fact)]) -> Result<Option<Replaced>, Failure> {
    if record.state != RunState::Extracted {
        return Ok(None);
    }
    let mut resources = definition.pipeline.resources.iter();
    let resource = resources.find(|resource| resource.name == record.resource.resource);
    let Some(load) = resource.map(|resource| &resource.load) else {
        return Ok(None);
    };
    if load.write_disposition != WriteDisposition::Replace {
        return Ok(None);
    }
    let visible = home.documents.visible(&load.collection).await?;
    Ok(Some(match visible.map(|visible| visible.run.cmp(&record.id.to_bytes())) {
        Some(Ordering::Equal) => Replaced::Visible,
        Some(Ordering::Greater) => Replaced::Superseded,
        Some(Ordering::Less) | None => {
            match ledger::replacement(Some(record.parts), facts, definition.pipeline.reject_limit, load.allow_empty) {
                ledger::Replacement::Refused(refused) => Replaced::Refused(why_refused(refused)),
                ledger::Replacement::Wait(_) | ledger::Replacement::Ready => Replaced::Loading,
            }
        }
    }))
}

/// Of a resource that replaces: why the documents of its newest run are not what readers see, if they are not.
pub(super) async fn not_shown(home: &Ports, resource: &ResourceId) -> Result<Option<String>, Failure> {
    let filter = RunFilter {
        pipeline: Some(resource.pipeline.clone()),
        resource: Some(resource.resource.clone()),
        limit: None,
    };
    let runs = home.ledger.runs(&filter).await?;
    let newest = runs.into_iter().find(|run| !matches!(run.state, RunState::Skipped { .. }));
    let Some(newest) = newest else { return Ok(None) };
    let told = told(home, newest, &[]).await?;
    let why = match (&told.record.state, &told.replaced) {
        (RunState::Extracting, _) => "it was cut short".to_owned(),
        (RunState::Failed { message }, _) => format!("it failed: {message}"),
        (_, Some(Replaced::Loading)) => "it is not loaded yet".to_owned(),
        (_, Some(Replaced::Refused(why))) => why.clone(),
        (_, Some(Replaced::Visible | Replaced::Superseded) | None) => return Ok(None),
    };
    Ok(Some(format!(
        "the newest run of {resource}, {}, is not what readers see: {why}",
        told.record.id
    )))
}

/// The run's state; of a `replace` run that came so far, what became of its documents.
fn state(told: &Told) -> &'static str {
    match (&told.record.state, &told.replaced) {
        (RunState::Extracting, _) => "extracting",
        (RunState::Failed { .. }, _) => "failed",
        (RunState::Skipped { .. }, _) => "skipped",
        (RunState::Extracted, None) if told.waiting > 0 => "waiting",
        (RunState::Extracted, None) if told.over_limit => "over limit",
        (RunState::Extracted, None) => "extracted",
        (RunState::Extracted, Some(Replaced::Visible)) => "visible",
        (RunState::Extracted, Some(Replaced::Superseded)) => "superseded",
        (RunState::Extracted, Some(Replaced::Loading)) => "loading",
        (RunState::Extracted, Some(Replaced::Refused(_))) => "not shown",
    }
}

/// The table: a column that no run has anything in is left out, unless it is looked for.
fn listed(runs: &[Told]) -> String {
    let shown: Vec<&Counted> = COUNTED
        .iter()
        .filter(|column| column.always || runs.iter().any(|told| (column.of)(told) > 0))
        .collect();
    let counted = shown.iter().map(|column| Column::Number(column.title));
    let columns: Vec<Column> = ALWAYS.into_iter().chain(counted).collect();
    let rows = runs.iter().map(|told| {
        let numbers = shown.iter().map(|column| count((column.of)(told)));
        row(told).into_iter().chain(numbers).collect()
    });
    table(&columns, rows)
}

fn row(told: &Told) -> Vec<String> {
    let Told { record, extracted, .. } = told;
    let took = record.ended_ms.map_or("-".to_owned(), |ended| duration(ended - record.started_ms));
    vec![
        record.id.to_string(),
        record.resource.to_string(),
        moment(record.started_ms),
        took,
        state(told).to_owned(),
        count(extracted.captures),
        bytes(extracted.bytes),
    ]
}

fn object(told: &Told) -> Value {
    let record = &told.record;
    let (error, holder) = match (&record.state, &told.replaced) {
        (RunState::Failed { message }, _) | (_, Some(Replaced::Refused(message))) => (Some(message), None),
        (RunState::Skipped { holder }, _) => (None, Some(holder)),
        (RunState::Extracting | RunState::Extracted, _) => (None, None),
    };
    json!({
        "run": record.id.to_string(),
        "pipeline": record.resource.pipeline,
        "resource": record.resource.resource,
        "definition": record.definition,
        "generation": record.generation,
        "started": iso(record.started_ms),
        "ended": record.ended_ms.map(iso),
        "state": state(told),
        "error": error,
        "holder": holder,
        "extract": told.extracted,
        "clean": told.totals.clean,
        "load": told.totals.load,
        "waiting": told.waiting,
    })
}
