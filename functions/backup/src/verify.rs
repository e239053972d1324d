//! Reads every byte of a backup and compares it with what the manifest says. Nothing is written anywhere.
//!
//! Memory: one part as stored, and what it takes to read it (17 MB at most).

use crate::archive::{self, Documents, Event, Prelude, Reader};
use crate::hash::Sums;
use crate::manifest::{Collection, Manifest, Part};
use crate::{Error, Progress, stored};
use documents::NamespaceKind;
use lake::Store;
use ledger::Run;
use serde::{Deserialize, Serialize};

/// What a whole backup was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub parts: u32,
    /// As stored.
    pub bytes: u64,
    pub documents: u64,
    /// In the order of the archive, views included.
    pub collections: Vec<VerifiedCollection>,
}

/// A collection or view of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCollection {
    pub name: String,
    pub view: bool,
    pub documents: u64,
    /// Of BSON.
    pub bytes: u64,
    pub hash: String,
}

/// Reads all parts: their sizes and SHA-256, the packing, the structure of the archive, and of each collection the number of documents, their hash and the
/// archive's own check.
///
/// # Errors
/// [`Error::Damaged`] and [`Error::MissingPart`] say which object; others, that the vault could not be read.
pub async fn verify(manifest: &Manifest, vault: &dyn Store, progress: &dyn Progress) -> Result<Verified, Error> {
    let mut verification = Verification::default();
    while verification.next(manifest, vault, progress, &|_| Ok(())).await? {}
    Ok(verified(manifest))
}

/// What else is looked at of the documents, batch by batch.
pub(crate) type Look<'a> = &'a (dyn Fn(&Documents<'_>) -> Result<(), Error> + Sync);

/// How far a backup is verified. It can be kept, and gone on with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verification {
    /// How many parts are done.
    pub part: usize,
    documents: u64,
    bytes: u64,
    /// The collection whose documents came last, by its place in the manifest; those before it are as the manifest says.
    collection: usize,
    sums: Sums,
}

impl Verification {
    /// Goes on until all is verified; `false` when the time was up before.
    pub async fn go_on(
        &mut self,
        manifest: &Manifest,
        run: &Run,
        vault: &dyn Store,
        progress: &dyn Progress,
        look: Look<'_>,
    ) -> Result<bool, Error> {
        while !self.is_done(manifest) {
            if run.is_out_of_time() {
                return Ok(false);
            }
            self.next(manifest, vault, progress, look).await?;
        }
        Ok(true)
    }

    fn is_done(&self, manifest: &Manifest) -> bool {
        self.part >= manifest.parts.len()
    }

    /// Verifies the next part. `false` when there is none.
    async fn next(&mut self, manifest: &Manifest, vault: &dyn Store, progress: &dyn Progress, look: Look<'_>) -> Result<bool, Error> {
        let Some(part) = manifest.parts.get(self.part) else {
            return Ok(false);
        };
        let bytes = stored::part(&manifest.id, part, vault).await?;
        let mut reading = PartReading {
            manifest,
            part,
            is_last: self.part + 1 == manifest.parts.len(),
            ranges: 0,
            in_range: 0,
            ends: 0,
        };
        self.read(&mut reading, &bytes, look)?;
        self.part += 1;
        self.bytes += part.size;
        let number = |parts: usize| u32::try_from(parts).unwrap_or(u32::MAX);
        progress.part(number(self.part), number(manifest.parts.len()), self.documents, self.bytes);
        Ok(true)
    }

    fn read(&mut self, reading: &mut PartReading<'_>, bytes: &[u8], look: Look<'_>) -> Result<(), Error> {
        let mut reader = match self.part {
            0 => Reader::of_archive(),
            _ => Reader::of_part(&reading.manifest.database),
        };
        let mut packed = bytes;
        while let Some(event) = reader
            .next(&mut packed)
            .map_err(|error| reading.damaged(crate::error::chain(&error)))?
        {
            match event {
                Event::Prelude(prelude) => reading.compare_prelude(&prelude)?,
                Event::Documents(documents) => {
                    reading.count(documents.collection, documents.count as u64)?;
                    self.enter(documents.collection, reading)?;
                    let mut read = 0;
                    for document in documents.iter() {
                        self.sums.add(document);
                        read += 1;
                    }
                    if read != documents.count {
                        return Err(reading.damaged(format!("a document of `{}` is not BSON", documents.collection)));
                    }
                    look(&documents)?;
                    self.documents += documents.count as u64;
                }
                Event::End { collection, crc64 } => {
                    self.leave(reading)?;
                    reading.compare_end(&collection, &crc64.to_hex())?;
                }
            }
        }
        reader.end_part().map_err(|error| reading.damaged(crate::error::chain(&error)))?;
        reading.end()
    }

    /// Documents of a collection come: those of the collections before it have all come.
    fn enter(&mut self, name: &str, reading: &PartReading<'_>) -> Result<(), Error> {
        let collections = &reading.manifest.collections;
        while collections.get(self.collection).is_some_and(|collection| collection.name != name) {
            self.compare(reading)?;
        }
        match collections.get(self.collection) {
            Some(_) => Ok(()),
            None => Err(reading.damaged(format!("documents of `{name}` come where the manifest has none"))),
        }
    }

    /// All documents have come.
    fn leave(&mut self, reading: &PartReading<'_>) -> Result<(), Error> {
        while self.collection < reading.manifest.collections.len() {
            self.compare(reading)?;
        }
        Ok(())
    }

    /// The collection that is being read is over.
    fn compare(&mut self, reading: &PartReading<'_>) -> Result<(), Error> {
        if let Some(expected) = reading.manifest.collections.get(self.collection) {
            let crc64 = self.sums.crc64.to_hex();
            let of_crc = || {
                (crc64 != expected.crc64).then(|| format!("the CRC of the documents is {crc64}, and {} by the manifest", expected.crc64))
            };
            if let Some(problem) = difference(expected, &self.sums).or_else(of_crc) {
                return Err(reading.damaged(format!("`{}`: {problem}", expected.name)));
            }
        }
        self.collection += 1;
        self.sums = Sums::default();
        Ok(())
    }
}

/// How the documents of a collection, in whatever order, differ from what the manifest says of it.
pub(crate) fn difference(expected: &Collection, found: &Sums) -> Option<String> {
    let differs = |what: &str, found: &str, expected: &str| {
        (found != expected).then(|| format!("the {what} is {found}, and {expected} by the manifest"))
    };
    differs("number of documents", &found.documents.to_string(), &expected.documents.to_string())
        .or_else(|| differs("number of bytes", &found.bytes.to_string(), &expected.bytes.to_string()))
        .or_else(|| differs("hash of the documents", &found.hash.to_hex(), &expected.hash))
}

/// What a backup is that was read from its first byte to its last, and is as its manifest says.
pub(crate) fn verified(manifest: &Manifest) -> Verified {
    let collection = |collection: &Collection| VerifiedCollection {
        name: collection.name.clone(),
        view: collection.view,
        documents: collection.documents,
        bytes: collection.bytes,
        hash: collection.hash.clone(),
    };
    Verified {
        parts: u32::try_from(manifest.parts.len()).unwrap_or(u32::MAX),
        bytes: manifest.packed_bytes(),
        documents: manifest.documents(),
        collections: manifest.collections.iter().map(collection).collect(),
    }
}

/// One part being read.
struct PartReading<'a> {
    manifest: &'a Manifest,
    part: &'a Part,
    is_last: bool,
    /// How many of its ranges are over, and how many documents of the next have come.
    ranges: usize,
    in_range: u64,
    ends: usize,
}

impl PartReading<'_> {
    fn damaged(&self, problem: String) -> Error {
        Error::Damaged {
            id: self.manifest.id.clone(),
            object: self.part.key.clone(),
            problem,
        }
    }

    fn compare_prelude(&self, prelude: &Prelude) -> Result<(), Error> {
        let of_archive = prelude
            .namespaces
            .iter()
            .map(|described| (&described.name, described.view, &described.metadata));
        let of_manifest = self
            .manifest
            .collections
            .iter()
            .map(|collection| (&collection.name, collection.view, &collection.metadata));
        // An archive without collections names no database.
        let is_of_database = prelude.namespaces.is_empty() || prelude.database == self.manifest.database;
        if !is_of_database || !of_archive.eq(of_manifest) {
            return Err(self.damaged("the archive is of other collections than the manifest".to_owned()));
        }
        self.manifest
            .collections
            .iter()
            .try_for_each(|collection| self.check_described(collection))
    }

    /// What is made of a collection is made by its description: it must be one, of that very collection, and of one that is backed up.
    fn check_described(&self, collection: &Collection) -> Result<(), Error> {
        let name = &collection.name;
        let described = archive::namespace(&collection.metadata).map_err(|error| self.damaged(crate::error::chain(&error)))?;
        if described.name != *name || (described.kind == NamespaceKind::View) != collection.view {
            return Err(self.damaged(format!("the description of `{name}` is of something else, `{}`", described.name)));
        }
        let never = ["tidemill.receipts", "tidemill.restore"].contains(&name.as_str())
            || ["tidemill.staged.", "tidemill.ready.", "system."]
                .iter()
                .any(|own| name.starts_with(own));
        match never {
            true => Err(self.damaged(format!("`{name}` is never backed up: somebody else wrote this"))),
            false => Ok(()),
        }
    }

    /// Documents come that must be those of the next range.
    fn count(&mut self, collection: &str, documents: u64) -> Result<(), Error> {
        let range = self.part.ranges.get(self.ranges);
        self.in_range += documents;
        match range.filter(|range| range.collection == collection && range.documents >= self.in_range) {
            Some(range) if range.documents == self.in_range => {
                self.ranges += 1;
                self.in_range = 0;
                Ok(())
            }
            Some(_) => Ok(()),
            None => Err(self.damaged(format!("there are documents of `{collection}` of which the manifest does not know"))),
        }
    }

    fn compare_end(&mut self, name: &str, crc64: &str) -> Result<(), Error> {
        let expected = self.manifest.collections.get(self.ends).filter(|_| self.is_last);
        match expected.filter(|expected| expected.name == name && expected.crc64 == crc64) {
            Some(_) => {
                self.ends += 1;
                Ok(())
            }
            None => Err(self.damaged(format!("the end of `{name}` is not the one that the manifest knows"))),
        }
    }

    fn end(&self) -> Result<(), Error> {
        if self.ranges != self.part.ranges.len() {
            return Err(self.damaged("documents are missing that the manifest knows of".to_owned()));
        }
        if self.is_last && self.ends != self.manifest.collections.len() {
            return Err(self.damaged("the archive is not ended".to_owned()));
        }
        Ok(())
    }
}
