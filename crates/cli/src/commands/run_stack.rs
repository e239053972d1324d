//! `tidemill run --stack`: asks the deployed functions for a run, and follows it to its last document.

use super::{Ended, HomeAt, run};
use crate::{
    Context, Failure, Status,
    arguments::Run,
    cloud::{
        Stack,
        follow::{self, Asked},
    },
    local::{ResourceReport, Upstream, pipelines},
    output::json,
};
use anyhow::anyhow;
use ledger::{
    LedgerError,
    applied::{self, Applied},
};
use pipeline::{Checked, Name, Resource};
use serde_json::json;
use std::{io::Write, sync::Arc};

/// The end points that this machine's own loopback reaches: an emulator's.
const LOOPBACK: [&str; 3] = ["://127.0.0.1", "://localhost", "://[::1]"];

pub(super) async fn run(typed: &Run, stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let stack = at.stack(stack).await?;
    let pipeline = super::pipeline_name(&typed.pipeline, &stack.ports, context).await?;
    let (checked, _) = newest(&stack, &pipeline, &typed.pipeline, at, context).await?;
    let (chosen, later) = chosen(&checked, typed)?;
    gone(&stack, &pipeline, at, context).await?;
    let upstream = recording(typed, &pipeline, context).await?;
    let base_url = upstream.as_ref().map(Upstream::base_url).or_else(|| typed.source.base_url.clone());
    let mut asked = Vec::with_capacity(chosen.len());
    for resource in &chosen {
        asked.push(follow::ask(&stack, &pipeline, &resource.name, base_url.as_deref()).await?);
    }
    for resource in later {
        let before: Vec<&str> = resource.after.iter().map(Name::as_str).collect();
        writeln!(context.err, "note: {} comes by itself after {}", resource.name, before.join(", "))?;
    }
    if typed.no_wait {
        return told(&asked, at, as_json, context);
    }
    context.parting.set(format!(
        "no longer followed: the run goes on in the cloud; {} shows it",
        at.command(&format!("runs {}", typed.pipeline))
    ));
    let reports = followed(&stack, &asked, &checked, context).await?;
    shown(typed, at, &checked, &reports, as_json, context)
}

/// The definition that the functions run: the newest that was applied.
pub(super) async fn newest(
    stack: &Stack,
    pipeline: &Name,
    typed: &str,
    at: &HomeAt,
    context: &mut Context,
) -> Result<(Arc<Checked>, u32), Failure> {
    let apply = at.command("apply");
    let Some((hash, generation)) = stack.ports.ledger.newest_definition(pipeline).await? else {
        let error = anyhow!("the pipeline `{pipeline}` is not applied to the stack `{}`", stack.names.stack);
        return Err(Failure::wrong(error).next(format!("apply it: {apply}")));
    };
    let checked = stack.ports.definitions.get(pipeline, &hash).await?;
    // Not the texts: one that was put back has a comment at its end.
    if let Ok(found) = pipelines::find(typed, &context.folder)
        && found.checked.pipeline != checked.pipeline
    {
        writeln!(
            context.err,
            "note: {} was edited since it was applied, and the stack runs what was applied: {apply}",
            found.name
        )?;
    }
    Ok((checked, generation))
}

/// Says that the pipeline was taken away: it can be run by hand all the same.
async fn gone(stack: &Stack, pipeline: &Name, at: &HomeAt, context: &mut Context) -> Result<(), Failure> {
    let notes = applied::each_applied(stack.ports.ledger.as_ref()).await?;
    // A note that can't be read is told where it matters.
    let is_gone =
        |(_, note): &(String, Result<Applied, LedgerError>)| note.as_ref().is_ok_and(|note| note.removed && note.pipeline == *pipeline);
    if notes.iter().any(is_gone) {
        let apply = at.command(&format!("apply {pipeline}"));
        writeln!(
            context.err,
            "note: {pipeline} was taken away from this stack, so it has no schedules; this runs what was applied last. To bring it back: {apply}"
        )?;
    }
    Ok(())
}

/// The resources to ask for, and those that come by themselves after them.
fn chosen<'a>(checked: &'a Checked, typed: &Run) -> Result<(Vec<&'a Resource>, Vec<&'a Resource>), Failure> {
    let all = &checked.pipeline.resources;
    let Some(only) = &typed.source.resource else {
        return Ok(all.iter().partition(|resource| resource.after.is_empty()));
    };
    match all.iter().find(|resource| resource.name.as_str() == only) {
        Some(resource) => Ok((vec![resource], Vec::new())),
        None => {
            let names: Vec<String> = all.iter().map(|resource| format!("`{}`", resource.name)).collect();
            let error = anyhow!("the pipeline has no resource `{only}`; it has {}", names.join(", "));
            Err(Failure::wrong(error))
        }
    }
}

/// The recording that ships with the pipeline, served on this machine: of use to functions that run on it too.
async fn recording(typed: &Run, pipeline: &Name, context: &mut Context) -> Result<Option<Upstream>, Failure> {
    if !typed.source.recorded {
        return Ok(None);
    }
    let endpoint = context.variable("AWS_ENDPOINT_URL").unwrap_or_default();
    if !LOOPBACK.iter().any(|host| endpoint.contains(host)) {
        let error = anyhow!("--recorded serves on this machine, which functions in the cloud can't reach");
        return Err(Failure::wrong(error).next("leave it out, or name an address that they reach: --base-url URL"));
    }
    if typed.no_wait {
        return Err(Failure::wrong(anyhow!(
            "--recorded serves only while the run is followed: leave --no-wait out"
        )));
    }
    let (_, path) = pipelines::locate(&typed.pipeline, &context.folder).map_err(Failure::wrong)?;
    let folder = path.parent().unwrap_or(&context.folder);
    Ok(Some(Upstream::start(pipeline.as_str(), folder).await.map_err(Failure::wrong)?))
}

/// Without waiting: which runs were asked for.
fn told(asked: &[Asked], at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    for one in asked {
        if as_json {
            let object = json!({"pipeline": one.resource.pipeline, "resource": one.resource.resource, "run": one.run.to_string()});
            json::line(&mut context.out, &object)?;
        } else {
            writeln!(context.out, "{}: asked for run {}", one.resource, one.run)?;
        }
    }
    if let (Some(first), false) = (asked.first(), as_json) {
        let runs = at.command(&format!("runs {}", first.resource.pipeline));
        writeln!(context.out, "next: {runs}")?;
    }
    Ok(Status::Well)
}

async fn followed(stack: &Stack, asked: &[Asked], checked: &Checked, context: &mut Context) -> Result<Vec<ResourceReport>, Failure> {
    let progress = super::progress(context);
    let mut reports = Vec::with_capacity(asked.len());
    for one in asked {
        let report = follow::follow(&stack.ports, one, &checked.pipeline, &progress).await;
        if report.is_err() {
            progress.end();
        }
        reports.push(report?);
    }
    progress.end();
    Ok(reports)
}

fn shown(typed: &Run, at: &HomeAt, checked: &Checked, reports: &[ResourceReport], as_json: bool, context: &mut Context) -> Ended {
    if as_json {
        for report in reports {
            json::line(&mut context.out, &report.to_json())?;
        }
    } else {
        run::tables(reports, &mut context.out)?;
    }
    let status = run::troubles(reports, Some(&run::rejects(&typed.pipeline, at)), &mut context.err)?;
    if !as_json {
        run::next(typed, at, checked, reports, &mut context.out)?;
    }
    Ok(status)
}
