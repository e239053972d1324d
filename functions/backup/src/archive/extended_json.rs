//! Canonical Extended JSON v2 (the MongoDB specification of that name), which keeps every type; and back from what is written here.

use base64::{Engine, prelude::BASE64_STANDARD};
use bson::oid::ObjectId;
use bson::raw::CString;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, JavaScriptCodeWithScope, RawBsonRef, RawDocument, Regex, Timestamp};
use documents::extended_json::relaxed_value;
use serde_json::{Map, Value};

/// Why a value can't be written or read.
pub(super) type Why = String;

/// One value (an `_id`, say) as text.
pub fn canonical(value: RawBsonRef<'_>) -> Result<String, super::ArchiveError> {
    let mut out = String::new();
    match write(&mut out, value) {
        Ok(()) => Ok(out),
        Err(why) => Err(super::ArchiveError::Value { why }),
    }
}

/// Appends a document.
pub(super) fn write_document(out: &mut String, document: &RawDocument) -> Result<(), Why> {
    let mut before = '{';
    for element in document {
        let (name, value) = element.map_err(|error| error.to_string())?;
        out.push(before);
        before = ',';
        write_string(out, name.as_str());
        out.push(':');
        write(out, value)?;
    }
    out.push_str(if before == '{' { "{}" } else { "}" });
    Ok(())
}

/// Appends a JSON string.
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

fn write(out: &mut String, value: RawBsonRef<'_>) -> Result<(), Why> {
    match value {
        RawBsonRef::Double(number) => wrap(out, "$numberDouble", &double(number)),
        RawBsonRef::Int32(number) => wrap(out, "$numberInt", &number.to_string()),
        RawBsonRef::Int64(number) => wrap(out, "$numberLong", &number.to_string()),
        RawBsonRef::DateTime(at) => {
            out.push_str("{\"$date\":");
            wrap(out, "$numberLong", &at.timestamp_millis().to_string());
            out.push('}');
        }
        RawBsonRef::Document(document) => write_document(out, document)?,
        RawBsonRef::Array(array) => {
            let mut before = '[';
            for value in array {
                out.push(before);
                before = ',';
                write(out, value.map_err(|error| error.to_string())?)?;
            }
            out.push_str(if before == '[' { "[]" } else { "]" });
        }
        RawBsonRef::JavaScriptCodeWithScope(code) => {
            out.push_str("{\"$code\":");
            write_string(out, code.code);
            out.push_str(",\"$scope\":");
            write_document(out, code.scope)?;
            out.push('}');
        }
        // The relaxed form of the others is the canonical one.
        other => out.push_str(&relaxed_value(other).map_err(|error| error.to_string())?),
    }
    Ok(())
}

fn wrap(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!("{{\"{name}\":\"{text}\"}}"));
}

fn double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        (if number > 0.0 { "Infinity" } else { "-Infinity" }).to_owned()
    } else {
        // The shortest that is read as the same number, with a point or an exponent.
        format!("{number:?}")
    }
}

/// Reads a document.
pub(super) fn read_document(map: &Map<String, Value>) -> Result<Document, Why> {
    map.iter().map(|(name, value)| Ok((name.clone(), read(value)?))).collect()
}

fn read(value: &Value) -> Result<Bson, Why> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(values) => Bson::Array(values.iter().map(read).collect::<Result<_, _>>()?),
        Value::Number(number) => return Err(format!("the number {number} stands without its type, as `{{\"$numberInt\": …}}`")),
        Value::Object(map) => match wrapped(map) {
            Some(value) => value.ok_or_else(|| format!("a value of `{}` is not one", map.keys().next().map_or("", String::as_str)))?,
            None => Bson::Document(read_document(map)?),
        },
    })
}

/// The value of a type that JSON does not have. `None`: it is a document, `Some(None)`: it looks like such a value, and is none.
fn wrapped(map: &Map<String, Value>) -> Option<Option<Bson>> {
    let mut members = map.iter();
    let (name, value) = members.next()?;
    let second = members.next();
    if members.next().is_some() {
        return None;
    }
    Some(match (name.as_str(), value, second) {
        ("$code", Value::String(code), Some((scope, Value::Object(map)))) if scope == "$scope" => read_document(map)
            .ok()
            .map(|scope| Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: code.clone(), scope })),
        (_, _, Some(_)) => return None,
        (_, Value::String(text), None) => return of_text(name, text),
        (_, Value::Object(map), None) => return of_object(name, map),
        ("$minKey", Value::Number(one), None) if one.as_u64() == Some(1) => Some(Bson::MinKey),
        ("$maxKey", Value::Number(one), None) if one.as_u64() == Some(1) => Some(Bson::MaxKey),
        ("$undefined", Value::Bool(true), None) => Some(Bson::Undefined),
        _ => return None,
    })
}

fn of_text(name: &str, text: &str) -> Option<Option<Bson>> {
    Some(match name {
        "$numberInt" => text.parse().ok().map(Bson::Int32),
        "$numberLong" => text.parse().ok().map(Bson::Int64),
        "$numberDouble" => text.parse().ok().map(Bson::Double),
        "$numberDecimal" => text.parse::<Decimal128>().ok().map(Bson::Decimal128),
        "$oid" => ObjectId::parse_str(text).ok().map(Bson::ObjectId),
        "$symbol" => Some(Bson::Symbol(text.to_owned())),
        "$code" => Some(Bson::JavaScriptCode(text.to_owned())),
        _ => return None,
    })
}

fn of_object(name: &str, map: &Map<String, Value>) -> Option<Option<Bson>> {
    // No more and no fewer members than these two.
    let two = |first: &str, second: &str| Some((map.get(first)?, map.get(second)?)).filter(|_| map.len() == 2);
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let of = || match name {
        "$date" => {
            let at = map.get("$numberLong").filter(|_| map.len() == 1)?.as_str()?;
            Some(Bson::DateTime(DateTime::from_millis(at.parse().ok()?)))
        }
        "$binary" => {
            let (base64, subtype) = two("base64", "subType")?;
            let subtype = u8::from_str_radix(subtype.as_str()?, 16).ok()?;
            Some(Bson::Binary(Binary {
                subtype: BinarySubtype::from(subtype),
                bytes: BASE64_STANDARD.decode(base64.as_str()?).ok()?,
            }))
        }
        "$timestamp" => {
            let (time, increment) = two("t", "i")?;
            Some(Bson::Timestamp(Timestamp {
                time: number(time)?,
                increment: number(increment)?,
            }))
        }
        "$regularExpression" => {
            let (pattern, options) = two("pattern", "options")?;
            Some(Bson::RegularExpression(Regex {
                pattern: CString::try_from(pattern.as_str()?).ok()?,
                options: CString::try_from(options.as_str()?).ok()?,
            }))
        }
        "$dbPointer" => {
            let (namespace, id) = two("$ref", "$id")?;
            let id = id.get("$oid")?.as_str()?;
            db_pointer(namespace.as_str()?, ObjectId::parse_str(id).ok()?)
        }
        _ => None,
    };
    matches!(name, "$date" | "$binary" | "$timestamp" | "$regularExpression" | "$dbPointer").then(of)
}

/// The type can be read only: so it is read, from the bytes of a document that has it.
fn db_pointer(namespace: &str, id: ObjectId) -> Option<Bson> {
    let mut bytes = vec![0, 0, 0, 0, 0x0c, b'p', 0];
    bytes.extend_from_slice(&i32::try_from(namespace.len() + 1).ok()?.to_le_bytes());
    bytes.extend_from_slice(namespace.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&id.bytes());
    bytes.push(0);
    let length = i32::try_from(bytes.len()).ok()?;
    bytes.first_chunk_mut::<4>()?.copy_from_slice(&length.to_le_bytes());
    let value = RawDocument::from_bytes(&bytes).ok()?.get("p").ok()??;
    Bson::try_from(value).ok()
}
