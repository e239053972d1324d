//! An object read as a stream: unpacked, and cut into lines or BSON documents.

use crate::{ChunkStream, Key, Metadata, Store, StoreError};
use bytes::{Buf, Bytes};
use std::io;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// A longer line is damage: extraction caps a reply well below.
pub const LINE_BYTES_MAX: usize = 64 << 20;
/// A longer document is damage: MongoDB takes 16 MB, and what is over goes to `refused/`.
pub const DOCUMENT_BYTES_MAX: usize = 48 << 20;

/// zstd hands out blocks of 128 KB: with room for one more, a call always gets on.
const ROOM_BYTES: usize = 128 << 10;
/// The buffer's size to begin with.
const BUFFER_BYTES: usize = 512 << 10;
/// A frame that asks for a larger window (8 MB, what RFC 8878 wants every decoder to take) is refused, so that memory is bounded.
const WINDOW_LOG_MAX: u32 = 23;
const DOCUMENT_BYTES_MIN: usize = 5;

/// Reads one compressed object. What `next_*` returns stands in the reader's own buffer until the next call.
///
/// Memory: the buffer (one and a half times the longest line or document, 512 KB at least), a window of 8 MB at most, a chunk.
pub struct ObjectReader {
    key: Key,
    metadata: Metadata,
    stored_bytes: u64,
    unpacker: Unpacker,
    /// What is unpacked; up to `start` it was handed out.
    buffer: Vec<u8>,
    start: usize,
}

impl ObjectReader {
    pub async fn open(store: &dyn Store, key: &Key) -> Result<ObjectReader, StoreError> {
        let object = store.get(key).await?;
        Ok(ObjectReader {
            unpacker: Unpacker::new(object.body).map_err(|source| StoreError::Io {
                action: "unpack",
                key: key.to_string(),
                source,
            })?,
            key: key.clone(),
            metadata: object.metadata,
            stored_bytes: object.size,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            start: 0,
        })
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The object's length as stored (compressed).
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The next line, without its `\n`; `None` at the end. The last line may lack its `\n`.
    pub async fn next_line(&mut self) -> Result<Option<&[u8]>, StoreError> {
        let mut searched = 0;
        let (length, line_break) = loop {
            let fresh = self.buffer.get(self.start + searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                break (searched + at, 1);
            }
            searched += fresh.len();
            if searched > LINE_BYTES_MAX {
                break (searched, 0);
            }
            if !self.fill().await? {
                if searched == 0 {
                    return Ok(None);
                }
                break (searched, 0);
            }
        };
        if length > LINE_BYTES_MAX {
            return Err(self.damaged(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
        }
        Ok(Some(self.hand_out(length, line_break)))
    }

    /// The next BSON document of a sequence of them, its four bytes of length included; `None` at the end.
    pub async fn next_document(&mut self) -> Result<Option<&[u8]>, StoreError> {
        if !self.have(size_of::<i32>()).await? {
            return match self.buffer.len() - self.start {
                0 => Ok(None),
                _ => Err(self.damaged("it ends within a document's length")),
            };
        }
        let length = self
            .buffer
            .get(self.start..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let length = length as usize;
        if !(DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&length) {
            return Err(self.damaged(format!(
                "a document says it is {length} bytes long, expected {DOCUMENT_BYTES_MIN} to {DOCUMENT_BYTES_MAX}"
            )));
        }
        if !self.have(length).await? {
            return Err(self.damaged("it ends within a document"));
        }
        if self.buffer.get(self.start + length - 1) != Some(&0) {
            return Err(self.damaged("a document does not end with its zero byte"));
        }
        Ok(Some(self.hand_out(length, 0)))
    }

    fn hand_out(&mut self, length: usize, passed_over: usize) -> &[u8] {
        let from = self.start;
        self.start += length + passed_over;
        self.buffer.get(from..from + length).unwrap_or_default()
    }

    /// Sees to it that `length` bytes are in the buffer; `false` when the object has no more.
    async fn have(&mut self, length: usize) -> Result<bool, StoreError> {
        while self.buffer.len() - self.start < length {
            if !self.fill().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Unpacks some more; `false` at the end of the object.
    async fn fill(&mut self) -> Result<bool, StoreError> {
        let waiting = self.buffer.len() - self.start;
        if waiting == 0 {
            self.buffer.clear();
            self.start = 0;
        } else if self.buffer.capacity() - self.buffer.len() < ROOM_BYTES {
            // What waits is less than one line or document, so it is moved to the front at most once for each of them.
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.capacity() - waiting < ROOM_BYTES {
                self.buffer.reserve_exact(ROOM_BYTES.max(waiting / 2));
            }
        }
        match self.unpacker.unpack(&mut self.buffer).await {
            Ok(more) => Ok(more),
            Err(Unpack::Store(error)) => Err(error),
            Err(Unpack::Broken(problem)) => Err(self.damaged(problem)),
        }
    }

    fn damaged(&self, problem: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            key: self.key.to_string(),
            problem: problem.into(),
        }
    }
}

/// The compressed side: the store's chunks and zstd's state.
struct Unpacker {
    body: Box<dyn ChunkStream>,
    decoder: Decoder<'static>,
    chunk: Bytes,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of a first frame was seen.
    Empty,
    /// Within a frame.
    Within,
    /// Within a frame, and zstd may hold more output than there was room for.
    Full,
    /// After a whole frame.
    Between,
}

enum Unpack {
    Store(StoreError),
    Broken(String),
}

impl Unpacker {
    fn new(body: Box<dyn ChunkStream>) -> io::Result<Unpacker> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Unpacker {
            body,
            decoder,
            chunk: Bytes::new(),
            state: State::Empty,
        })
    }

    /// Appends at least one byte to `buffer` where its room allows; `false` at the end of the object. Frames may follow each other,
    /// skippable ones are passed over.
    async fn unpack(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Unpack> {
        let before = buffer.len();
        while buffer.len() == before {
            while self.chunk.is_empty() && self.state != State::Full {
                match self.body.next().await.map_err(Unpack::Store)? {
                    Some(chunk) => self.chunk = chunk,
                    None if self.state == State::Between => return Ok(false),
                    None if self.state == State::Empty => return Err(Unpack::Broken("it is empty, expected a zstd frame".to_owned())),
                    None => return Err(Unpack::Broken("it ends within a zstd frame".to_owned())),
                }
            }
            let mut input = InBuffer::around(&self.chunk);
            let mut output = OutBuffer::around_pos(buffer, before);
            let hint = self
                .decoder
                .run(&mut input, &mut output)
                .map_err(|error| Unpack::Broken(format!("zstd says: {error}")))?;
            self.state = match hint {
                0 => State::Between,
                _ if output.pos() == output.capacity() => State::Full,
                _ => State::Within,
            };
            let read = input.pos();
            self.chunk.advance(read);
        }
        Ok(true)
    }
}
