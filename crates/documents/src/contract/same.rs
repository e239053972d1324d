//! Whether an index that was found is the one that is declared. Servers return more than they were told, in other types of numbers, and text keys in
//! another form. Pure.

use std::collections::BTreeMap;

use bson::{Bson, Document};

/// An index in one form, whether declared or found. Options that change nothing about what it does are left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    keys: Vec<(String, Bson)>,
    text: Option<Text>,
    unique: bool,
    sparse: bool,
    partial: Option<Bson>,
    collation: Option<Collation>,
    /// `expireAfterSeconds`.
    pub expiry: Option<i64>,
}

/// The text part of an index: where it stands among the other keys, and what is indexed.
#[derive(Clone, Debug, PartialEq)]
struct Text {
    place: usize,
    weights: BTreeMap<String, i64>,
    language: String,
    language_override: String,
}

impl Shape {
    pub fn new(keys: &Document, options: &Document) -> Shape {
        let text = text(keys, options);
        let special = keys.values().any(|kind| matches!(kind, Bson::String(_)));
        let flag = |name: &str| options.get(name).is_some_and(truth);
        Shape {
            keys: keys
                .iter()
                .filter(|(name, kind)| kind.as_str() != Some(TEXT) && *name != TEXT_REST)
                .map(|(name, kind)| (name.clone(), plain(kind)))
                .collect(),
            text,
            unique: flag("unique"),
            // Such indexes leave out what lacks their field anyway, and servers may say so.
            sparse: flag("sparse") && !special,
            partial: options.get_document("partialFilterExpression").ok().map(document),
            collation: Collation::new(options),
            expiry: options.get("expireAfterSeconds").and_then(whole),
        }
    }

    /// Whether they differ in nothing but how long documents live, and both say how long.
    pub fn differs_in_expiry(&self, other: &Shape) -> bool {
        let alike = Shape {
            expiry: other.expiry,
            ..self.clone()
        };
        self.expiry.is_some() && other.expiry.is_some() && self.expiry != other.expiry && alike == *other
    }

    /// Whether a server holds at most one of the two: the same keys with the same filter and collation, or two for text.
    pub fn excludes(&self, other: &Shape) -> bool {
        let same = self.keys == other.keys && self.partial == other.partial && self.collation == other.collation;
        (self.text.is_some() && other.text.is_some()) || (self.text.is_none() && other.text.is_none() && same)
    }
}

/// The kind of a text key, and what a server shows in the place of such keys: `{_fts: "text", _ftsx: 1}`.
const TEXT: &str = "text";
const TEXT_FIELD: &str = "_fts";
const TEXT_REST: &str = "_ftsx";

fn text(keys: &Document, options: &Document) -> Option<Text> {
    let mut place = None;
    let mut weights = BTreeMap::new();
    let names = keys.iter().filter(|(name, _)| *name != TEXT_REST);
    for (at, (name, kind)) in names.enumerate() {
        if kind.as_str() == Some(TEXT) {
            place = place.or(Some(at));
            if name != TEXT_FIELD {
                weights.insert(name.clone(), 1);
            }
        }
    }
    for (name, weight) in options.get_document("weights").ok().into_iter().flatten() {
        weights.insert(name.clone(), whole(weight).unwrap_or(1));
    }
    let word = |name: &str, usual: &str| options.get_str(name).unwrap_or(usual).to_owned();
    Some(Text {
        place: place?,
        weights,
        language: word("default_language", "english"),
        language_override: word("language_override", "language"),
    })
}

/// How texts are compared. What a locale has its own way of is kept only where it is said; a server says all of it.
#[derive(Clone, Debug)]
struct Collation {
    locale: String,
    /// The same in every locale when it is not said.
    general: BTreeMap<&'static str, Bson>,
    /// By the locale when it is not said.
    local: BTreeMap<&'static str, Bson>,
}

impl Collation {
    fn new(options: &Document) -> Option<Collation> {
        let collation = options.get_document("collation").ok()?;
        let locale = collation.get_str("locale").ok().filter(|locale| *locale != "simple")?;
        let general = [
            ("strength", Bson::Int64(3)),
            ("caseLevel", Bson::Boolean(false)),
            ("numericOrdering", Bson::Boolean(false)),
            ("maxVariable", "punct".into()),
        ];
        let said = |name: &&'static str| collation.get(*name).map(|value| (*name, plain(value)));
        Some(Collation {
            locale: locale.to_owned(),
            general: general.map(|(name, usual)| said(&name).unwrap_or((name, usual))).into(),
            local: ["caseFirst", "alternate", "normalization", "backwards"]
                .iter()
                .filter_map(said)
                .collect(),
        })
    }
}

impl PartialEq for Collation {
    fn eq(&self, other: &Collation) -> bool {
        let alike = |(name, value): (&&str, &Bson)| other.local.get(*name).is_none_or(|theirs| theirs == value);
        self.locale == other.locale && self.general == other.general && self.local.iter().all(alike)
    }
}

/// Whether two validators say the same in the same words.
pub(super) fn same_validator(one: &Document, other: &Document) -> bool {
    document(one) == document(other)
}

/// A document in one form: keys sorted, numbers of one type.
fn document(document: &Document) -> Bson {
    let mut entries: Vec<(&String, &Bson)> = document.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    Bson::Document(entries.into_iter().map(|(name, value)| (name.clone(), plain(value))).collect())
}

fn plain(value: &Bson) -> Bson {
    match value {
        Bson::Document(inner) => document(inner),
        Bson::Array(items) => Bson::Array(items.iter().map(plain).collect()),
        number => whole(number).map_or_else(|| number.clone(), Bson::Int64),
    }
}

/// A whole number of any type.
fn whole(value: &Bson) -> Option<i64> {
    /// Doubles tell whole numbers below it from each other.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < WHOLE_MAX => Some(*number as i64),
        _ => None,
    }
}

fn truth(value: &Bson) -> bool {
    match value {
        Bson::Boolean(value) => *value,
        number => whole(number).is_some_and(|number| number != 0),
    }
}
