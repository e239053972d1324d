//! A document's `_id` from what was typed, by the types that the contract gives its key.

use bson::{Bson, Document};
use pipeline::{FieldType, Record};
use serde_json::Value;

/// A key that can't be one of this resource's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("`{key}` is not JSON: the key has several fields, write it as {example}")]
    NotAnObject { key: String, example: String },
    #[error("the key has no `{field}`: write it as {example}")]
    Missing { field: String, example: String },
    #[error("`{value}` is not a value of the key's field `{field}`, which is of the type {kind}")]
    NotOfType { field: String, value: String, kind: String },
}

/// The `_id` that `typed` stands for.
pub fn document_key(record: &Record, typed: &str) -> Result<Bson, KeyError> {
    match record.primary_key.as_slice() {
        // `identity`: a text that we made.
        [] => Ok(Bson::String(typed.to_owned())),
        [only] => value(record, only, &scalar(typed)),
        several => compound(record, several, typed),
    }
}

fn compound(record: &Record, fields: &[String], typed: &str) -> Result<Bson, KeyError> {
    let example = || {
        let fields: Vec<String> = fields.iter().map(|field| format!("\"{field}\": …")).collect();
        format!("{{{}}}", fields.join(", "))
    };
    let Ok(Value::Object(object)) = serde_json::from_str(typed) else {
        return Err(KeyError::NotAnObject {
            key: typed.to_owned(),
            example: example(),
        });
    };
    let mut key = Document::new();
    for field in fields {
        let part = object.get(field).ok_or_else(|| KeyError::Missing {
            field: field.clone(),
            example: example(),
        })?;
        key.insert(field.clone(), value(record, field, part)?);
    }
    Ok(Bson::Document(key))
}

/// Typed plainly, a key is text; in JSON it may be quoted or be Extended JSON.
fn scalar(typed: &str) -> Value {
    match serde_json::from_str(typed) {
        Ok(value @ (Value::String(_) | Value::Object(_))) => value,
        _ => Value::String(typed.to_owned()),
    }
}

fn value(record: &Record, field: &str, value: &Value) -> Result<Bson, KeyError> {
    let kind = record.fields.get(field).map_or(FieldType::String, |field| field.kind);
    // Relaxed Extended JSON: what `tidemill documents` prints.
    let inner = match value {
        Value::Object(wrapped) => ["$date", "$numberDecimal", "$numberLong"]
            .iter()
            .find_map(|name| wrapped.get(*name))
            .unwrap_or(value),
        other => other,
    };
    let text = match inner {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let made = match kind {
        FieldType::Int | FieldType::Long => text.parse().ok().map(Bson::Int64),
        FieldType::Double => text.parse().ok().map(Bson::Double),
        FieldType::Decimal => text.parse().ok().map(Bson::Decimal128),
        FieldType::Bool => text.parse().ok().map(Bson::Boolean),
        FieldType::Timestamp | FieldType::Date => moment(&text).map(|ms| Bson::DateTime(bson::DateTime::from_millis(ms))),
        _ => Some(Bson::String(text.clone())),
    };
    made.ok_or_else(|| KeyError::NotOfType {
        field: field.to_owned(),
        value: text,
        kind: format!("{kind:?}").to_lowercase(),
    })
}

/// Milliseconds since 1970 of a time or day, UTC unless it says otherwise; or the number itself.
fn moment(text: &str) -> Option<i64> {
    let utc = |time: jiff::civil::DateTime| Some(time.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    let time = text.parse::<jiff::Timestamp>().ok();
    let time = time
        .or_else(|| utc(text.parse().ok()?))
        .or_else(|| utc(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0)));
    time.map(jiff::Timestamp::as_millisecond).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn record(keys: &str, fields: &str) -> Record {
        let text = format!(
            "pipeline: p\nsource: {{files: {{}}}}\nresources:\n  - name: r\n    file: {{path: a.csv}}\n    record:\n      {keys}\n      fields: {fields}\n    load: {{collection: c}}\n"
        );
        let checked = pipeline::check("p.yaml", &text).map_err(|faults| faults.to_string()).unwrap();
        checked.pipeline.resources.into_iter().next().unwrap().record
    }

    #[test]
    fn the_contract_says_what_a_key_is() {
        let check = |kind: &str, typed: &str, expected: Bson| {
            let record = record("primary_key: [id]", &format!("{{id: {{type: {kind}}}}}"));
            assert_eq!(document_key(&record, typed), Ok(expected), "{kind} {typed}");
        };
        check("string", "ci37868143", Bson::String("ci37868143".into()));
        check("string", "007", Bson::String("007".into()));
        check("string", "\"007\"", Bson::String("007".into()));
        check("long", "42", Bson::Int64(42));
        check(
            "timestamp",
            "2013-01-01T06:00:00Z",
            Bson::DateTime(bson::DateTime::from_millis(1_357_020_000_000)),
        );
        check("date", "2013-01-01", Bson::DateTime(bson::DateTime::from_millis(1_356_998_400_000)));
        check(
            "timestamp",
            "{\"$date\":\"2013-01-01T06:00:00Z\"}",
            Bson::DateTime(bson::DateTime::from_millis(1_357_020_000_000)),
        );
    }

    #[test]
    fn a_key_of_several_fields_is_an_object_in_the_order_of_the_contract() {
        let record = record("primary_key: [origin, at]", "{at: {type: timestamp}, origin: {type: string}}");
        let key = document_key(&record, r#"{"at": "2013-01-01T06:00:00Z", "origin": "EWR"}"#).unwrap();
        let Bson::Document(key) = key else { panic!("{key}") };
        assert_eq!(key.keys().collect::<Vec<_>>(), ["origin", "at"]);
        let message = |typed| document_key(&record, typed).unwrap_err().to_string();
        assert_eq!(
            message("EWR"),
            "`EWR` is not JSON: the key has several fields, write it as {\"origin\": …, \"at\": …}"
        );
        assert_eq!(
            message(r#"{"at": 1}"#),
            "the key has no `origin`: write it as {\"origin\": …, \"at\": …}"
        );
        assert!(message(r#"{"at": "soon", "origin": "EWR"}"#).contains("of the type timestamp"));
    }

    #[test]
    fn without_a_primary_key_the_key_is_text() {
        let record = record("identity: content", "{a: {type: string}}");
        assert_eq!(document_key(&record, "12"), Ok(Bson::String("12".into())));
    }
}
