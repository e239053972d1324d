//! What a contract must mean beyond its shape: keys, version, conditions, `unnest`.

use super::{at::At, field, value};
use crate::{Condition, Field, FieldType, Path, Record, Scalar, Step, Test, fault::Collector, suggest};

pub(super) fn check(record: &Record, at: At<'_>, faults: &mut Collector<'_>) {
    let fields = at.get("fields");
    if record.fields.is_empty() && fields.whole() {
        faults.add(&fields.key_span(), "a record needs one field at least");
    }
    for (name, entry) in &record.fields {
        let at = fields.get(name);
        field::name(name, at, faults);
        field::check(entry, field::Place::Top, at, faults);
        if let Some(path) = &entry.from {
            from(path, record, at.get("from"), at, faults);
        }
    }
    if let Some(path) = &record.unnest {
        unnest(path, at.get("unnest"), faults);
    }
    primary_key(record, at, faults);
    if let Some(version) = &record.version {
        self::version(version, record, at, faults);
    }
    for (key, conditions) in [("filter", &record.filter), ("delete_when", &record.delete_when)] {
        for (place, condition) in conditions.iter().enumerate() {
            self::condition(condition, record, at, at.get(key).item(place), faults);
        }
    }
}

fn from(path: &Path, record: &Record, at: At<'_>, field: At<'_>, faults: &mut Collector<'_>) {
    if path.has_each() {
        let help = "read the list with `type: list`, or make a record of each item with `unnest`";
        faults.add_help(&at.span(), "a field reads one value, so `from` cannot hold `[*]`", help);
    }
    if path.parent().is_some() && record.unnest.is_none() && field.whole() {
        let help = "add `unnest: PATH` to the record, or read the value without `$parent`";
        faults.add_help(
            &at.span(),
            "`$parent` is the record around an unnested item, but the record has no `unnest`",
            help,
        );
    }
}

fn unnest(path: &Path, at: At<'_>, faults: &mut Collector<'_>) {
    match path.steps.split_last() {
        Some((Step::Each, list)) if !list.contains(&Step::Each) => {
            faults.add_help(&at.span(), "`unnest` takes the path of the list itself", "leave `[*]` out");
        }
        _ if path.has_each() => faults.add_help(
            &at.span(),
            "`unnest` walks one list of the record, not a list inside the items of another",
            "let the `data_selector` walk the outer list, so that its items are the records, and `unnest` the inner one",
        ),
        _ => {}
    }
    if path.parent().is_some() {
        faults.add(&at.span(), "`$parent` may stand in the `from` of a field only");
    }
}

/// The field of this name, if it was read without a fault. Notes a name that is no field's.
fn named<'a>(name: &str, what: &str, record: &'a Record, at_record: At<'_>, at: At<'_>, faults: &mut Collector<'_>) -> Option<&'a Field> {
    if !at_record.get("fields").names(name) && !record.fields.contains_key(name) {
        let meant = suggest::nearest(name, record.fields.keys().map(String::as_str)).map(suggest::did_you_mean);
        let keys: Vec<String> = record.fields.keys().take(20).map(|key| format!("`{key}`")).collect();
        let help = meant.unwrap_or_else(|| format!("the record's fields are {}", keys.join(", ")));
        faults.add_help(
            &at.span(),
            format!(
                "{what} names `{}`, which is not a field of the record",
                crate::yaml::shortened(name)
            ),
            help,
        );
    }
    record.fields.get(name).filter(|_| at_record.get("fields").get(name).whole())
}

fn primary_key(record: &Record, at: At<'_>, faults: &mut Collector<'_>) {
    let list = at.get("primary_key");
    if at.has("primary_key") && record.primary_key.is_empty() && list.whole() {
        faults.add(&list.key_span(), "`primary_key` is empty");
    }
    for (place, name) in record.primary_key.iter().enumerate() {
        let here = list.item(place);
        if record.primary_key.iter().take(place).any(|before| before == name) {
            faults.add(&here.span(), format!("`primary_key` names `{name}` twice"));
            continue;
        }
        let Some(field) = named(name, "`primary_key`", record, at, here, faults) else {
            continue;
        };
        let help = |key: &str| format!("take `{key}` off the field `{name}`, or choose another key");
        if !is_scalar(field.kind) {
            let message = format!("`{name}` cannot be part of the key: it is not a text, number, truth value, time or date");
            faults.add(&here.span(), message);
        } else if field.nullable {
            faults.add_help(
                &here.span(),
                format!("`{name}` is part of the key, so it cannot be nullable"),
                help("nullable"),
            );
        } else if field.default.is_some() {
            let message =
                format!("`{name}` is part of the key, so it cannot have a default: records without one would overwrite each other");
            faults.add_help(&here.span(), message, help("default"));
        }
        if field.volatile {
            faults.add_help(
                &here.span(),
                format!("`{name}` is part of the key, so it cannot be volatile"),
                help("volatile"),
            );
        }
    }
}

fn version(name: &str, record: &Record, at: At<'_>, faults: &mut Collector<'_>) {
    let here = at.get("version");
    let Some(field) = named(name, "`version`", record, at, here, faults) else {
        return;
    };
    if !matches!(
        field.kind,
        FieldType::Int | FieldType::Long | FieldType::Timestamp | FieldType::Date
    ) {
        let message = format!("`{name}` cannot be the version: it must be an `int`, a `long`, a `timestamp` or a `date`");
        faults.add(&here.span(), message);
    } else if field.nullable {
        let help = format!("take `nullable` off the field `{name}`, or leave `version` out: then the latest capture wins");
        faults.add_help(&here.span(), format!("`{name}` is the version, so it cannot be nullable"), help);
    }
}

/// A comparison of a field, in `filter`, `delete_when`, or the `partial` of an index.
pub(super) fn condition(condition: &Condition, record: &Record, at_record: At<'_>, at: At<'_>, faults: &mut Collector<'_>) {
    let Some(field) = named(&condition.field, "the condition", record, at_record, at.get("field"), faults) else {
        return;
    };
    let (name, values, ordered): (&str, Vec<&Scalar>, bool) = match &condition.test {
        Test::Equals(value) => ("equals", vec![value], false),
        Test::NotEquals(value) => ("not_equals", vec![value], false),
        Test::LessThan(value) => ("less_than", vec![value], true),
        Test::AtMost(value) => ("at_most", vec![value], true),
        Test::MoreThan(value) => ("more_than", vec![value], true),
        Test::AtLeast(value) => ("at_least", vec![value], true),
        Test::OneOf(values) => ("one_of", values.iter().collect(), false),
        Test::IsNull(_) => {
            if !field.nullable {
                let message = format!("`{}` is never null: the field is not nullable", condition.field);
                faults.add(&at.get("is_null").key_span(), message);
            }
            return;
        }
    };
    let here = at.get(name);
    if !is_scalar(field.kind) {
        let message = format!(
            "`{}` is not a single value, so it can only be asked whether it `is_null`",
            condition.field
        );
        faults.add(&here.key_span(), message);
        return;
    }
    if ordered && field.kind == FieldType::Bool {
        faults.add(
            &here.key_span(),
            format!("`{}` is `true` or `false`: ask with `equals`", condition.field),
        );
        return;
    }
    if values.is_empty() && here.whole() {
        faults.add(&here.key_span(), "`one_of` is empty, so no record would do");
    }
    for (place, scalar) in values.into_iter().enumerate() {
        if let Err(problem) = value::of_type(scalar, field.kind) {
            faults.add(
                &here.item(place).span(),
                format!("the value compared with `{}` {problem}", condition.field),
            );
        }
    }
}

/// One value, which can be compared and can be part of a key.
pub(super) fn is_scalar(kind: FieldType) -> bool {
    !matches!(kind, FieldType::Object | FieldType::List | FieldType::GeoPoint | FieldType::Json)
}
