//! What must be done so that a collection is as its contract says, and in which order. Pure.

use std::collections::BTreeSet;
use std::fmt;

use bson::Document;

use super::{Contract, IndexSpec};

/// How strict the validator may be now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tightness {
    /// Documents of an older definition may still arrive: what either contract allows is allowed.
    Relaxed,
    /// None of an older definition will: only what the contract allows.
    Tight,
}

/// A collection as it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub exists: bool,
    /// The validator that is there.
    pub validator: Option<Document>,
    /// The indexes besides `_id`'s.
    pub indexes: Vec<FoundIndex>,
    /// The names of those that Tidemill created. No other is ever dropped.
    pub ours: BTreeSet<String>,
}

/// An index as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundIndex {
    pub name: String,
    pub keys: Document,
    pub options: Document,
}

/// A step. Its text says what is done, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    CreateCollection { validator: Document },
    SetValidator { validator: Document, tightness: Tightness },
    CreateIndex(IndexSpec),
    /// The life of documents under a TTL index that is there.
    ChangeExpiry { index: String, seconds: i64 },
    DropIndex { name: String },
    /// Nothing is done, because it is not Tidemill's to change: said, for the user to do.
    Leave { what: String },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::CreateCollection { .. } => f.write_str("create the collection, with its validator"),
            Change::SetValidator {
                tightness: Tightness::Relaxed,
                ..
            } => f.write_str("relax the validator: documents of the old contract may still arrive"),
            Change::SetValidator {
                tightness: Tightness::Tight,
                ..
            } => f.write_str("set the validator"),
            Change::CreateIndex(index) => write!(f, "create the index `{}`", index.name),
            Change::ChangeExpiry { index, seconds } => write!(f, "let documents of the index `{index}` expire after {seconds} s"),
            Change::DropIndex { name } => write!(f, "drop the index `{name}`"),
            Change::Leave { what } => f.write_str(what),
        }
    }
}

/// The steps from what was found to what the contract says.
pub fn plan(_contract: &Contract, _found: &Found, _tightness: Tightness) -> Vec<Change> {
    Vec::new()
}
