//! `tidemill run`: fetch what is new, clean it, load it.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure, Status,
    arguments::Run,
    local::{Found, ResourceReport, RunnerError},
    output::{
        json,
        numbers::{bytes, count, duration, moment},
        tables::{Column, table},
    },
};
use std::io::{self, Write};

pub(super) async fn run(typed: &Run, home: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let found = super::pipeline(&typed.pipeline, context)?;
    let (request, _upstream) = super::request(&found, &typed.source, None).await?;
    let runner = super::runner(home.create()?, context)?;
    let reports = runner.run(&request).await;
    runner.progress.end();
    let reports = reports.map_err(failure)?;
    if as_json {
        for report in &reports {
            json::line(&mut context.out, &report.to_json())?;
        }
    } else {
        tables(&reports, &mut context.out)?;
    }
    let status = troubles(&reports, &mut context.err)?;
    if !as_json {
        next(typed, &found, &reports, &mut context.out)?;
    }
    Ok(status)
}

/// A resource that is not there is wrong use; all else is work that failed.
pub(super) fn failure(error: RunnerError) -> Failure {
    match error {
        RunnerError::UnknownResource { .. } => Failure::wrong(error),
        other => Failure::from(other),
    }
}

/// A table a stage, a row a resource.
pub(super) fn tables(reports: &[ResourceReport], out: &mut dyn Write) -> io::Result<()> {
    stage("extract", &["captures", "bytes", "took"], reports, out, |report| {
        vec![
            count(report.extract.captures),
            bytes(report.extract.bytes),
            duration(report.took_ms),
        ]
    })?;
    cleaned_and_loaded(reports, out)
}

/// The tables of the two stages that come after extraction.
pub(super) fn cleaned_and_loaded(reports: &[ResourceReport], out: &mut dyn Write) -> io::Result<()> {
    let clean = ["in", "out", "rejected", "dropped", "duplicates"];
    stage("clean", &clean, reports, out, |report| {
        let tally = report.clean;
        [tally.records_in, tally.out, tally.rejected, tally.dropped, tally.duplicates]
            .map(count)
            .to_vec()
    })?;
    let load = ["in", "inserted", "updated", "unchanged", "stale", "superseded", "refused"];
    stage("load", &load, reports, out, |report| {
        let tally = report.load;
        let written = [tally.documents_in, tally.inserted, tally.updated, tally.unchanged];
        written
            .into_iter()
            .chain([tally.stale, tally.superseded, tally.refused])
            .map(count)
            .collect()
    })
}

fn stage(
    name: &'static str,
    titles: &[&'static str],
    reports: &[ResourceReport],
    out: &mut dyn Write,
    cells: impl Fn(&ResourceReport) -> Vec<String>,
) -> io::Result<()> {
    let numbers = titles.iter().map(|title| Column::Number(title));
    let columns: Vec<Column> = [Column::Text(name)].into_iter().chain(numbers).collect();
    let rows = reports
        .iter()
        .map(|report| [report.resource.to_string()].into_iter().chain(cells(report)).collect());
    writeln!(out, "{}", table(&columns, rows))
}

/// Says what did not go well, and whether anything did not.
pub(super) fn troubles(reports: &[ResourceReport], err: &mut dyn Write) -> io::Result<Status> {
    let mut status = Status::Well;
    for report in reports {
        let name = format!("{}/{}", report.pipeline, report.resource);
        if !report.is_well() {
            status = Status::Failed;
        }
        if let Some(skipped) = &report.skipped {
            let until = skipped
                .until_ms
                .map_or(String::new(), |ms| format!(", until {} UTC unless it takes longer", moment(ms)));
            writeln!(err, "error: {name} was skipped: {} is at it{until}", skipped.holder)?;
        }
        if let Some(error) = &report.error {
            writeln!(err, "error: {name} could not be fetched to its end: {error}")?;
        }
        for problem in &report.problems {
            writeln!(err, "error: {}: {}", problem.object, problem.message)?;
        }
        if report.over_limit() {
            let limit = String::from(report.reject_limit);
            let (rejected, records) = (count(report.clean.rejected), count(report.clean.records_in));
            writeln!(
                err,
                "error: {name}: {rejected} of {records} records were rejected, more than `reject_limit: {limit}` allows"
            )?;
        }
    }
    Ok(status)
}

/// What one may want to look at now.
fn next(typed: &Run, found: &Found, reports: &[ResourceReport], out: &mut dyn Write) -> io::Result<()> {
    let pipeline = &typed.pipeline;
    if reports.iter().any(|report| report.clean.rejected > 0) {
        writeln!(out, "next: tidemill rejects {pipeline} --by reason")?;
    }
    let loaded = reports.iter().find(|report| report.load.documents_in > 0);
    let resources = &found.checked.pipeline.resources;
    let resource = loaded.and_then(|report| resources.iter().find(|resource| resource.name == report.resource));
    match resource {
        Some(resource) => writeln!(out, "next: tidemill documents {} --limit 3", resource.load.collection),
        None => Ok(()),
    }
}
