//! The store of the cloud: a bucket of S3.
//!
//! Requests are tried again by the SDK, a body that breaks off by `body`, nothing by anybody else. What an identity needs, each on the key
//! prefixes it works with: `s3:GetObject` to read, `s3:PutObject` and `s3:AbortMultipartUpload` to write, `s3:DeleteObject` to delete; and
//! `s3:ListBucket` on the bucket, to list and to be told that an object is not there (else S3 answers 403).

mod body;
mod bucket;
mod parts;
mod refusal;
mod upload;

use crate::store::check_metadata;
use crate::{Key, Metadata, Object, Store, StoreError, Upload, Written};
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ObjectLockMode;
use body::Body;
use bucket::{Bucket, Call, PRECONDITION_FAILED};
use bytes::Bytes;
use std::sync::Arc;
use upload::PartsUpload;

/// S3 tells at most so many keys at once.
const KEYS_MAX: usize = 1_000;

/// Keeps each object in a bucket, under its key.
///
/// The bucket's lifecycle must abort incomplete multipart uploads after some days: what a killed process had uploaded is never seen, but
/// is paid for.
pub struct S3Store {
    bucket: Arc<Bucket>,
    lock_mode: LockMode,
}

/// How firm the lock of an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockMode {
    /// Can be lifted with a permission of its own (`s3:BypassGovernanceRetention`).
    #[default]
    Governance,
    /// Can be lifted by nobody.
    Compliance,
}

impl S3Store {
    /// A store in `bucket`, reached as `config` says. A bucket at an IP address, as an emulator's, is named in the path.
    pub fn new(config: &SdkConfig, bucket: &str) -> S3Store {
        S3Store {
            bucket: Arc::new(Bucket::new(config, bucket)),
            lock_mode: LockMode::default(),
        }
    }

    /// The same, with locks of this mode.
    pub fn with_lock_mode(self, lock_mode: LockMode) -> S3Store {
        S3Store { lock_mode, ..self }
    }
}

impl S3Store {
    /// A put whose answer was lost is sent again by the SDK, and may then be answered that the key is taken: by this very body.
    async fn put(&self, key: &Key, put: PutObjectFluentBuilder, body: Bytes) -> Result<Written, StoreError> {
        let put = put.bucket(&self.bucket.name).key(key.as_str()).if_none_match("*");
        let put = put.body(ByteStream::from(body)).customize().config_override(bucket::patient());
        match put.send().await {
            Ok(_) => Ok(Written::Created),
            Err(error) if bucket::status(&error) == Some(PRECONDITION_FAILED) => Ok(Written::AlreadyThere),
            Err(error) => Err(self.bucket.failed(Call::Write, key.as_str(), &error)),
        }
    }
}

#[async_trait]
impl Store for S3Store {
    async fn get(&self, key: &Key) -> Result<Object, StoreError> {
        Body::open(&self.bucket, key).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Metadata>, StoreError> {
        let sent = self
            .bucket
            .client
            .head_object()
            .bucket(&self.bucket.name)
            .key(key.as_str())
            .send()
            .await;
        match sent {
            Ok(head) => bucket::metadata(key, head.metadata, head.missing_meta).map(Some),
            // An answer to HEAD has no body, so it does not tell a missing bucket from a missing object: that to GET does.
            Err(error) if error.raw_response().is_some_and(|response| !response.status().is_server_error()) => {
                match Body::open(&self.bucket, key).await {
                    Ok(object) => Ok(Some(object.metadata)),
                    Err(StoreError::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(self.bucket.failed(Call::Read, key.as_str(), &error)),
        }
    }

    async fn put_new(&self, key: &Key, metadata: &Metadata, body: Bytes) -> Result<Written, StoreError> {
        check_metadata(key, metadata)?;
        let put = self.bucket.client.put_object().set_metadata(bucket::sent_metadata(metadata));
        self.put(key, put, body).await
    }

    async fn put_locked(&self, key: &Key, body: Bytes, until_ms: i64) -> Result<Written, StoreError> {
        let mode = match self.lock_mode {
            LockMode::Governance => ObjectLockMode::Governance,
            LockMode::Compliance => ObjectLockMode::Compliance,
        };
        let put = self.bucket.client.put_object().object_lock_mode(mode);
        let put = put.object_lock_retain_until_date(DateTime::from_millis(until_ms));
        self.put(key, put, body).await
    }

    async fn upload(&self, key: &Key, metadata: &Metadata) -> Result<Box<dyn Upload>, StoreError> {
        check_metadata(key, metadata)?;
        Ok(Box::new(PartsUpload::new(self.bucket.clone(), key.clone(), metadata.clone())))
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let sent = self
            .bucket
            .client
            .delete_object()
            .bucket(&self.bucket.name)
            .key(key.as_str())
            .send()
            .await;
        sent.map(|_| ())
            .map_err(|error| self.bucket.failed(Call::Delete, key.as_str(), &error))
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let mut keys: Vec<Key> = Vec::new();
        let mut last = after.map(Key::to_string);
        while keys.len() < limit {
            let sent = self
                .bucket
                .client
                .list_objects_v2()
                .bucket(&self.bucket.name)
                .prefix(prefix)
                .set_start_after(last.clone())
                .max_keys((limit - keys.len()).min(KEYS_MAX) as i32)
                .send()
                .await;
            let page = sent.map_err(|error| self.bucket.failed(Call::List, prefix, &error))?;
            let names = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            let before = last.clone();
            for name in names {
                // What is not a key was put there by somebody else: a folder made in the console, a file with a space in its name.
                keys.extend(Key::parse(&name));
                last = Some(name);
            }
            if page.is_truncated != Some(true) {
                break;
            }
            if last == before {
                let problem = "S3 says that there are more keys, and tells none";
                return Err(self.bucket.broken(Call::List, prefix, problem));
            }
        }
        Ok(keys)
    }
}
