//! How a resource's identity and disposition go together.

use super::{at::At, index};
use crate::{Identity, Name, Resource, UnknownFields, WriteDisposition, fault::Collector};

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
    index::check(&load.indexes, &resource.record, at.get("record"), at_load.get("indexes"), faults);
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
        (true, Some(Identity::Content)) if nothing_to_go_by(resource, at_record) => faults.add_help(
            &at_record.get("identity").span(),
            "`identity: content` has nothing to go by: every field is `volatile`, and those are left out of the content, so all records would be one document",
            "take `volatile` off a field that tells the records apart, or write `primary_key: [FIELD]`",
        ),
        _ => {}
    }
}

/// Whether the content that names a record is always empty.
fn nothing_to_go_by(resource: &Resource, at_record: At<'_>) -> bool {
    let record = &resource.record;
    let known = at_record.kept("unknown_fields") && at_record.get("fields").whole();
    known && record.unknown_fields != UnknownFields::Keep && !record.fields.is_empty() && record.fields.values().all(|field| field.volatile)
}
