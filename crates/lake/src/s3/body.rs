//! An object being read: in chunks, resumed where it broke off, and never taken for whole when it is not.

use super::bucket::{self, Bucket, Call};
use crate::{ChunkStream, Key, Object, StoreError};
use async_trait::async_trait;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

const CHUNK_BYTES_MAX: usize = 1 << 20;
/// A body may break off so often within [`PROGRESS_BYTES`].
const BREAKS_MAX: u32 = 5;
const PROGRESS_BYTES: u64 = 1 << 20;
/// How long the second resumption waits; each later one twice as long.
const WAIT: Duration = Duration::from_millis(100);

pub(super) struct Body {
    bucket: Arc<Bucket>,
    key: Key,
    size: u64,
    /// Which content it is, for the requests that resume it.
    etag: Option<String>,
    stream: ByteStream,
    /// How many bytes came.
    received: u64,
    /// What came and was not handed out.
    waiting: Bytes,
    checksum: Option<Checksum>,
    breaks: u32,
    /// Where the first of those breaks was.
    broke_at: u64,
    ended: bool,
}

/// The checksum of the whole body. The SDK checks a body that comes in one answer; over several only we can.
struct Checksum {
    so_far: crc32fast::Hasher,
    expected: u32,
}

impl Body {
    pub(super) async fn open(bucket: &Arc<Bucket>, key: &Key) -> Result<Object, StoreError> {
        let sent = bucket.client.get_object().bucket(&bucket.name).key(key.as_str()).send().await;
        let output = sent.map_err(|error| bucket.failed(Call::Read, key.as_str(), &error))?;
        let size = size_of(&output).ok_or_else(|| bucket.broken(Call::Read, key.as_str(), "S3 did not tell the object's length"))?;
        let checksum = Checksum::of(&output);
        let metadata = bucket::metadata(key, output.metadata, output.missing_meta)?;
        let body = Body {
            bucket: bucket.clone(),
            key: key.clone(),
            size,
            etag: output.e_tag,
            stream: output.body,
            received: 0,
            waiting: Bytes::new(),
            checksum,
            breaks: 0,
            broke_at: 0,
            ended: false,
        };
        Ok(Object {
            metadata,
            size,
            body: Box::new(body),
        })
    }

    fn receive(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.received += chunk.len() as u64;
        if self.received > self.size {
            return Err(self.damaged(format!("more than its {} bytes came", self.size)));
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.so_far.update(&chunk);
        }
        self.waiting = chunk;
        Ok(())
    }

    /// All bytes came: are they the right ones?
    fn end(&mut self) -> Result<(), StoreError> {
        self.ended = true;
        let right = self
            .checksum
            .take()
            .is_none_or(|checksum| checksum.so_far.finalize() == checksum.expected);
        if right {
            Ok(())
        } else {
            Err(self.damaged("its bytes have another checksum than S3 keeps".to_owned()))
        }
    }

    /// Asks for the rest of the same content.
    async fn resume(&mut self, problem: &str) -> Result<(), StoreError> {
        if self.received - self.broke_at >= PROGRESS_BYTES {
            self.breaks = 0;
        }
        if self.breaks == 0 {
            self.broke_at = self.received;
        } else {
            tokio::time::sleep(WAIT * 2_u32.pow(self.breaks - 1)).await;
        }
        self.breaks += 1;
        let (received, size) = (self.received, self.size);
        let Some(etag) = self.etag.clone().filter(|_| self.breaks <= BREAKS_MAX) else {
            let problem = format!(
                "the body broke off {} times, lastly after {received} of {size} bytes: {problem}",
                self.breaks
            );
            return Err(self.broken(&problem));
        };
        let output = self.ask_for_rest(etag).await.map_err(|error| match bucket::status(&error) {
            Some(bucket::PRECONDITION_FAILED) => self.broken("the object was written anew while it was read"),
            _ => self.bucket.failed(Call::Read, self.key.as_str(), &error),
        })?;
        let expected = format!("bytes {received}-{}/{size}", size - 1);
        if output.content_range() != Some(expected.as_str()) {
            return Err(self.broken(&format!("asked for its `{expected}`, S3 sent something else")));
        }
        self.stream = output.body;
        Ok(())
    }

    async fn ask_for_rest(&self, etag: String) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
        // Of a part there is no checksum; some servers send the whole object's.
        let unchecked = Builder::new().response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        let ask = self.bucket.client.get_object().bucket(&self.bucket.name).key(self.key.as_str());
        ask.range(format!("bytes={}-", self.received))
            .if_match(etag)
            .customize()
            .config_override(unchecked)
            .send()
            .await
    }

    fn broken(&self, problem: &str) -> StoreError {
        self.bucket.broken(Call::Read, self.key.as_str(), problem)
    }

    fn damaged(&self, problem: String) -> StoreError {
        StoreError::Damaged {
            key: self.key.to_string(),
            problem,
        }
    }
}

#[async_trait]
impl ChunkStream for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            if !self.waiting.is_empty() {
                let length = self.waiting.len().min(CHUNK_BYTES_MAX);
                return Ok(Some(self.waiting.split_to(length)));
            }
            if self.ended {
                return Ok(None);
            }
            match self.stream.try_next().await {
                Ok(Some(chunk)) => self.receive(chunk)?,
                Ok(None) if self.received == self.size => self.end()?,
                Ok(None) => self.resume("it ended").await?,
                // With all bytes here, it is their checksum that the SDK finds wrong.
                Err(error) if self.received == self.size => return Err(self.damaged(bucket::chain(&error))),
                Err(error) => self.resume(&bucket::chain(&error)).await?,
            }
        }
    }
}

impl Checksum {
    /// `None` where S3 tells no CRC-32 of the whole object: another program wrote it, and the SDK checks what it can.
    fn of(output: &GetObjectOutput) -> Option<Checksum> {
        let told = BASE64_STANDARD.decode(output.checksum_crc32()?).ok()?;
        Some(Checksum {
            so_far: crc32fast::Hasher::new(),
            expected: u32::from_be_bytes(told.try_into().ok()?),
        })
    }
}

fn size_of(output: &GetObjectOutput) -> Option<u64> {
    output.content_length().and_then(|bytes| u64::try_from(bytes).ok())
}
