//! Where the documents go.

use crate::{Condition, Name, Span};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where the documents go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The collection. No two resources may write to one.
    pub collection: Name,
    /// How documents meet those that are there.
    #[serde(default)]
    pub write_disposition: WriteDisposition,
    /// With `replace`: whether a run without records may empty the collection. Off by default: an empty run then changes nothing and fails.
    #[serde(default)]
    pub allow_empty: bool,
    /// Indexes for MongoDB, made and kept as they are said here; one that Tidemill did not make is never dropped. The embedded store of a laptop has none
    /// but `_id`'s: there they are checked, and do nothing (nothing is refused by `unique`, nothing expires).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
}

/// How documents meet those that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteDisposition {
    /// Each record is a new document. Needs `identity`, so that the same record delivered twice is still one document.
    Append,
    /// A record updates the document with its key. The default.
    #[default]
    Merge,
    /// Each run's records take the place of all documents, at once, when the run is complete.
    Replace,
}

/// An index of the collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The fields and their order: `1`, `-1`, `2dsphere` or `text`. A dotted name leads into objects and lists of objects.
    pub keys: IndexMap<String, IndexKind>,
    /// What the index is called when it is created; one with the same keys and options that is there already keeps its name. Without it, after its keys: `occurred_at_-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether no two documents may have the same values. The one that comes second is refused, and is in `refused/`. Deleted documents do not count.
    #[serde(default)]
    pub unique: bool,
    /// Only documents of which all of these are true are indexed. (`not_equals` is not possible here; texts are compared by the index's `collation`.)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<Condition>,
    /// MongoDB deletes a document so long after the time in the key (`30d`; `0s`: at that time). Whole seconds; for one key that is a `timestamp` or a
    /// `date`. A replay brings documents back, until they expire again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Span>,
    /// How texts are compared and ordered. Without it, byte by byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<Collation>,
    /// For `text`: the language whose word forms and stop words are used. Without it, `english`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_language: Option<TextLanguage>,
    /// For `text`: how much a field counts, 1 (the default) to 99,999.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub weights: IndexMap<String, u32>,
}

impl Index {
    /// Its name: the one it was given, else one made from its keys as MongoDB does.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let keys: Vec<String> = self.keys.iter().map(|(key, kind)| format!("{key}_{kind}")).collect();
            keys.join("_")
        })
    }
}

/// How texts are compared and ordered: MongoDB's collation. What is not said is as the locale has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collation {
    /// The locale: `en`, `de`, `fr_CA`, `de@collation=phonebook`.
    pub locale: String,
    /// What counts as a difference: 1 letters, 2 also accents, 3 (the default) also case, 4 and 5 finer still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub strength: Option<u32>,
    /// Tell cases apart at a `strength` of 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_level: Option<bool>,
    /// Which case comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_first: Option<CaseFirst>,
    /// Order digits as numbers: `2` before `10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numeric_ordering: Option<bool>,
    /// Whether white space and punctuation count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate: Option<Alternate>,
    /// What `alternate: shifted` leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_variable: Option<MaxVariable>,
    /// Compare accents from the end of a text, as French dictionaries do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backwards: Option<bool>,
    /// Bring texts to Unicode's normal form before they are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<bool>,
}

/// Which case comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseFirst {
    /// Capitals.
    Upper,
    /// Small letters.
    Lower,
    /// As the `strength` has it.
    Off,
}

/// Whether white space and punctuation count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Alternate {
    /// They count as letters do.
    NonIgnorable,
    /// They count from a `strength` of 4 on.
    Shifted,
}

/// What `alternate: shifted` leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaxVariable {
    /// White space and punctuation.
    Punct,
    /// White space.
    Space,
}

/// A language of a text index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextLanguage {
    /// Words as they are.
    None,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Turkish,
}

macro_rules! written_as_its_word {
    ($($kind:ident)*) => {
        $(impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Serialize::serialize(self, f)
            }
        })*
    };
}

written_as_its_word!(CaseFirst Alternate MaxVariable TextLanguage);

/// How a field is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "IndexKindText", into = "IndexKindText")]
pub enum IndexKind {
    Ascending,
    Descending,
    /// For a `geo_point`.
    Sphere,
    /// Words of a text, for `$text`.
    Text,
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IndexKind::Ascending => "1",
            IndexKind::Descending => "-1",
            IndexKind::Sphere => "2dsphere",
            IndexKind::Text => "text",
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum IndexKindText {
    Number(i64),
    Text(String),
}

impl TryFrom<IndexKindText> for IndexKind {
    type Error = String;
    fn try_from(value: IndexKindText) -> Result<IndexKind, String> {
        match value {
            IndexKindText::Number(1) => Ok(IndexKind::Ascending),
            IndexKindText::Number(-1) => Ok(IndexKind::Descending),
            IndexKindText::Text(text) if text == "2dsphere" => Ok(IndexKind::Sphere),
            IndexKindText::Text(text) if text == "text" => Ok(IndexKind::Text),
            IndexKindText::Number(other) => Err(not_a_kind(&other)),
            IndexKindText::Text(other) => Err(not_a_kind(&other)),
        }
    }
}

fn not_a_kind(written: &dyn fmt::Display) -> String {
    format!("`{written}` is not a kind of index: `1`, `-1`, `2dsphere` or `text`")
}

impl From<IndexKind> for IndexKindText {
    fn from(kind: IndexKind) -> IndexKindText {
        match kind {
            IndexKind::Ascending => IndexKindText::Number(1),
            IndexKind::Descending => IndexKindText::Number(-1),
            IndexKind::Sphere | IndexKind::Text => IndexKindText::Text(kind.to_string()),
        }
    }
}
