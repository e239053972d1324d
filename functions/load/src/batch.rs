//! A clean object cut into batches: the same object always makes the same ones.

use crate::Error;
use bson::RawDocument;
use lake::{ObjectReader, StoreError};

/// The most documents of a batch.
const DOCUMENTS_MAX: usize = 10_000;

/// The most bytes of a batch, unless a single document is larger.
const BYTES_MAX: usize = 4 << 20;

/// The batch being filled. Its memory is reused from batch to batch.
#[derive(Default)]
pub(crate) struct Batches {
    bytes: Vec<u8>,
    /// Where each document of the batch ends in `bytes`.
    ends: Vec<usize>,
    /// A document that was read but did not fit any more.
    left_over: Vec<u8>,
    filled: u32,
}

impl Batches {
    /// Fills the next batch; `false` when the object has ended.
    pub(crate) async fn fill(&mut self, reader: &mut ObjectReader) -> Result<bool, StoreError> {
        self.bytes.clear();
        self.ends.clear();
        if !self.left_over.is_empty() {
            self.bytes.append(&mut self.left_over);
            self.ends.push(self.bytes.len());
        }
        while self.ends.len() < DOCUMENTS_MAX {
            let Some(document) = reader.next_document().await? else { break };
            if !self.bytes.is_empty() && self.bytes.len() + document.len() > BYTES_MAX {
                self.left_over.extend_from_slice(document);
                break;
            }
            self.bytes.extend_from_slice(document);
            self.ends.push(self.bytes.len());
        }
        let more = !self.ends.is_empty();
        self.filled += u32::from(more);
        Ok(more)
    }

    /// Which batch of the object it is, counted from 0.
    pub(crate) fn ordinal(&self) -> u32 {
        self.filled.saturating_sub(1)
    }

    /// The documents of the batch. `object` is for the error.
    pub(crate) fn documents(&self, object: &str) -> Result<Vec<&RawDocument>, Error> {
        let mut documents = Vec::with_capacity(self.ends.len());
        let mut start = 0;
        for end in &self.ends {
            let bytes = self.bytes.get(start..*end).unwrap_or_default();
            let document = RawDocument::from_bytes(bytes);
            documents.push(document.map_err(|source| Error::NotBson {
                object: object.to_owned(),
                source: Box::new(source),
            })?);
            start = *end;
        }
        Ok(documents)
    }
}
