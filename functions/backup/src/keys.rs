//! Where a backup lies in the vault: its parts under `archives/`, and, last of all, its manifest under `manifests/`.
//!
//! A backup's id is a run's id: a ULID, whose time is when it began. A part's name ends with eight random digits: one that a killed attempt left behind is
//! never taken for another's, and is in no manifest.

use crate::retention::Class;
use lake::{Key, KeyError, RunId};

/// What the keys of all manifests of a class begin with.
pub fn manifests(class: Class) -> String {
    format!("manifests/{}/", class.as_str())
}

/// The key of a manifest.
pub fn manifest(class: Class, id: RunId) -> Result<Key, KeyError> {
    Key::parse(&format!("{}{id}.json", manifests(class)))
}

/// What the keys of all parts of a backup begin with.
pub fn parts(class: Class, id: RunId) -> String {
    format!("archives/{}/{id}/", class.as_str())
}

/// The key of a part, counted from 1.
pub fn part(class: Class, id: RunId, number: u32, random: u32) -> Result<Key, KeyError> {
    Key::parse(&format!("{}{number:06}-{random:08x}.archive.gz", parts(class, id)))
}

/// The class and the id in the key of a manifest.
pub fn of_manifest(key: &Key) -> Option<(Class, RunId)> {
    let rest = key.as_str().strip_prefix("manifests/")?;
    let (class, file) = rest.split_once('/')?;
    let id = RunId::parse(file.strip_suffix(".json")?).ok()?;
    Some((Class::parse(class)?, id))
}
