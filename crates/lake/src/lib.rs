//! The lake: the keys of its objects, what is in them, and the store that keeps them.
//!
//! `key`, `capture`, `json` and `*_metadata` are pure; `store` is the port, `directory` and `s3` its implementations; `zst` reads and writes
//! the store's objects as streams, `definitions` the published pipeline files.

pub mod capture;
pub mod clean_metadata;
pub mod definitions;
pub mod directory;
pub mod json;
pub mod key;
pub mod raw_metadata;
#[cfg(feature = "s3")]
pub mod s3;
pub mod store;
pub mod zst;

pub use capture::{Body, BodyForm, Capture, CaptureError, CaptureHead, Piece, write_capture};
pub use clean_metadata::CleanMetadata;
pub use definitions::{DefinitionError, Definitions};
pub use directory::DirectoryStore;
pub use key::{CleanKey, DefinitionKey, Key, KeyError, Part, RawKey, RunId, Zone};
pub use raw_metadata::RawMetadata;
pub use store::{ChunkStream, Metadata, Object, Store, StoreError, Upload, Written};
pub use zst::{Capped, Compressor, ObjectReader, ObjectWriter, ZSTD_LEVEL};
