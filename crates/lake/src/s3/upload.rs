//! An object being written: in parts, which S3 shows as one object when the last has come.

use super::bucket::{self, Bucket, Call};
use super::parts;
use crate::{Key, Metadata, StoreError, Upload};
use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::{Buf, Bytes, BytesMut};
use std::sync::Arc;

/// Memory: one part (8 MB until the object is over 19.5 GB), and the chunk that is being written.
///
/// Dropped before `finish`, what was uploaded is aborted in the background, as far as the process lives; the bucket's lifecycle does the rest.
pub(super) struct PartsUpload {
    bucket: Arc<Bucket>,
    key: Key,
    metadata: Metadata,
    /// The part being filled.
    part: BytesMut,
    /// Of the multipart upload; `None` as long as all fits into one part.
    id: Option<String>,
    done: Vec<CompletedPart>,
    /// In those parts.
    done_bytes: u64,
}

impl PartsUpload {
    pub(super) fn new(bucket: Arc<Bucket>, key: Key, metadata: Metadata) -> PartsUpload {
        PartsUpload {
            bucket,
            key,
            metadata,
            part: BytesMut::new(),
            id: None,
            done: Vec::new(),
            done_bytes: 0,
        }
    }

    async fn start(&mut self) -> Result<String, StoreError> {
        let sent = self
            .bucket
            .client
            .create_multipart_upload()
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .set_metadata(bucket::sent_metadata(&self.metadata))
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            // One checksum of the whole object, so that whoever reads it can check it.
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await;
        let started = sent.map_err(|error| self.bucket.failed(Call::Write, self.key.as_str(), &error))?;
        started.upload_id.ok_or_else(|| self.broken("S3 gave the upload no id"))
    }

    async fn send_part(&mut self) -> Result<(), StoreError> {
        let id = match self.id.clone() {
            Some(id) => id,
            None => self.start().await?,
        };
        self.id = Some(id.clone());
        let part = self.part.split().freeze();
        let number = self.done.len() as i32 + 1;
        let bytes = part.len() as u64;
        let sent = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .upload_id(id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(part))
            .customize()
            .config_override(bucket::patient())
            .send()
            .await;
        let sent = sent.map_err(|error| self.bucket.failed(Call::Write, self.key.as_str(), &error))?;
        self.done.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .build(),
        );
        self.done_bytes += bytes;
        Ok(())
    }

    async fn complete(&mut self, id: String) -> Result<(), StoreError> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(std::mem::take(&mut self.done)))
            .build();
        let sent = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .upload_id(id)
            .multipart_upload(parts)
            .checksum_type(ChecksumType::FullObject)
            .set_mpu_object_size(i64::try_from(self.done_bytes).ok())
            .customize()
            // S3 may think for minutes about a large one.
            .config_override(bucket::patient())
            .send()
            .await;
        sent.map(|_| ())
            .map_err(|error| self.bucket.failed(Call::Write, self.key.as_str(), &error))
    }

    /// All in one request.
    async fn put(&mut self) -> Result<(), StoreError> {
        let sent = self
            .bucket
            .client
            .put_object()
            .bucket(&self.bucket.name)
            .key(self.key.as_str())
            .set_metadata(bucket::sent_metadata(&self.metadata))
            .body(ByteStream::from(self.part.split().freeze()))
            .customize()
            .config_override(bucket::patient())
            .send()
            .await;
        sent.map(|_| ())
            .map_err(|error| self.bucket.failed(Call::Write, self.key.as_str(), &error))
    }

    fn broken(&self, problem: &str) -> StoreError {
        self.bucket.broken(Call::Write, self.key.as_str(), problem)
    }
}

#[async_trait]
impl Upload for PartsUpload {
    async fn write(&mut self, mut chunk: Bytes) -> Result<(), StoreError> {
        while !chunk.is_empty() {
            let Some(part_bytes) = parts::part_bytes(self.done.len()) else {
                return Err(StoreError::Denied {
                    action: Call::Write.action(),
                    key: self.key.to_string(),
                    bucket: self.bucket.name.as_str().into(),
                    problem: format!(
                        "it is larger than {} bytes, the most that is written as one object",
                        parts::OBJECT_BYTES_MAX
                    )
                    .into(),
                });
            };
            let room = part_bytes.saturating_sub(self.part.len());
            if room == 0 {
                self.send_part().await?;
                continue;
            }
            if self.id.is_some() {
                // There will be a whole part of it, most likely: growing to it would copy, and need half as much again.
                self.part.reserve(room);
            }
            let taken = room.min(chunk.len());
            self.part.extend_from_slice(chunk.get(..taken).unwrap_or_default());
            chunk.advance(taken);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        let Some(id) = self.id.clone() else {
            return self.put().await;
        };
        if !self.part.is_empty() {
            self.send_part().await?;
        }
        self.complete(id).await?;
        // Nothing to abort any more.
        self.id = None;
        Ok(())
    }
}

impl Drop for PartsUpload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        // Outside a runtime there is nobody to send it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let abort = self.bucket.client.abort_multipart_upload().bucket(&self.bucket.name);
        let abort = abort.key(self.key.as_str()).upload_id(id);
        // An error changes nothing for anybody: the bucket's lifecycle comes to it.
        runtime.spawn(async move { _ = abort.send().await });
    }
}
