//! Where a backup lies in the vault: its parts under `archives/`, and, last of all, its manifest under `manifests/`.
//!
//! A backup's id is a run's id: a ULID, whose time is when it began. A part's name ends with the first eight digits of its bytes' SHA-256: one
//! that a killed attempt left behind is never taken for another, and is in no manifest unless it is the very same.

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

/// The key of a part, counted from 1; `digits`: the first 32 bits of its SHA-256.
pub fn part(class: Class, id: RunId, number: u32, digits: u32) -> Result<Key, KeyError> {
    Key::parse(&format!("{}{number:06}-{digits:08x}.archive.gz", parts(class, id)))
}

/// The class, the id and the number in the key of a part.
pub fn of_part(key: &Key) -> Option<(Class, RunId, u32)> {
    let mut segments = key.as_str().strip_prefix("archives/")?.split('/');
    let (class, id, file) = (segments.next()?, segments.next()?, segments.next()?);
    let (number, digits) = file.strip_suffix(".archive.gz")?.split_once('-')?;
    let (class, id) = (Class::parse(class)?, RunId::parse(id).ok()?);
    let (number, digits) = (number.parse().ok()?, u32::from_str_radix(digits, 16).ok()?);
    // Only as `part` writes it: each part has one name.
    (part(class, id, number, digits).ok()? == *key).then_some((class, id, number))
}

/// The class and the id in the key of a manifest.
pub fn of_manifest(key: &Key) -> Option<(Class, RunId)> {
    let rest = key.as_str().strip_prefix("manifests/")?;
    let (class, file) = rest.split_once('/')?;
    let id = RunId::parse(file.strip_suffix(".json")?).ok()?;
    let class = Class::parse(class)?;
    // Only as `manifest` writes it: a ULID can be spelt in more than one way.
    (manifest(class, id).ok()? == *key).then_some((class, id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn keys_are_read_only_as_they_are_written() {
        let id = RunId::new(1_790_000_000_000, 7);
        let key = manifest(Class::Weekly, id).unwrap();
        assert_eq!(key.as_str(), format!("manifests/weekly/{id}.json"));
        assert_eq!(of_manifest(&key), Some((Class::Weekly, id)));
        let key = part(Class::Daily, id, 12, 0xab).unwrap();
        assert_eq!(key.as_str(), format!("archives/daily/{id}/000012-000000ab.archive.gz"));
        assert_eq!(of_part(&key), Some((Class::Daily, id, 12)));
        for wrong in [
            format!("archives/daily/{id}/12-000000ab.archive.gz"),
            format!("archives/daily/{id}/000012-000000AB.archive.gz"),
            format!("archives/daily/{id}/000012-000000ab.archive.gz/x"),
            format!("archives/hourly/{id}/000012-000000ab.archive.gz"),
            format!("archives/daily/{}/000012-000000ab.archive.gz", id.to_string().to_lowercase()),
            format!("manifests/weekly/{}.json", id.to_string().to_lowercase()),
            format!("manifests/weekly/a/{id}.json"),
            format!("manifests/weekly/{id}.yaml"),
        ] {
            let key = Key::parse(&wrong).unwrap();
            assert_eq!((of_part(&key), of_manifest(&key)), (None, None), "{wrong}");
        }
    }
}
