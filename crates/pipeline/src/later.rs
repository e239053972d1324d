//! Words of the language that are known but not built yet: a pipeline that uses one is told so, never that the word is unknown.

/// What the word stands for, if it is one of a later version; `within` names the type that it stands in.
pub(crate) fn later(word: &str, within: &str) -> Option<&'static str> {
    LATER
        .iter()
        .find(|(words, scopes, _)| words.contains(&word) && (scopes.is_empty() || scopes.contains(&within)))
        .map(|(_, _, meaning)| *meaning)
}

/// The words, the types in which they mean this (anywhere if none is named), the meaning.
type Later = (&'static [&'static str], &'static [&'static str], &'static str);

const LATER: &[Later] = &[
    (&["oauth2", "oauth2_client_credentials"], &[], "OAuth 2 authentication"),
    (&["login", "session"], &["Auth", "RestApi"], "authentication by a login request"),
    (&["aws_sigv4", "sigv4", "hmac"], &["Auth"], "signed requests"),
    (&["method", "body", "json"], &["Endpoint"], "requests with a method and a body"),
    (&["graphql"], &[], "GraphQL"),
    (&["for_each"], &[], "child resources"),
    (&["after"], &["Pipeline"], "pipelines that wait for others"),
    (&["fail_when", "retry_when"], &[], "rules on what a reply means"),
    (&["conditional"], &[], "conditional requests (`ETag`, `Last-Modified`)"),
    (&["window"], &["Endpoint", "Incremental"], "windows of time"),
    (&["web_pages", "web_page", "html"], &[], "web pages as a source"),
    (&["web_socket", "websocket"], &[], "WebSocket feeds as a source"),
    (&["sse", "server_sent_events"], &[], "server-sent events as a source"),
    (&["mongodb", "sql", "kafka"], &["Source"], "databases and brokers as a source"),
    (
        &["charset", "encoding"],
        &["File", "FileFormat", "Csv", "Ndjson", "JsonFile"],
        "files that are not UTF-8",
    ),
    (&["parquet", "avro", "xml", "excel", "xlsx"], &["FileFormat"], "this file format"),
    (&["sparse", "hidden"], &["Index"], "this option of indexes"),
    (&["hashed", "2d"], &["IndexKind"], "this kind of index"),
    (&["warehouse", "table", "partition_by"], &["Load", "Resource"], "tables in the lake"),
    (
        &["backup", "notify", "alerts", "sla"],
        &["Pipeline"],
        "settings of the cloud functions",
    ),
];
