//! The keys of a directory in byte order, without looking into folders that can't hold any that is asked for.

use crate::{Key, StoreError};
use std::path::Path;
use std::{fs, io};

/// At most `limit` keys that start with `prefix` and come after `after`.
pub(super) fn list(root: &Path, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
    let after = after.map_or("", Key::as_str);
    let mut keys = Vec::new();
    let mut waiting = entries(root, "", prefix, after)?;
    // The next entry in byte order is the last of those that wait.
    while let Some(name) = waiting.pop() {
        if keys.len() >= limit {
            break;
        }
        if name.ends_with('/') {
            waiting.append(&mut entries(root, &name, prefix, after)?);
        } else if let Ok(key) = Key::parse(&name) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// What is in `folder` (empty, or ending in `/`) and may be or hold a wanted key, in reverse order. A folder ends in `/`: in this
/// form its place among the files beside it is also that of all the keys in it.
fn entries(root: &Path, folder: &str, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
    let mut names = read_names(&root.join(folder)).map_err(|source| StoreError::Io {
        action: "list the folder of",
        key: folder.to_owned(),
        source,
    })?;
    for name in &mut names {
        name.insert_str(0, folder);
    }
    names.retain(|name| {
        if name.ends_with('/') {
            may_hold(name, prefix, after)
        } else {
            name.starts_with(prefix) && name.as_str() > after
        }
    });
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

fn may_hold(folder: &str, prefix: &str, after: &str) -> bool {
    (folder.starts_with(prefix) || prefix.starts_with(folder)) && (folder > after || after.starts_with(folder))
}

/// Files, and folders with a `/` at the end. What has a dot in front is not an object: our temporary files, a file manager's notes.
fn read_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if let Ok(mut name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            // A link is followed, as opening it would.
            let is_folder = match entry.file_type()? {
                kind if kind.is_symlink() => entry.path().is_dir(),
                kind => kind.is_dir(),
            };
            if is_folder {
                name.push('/');
            }
            names.push(name);
        }
    }
    Ok(names)
}
