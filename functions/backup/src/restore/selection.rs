//! Which collections of a backup are restored. Pure.

use crate::Error;
use crate::manifest::{Collection, Manifest, Part};
use bson::{RawBsonRef, RawDocument};
use std::collections::BTreeSet;

/// What Tidemill notes of collections: one document a collection, whose `_id` is the collection's name.
pub(super) const CONTROL: &str = "tidemill.collections";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// Empty: all.
    only: BTreeSet<String>,
}

impl Selection {
    /// All of a backup, or only these collections and views of it.
    pub fn of(manifest: &Manifest, only: &[String]) -> Result<Selection, Error> {
        let is_known = |name: &&String| manifest.collections.iter().any(|collection| collection.name == **name);
        let unknown: Vec<String> = only.iter().filter(|name| !is_known(name)).map(|name| format!("`{name}`")).collect();
        if !unknown.is_empty() {
            return Err(Error::UnknownCollections {
                id: manifest.id.clone(),
                names: unknown.join(", "),
            });
        }
        Ok(Selection {
            only: only.iter().cloned().collect(),
        })
    }

    pub fn only(&self) -> Vec<String> {
        self.only.iter().cloned().collect()
    }

    /// Whether the collection or view is restored, as a whole.
    pub fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.contains(name)
    }

    /// Whether anything of it is put back: what is noted of the collections that are, too.
    pub fn touches(&self, name: &str) -> bool {
        self.has(name) || name == CONTROL
    }

    /// Whether a document is put back, of a collection that this touches.
    pub fn wants(&self, collection: &str, document: &RawDocument) -> bool {
        if self.has(collection) {
            return true;
        }
        match document.get("_id") {
            Ok(Some(RawBsonRef::String(of))) => self.only.contains(of),
            _ => false,
        }
    }

    pub fn reads(&self, part: &Part) -> bool {
        part.ranges.iter().any(|range| self.touches(&range.collection))
    }

    /// The names of what is restored as a whole, in the order of the backup.
    pub fn names(&self, manifest: &Manifest) -> Vec<String> {
        self.collections(manifest)
            .filter(|collection| self.has(&collection.name))
            .map(|collection| collection.name.clone())
            .collect()
    }

    /// What is touched, in the order of the backup.
    pub fn collections<'m>(&self, manifest: &'m Manifest) -> impl Iterator<Item = &'m Collection> {
        manifest.collections.iter().filter(|collection| self.touches(&collection.name))
    }
}
