//! An object written as a stream: compressed, uploaded in chunks, seen only when finished.

use super::Compressor;
use crate::{Key, Metadata, Store, StoreError, Upload};
use std::io;

/// Chunks of about this many bytes go to the store.
const CHUNK_BYTES: usize = 512 * 1024;

/// Writes one compressed object. The object depends on the bytes written only, not on how the writes were split. Dropped before
/// [`ObjectWriter::finish`], nothing of it stays.
pub struct ObjectWriter {
    key: Key,
    compressor: Compressor,
    upload: Box<dyn Upload>,
}

impl ObjectWriter {
    pub async fn create(store: &dyn Store, key: &Key, metadata: &Metadata, level: i32) -> Result<ObjectWriter, StoreError> {
        Ok(ObjectWriter {
            compressor: Compressor::new(level).map_err(|source| compress_error(key, source))?,
            upload: store.upload(key, metadata).await?,
            key: key.clone(),
        })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        // In parts, so that a chunk stays small however much is written at once.
        for part in bytes.chunks(CHUNK_BYTES) {
            self.compressor.push(part).map_err(|source| compress_error(&self.key, source))?;
            if let Some(chunk) = self.compressor.take(CHUNK_BYTES) {
                self.upload.write(chunk).await?;
            }
        }
        Ok(())
    }

    /// How many bytes were written, before compression.
    pub fn uncompressed(&self) -> u64 {
        self.compressor.uncompressed()
    }

    /// Makes the object seen, and durable. Returns how many bytes were written, before compression.
    pub async fn finish(mut self) -> Result<u64, StoreError> {
        let bytes = self.compressor.uncompressed();
        let rest = self.compressor.finish().map_err(|source| compress_error(&self.key, source))?;
        self.upload.write(rest).await?;
        self.upload.finish().await?;
        Ok(bytes)
    }
}

fn compress_error(key: &Key, source: io::Error) -> StoreError {
    StoreError::Io {
        action: "compress",
        key: key.to_string(),
        source,
    }
}
