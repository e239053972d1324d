//! What of a pipeline works on a laptop only: a deployed function has neither the folders nor the environment of this machine. Pure.

use extract::variables::{ENV_PREFIX, variables};
use pipeline::{Checked, Source, Template, Variable};

/// Why a deployed function could not run it, a sentence each.
pub fn laptop_only(checked: &Checked) -> Vec<String> {
    let variables = variables(checked);
    local_files(checked)
        .into_iter()
        .chain(variables.iter().filter_map(not_given))
        .collect()
}

fn local_files(checked: &Checked) -> Option<String> {
    let Source::Files(files) = &checked.pipeline.source else {
        return None;
    };
    let mut paths = checked.pipeline.resources.iter().filter_map(|resource| resource.file.as_ref());
    let local = paths.find(|file| is_local(&files.root) && is_local(&file.path))?;
    Some(format!(
        "the file `{}` is in a folder of this machine, which no function reads: give `source.files.root` an `https://` address",
        local.path
    ))
}

/// What begins with a variable may be an address.
fn is_local(template: &Template) -> bool {
    let text = template.to_string().to_ascii_lowercase();
    !["http://", "https://", "${"].iter().any(|start| text.starts_with(start))
}

fn not_given(variable: &Variable) -> Option<String> {
    match variable {
        Variable::Env(name) if !name.starts_with(ENV_PREFIX) => Some(format!(
            "`${{env:{name}}}` has no value there, for a function gives a pipeline only what begins with `{ENV_PREFIX}`: call it `{ENV_PREFIX}{name}` and set it in the template, or make it a secret"
        )),
        Variable::Secret { name, field: None } => Some(format!(
            "`${{secret:{name}}}` has no value there, for on AWS a secret is a JSON object: say which of its fields is meant, as in `${{secret:{name}#token}}`"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn check(source: &str, resource: &str, expected: &[&str]) {
        let text = format!(
            "pipeline: p\nsource: {source}\nresources:\n  - name: r\n    {resource}\n    record: {{primary_key: [id], fields: {{id: {{type: string}}}}}}\n    load: {{collection: c}}\n"
        );
        let checked = pipeline::check("p.yaml", &text).map_err(|faults| faults.to_string()).unwrap();
        let told = laptop_only(&checked);
        assert_eq!(told.len(), expected.len(), "{source}: {told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{source}: {told}");
        }
    }

    #[test]
    fn a_function_has_no_folder_of_this_machine() {
        let file = "file: {path: d.csv}";
        for local in [
            "{files: {}}",
            "{files: {root: data}}",
            "{files: {root: \"/data/${env:PIPELINE_A}\"}}",
        ] {
            check(local, file, &["the file `d.csv`"]);
        }
        check("{files: {root: \"https://h/\"}}", file, &[]);
        check("{files: {root: \"${env:PIPELINE_ROOT}\"}}", file, &[]);
        check("{files: {}}", "file: {path: \"https://h/d.csv\"}", &[]);
    }

    #[test]
    fn a_function_gives_what_is_meant_for_pipelines() {
        let endpoint = "endpoint: {path: p, paginator: {single_page: {}}}";
        let api = |more: &str| format!("{{rest_api: {{base_url: \"https://h/\", {more}}}}}");
        let token = |of: &str| api(&format!("auth: {{bearer: {{token: \"{of}\"}}}}"));
        check(&token("${env:PIPELINE_TOKEN}"), endpoint, &[]);
        check(&token("${secret:shop#token}"), endpoint, &[]);
        check(&token("${env:TOKEN}"), endpoint, &["call it `PIPELINE_TOKEN`"]);
        check(&token("${secret:shop}"), endpoint, &["`${secret:shop#token}`"]);
        let two = api("headers: {x: \"${env:A}\", y: \"${env:B}\"}");
        check(&two, endpoint, &["`${env:A}`", "`${env:B}`"]);
    }
}
