//! Files that appear whole and stay: temporary files, and folders whose entries are synced.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many folders are remembered as durable; over that, all are forgotten and synced once more.
const KNOWN_MAX: usize = 1_000;

/// Tells apart the temporary files of this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file under a name of its own, gone when dropped unless it was given its place.
#[derive(Debug)]
pub(super) struct TempFile {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl TempFile {
    pub(super) fn create(folder: &Path) -> io::Result<TempFile> {
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{number}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    return Ok(TempFile {
                        path,
                        file,
                        renamed: false,
                    });
                }
                // Left by a process that was killed, or of a process with the same number in another container: on to the next name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the bytes durable; the name is made so by [`Folders::sync`].
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives the file the name `path`; fails with `AlreadyExists` when the name is taken.
    pub(super) fn link_to(&self, path: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, path)
    }

    /// Gives the file the name `path`, over whatever has it.
    pub(super) fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.renamed {
            // What stays here is taken away by `remove_stale`.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a folder and those above it, durably.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|above| !above.exists()).collect();
    fs::create_dir_all(folder)?;
    for made in missing {
        match made.parent() {
            Some(above) if above.as_os_str().is_empty() => sync_folder(Path::new("."))?,
            Some(above) => sync_folder(above)?,
            None => {}
        }
    }
    Ok(())
}

/// Takes away temporary files older than a day.
pub(super) fn remove_stale(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file that just went was another process's to take away.
        let modified = match entry.metadata().and_then(|about| about.modified()) {
            Ok(modified) => modified,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if modified.elapsed().is_ok_and(|age| age > STALE) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The folders of the store, and which of them are known to be durable.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    root: PathBuf,
    known: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Folders {
        Folders {
            root,
            known: Arc::default(),
        }
    }

    /// Makes `folder` and those above it up to the root, durably. A folder that is there is synced as well, once a process: whoever made
    /// it may not have got to it.
    pub(super) fn ensure(&self, folder: &Path) -> io::Result<()> {
        if self.lock().contains(folder) && folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)) {
            sync_folder(above)?;
        }
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(folder.to_owned());
        Ok(())
    }

    /// Makes the name of the file `path` durable, or that it has gone.
    pub(super) fn sync(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), sync_folder)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        // A set is whole whatever panicked while it was held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder can't be opened for this; the file system's journal has to do.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
