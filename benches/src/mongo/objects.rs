//! Clean objects as batches of raw documents, of the sizes that `load` makes.

use anyhow::Result;
use bson::RawDocument;
use lake::ObjectReader;

const DOCUMENTS_MAX: usize = 10_000;
const BYTES_MAX: usize = 4 << 20;

/// Documents of one clean object.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Fills it anew; `false` when the object has ended. The last document may go over the bound.
    pub async fn fill(&mut self, reader: &mut ObjectReader) -> Result<bool> {
        self.bytes.clear();
        self.ends.clear();
        while self.ends.len() < DOCUMENTS_MAX && self.bytes.len() < BYTES_MAX {
            let Some(document) = reader.next_document().await? else { break };
            self.bytes.extend_from_slice(document);
            self.ends.push(self.bytes.len());
        }
        Ok(!self.ends.is_empty())
    }

    pub fn documents(&self) -> Result<Vec<&RawDocument>> {
        let mut documents = Vec::with_capacity(self.ends.len());
        let mut start = 0;
        for end in &self.ends {
            documents.push(RawDocument::from_bytes(self.bytes.get(start..*end).unwrap_or_default())?);
            start = *end;
        }
        Ok(documents)
    }
}
