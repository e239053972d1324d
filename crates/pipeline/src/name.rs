//! Names of pipelines, resources, fields and collections: they become keys in the lake, so they are narrow.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A pipeline's, resource's or collection's name: a lower-case letter, then lower-case letters, digits, `_` or `-`; at most 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Checks `text` against the rule of [`Name`].
    pub fn new(text: impl Into<String>) -> Result<Name, NameError> {
        let text = text.into();
        let mut bytes = text.bytes();
        let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if starts && goes_on && text.len() <= 63 {
            Ok(Name(text))
        } else {
            Err(NameError(text))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Name, NameError> {
        Name::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

/// A text that is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name: it must start with a lower-case letter and hold only lower-case letters, digits, `_` and `-`, 63 at most")]
pub struct NameError(pub String);
