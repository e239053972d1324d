//! Which `${env:…}` and `${secret:…}` the source of a resource asks for: so that they can be had before its run begins. Pure.

use pipeline::{Auth, Checked, Name, Source, Template, Variable};

/// The variables of the source and of the resource, each once.
pub fn variables(definition: &Checked, resource: &Name) -> Vec<Variable> {
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
    let resource = definition.pipeline.resources.iter().find(|known| known.name == *resource);
    if let Some(endpoint) = resource.and_then(|resource| resource.endpoint.as_ref()) {
        add(&mut found, [&endpoint.path]);
        add(&mut found, endpoint.headers.values().chain(endpoint.params.values()));
    }
    if let Some(file) = resource.and_then(|resource| resource.file.as_ref()) {
        add(&mut found, [&file.path]);
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
        let variables = variables(&checked, &Name::new("r").unwrap());
        let shown = variables.iter().map(|variable| match variable {
            Variable::Env(name) => name.clone(),
            Variable::Secret { name, field } => format!("{name}#{}", field.as_deref().unwrap_or_default()),
            other => format!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// One in every place where a template may stand: a place that is left out here would fail a run that uses it.
    #[test]
    fn all_places_are_looked_at() {
        let rest = "{rest_api: {base_url: \"https://${env:A}/\", headers: {x: \"${secret:b#c}\"}, params: {y: \"${env:D}\"}, auth: {basic: {username: \"${env:E}\", password: \"${secret:f#g}\"}}}}";
        let endpoint = "endpoint: {path: \"${env:H}/{run.date}\", headers: {z: \"${env:I}\"}, params: {w: \"${env:A}${env:J}\"}, paginator: {single_page: {}}}";
        assert_eq!(found(rest, endpoint), "A b#c D E f#g H I J");
        let token = "{rest_api: {base_url: \"https://h/\", auth: {bearer: {token: \"${secret:t#x}\"}}}}";
        assert_eq!(found(token, "endpoint: {path: p, paginator: {single_page: {}}}"), "t#x");
        let key = "{rest_api: {base_url: \"https://h/\", auth: {api_key: {name: k, value: \"${secret:whole}\"}}}}";
        assert_eq!(found(key, "endpoint: {path: p, paginator: {single_page: {}}}"), "whole#");
        let files = "{files: {root: \"${env:A}\", headers: {x: \"${env:B}\"}, auth: {bearer: {token: \"${env:C}\"}}}}";
        assert_eq!(found(files, "file: {path: \"${env:D}.csv\"}"), "A B C D");
    }
}
