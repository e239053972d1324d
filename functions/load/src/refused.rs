//! `refused/`: the documents that the store would not take, with its words.

use crate::Error;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf, spec::BinarySubtype};
use documents::{Refusal, extended_json};
use lake::{CleanKey, Key, Metadata, ObjectWriter, Part, RawKey, Store, ZSTD_LEVEL, zst::LINE_BYTES_MAX};
use ledger::{Place, Rank};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap};

/// The most bytes of an `_id` beside a document that is too long to be repeated.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// The refused object, made when there is something to put in it.
pub(crate) struct Refused<'a> {
    store: &'a dyn Store,
    clean: &'a CleanKey,
    key: Key,
    writer: Option<ObjectWriter>,
}

/// A line: what `rejected/` says of a record, and the document in relaxed Extended JSON.
#[derive(Serialize)]
struct Line<'a> {
    reason: &'static str,
    field: &'static str,
    message: Cow<'a, str>,
    /// The document's `_id`.
    value: Option<Box<RawValue>>,
    /// Where in `raw/` it comes from.
    capture: Capture,
    document: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Capture {
    key: String,
    line: u32,
    item: u32,
}

impl<'a> Refused<'a> {
    pub(crate) fn new(store: &'a dyn Store, clean: &'a CleanKey) -> Refused<'a> {
        Refused {
            store,
            clean,
            key: clean.refused(),
            writer: None,
        }
    }

    /// Adds a line a refusal.
    pub(crate) async fn add(&mut self, documents: &[&RawDocument], refusals: &[Refusal]) -> Result<(), Error> {
        for refusal in refusals {
            let Some(document) = documents.get(refusal.index) else { continue };
            let mut line = self.line(document, &refusal.message)?;
            line.push(b'\n');
            let writer = match self.writer.take() {
                Some(writer) => writer,
                None => ObjectWriter::create(self.store, &self.key, &Metadata::new(), ZSTD_LEVEL).await?,
            };
            self.writer.insert(writer).write(&line).await?;
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

    fn line(&self, document: &RawDocument, message: &str) -> Result<Vec<u8>, Error> {
        let value = match document.get("_id").map_err(|source| self.not_bson(source))? {
            Some(id) => Some(self.value(id)?),
            None => None,
        };
        let text = extended_json::relaxed(document).map_err(|source| self.not_bson(source))?;
        let mut line = Line {
            reason: "refused",
            field: "_id",
            message: Cow::Borrowed(message),
            value,
            capture: self.capture(place(document)),
            document: Some(RawValue::from_string(text).map_err(|source| self.not_bson(source))?),
        };
        let written = serde_json::to_vec(&line).map_err(|source| self.not_bson(source))?;
        if written.len() <= LINE_BYTES_MAX {
            return Ok(written);
        }
        // Its escapes make it longer than a line that is ever read again.
        line.document = None;
        line.value = line.value.filter(|value| value.get().len() <= VALUE_BYTES_MAX);
        line.message = Cow::Owned(format!("{message} (it is too long to be repeated here: see it in raw/)"));
        serde_json::to_vec(&line).map_err(|source| self.not_bson(source))
    }

    /// One value in relaxed Extended JSON.
    fn value(&self, value: RawBsonRef<'_>) -> Result<Box<RawValue>, Error> {
        let mut around = RawDocumentBuf::new();
        around.append(bson::cstr!("v"), value);
        let text = extended_json::relaxed(&around).map_err(|source| self.not_bson(source))?;
        let values: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).map_err(|source| self.not_bson(source))?;
        Ok(values.into_values().next().unwrap_or_default())
    }

    fn capture(&self, place: Option<Place>) -> Capture {
        let raw = match &place {
            Some(place) => RawKey {
                run: place.run,
                part: Part::Number(place.part),
                ..self.clean.raw.clone()
            },
            None => self.clean.raw.clone(),
        };
        Capture {
            key: raw.key().to_string(),
            line: place.map_or(0, |place| place.line),
            item: place.map_or(0, |place| place.item),
        }
    }

    fn not_bson(&self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::NotBson {
            object: self.clean.clean().to_string(),
            source: Box::new(source),
        }
    }
}

/// The place in `raw/` that the document's rank holds.
fn place(document: &RawDocument) -> Option<Place> {
    let stamp = document.get_document("_tidemill").ok()?;
    let rank = stamp.get_binary("rank").ok()?;
    let generic = rank.subtype == BinarySubtype::Generic;
    generic.then(|| Rank::from_slice(rank.bytes))??.place()
}
