//! Reads an archive, or one part of it, from packed bytes that come in pieces.

use bson::RawDocument;
use std::collections::BTreeMap;
use std::ops::Range;

use super::parse::{Found, Parser, Step};
use super::{ArchiveError, DOCUMENT_BYTES_MAX, Prelude};
use crate::gzip::Unpacker;
use crate::hash::{Crc64, Sums};

/// How much is unpacked at once.
const STEP_BYTES: usize = 512 << 10;

/// What comes in an archive.
#[derive(Debug)]
pub enum Event<'r> {
    /// At the very beginning.
    Prelude(Prelude),
    Documents(Documents<'r>),
    /// There are no more documents of this namespace. An archive read from its beginning has been found to have this very CRC.
    End {
        collection: String,
        crc64: Crc64,
    },
}

/// Whole documents of a collection, as many as were there.
#[derive(Clone, Copy, Debug)]
pub struct Documents<'r> {
    pub collection: &'r str,
    pub count: usize,
    /// One after another.
    pub bytes: &'r [u8],
}

impl<'r> Documents<'r> {
    pub fn iter(&self) -> impl Iterator<Item = &'r RawDocument> + use<'r> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let length = usize::try_from(i32::from_le_bytes(*rest.first_chunk()?)).ok()?;
            let (document, after) = rest.split_at_checked(length)?;
            rest = after;
            RawDocument::from_bytes(document).ok()
        })
    }
}

/// Unpacks and reads. Memory: [`STEP_BYTES`] and one document, so 17 MB at most, and the prelude, which the caller gets.
///
/// ```no_run
/// # fn parts() -> Vec<Vec<u8>> { Vec::new() }
/// # fn main() -> Result<(), backup::archive::ArchiveError> {
/// let mut reader = backup::archive::Reader::of_archive();
/// for part in parts() {
///     for mut piece in part.chunks(1000) {
///         while let Some(event) = reader.next(&mut piece)? {
///             // …
///         }
///     }
///     reader.end_part()?;
/// }
/// let sums = reader.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reader {
    unpacker: Unpacker,
    parser: Parser,
    buffer: Vec<u8>,
    /// What is before it in the buffer is done with.
    start: usize,
    /// How many bytes it takes to get on.
    needs: usize,
}

impl Reader {
    /// Reads an archive from its beginning: counts, sums and CRC are taken and looked at.
    pub fn of_archive() -> Reader {
        Reader::new(Parser::of_archive())
    }

    /// Reads from where a later part begins. Its structure is looked at, but no sums are taken: what came before is not known.
    pub fn of_part(database: &str) -> Reader {
        Reader::new(Parser::of_part(database))
    }

    fn new(parser: Parser) -> Reader {
        Reader {
            unpacker: Unpacker::default(),
            parser,
            buffer: Vec::with_capacity(STEP_BYTES),
            start: 0,
            needs: 1,
        }
    }

    /// What comes next. The bytes that were used are taken from `packed`; `None` when all are used, and more are needed to get on.
    pub fn next(&mut self, packed: &mut &[u8]) -> Result<Option<Event<'_>>, ArchiveError> {
        let found = loop {
            match self.step()? {
                Some((found, start)) => break (found, start),
                None if self.fill(packed)? => {}
                None => return Ok(None),
            }
        };
        Ok(Some(match found {
            (Found::Prelude(prelude), _) => Event::Prelude(prelude),
            (Found::Documents(range, count), start) => Event::Documents(Documents {
                collection: self.parser.collection(),
                count,
                bytes: self.buffer.get(shifted(range, start)).unwrap_or_default(),
            }),
            (Found::End { collection, crc64 }, _) => Event::End { collection, crc64 },
        }))
    }

    /// After the last piece of a part, when [`Reader::next`] has given `None`: makes sure that the part is whole.
    pub fn end_part(&mut self) -> Result<(), ArchiveError> {
        self.unpacker.end()?;
        self.parser.end_part(self.buffer.len() - self.start)
    }

    /// After the last part: makes sure that every namespace has been ended. What each has come to (nothing, unless the reader is [`Reader::of_archive`]).
    pub fn finish(self) -> Result<BTreeMap<String, Sums>, ArchiveError> {
        self.parser.end_archive()?;
        Ok(self.sums())
    }

    /// What each namespace has come to so far.
    pub fn sums(&self) -> BTreeMap<String, Sums> {
        self.parser.sums().map(|(name, sums)| (name.to_owned(), *sums)).collect()
    }

    /// Reads what is in the buffer. What was found, and where the bytes began that it was found in; `None` when it takes more.
    fn step(&mut self) -> Result<Option<(Found, usize)>, ArchiveError> {
        while self.buffer.len() - self.start >= self.needs {
            let start = self.start;
            match self.parser.step(self.buffer.get(start..).unwrap_or_default())? {
                Step::Needs(bytes) => self.needs = bytes,
                Step::Took(bytes, found) => {
                    self.start += bytes;
                    self.needs = 1;
                    if let Some(found) = found {
                        return Ok(Some((found, start)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Unpacks more. Has anything come?
    fn fill(&mut self, packed: &mut &[u8]) -> Result<bool, ArchiveError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        // The parser has looked at the length before it asked for so much.
        let room = self.needs.clamp(STEP_BYTES, DOCUMENT_BYTES_MAX + STEP_BYTES);
        if self.buffer.capacity() < room {
            self.buffer.reserve_exact(room - before);
        }
        self.unpacker.unpack(packed, &mut self.buffer)?;
        Ok(self.buffer.len() > before)
    }
}

fn shifted(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}
