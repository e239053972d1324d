//! Where the documents go.

use crate::Name;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Indexes for the database. The embedded store of a laptop has none but `_id`'s.
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
    /// The fields and their order: `1`, `-1`, or `2dsphere`.
    pub keys: IndexMap<String, IndexKind>,
}

/// How a field is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "IndexKindText", into = "IndexKindText")]
pub enum IndexKind {
    Ascending,
    Descending,
    /// For a `geo_point`.
    Sphere,
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
            IndexKindText::Number(other) => Err(format!("`{other}` is not a kind of index: `1`, `-1` or `2dsphere`")),
            IndexKindText::Text(other) => Err(format!("`{other}` is not a kind of index: `1`, `-1` or `2dsphere`")),
        }
    }
}

impl From<IndexKind> for IndexKindText {
    fn from(kind: IndexKind) -> IndexKindText {
        match kind {
            IndexKind::Ascending => IndexKindText::Number(1),
            IndexKind::Descending => IndexKindText::Number(-1),
            IndexKind::Sphere => IndexKindText::Text("2dsphere".into()),
        }
    }
}
