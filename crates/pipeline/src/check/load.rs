//! How a resource's identity, disposition and indexes go together.

use super::at::At;
use crate::{Field, FieldType, Identity, Index, IndexKind, ItemType, Name, Record, Resource, WriteDisposition, fault::Collector, suggest};
use indexmap::IndexMap;

pub(super) fn check(resource: &Resource, at: At<'_>, faults: &mut Collector<'_>) {
    let load = &resource.load;
    identity(resource, at, faults);
    let at_load = at.get("load");
    collection(&load.collection, at_load.get("collection"), faults);
    let incremental = resource.endpoint.as_ref().is_some_and(|endpoint| endpoint.incremental.is_some());
    if incremental && load.write_disposition == WriteDisposition::Replace {
        faults.add_help(
            &at_load.get("write_disposition").span(),
            "`replace` would lose documents: with `incremental` a run brings only what is new, and that would take the place of all",
            "write `write_disposition: merge`, or take `incremental` out of the endpoint so that each run brings everything",
        );
    }
    let disposition_known = at_load.kept("write_disposition");
    if load.allow_empty && load.write_disposition != WriteDisposition::Replace && disposition_known {
        let message = "`allow_empty` goes with `write_disposition: replace` only: nothing else empties a collection";
        faults.add(&at_load.get("allow_empty").key_span(), message);
    }
    if load.write_disposition == WriteDisposition::Append && !resource.record.delete_when.is_empty() && disposition_known {
        let message = "`delete_when` has no effect with `write_disposition: append`: no record updates another's document";
        faults.add_help(
            &at.get("record").get("delete_when").key_span(),
            message,
            "use `merge`, or drop the records with `filter`",
        );
    }
    for (place, entry) in load.indexes.iter().enumerate() {
        index(
            entry,
            &resource.record,
            at.get("record"),
            at_load.get("indexes").item(place),
            faults,
        );
    }
}

/// Names that a store keeps for itself. (MongoDB's begin with `system.`, which no name can.)
fn collection(name: &Name, at: At<'_>, faults: &mut Collector<'_>) {
    const RESERVED: &str = "sqlite_";
    if let Some(rest) = name.as_str().strip_prefix(RESERVED) {
        let help = Name::new(rest).map_or_else(|_| "choose another name".to_owned(), |free| format!("write `{free}`, say"));
        faults.add_help(
            &at.span(),
            format!("a collection cannot be called `{name}`: SQLite keeps names that start with `{RESERVED}` for itself"),
            help,
        );
    }
}

fn identity(resource: &Resource, at: At<'_>, faults: &mut Collector<'_>) {
    let (record, at_record) = (&resource.record, at.get("record"));
    if !at_record.kept("primary_key") || !at_record.kept("identity") || !at.get("load").kept("write_disposition") {
        return;
    }
    let append = resource.load.write_disposition == WriteDisposition::Append;
    match (record.primary_key.is_empty(), record.identity) {
        (false, Some(_)) => faults.add_help(
            &at_record.get("identity").key_span(),
            "a record is named by `primary_key` or by `identity`, not by both",
            "keep `primary_key` if its fields tell the records apart",
        ),
        (true, None) if append => faults.add_help(
            &at_record.key_span(),
            "`write_disposition: append` needs `identity`, so that a record delivered twice is still one document",
            "write `identity: content` (equal records are one) or `identity: position` (equal records stay apart)",
        ),
        (true, None) => faults.add_help(
            &at_record.key_span(),
            "nothing says which record is which",
            "write `primary_key: [FIELD]` with the fields that name a record, or `identity: content` if equal records are one",
        ),
        (false, None) if append => faults.add_help(
            &at_record.get("primary_key").key_span(),
            "`write_disposition: append` makes each record a new document, so it takes `identity` and no `primary_key`",
            "use `merge` to update documents by their key, or `identity: content` in place of the key",
        ),
        (true, Some(Identity::Position)) if resource.load.write_disposition == WriteDisposition::Merge => faults.add_help(
            &at_record.get("identity").span(),
            "with `merge`, a record must be found again: its position says nothing about which document it updates",
            "write `primary_key: [FIELD]`, `identity: content`, or `write_disposition: append`",
        ),
        _ => {}
    }
}

fn index(index: &Index, record: &Record, at_record: At<'_>, at: At<'_>, faults: &mut Collector<'_>) {
    let keys = at.get("keys");
    if index.keys.is_empty() && keys.whole() {
        faults.add(&keys.key_span(), "an index needs one key at least");
    }
    for (name, kind) in &index.keys {
        let at = keys.get(name);
        if name == "_id" {
            faults.add(&at.key_span(), "every collection has an index on `_id` already");
            continue;
        }
        let first = name.split('.').next().unwrap_or_default();
        if !at_record.get("fields").kept(first) {
            continue;
        }
        let Some(field) = find(&record.fields, name) else {
            let meant = suggest::nearest(name, record.fields.keys().map(String::as_str)).map(suggest::did_you_mean);
            faults.note(
                &at.key_span(),
                format!("the index names `{name}`, which is not a field of the record"),
                meant,
            );
            continue;
        };
        if *kind == IndexKind::Sphere && field.kind != FieldType::GeoPoint {
            faults.add(&at.span(), format!("`2dsphere` is for a `geo_point`; `{name}` is not one"));
        }
    }
}

/// The field at a dotted name, through objects and lists of objects.
fn find<'a>(fields: &'a IndexMap<String, Field>, name: &str) -> Option<&'a Field> {
    let Some((first, rest)) = name.split_once('.') else {
        return fields.get(name);
    };
    let field = fields.get(first)?;
    match field.of.as_deref() {
        Some(ItemType::Field(item)) => find(&item.fields, rest),
        // Any key may stand in JSON kept as it is.
        None if field.kind == FieldType::Json => Some(field),
        _ => find(&field.fields, rest),
    }
}
