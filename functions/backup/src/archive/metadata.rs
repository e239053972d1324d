//! The options and indexes of a namespace as the archive keeps them, a text of canonical Extended JSON; and back.

use bson::{Document, RawDocumentBuf};
use documents::{Namespace, NamespaceKind};
use serde_json::{Map, Value};

use super::extended_json::{Why, read_document, write_document, write_string};
use super::{ArchiveError, Described};

/// The text: `{"options": {…}, "indexes": […], "uuid": "…", "collectionName": "…", "type": "collection" | "view"}`. It has been read back, and found to give
/// the very same options and indexes: an error says that it can't.
pub fn metadata(namespace: &Namespace) -> Result<String, ArchiveError> {
    let text = write(namespace).map_err(|why| wrong(&namespace.name, why))?;
    let read = super::namespace(&text)?;
    if bytes(namespace).map_err(|why| wrong(&namespace.name, why))? != bytes(&read).map_err(|why| wrong(&namespace.name, why))? {
        return Err(wrong(&namespace.name, "they would not be read back as they are".to_owned()));
    }
    Ok(text)
}

/// The namespace that such a text is of. It has no estimate.
pub fn namespace(metadata: &str) -> Result<Namespace, ArchiveError> {
    let value: Value = serde_json::from_str(metadata).map_err(|error| wrong("", format!("not JSON: {error}")))?;
    let Value::Object(map) = value else {
        return Err(wrong("", "not an object of JSON".to_owned()));
    };
    let name = map.get("collectionName").and_then(Value::as_str).unwrap_or_default();
    read(name, &map).map_err(|why| wrong(name, why))
}

/// A namespace as the archive's prelude tells of it.
pub fn described(namespace: &Namespace) -> Result<Described, ArchiveError> {
    Ok(Described {
        name: namespace.name.clone(),
        view: namespace.kind == NamespaceKind::View,
        metadata: metadata(namespace)?,
        size: i32::try_from(namespace.estimate.unwrap_or(0)).unwrap_or(i32::MAX),
    })
}

fn write(namespace: &Namespace) -> Result<String, Why> {
    let mut out = String::from("{\"options\":");
    write_document(&mut out, &raw(&namespace.options)?)?;
    out.push_str(",\"indexes\":");
    let mut before = '[';
    for index in &namespace.indexes {
        out.push(before);
        before = ',';
        write_document(&mut out, &raw(index)?)?;
    }
    out.push_str(if before == '[' { "[]" } else { "]" });
    if let Some(identity) = &namespace.identity {
        let hex: String = identity.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push_str(&format!(",\"uuid\":\"{hex}\""));
    }
    out.push_str(",\"collectionName\":");
    write_string(&mut out, &namespace.name);
    out.push_str(match namespace.kind {
        NamespaceKind::Collection => ",\"type\":\"collection\"}",
        NamespaceKind::View => ",\"type\":\"view\"}",
        NamespaceKind::TimeSeries => return Err("it is a time series, which this version can't keep; leave it out by name".to_owned()),
    });
    Ok(out)
}

fn read(name: &str, map: &Map<String, Value>) -> Result<Namespace, Why> {
    let known = ["options", "indexes", "uuid", "collectionName", "type"];
    if let Some(unknown) = map.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("`{unknown}` is unknown"));
    }
    if !super::is_name(name) {
        return Err("`collectionName` is missing, empty or too long".to_owned());
    }
    let Some(Value::Object(options)) = map.get("options") else {
        return Err("`options` is missing, or no object".to_owned());
    };
    let Some(Value::Array(indexes)) = map.get("indexes") else {
        return Err("`indexes` is missing, or no list".to_owned());
    };
    let index = |index: &Value| {
        let map = index.as_object().ok_or_else(|| "an index is no object".to_owned())?;
        read_document(map)
    };
    Ok(Namespace {
        name: name.to_owned(),
        kind: match map.get("type").and_then(Value::as_str) {
            Some("collection") => NamespaceKind::Collection,
            Some("view") => NamespaceKind::View,
            _ => return Err("`type` is neither `collection` nor `view`".to_owned()),
        },
        options: read_document(options)?,
        indexes: indexes.iter().map(index).collect::<Result<_, _>>()?,
        identity: map.get("uuid").map(identity).transpose()?,
        estimate: None,
    })
}

fn identity(value: &Value) -> Result<Vec<u8>, Why> {
    let hex = value.as_str().unwrap_or("-").as_bytes();
    let (pairs, rest) = hex.as_chunks::<2>();
    let digits = |pair: &[u8; 2]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = pairs.iter().map(digits).collect();
    bytes
        .filter(|_| rest.is_empty())
        .ok_or_else(|| "`uuid` is not hexadecimal".to_owned())
}

fn raw(document: &Document) -> Result<RawDocumentBuf, Why> {
    RawDocumentBuf::try_from(document).map_err(|error| error.to_string())
}

/// All of it as bytes: they tell `NaN` from others, and an order of fields from another, as `==` does not.
fn bytes(namespace: &Namespace) -> Result<Vec<RawDocumentBuf>, Why> {
    std::iter::once(&namespace.options).chain(&namespace.indexes).map(raw).collect()
}

fn wrong(collection: &str, why: Why) -> ArchiveError {
    ArchiveError::Metadata {
        collection: collection.to_owned(),
        why,
    }
}
