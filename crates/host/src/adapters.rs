//! The lake and the ledger a function works with: in AWS, or (feature `embedded`) in a folder, so that a function runs on this machine without an account.

use crate::settings::{Common, HOME, Reader, SettingsError};
use aws_config::SdkConfig;
use lake::{Definitions, Store};
use ledger::Ledger;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a function's adapters are, as its environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<A> {
    /// In AWS, with what the function itself needs to know of it.
    Aws { common: Common, own: A },
    /// In a folder, laid out as the command line's home.
    Home(PathBuf),
}

impl<A> Place<A> {
    /// Reads `TIDEMILL_HOME`, or else what every function needs and, by `own`, what this one does.
    pub fn read(
        environment: impl IntoIterator<Item = (String, String)>,
        own: impl FnOnce(&mut Reader) -> A,
    ) -> Result<Place<A>, SettingsError> {
        let mut reader = Reader::new(environment);
        if let Some(home) = reader.read_optional(HOME) {
            if !cfg!(feature = "embedded") {
                reader.refuse(HOME, "no value: this binary was built without the feature `embedded`");
            }
            reader.finish()?;
            return Ok(Place::Home(home.into()));
        }
        let common = Common::read(&mut reader);
        let own = own(&mut reader);
        reader.finish()?;
        Ok(Place::Aws { common, own })
    }
}

/// The open lake and ledger.
#[derive(Clone)]
pub struct Adapters {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub definitions: Arc<Definitions>,
}

impl Adapters {
    /// The bucket and the table. Nothing is asked of them yet.
    pub fn aws(config: &SdkConfig, common: &Common) -> Adapters {
        Adapters::of(
            Arc::new(lake::s3::S3Store::new(config, &common.lake_bucket)),
            Arc::new(ledger::dynamodb::DynamoLedger::new(config, &common.ledger_table)),
        )
    }

    /// `lake/` and `ledger.db` in the folder, which are made where there are none.
    #[cfg(feature = "embedded")]
    pub fn embedded(home: &Path) -> Result<Adapters, HomeError> {
        let lake = lake::DirectoryStore::open(home.join("lake")).map_err(|source| HomeError::Lake {
            home: home.to_owned(),
            source,
        })?;
        let ledger = ledger::SqliteLedger::open(&home.join("ledger.db")).map_err(|source| HomeError::Ledger {
            home: home.to_owned(),
            source,
        })?;
        Ok(Adapters::of(Arc::new(lake), Arc::new(ledger)))
    }

    #[cfg(not(feature = "embedded"))]
    pub fn embedded(_home: &Path) -> Result<Adapters, HomeError> {
        Err(HomeError::NotBuilt)
    }

    fn of(store: Arc<dyn Store>, ledger: Arc<dyn Ledger>) -> Adapters {
        Adapters {
            definitions: Arc::new(Definitions::new(store.clone())),
            store,
            ledger,
        }
    }
}

/// A home that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("TIDEMILL_HOME is set, but this binary was built without the feature `embedded`")]
    NotBuilt,
    #[error("could not open the lake in {home}, which TIDEMILL_HOME names")]
    Lake { home: PathBuf, source: lake::StoreError },
    #[error("could not open the ledger in {home}, which TIDEMILL_HOME names")]
    Ledger { home: PathBuf, source: ledger::LedgerError },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::settings::Key;

    const OWN: Key = Key::required("TIDEMILL_OWN", "of this test");

    fn read(set: &[(&str, &str)]) -> Result<Place<String>, SettingsError> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Place::read(set, |reader| reader.read(OWN))
    }

    #[test]
    fn all_that_is_missing_is_told_together() {
        let faults = read(&[("TIDEMILL_STACK", "dev")]).unwrap_err().to_string();
        for name in ["TIDEMILL_LAKE_BUCKET", "TIDEMILL_LEDGER_TABLE", "TIDEMILL_OWN"] {
            assert!(faults.contains(name), "{faults}");
        }
        let all = [
            ("TIDEMILL_STACK", "dev"),
            ("TIDEMILL_LAKE_BUCKET", "b"),
            ("TIDEMILL_LEDGER_TABLE", "t"),
            ("TIDEMILL_OWN", "o"),
        ];
        assert!(matches!(read(&all).unwrap(), Place::Aws { common, own } if common.stack == "dev" && own == "o"));
    }

    #[test]
    fn a_home_needs_nothing_else_and_its_feature() {
        let home = read(&[("TIDEMILL_HOME", "there")]);
        if cfg!(feature = "embedded") {
            assert_eq!(home.unwrap(), Place::Home("there".into()));
        } else {
            assert!(home.unwrap_err().to_string().contains("feature `embedded`"));
        }
    }
}
