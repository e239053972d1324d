//! Does what a manifest says fit together?

use std::collections::{BTreeMap, BTreeSet};

use super::{Collection, FORMAT, MANIFEST_BYTES_MAX, Manifest, Part};
use crate::hash::{CollectionHash, Crc64};
use crate::keys;
use crate::retention::Class;
use lake::{Key, RunId};

/// Why a manifest can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("its key is not one of a manifest, `manifests/{{class}}/{{id}}.json`")]
    Key,
    #[error("it has {bytes} bytes; at most {MANIFEST_BYTES_MAX} are allowed")]
    TooLong { bytes: usize },
    #[error("it is of format {format}, and this version reads format {FORMAT}: use a newer tidemill")]
    Newer { format: u32 },
    #[error("it is of format {format}, which never was; this version reads format {FORMAT}")]
    UnknownFormat { format: u32 },
    #[error("it is not a manifest")]
    Json(#[from] serde_json::Error),
    #[error("its checksum is wrong: it is not what was written")]
    Checksum,
    #[error("it says that it is of the {} backup {id}: it belongs elsewhere", .class.as_str())]
    Elsewhere { class: Class, id: String },
    #[error("{what}: {why}")]
    Inconsistent { what: String, why: &'static str },
    #[error("`{collection}`: its parts hold {in_parts} documents, and it has {documents}")]
    DocumentsDontAddUp { collection: String, in_parts: u64, documents: u64 },
    #[error("`{collection}` is in the manifest, and not in the archive")]
    Missing { collection: String },
    #[error("`{collection}` is in the archive, and not in the manifest")]
    NotInManifest { collection: String },
    #[error("`{collection}`: {what} is {found} in the archive, and {expected} by the manifest")]
    Differs {
        collection: String,
        what: &'static str,
        expected: String,
        found: String,
    },
}

impl Manifest {
    /// Everything but the checksum.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        let Ok(id) = RunId::parse(&self.id) else {
            return Err(inconsistent("its id", "is not a run's id"));
        };
        if self.id != id.to_string() {
            return Err(inconsistent("its id", "is not as it is written in its key"));
        }
        if self.began_ms > self.ended_ms || self.began_ms > self.locked_until_ms {
            return Err(inconsistent(
                "its times",
                "it began after it ended, or is locked until before it began",
            ));
        }
        if self.database.is_empty() || self.server_version.is_empty() {
            return Err(inconsistent("its database", "the name or the server's version is empty"));
        }
        if self.parts.is_empty() {
            return Err(inconsistent("its parts", "there are none"));
        }
        self.check_names()?;
        self.collections.iter().try_for_each(check_collection)?;
        let mut in_parts: BTreeMap<&str, u64> = BTreeMap::new();
        for (number, part) in (1..).zip(&self.parts) {
            self.check_part(id, number, part, &mut in_parts)?;
        }
        for collection in &self.collections {
            let in_parts = in_parts.remove(collection.name.as_str()).unwrap_or(0);
            if in_parts != collection.documents {
                return Err(ManifestError::DocumentsDontAddUp {
                    collection: collection.name.clone(),
                    in_parts,
                    documents: collection.documents,
                });
            }
        }
        match in_parts.first_key_value() {
            Some((name, _)) => Err(inconsistent(
                &format!("`{name}`"),
                "its documents are in a part, and it is not among the collections",
            )),
            None => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), ManifestError> {
        let mut seen = BTreeSet::new();
        let names = self.collections.iter().map(|collection| &collection.name);
        for name in names.chain(self.left_out.iter().map(|left_out| &left_out.name)) {
            if !seen.insert(name) {
                return Err(inconsistent(&format!("`{name}`"), "is named twice"));
            }
        }
        Ok(())
    }

    fn check_part<'m>(
        &'m self,
        id: RunId,
        number: u32,
        part: &'m Part,
        in_parts: &mut BTreeMap<&'m str, u64>,
    ) -> Result<(), ManifestError> {
        let wrong = |why| Err(inconsistent(&format!("part {number}, `{}`", part.key), why));
        let key = Key::parse(&part.key).ok();
        if key.as_ref().and_then(keys::of_part) != Some((self.class, id, number)) {
            return wrong("its key is not that of this part of this backup");
        }
        if part.size == 0 || CollectionHash::parse(&part.sha256).is_err() {
            return wrong("it has no size, or no SHA-256");
        }
        for range in &part.ranges {
            if range.documents == 0 || range.began_ms > range.ended_ms {
                return wrong("a range has no documents, or began after it ended");
            }
            let sum = in_parts.entry(&range.collection).or_insert(0);
            *sum = sum.saturating_add(range.documents);
        }
        Ok(())
    }
}

fn check_collection(collection: &Collection) -> Result<(), ManifestError> {
    let wrong = |why| Err(inconsistent(&format!("`{}`", collection.name), why));
    if collection.name.is_empty() {
        return wrong("its name is empty");
    }
    let (Ok(hash), Ok(crc64)) = (CollectionHash::parse(&collection.hash), Crc64::parse(&collection.crc64)) else {
        return wrong("its hash or its CRC is not one");
    };
    if collection.view && collection.documents != 0 {
        return wrong("it is a view, and has documents");
    }
    // The shortest document has five bytes.
    if collection.bytes < collection.documents.saturating_mul(5) {
        return wrong("it has fewer bytes than its documents must have");
    }
    let nothing = collection.bytes == 0 && hash == CollectionHash::default() && crc64 == Crc64::default();
    if collection.documents == 0 && !nothing {
        return wrong("it has no documents, and yet bytes or a hash of them");
    }
    Ok(())
}

fn inconsistent(what: &str, why: &'static str) -> ManifestError {
    ManifestError::Inconsistent {
        what: what.to_owned(),
        why,
    }
}
