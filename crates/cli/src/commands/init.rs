//! `tidemill init`: a commented pipeline file to start from.

use super::Ended;
use crate::{
    Context, Failure, Status,
    arguments::Init,
    local::pipelines::{self, FOLDER},
    output::json,
};
use anyhow::anyhow;
use pipeline::Name;
use serde_json::json;
use std::{fs, io::ErrorKind, io::Write};

const TEMPLATE: &str = include_str!("starting_file.yaml");

pub(super) fn run(typed: &Init, as_json: bool, context: &mut Context) -> Ended {
    let name = Name::new(typed.name.as_str()).map_err(Failure::wrong)?;
    let text = starting_file(&name);
    let file = format!("{FOLDER}/{name}.yaml");
    if let Ok((there, _)) = pipelines::locate(name.as_str(), &context.folder) {
        let error = anyhow!("there is a pipeline `{name}` already: {there}");
        return Err(Failure::wrong(error).next(format!("edit it and see: tidemill check {there}")));
    }
    fs::create_dir_all(context.path(FOLDER))?;
    // `create_new`: whatever came there since is not overwritten either.
    let opened = fs::File::options().write(true).create_new(true).open(context.path(&file));
    match opened.and_then(|mut to| to.write_all(text.as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Failure::wrong(anyhow!("{file} is there already; it was not touched")));
        }
        Err(error) => return Err(Failure::from(anyhow::Error::from(error).context(format!("could not write {file}")))),
    }
    if as_json {
        json::line(&mut context.out, &json!({"file": file, "pipeline": name}))?;
    } else {
        writeln!(
            context.out,
            "wrote {file}\nnext: edit it, then: tidemill check {name} && tidemill try {name}"
        )?;
    }
    Ok(Status::Well)
}

/// The commented file for a pipeline of this name.
fn starting_file(name: &Name) -> String {
    // A name of a variable that a shell can set.
    let variable = name.as_str().to_uppercase().replace('-', "_");
    let text = TEMPLATE.replace("PIPELINE_TOKEN", &format!("{variable}_TOKEN"));
    text.replace("PIPELINE", name.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_starting_file_has_no_fault() {
        let name = Name::new("orders").unwrap();
        let checked = pipeline::check("orders.yaml", &starting_file(&name)).unwrap();
        assert_eq!(checked.pipeline.pipeline, name);
    }

    #[test]
    fn the_token_is_a_variable_that_a_shell_can_set() {
        let text = starting_file(&Name::new("my-new").unwrap());
        assert!(
            text.contains("${env:MY_NEW_TOKEN}") && text.contains("pipeline: my-new\n"),
            "{text}"
        );
        assert!(!text.contains("PIPELINE"), "{text}");
    }
}
