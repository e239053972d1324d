//! The indexes that a contract declares, as `createIndexes` takes them.

use bson::{Bson, Document, doc};
use pipeline::{Condition, Index, IndexKind, Record, Resource, Test};

use super::IndexSpec;
use super::constant::{constant, distinct};
use super::validator::types;

/// The field of a document that would name its language: none that documents have. MongoDB's own choice, `language`, may well be a field of a
/// contract, and a document whose language the server does not know would be refused.
pub(super) const LANGUAGE_OVERRIDE: &str = "_tidemill_language";

pub(super) fn indexes(resource: &Resource) -> Vec<IndexSpec> {
    resource.load.indexes.iter().map(|index| spec(index, &resource.record)).collect()
}

fn spec(index: &Index, record: &Record) -> IndexSpec {
    let keys = index.keys.iter().map(|(name, kind)| (name.clone(), kind_of(*kind)));
    let mut options = Document::new();
    if index.unique {
        options.insert("unique", true);
    }
    if let Some(filter) = filter(index, record) {
        options.insert("partialFilterExpression", filter);
    }
    if let Some(after) = index.expire_after {
        options.insert("expireAfterSeconds", i32::try_from(after.0.as_secs()).unwrap_or(i32::MAX));
    }
    // `simple` is how the server calls no collation; it does not give it back.
    if let Some(collation) = index.collation.as_ref().filter(|collation| collation.locale != "simple") {
        options.insert("collation", self::collation(collation));
    }
    if index.keys.values().any(|kind| *kind == IndexKind::Text) {
        if !index.weights.is_empty() {
            let weights: Document = index
                .weights
                .iter()
                .map(|(name, weight)| (name.clone(), Bson::from(i64::from(*weight))))
                .collect();
            options.insert("weights", weights);
        }
        if let Some(language) = index.default_language {
            options.insert("default_language", language.to_string());
        }
        options.insert("language_override", LANGUAGE_OVERRIDE);
    }
    IndexSpec {
        name: index.name(),
        keys: keys.collect(),
        options,
    }
}

fn kind_of(kind: IndexKind) -> Bson {
    match kind {
        IndexKind::Ascending => Bson::Int32(1),
        IndexKind::Descending => Bson::Int32(-1),
        IndexKind::Sphere | IndexKind::Text => Bson::String(kind.to_string()),
    }
}

/// `partialFilterExpression`, if there must be one.
fn filter(index: &Index, record: &Record) -> Option<Document> {
    let mut terms: Vec<Document> = index.partial.iter().filter_map(|condition| term(condition, record)).collect();
    // A tombstone keeps its fields: without this, a deleted document would stand in the way of a new one with the same values.
    if index.unique && !record.delete_when.is_empty() {
        terms.push(doc! {"_tidemill.deleted": Bson::Null});
    }
    let mut names: Vec<&String> = terms.iter().flat_map(Document::keys).collect();
    names.sort_unstable();
    let apart = names.windows(2).all(|pair| pair.first() != pair.last());
    match terms.as_slice() {
        [] => None,
        _ if apart => Some(terms.into_iter().flatten().collect()),
        _ => Some(doc! {"$and": terms}),
    }
}

/// A condition in the server's words. It is asked of what `clean` writes: one type a field, or null.
fn term(condition: &Condition, record: &Record) -> Option<Document> {
    let kind = record.fields.get(&condition.field)?.kind;
    let compared = |operator: &str, value| constant(value, kind).map(|value| Bson::from(doc! {operator: value}));
    let test = match &condition.test {
        Test::Equals(value) => constant(value, kind),
        Test::LessThan(value) => compared("$lt", value),
        Test::AtMost(value) => compared("$lte", value),
        Test::MoreThan(value) => compared("$gt", value),
        Test::AtLeast(value) => compared("$gte", value),
        Test::OneOf(values) => {
            let values: Option<Vec<Bson>> = values.iter().map(|value| constant(value, kind)).collect();
            values.map(|values| doc! {"$in": distinct(values)}.into())
        }
        Test::IsNull(true) => Some(doc! {"$type": "null"}.into()),
        Test::IsNull(false) => Some(doc! {"$type": types(kind)}.into()),
        // No filter of an index can say it; `check` refuses it.
        Test::NotEquals(_) => None,
    };
    test.map(|test| doc! {&condition.field: test})
}

/// What is said; the server fills in the rest by the locale.
fn collation(collation: &pipeline::Collation) -> Document {
    let mut rendered = doc! {"locale": &collation.locale};
    if let Some(strength) = collation.strength {
        rendered.insert("strength", i32::try_from(strength).unwrap_or(i32::MAX));
    }
    let truths = [
        ("caseLevel", collation.case_level),
        ("numericOrdering", collation.numeric_ordering),
        ("backwards", collation.backwards),
        ("normalization", collation.normalization),
    ];
    for (key, value) in truths {
        if let Some(value) = value {
            rendered.insert(key, value);
        }
    }
    let words = [
        ("caseFirst", collation.case_first.map(|word| word.to_string())),
        ("alternate", collation.alternate.map(|word| word.to_string())),
        ("maxVariable", collation.max_variable.map(|word| word.to_string())),
    ];
    for (key, value) in words {
        if let Some(value) = value {
            rendered.insert(key, value);
        }
    }
    rendered
}
