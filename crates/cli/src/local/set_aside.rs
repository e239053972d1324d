//! What was set aside: the lines of `rejected/` and `refused/`, which read alike, and what they have in common.

use lake::{CleanKey, Key, ObjectReader, Store, StoreError};
use ledger::Fact;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A line of a rejected or refused object, as far as it is shown.
#[derive(Debug, Deserialize)]
#[serde(from = "Line")]
pub struct Reject {
    /// Where in `raw/` it comes from.
    pub capture: Place,
    /// All that is wrong with it: one at least.
    pub faults: Vec<Fault>,
}

#[derive(Debug, Deserialize)]
pub struct Fault {
    pub reason: String,
    pub field: Option<String>,
    pub message: Option<String>,
    /// The JSON as it stands there: no digit is lost.
    pub value: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
pub struct Place {
    pub key: String,
    pub line: u64,
    pub item: u64,
}

/// As it is written: the first fault stands in the line itself too.
#[derive(Deserialize)]
struct Line {
    reason: String,
    field: Option<String>,
    message: Option<String>,
    value: Option<Box<RawValue>>,
    capture: Place,
    #[serde(default)]
    faults: Vec<Fault>,
}

impl From<Line> for Reject {
    fn from(line: Line) -> Reject {
        let mut faults = line.faults;
        if faults.is_empty() {
            faults.push(Fault {
                reason: line.reason,
                field: line.field,
                message: line.message,
                value: line.value,
            });
        }
        Reject {
            capture: line.capture,
            faults,
        }
    }
}

/// Why records were set aside: a reason, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub reason: String,
    pub field: String,
    pub count: u64,
    /// The message of the first record with it.
    pub example: String,
}

/// Objects that reasons are taken from: enough to see what is wrong.
const OBJECTS_MAX: usize = 100;
/// Lines that they are taken from.
const LINES_MAX: usize = 100_000;
/// Reasons told apart. With `unknown_fields: reject`, the names of fields are the source's.
const REASONS_MAX: usize = 1_000;
/// Reasons that are told.
const TOLD_MAX: usize = 5;

/// The objects with what was set aside of a run, for its reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside(Vec<Key>);

impl SetAside {
    /// Notes what a stage set aside of an object.
    pub fn add(&mut self, clean: &CleanKey, fact: &Fact) {
        let key = match fact {
            Fact::Clean(tally) if tally.rejected > 0 => clean.rejected(),
            Fact::Load(tally) if tally.refused > 0 => clean.refused(),
            Fact::Clean(_) | Fact::Load(_) => return,
        };
        if self.0.len() < OBJECTS_MAX {
            self.0.push(key);
        }
    }

    /// The most frequent reasons, as far as the first objects tell them.
    pub async fn reasons(&self, store: &dyn Store) -> Result<Vec<Reason>, StoreError> {
        let (mut counts, mut lines) = (BTreeMap::new(), 0);
        for key in &self.0 {
            match count(store, key, &mut counts, &mut lines).await {
                // It is no less rejected when the reason can't be read.
                Ok(()) | Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut reasons: Vec<Reason> = counts.into_values().collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        reasons.truncate(TOLD_MAX);
        Ok(reasons)
    }
}

async fn count(store: &dyn Store, key: &Key, counts: &mut BTreeMap<(String, String), Reason>, lines: &mut usize) -> Result<(), StoreError> {
    let mut reader = ObjectReader::open(store, key).await?;
    while *lines < LINES_MAX
        && let Some(line) = reader.next_line().await?
    {
        *lines += 1;
        let reject = read(key, line)?;
        for fault in reject.faults {
            let field = fault.field.unwrap_or_default();
            let named = (fault.reason.clone(), field.clone());
            if let Some(reason) = counts.get_mut(&named) {
                reason.count += 1;
            } else if counts.len() < REASONS_MAX {
                let reason = Reason {
                    reason: fault.reason,
                    field,
                    count: 1,
                    example: fault.message.unwrap_or_default(),
                };
                counts.insert(named, reason);
            }
        }
    }
    Ok(())
}

/// Reads a line of the object `key`.
pub fn read(key: &Key, line: &[u8]) -> Result<Reject, StoreError> {
    serde_json::from_slice(line).map_err(|error| StoreError::Damaged {
        key: key.to_string(),
        problem: format!("it holds a line that is not a reject ({error})"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_rejected_and_a_refused_line_read_alike() {
        let key = Key::parse("rejected/p").unwrap();
        let capture = r#""capture":{"key":"raw/p","line":1,"item":2,"at":"x","url":"y"}"#;
        let check = |rest: &str, reasons: &[&str]| {
            let line = format!(r#"{{"reason":"first","field":null,"message":"m","value":12345678901234567890123,{capture}{rest}}}"#);
            let reject = read(&key, line.as_bytes()).unwrap();
            let found: Vec<&str> = reject.faults.iter().map(|fault| fault.reason.as_str()).collect();
            assert_eq!((found.as_slice(), reject.capture.item), (reasons, 2), "{rest}");
            reject.faults[0].value.as_ref().unwrap().get().to_owned()
        };
        assert_eq!(check("", &["first"]), "12345678901234567890123");
        assert_eq!(check(r#","document":{"_id":1}"#, &["first"]), "12345678901234567890123");
        let two = r#","faults":[{"reason":"first","field":"a","message":"m","value":1},{"reason":"second"}]"#;
        assert_eq!(check(two, &["first", "second"]), "1");
        let message = read(&key, b"{}").unwrap_err().to_string();
        assert!(message.contains("rejected/p") && message.contains("not a reject"), "{message}");
    }
}
