//! The folder that holds it all: `lake/`, `ledger.db`, and, unless they go to MongoDB, the documents in `documents.db`.

use super::{Destination, DestinationError, Place, Places};
use crate::ports::{LakeAt, Ports};
use documents::Documents;
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
    /// Where the documents are.
    pub place: Place,
    /// Where they were.
    pub places: Places,
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
    #[error(transparent)]
    Destination(#[from] DestinationError),
}

impl Home {
    /// Opens a home that is there, with its own store of documents.
    pub fn open(folder: &Path) -> Result<Home, HomeError> {
        Home::open_with(folder, &Destination::embedded())
    }

    /// Opens a home that is there: one that has a lake. What else it had can be made again from `raw/`.
    pub fn open_with(folder: &Path, destination: &Destination) -> Result<Home, HomeError> {
        if folder.join("lake").is_dir() {
            Home::create_with(folder, destination)
        } else {
            Err(HomeError::Nothing(folder.to_owned()))
        }
    }

    /// Opens a home with its own store of documents, and makes it where there is none.
    pub fn create(folder: &Path) -> Result<Home, HomeError> {
        Home::create_with(folder, &Destination::embedded())
    }

    /// Opens a home, and makes it where there is none.
    pub fn create_with(folder: &Path, destination: &Destination) -> Result<Home, HomeError> {
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
        let documents = destination.open(folder)?;
        let store: Arc<dyn Store> = Arc::new(lake);
        Ok(Home {
            folder: path,
            definitions: Arc::new(Definitions::new(store.clone())),
            store,
            ledger: Arc::new(ledger),
            documents,
            place: destination.place.clone(),
            places: Places::of_home(folder),
        })
    }

    /// What it keeps, for what works on a stack in the cloud too.
    pub fn ports(&self) -> Ports {
        Ports {
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            documents: self.documents.clone(),
            definitions: self.definitions.clone(),
            lake: LakeAt::Folder(self.folder.join("lake")),
        }
    }
}
