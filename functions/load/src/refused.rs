//! `refused/`: the documents that the store would not take, with its words.

use crate::Error;
use bson::RawDocument;
use documents::{Refusal, extended_json};
use lake::{Key, Metadata, ObjectWriter, Store, ZSTD_LEVEL};

/// The refused object, made when there is something to put in it.
pub(crate) struct Refused<'a> {
    store: &'a dyn Store,
    key: Key,
    writer: Option<ObjectWriter>,
}

impl<'a> Refused<'a> {
    pub(crate) fn new(store: &'a dyn Store, key: Key) -> Refused<'a> {
        Refused { store, key, writer: None }
    }

    /// Adds a line a refusal: `{"message": …, "document": …}`, the document in relaxed Extended JSON.
    pub(crate) async fn add(&mut self, documents: &[&RawDocument], refusals: &[Refusal]) -> Result<(), Error> {
        for refusal in refusals {
            let Some(document) = documents.get(refusal.index) else { continue };
            let text = extended_json::relaxed(document);
            let text = text.map_err(|source| Error::NotBson {
                object: self.key.to_string(),
                source: Box::new(source),
            })?;
            let line = format!(
                "{{\"message\":{},\"document\":{text}}}\n",
                serde_json::Value::from(refusal.message.as_str())
            );
            let writer = match self.writer.take() {
                Some(writer) => writer,
                None => ObjectWriter::create(self.store, &self.key, &Metadata::new(), ZSTD_LEVEL).await?,
            };
            self.writer.insert(writer).write(line.as_bytes()).await?;
        }
        Ok(())
    }

    /// Makes the object seen, if there is one.
    pub(crate) async fn finish(self) -> Result<bool, Error> {
        match self.writer {
            Some(writer) => writer.finish().await.map(|_| true).map_err(Error::from),
            None => Ok(false),
        }
    }
}
