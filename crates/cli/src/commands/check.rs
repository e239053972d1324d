//! `tidemill check`: all that is wrong with pipeline files, in one go.

use super::Ended;
use crate::{
    Context, Status,
    arguments::Check,
    local::{PipelineError, pipelines},
    output::json,
};
use pipeline::Fault;
use serde::Serialize;

/// What is said of one file.
#[derive(Serialize)]
struct Verdict<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<&'a str>>,
    faults: &'a [Fault],
}

pub(super) fn run(typed: &Check, as_json: bool, context: &mut Context) -> Ended {
    let mut status = Status::Well;
    for file in &typed.files {
        match pipelines::find(file, &context.folder) {
            Ok(found) => {
                let checked = &found.checked;
                let resources: Vec<&str> = checked.pipeline.resources.iter().map(|resource| resource.name.as_str()).collect();
                if as_json {
                    let verdict = Verdict {
                        file: &found.name,
                        pipeline: Some(checked.pipeline.pipeline.as_str()),
                        definition: Some(checked.hash.as_str()),
                        resources: Some(resources),
                        faults: &[],
                    };
                    json::line(&mut context.out, &verdict)?;
                } else {
                    let kinds = if resources.len() == 1 { "resource" } else { "resources" };
                    let (name, pipeline) = (&found.name, &checked.pipeline.pipeline);
                    writeln!(
                        context.out,
                        "{name}: no fault; pipeline {pipeline}, {kinds} {}",
                        resources.join(", ")
                    )?;
                }
            }
            Err(PipelineError::Faults(faults)) => {
                status = Status::Wrong;
                if as_json {
                    let list = faults.list();
                    let verdict = Verdict {
                        file: list.first().map_or(file.as_str(), |fault| &fault.file),
                        pipeline: None,
                        definition: None,
                        resources: None,
                        faults: list,
                    };
                    json::line(&mut context.out, &verdict)?;
                } else {
                    let error = super::wrong_pipeline(PipelineError::Faults(faults), context);
                    error.report(context);
                }
            }
            Err(error) => {
                status = Status::Wrong;
                super::wrong_pipeline(error, context).report(context);
            }
        }
    }
    Ok(status)
}
