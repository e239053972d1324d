//! What a function is told to do: the messages of each function, and the envelopes they come in. Pure.
//!
//! A body is one of: a message of ours; the bucket's "Object Created" event through EventBridge, whose key is verbatim; the bucket's direct
//! notification, whose keys are form-encoded; a schedule's text.

mod backup;
mod envelope;
mod form;
mod message;

pub use backup::{BackupMessage, BackupTask};
pub use form::{form_decode, form_encode};
pub use message::{CleanMessage, DefinitionChoice, ExtractMessage, LoadMessage, RequestedBy, SCHEDULED_TIME, WatchMessage};

use lake::KeyError;

/// Where a body comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The only bucket whose events are ours. `None` (the embedded adapters): an event's bucket says nothing.
    pub lake_bucket: Option<&'a str>,
    /// When the message was sent, milliseconds since 1970.
    pub sent_ms: i64,
}

/// A message of a function.
pub trait Message: Sized {
    /// What a body says: several messages where it is a notification of several objects, none where it asks for nothing.
    fn parse(body: &str, origin: &Origin<'_>) -> Result<Vec<Self>, EventError>;

    /// What the message is about, for the log.
    fn subject(&self) -> Subject;
}

/// What a message is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub pipeline: Option<String>,
    pub resource: Option<String>,
    pub run: Option<String>,
    /// The key of the object.
    pub object: Option<String>,
}

/// A body that is no message of the function.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("the message is not JSON, expected {expected}")]
    NotJson {
        expected: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("the message has not the shape of {what}, expected {expected}")]
    Shape {
        what: &'static str,
        expected: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("the message is of an unknown kind, expected {expected}")]
    Kind { expected: &'static str },
    #[error("the message is incomplete: {problem}")]
    Rule { problem: &'static str },
    #[error("`{found}` is not a time, expected RFC 3339 like `2026-11-24T10:00:00Z`, or `<aws.scheduler.scheduled-time>`")]
    Time { found: String },
    #[error("the event is of the bucket `{found}`, expected the lake `{expected}`: look at the rule or the notification that sends here")]
    Bucket { found: String, expected: String },
    #[error("the key `{key}` of an S3 notification is not form-encoded: expected `%` to be followed by two hexadecimal digits, and UTF-8")]
    Encoding { key: String },
    #[error("the object is not one this function works on")]
    Object(#[from] KeyError),
    #[error("the S3 notification is of version `{found}`, expected 2.x: its shape may differ")]
    Version { found: String },
}
