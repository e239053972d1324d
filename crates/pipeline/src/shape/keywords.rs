//! What the keywords of a JSON Schema say of a value: its kinds, its words, its range.

use crate::{
    suggest::one_of,
    syntax,
    yaml::{Node, Value as Yaml},
};
use serde_json::Value;

/// A schema without `$ref`, and the name it had.
#[derive(Clone, Copy)]
pub(super) struct Resolved<'a> {
    pub(super) schema: &'a Value,
    pub(super) name: &'a str,
}

/// What a section is called in a file.
pub(super) fn section(definition: &str) -> Option<&'static str> {
    Some(match definition {
        "RestApi" => "source.rest_api",
        "Files" => "source.files",
        "Resource" => "resources[]",
        "Endpoint" => "endpoint",
        "Incremental" => "endpoint.incremental",
        "File" => "file",
        "Csv" => "file.format.csv",
        "Record" => "record",
        "Field" => "record.fields.NAME",
        "Load" => "load",
        "Index" => "load.indexes[]",
        "Collation" => "load.indexes[].collation",
        "Retries" => "source.….retries",
        "Timeouts" => "source.….timeouts",
        "RateLimit" => "source.….rate_limit",
        _ => return None,
    })
}

pub(super) fn required(schema: &Value) -> Vec<&str> {
    let keys = schema.get("required").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The values of an enumeration.
pub(super) fn words(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().collect());
    }
    let choices = schema.get("oneOf").and_then(Value::as_array)?;
    choices.iter().map(|choice| choice.get("const")).collect()
}

pub(super) fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether the value is of a kind that the schema takes, whatever its content.
pub(super) fn accepts(schema: &Value, node: &Node) -> bool {
    if words(schema).is_some() {
        return matches!(node.value, Yaml::Text(_) | Yaml::Integer(_));
    }
    kinds(schema).into_iter().any(|kind| match &node.value {
        Yaml::Null => kind == "null",
        Yaml::Bool(_) => kind == "boolean",
        Yaml::Integer(_) | Yaml::Beyond => kind == "integer" || kind == "number",
        Yaml::Float(..) => kind == "number",
        Yaml::Text(_) => kind == "string",
        Yaml::List(_) => kind == "array",
        Yaml::Map(_) => kind == "object",
    })
}

/// What a schema takes, in words.
pub(super) fn expected(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema).schema;
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        if choices.len() > 2 {
            return "a single value: text, a number, `true` or `false`".into();
        }
        let texts: Vec<String> = choices.iter().map(|choice| expected(root, choice)).collect();
        return texts.join(" or ");
    }
    if let Some(words) = words(schema) {
        let words: Vec<String> = words
            .iter()
            .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
            .collect();
        return one_of(&words);
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str).and_then(syntax::expected) {
        return format.to_owned();
    }
    let texts: Vec<&str> = kinds(schema)
        .into_iter()
        .map(|kind| match kind {
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "array" => "a list",
            _ => "a mapping",
        })
        .collect();
    texts.join(" or ")
}

pub(super) fn out_of_range(schema: &Value, number: i64) -> Option<String> {
    let bits = schema.get("format").and_then(Value::as_str) == Some("uint32");
    let minimum = schema.get("minimum").and_then(Value::as_i64);
    let maximum = schema
        .get("maximum")
        .and_then(Value::as_i64)
        .or(bits.then_some(i64::from(u32::MAX)));
    if let Some(minimum) = minimum.filter(|minimum| number < *minimum) {
        return Some(format!("must be {minimum} at least, not {number}"));
    }
    let maximum = maximum.filter(|maximum| number > *maximum)?;
    Some(format!("must be {maximum} at most, not {number}"))
}

/// A value in the place of a wrong one that the rest cannot do without. It keeps the place: what is found wrong with it is left out.
pub(super) fn stand_in(root: &Value, schema: &Value, wrong: &Node) -> Option<Node> {
    let schema = resolve(root, schema).schema;
    let value = match (words(schema), schema.get("format").and_then(Value::as_str)) {
        (Some(words), _) => Yaml::Text(words.first()?.as_str()?.to_owned()),
        (None, Some("name")) => Yaml::Text(format!("wrong_{}", wrong.span.start)),
        (None, Some("path")) => Yaml::Text("$".into()),
        (None, Some("template")) => Yaml::Text("wrong".into()),
        (None, Some("span")) => Yaml::Text("1s".into()),
        _ if kinds(schema) == ["integer"] => Yaml::Integer(1),
        _ if kinds(schema) == ["string"] => Yaml::Text("wrong".into()),
        _ if schema.get("anyOf").is_some() && wrong.lost.is_empty() => Yaml::Text("wrong".into()),
        _ => return None,
    };
    Some(Node { value, ..wrong.clone() })
}

pub(super) fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> Resolved<'a> {
    let mut name = "Pipeline";
    while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let key = reference.rsplit('/').next().unwrap_or_default();
        let Some(definition) = root.get("$defs").and_then(|definitions| definitions.get(key)) else {
            break;
        };
        (schema, name) = (definition, key);
    }
    Resolved { schema, name }
}
