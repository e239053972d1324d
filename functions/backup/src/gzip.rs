//! Gzip as the archive has it: a part is one member, and the members one after another are one stream.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// As `gzip` and `mongodump --gzip` have it.
pub const LEVEL: u32 = 6;

/// The most that a [`PartWriter`] may still give out at its end without being given more: what waits, what lies in the encoder's window, and a block's output.
pub const HELD_BYTES_MAX: usize = 256 << 10;

/// The window of 2^15 bytes that every gzip stream has.
const WINDOW_BITS: u8 = 15;

/// Room for output, at least, whenever the encoder runs.
const STEP_BYTES: usize = 64 << 10;

/// So much is given to the encoder at once. With single documents of a few hundred bytes it would be slower, and pack worse.
const WAITING_BYTES_MAX: usize = 32 << 10;

/// What is wrong with a gzip stream. The offset is one in the packed bytes, of the part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    #[error("at packed byte {at}: expected a gzip member, and there is something else")]
    NotGzip { at: u64 },
    #[error("in the gzip member that begins at packed byte {member_at}, near packed byte {at}: the data or its check is damaged")]
    Damaged { member_at: u64, at: u64 },
    #[error("at packed byte {at}: the bytes end within the gzip member that begins at packed byte {member_at}")]
    Truncated { member_at: u64, at: u64 },
    #[error("there is no gzip member at all: it is empty")]
    Empty,
    #[error("the gzip encoder failed after {unpacked_bytes} bytes: this is a fault of the program")]
    Encoder { unpacked_bytes: u64 },
}

/// Packs one part into memory, as one gzip member.
#[derive(Debug)]
pub struct PartWriter {
    deflate: Compress,
    packed: Vec<u8>,
    /// Pushed, and not yet given to the encoder.
    waiting: Vec<u8>,
    unpacked_bytes: u64,
    bytes_max: usize,
}

impl PartWriter {
    /// For a part of at most `bytes_max` bytes, if its writer asks [`PartWriter::has_room`] before each thing it pushes.
    pub fn new(bytes_max: usize) -> PartWriter {
        PartWriter {
            deflate: Compress::new_gzip(Compression::new(LEVEL), WINDOW_BITS),
            // The encoder gets room beyond the last byte, too: it never grows, unless one thing is longer than the limit.
            packed: Vec::with_capacity(bytes_max.saturating_add(STEP_BYTES)),
            waiting: Vec::with_capacity(WAITING_BYTES_MAX),
            unpacked_bytes: 0,
            bytes_max,
        }
    }

    /// Will the part stay within its limit for certain when that many bytes more are pushed? A part with nothing in it always has room: one thing is never
    /// split.
    pub fn has_room(&self, bytes: usize) -> bool {
        let all = usize::try_from(self.unpacked_bytes).unwrap_or(usize::MAX).saturating_add(bytes);
        let most = at_most(all).min(self.packed.len().saturating_add(at_most(bytes)).saturating_add(HELD_BYTES_MAX));
        self.unpacked_bytes == 0 || most <= self.bytes_max
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<(), GzipError> {
        self.unpacked_bytes += bytes.len() as u64;
        if self.waiting.len() + bytes.len() > WAITING_BYTES_MAX {
            let waiting = std::mem::take(&mut self.waiting);
            self.encode(&waiting)?;
            self.waiting = waiting;
            self.waiting.clear();
        }
        if bytes.len() > WAITING_BYTES_MAX {
            return self.encode(bytes);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    /// How many bytes have been given out so far. The encoder keeps back at most [`HELD_BYTES_MAX`] more.
    pub fn packed_bytes(&self) -> usize {
        self.packed.len()
    }

    /// How many bytes have been pushed.
    pub fn unpacked_bytes(&self) -> u64 {
        self.unpacked_bytes
    }

    /// Ends the member: the part's bytes.
    pub fn finish(mut self) -> Result<Vec<u8>, GzipError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.encode(&waiting)?;
        while self.step(&[], FlushCompress::Finish)?.1 != Status::StreamEnd {}
        Ok(self.packed)
    }

    fn encode(&mut self, mut bytes: &[u8]) -> Result<(), GzipError> {
        while !bytes.is_empty() {
            let taken = self.step(bytes, FlushCompress::None)?.0;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// How many bytes it took. It is an error when nothing was done, so that no loop turns for ever.
    fn step(&mut self, bytes: &[u8], flush: FlushCompress) -> Result<(usize, Status), GzipError> {
        if self.packed.capacity() - self.packed.len() < STEP_BYTES {
            self.packed.reserve_exact(STEP_BYTES.max(self.packed.len() / 8));
        }
        let (read, written) = (self.deflate.total_in(), self.packed.len());
        let failed = GzipError::Encoder { unpacked_bytes: read };
        let status = match self.deflate.compress_vec(bytes, &mut self.packed, flush) {
            Ok(status) => status,
            Err(_) => return Err(failed),
        };
        let taken = (self.deflate.total_in() - read) as usize;
        if taken == 0 && self.packed.len() == written && status != Status::StreamEnd {
            return Err(failed);
        }
        Ok((taken, status))
    }
}

/// What can't be packed takes 5 bytes more a block, and blocks are of 16 KiB at least; the header, the first block and the check take less than 64.
fn at_most(bytes: usize) -> usize {
    bytes.saturating_add(bytes >> 10).saturating_add(64)
}

/// Unpacks gzip members that come in pieces, one member after another.
#[derive(Debug)]
pub struct Unpacker {
    inflate: Decompress,
    /// Where the member that is being read began.
    member: Option<u64>,
    members: u64,
    /// Of the packed bytes.
    at: u64,
}

impl Default for Unpacker {
    fn default() -> Unpacker {
        Unpacker {
            inflate: Decompress::new_gzip(WINDOW_BITS),
            member: None,
            members: 0,
            at: 0,
        }
    }
}

impl Unpacker {
    /// Unpacks into the spare room of `out` and takes from `packed` what it has used. It stops when all is used, or when there is no room, and so never gives
    /// out more than the room there is, whatever the bytes say.
    pub fn unpack(&mut self, packed: &mut &[u8], out: &mut Vec<u8>) -> Result<(), GzipError> {
        while out.len() < out.capacity() && !(packed.is_empty() && self.member.is_none()) {
            let member_at = *self.member.get_or_insert(self.at);
            let (read, written) = (self.inflate.total_in(), out.len());
            let result = self.inflate.decompress_vec(packed, out, FlushDecompress::None);
            let taken = (self.inflate.total_in() - read) as usize;
            *packed = packed.get(taken..).unwrap_or_default();
            self.at += taken as u64;
            match result {
                Ok(Status::StreamEnd) => {
                    self.inflate.reset(true);
                    self.member = None;
                    self.members += 1;
                }
                Ok(_) if taken == 0 && out.len() == written => {
                    return if packed.is_empty() { Ok(()) } else { Err(self.damaged(member_at)) };
                }
                Ok(_) => {}
                Err(_) => return Err(self.damaged(member_at)),
            }
        }
        Ok(())
    }

    /// Makes sure that the bytes have ended where a member does. After it, it is as new, for the next part.
    pub fn end(&mut self) -> Result<(), GzipError> {
        match self.member {
            Some(member_at) => Err(GzipError::Truncated { member_at, at: self.at }),
            None if self.members == 0 => Err(GzipError::Empty),
            None => {
                (self.members, self.at) = (0, 0);
                Ok(())
            }
        }
    }

    fn damaged(&self, member_at: u64) -> GzipError {
        // The fixed part of a member's header is of ten bytes.
        if self.at < member_at + 10 {
            GzipError::NotGzip { at: member_at }
        } else {
            GzipError::Damaged { member_at, at: self.at }
        }
    }
}
