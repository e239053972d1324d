//! Reads a scratch back and compares it with the manifest.

use crate::Error;
use crate::hash::Sums;
use crate::id::Id;
use crate::manifest::Manifest;
use crate::verify::difference;
use documents::Database;
use ledger::{Run, Step};
use serde::{Deserialize, Serialize};

/// How far the comparison is. It can be kept, and gone on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Comparison {
    /// The collection that is being read, by its place in the manifest: those before it are equal.
    collection: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Id>,
    sums: Sums,
    /// Of those that are equal.
    collections: u32,
    documents: u64,
    bytes: u64,
}

impl Comparison {
    /// Goes on until all is compared; `false` when the time was up before.
    pub async fn go_on(&mut self, manifest: &Manifest, name: &str, scratch: &dyn Database, run: &Run) -> Result<bool, Error> {
        while let Some(expected) = manifest.collections.get(self.collection) {
            if !expected.view {
                if !self.read(&expected.name, scratch, run).await? {
                    return Ok(false);
                }
                if let Some(problem) = difference(expected, &self.sums) {
                    return Err(Error::Unequal {
                        id: manifest.id.clone(),
                        database: name.to_owned(),
                        collection: expected.name.clone(),
                        problem,
                    });
                }
                self.collections += 1;
                self.documents += self.sums.documents;
                self.bytes += self.sums.bytes;
            }
            self.collection += 1;
            self.after = None;
            self.sums = Sums::default();
        }
        Ok(true)
    }

    /// Reads the rest of a collection; `false` when the time was up before its end.
    async fn read(&mut self, name: &str, scratch: &dyn Database, run: &Run) -> Result<bool, Error> {
        let mut stream = scratch.read(name, self.after.as_ref().map(Id::value)).await?;
        while let Some(batch) = stream.next().await? {
            for document in &batch {
                self.sums.add(document);
            }
            self.after = batch.last().and_then(|document| Id::of(document));
            run.reached(Step::Compared {
                documents: batch.len() as u64,
            })?;
            if run.is_out_of_time() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn collections(&self) -> u32 {
        self.collections
    }

    /// Of all that was read.
    pub fn documents(&self) -> u64 {
        self.documents + self.sums.documents
    }

    pub fn bytes(&self) -> u64 {
        self.bytes + self.sums.bytes
    }
}
