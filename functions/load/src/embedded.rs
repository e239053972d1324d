//! The documents of a folder, for a function on this machine.

use documents::Documents;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Documents that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the documents of a folder were asked for, but this binary was built without the feature `embedded`")]
    NotBuilt,
    #[error("could not open the documents in {home}")]
    Open {
        home: PathBuf,
        source: Box<documents::DocumentsError>,
    },
}

/// `documents.db` in the folder, which is made where there is none.
#[cfg(feature = "embedded")]
pub fn documents(home: &Path) -> Result<Arc<dyn Documents>, OpenError> {
    match documents::SqliteDocuments::open(&home.join("documents.db")) {
        Ok(documents) => Ok(Arc::new(documents)),
        Err(source) => Err(OpenError::Open {
            home: home.to_owned(),
            source: Box::new(source),
        }),
    }
}

#[cfg(not(feature = "embedded"))]
pub fn documents(_home: &Path) -> Result<Arc<dyn Documents>, OpenError> {
    Err(OpenError::NotBuilt)
}
