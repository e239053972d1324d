//! The objects that are written: the clean one always, the rejected one from its first line on.

use crate::{Error, Sink};
use lake::{CleanKey, CleanMetadata, Key, ObjectWriter, Store, StoreError, ZSTD_LEVEL};

/// So much waits in memory before it is written: the capture goes on after that. A single document or line may be longer.
const WAITING_BYTES_MAX: usize = 8 << 20;

pub(crate) struct Output<'s> {
    store: &'s dyn Store,
    key: &'s CleanKey,
    about: &'s CleanMetadata,
    clean: ObjectWriter,
    rejected: Option<ObjectWriter>,
    pub waiting: Waiting,
}

/// What was made of a capture and is not written yet.
#[derive(Default)]
pub(crate) struct Waiting {
    clean: Vec<u8>,
    rejected: Vec<u8>,
}

impl Sink for Waiting {
    fn clean(&mut self, document: &[u8]) {
        self.clean.extend_from_slice(document);
    }

    fn rejected(&mut self, line: &[u8]) {
        self.rejected.extend_from_slice(line);
    }

    fn is_full(&self) -> bool {
        self.clean.len() + self.rejected.len() >= WAITING_BYTES_MAX
    }
}

impl<'s> Output<'s> {
    pub async fn create(store: &'s dyn Store, key: &'s CleanKey, about: &'s CleanMetadata) -> Result<Output<'s>, Error> {
        let clean = ObjectWriter::create(store, &key.clean(), &about.to_metadata(), ZSTD_LEVEL).await;
        let clean = clean.map_err(|source| failed(&key.clean(), source))?;
        Ok(Output {
            store,
            key,
            about,
            clean,
            rejected: None,
            waiting: Waiting::default(),
        })
    }

    /// Writes what waits.
    pub async fn write(&mut self) -> Result<(), Error> {
        let clean = self.clean.write(&self.waiting.clean).await;
        clean.map_err(|source| failed(&self.key.clean(), source))?;
        self.waiting.clean.clear();
        if self.waiting.rejected.is_empty() {
            return Ok(());
        }
        let failed = |source| failed(&self.key.rejected(), source);
        let rejected = match &mut self.rejected {
            Some(rejected) => rejected,
            none => none.insert(
                ObjectWriter::create(self.store, &self.key.rejected(), &self.about.to_metadata(), ZSTD_LEVEL)
                    .await
                    .map_err(failed)?,
            ),
        };
        rejected.write(&self.waiting.rejected).await.map_err(failed)?;
        self.waiting.rejected.clear();
        Ok(())
    }

    /// Makes the rejected object seen; whether there is one.
    pub async fn finish_rejected(&mut self) -> Result<bool, Error> {
        let Some(rejected) = self.rejected.take() else { return Ok(false) };
        rejected.finish().await.map_err(|source| failed(&self.key.rejected(), source))?;
        Ok(true)
    }

    pub async fn finish_clean(self) -> Result<(), Error> {
        self.clean.finish().await.map_err(|source| failed(&self.key.clean(), source))?;
        Ok(())
    }
}

fn failed(key: &Key, source: StoreError) -> Error {
    Error::Write {
        key: key.to_string(),
        source,
    }
}
