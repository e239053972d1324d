//! What an index must mean beyond its shape: what MongoDB would not make, and what would refuse good documents.

use super::{at::At, record};
use crate::{Collation, Field, FieldType, Index, IndexKind, ItemType, Record, Test, fault::Collector, suggest};
use indexmap::IndexMap;

/// MongoDB's limits: indexes of a collection (less the one on `_id`), keys of an index, bytes of its name.
const INDEXES_MAX: usize = 63;
const KEYS_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 127;
const WEIGHT_MAX: u32 = 99_999;

pub(super) fn check(indexes: &[Index], record: &Record, at_record: At<'_>, at: At<'_>, faults: &mut Collector<'_>) {
    if indexes.len() > INDEXES_MAX {
        let message = format!(
            "{} indexes are more than the {INDEXES_MAX} that a collection may have beside `_id`'s",
            indexes.len()
        );
        faults.add(&at.key_span(), message);
    }
    for (place, index) in indexes.iter().enumerate() {
        let at = at.item(place);
        keys(index, record, at_record, at, faults);
        for (nth, condition) in index.partial.iter().enumerate() {
            partial(&condition.test, at.get("partial").item(nth), faults);
            record::condition(condition, record, at_record, at.get("partial").item(nth), faults);
        }
        // A repair may have left out what the rest needs.
        if at.whole() && at.get("keys").whole() && !index.keys.is_empty() {
            options(index, record, at, faults);
            beside(index, indexes.iter().take(place), at, faults);
        }
    }
}

fn keys(index: &Index, record: &Record, at_record: At<'_>, at: At<'_>, faults: &mut Collector<'_>) {
    let keys = at.get("keys");
    if index.keys.is_empty() && keys.whole() {
        faults.add(&keys.key_span(), "an index needs one key at least");
    }
    if index.keys.len() > KEYS_MAX {
        let message = format!("{} keys are more than the {KEYS_MAX} that an index may have", index.keys.len());
        faults.add(&keys.key_span(), message);
    }
    let mut lists: Option<(&String, Vec<String>)> = None;
    for (name, kind) in &index.keys {
        let at = keys.get(name);
        if name == "_id" {
            faults.add(&at.key_span(), "every collection has an index on `_id` already");
            continue;
        }
        if !at_record.get("fields").kept(name.split('.').next().unwrap_or_default()) {
            continue;
        }
        let Some((field, through)) = find(&record.fields, name) else {
            let meant = suggest::nearest(name, record.fields.keys().map(String::as_str)).map(suggest::did_you_mean);
            let message = format!("the index names `{name}`, which is not a field of the record");
            faults.note(&at.key_span(), message, meant);
            continue;
        };
        of_its_type(*kind, name, field, at, faults);
        match &lists {
            _ if through.is_empty() || *kind == IndexKind::Text => {}
            None => lists = Some((name, through)),
            Some((_, first)) if first.starts_with(&through) => {}
            Some((_, first)) if through.starts_with(first) => lists = Some((name, through)),
            Some((first, _)) => {
                let message = format!("`{first}` and `{name}` are in two lists: MongoDB takes no document with two lists in one index");
                faults.add_help(&at.key_span(), message, "make an index of each");
            }
        }
    }
}

fn of_its_type(kind: IndexKind, name: &str, field: &Field, at: At<'_>, faults: &mut Collector<'_>) {
    let item = match field.of.as_deref() {
        Some(ItemType::Type(kind)) => *kind,
        Some(ItemType::Field(item)) => item.kind,
        None => field.kind,
    };
    if kind == IndexKind::Sphere && item != FieldType::GeoPoint {
        faults.add(&at.span(), format!("`2dsphere` is for a `geo_point`; `{name}` is not one"));
    }
    if kind == IndexKind::Text && !matches!(item, FieldType::String | FieldType::Json) {
        faults.add(
            &at.span(),
            format!("`text` is for a `string` or a list of them; `{name}` is not one"),
        );
    }
}

/// What no filter of an index can say.
fn partial(test: &Test, at: At<'_>, faults: &mut Collector<'_>) {
    if matches!(test, Test::NotEquals(_)) {
        faults.add_help(
            &at.get("not_equals").key_span(),
            "`not_equals` cannot be asked in `partial`: MongoDB takes no such filter for an index",
            "say what the documents are: with `equals`, `one_of`, a comparison, or `is_null: false`",
        );
    }
}

fn options(index: &Index, record: &Record, at: At<'_>, faults: &mut Collector<'_>) {
    name(index, at, faults);
    if index.partial.is_empty() && at.has("partial") && at.get("partial").whole() {
        faults.add(&at.get("partial").key_span(), "`partial` is empty: every document would do");
    }
    if let Some(inexact) = index.partial.iter().position(|condition| {
        let field = record.fields.get(&condition.field);
        condition.test == Test::IsNull(true) && field.is_some_and(|field| matches!(field.kind, FieldType::List | FieldType::Json))
    }) {
        let message = "MongoDB looks for null inside a list, too, so `is_null: true` cannot be asked of a `list` or of `json` here";
        faults.add(&at.get("partial").item(inexact).get("is_null").key_span(), message);
    }
    if let Some(collation) = &index.collation {
        self::collation(collation, at.get("collation"), faults);
    }
    expiry(index, record, at, faults);
    unique(index, record, at, faults);
    text(index, record, at, faults);
}

fn name(index: &Index, at: At<'_>, faults: &mut Collector<'_>) {
    let name = index.name();
    if index.name.is_none() {
        if name.len() > NAME_BYTES_MAX {
            let message = format!("the index would be called after its keys, in {} characters: too many", name.len());
            faults.add_help(&at.get("keys").key_span(), message, "give it a `name`");
        }
        return;
    }
    let problem = match name.as_str() {
        "" => "an index's name cannot be empty".to_owned(),
        "_id_" => "`_id_` is the name of the index on `_id`".to_owned(),
        "*" => "`*` stands for all indexes; call the index something else".to_owned(),
        _ if name.contains(['\0', '$']) => "an index's name cannot hold a `$` or a NUL character".to_owned(),
        _ if name.len() > NAME_BYTES_MAX => format!("an index's name has at most {NAME_BYTES_MAX} bytes"),
        _ => return,
    };
    faults.add(&at.get("name").span(), problem);
}

fn collation(collation: &Collation, at: At<'_>, faults: &mut Collector<'_>) {
    let locale = &collation.locale;
    let plain = locale.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@=-;".contains(&byte));
    if !plain || !locale.starts_with(|c: char| c.is_ascii_lowercase()) {
        let message = format!("`{}` is not a locale such as `en` or `fr_CA`", crate::yaml::shortened(locale));
        faults.add(&at.get("locale").span(), message);
    }
    if locale == "simple" {
        let message = "`simple` compares byte by byte, as an index without `collation` does";
        faults.add_help(&at.get("locale").span(), message, "leave `collation` out");
    }
    if collation.backwards == Some(true) && collation.strength == Some(1) {
        let message = "`backwards` is about accents, which do not count at a `strength` of 1";
        faults.add(&at.get("backwards").key_span(), message);
    }
}

/// TTL: one key, a time.
fn expiry(index: &Index, record: &Record, at: At<'_>, faults: &mut Collector<'_>) {
    let Some(after) = index.expire_after else { return };
    let here = at.get("expire_after");
    if after.0.subsec_nanos() != 0 {
        faults.add(&here.span(), "`expire_after` goes by whole seconds");
    }
    let (Some((name, kind)), 1) = (index.keys.first(), index.keys.len()) else {
        let message = "`expire_after` goes by one time, so the index has one key only";
        faults.add_help(&here.key_span(), message, "make an index of its own for it");
        return;
    };
    let Some((field, _)) = find(&record.fields, name) else { return };
    let time = matches!(field.kind, FieldType::Timestamp | FieldType::Date);
    if !time || !matches!(kind, IndexKind::Ascending | IndexKind::Descending) {
        let message = format!("`expire_after` goes by a time; `{name}` is neither a `timestamp` nor a `date`");
        faults.add(&here.key_span(), message);
    }
}

fn unique(index: &Index, record: &Record, at: At<'_>, faults: &mut Collector<'_>) {
    if !index.unique {
        return;
    }
    let here = at.get("unique");
    if let Some((_, kind)) = index
        .keys
        .iter()
        .find(|(_, kind)| matches!(kind, IndexKind::Sphere | IndexKind::Text))
    {
        let message = format!("`unique` compares values, which an index of the kind `{kind}` does not hold");
        faults.add_help(&here.key_span(), message, "use `1` or `-1`, in an index of its own");
        return;
    }
    let found = |name: &String| find(&record.fields, name).map(|(field, _)| field);
    if !index.keys.keys().all(|name| found(name).is_some_and(|field| field.nullable)) {
        return;
    }
    let never_null = |name: &String| {
        let conditions = index.partial.iter().filter(|condition| condition.field == *name);
        conditions.into_iter().any(|condition| condition.test != Test::IsNull(true))
    };
    if let Some(name) = index.keys.keys().next().filter(|_| !index.keys.keys().any(never_null)) {
        faults.add_help(
            &here.key_span(),
            format!(
                "`{name}` may be null, and `unique` takes null for a value like any other: a second document without one would be refused"
            ),
            format!("add `partial: [{{field: {name}, is_null: false}}]`"),
        );
    }
}

/// Text: one part of the index, its own words and weights, no list beside it.
fn text(index: &Index, record: &Record, at: At<'_>, faults: &mut Collector<'_>) {
    let kinds: Vec<IndexKind> = index.keys.values().copied().collect();
    let Some(first) = kinds.iter().position(|kind| *kind == IndexKind::Text) else {
        for key in ["weights", "default_language"] {
            if at.has(key) {
                faults.add(
                    &at.get(key).key_span(),
                    format!("`{key}` is for an index with a key of the kind `text`"),
                );
            }
        }
        return;
    };
    let last = kinds.iter().rposition(|kind| *kind == IndexKind::Text).unwrap_or(first);
    if kinds.iter().take(last).skip(first).any(|kind| *kind != IndexKind::Text) {
        faults.add(
            &at.get("keys").key_span(),
            "the `text` keys of an index stand side by side: put the others before or after them",
        );
    }
    for (name, kind) in &index.keys {
        let listed = find(&record.fields, name).is_some_and(|(_, lists)| !lists.is_empty());
        let here = at.get("keys").get(name);
        match kind {
            IndexKind::Sphere => faults.add(&here.span(), "`2dsphere` and `text` cannot be in one index"),
            IndexKind::Ascending | IndexKind::Descending if listed => {
                faults.add(
                    &here.key_span(),
                    format!("`{name}` is in a list, which cannot be a key beside `text`"),
                );
            }
            _ => {}
        }
    }
    if index.collation.is_some() {
        let message = "a `text` index has words of a language, no `collation`";
        faults.add_help(&at.get("collation").key_span(), message, "use `default_language`");
    }
    for (name, weight) in &index.weights {
        let here = at.get("weights").get(name);
        if index.keys.get(name) != Some(&IndexKind::Text) {
            faults.add(
                &here.key_span(),
                format!("`weights` names `{name}`, which is no `text` key of the index"),
            );
        } else if !(1..=WEIGHT_MAX).contains(weight) {
            faults.add(&here.span(), format!("a weight is 1 to {WEIGHT_MAX}, not {weight}"));
        }
    }
}

/// What two indexes of a collection can't share.
fn beside<'i>(index: &Index, before: impl Iterator<Item = &'i Index>, at: At<'_>, faults: &mut Collector<'_>) {
    let (name, text) = (index.name(), index.keys.values().any(|kind| *kind == IndexKind::Text));
    let keys = |index: &Index| -> Vec<(String, IndexKind)> { index.keys.iter().map(|(name, kind)| (name.clone(), *kind)).collect() };
    for other in before {
        let same = keys(other) == keys(index) && other.partial == index.partial && other.collation == index.collation;
        if same {
            let message = "an index with these keys stands above, with the same `partial` and `collation`: MongoDB takes the two for one";
            faults.add(&at.get("keys").key_span(), message);
        } else if other.name() == name && index.name.is_some() {
            faults.add(&at.get("name").span(), format!("two indexes are called `{name}`"));
        } else if other.name() == name {
            let message = format!("two indexes would be called `{name}`, after their keys");
            faults.add_help(&at.get("keys").key_span(), message, "give this one a `name`");
        } else if text && other.keys.values().any(|kind| *kind == IndexKind::Text) {
            let message = "a collection has one `text` index at most, and one stands above";
            faults.add_help(&at.get("keys").key_span(), message, "put the fields into that one");
        } else {
            continue;
        }
        return;
    }
}

/// The field at a dotted name, through objects and lists of objects, and the lists on the way (the field itself included).
fn find<'a>(fields: &'a IndexMap<String, Field>, name: &str) -> Option<(&'a Field, Vec<String>)> {
    let (mut fields, mut rest, mut way, mut lists) = (fields, name, String::new(), Vec::new());
    loop {
        let (first, after) = rest.split_once('.').map_or((rest, None), |(first, after)| (first, Some(after)));
        let field = fields.get(first)?;
        way.push('.');
        way.push_str(first);
        if field.kind == FieldType::List {
            lists.push(way.clone());
        }
        let Some(after) = after else { return Some((field, lists)) };
        fields = match field.of.as_deref() {
            Some(ItemType::Field(item)) => &item.fields,
            // Any key may stand in JSON kept as it is.
            None if field.kind == FieldType::Json => return Some((field, lists)),
            _ => &field.fields,
        };
        rest = after;
    }
}
