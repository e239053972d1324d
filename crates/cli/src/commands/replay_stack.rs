//! `tidemill replay --stack`: what is in `raw/`, cleaned and loaded again by the deployed functions.

use super::{Ended, HomeAt, replay, run_stack};
use crate::{
    Context, Failure,
    arguments::Replay,
    cloud::replay::{self as cloud, ReplayError},
    local::runner::ReplayReport,
};
use anyhow::anyhow;
use pipeline::{Checked, Resource};

pub(super) async fn run(typed: &Replay, stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let stack = at.stack(stack).await?;
    let pipeline = super::pipeline_name(&typed.pipeline, &stack.ports, context).await?;
    let (checked, generation) = run_stack::newest(&stack, &pipeline, &typed.pipeline, at, context).await?;
    let resources = chosen(&checked, typed.resource.as_deref())?;
    context.parting.set(format!(
        "stopped: what was sent goes on in the cloud; {} begins it anew",
        at.command(&format!("replay {}", typed.pipeline))
    ));
    let progress = super::progress(context);
    let work = cloud::Replay {
        stack: &stack,
        checked: &checked,
        generation,
        since: typed.since,
        progress: &progress,
    };
    let mut replays: Vec<ReplayReport> = Vec::with_capacity(resources.len());
    for resource in resources {
        match work.resource(resource).await {
            Ok(report) => replays.push(report),
            Err(error) => {
                progress.end();
                return Err(failure(error));
            }
        }
    }
    progress.end();
    replay::shown(&replays, &typed.pipeline, at, as_json, context)
}

/// All resources, or the one that was named.
fn chosen<'a>(checked: &'a Checked, only: Option<&str>) -> Result<Vec<&'a Resource>, Failure> {
    let all = &checked.pipeline.resources;
    let Some(only) = only else { return Ok(all.iter().collect()) };
    match all.iter().find(|resource| resource.name.as_str() == only) {
        Some(resource) => Ok(vec![resource]),
        None => {
            let names: Vec<String> = all.iter().map(|resource| format!("`{}`", resource.name)).collect();
            let error = anyhow!("the pipeline has no resource `{only}`; it has {}", names.join(", "));
            Err(Failure::wrong(error))
        }
    }
}

fn failure(error: ReplayError) -> Failure {
    match error {
        ReplayError::Expired { .. } => Failure::from(error)
            .next("what has expired can only be fetched again; the template's parameter for the life of raw/ says how long it is kept"),
        other => Failure::from(other),
    }
}
