//! The folder that holds it all: `lake/`, `ledger.db`, `documents.db`.

use documents::{Documents, DocumentsError, SqliteDocuments};
use lake::{Definitions, DirectoryStore, Store, StoreError};
use ledger::{Ledger, LedgerError, SqliteLedger};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The folder when nothing else is said.
pub const DEFAULT: &str = ".tidemill";

/// An open home.
#[derive(Clone)]
pub struct Home {
    pub folder: PathBuf,
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub documents: Arc<dyn Documents>,
    pub definitions: Arc<Definitions>,
}

/// A home that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("there is nothing at {0} yet: no pipeline has run there")]
    Nothing(PathBuf),
    #[error("could not open the lake in {path}")]
    Lake { path: PathBuf, source: StoreError },
    #[error("could not open the ledger in {path}")]
    Ledger { path: PathBuf, source: LedgerError },
    #[error("could not open the documents in {path}")]
    Documents { path: PathBuf, source: DocumentsError },
}

impl Home {
    /// Opens a home that is there: one that has a lake. What else it had can be made again from `raw/`.
    pub fn open(folder: &Path) -> Result<Home, HomeError> {
        if folder.join("lake").is_dir() {
            Home::create(folder)
        } else {
            Err(HomeError::Nothing(folder.to_owned()))
        }
    }

    /// Opens a home, and makes it where there is none.
    pub fn create(folder: &Path) -> Result<Home, HomeError> {
        let path = folder.to_owned();
        // The lake first: it makes the folders above it durably, and a home without its lake is none.
        let lake = DirectoryStore::open(folder.join("lake")).map_err(|source| HomeError::Lake {
            path: path.clone(),
            source,
        })?;
        let ledger = SqliteLedger::open(&folder.join("ledger.db")).map_err(|source| HomeError::Ledger {
            path: path.clone(),
            source,
        })?;
        let documents = SqliteDocuments::open(&folder.join("documents.db"));
        let documents = documents.map_err(|source| HomeError::Documents {
            path: path.clone(),
            source,
        })?;
        let store: Arc<dyn Store> = Arc::new(lake);
        Ok(Home {
            folder: path,
            definitions: Arc::new(Definitions::new(store.clone())),
            store,
            ledger: Arc::new(ledger),
            documents: Arc::new(documents),
        })
    }
}
