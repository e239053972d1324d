//! The vault of a home: the folder `vault/`, which holds the backups. A folder can't be locked; it can be copied onto another disk.

use lake::{DirectoryStore, StoreError};
use std::path::Path;

/// The folder in the home.
const FOLDER: &str = "vault";

/// Whether the home has one.
pub fn is_there(home: &Path) -> bool {
    home.join(FOLDER).is_dir()
}

/// Opens it, and makes it where there is none.
pub fn open(home: &Path) -> Result<DirectoryStore, StoreError> {
    DirectoryStore::open(home.join(FOLDER))
}
