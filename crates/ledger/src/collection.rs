//! Collections: which resource writes one, and what its documents are known and ordered by. Both are settled when it is begun.

use crate::ResourceId;
use pipeline::{FieldType, Identity, Name, Pipeline, Record, Resource};

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
            Some(Identity::Content) => "identity content".to_owned(),
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
        check("identity: content, fields: {id: {type: string}}", "identity content");
        check(
            "identity: content, version: at, fields: {at: {type: timestamp}}",
            "identity content, version at (time)",
        );
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
