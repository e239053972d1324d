//! What must be done so that a collection is as its contract says, and in which order. Pure.

use std::collections::BTreeSet;
use std::fmt;

use bson::{Bson, Document, doc};

use super::same::{Shape, same_validator};
use super::validator::TITLE;
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
    /// The names of those that Tidemill created, and that are as it created them. No other is ever dropped.
    pub ours: BTreeSet<String>,
    /// What keeps the validator from refusing what breaks it, if somebody set it so: `validationAction: warn`.
    pub unenforced: Option<String>,
    /// Whether there are documents that Tidemill did not write. It is asked only where it matters: before a first validator is set that is tight.
    pub foreign: Foreign,
}

/// Whether a collection holds documents that Tidemill did not write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    #[default]
    No,
    Yes,
    /// The server can't tell in a while.
    Unknown,
}

/// An index as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundIndex {
    pub name: String,
    pub keys: Document,
    pub options: Document,
}

impl FoundIndex {
    /// Whether it is the index that was asked for, by name too.
    pub fn is(&self, spec: &IndexSpec) -> bool {
        self.name == spec.name && self.does_as(&spec.keys, &spec.options)
    }

    /// Whether it does what an index of these keys and options does.
    pub fn does_as(&self, keys: &Document, options: &Document) -> bool {
        Shape::new(&self.keys, &self.options) == Shape::new(keys, options)
    }
}

/// A step. Its text says what is done, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    CreateCollection {
        validator: Document,
    },
    SetValidator {
        validator: Document,
        tightness: Tightness,
    },
    /// A validator that is as it must be only warns, or leaves some documents alone: from now on it refuses what breaks it.
    EnforceValidator {
        /// What somebody set.
        unenforced: String,
    },
    CreateIndex(IndexSpec),
    /// The life of documents under a TTL index that is there.
    ChangeExpiry {
        index: String,
        seconds: i64,
    },
    /// Only ever one of Tidemill's own.
    DropIndex {
        name: String,
        why: DropReason,
    },
    /// Nothing is done, because it is not Tidemill's to change: said, for the user to do.
    Leave {
        what: String,
    },
}

/// Why an index is dropped, and why now.
#[derive(Clone, Debug, PartialEq)]
pub enum DropReason {
    /// The server can't hold it beside the declared one of this name, which is created next.
    InTheWay { of: String },
    /// The contract does not declare it any more. It goes only when all that is declared is there: one of them may take its place.
    Undeclared,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DropReason::InTheWay { of } => write!(f, "the server can't hold it beside the new `{of}`, which is created next"),
            DropReason::Undeclared => f.write_str("Tidemill created it, and the contract does not declare it any more"),
        }
    }
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
            Change::EnforceValidator { unenforced } => write!(f, "let the validator refuse what breaks it (found: `{unenforced}`)"),
            Change::CreateIndex(index) => write!(f, "create the index `{}`", index.name),
            Change::ChangeExpiry { index, seconds } => write!(f, "let documents of the index `{index}` expire after {seconds} s"),
            Change::DropIndex { name, why } => write!(f, "drop the index `{name}`: {why}"),
            Change::Leave { what } => f.write_str(what),
        }
    }
}

/// The steps from what was found to what the contract says. Done, and planned again, there are none but what is left to the user.
///
/// A validator is relaxed before anything else and tightened after it. An index is created before those that are no longer declared are dropped, except
/// where the server can't hold both: there the old one is dropped first, and the change says so.
pub fn plan(contract: &Contract, found: &Found, tightness: Tightness) -> Vec<Change> {
    if !found.exists {
        let create = Change::CreateCollection {
            validator: contract.validator.clone(),
        };
        let indexes = contract.indexes.iter().cloned().map(Change::CreateIndex);
        return std::iter::once(create).chain(indexes).collect();
    }
    let validator = validator(contract, found, tightness);
    let indexes = indexes(&contract.indexes, found);
    match tightness {
        Tightness::Relaxed => validator.into_iter().chain(indexes).collect(),
        Tightness::Tight => indexes.into_iter().chain(validator).collect(),
    }
}

fn validator(contract: &Contract, found: &Found, tightness: Tightness) -> Option<Change> {
    let new = &contract.validator;
    let set = |validator| Some(Change::SetValidator { validator, tightness });
    let Some(old) = found.validator.as_ref().filter(|old| !old.is_empty()) else {
        return match tightness {
            // Without one everything is allowed: it can't be more relaxed.
            Tightness::Relaxed => None,
            Tightness::Tight => match found.foreign {
                Foreign::No => set(new.clone()),
                Foreign::Yes => Some(Change::Leave {
                    what: format!(
                        "the collection `{}` has no validator, and is given none: it holds documents that Tidemill did not write, and whoever wrote them \
                         might not be able to change them any more (move them to another collection, and Tidemill sets the contract's)",
                        contract.collection
                    ),
                }),
                Foreign::Unknown => Some(Change::Leave {
                    what: format!(
                        "the collection `{}` has no validator, and is given none: it is so large that the server could not tell in time whether it holds \
                         documents that Tidemill did not write (if it does not, set the contract's validator by hand)",
                        contract.collection
                    ),
                }),
            },
        };
    };
    let Some(branches) = ours(old) else {
        let what = format!(
            "the collection `{}` has a validator that Tidemill did not make: it is left as it is (take it off, and Tidemill sets the contract's)",
            contract.collection
        );
        return Some(Change::Leave { what });
    };
    let known = branches.iter().any(|branch| same_validator(branch, new));
    match tightness {
        Tightness::Tight if known && branches.len() == 1 => {
            found.unenforced.clone().map(|unenforced| Change::EnforceValidator { unenforced })
        }
        Tightness::Tight => set(new.clone()),
        Tightness::Relaxed if known => None,
        Tightness::Relaxed => {
            let all: Vec<Bson> = branches.into_iter().chain([new]).cloned().map(Bson::from).collect();
            set(doc! {"$or": all})
        }
    }
}

/// Whether a validator is of Tidemill's making.
#[cfg(feature = "mongodb")]
pub(crate) fn is_ours(validator: &Document) -> bool {
    ours(validator).is_some()
}

/// The contracts of a validator, any of which a document may keep to, when all are of Tidemill's making.
fn ours(validator: &Document) -> Option<Vec<&Document>> {
    let is_ours = |branch: &&Document| {
        let title = branch
            .get_document("$jsonSchema")
            .ok()
            .and_then(|schema| schema.get_str("title").ok());
        branch.len() == 1 && title.is_some_and(|title| title.starts_with(TITLE))
    };
    let branches: Vec<&Document> = match validator.get_array("$or") {
        Ok(branches) if validator.len() == 1 => branches.iter().map(Bson::as_document).collect::<Option<_>>()?,
        _ => vec![validator],
    };
    (!branches.is_empty() && branches.iter().all(is_ours)).then_some(branches)
}

/// An index that was found, and what is known of it.
struct There<'f> {
    index: &'f FoundIndex,
    shape: Shape,
    ours: bool,
}

fn indexes(declared: &[IndexSpec], found: &Found) -> Vec<Change> {
    let wanted: Vec<(&IndexSpec, Shape)> = declared.iter().map(|spec| (spec, Shape::new(&spec.keys, &spec.options))).collect();
    let there = found.indexes.iter().map(|index| There {
        index,
        shape: Shape::new(&index.keys, &index.options),
        ours: found.ours.contains(&index.name),
    });
    let there: Vec<There<'_>> = there.collect();
    let satisfied = satisfied(&wanted, &there);
    let mut planner = Planner {
        kept: satisfied.iter().flatten().map(|index| index.name.as_str()).collect(),
        gone: BTreeSet::new(),
        changes: Vec::new(),
    };
    let mut missing: Vec<&(&IndexSpec, Shape)> = wanted
        .iter()
        .zip(&satisfied)
        .filter(|(_, by)| by.is_none())
        .map(|(spec, _)| spec)
        .collect();
    missing.retain(|(spec, shape)| !planner.change_expiry(spec, shape, &wanted, &there));
    for (spec, shape) in missing {
        planner.create(spec, shape, &there);
    }
    planner.drop_undeclared(&there);
    planner.changes
}

/// The declared indexes that can be created beside those that users made, and are not among them already.
pub fn beside(declared: &[IndexSpec], theirs: Vec<FoundIndex>) -> Vec<IndexSpec> {
    let found = Found {
        exists: true,
        indexes: theirs,
        ..Found::default()
    };
    let creates = indexes(declared, &found).into_iter().filter_map(|change| match change {
        Change::CreateIndex(index) => Some(index),
        _ => None,
    });
    creates.collect()
}

struct Planner<'f> {
    /// The names of those that are what is declared.
    kept: BTreeSet<&'f str>,
    /// The names of those that are dropped.
    gone: BTreeSet<&'f str>,
    changes: Vec<Change>,
}

impl<'f> Planner<'f> {
    fn is_free(&self, there: &There<'f>) -> bool {
        !self.kept.contains(there.index.name.as_str()) && !self.gone.contains(there.index.name.as_str())
    }

    /// Whether there is one of ours that is as declared but for how long documents live, and whose name no other needs: that is changed in place.
    fn change_expiry(&mut self, spec: &IndexSpec, shape: &Shape, wanted: &[(&IndexSpec, Shape)], there: &[There<'f>]) -> bool {
        let needed = |name: &str| name != spec.name && wanted.iter().any(|(other, _)| other.name == name);
        let found = there
            .iter()
            .find(|there| there.ours && there.shape.differs_in_expiry(shape) && self.is_free(there) && !needed(&there.index.name));
        let (Some(there), Some(seconds)) = (found, shape.expiry) else {
            return false;
        };
        self.kept.insert(&there.index.name);
        let index = there.index.name.clone();
        self.changes.push(Change::ChangeExpiry { index, seconds });
        true
    }

    /// Creates an index; before it, drops those of ours that the server can't hold beside it.
    fn create(&mut self, spec: &IndexSpec, shape: &Shape, there: &[There<'f>]) {
        let conflicts = |there: &&There<'f>| there.index.name == spec.name || there.shape.excludes(shape);
        let in_the_way: Vec<&There<'f>> = there
            .iter()
            .filter(conflicts)
            .filter(|there| !self.gone.contains(there.index.name.as_str()))
            .collect();
        if let Some(other) = in_the_way.iter().find(|there| !(there.ours && self.is_free(there))) {
            return self.changes.push(left(spec, other));
        }
        for old in in_the_way {
            self.gone.insert(&old.index.name);
            self.changes.push(Change::DropIndex {
                name: old.index.name.clone(),
                why: DropReason::InTheWay { of: spec.name.clone() },
            });
        }
        self.changes.push(Change::CreateIndex(spec.clone()));
    }

    fn drop_undeclared(&mut self, there: &[There<'f>]) {
        for there in there.iter().filter(|there| there.ours) {
            if self.is_free(there) {
                self.changes.push(Change::DropIndex {
                    name: there.index.name.clone(),
                    why: DropReason::Undeclared,
                });
            }
        }
    }
}

/// For each declared index the one that is it already, whatever its name. One of ours whose name another declared index needs is not taken.
fn satisfied<'f>(wanted: &[(&IndexSpec, Shape)], there: &[There<'f>]) -> Vec<Option<&'f FoundIndex>> {
    let mut refused = BTreeSet::new();
    loop {
        let by = wanted.iter().map(|(spec, shape)| {
            let equal = || {
                there
                    .iter()
                    .filter(|there| there.shape == *shape && !refused.contains(there.index.name.as_str()))
            };
            let named = equal().find(|there| there.index.name == spec.name);
            named.or_else(|| equal().next()).map(|there| there.index)
        });
        let by: Vec<Option<&FoundIndex>> = by.collect();
        let needed = |name: &str| wanted.iter().zip(&by).any(|((spec, _), by)| by.is_none() && spec.name == name);
        let taken = wanted
            .iter()
            .zip(&by)
            .filter_map(|((spec, _), by)| by.filter(|by| by.name != spec.name));
        let ours = |index: &&FoundIndex| there.iter().any(|there| there.ours && there.index.name == index.name);
        let before = refused.len();
        refused.extend(taken.filter(ours).map(|index| index.name.as_str()).filter(|name| needed(name)));
        if refused.len() == before {
            return by;
        }
    }
}

/// What is said of a declared index that can't be created because of another.
fn left(spec: &IndexSpec, other: &There<'_>) -> Change {
    let (name, there) = (&spec.name, &other.index.name);
    let what = match other.ours {
        true => format!(
            "the index `{name}` is not created: `{there}`, which is declared too, is in its way (take one of them out of the pipeline)"
        ),
        false => format!(
            "the index `{name}` is not created: `{there}`, which Tidemill did not create like this, is in its way (drop it, and Tidemill creates the declared one)"
        ),
    };
    Change::Leave { what }
}

#[cfg(test)]
mod tests;
