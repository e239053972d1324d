//! What a clean object says of itself.

use crate::{Key, Metadata, StoreError};

/// The definition a clean object was made under; for the marker of a `replace` run, the number of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanMetadata {
    /// The SHA-256 of the definition, 64 hexadecimal digits.
    pub definition: String,
    pub generation: u32,
    /// Only on the marker: how many parts the run has.
    pub parts: Option<u32>,
}

impl CleanMetadata {
    pub fn to_metadata(&self) -> Metadata {
        let mut metadata = Metadata::from([
            ("definition".into(), self.definition.clone()),
            ("generation".into(), self.generation.to_string()),
        ]);
        if let Some(parts) = self.parts {
            metadata.insert("parts".into(), parts.to_string());
        }
        metadata
    }

    /// Reads it back; `key` is for the error.
    pub fn from_metadata(key: &Key, metadata: &Metadata) -> Result<CleanMetadata, StoreError> {
        let damaged = |what: &str| StoreError::Damaged {
            key: key.to_string(),
            problem: format!("its metadata has no good `{what}`"),
        };
        let number = |what: &str| {
            metadata
                .get(what)
                .map(|text| text.parse::<u32>().map_err(|_| damaged(what)))
                .transpose()
        };
        Ok(CleanMetadata {
            definition: metadata.get("definition").cloned().ok_or_else(|| damaged("definition"))?,
            generation: number("generation")?.ok_or_else(|| damaged("generation"))?,
            parts: number("parts")?,
        })
    }
}
