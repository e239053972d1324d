//! `tidemill replay`: clean and load again from `raw/` under the pipeline file as it is now.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure,
    arguments::Replay,
    local::{ResourceReport, runner::ReplayReport},
    output::{json, numbers::counted},
};
use pipeline::Name;
use serde_json::{Value, json};

pub(super) async fn run(typed: &Replay, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let found = super::pipeline(&typed.pipeline, context)?;
    let only = typed.resource.as_deref().map(Name::new).transpose().map_err(Failure::wrong)?;
    let runner = super::runner(at.open()?, context)?;
    let replays = runner.replay(&found, only.as_ref(), typed.since).await;
    runner.progress.end();
    let replays = replays.map_err(|error| super::run::failure(error, &typed.pipeline, at))?;
    shown(&replays, &typed.pipeline, at, as_json, context)
}

/// What became of each resource, and what did not go well.
pub(super) fn shown(replays: &[ReplayReport], pipeline: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let reports: Vec<ResourceReport> = replays.iter().map(|replay| replay.report.clone()).collect();
    if as_json {
        for replay in replays {
            json::line(&mut context.out, &object(replay))?;
        }
    } else {
        for ReplayReport { objects, report } in replays {
            let took = crate::output::numbers::duration(report.took_ms);
            writeln!(
                context.out,
                "{}: {} of raw/ in {took}",
                report.resource,
                counted(*objects, "object")
            )?;
        }
        writeln!(context.out)?;
        super::run::cleaned_and_loaded(&reports, &mut context.out)?;
    }
    let rejects = super::run::rejects(pipeline, at);
    Ok(super::run::troubles(&reports, Some(&rejects), &mut context.err)?)
}

/// The report as `run --json` has it, but for what a replay has not: a run and a source.
fn object(replay: &ReplayReport) -> Value {
    let mut object = replay.report.to_json();
    if let Value::Object(object) = &mut object {
        object.shift_remove("run");
        object.shift_remove("extract");
        object.shift_insert(2, "objects".to_owned(), json!(replay.objects));
    }
    object
}
