//! Collections: which resource writes one, and what its documents are known and ordered by. Both are settled when it is begun.

use crate::ResourceId;
use pipeline::{FieldType, Identity, Name, Pipeline, Record, Resource};
use sha2::{Digest, Sha256};

/// What a resource says of the collection it writes. The ledger keeps the first claim on a collection; whoever comes with another one may not write to it:
/// documents under keys of two makings would stand side by side, and versions of two makings cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionClaim {
    pub collection: Name,
    /// The only resource that writes it.
    pub owner: ResourceId,
    /// What names and orders its documents, for people: `primary_key [id (text)], version updated_at (time)`.
    pub key: String,
}

impl CollectionClaim {
    /// The claim of a resource. The write disposition is no part of it, for that may change.
    pub fn of(pipeline: &Pipeline, resource: &Resource) -> CollectionClaim {
        let record = &resource.record;
        let identity = match record.identity {
            Some(Identity::Content) => format!("identity content (fields {})", content_mark(record)),
            Some(Identity::Position) => "identity position".to_owned(),
            None => {
                let fields = record.primary_key.iter().map(|name| with_kind(record, name));
                format!("primary_key [{}]", fields.collect::<Vec<_>>().join(", "))
            }
        };
        let version = record.version.iter().map(|name| format!(", version {}", with_kind(record, name)));
        CollectionClaim {
            collection: resource.load.collection.clone(),
            owner: ResourceId {
                pipeline: pipeline.pipeline.clone(),
                resource: resource.name.clone(),
            },
            key: std::iter::once(identity).chain(version).collect(),
        }
    }
}

/// Names what makes the content of a record, for it makes the `_id`: the fields and the rules that change values, not those that only refuse some,
/// nor volatile fields, which are no part of it.
fn content_mark(record: &Record) -> String {
    let content = record.fields.iter().filter(|(_, field)| !field.volatile);
    let mut fields = serde_json::json!([content.collect::<Vec<_>>(), record.unknown_fields]);
    leave_out_checks(&mut fields);
    let digest = Sha256::digest(fields.to_string().as_bytes());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Rules that change no value.
const CHECKS: [&str; 9] = [
    "description",
    "nullable",
    "min",
    "max",
    "min_length",
    "max_length",
    "pattern",
    "one_of",
    "volatile",
];

/// A field may be called as a rule is: only what stands beside a `type` is a rule.
fn leave_out_checks(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            if object.get("type").is_some_and(serde_json::Value::is_string) {
                object.retain(|key, _| !CHECKS.contains(&key.as_str()));
            }
            object.values_mut().for_each(leave_out_checks);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(leave_out_checks),
        _ => {}
    }
}

/// A field with the kind of its values: an id that turns from text into a number names other documents. Kinds that compare with each other are one.
fn with_kind(record: &Record, name: &str) -> String {
    match record.fields.get(name) {
        Some(field) => format!("{name} ({})", kind(field.kind)),
        None => name.to_owned(),
    }
}

fn kind(kind: FieldType) -> &'static str {
    match kind {
        FieldType::String => "text",
        FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Decimal => "number",
        FieldType::Bool => "truth value",
        FieldType::Timestamp | FieldType::Date => "time",
        FieldType::Object | FieldType::List | FieldType::GeoPoint | FieldType::Json => "structure",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn claim(record: &str, load: &str) -> CollectionClaim {
        let text = format!(
            "pipeline: shop
source: {{rest_api: {{base_url: \"https://api.example.org/\"}}}}
resources:
  - name: orders
    endpoint: {{}}
    record: {{{record}}}
    load: {{collection: sold, {load}}}
"
        );
        let checked = pipeline::check("shop.yaml", &text).unwrap();
        CollectionClaim::of(&checked.pipeline, checked.pipeline.resources.first().unwrap())
    }

    fn check(record: &str, expected: &str) {
        let claim = claim(record, "write_disposition: merge");
        assert_eq!(claim.collection.as_str(), "sold");
        assert_eq!(claim.owner.to_string(), "shop/orders");
        assert_eq!(claim.key, expected, "{record}");
    }

    #[test]
    fn a_claim_says_what_names_and_orders_the_documents() {
        check("primary_key: [id], fields: {id: {type: string}}", "primary_key [id (text)]");
        check(
            "primary_key: [shop, day], version: n, fields: {n: {type: long}, day: {type: date}, shop: {type: int}}",
            "primary_key [shop (number), day (time)], version n (number)",
        );
        let position = claim("identity: position, fields: {id: {type: string}}", "write_disposition: append").key;
        assert_eq!(position, "identity position");
        let content = claim(
            "identity: content, version: at, fields: {at: {type: timestamp}}",
            "write_disposition: merge",
        )
        .key;
        assert!(content.starts_with("identity content (fields "), "{content}");
        assert!(content.ends_with("), version at (time)"), "{content}");
    }

    #[test]
    fn content_is_named_by_what_changes_values() {
        let of = |fields: &str| claim(&format!("identity: content, fields: {{{fields}}}"), "write_disposition: merge").key;
        let one = of("a: {type: string}, max: {type: int}");
        for same in [
            "a: {type: string, nullable: true, max_length: 5, description: x}, max: {type: int, min: 1}",
            "a: {type: string}, seen: {type: timestamp, volatile: true}, max: {type: int}",
        ] {
            assert_eq!(of(same), one, "{same}");
        }
        for other in [
            "a: {type: string, trim: true}, max: {type: int}",
            "a: {type: string}, max: {type: long}",
            "max: {type: int}, a: {type: string}",
            "a: {type: string}",
            "a: {type: string}, max: {type: int, volatile: true}",
            "a: {type: string, from: b}, max: {type: int}",
        ] {
            assert_ne!(of(other), one, "{other}");
        }
    }

    #[test]
    fn kinds_that_compare_are_one_and_the_disposition_is_no_part_of_it() {
        let of = |kind: &str, disposition: &str| {
            let record = format!("primary_key: [id], fields: {{id: {{type: {kind}}}, note: {{type: string}}}}");
            claim(&record, &format!("write_disposition: {disposition}"))
        };
        assert_eq!(of("int", "merge"), of("long", "replace"));
        assert_ne!(of("int", "merge"), of("string", "merge"));
    }
}
