//! One zstd frame, compressed in memory.

use bytes::Bytes;
use std::io;
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

/// Compresses what is pushed into one frame. The frame depends on the bytes only, not on how they were split into pushes.
pub struct Compressor {
    encoder: Encoder<'static>,
    compressed: Vec<u8>,
    uncompressed_bytes: u64,
    taken_bytes: u64,
}

/// The room that is free for output whenever zstd is called: a whole block (128 KB), so that a call seldom has to be repeated.
const ROOM_BYTES: usize = 132 * 1024;

impl Compressor {
    /// Fails only where memory can't be had.
    pub fn new(level: i32) -> io::Result<Compressor> {
        let mut encoder = Encoder::new(level)?;
        // Four bytes a frame, and next to no time: a byte gone bad on a disk is found when it is read.
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Compressor {
            encoder,
            compressed: Vec::new(),
            uncompressed_bytes: 0,
            taken_bytes: 0,
        })
    }

    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            self.compressed.reserve(ROOM_BYTES);
            let reached = self.compressed.len();
            self.encoder
                .run(&mut input, &mut OutBuffer::around_pos(&mut self.compressed, reached))?;
        }
        self.uncompressed_bytes += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were pushed.
    pub fn uncompressed(&self) -> u64 {
        self.uncompressed_bytes
    }

    /// How many bytes came out so far; zstd holds back up to a block of 128 KB.
    pub fn compressed(&self) -> u64 {
        self.taken_bytes + self.compressed.len() as u64
    }

    /// Ends the frame. Without a push it is an empty frame, which is a valid object.
    pub fn finish(mut self) -> io::Result<Bytes> {
        loop {
            self.compressed.reserve(ROOM_BYTES);
            let reached = self.compressed.len();
            let mut output = OutBuffer::around_pos(&mut self.compressed, reached);
            if self.encoder.finish(&mut output, true)? == 0 {
                return Ok(Bytes::from(self.compressed));
            }
        }
    }

    /// Takes what came out so far, when it is `bytes_min` or more.
    pub(super) fn take(&mut self, bytes_min: usize) -> Option<Bytes> {
        if self.compressed.len() < bytes_min {
            return None;
        }
        self.taken_bytes += self.compressed.len() as u64;
        let room = Vec::with_capacity(bytes_min + ROOM_BYTES);
        Some(Bytes::from(std::mem::replace(&mut self.compressed, room)))
    }
}
