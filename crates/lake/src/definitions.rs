//! Published pipeline files: immutable objects, checked once and kept in memory.

use crate::{DefinitionKey, Metadata, Store, StoreError};
use bytes::Bytes;
use pipeline::{Checked, Name};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The largest pipeline file: far more than any person writes.
const FILE_BYTES_MAX: usize = 4 << 20;

/// How many definitions are kept in memory; past it, all are forgotten and read again when asked for.
const KEPT_MAX: usize = 256;

/// The definitions of a lake, each read and checked once.
pub struct Definitions {
    store: Arc<dyn Store>,
    kept: Mutex<HashMap<DefinitionKey, Arc<Checked>>>,
}

/// A definition that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("could not read the definition `{key}`")]
    Store { key: String, source: StoreError },
    /// It was checked when it was published: an older or newer `tidemill` wrote it, or it is damaged.
    #[error("the definition `{key}` is not one that this version understands")]
    Refused { key: String, source: pipeline::Faults },
    #[error("the definition `{key}` is damaged: {problem}")]
    Damaged { key: String, problem: &'static str },
}

impl Definitions {
    pub fn new(store: Arc<dyn Store>) -> Definitions {
        Definitions {
            store,
            kept: Mutex::new(HashMap::new()),
        }
    }

    /// Publishes a pipeline file that has been checked. Published already, it stays as it is: its key is its hash.
    pub async fn publish(&self, checked: Arc<Checked>, text: &str) -> Result<(), DefinitionError> {
        let key = DefinitionKey {
            pipeline: checked.pipeline.pipeline.clone(),
            hash: checked.hash.to_string(),
        };
        let written = self
            .store
            .put_new(&key.key(), &Metadata::new(), Bytes::copy_from_slice(text.as_bytes()))
            .await;
        written.map_err(|source| DefinitionError::Store {
            key: key.key().to_string(),
            source,
        })?;
        self.keep(key, checked);
        Ok(())
    }

    /// The definition of `pipeline` with this hash (64 hexadecimal digits).
    pub async fn get(&self, pipeline: &Name, hash: &str) -> Result<Arc<Checked>, DefinitionError> {
        let key = DefinitionKey {
            pipeline: pipeline.clone(),
            hash: hash.to_owned(),
        };
        if let Some(checked) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(checked.clone());
        }
        let text = self.read(&key).await?;
        let name = key.key().to_string();
        let checked = pipeline::check(&name, &text).map_err(|source| DefinitionError::Refused { key: name.clone(), source })?;
        if checked.hash.as_str() != hash || checked.pipeline.pipeline != *pipeline {
            return Err(DefinitionError::Damaged {
                key: name,
                problem: "its text is not what its key says",
            });
        }
        let checked = Arc::new(checked);
        self.keep(key, checked.clone());
        Ok(checked)
    }

    async fn read(&self, key: &DefinitionKey) -> Result<String, DefinitionError> {
        let failed = |source| DefinitionError::Store {
            key: key.key().to_string(),
            source,
        };
        let damaged = |problem| DefinitionError::Damaged {
            key: key.key().to_string(),
            problem,
        };
        let mut object = self.store.get(&key.key()).await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = object.body.next().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > FILE_BYTES_MAX {
                return Err(damaged("it is longer than any pipeline file"));
            }
        }
        String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))
    }

    fn keep(&self, key: DefinitionKey, checked: Arc<Checked>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, checked);
    }
}
