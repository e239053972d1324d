//! The store of documents that a command works with: the home's own, or MongoDB when a URI is set, in the environment or in `.env`.

use super::{
    Place,
    secrets::{SecretError, Secrets},
};
use documents::{Database, Documents, DocumentsError, SqliteDatabase, SqliteDocuments};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The variable that holds MongoDB's connection string. It is a secret.
pub const VARIABLE: &str = "TIDEMILL_MONGODB_URI";

/// The home's own store.
pub const EMBEDDED_FILE: &str = "documents.db";

/// Where documents go. It can't be printed, for a secret leads there.
#[derive(Clone)]
pub struct Destination {
    pub place: Place,
    #[cfg(feature = "mongodb")]
    setting: Setting,
}

/// Where the URI is looked for, each time it is needed: a `.env` that was changed is a password that was changed.
#[derive(Clone)]
#[cfg_attr(feature = "mongodb", derive(Default))]
struct Setting {
    environment: BTreeMap<String, String>,
    folder: PathBuf,
}

/// A destination that can't be had. Names only: nothing of a URI stands in an error.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    #[error(transparent)]
    Secrets(#[from] SecretError),
    #[error("`{VARIABLE}` is not the URI of a MongoDB database")]
    #[cfg(feature = "mongodb")]
    Uri(#[from] documents::mongodb::UriError),
    #[error("`{VARIABLE}` is set, but this tidemill was built without MongoDB")]
    NotBuilt,
    #[error("could not open the documents in {path}")]
    Open { path: PathBuf, source: Box<DocumentsError> },
}

impl DestinationError {
    /// What to do now.
    pub fn next(&self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "mongodb")]
            DestinationError::Uri(_) => Some(
                "put the variable right in the environment or in `.env`, or take it away to keep the documents in the home; what it holds is not repeated here",
            ),
            DestinationError::NotBuilt => Some(
                "build it with the feature `mongodb` (it is one of the defaults), or take the variable away from the environment and `.env`",
            ),
            DestinationError::Secrets(_) | DestinationError::Open { .. } => None,
        }
    }

    /// Whether something is set wrongly, rather than failed.
    pub fn is_wrong_use(&self) -> bool {
        !matches!(self, DestinationError::Open { .. })
    }
}

impl Destination {
    /// The home's own store.
    pub fn embedded() -> Destination {
        Destination {
            place: Place::Embedded,
            #[cfg(feature = "mongodb")]
            setting: Setting::default(),
        }
    }

    /// What the environment, then the folder's `.env` say.
    pub fn new(environment: &BTreeMap<String, String>, folder: &Path) -> Result<Destination, DestinationError> {
        let setting = Setting {
            environment: environment.clone(),
            folder: folder.to_owned(),
        };
        let Some(uri) = setting.read()? else {
            return Ok(Destination::embedded());
        };
        #[cfg(feature = "mongodb")]
        return Ok(Destination {
            place: Place::of_uri(&uri.into())?,
            setting,
        });
        #[cfg(not(feature = "mongodb"))]
        {
            drop(uri);
            Err(DestinationError::NotBuilt)
        }
    }

    /// The store. Of MongoDB, nothing is asked yet.
    pub fn open(&self, home: &Path) -> Result<Arc<dyn Documents>, DestinationError> {
        match &self.place {
            Place::Embedded => {
                let documents = SqliteDocuments::open(&home.join(EMBEDDED_FILE));
                let documents = documents.map_err(|source| DestinationError::Open {
                    path: home.to_owned(),
                    source: Box::new(source),
                })?;
                Ok(Arc::new(documents))
            }
            #[cfg(feature = "mongodb")]
            Place::Mongodb { .. } => Ok(Arc::new(self.mongodb())),
            #[cfg(not(feature = "mongodb"))]
            Place::Mongodb { .. } => Err(DestinationError::NotBuilt),
        }
    }

    /// The whole database, as backup and restore see it. Of MongoDB, nothing is asked yet.
    pub fn database(&self, home: &Path) -> Result<Arc<dyn Database>, DestinationError> {
        match &self.place {
            Place::Embedded => {
                let database = SqliteDatabase::open(&home.join(EMBEDDED_FILE));
                let database = database.map_err(|source| DestinationError::Open {
                    path: home.to_owned(),
                    source: Box::new(source),
                })?;
                Ok(Arc::new(database))
            }
            #[cfg(feature = "mongodb")]
            Place::Mongodb { .. } => Ok(Arc::new(documents::MongoDatabase::new(self.uri()))),
            #[cfg(not(feature = "mongodb"))]
            Place::Mongodb { .. } => Err(DestinationError::NotBuilt),
        }
    }

    /// MongoDB, by the setting as it is whenever a connection is made.
    #[cfg(feature = "mongodb")]
    pub fn mongodb(&self) -> documents::MongoDocuments {
        documents::MongoDocuments::new(self.uri())
    }

    /// What leads to MongoDB.
    #[cfg(feature = "mongodb")]
    pub fn uri(&self) -> Arc<dyn documents::mongodb::Uri> {
        Arc::new(self.setting.clone())
    }
}

impl Setting {
    fn read(&self) -> Result<Option<String>, SecretError> {
        let secrets = Secrets::new(&self.environment, &self.folder)?;
        Ok(secrets.variable(VARIABLE).filter(|uri| !uri.trim().is_empty()).map(str::to_owned))
    }
}

#[cfg(feature = "mongodb")]
#[async_trait::async_trait]
impl documents::mongodb::Uri for Setting {
    /// Read each time: there is nothing kept to be renewed.
    async fn uri(&self, _renew: bool) -> Result<secrecy::SecretString, documents::mongodb::UriError> {
        use documents::mongodb::UriError;
        match self.read() {
            Ok(Some(uri)) => Ok(uri.trim().to_owned().into()),
            Ok(None) => Err(UriError::Unusable(format!(
                "`{VARIABLE}` is no longer in the environment or in `.env`"
            ))),
            Err(error) => Err(UriError::Unusable(crate::chain(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn environment(uri: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(VARIABLE.to_owned(), uri.to_owned())])
    }

    #[test]
    fn without_a_uri_the_documents_stay_in_the_home() {
        let folder = tempfile::tempdir().unwrap();
        for environment in [BTreeMap::new(), environment(""), environment("  ")] {
            let destination = Destination::new(&environment, folder.path()).unwrap();
            assert_eq!(destination.place, Place::Embedded);
        }
    }

    #[cfg(feature = "mongodb")]
    #[tokio::test]
    async fn the_environment_comes_before_the_file_and_the_file_is_read_again() {
        use documents::mongodb::Uri as _;
        use secrecy::ExposeSecret as _;
        let folder = tempfile::tempdir().unwrap();
        let write = |uri: &str| std::fs::write(folder.path().join(".env"), format!("{VARIABLE}={uri}\n")).unwrap();
        write("mongodb://ann:old@h/file");
        let of_file = Destination::new(&BTreeMap::new(), folder.path()).unwrap();
        assert_eq!(of_file.place.to_string(), "MongoDB at h:27017, database `file`");
        write("mongodb://ann:new@h/file");
        let uri = of_file.setting.uri(true).await.unwrap();
        assert_eq!(uri.expose_secret(), "mongodb://ann:new@h/file");
        let set = environment("mongodb://ann:pw@h/set");
        let destination = Destination::new(&set, folder.path()).unwrap();
        assert_eq!(destination.place.to_string(), "MongoDB at h:27017, database `set`");
        std::fs::remove_file(folder.path().join(".env")).unwrap();
        let gone = of_file.setting.uri(true).await.unwrap_err();
        assert!(gone.to_string().contains("no longer"), "{gone}");
    }

    #[cfg(not(feature = "mongodb"))]
    #[test]
    fn a_build_without_mongodb_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = Destination::new(&environment("mongodb://h/x"), folder.path()).err();
        assert!(matches!(error, Some(DestinationError::NotBuilt)));
    }

    #[test]
    fn a_wrong_uri_is_wrong_use_and_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let error = Destination::new(&environment("mongodb://ann:s3cret@"), folder.path())
            .err()
            .unwrap();
        assert!(error.is_wrong_use());
        assert!(error.next().is_some());
        assert!(!crate::chain(&error).contains("s3cret"));
    }
}
