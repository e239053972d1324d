//! The lines of `rejected/`, read without our own code. A record stands there as it came: a number out of any range and half a surrogate pair
//! included, so it is kept as text.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A line of `rejected/`.
#[derive(Debug, Deserialize)]
pub struct Rejected {
    pub reason: String,
    pub field: Option<String>,
    pub message: String,
    pub record: Box<RawValue>,
    pub capture: Origin,
    pub faults: Vec<Broken>,
}

/// Where a record came from.
#[derive(Debug, Deserialize)]
pub struct Origin {
    /// The raw object's key.
    pub key: String,
    /// The capture's line in it, counted from 1.
    pub line: usize,
    /// The record's place in the capture, counted from 0.
    pub item: usize,
    pub url: String,
}

/// One of a record's faults.
#[derive(Debug, Deserialize)]
pub struct Broken {
    pub reason: String,
    pub field: Option<String>,
    pub message: String,
}

impl Rejected {
    /// Reads a line, and checks that it has reasons and that its first one is said up front.
    pub fn read(line: &str) -> Rejected {
        let rejected: Rejected = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let first = rejected.faults.first().expect("a reject without a fault");
        assert_eq!(
            (&first.reason, &first.field, &first.message),
            (&rejected.reason, &rejected.field, &rejected.message)
        );
        assert!(
            !rejected.reason.is_empty() && !rejected.message.is_empty() && !rejected.capture.key.is_empty(),
            "{line}"
        );
        rejected
    }

    /// The record as a value.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(self.record.get()).unwrap()
    }
}
