//! What an endpoint must mean beyond its shape.

use super::{at::At, source, value};
use crate::{CursorType, Endpoint, Incremental, Paginator, Path, RestApi, Template, Variable, fault::Collector};

pub(super) fn check(endpoint: &Endpoint, api: &RestApi, at: At<'_>, faults: &mut Collector<'_>) {
    let mut used = Used::default();
    used.by(&endpoint.path, at.get("path"), endpoint, at, faults);
    for (name, value) in &endpoint.params {
        used.by(value, at.get("params").get(name), endpoint, at, faults);
    }
    for (name, value) in &endpoint.headers {
        used.by(value, at.get("headers").get(name), endpoint, at, faults);
    }
    source::headers(&endpoint.headers, at.get("headers"), faults);
    source::params(&endpoint.params, at.get("params"), faults);
    if endpoint.path.to_string().contains("://") {
        let help = "the address stands in the source's `base_url`; an API at another address is another pipeline";
        faults.add_help(
            &at.get("path").span(),
            "`path` is what comes after `base_url`, not an address",
            help,
        );
    }
    if endpoint.pages_max == 0 {
        faults.add(&at.get("pages_max").span(), "`pages_max` must be 1 at least");
    }
    if let Some(path) = &endpoint.data_selector {
        plain_parent(path, "data_selector", at.get("data_selector"), faults);
    }
    paginator(&endpoint.paginator, endpoint, api, at.get("paginator"), faults);
    if let Some(incremental) = &endpoint.incremental {
        self::incremental(incremental, &used, at, faults);
    }
}

/// Which values of the window the request sends.
#[derive(Default)]
struct Used {
    start: bool,
    end: bool,
}

impl Used {
    fn by(&mut self, template: &Template, at: At<'_>, endpoint: &Endpoint, whole: At<'_>, faults: &mut Collector<'_>) {
        for variable in template.variables() {
            match variable {
                Variable::Env(_) | Variable::Secret { .. } => outside_source(at, faults),
                Variable::RunDate => {}
                Variable::IncrementalStart => {
                    self.start = true;
                    if endpoint.incremental.is_none() && whole.kept("incremental") {
                        let help = "add `incremental: {cursor_path: …, type: …, initial_value: …}` to the endpoint";
                        faults.add_help(
                            &at.span(),
                            "`{incremental.start_value}` is used, but the endpoint has no `incremental`",
                            help,
                        );
                    }
                }
                Variable::IncrementalEnd => {
                    self.end = true;
                    let missing = endpoint
                        .incremental
                        .as_ref()
                        .is_none_or(|incremental| incremental.end_value.is_none());
                    if missing && whole.kept("incremental") && whole.get("incremental").kept("end_value") {
                        let help = "add `end_value: …` to the endpoint's `incremental`";
                        faults.add_help(&at.span(), "`{incremental.end_value}` is used, but there is no `end_value`", help);
                    }
                }
            }
        }
    }
}

/// `${…}` means something else on each machine, so it stands under `source` only.
pub(super) fn outside_source(at: At<'_>, faults: &mut Collector<'_>) {
    faults.add_help(
        &at.span(),
        "`${env:…}` and `${secret:…}` may stand under `source` only",
        "move it there: `source` takes `headers`, `params` and `auth`, which are sent with every request",
    );
}

/// A path into the reply that reads one value.
fn one_value(path: &Path, key: &str, at: At<'_>, faults: &mut Collector<'_>) {
    if path.has_each() {
        faults.add(&at.span(), format!("`{key}` reads one value, so it cannot hold `[*]`"));
    }
    plain_parent(path, key, at, faults);
}

fn plain_parent(path: &Path, key: &str, at: At<'_>, faults: &mut Collector<'_>) {
    if path.parent().is_some() {
        faults.add(
            &at.span(),
            format!("`$parent` may stand in the `from` of a field only, not in `{key}`"),
        );
    }
}

fn paginator(paginator: &Paginator, endpoint: &Endpoint, api: &RestApi, at: At<'_>, faults: &mut Collector<'_>) {
    let mut parameters: Vec<(&str, &str)> = Vec::new();
    let name;
    match paginator {
        Paginator::SinglePage {} => name = "single_page",
        Paginator::PageNumber {
            page_param,
            limit,
            limit_param,
            total_path,
            stop_on_short_page,
            ..
        } => {
            name = "page_number";
            let at = at.get(name);
            parameters.push(("page_param", page_param));
            parameters.extend(limit_param.as_deref().map(|param| ("limit_param", param)));
            paging(*limit, total_path.as_ref(), at, faults);
            for (key, wanted) in [("limit_param", limit_param.is_some()), ("stop_on_short_page", *stop_on_short_page)] {
                if wanted && limit.is_none() && at.kept("limit") {
                    let help = "add `limit: …`, the number of records in a full page";
                    faults.add_help(&at.get(key).key_span(), format!("`{key}` needs `limit`"), help);
                }
            }
        }
        Paginator::Offset {
            limit,
            offset_param,
            limit_param,
            total_path,
            ..
        } => {
            name = "offset";
            parameters.extend([("offset_param", offset_param.as_str()), ("limit_param", limit_param.as_str())]);
            paging(Some(*limit), total_path.as_ref(), at.get(name), faults);
        }
        Paginator::Cursor {
            cursor_path,
            cursor_param,
            has_more_path,
        } => {
            name = "cursor";
            parameters.push(("cursor_param", cursor_param));
            one_value(cursor_path, "cursor_path", at.get(name).get("cursor_path"), faults);
            if let Some(path) = has_more_path {
                one_value(path, "has_more_path", at.get(name).get("has_more_path"), faults);
            }
        }
        Paginator::NextUrl { next_url_path } => {
            name = "next_url";
            one_value(next_url_path, "next_url_path", at.get(name).get("next_url_path"), faults);
        }
        Paginator::LinkHeader { rel } => {
            name = "link_header";
            if rel.trim().is_empty() {
                faults.add(&at.get(name).get("rel").span(), "`rel` is empty");
            }
        }
    }
    sent_once(&parameters, endpoint, api, at.get(name), faults);
}

fn paging(limit: Option<u64>, total: Option<&Path>, at: At<'_>, faults: &mut Collector<'_>) {
    if limit == Some(0) {
        faults.add(&at.get("limit").span(), "`limit` must be 1 at least");
    }
    if let Some(path) = total {
        one_value(path, "total_path", at.get("total_path"), faults);
    }
}

/// No parameter of the paginator may be empty, sent twice by it, or set beside it.
fn sent_once(parameters: &[(&str, &str)], endpoint: &Endpoint, api: &RestApi, at: At<'_>, faults: &mut Collector<'_>) {
    for (place, (key, parameter)) in parameters.iter().enumerate() {
        if parameter.is_empty() {
            faults.add(&at.get(key).span(), format!("`{key}` is empty"));
        }
        if parameters.iter().skip(place + 1).any(|(_, other)| other == parameter) {
            faults.add(&at.get(key).span(), format!("the paginator sends two values as `{parameter}`"));
        }
        if endpoint.params.contains_key(*parameter) || api.params.contains_key(*parameter) {
            let help = format!("take `{parameter}` out of `params`, or name another parameter as `{key}`");
            faults.add_help(
                &at.get(key).span(),
                format!("`{parameter}` is sent by the paginator and stands in `params` too"),
                help,
            );
        }
    }
}

fn incremental(incremental: &Incremental, used: &Used, endpoint: At<'_>, faults: &mut Collector<'_>) {
    let at = endpoint.get("incremental");
    one_value(&incremental.cursor_path, "cursor_path", at.get("cursor_path"), faults);
    if incremental.kind == CursorType::Int && incremental.lag.is_some() {
        let help = "leave it out; ids that appear late need a cursor that is a time";
        faults.add_help(
            &at.get("lag").span(),
            "`lag` is a length of time, but the cursor is a whole number",
            help,
        );
    }
    let requests_whole = ["path", "params", "headers"]
        .iter()
        .all(|key| endpoint.kept(key) && endpoint.get(key).whole());
    if !used.start && requests_whole {
        let help = "send it: `params: {since: \"{incremental.start_value}\"}`, under the parameter's name at this API";
        faults.add_help(
            &at.key_span(),
            "`{incremental.start_value}` is sent nowhere, so every run would fetch everything",
            help,
        );
    }
    if incremental.end_value.is_some() && !used.end && requests_whole {
        let help = "send it: `params: {until: \"{incremental.end_value}\"}`, under the parameter's name at this API";
        faults.add_help(
            &at.get("end_value").span(),
            "`{incremental.end_value}` is sent nowhere, so nothing would end there",
            help,
        );
    }
    if !at.whole() {
        return; // The type may be a stand-in for a wrong one.
    }
    let start = value::cursor(&incremental.initial_value, incremental.kind);
    if let Err(problem) = &start {
        faults.add(&at.get("initial_value").span(), format!("`initial_value` {problem}"));
    }
    match incremental.end_value.as_ref().map(|end| value::cursor(end, incremental.kind)) {
        Some(Err(problem)) => faults.add(&at.get("end_value").span(), format!("`end_value` {problem}")),
        Some(Ok(end)) if start.is_ok_and(|start| end <= start) => {
            faults.add(&at.get("end_value").span(), "`end_value` must be after `initial_value`");
        }
        _ => {}
    }
}
