//! What a field must mean beyond its shape: each rule fits the type, and its values are of the type.

use super::{at::At, record::is_scalar, value};
use crate::{Field, FieldType, ItemType, fault::Collector};

/// Where a field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A field of the document.
    Top,
    /// A field of an object.
    Nested,
    /// The item of a list.
    Item,
}

/// The name of a document's or an object's field.
pub(super) fn name(name: &str, at: At<'_>, faults: &mut Collector<'_>) {
    let problem = match name {
        "" => "a field's name cannot be empty",
        "_id" => "`_id` is made from `primary_key` or `identity`; call the field something else",
        "_tidemill" => "`_tidemill` holds what Tidemill notes of a document; call the field something else",
        _ if name.starts_with('$') => "a field's name cannot start with `$`",
        _ if name.contains('.') => "a field's name cannot hold a `.`: databases read it as a path",
        _ if name.contains('\0') => "a field's name cannot hold a NUL character",
        _ => return,
    };
    faults.add(&at.key_span(), problem);
}

pub(super) fn check(field: &Field, place: Place, at: At<'_>, faults: &mut Collector<'_>) {
    if !at.whole() {
        return; // What a repair left out may be what the rest needs.
    }
    if !placed(field, place, at, faults) {
        return;
    }
    fitting(field, at, faults);
    nested(field, at, faults);
    lengths(field, at, faults);
    values(field, at, faults);
    if field.invalid_as_null && !field.nullable && field.default.is_none() {
        let help = "add `nullable: true`, or a `default`";
        faults.add_help(
            &at.get("invalid_as_null").key_span(),
            "`invalid_as_null` needs a field that may be null",
            help,
        );
    }
    if field.time_zone.is_some() && matches!(field.format.as_deref(), Some("unix_s" | "unix_ms")) {
        let message = "a count of seconds has no time zone: it is in UTC";
        faults.add_help(&at.get("time_zone").key_span(), message, "leave `time_zone` out");
    }
    if field.split.as_deref() == Some("") {
        faults.add(&at.get("split").span(), "`split` is empty: it must be the text between two items");
    }
}

/// Keys that have a meaning only at the top.
fn placed(field: &Field, place: Place, at: At<'_>, faults: &mut Collector<'_>) -> bool {
    let mut good = true;
    let mut refuse = |key: &str, message: &str, help: &str| {
        good = false;
        faults.add_help(&at.get(key).key_span(), message, help);
    };
    if place != Place::Top && field.volatile {
        refuse(
            "volatile",
            "`volatile` belongs to a field of the document",
            "mark the whole field as volatile",
        );
    }
    match (&field.from, place) {
        (Some(_), Place::Item) => refuse(
            "from",
            "an item of a list is read as it is: it takes no `from`",
            "use `of: {type: object, fields: …}` to read a part of it",
        ),
        (Some(path), Place::Nested) if path.parent().is_some() => {
            refuse(
                "from",
                "`$parent` may stand in the `from` of a document's field only",
                "read it with a field of the document",
            );
        }
        (Some(path), Place::Nested) if path.has_each() => refuse(
            "from",
            "a field reads one value, so `from` cannot hold `[*]`",
            "read the list with `type: list`",
        ),
        _ => {}
    }
    if place == Place::Item && field.default.is_some() {
        refuse(
            "default",
            "an item that is not there has no place in its list, so it takes no `default`",
            "use `drop_empty: true` on the list, or `nullable: true` here",
        );
    }
    good
}

/// A rule that the type has no use for is a mistake, not a wish.
fn fitting(field: &Field, at: At<'_>, faults: &mut Collector<'_>) {
    use FieldType::{Date, Decimal, Double, Int, List, Long, String, Timestamp};
    let kind = field.kind;
    let text_like = is_scalar(kind) || (kind == List && field.split.is_some());
    let ordered = matches!(kind, Int | Long | Double | Decimal | Timestamp | Date);
    let rules = [
        ("trim", text_like, "for a single value, or a list that is `split` from a text"),
        (
            "empty_as_null",
            text_like,
            "for a single value, or a list that is `split` from a text",
        ),
        (
            "null_values",
            text_like,
            "for a single value, or a list that is `split` from a text",
        ),
        ("map", is_scalar(kind), "for a single value"),
        ("one_of", is_scalar(kind), "for a single value"),
        ("default", is_scalar(kind), "for a single value"),
        ("min", ordered, "for numbers, times and dates"),
        ("max", ordered, "for numbers, times and dates"),
        ("min_length", matches!(kind, String | List), "for a `string` or a `list`"),
        ("max_length", matches!(kind, String | List), "for a `string` or a `list`"),
        ("pattern", kind == String, "for a `string`"),
        ("format", matches!(kind, Timestamp | Date), "for a `timestamp` or a `date`"),
        ("time_zone", matches!(kind, Timestamp | Date), "for a `timestamp` or a `date`"),
        ("split", kind == List, "for a `list`"),
        ("drop_empty", kind == List, "for a `list`"),
        ("of", kind == List, "for a `list`"),
        ("fields", kind == FieldType::Object, "for an `object`"),
    ];
    for (key, fits, purpose) in rules {
        if at.asks(key) && !fits {
            let found = serde_json::to_value(kind).unwrap_or_default();
            let found = found.as_str().unwrap_or_default();
            let help = match key {
                "trim" | "null_values" | "map" | "one_of" if kind == List => {
                    Some(format!("rules for the items stand in `of: {{type: …, {key}: …}}`"))
                }
                "min" | "max" if matches!(kind, String | List) => Some(format!("its length is bounded by `{key}_length`")),
                _ => None,
            };
            faults.note(
                &at.get(key).key_span(),
                format!("`{key}` is {purpose}; the type here is `{found}`"),
                help,
            );
        }
    }
}

fn nested(field: &Field, at: At<'_>, faults: &mut Collector<'_>) {
    if field.kind == FieldType::Object && field.fields.is_empty() && !at.get("fields").has("fields") {
        let written = at.has("fields");
        if !written || at.get("fields").whole() {
            let help = "write `fields: {NAME: {type: …}}`, or `type: json` to keep any value as it is";
            faults.add_help(&at.get("type").span(), "an `object` needs `fields`", help);
        }
    }
    for (name, inner) in &field.fields {
        let at = at.get("fields").get(name);
        self::name(name, at, faults);
        check(inner, Place::Nested, at, faults);
    }
    let at_of = at.get("of");
    match field.of.as_deref() {
        None if field.kind == FieldType::List => {
            let help = "write `of: string`, or `of: {type: object, fields: …}`";
            faults.add_help(&at.get("type").span(), "a `list` must say what it holds", help);
        }
        None => {}
        Some(ItemType::Type(kind)) => match kind {
            FieldType::Object => faults.add_help(
                &at_of.span(),
                "an `object` needs `fields`",
                "write `of: {type: object, fields: …}`, or `of: json`",
            ),
            FieldType::List => faults.add_help(
                &at_of.span(),
                "a `list` must say what it holds",
                "write `of: {type: list, of: …}`, or `of: json`",
            ),
            _ => {}
        },
        Some(ItemType::Field(item)) => check(item, Place::Item, at_of, faults),
    }
    let item = match field.of.as_deref() {
        Some(ItemType::Type(kind)) => Some(*kind),
        Some(ItemType::Field(item)) => Some(item.kind),
        None => None,
    };
    if field.split.is_some() && item.is_some_and(|kind| !is_scalar(kind)) {
        let message = "the items of a `split` text are texts, so `of` must be a type of single values";
        faults.add(&at_of.span(), message);
    }
}

fn lengths(field: &Field, at: At<'_>, faults: &mut Collector<'_>) {
    if let (Some(least), Some(greatest)) = (field.min_length, field.max_length)
        && least > greatest
    {
        let message = format!("`min_length` ({least}) is more than `max_length` ({greatest})");
        faults.add(&at.get("min_length").span(), message);
    }
}

/// The values that the file writes for the field.
fn values(field: &Field, at: At<'_>, faults: &mut Collector<'_>) {
    let kind = field.kind;
    if !is_scalar(kind) {
        return;
    }
    let mut read = |scalar: &crate::Scalar, what: &str, at: At<'_>| match value::of_type(scalar, kind) {
        Ok(value) => Some(value),
        Err(problem) => {
            faults.add(&at.span(), format!("{what} {problem}"));
            None
        }
    };
    let ordered = !matches!(kind, FieldType::String | FieldType::Bool);
    let bound = |bound: &Option<crate::Scalar>| bound.clone().filter(|_| ordered);
    let min = bound(&field.min).and_then(|min| read(&min, "`min`", at.get("min")));
    let max = bound(&field.max).and_then(|max| read(&max, "`max`", at.get("max")));
    let default = field
        .default
        .as_ref()
        .and_then(|default| read(default, "`default`", at.get("default")));
    let mut allowed = Vec::new();
    for (place, scalar) in field.one_of.iter().enumerate() {
        allowed.extend(read(scalar, "a value of `one_of`", at.get("one_of").item(place)));
    }
    if let (Some(min), Some(max)) = (&min, &max)
        && min > max
    {
        faults.add(&at.get("min").span(), "`min` is more than `max`, so no value would do");
    }
    if at.has("one_of") && field.one_of.is_empty() {
        faults.add(&at.get("one_of").key_span(), "`one_of` is empty, so no value would do");
    }
    if let Some(default) = default {
        let low = min.is_some_and(|min| default < min);
        let high = max.is_some_and(|max| default > max);
        let strange = !allowed.is_empty() && allowed.len() == field.one_of.len() && !allowed.contains(&default);
        if low || high || strange {
            let message = "the `default` breaks the field's own rules (`min`, `max`, `one_of`)";
            faults.add(&at.get("default").span(), message);
        }
    }
}
