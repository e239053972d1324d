//! `tidemill check`: all that is wrong with pipeline files, in one go.

use super::Ended;
use crate::{
    Context, Failure, Status,
    arguments::Check,
    local::{Found, PipelineError, pipelines},
    output::json,
};
use anyhow::anyhow;
use pipeline::{Fault, Faults};
use serde::Serialize;
use std::{collections::HashMap, io};

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
    /// What it has in common with a file before it, and must not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clashes: Vec<String>,
}

/// What the files so far have taken for themselves: of each pipeline's name and collection, the file.
#[derive(Default)]
pub(super) struct Taken {
    pipelines: HashMap<String, String>,
    collections: HashMap<String, String>,
}

pub(super) fn run(typed: &Check, as_json: bool, context: &mut Context) -> Ended {
    let (mut status, mut taken) = (Status::Well, Taken::default());
    for file in &typed.files {
        let well = match pipelines::find(file, &context.folder) {
            Ok(found) => without_fault(&found, &mut taken, as_json, context)?,
            Err(PipelineError::Faults(faults)) if as_json => with_faults(file, &faults, context)?,
            Err(error) => super::wrong_pipeline(error, context).report(false, context) == Status::Well,
        };
        if !well {
            status = Status::Wrong;
        }
    }
    Ok(status)
}

/// A file that is right by itself; whether it is right beside the others.
fn without_fault(found: &Found, taken: &mut Taken, as_json: bool, context: &mut Context) -> io::Result<bool> {
    let clashes = taken.clashes(found);
    let well = clashes.is_empty();
    let (name, checked) = (&found.name, &found.checked);
    let resources: Vec<&str> = checked.pipeline.resources.iter().map(|resource| resource.name.as_str()).collect();
    if as_json {
        let verdict = Verdict {
            file: name,
            pipeline: Some(checked.pipeline.pipeline.as_str()),
            definition: Some(checked.hash.as_str()),
            resources: Some(resources),
            faults: &[],
            clashes,
        };
        json::line(&mut context.out, &verdict)?;
    } else if well {
        let kinds = if resources.len() == 1 { "resource" } else { "resources" };
        let list = resources.join(", ");
        writeln!(
            context.out,
            "{name}: no fault; pipeline {}, {kinds} {list}",
            checked.pipeline.pipeline
        )?;
    } else {
        for clash in clashes {
            Failure::wrong(anyhow!(clash)).report(false, context);
        }
    }
    Ok(well)
}

fn with_faults(typed: &str, faults: &Faults, context: &mut Context) -> io::Result<bool> {
    let list = faults.list();
    let verdict = Verdict {
        file: list.first().map_or(typed, |fault| &fault.file),
        pipeline: None,
        definition: None,
        resources: None,
        faults: list,
        clashes: Vec::new(),
    };
    json::line(&mut context.out, &verdict)?;
    Ok(false)
}

impl Taken {
    /// Takes what the file names; says what was taken before.
    pub(super) fn clashes(&mut self, found: &Found) -> Vec<String> {
        let (file, pipeline) = (&found.name, &found.checked.pipeline);
        let mut clashes = Vec::new();
        // A file that is named twice is still one; and twice in one file is a fault of that file.
        let other = |first: &String| first != file;
        if let Some(first) = self.pipelines.insert(pipeline.pipeline.to_string(), file.clone()).filter(other) {
            clashes.push(format!(
                "{first} and {file} are both called `{}`: each would take the other for an older self",
                pipeline.pipeline
            ));
        }
        for resource in &pipeline.resources {
            let collection = &resource.load.collection;
            if let Some(first) = self.collections.insert(collection.to_string(), file.clone()).filter(other) {
                clashes.push(format!(
                    "{first} and {file} both write the collection `{collection}`: give each its own"
                ));
            }
        }
        clashes
    }
}
