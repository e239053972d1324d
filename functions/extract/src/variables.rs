//! Which `${env:…}` and `${secret:…}` a pipeline's source asks for: so that they can be had before a run begins. Pure.

use pipeline::{Auth, Checked, Source, Template, Variable};

/// What the names begin with that a pipeline file may ask a deployed function for: its environment holds credentials of its own, too.
pub const ENV_PREFIX: &str = "PIPELINE_";

/// The variables of the source, each once. They may stand nowhere else.
pub fn variables(definition: &Checked) -> Vec<Variable> {
    let mut found = Vec::new();
    let auth = match &definition.pipeline.source {
        Source::RestApi(api) => {
            add(&mut found, [&api.base_url]);
            add(&mut found, api.headers.values().chain(api.params.values()));
            api.auth.as_ref()
        }
        Source::Files(files) => {
            add(&mut found, [&files.root]);
            add(&mut found, files.headers.values());
            files.auth.as_ref()
        }
    };
    match auth {
        Some(Auth::Bearer { token }) => add(&mut found, [token]),
        Some(Auth::Basic { username, password }) => add(&mut found, [username, password]),
        Some(Auth::ApiKey { value, .. }) => add(&mut found, [value]),
        None => {}
    }
    found
}

fn add<'t>(found: &mut Vec<Variable>, templates: impl IntoIterator<Item = &'t Template>) {
    for variable in templates.into_iter().flat_map(Template::variables) {
        let asked = matches!(variable, Variable::Env(_) | Variable::Secret { .. });
        if asked && !found.contains(variable) {
            found.push(variable.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn found(source: &str, resource: &str) -> String {
        let text = format!(
            "pipeline: p\nsource: {source}\nresources:\n  - name: r\n    {resource}\n    record: {{primary_key: [id], fields: {{id: {{type: string}}}}}}\n    load: {{collection: c}}\n"
        );
        let checked = pipeline::check("p.yaml", &text).unwrap();
        let variables = variables(&checked);
        let shown = variables.iter().map(|variable| match variable {
            Variable::Env(name) => name.clone(),
            Variable::Secret { name, field } => format!("{name}#{}", field.as_deref().unwrap_or_default()),
            other => format!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// One in every place where one may stand: a place that is left out would fail a run that uses it.
    #[test]
    fn all_places_are_looked_at() {
        let endpoint = "endpoint: {path: \"p/{run.date}\", paginator: {single_page: {}}}";
        let rest = "{rest_api: {base_url: \"https://${env:A}/\", headers: {x: \"${secret:b#c}${env:A}\"}, params: {y: \"${env:D}\"}, auth: {basic: {username: \"${env:E}\", password: \"${secret:f#g}\"}}}}";
        assert_eq!(found(rest, endpoint), "A b#c D E f#g");
        let token = "{rest_api: {base_url: \"https://h/\", auth: {bearer: {token: \"${secret:t#x}\"}}}}";
        assert_eq!(found(token, endpoint), "t#x");
        let key = "{rest_api: {base_url: \"https://h/\", auth: {api_key: {name: k, value: \"${secret:whole}\"}}}}";
        assert_eq!(found(key, endpoint), "whole#");
        let files = "{files: {root: \"https://${env:A}/\", headers: {x: \"${env:B}\"}, auth: {bearer: {token: \"${env:C}\"}}}}";
        assert_eq!(found(files, "file: {path: d.csv}"), "A B C");
    }
}
