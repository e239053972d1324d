//! The lake: the keys of its objects, what is in them, and the store that keeps them.
//!
//! `key`, `capture`, `json`, `zst` are pure; `store` is the port, `directory` its embedded implementation.

pub mod capture;
pub mod json;
pub mod key;
pub mod store;

pub use capture::{Body, BodyForm, Capture, CaptureError, CaptureHead, Piece, write_capture};
pub use key::{CleanKey, DefinitionKey, Key, KeyError, Part, RawKey, RunId, Zone};
pub use store::{ChunkStream, Metadata, Object, Store, StoreError, Upload, Written};
