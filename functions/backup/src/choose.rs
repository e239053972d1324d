//! Which backups there are, and which one is wanted.

use crate::manifest::{FORMAT, MANIFEST_BYTES_MAX, Manifest, ManifestError};
use crate::retention::Class;
use crate::{Error, keys, stored};
use lake::{Key, RunId, Store, StoreError};
use std::collections::BTreeSet;

/// How many keys are listed at once.
const PAGE: usize = 1_000;

/// A backup of the vault.
#[derive(Debug)]
pub struct Listed {
    pub id: RunId,
    pub class: Class,
    /// What it says of itself, or why that is not to be relied on.
    pub manifest: Result<Manifest, Error>,
}

/// Which backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Newest,
    Id(RunId),
    /// The newest of those that had ended by then, milliseconds since 1970.
    At(i64),
}

/// All backups with their manifests, the newest first. One whose manifest can't be read, or whose parts are not all there, is listed with the reason; what the
/// parts hold, [`crate::verify`] says.
///
/// # Errors
/// [`Error::Vault`] when the vault can't be read.
pub async fn list(vault: &dyn Store) -> Result<Vec<Listed>, Error> {
    let mut listed = Vec::new();
    for (class, id) in ids(vault).await? {
        let manifest = match read_with_parts(class, id, vault).await {
            // The vault itself does not answer.
            Err(Error::Vault(error)) if !matches!(error, StoreError::NotFound { .. }) => return Err(error.into()),
            manifest => manifest,
        };
        listed.push(Listed { id, class, manifest });
    }
    Ok(listed)
}

/// The backup that is wanted, its manifest checked. A newest one that is damaged is an error, and no older one is taken in its place unseen.
///
/// # Errors
/// [`Error::NotFound`], or why the manifest is not to be relied on.
pub async fn choose(vault: &dyn Store, wanted: &Wanted) -> Result<Manifest, Error> {
    for (class, id) in ids(vault).await? {
        match *wanted {
            Wanted::Newest => return read(class, id, vault).await,
            Wanted::Id(wanted) if wanted == id => return read(class, id, vault).await,
            Wanted::At(at_ms) if i64::try_from(id.started_ms()).is_ok_and(|began_ms| began_ms <= at_ms) => {
                let manifest = read(class, id, vault).await?;
                if manifest.ended_ms <= at_ms {
                    return Ok(manifest);
                }
            }
            Wanted::Id(_) | Wanted::At(_) => {}
        }
    }
    let wanted = match *wanted {
        Wanted::Newest => "at all".to_owned(),
        Wanted::Id(id) => id.to_string(),
        Wanted::At(at_ms) => {
            let at = jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string());
            format!("that had ended by {at}")
        }
    };
    Err(Error::NotFound { wanted })
}

/// The ids of all backups, the newest first.
pub(crate) async fn ids(vault: &dyn Store) -> Result<Vec<(Class, RunId)>, Error> {
    let mut found = Vec::new();
    for class in Class::ALL {
        // What somebody else put there is no backup.
        found.extend(under(&keys::manifests(class), vault).await?.iter().filter_map(keys::of_manifest));
    }
    found.sort_by_key(|(_, id)| std::cmp::Reverse(*id));
    Ok(found)
}

/// All keys under a prefix.
async fn under(prefix: &str, vault: &dyn Store) -> Result<Vec<Key>, StoreError> {
    let mut found: Vec<Key> = Vec::new();
    loop {
        let page = vault.list(prefix, found.last(), PAGE).await?;
        let is_last = page.len() < PAGE;
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

/// Reads and checks a manifest, and sees that the parts it names are there.
async fn read_with_parts(class: Class, id: RunId, vault: &dyn Store) -> Result<Manifest, Error> {
    let manifest = read(class, id, vault).await?;
    let there = under(&keys::parts(class, id), vault).await?;
    let there: BTreeSet<&str> = there.iter().map(Key::as_str).collect();
    match manifest.parts.iter().find(|part| !there.contains(part.key.as_str())) {
        None => Ok(manifest),
        Some(part) => Err(Error::MissingPart {
            id: id.to_string(),
            object: part.key.clone(),
        }),
    }
}

/// Reads and checks a manifest.
pub(crate) async fn read(class: Class, id: RunId, vault: &dyn Store) -> Result<Manifest, Error> {
    let key = keys::manifest(class, id)?;
    let damaged = |problem: String| Error::Damaged {
        id: id.to_string(),
        object: key.to_string(),
        problem,
    };
    let bytes = match stored::object(&key, MANIFEST_BYTES_MAX as u64, vault).await {
        Ok(stored::Read::Whole(bytes)) => bytes,
        Ok(stored::Read::TooLong(size)) => {
            return Err(damaged(format!(
                "it has {size} bytes, and a manifest has at most {MANIFEST_BYTES_MAX}"
            )));
        }
        Err(StoreError::Damaged { problem, .. }) => return Err(damaged(problem)),
        Err(error) => return Err(error.into()),
    };
    Manifest::parse(&key, &bytes).map_err(|error| match error {
        ManifestError::Newer { format } => Error::NewerFormat {
            object: key.to_string(),
            found: format,
            known: FORMAT,
        },
        ManifestError::Elsewhere { .. } => Error::FromElsewhere {
            object: key.to_string(),
            problem: error.to_string(),
        },
        error => damaged(crate::error::chain(&error)),
    })
}
