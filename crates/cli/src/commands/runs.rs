//! `tidemill runs`: what ran, when, and what became of it.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure, Status,
    arguments::Runs,
    local::{
        Home,
        runner::{Extracted, why_refused},
    },
    output::{
        json,
        numbers::{bytes, count, duration, iso, moment},
        tables::{Column, table},
    },
};
use lake::{DefinitionError, StoreError};
use ledger::{Fact, FactKey, RunFilter, RunRecord, RunState, Totals, conservation};
use pipeline::WriteDisposition;
use serde_json::{Value, json};
use std::cmp::Ordering;

const COLUMNS: [Column; 14] = [
    Column::Text("run"),
    Column::Text("resource"),
    Column::Text("started (UTC)"),
    Column::Number("took"),
    Column::Text("state"),
    Column::Number("captures"),
    Column::Number("bytes"),
    Column::Number("in"),
    Column::Number("out"),
    Column::Number("rejected"),
    Column::Number("inserted"),
    Column::Number("updated"),
    Column::Number("unchanged"),
    Column::Number("refused"),
];

/// What is told of a run.
struct Told {
    record: RunRecord,
    extracted: Extracted,
    totals: Totals,
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
    let home = home.open()?;
    let pipeline = match &typed.pipeline {
        Some(typed) => Some(super::pipeline_name(typed, &home, context).await?),
        None => None,
    };
    let filter = RunFilter {
        pipeline,
        resource: None,
        limit: Some(typed.limit),
    };
    let mut rows = Vec::new();
    for record in home.ledger.runs(&filter).await? {
        let told = told(&home, record).await?;
        if as_json {
            json::line(&mut context.out, &object(&told))?;
        } else {
            rows.push(row(&told));
        }
    }
    if !as_json && rows.is_empty() {
        writeln!(context.out, "no runs yet")?;
    } else if !as_json {
        write!(context.out, "{}", table(&COLUMNS, rows))?;
    }
    Ok(Status::Well)
}

async fn told(home: &Home, record: RunRecord) -> Result<Told, Failure> {
    let facts = home.ledger.facts(record.id, &record.resource, &record.definition).await?;
    Ok(Told {
        extracted: Extracted::of(home, &record).await?,
        totals: conservation::totals(&facts),
        replaced: replaced(home, &record, &facts).await?,
        record,
    })
}

async fn replaced(home: &Home, record: &RunRecord, facts: &[(FactKey, Fact)]) -> Result<Option<Replaced>, Failure> {
    let definition = match home.definitions.get(&record.resource.pipeline, &record.definition).await {
        Ok(definition) if record.state == RunState::Extracted => definition,
        // A run is listed too when what it ran under is gone, or is no longer understood.
        Ok(_) | Err(DefinitionError::Refused { .. } | DefinitionError::Damaged { .. }) => return Ok(None),
        Err(DefinitionError::Store {
            source: StoreError::NotFound { .. },
            ..
        }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
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

/// The run's state; of a `replace` run that came so far, what became of its documents.
fn state(told: &Told) -> &'static str {
    match (&told.record.state, &told.replaced) {
        (RunState::Extracting, _) => "extracting",
        (RunState::Failed { .. }, _) => "failed",
        (RunState::Skipped { .. }, _) => "skipped",
        (RunState::Extracted, None) => "extracted",
        (RunState::Extracted, Some(Replaced::Visible)) => "visible",
        (RunState::Extracted, Some(Replaced::Superseded)) => "superseded",
        (RunState::Extracted, Some(Replaced::Loading)) => "loading",
        (RunState::Extracted, Some(Replaced::Refused(_))) => "not shown",
    }
}

fn row(told: &Told) -> Vec<String> {
    let Told {
        record, extracted, totals, ..
    } = told;
    let took = record.ended_ms.map_or("-".to_owned(), |ended| duration(ended - record.started_ms));
    vec![
        record.id.to_string(),
        record.resource.to_string(),
        moment(record.started_ms),
        took,
        state(told).to_owned(),
        count(extracted.captures),
        bytes(extracted.bytes),
        count(totals.clean.records_in),
        count(totals.clean.out),
        count(totals.clean.rejected),
        count(totals.load.inserted),
        count(totals.load.updated),
        count(totals.load.unchanged),
        count(totals.load.refused),
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
    })
}
