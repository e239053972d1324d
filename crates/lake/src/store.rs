//! The port to where objects are kept: a directory on a laptop, S3 in the cloud.

use crate::Key;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What an object says of itself beside its bytes: short ASCII texts, 2 KB in all (the limit of S3).
pub type Metadata = BTreeMap<String, String>;

/// An object being read.
pub struct Object {
    pub metadata: Metadata,
    /// The length of the body in bytes, as stored (compressed).
    pub size: u64,
    pub body: Box<dyn ChunkStream>,
}

/// Bytes that come in chunks of at most 1 MB.
#[async_trait]
pub trait ChunkStream: Send {
    /// The next chunk; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError>;
}

/// An object being written: nothing is seen of it until `finish`. After an error it can only be dropped.
#[async_trait]
pub trait Upload: Send {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError>;
    /// Makes the object seen, and durable. Dropped without it, nothing stays.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

/// What became of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Created,
    /// The key was taken (`If-None-Match`, 412): the object there stays as it is.
    AlreadyThere,
}

/// Where objects are kept. All writes are whole or not at all, and durable when they return.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens an object; [`StoreError::NotFound`] when there is none.
    async fn get(&self, key: &Key) -> Result<Object, StoreError>;

    /// An object's metadata, or `None` when there is none.
    async fn head(&self, key: &Key) -> Result<Option<Metadata>, StoreError>;

    /// Writes an object at once, only if the key is free.
    async fn put_new(&self, key: &Key, metadata: &Metadata, body: Bytes) -> Result<Written, StoreError>;

    /// Writes an object at once, only if the key is free, and locks it until then (milliseconds since 1970) where the store can: S3 with Object Lock, by
    /// which nobody can delete or overwrite it before. A directory can't lock: there it is only written once.
    async fn put_locked(&self, key: &Key, body: Bytes, until_ms: i64) -> Result<Written, StoreError>;

    /// Starts an object that is written in chunks, over whatever is there: for outputs that are the same bytes each time.
    async fn upload(&self, key: &Key, metadata: &Metadata) -> Result<Box<dyn Upload>, StoreError>;

    /// Takes an object away; well too when there is none. Only for outputs (`clean/`, `rejected/`, `refused/`): `raw/` is never deleted by us.
    async fn delete(&self, key: &Key) -> Result<(), StoreError>;

    /// The keys that start with `prefix`, in byte order, at most `limit`, after `after`.
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError>;
}

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no object `{key}`")]
    NotFound { key: String },
    #[error("could not {action} the object `{key}`")]
    Io {
        action: &'static str,
        key: String,
        source: std::io::Error,
    },
    /// The bytes are not what this key should hold.
    #[error("the object `{key}` is damaged: {problem}")]
    Damaged { key: String, problem: String },
    #[error("the metadata of `{key}` is refused: {problem}")]
    Metadata { key: String, problem: &'static str },
    /// Trying again does not help: somebody must put a permission, a name, a region or credentials right.
    #[error("could not {action} `{key}` in the bucket `{bucket}`: {problem}")]
    Denied {
        action: &'static str,
        key: String,
        // Boxed, so that an error is no larger for it.
        bucket: Box<str>,
        /// What is wrong, and what to do about it.
        problem: Box<str>,
    },
}

/// S3's limit of names and values together.
const METADATA_BYTES_MAX: usize = 2_048;

/// Only files that are zstd streams can carry metadata on a disk, so no other object has any.
pub(crate) fn can_have_metadata(key: &Key) -> bool {
    key.as_str().ends_with(".zst")
}

/// What every store checks before it writes, so that what works on a laptop works in the cloud, and the other way round.
pub(crate) fn check_metadata(key: &Key, metadata: &Metadata) -> Result<(), StoreError> {
    let problem = if metadata.is_empty() {
        return Ok(());
    } else if !can_have_metadata(key) {
        "only a key that ends in `.zst` can have metadata"
    } else if metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > METADATA_BYTES_MAX {
        "names and values are over 2048 bytes in all"
    } else if !metadata.keys().all(|name| is_name(name)) {
        "expected names of lower-case letters, digits, `-` and `_`"
    } else if !metadata.values().all(|value| is_value(value)) {
        "expected values of printable ASCII without spaces at the ends"
    } else {
        return Ok(());
    };
    Err(StoreError::Metadata {
        key: key.to_string(),
        problem,
    })
}

/// What S3 keeps as it is: it makes names lower-case.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// What S3 keeps as it is: HTTP takes away spaces around a header's value.
fn is_value(value: &str) -> bool {
    value.trim() == value && value.bytes().all(|b| matches!(b, 0x20..=0x7e))
}
