//! Checks a whole pipeline file: its YAML, its shape, its meaning. All faults are reported together.

mod at;
mod endpoint;
mod field;
mod file;
mod index;
mod load;
mod record;
mod source;
mod timing;
mod value;
mod variables;

use crate::{
    Faults, Pipeline, Resource, Source,
    fault::Collector,
    schema::schema,
    shape,
    typed::TypedError,
    yaml::{self, Node, Value},
};
use at::At;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, fmt};

pub use value::time_ms;

/// A pipeline whose file has no fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What the file says.
    pub pipeline: Pipeline,
    /// Names exactly this text.
    pub hash: DefinitionHash,
}

/// The SHA-256 of a pipeline file's bytes, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DefinitionHash(String);

/// A text that is not a [`DefinitionHash`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a definition's hash: expected 64 lower-case hexadecimal digits")]
pub struct DefinitionHashError(pub String);

impl DefinitionHash {
    /// The hash of a pipeline file's text.
    pub fn of(text: &str) -> DefinitionHash {
        DefinitionHash(hex(&Sha256::digest(text.as_bytes())))
    }

    /// The first 8 digits, which stand in the keys of the lake.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DefinitionHash {
    type Error = DefinitionHashError;
    fn try_from(text: String) -> Result<DefinitionHash, DefinitionHashError> {
        let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if digits && text.len() == 64 {
            Ok(DefinitionHash(text))
        } else {
            Err(DefinitionHashError(text))
        }
    }
}

impl From<DefinitionHash> for String {
    fn from(hash: DefinitionHash) -> String {
        hash.0
    }
}

/// Parses and checks the text of a pipeline file. `file_name` stands in the faults only.
pub fn check(file_name: &str, text: &str) -> Result<Checked, Faults> {
    let mut faults = Collector::new(file_name, text);
    let pipeline = checked(text, &mut faults);
    match pipeline.filter(|_| faults.is_clean()) {
        Some(pipeline) => Ok(Checked {
            pipeline,
            hash: DefinitionHash::of(text),
        }),
        None => Err(faults.finish()),
    }
}

fn checked(text: &str, faults: &mut Collector<'_>) -> Option<Pipeline> {
    let node = yaml::parse(text, faults)?;
    let node = shape::walk(&schema(), &node, faults);
    let Some(node) = node else {
        // A wrong tree without a fault would be taken for a right one.
        if faults.is_clean() {
            faults.add(&(0..0), "the file does not have the shape of a pipeline");
        }
        return None;
    };
    faults.settle();
    let pipeline: Pipeline = typed(&node, faults)?;
    meaning(&pipeline, At::root(&node), faults);
    variables::check(&node, faults);
    Some(pipeline)
}

/// The typed value of a tree; the schema and the types say the same, so a failure is what only the types know.
fn typed<T: DeserializeOwned>(node: &Node, faults: &mut Collector<'_>) -> Option<T> {
    match T::deserialize(node) {
        Ok(value) => Some(value),
        // What stands in for a wrong value may not do either; the wrong value was noted.
        Err(_) if !faults.is_clean() => None,
        Err(TypedError { message, span }) => {
            faults.add(&span.unwrap_or_else(|| node.span.clone()), message);
            None
        }
    }
}

/// The pipeline in whose name Tidemill itself takes leases: that of `apply`.
const OUR_OWN: &str = "tidemill";

fn meaning(pipeline: &Pipeline, at: At<'_>, faults: &mut Collector<'_>) {
    if pipeline.pipeline.as_str() == OUR_OWN {
        let message = format!("the name `{OUR_OWN}` is kept for Tidemill itself");
        faults.add_help(&at.get("pipeline").span(), message, "choose another");
    }
    timing::check(pipeline, at, faults);
    source::check(&pipeline.source, at.get("source"), faults);
    let resources = at.get("resources");
    if pipeline.resources.is_empty() && resources.whole() {
        faults.add(&resources.span(), "`resources` is empty: a pipeline reads one at least");
    }
    let (mut names, mut collections) = (HashMap::new(), HashMap::new());
    for (place, resource) in pipeline.resources.iter().enumerate() {
        let at = resources.item(place);
        resource_meaning(resource, &pipeline.source, at, faults);
        let name = at.get("name").span();
        if let Some(first) = names.insert(&resource.name, name.clone()) {
            let line = faults.line(first.start);
            faults.add(
                &name,
                format!("two resources are called `{}`; the first is on line {line}", resource.name),
            );
        }
        let collection = at.get("load").get("collection").span();
        if let Some(first) = collections.insert(&resource.load.collection, collection.clone()) {
            let line = faults.line(first.start);
            faults.add_help(
                &collection,
                format!(
                    "two resources write the collection `{}`; the first is on line {line}",
                    resource.load.collection
                ),
                "give each a collection of its own: one would take the other's documents for its own",
            );
        }
    }
}

fn resource_meaning(resource: &Resource, source: &Source, at: At<'_>, faults: &mut Collector<'_>) {
    match source {
        Source::RestApi(api) => {
            if resource.file.is_some() {
                faults.add_help(
                    &at.get("file").key_span(),
                    "`file` belongs to the source `files`; this one is `rest_api`",
                    "write `endpoint`",
                );
            }
            if let Some(endpoint) = &resource.endpoint {
                endpoint::check(endpoint, api, at.get("endpoint"), faults);
            }
        }
        Source::Files(_) => {
            if resource.endpoint.is_some() {
                faults.add_help(
                    &at.get("endpoint").key_span(),
                    "`endpoint` belongs to the source `rest_api`; this one is `files`",
                    "write `file: {path: …}`",
                );
            }
            match &resource.file {
                Some(file) => file::check(file, at.get("file"), faults),
                None if at.kept("file") && resource.endpoint.is_none() => {
                    let message = format!("the resource `{}` does not say which file it reads", resource.name);
                    faults.add_help(&at.get("name").span(), message, "write `file: {path: …}`");
                }
                None => {}
            }
        }
    }
    record::check(&resource.record, at.get("record"), faults);
    load::check(resource, at, faults);
}

/// Names what is fetched for a resource: a hash of the source section and of the resource's `endpoint` or `file`, without what does not change
/// which records there are (credentials, limits, patience, `lag`, `pages_max`). A cursor is kept under it, so that an edited source starts afresh.
pub fn source_hash(pipeline: &Pipeline, resource: &Resource) -> String {
    const NOT_FETCHED: [&str; 7] = ["auth", "rate_limit", "timeouts", "retries", "reply_size_max", "lag", "pages_max"];
    let source = match &pipeline.source {
        Source::RestApi(api) => serde_json::json!({"rest_api": api}),
        Source::Files(files) => serde_json::json!({"files": files}),
    };
    let fetched = serde_json::json!({"source": source, "endpoint": resource.endpoint, "file": resource.file});
    let mut canonical = String::new();
    write_canonical(&fetched, &NOT_FETCHED, &mut canonical);
    hex(&Sha256::digest(canonical.as_bytes()))
}

/// JSON with its keys in order. The keys in `without` are left out, except where users name keys (headers and parameters).
fn write_canonical(value: &serde_json::Value, without: &[&str], text: &mut String) {
    match value {
        serde_json::Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().filter(|(key, _)| !without.contains(&key.as_str())).collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in entries {
                text.push_str(&serde_json::Value::from(key.as_str()).to_string());
                text.push(':');
                let without = if key == "params" || key == "headers" { &[] } else { without };
                write_canonical(value, without, text);
                text.push(',');
            }
            text.push('}');
        }
        serde_json::Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, without, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a tree is a mapping or a list.
fn is_nested(node: &Node) -> bool {
    matches!(node.value, Value::Map(_) | Value::List(_))
}
