//! What a raw object's metadata says: the definition it was fetched under, what is in it, and where paging stood after it.

use crate::{Key, Metadata, StoreError};
use std::fmt::Write as _;
use std::str::FromStr;

/// The metadata of an object under `raw/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMetadata {
    /// The SHA-256 of the definition it was fetched under, 64 hexadecimal digits.
    pub definition: String,
    /// The definition's generation.
    pub generation: u32,
    /// How many captures the object holds.
    pub captures: u64,
    /// How many bytes they are, before compression.
    pub bytes: u64,
    /// When the first of them was received, milliseconds since 1970.
    pub at_ms: i64,
    /// The paging state after this object, JSON. A worker that finds the object already there goes on from it.
    pub state: Option<String>,
    /// On the marker at a run's end only: how many parts came before it.
    pub parts: Option<u32>,
}

impl RawMetadata {
    /// As the store takes it. A state too long for it is refused there, by [`StoreError::Metadata`].
    pub fn to_metadata(&self) -> Metadata {
        let mut metadata = Metadata::from([
            ("definition".to_owned(), self.definition.clone()),
            ("generation".to_owned(), self.generation.to_string()),
            ("captures".to_owned(), self.captures.to_string()),
            ("bytes".to_owned(), self.bytes.to_string()),
            ("at".to_owned(), self.at_ms.to_string()),
        ]);
        if let Some(state) = &self.state {
            metadata.insert("state".to_owned(), printable(state));
        }
        if let Some(parts) = self.parts {
            metadata.insert("parts".to_owned(), parts.to_string());
        }
        metadata
    }

    /// Reads the metadata of the object `key`.
    pub fn from_metadata(key: &Key, metadata: &Metadata) -> Result<RawMetadata, StoreError> {
        let fields = Fields { key, metadata };
        Ok(RawMetadata {
            definition: fields.definition()?,
            generation: fields.number("generation")?,
            captures: fields.number("captures")?,
            bytes: fields.number("bytes")?,
            at_ms: fields.number("at")?,
            state: metadata.get("state").cloned(),
            parts: metadata.get("parts").map(|_| fields.number("parts")).transpose()?,
        })
    }
}

struct Fields<'a> {
    key: &'a Key,
    metadata: &'a Metadata,
}

impl Fields<'_> {
    fn definition(&self) -> Result<String, StoreError> {
        let definition = self.text("definition")?;
        if definition.len() == 64 && definition.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(definition.to_owned())
        } else {
            Err(self.damaged("definition", "64 lower-case hexadecimal digits"))
        }
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.text(name)?
            .parse()
            .map_err(|_| self.damaged(name, "a whole number in its range"))
    }

    fn text(&self, name: &str) -> Result<&str, StoreError> {
        let text = self.metadata.get(name).ok_or_else(|| self.damaged(name, "to be there"))?;
        Ok(text)
    }

    fn damaged(&self, name: &str, expected: &str) -> StoreError {
        StoreError::Damaged {
            key: self.key.to_string(),
            problem: format!("`{name}` of its metadata: expected {expected}"),
        }
    }
}

/// The same JSON in printable ASCII: only strings hold other characters, and those can be escaped; white space is of no account.
fn printable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.trim().chars() {
        if c < ' ' {
            text.push(' ');
        } else if c.is_ascii() && c != '\u{7f}' {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string can't fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    fn example() -> RawMetadata {
        RawMetadata {
            definition: "0123456789abcdef".repeat(4),
            generation: 3,
            captures: 12,
            bytes: 3_456,
            at_ms: 1_700_000_000_000,
            state: Some(r#"{"page":2}"#.to_owned()),
            parts: Some(0),
        }
    }

    fn key() -> Key {
        Key::parse("raw/a").unwrap()
    }

    #[test]
    fn it_comes_back() {
        for metadata in [
            example(),
            RawMetadata {
                state: None,
                parts: None,
                ..example()
            },
        ] {
            assert_eq!(RawMetadata::from_metadata(&key(), &metadata.to_metadata()).unwrap(), metadata);
        }
    }

    #[test]
    fn a_state_becomes_ascii_and_means_the_same() {
        let state = "\n{\"cursor\":\t\"Zürich \u{1f30d}\\u00e9\u{7f}\"}\n".to_owned();
        let raw = RawMetadata {
            state: Some(state.clone()),
            ..example()
        };
        let metadata = raw.to_metadata();
        assert!(metadata["state"].bytes().all(|b| (0x20..0x7f).contains(&b)));
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&metadata["state"]), value(&state));
    }

    #[test]
    fn damage_names_the_object_and_the_entry() {
        for (name, value) in [
            ("definition", "0123"),
            ("generation", "-1"),
            ("captures", ""),
            ("at", "1.5"),
            ("parts", "x"),
        ] {
            let mut metadata = example().to_metadata();
            metadata.insert(name.to_owned(), value.to_owned());
            let message = RawMetadata::from_metadata(&key(), &metadata).unwrap_err().to_string();
            assert!(message.contains("raw/a") && message.contains(name), "{message}");
        }
        for name in ["definition", "generation", "captures", "bytes", "at"] {
            let mut metadata = example().to_metadata();
            metadata.remove(name);
            assert!(RawMetadata::from_metadata(&key(), &metadata).is_err());
        }
    }
}
