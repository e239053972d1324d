//! What a source section must mean beyond its shape.

use super::at::At;
use crate::{Auth, ByteSize, Files, HttpLimits, Part, RestApi, Source, Template, Variable, fault::Collector};
use indexmap::IndexMap;

pub(super) fn check(source: &Source, at: At<'_>, faults: &mut Collector<'_>) {
    match source {
        Source::RestApi(api) => rest_api(api, at.get("rest_api"), faults),
        Source::Files(files) => self::files(files, at.get("files"), faults),
    }
}

fn rest_api(api: &RestApi, at: At<'_>, faults: &mut Collector<'_>) {
    base_url(&api.base_url, at.get("base_url"), faults);
    of_the_source(&api.base_url, at.get("base_url"), faults);
    headers(&api.headers, at.get("headers"), faults);
    params(&api.params, at.get("params"), faults);
    for (name, value) in &api.params {
        of_the_source(value, at.get("params").get(name), faults);
    }
    for value in api.headers.iter().map(|(name, value)| (at.get("headers").get(name), value)) {
        of_the_source(value.1, value.0, faults);
    }
    if let Some(value) = &api.auth {
        auth(value, at.get("auth"), faults);
    }
    limits(&api.http, at, faults);
}

fn files(files: &Files, at: At<'_>, faults: &mut Collector<'_>) {
    of_the_source(&files.root, at.get("root"), faults);
    if begins(&files.root).contains("://") {
        base_url(&files.root, at.get("root"), faults);
    }
    headers(&files.headers, at.get("headers"), faults);
    for (name, value) in &files.headers {
        of_the_source(value, at.get("headers").get(name), faults);
    }
    if let Some(value) = &files.auth {
        auth(value, at.get("auth"), faults);
    }
    limits(&files.http, at, faults);
}

/// The text before the first variable.
fn begins(template: &Template) -> &str {
    match template.parts.first() {
        Some(Part::Text(text)) => text,
        _ => "",
    }
}

fn base_url(url: &Template, at: At<'_>, faults: &mut Collector<'_>) {
    let start = begins(url);
    if start.is_empty() && !url.parts.is_empty() {
        return; // A variable gives the scheme: the process that knows it checks it.
    }
    let lower = start.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let Some(rest) = rest else {
        let help = "write the whole address: `https://api.example.org/v1/`";
        faults.add_help(&at.span(), "the address must start with `https://` or `http://`", help);
        return;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() && url.parts.len() < 2 {
        faults.add(&at.span(), "the address names no host");
    }
    // The user may be text and the password a variable: `https://user:${secret:…}@host`.
    let ends_in_host = !rest.contains(['/', '?', '#']);
    let later_at = ends_in_host
        && url
            .parts
            .iter()
            .skip(1)
            .any(|part| matches!(part, Part::Text(text) if text.split('/').next().unwrap_or_default().contains('@')));
    if host.contains('@') || later_at {
        faults.hide(&at.span());
        let help = "write `auth: {basic: {username: …, password: \"${secret:name#field}\"}}`";
        faults.add_help(
            &at.span(),
            "an address may not carry a user or password: it would stand in every log",
            help,
        );
    }
    if rest.contains('#') {
        faults.add(&at.span(), "an address that is asked for has no fragment (`#…`)");
    }
}

/// Under `source` only what the process knows at its start.
fn of_the_source(template: &Template, at: At<'_>, faults: &mut Collector<'_>) {
    for variable in template.variables() {
        let name = match variable {
            Variable::Env(_) | Variable::Secret { .. } => continue,
            Variable::IncrementalStart => "{incremental.start_value}",
            Variable::IncrementalEnd => "{incremental.end_value}",
            Variable::RunDate => "{run.date}",
        };
        let help = "write it in the resource's `endpoint` or `file`";
        faults.add_help(
            &at.span(),
            format!("`{name}` differs from run to run, so it cannot stand under `source`"),
            help,
        );
    }
}

/// Names and values of headers. A credential in the open is a fault.
pub(super) fn headers(headers: &IndexMap<String, Template>, at: At<'_>, faults: &mut Collector<'_>) {
    const CREDENTIALS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"];
    for (name, value) in headers {
        let at = at.get(name);
        if !is_token(name) {
            faults.add(
                &at.key_span(),
                format!("`{}` cannot be a header's name", crate::yaml::shortened(name)),
            );
        }
        if value
            .parts
            .iter()
            .any(|part| matches!(part, Part::Text(text) if text.contains(|c: char| c.is_control() && c != '\t')))
        {
            faults.add(&at.span(), "a header's value cannot hold line ends or control characters");
        }
        if CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) && !holds_secret(value) {
            literal_secret(&format!("the header `{name}`"), at, faults);
        }
    }
}

/// Parameters that can only be credentials: in the open they would stand in every address that is kept or logged.
pub(super) fn params(params: &IndexMap<String, Template>, at: At<'_>, faults: &mut Collector<'_>) {
    const CREDENTIALS: [&str; 6] = ["api_key", "apikey", "api-key", "access_token", "password", "client_secret"];
    for (name, value) in params {
        if CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) && !holds_secret(value) {
            literal_secret(&format!("the parameter `{name}`"), at.get(name), faults);
        }
    }
}

fn holds_secret(template: &Template) -> bool {
    template
        .variables()
        .any(|variable| matches!(variable, Variable::Env(_) | Variable::Secret { .. }))
}

fn literal_secret(what: &str, at: At<'_>, faults: &mut Collector<'_>) {
    faults.hide(&at.span());
    let help = "write `\"${secret:name#field}\"` or `\"${env:NAME}\"` in its place, and change the secret: it may have been seen";
    faults.add_help(&at.span(), format!("{what} is a secret in the open"), help);
}

/// A header's name (RFC 9110).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn auth(auth: &Auth, at: At<'_>, faults: &mut Collector<'_>) {
    let (way, secrets): (_, Vec<(&str, &Template, bool)>) = match auth {
        Auth::Bearer { token } => ("bearer", vec![("token", token, true)]),
        Auth::Basic { username, password } => ("basic", vec![("username", username, false), ("password", password, true)]),
        Auth::ApiKey { name, value, .. } => {
            if !is_token(name) {
                let message = "the key's `name` must be a header's or a parameter's name";
                faults.add(&at.get("api_key").get("name").span(), message);
            }
            ("api_key", vec![("value", value, true)])
        }
    };
    for (key, template, secret) in secrets {
        let at = at.get(way).get(key);
        of_the_source(template, at, faults);
        if secret && !holds_secret(template) {
            literal_secret(&format!("`{key}`"), at, faults);
        }
    }
}

/// The largest `reply_size_max`. A reply is one line of a raw object, where bytes that are no text take a third more; longer lines could not be read again.
const REPLY_SIZE_LARGEST: ByteSize = ByteSize(40 << 20);

fn limits(limits: &HttpLimits, at: At<'_>, faults: &mut Collector<'_>) {
    let mut positive = |good: bool, at: At<'_>, what: &str| {
        if !good {
            faults.add(&at.span(), format!("{what} must be more than 0"));
        }
    };
    if let Some(rate) = &limits.rate_limit {
        positive(rate.requests > 0, at.get("rate_limit").get("requests"), "`requests`");
        positive(!rate.per.0.is_zero(), at.get("rate_limit").get("per"), "`per`");
    }
    let timeouts = at.get("timeouts");
    positive(!limits.timeouts.connect.0.is_zero(), timeouts.get("connect"), "`connect`");
    positive(!limits.timeouts.first_byte.0.is_zero(), timeouts.get("first_byte"), "`first_byte`");
    positive(!limits.timeouts.reply.0.is_zero(), timeouts.get("reply"), "`reply`");
    positive(limits.reply_size_max.0 > 0, at.get("reply_size_max"), "`reply_size_max`");
    let retries = at.get("retries");
    positive(
        limits.retries.attempts_max > 0,
        retries.get("attempts_max"),
        "`attempts_max` counts the first request, so it",
    );
    if limits.reply_size_max > REPLY_SIZE_LARGEST {
        faults.add_help(
            &at.get("reply_size_max").span(),
            format!(
                "`reply_size_max` is `{REPLY_SIZE_LARGEST}` at most: a reply is kept as one line, and longer lines cannot be read again"
            ),
            "ask for smaller pages (the paginator's `limit`); a large file belongs to the source `files`, which reads any size",
        );
    }
    if limits.retries.backoff > limits.retries.backoff_max {
        let message = format!(
            "`backoff` ({}) is longer than `backoff_max` ({})",
            limits.retries.backoff, limits.retries.backoff_max
        );
        faults.add(&retries.get("backoff").span(), message);
    }
}
