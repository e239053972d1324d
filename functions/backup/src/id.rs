//! The `_id` at which a reading stands, as it is kept in a checkpoint.

use base64::{Engine, prelude::BASE64_STANDARD};
use bson::raw::cstr;
use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use serde::{Deserialize, Serialize};

/// An `_id`, as a BSON document with that one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Id(RawDocumentBuf);

impl Id {
    /// The `_id` of a document; `None` when it has none.
    pub fn of(document: &RawDocument) -> Option<Id> {
        let id = document.get("_id").ok()??;
        let mut kept = RawDocumentBuf::new();
        kept.append(cstr!("_id"), RawBson::from(id));
        Some(Id(kept))
    }

    pub fn value(&self) -> RawBsonRef<'_> {
        // It was put in by `of`, or found there by `try_from`.
        self.0.get("_id").ok().flatten().unwrap_or(RawBsonRef::Null)
    }

    pub fn bytes(&self) -> usize {
        self.0.as_bytes().len()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        BASE64_STANDARD.encode(id.0.as_bytes())
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Id, &'static str> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| "expected an `_id` in base64")?;
        let document = RawDocumentBuf::from_bytes(bytes).map_err(|_| "expected an `_id` in BSON")?;
        match document.get("_id") {
            Ok(Some(_)) => Ok(Id(document)),
            _ => Err("expected an `_id`"),
        }
    }
}
