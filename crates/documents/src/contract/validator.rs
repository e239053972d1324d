//! The validator of a contract: a `$jsonSchema` that holds of every document `clean` makes. Where MongoDB can't say a rule in the same words, the rule
//! is left out: the validator may allow more than the contract, never less.

use bson::{Array, Bson, Document, doc};
use pipeline::{Field, FieldType, ItemType, Record, Resource, UnknownFields};

use super::constant::{constant, distinct};
use super::pattern::means_the_same_everywhere;

/// What a validator's title begins with, by which Tidemill knows its own.
pub(super) const TITLE: &str = "Tidemill: ";

/// How deep the rules go into objects and lists; the server bounds the depth of a validator.
const DEPTH_MAX: usize = 12;

/// `{"$jsonSchema": {…}}`.
pub(super) fn validator(resource: &Resource, owner: &str) -> Document {
    let record = &resource.record;
    let mut properties = doc! {"_id": id(record)};
    for (name, field) in &record.fields {
        properties.insert(name, of_field(field, 0));
    }
    properties.insert("_tidemill", stamp());
    let mut required: Array = vec!["_id".into()];
    required.extend(record.fields.keys().map(|name| Bson::from(name.as_str())));
    required.push("_tidemill".into());
    let mut schema = doc! {
        "title": format!("{TITLE}{owner}"),
        "bsonType": "object",
        "required": required,
        "properties": properties,
    };
    if record.unknown_fields != UnknownFields::Keep {
        schema.insert("additionalProperties", false);
    }
    doc! {"$jsonSchema": schema}
}

/// `_id` as `primary_key` or `identity` makes it.
fn id(record: &Record) -> Document {
    let part = |name: &String| record.fields.get(name).map_or_else(Document::new, |field| key_part(field.kind));
    match record.primary_key.as_slice() {
        [] => doc! {"bsonType": "string"},
        [name] => part(name),
        names => {
            let properties: Document = names.iter().map(|name| (name.clone(), Bson::from(part(name)))).collect();
            object(properties)
        }
    }
}

/// The server keeps the type that an `_id`'s number had first: after a change of the contract's type it may be any.
fn key_part(kind: FieldType) -> Document {
    match kind {
        FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Decimal => doc! {"bsonType": "number"},
        kind => doc! {"bsonType": types(kind)},
    }
}

/// `_tidemill`, of a tombstone too. What a later version may note beside it is allowed.
fn stamp() -> Document {
    doc! {
        "bsonType": "object",
        "required": ["run", "at", "version", "rank", "hash"],
        "properties": {
            "run": {"bsonType": "string"},
            "at": {"bsonType": "date"},
            "version": {"bsonType": "long"},
            "rank": {"bsonType": "binData"},
            "hash": {"bsonType": "binData"},
            "deleted": {"bsonType": "bool"},
        },
    }
}

/// An object of exactly these fields.
fn object(properties: Document) -> Document {
    let required: Array = properties.keys().map(|name| Bson::from(name.as_str())).collect();
    let mut schema = doc! {"bsonType": "object"};
    if !required.is_empty() {
        schema.insert("required", required);
    }
    schema.insert("properties", properties);
    schema.insert("additionalProperties", false);
    schema
}

fn of_field(field: &Field, depth: usize) -> Document {
    let mut schema = match field.kind {
        FieldType::Object if depth < DEPTH_MAX => {
            let inner = field
                .fields
                .iter()
                .map(|(name, field)| (name.clone(), Bson::from(of_field(field, depth + 1))));
            object(inner.collect())
        }
        FieldType::GeoPoint => point(),
        kind => doc! {"bsonType": types(kind)},
    };
    if field.kind == FieldType::List && depth < DEPTH_MAX {
        match field.of.as_deref() {
            Some(ItemType::Type(FieldType::GeoPoint)) => _ = schema.insert("items", point()),
            Some(ItemType::Type(kind)) => _ = schema.insert("items", doc! {"bsonType": types(*kind)}),
            Some(ItemType::Field(item)) => _ = schema.insert("items", of_field(item, depth + 1)),
            None => {}
        }
    }
    bounds(field, &mut schema);
    if field.nullable {
        or_null(&mut schema);
    }
    schema
}

fn point() -> Document {
    let properties = doc! {
        "type": {"enum": ["Point"]},
        "coordinates": {"bsonType": "array", "minItems": 2, "maxItems": 2, "items": {"bsonType": "double", "minimum": -180.0, "maximum": 180.0}},
    };
    object(properties)
}

/// The BSON types that a value of the type is kept as.
pub(super) fn types(kind: FieldType) -> Bson {
    match kind {
        FieldType::String => "string".into(),
        FieldType::Int => "int".into(),
        FieldType::Long => "long".into(),
        FieldType::Double => "double".into(),
        FieldType::Decimal => "decimal".into(),
        FieldType::Bool => "bool".into(),
        FieldType::Timestamp | FieldType::Date => "date".into(),
        FieldType::Object | FieldType::GeoPoint => "object".into(),
        FieldType::List => "array".into(),
        FieldType::Json => bson::bson!(["object", "array", "string", "bool", "int", "long", "double", "decimal"]),
    }
}

/// `minimum` and its like are for numbers only, so times and dates have no bounds here.
fn bounds(field: &Field, schema: &mut Document) {
    let numeric = matches!(
        field.kind,
        FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Decimal
    );
    for (keyword, bound) in [("minimum", &field.min), ("maximum", &field.max)] {
        if let Some(bound) = bound.as_ref().filter(|_| numeric).and_then(|bound| constant(bound, field.kind)) {
            schema.insert(keyword, bound);
        }
    }
    // A default is written as it is: lengths and patterns are not asked of it.
    let lengths = match field.kind {
        FieldType::String if field.default.is_none() => Some(["minLength", "maxLength"]),
        FieldType::List => Some(["minItems", "maxItems"]),
        _ => None,
    };
    for (keyword, bound) in lengths.into_iter().flatten().zip([field.min_length, field.max_length]) {
        if let Some(bound) = bound.and_then(|bound| i64::try_from(bound).ok()) {
            schema.insert(keyword, bound);
        }
    }
    if let Some(pattern) = field.pattern.as_deref()
        && field.kind == FieldType::String
        && field.default.is_none()
        && means_the_same_everywhere(pattern)
    {
        schema.insert("pattern", pattern);
    }
    // Not every server takes 1.50 for 1.5 here.
    if field.kind == FieldType::Decimal {
        return;
    }
    let values: Option<Vec<Bson>> = field.one_of.iter().map(|value| constant(value, field.kind)).collect();
    if let Some(values) = values.filter(|values| !values.is_empty()) {
        schema.insert("enum", distinct(values));
    }
}

fn or_null(schema: &mut Document) {
    if let Some(types) = schema.get_mut("bsonType") {
        let mut all = match *types {
            Bson::Array(ref types) => types.clone(),
            ref one => vec![(*one).clone()],
        };
        all.push("null".into());
        *types = Bson::Array(all);
    }
    if let Ok(values) = schema.get_array_mut("enum") {
        values.push(Bson::Null);
    }
}
