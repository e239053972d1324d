//! The model that every store must end equal to: collections in memory, by the rules alone. Pure, and plain rather than fast.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use pipeline::Name;

use crate::key::key_of;
use crate::prepare::{refusal_of, stamp_of};
use crate::{Refusal, Replaced, Stamp, Tally, Target, Unreadable, Verdict, Version, WriteOutcome, judge};

/// Collections of documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    collections: BTreeMap<String, Collection>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Collection {
    /// What readers see; `None` until something is.
    live: Option<Table>,
    visible: Option<Version>,
    staged: BTreeMap<Version, Table>,
}

/// Documents by the key of their `_id`, tombstones among them.
pub type Table = BTreeMap<Vec<u8>, RawDocumentBuf>;

impl Model {
    /// Writes documents as a batch. There are no receipts: the same batch is judged again.
    ///
    /// # Errors
    /// When a document is not a clean one.
    pub fn write(&mut self, target: &Target, documents: &[&RawDocument]) -> Result<WriteOutcome, &'static str> {
        let mut outcome = WriteOutcome::default();
        let Some(table) = self
            .collections
            .entry(target.collection.to_string())
            .or_default()
            .table(target.version)
        else {
            outcome.tally.superseded = documents.len() as u64;
            return Ok(outcome);
        };
        let mut highest: BTreeMap<Vec<u8>, &RawDocument> = BTreeMap::new();
        for (index, &document) in documents.iter().enumerate() {
            if let Some(message) = refusal_of(document)? {
                outcome.refusals.push(Refusal { index, message });
                outcome.tally.refused += 1;
                continue;
            }
            match highest.entry(key(document)?) {
                Entry::Vacant(place) => {
                    place.insert(document);
                }
                Entry::Occupied(mut place) => {
                    outcome.tally.superseded += 1;
                    if stamp(document)?.rank > stamp(place.get())?.rank {
                        place.insert(document);
                    }
                }
            }
        }
        for (key, document) in highest {
            apply(table, key, document, &mut outcome.tally)?;
        }
        Ok(outcome)
    }

    pub fn visible(&self, collection: &Name) -> Option<Version> {
        self.collections.get(collection.as_str())?.visible
    }

    /// Makes a version visible, if it is newer than the one that is.
    pub fn replace(&mut self, collection: &Name, version: Version) -> Replaced {
        let collection = self.collections.entry(collection.to_string()).or_default();
        match collection.visible {
            Some(visible) if visible > version => return Replaced::Older,
            Some(visible) if visible == version => return Replaced::Visible,
            _ => {}
        }
        let mut newer = collection.staged.split_off(&version);
        collection.live = Some(newer.remove(&version).unwrap_or_default());
        collection.visible = Some(version);
        collection.staged = newer;
        Replaced::Visible
    }

    /// What readers see of a collection, and tombstones; `None` when there is no such collection.
    pub fn live(&self, collection: &Name) -> Option<&Table> {
        self.collections.get(collection.as_str())?.live.as_ref()
    }

    pub fn get(&self, collection: &Name, id: RawBsonRef<'_>, deleted: bool) -> Result<Option<&RawDocument>, Unreadable> {
        let key = key_of(id)?;
        let document = self.live(collection).and_then(|table| table.get(&key));
        Ok(document.map(AsRef::as_ref).filter(|document| deleted || !is_deleted(document)))
    }

    /// Documents in the order of their keys, without tombstones.
    pub fn scan(&self, collection: &Name) -> impl Iterator<Item = &RawDocument> {
        let documents = self.live(collection).into_iter().flat_map(BTreeMap::values);
        documents.map(AsRef::as_ref).filter(|document| !is_deleted(document))
    }

    pub fn count(&self, collection: &Name) -> Option<u64> {
        self.live(collection)?;
        Some(self.scan(collection).count() as u64)
    }
}

impl Collection {
    /// Where a write goes; `None` when it is older than what is visible.
    fn table(&mut self, version: Option<Version>) -> Option<&mut Table> {
        match version {
            Some(version) if Some(version) < self.visible => None,
            Some(version) if Some(version) > self.visible => Some(self.staged.entry(version).or_default()),
            _ => Some(self.live.get_or_insert_default()),
        }
    }
}

fn apply(table: &mut Table, key: Vec<u8>, document: &RawDocument, tally: &mut Tally) -> Result<(), &'static str> {
    let stored = table.get(&key).map(|stored| stamp(stored)).transpose()?;
    let verdict = judge(stored, stamp(document)?);
    match verdict {
        Verdict::Inserted => tally.inserted += 1,
        Verdict::Updated => tally.updated += 1,
        Verdict::Unchanged => tally.unchanged += 1,
        Verdict::Stale => tally.stale += 1,
    }
    let same = stored.is_some_and(|stored| Ok(stored.rank) == stamp(document).map(|stamp| stamp.rank));
    if verdict != Verdict::Stale && !same {
        table.insert(key, document.to_owned());
    }
    Ok(())
}

fn key(document: &RawDocument) -> Result<Vec<u8>, &'static str> {
    let id = document.get("_id").ok().flatten().ok_or("it has no `_id`")?;
    key_of(id).map_err(|_| "its `_id` can't be read")
}

fn stamp(document: &RawDocument) -> Result<Stamp<'_>, &'static str> {
    stamp_of(document.as_bytes())
}

fn is_deleted(document: &RawDocument) -> bool {
    stamp(document).is_ok_and(|stamp| stamp.deleted)
}
