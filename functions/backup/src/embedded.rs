//! The vault and the database of a folder, for the function on this machine.

use documents::Database;
use lake::Store;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A vault or a database that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the vault of a folder was asked for, but this binary was built without the feature `embedded`")]
    NotBuilt,
    #[error("could not open the vault in {home}")]
    Vault { home: PathBuf, source: lake::StoreError },
    #[error("could not open the documents in {home}")]
    Database {
        home: PathBuf,
        source: Box<documents::DocumentsError>,
    },
}

/// What a folder has.
pub struct Opened {
    pub vault: Arc<dyn Store>,
    pub database: Arc<dyn Database>,
}

/// `vault/` and `documents.db` in the folder, which are made where there are none.
#[cfg(feature = "embedded")]
pub fn open(home: &Path) -> Result<Opened, OpenError> {
    let vault = lake::DirectoryStore::open(home.join("vault")).map_err(|source| OpenError::Vault {
        home: home.to_owned(),
        source,
    })?;
    let database = documents::SqliteDatabase::open(&home.join("documents.db")).map_err(|source| OpenError::Database {
        home: home.to_owned(),
        source: Box::new(source),
    })?;
    Ok(Opened {
        vault: Arc::new(vault),
        database: Arc::new(database),
    })
}

#[cfg(not(feature = "embedded"))]
pub fn open(_home: &Path) -> Result<Opened, OpenError> {
    Err(OpenError::NotBuilt)
}
