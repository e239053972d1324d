//! `$jsonSchema` as MongoDB reads it: the keywords that validators of ours use, and no other.

use bson::{Bson, Document, RawBson};
use documents::key::key_of;

/// What the validator says of a document: the place of the first thing that is wrong.
pub fn judge(validator: &Document, document: &Document) -> Result<(), String> {
    assert_eq!(validator.keys().collect::<Vec<_>>(), ["$jsonSchema"]);
    value(
        validator.get_document("$jsonSchema").unwrap(),
        &Bson::Document(document.clone()),
        "",
    )
}

fn value(schema: &Document, found: &Bson, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema {
        let good = match (keyword.as_str(), found) {
            ("title", _) => true,
            ("bsonType", found) => match rule {
                Bson::Array(kinds) => {
                    assert!(!kinds.is_empty());
                    kinds.iter().any(|kind| is_a(kind, found))
                }
                kind => is_a(kind, found),
            },
            ("enum", found) => {
                let values = rule.as_array().unwrap();
                let mut keys: Vec<Vec<u8>> = values.iter().map(key).collect();
                keys.sort_unstable();
                let before = keys.len();
                keys.dedup();
                assert!(before == keys.len() && before > 0, "a server takes no value twice: {values:?}");
                keys.contains(&key(found))
            }
            ("minimum", number) if is_number(number) => key(number) >= key(rule),
            ("maximum", number) if is_number(number) => key(number) <= key(rule),
            ("minLength", Bson::String(text)) => text.chars().count() >= size(rule),
            ("maxLength", Bson::String(text)) => text.chars().count() <= size(rule),
            ("pattern", Bson::String(text)) => regex::Regex::new(rule.as_str().unwrap()).unwrap().is_match(text),
            ("minItems", Bson::Array(items)) => items.len() >= size(rule),
            ("maxItems", Bson::Array(items)) => items.len() <= size(rule),
            ("items", Bson::Array(items)) => {
                for (place, item) in items.iter().enumerate() {
                    value(rule.as_document().unwrap(), item, &format!("{at}[{place}]"))?;
                }
                true
            }
            ("required", Bson::Document(document)) => {
                let names = rule.as_array().unwrap();
                assert!(!names.is_empty(), "a server takes no empty `required`");
                names.iter().all(|name| document.contains_key(name.as_str().unwrap()))
            }
            ("properties", Bson::Document(document)) => {
                for (name, schema) in rule.as_document().unwrap() {
                    if let Some(found) = document.get(name) {
                        value(schema.as_document().unwrap(), found, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            ("additionalProperties", Bson::Document(document)) => {
                assert_eq!(rule, &Bson::Boolean(false));
                let known = schema.get_document("properties").unwrap();
                document.keys().all(|name| known.contains_key(name))
            }
            ("minimum" | "maximum", _) => {
                assert!(is_number(rule), "a bound must be a number: {rule}");
                true
            }
            ("minLength" | "maxLength" | "minItems" | "maxItems", _) => size(rule) < usize::MAX,
            ("pattern" | "items" | "required" | "properties" | "additionalProperties", _) => true,
            (other, _) => panic!("the keyword `{other}` is not known to this test"),
        };
        if !good {
            return Err(format!("{at}: {keyword}"));
        }
    }
    Ok(())
}

/// Equal numbers of different types have one key, and keys are ordered as their values are.
fn key(value: &Bson) -> Vec<u8> {
    key_of(RawBson::try_from(value.clone()).unwrap().as_raw_bson_ref()).unwrap()
}

fn size(rule: &Bson) -> usize {
    match rule {
        Bson::Int32(size) => usize::try_from(*size).unwrap(),
        Bson::Int64(size) => usize::try_from(*size).unwrap(),
        other => panic!("{other} is no size"),
    }
}

fn is_number(value: &Bson) -> bool {
    matches!(value, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_))
}

fn is_a(kind: &Bson, value: &Bson) -> bool {
    match kind.as_str().unwrap() {
        "number" => is_number(value),
        "string" => matches!(value, Bson::String(_)),
        "bool" => matches!(value, Bson::Boolean(_)),
        "int" => matches!(value, Bson::Int32(_)),
        "long" => matches!(value, Bson::Int64(_)),
        "double" => matches!(value, Bson::Double(_)),
        "decimal" => matches!(value, Bson::Decimal128(_)),
        "date" => matches!(value, Bson::DateTime(_)),
        "object" => matches!(value, Bson::Document(_)),
        "array" => matches!(value, Bson::Array(_)),
        "binData" => matches!(value, Bson::Binary(_)),
        "null" => matches!(value, Bson::Null),
        other => panic!("`{other}` is no type"),
    }
}
