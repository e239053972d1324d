//! `tidemill run`: fetch what is new, clean it, load it.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure, Status,
    arguments::Run,
    local::{Place, ResourceReport, RunnerError},
    output::{
        json,
        numbers::{bytes, count, counted, duration, moment},
        plain::{plain, plain_lines},
        tables::{Column, table},
    },
    publish::ClaimError,
};
use pipeline::Checked;
use std::io::{self, Write};

pub(super) async fn run(typed: &Run, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    if typed.no_wait {
        return Err(super::no_stack(&format!("run {} --no-wait", typed.pipeline)));
    }
    let found = super::pipeline(&typed.pipeline, context)?;
    let (request, _upstream) = super::request(&found, &typed.source, None).await?;
    let runner = super::runner(at.create()?, context)?;
    let reports = runner.run(&request).await;
    runner.progress.end();
    let reports = reports.map_err(|error| failure(error, &typed.pipeline, at))?;
    if as_json {
        for report in &reports {
            json::line(&mut context.out, &report.to_json())?;
        }
    } else {
        tables(&reports, &mut context.out)?;
    }
    let status = troubles(&reports, Some(&rejects(&typed.pipeline, at)), &mut context.err)?;
    elsewhere(typed, at, &reports, &mut context.err)?;
    // A store that was away is not asked again.
    if reports.iter().all(|report| report.waiting.is_none()) {
        at.note_half_restored(context).await?;
    }
    if !as_json {
        next(typed, at, &found.checked, &reports, &mut context.out)?;
    }
    Ok(status)
}

/// What is not there, or is another's, is wrong use; all else is work that failed.
pub(super) fn failure(error: RunnerError, pipeline: &str, at: &HomeAt) -> Failure {
    match error {
        RunnerError::UnknownResource { .. } => Failure::wrong(error),
        RunnerError::Claim(error) => not_claimed(error, pipeline, at),
        other => Failure::from(other),
    }
}

/// A collection that is another's is wrong use.
pub(super) fn not_claimed(error: ClaimError, pipeline: &str, at: &HomeAt) -> Failure {
    match error {
        ClaimError::Taken { .. } => Failure::wrong(error).next("give this resource a `collection:` of its own"),
        ClaimError::Key { .. } => {
            let replay = at.command(&format!("replay {pipeline}"));
            Failure::wrong(error).next(format!(
                "put the file right; or, if the change is meant, give the resource another `collection:` and fill it from raw/: {replay}"
            ))
        }
        ClaimError::Ledger(_) => Failure::from(error),
    }
}

/// The command that shows what was set aside.
pub(super) fn rejects(pipeline: &str, at: &HomeAt) -> String {
    at.command(&format!("rejects {pipeline} --by reason"))
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

/// Says what did not go well, and whether anything did not. `rejects`: the command that shows what was set aside, if it was kept.
pub(super) fn troubles(reports: &[ResourceReport], rejects: Option<&str>, err: &mut dyn Write) -> io::Result<Status> {
    let mut text = String::new();
    for report in reports {
        trouble(report, &mut text);
    }
    if let Some(rejects) = rejects
        && reports.iter().any(ResourceReport::over_limit)
    {
        text.push_str(&format!("next: {rejects}\n"));
    }
    if reports.iter().any(|report| report.waiting.is_some()) {
        text.push_str("note: what was fetched is safe in raw/ and clean/; the next run goes on from there\n");
    }
    err.write_all(plain_lines(&text).as_bytes())?;
    let well = reports.iter().all(ResourceReport::is_well);
    Ok(if well { Status::Well } else { Status::Failed })
}

fn trouble(report: &ResourceReport, text: &mut String) {
    let name = format!("{}/{}", report.pipeline, report.resource);
    if let Some(skipped) = &report.skipped {
        let until = skipped
            .until_ms
            .map_or(String::new(), |ms| format!(", until {} UTC unless it takes longer", moment(ms)));
        text.push_str(&format!("error: {name} was skipped: {} is at it{until}\n", skipped.holder));
    }
    if let Some(error) = &report.error {
        text.push_str(&format!("error: {name} could not be fetched to its end: {error}\n"));
    }
    for notice in &report.notices {
        text.push_str(&format!("note: {name}: {notice}\n"));
    }
    if let Some(waiting) = &report.waiting {
        let objects = counted(waiting.objects, "object");
        text.push_str(&format!("error: {name}: {objects} could not be loaded: {}\n", waiting.why));
    }
    for problem in &report.problems {
        text.push_str(&format!("error: {}: {}\n", problem.object, problem.message));
    }
    if !report.over_limit() {
        return;
    }
    let limit = String::from(report.reject_limit);
    let (rejected, refused, records) = (report.clean.rejected, report.load.refused, count(report.clean.records_in));
    let what = match (rejected, refused) {
        (_, 0) => format!("{} of {records} records were rejected", count(rejected)),
        (0, _) => format!("the store refused {} of {records} records", count(refused)),
        _ => format!(
            "{} of {records} records were rejected and the store refused {}",
            count(rejected),
            count(refused)
        ),
    };
    text.push_str(&format!("error: {name}: {what}, more than `reject_limit: {limit}` allows\n"));
    for reason in &report.reasons {
        let field = if reason.field.is_empty() {
            String::new()
        } else {
            format!(" of `{}`", plain(&reason.field))
        };
        let times = count(reason.count);
        text.push_str(&format!("  {times} × {}{field}: {}\n", reason.reason, plain(&reason.example)));
    }
}

/// Says, once a run, where the documents of earlier runs are, and what brings them.
fn elsewhere(typed: &Run, at: &HomeAt, reports: &[ResourceReport], err: &mut dyn Write) -> io::Result<()> {
    let mut places: Vec<&Place> = Vec::new();
    for place in reports.iter().flat_map(|report| &report.elsewhere) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = places.iter().map(|place| place.to_string()).collect();
    let replay = at.command(&format!("replay {}", typed.pipeline));
    let text = format!(
        "note: documents that earlier runs loaded are in {}, and not where this run loads to\nnext: to bring all of them here: {replay}\n",
        places.join("; in ")
    );
    err.write_all(plain_lines(&text).as_bytes())
}

/// What one may want to look at now.
pub(super) fn next(typed: &Run, at: &HomeAt, checked: &Checked, reports: &[ResourceReport], out: &mut dyn Write) -> io::Result<()> {
    // Over the limit, it is said beside the error.
    if reports.iter().any(|report| report.set_aside() > 0) && !reports.iter().any(ResourceReport::over_limit) {
        writeln!(out, "next: {}", rejects(&typed.pipeline, at))?;
    }
    // Where all was refused, there is nothing to look at.
    let loaded = reports.iter().find(|report| report.load.documents_in > report.load.refused);
    let resources = &checked.pipeline.resources;
    let resource = loaded.and_then(|report| resources.iter().find(|resource| resource.name == report.resource));
    match resource {
        Some(resource) => {
            let documents = at.command(&format!("documents {} --limit 3", resource.load.collection));
            writeln!(out, "next: {documents}")
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_notice_is_told_and_is_no_failure() {
        let text = "pipeline: p\nsource: {files: {}}\nresources:\n  - name: r\n    file: {path: a.csv}\n    record: {primary_key: [id], fields: {id: {type: string}}}\n    load: {collection: c, write_disposition: merge}\n";
        let checked = pipeline::check("p.yaml", text).unwrap();
        let mut report = ResourceReport::new(&checked.pipeline, &checked.pipeline.resources[0].name);
        assert!(report.to_json().get("notices").is_none());
        report.notices.push("no `nxt` in the first reply".to_owned());
        let mut told = Vec::new();
        let status = troubles(&[report.clone()], None, &mut told).unwrap();
        assert_eq!(
            (status, told.as_slice()),
            (Status::Well, b"note: p/r: no `nxt` in the first reply\n".as_slice())
        );
        assert_eq!(report.to_json()["notices"][0], "no `nxt` in the first reply");
    }
}
