//! The text of a secret: a JSON object whose fields are texts, or numbers and booleans, which are taken as they are written. Pure.

use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeMap;

/// The fields of a secret. Its `Debug` shows no value.
#[derive(Debug)]
pub struct Fields(BTreeMap<String, SecretString>);

impl Fields {
    /// The problem of a text that is no such object says nothing of what is in it.
    pub fn parse(text: &str) -> Result<Fields, String> {
        let value =
            serde_json::from_str(text).map_err(|error| format!("is not JSON (line {}, column {})", error.line(), error.column()))?;
        let Value::Object(object) = value else {
            return Err("is JSON, but no object".to_owned());
        };
        let mut fields = BTreeMap::new();
        for (name, value) in object {
            let text = match value {
                Value::String(text) => text,
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return Err(format!("has a field `{name}` that is no text")),
            };
            fields.insert(name, SecretString::from(text));
        }
        Ok(Fields(fields))
    }

    pub fn get(&self, field: &str) -> Option<&SecretString> {
        self.0.get(field)
    }

    pub fn names(&self) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        self.0.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}
