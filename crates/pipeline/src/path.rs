//! Paths into a JSON document: `properties.mag`, `geometry.coordinates[2]`, `$.features[*]`, `["odd.key"].x`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The start of a path that reads the record around an unnested item.
const PARENT: &str = "$parent";

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The member of an object with this key.
    Key(String),
    /// The item of a list at this place, counted from 0.
    Index(usize),
    /// Every item of a list. Only a `data_selector` may hold it.
    Each,
}

/// A path into a JSON document. A leading `$` or `$.` names the document itself and may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path {
    pub steps: Vec<Step>,
}

/// A text that is not a [`Path`]: `at` is the byte where reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path (at character {at}): {expected}")]
pub struct PathError {
    pub text: String,
    pub at: usize,
    pub expected: &'static str,
}

impl Path {
    /// Reads a path; see the module's head for the forms. `$parent` at its start is a first step with that key: see [`Path::parent`].
    pub fn parse(text: &str) -> Result<Path, PathError> {
        if let Some(rest) = text.strip_prefix(PARENT)
            && (rest.is_empty() || rest.starts_with(['.', '[']))
        {
            let mut path = Path::parse(&format!("${rest}")).map_err(|error| PathError {
                text: text.to_owned(),
                at: error.at + PARENT.len() - 1,
                expected: error.expected,
            })?;
            path.steps.insert(0, Step::Key(PARENT.to_owned()));
            return Ok(path);
        }
        let fail = |at, expected| PathError {
            text: text.to_owned(),
            at,
            expected,
        };
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        if rest.is_empty() && text.is_empty() {
            return Err(fail(0, "expected a key, or `$` for the whole document"));
        }
        let mut first = !text.starts_with('$');
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = bracket(inner).ok_or_else(|| fail(at, "expected `[0]`, `[*]` or `[\"key\"]`"))?;
                steps.push(step);
                rest = after;
            } else {
                let keyed = match rest.strip_prefix('.') {
                    Some(keyed) if !first => keyed,
                    None if first => rest,
                    _ => return Err(fail(at, "expected `.key` or `[…]`")),
                };
                let end = keyed.find(['.', '[']).unwrap_or(keyed.len());
                let (key, after) = keyed.split_at(end);
                if key.is_empty() || key.contains([']', '"', '*']) {
                    return Err(fail(text.len() - keyed.len(), "expected a key; write odd keys as `[\"odd.key\"]`"));
                }
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            }
            first = false;
        }
        if steps.first() == Some(&Step::Key(PARENT.to_owned())) {
            return Err(fail(
                0,
                "a key called `$parent` cannot start a path: the word stands for the record around an item",
            ));
        }
        Ok(Path { steps })
    }

    /// The path of one key.
    pub fn key(key: impl Into<String>) -> Path {
        Path {
            steps: vec![Step::Key(key.into())],
        }
    }

    /// For a path that starts with `$parent`: the rest of it, to be read from the record around an unnested item.
    pub fn parent(&self) -> Option<Path> {
        match self.steps.split_first() {
            Some((Step::Key(key), rest)) if key == PARENT => Some(Path { steps: rest.to_vec() }),
            _ => None,
        }
    }

    /// Whether any step is `[*]`.
    pub fn has_each(&self) -> bool {
        self.steps.contains(&Step::Each)
    }
}

/// What follows a `[`: the step, and the text after the `]`.
fn bracket(inner: &str) -> Option<(Step, &str)> {
    if let Some(after) = inner.strip_prefix("*]") {
        return Some((Step::Each, after));
    }
    if inner.starts_with('"') {
        let mut keys = serde_json::Deserializer::from_str(inner).into_iter::<String>();
        let key = keys.next()?.ok()?;
        let after = inner.get(keys.byte_offset()..)?.strip_prefix(']')?;
        return Some((Step::Key(key), after));
    }
    let (digits, after) = inner.split_once(']')?;
    Some((Step::Index(digits.parse().ok()?), after))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = self.parent();
        f.write_str(if parent.is_some() { PARENT } else { "$" })?;
        for step in &parent.as_ref().unwrap_or(self).steps {
            match step {
                Step::Key(key) if !key.is_empty() && !key.contains(['.', '[', ']', '"', '*', '$', '\\']) => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;
    fn try_from(text: String) -> Result<Path, PathError> {
        Path::parse(&text)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.to_string()
    }
}
