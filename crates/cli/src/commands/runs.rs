//! `tidemill runs`: what ran, when, and what became of it.

use super::{Ended, HomeAt};
use crate::{
    Context, Status,
    arguments::Runs,
    local::Home,
    output::{
        json,
        numbers::{bytes, count, duration, iso, moment},
        tables::{Column, table},
    },
};
use ledger::{RunFilter, RunRecord, RunState, Totals, conservation};
use serde_json::{Value, json};

const COLUMNS: [Column; 13] = [
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
];

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
        let totals = totals(&home, &record).await?;
        if as_json {
            json::line(&mut context.out, &object(&record, &totals))?;
        } else {
            rows.push(row(&record, &totals));
        }
    }
    if !as_json && rows.is_empty() {
        writeln!(context.out, "no runs yet")?;
    } else if !as_json {
        write!(context.out, "{}", table(&COLUMNS, rows))?;
    }
    Ok(Status::Well)
}

async fn totals(home: &Home, record: &RunRecord) -> Result<Totals, ledger::LedgerError> {
    let facts = home.ledger.facts(record.id, &record.resource, &record.definition).await?;
    Ok(conservation::totals(&facts))
}

fn state(state: &RunState) -> &'static str {
    match state {
        RunState::Extracting => "extracting",
        RunState::Extracted => "extracted",
        RunState::Failed { .. } => "failed",
        RunState::Skipped { .. } => "skipped",
    }
}

fn row(record: &RunRecord, totals: &Totals) -> Vec<String> {
    let took = record.ended_ms.map_or("-".to_owned(), |ended| duration(ended - record.started_ms));
    vec![
        record.id.to_string(),
        record.resource.to_string(),
        moment(record.started_ms),
        took,
        state(&record.state).to_owned(),
        count(record.captures),
        bytes(record.bytes),
        count(totals.clean.records_in),
        count(totals.clean.out),
        count(totals.clean.rejected),
        count(totals.load.inserted),
        count(totals.load.updated),
        count(totals.load.unchanged),
    ]
}

fn object(record: &RunRecord, totals: &Totals) -> Value {
    let (error, holder) = match &record.state {
        RunState::Failed { message } => (Some(message), None),
        RunState::Skipped { holder } => (None, Some(holder)),
        RunState::Extracting | RunState::Extracted => (None, None),
    };
    json!({
        "run": record.id.to_string(),
        "pipeline": record.resource.pipeline,
        "resource": record.resource.resource,
        "definition": record.definition,
        "generation": record.generation,
        "started": iso(record.started_ms),
        "ended": record.ended_ms.map(iso),
        "state": state(&record.state),
        "error": error,
        "holder": holder,
        "extract": {"captures": record.captures, "bytes": record.bytes},
        "clean": totals.clean,
        "load": totals.load,
    })
}
