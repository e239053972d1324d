//! The JSON Schema of the language, drawn from its types; `check` walks a file against it.

use crate::{ByteSize, IndexKind, Name, Path, Pipeline, RejectLimit, Span, Template, TextLanguage};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// The JSON Schema (2020-12) of a pipeline file, for editors. Its `format` names are the syntaxes that only `check` knows.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<Pipeline>().to_value();
    without_null(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".into(), "A Tidemill pipeline".into());
        root.shift_insert(1, "$id".into(), "urn:tidemill:pipeline-file".into());
    }
    schema
}

/// An optional key is left out, not set to null: takes the null that `Option` adds out of every schema.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            if let Some(Value::Array(kinds)) = object.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    object.insert("type".into(), kind);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({"type": "null"}));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    object.shift_remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            if object.get("default") == Some(&Value::Null) {
                object.shift_remove("default");
            }
            object.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

macro_rules! written_as {
    ($kind:ident, $schema:tt) => {
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

written_as!(Name, {
    "description": "A lower-case letter, then lower-case letters, digits, `_` or `-`; at most 63 characters.",
    "type": "string",
    "format": "name",
    "pattern": "^[a-z][a-z0-9_-]{0,62}$",
});
written_as!(Path, {
    "description": "A path into a JSON document: `properties.mag`, `geometry.coordinates[2]`, `[\"odd.key\"].x`; `$` is the whole document. In a `data_selector`, `[*]` stands for each item of a list. There is no `..`, no filter, and no place counted from the end; an object whose keys are ids cannot be walked.",
    "type": "string",
    "format": "path",
});
written_as!(Span, {
    "description": "A length of time: `500ms`, `10s`, `5m`, `1h30m`, `7d`.",
    "type": "string",
    "format": "span",
});
written_as!(ByteSize, {
    "description": "A number of bytes: `512KB`, `16MB`, `1GB` (powers of 1024).",
    "type": "string",
    "format": "byte_size",
});
written_as!(Template, {
    "description": "Text with variables. Under `source`: `${env:NAME}`, `${secret:name#field}`. In an endpoint: `{incremental.start_value}`, `{incremental.end_value}`, `{run.date}`. Write `{{` and `}}` for the braces themselves.",
    "type": ["string", "number", "boolean"],
    "format": "template",
});
written_as!(RejectLimit, {
    "description": "A number of records (`100`), or a share of the records that came in (`1%`).",
    "type": ["integer", "string"],
    "format": "reject_limit",
});
written_as!(IndexKind, {
    "description": "How a field is indexed: `1` ascending, `-1` descending, `2dsphere` for a `geo_point`, `text` for words (`$text`).",
    "enum": [1, -1, "2dsphere", "text"],
});
written_as!(TextLanguage, {
    "description": "A language of a text index: `danish`, `dutch`, `english`, `finnish`, `french`, `german`, `hungarian`, `italian`, `norwegian`, `portuguese`, `romanian`, `russian`, `spanish`, `swedish`, `turkish`; `none`: words as they are.",
    "enum": [
        "danish", "dutch", "english", "finnish", "french", "german", "hungarian", "italian", "none", "norwegian", "portuguese", "romanian", "russian",
        "spanish", "swedish", "turkish"
    ],
});
