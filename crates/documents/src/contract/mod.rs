//! What a collection must be, rendered from a resource of a pipeline: its validator and its indexes. Pure.

mod constant;
mod indexes;
mod pattern;
mod plan;
mod same;
mod validator;

#[cfg(feature = "mongodb")]
pub(crate) use plan::is_ours;
pub use plan::{Change, DropReason, Foreign, Found, FoundIndex, Tightness, beside, plan};

use bson::Document;
use pipeline::{Name, Resource};

/// What a collection must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    pub collection: Name,
    /// The pipeline and resource it comes from, for people: `earthquakes/events`.
    pub owner: String,
    /// The validator: `{"$jsonSchema": {…}}`.
    pub validator: Document,
    /// The indexes besides `_id`'s.
    pub indexes: Vec<IndexSpec>,
}

impl Contract {
    /// The contract of a checked resource. The owner is what people call it by: `PIPELINE/RESOURCE`.
    pub fn of(resource: &Resource, owner: &str) -> Contract {
        Contract {
            collection: resource.load.collection.clone(),
            owner: owner.to_owned(),
            validator: validator::validator(resource, owner),
            indexes: indexes::indexes(resource),
        }
    }
}

/// An index as MongoDB's `createIndexes` takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexSpec {
    pub name: String,
    /// Fields and their kinds: `1`, `-1`, `"2dsphere"`, `"text"`.
    pub keys: Document,
    /// `unique`, `partialFilterExpression`, `expireAfterSeconds`, `collation` and what else goes beside the keys.
    pub options: Document,
}
