//! Writes one part of an archive, packed as it is written.

use bson::raw::cstr;
use bson::{RawDocument, RawDocumentBuf};

use super::{ArchiveError, DOCUMENT_BYTES_MAX, Described, MAGIC, PRELUDE_BYTES_MAX, Prelude, TERMINATOR, VERSION, is_name};
use crate::gzip::PartWriter;
use crate::hash::Crc64;

/// Writes one part: the first one the prelude first; then documents and ends of namespaces. Memory: the part, and what the encoder needs (300 KB).
#[derive(Debug)]
pub struct Writer {
    part: PartWriter,
    database: String,
    /// Whose segment is open.
    segment: Option<String>,
}

/// What a segment's header or a namespace's end, with the terminators, come to at most beside the names.
const FRAME_BYTES: usize = 256;

impl Writer {
    /// A part of at most `part_bytes_max` packed bytes, if [`Writer::has_room`] is asked before each document.
    pub fn new(database: &str, part_bytes_max: usize) -> Writer {
        Writer {
            part: PartWriter::new(part_bytes_max),
            database: database.to_owned(),
            segment: None,
        }
    }

    /// What the archive begins with; the first thing of the first part. Its length is not bounded by the part's, but by [`PRELUDE_BYTES_MAX`].
    pub fn prelude(&mut self, prelude: &Prelude) -> Result<(), ArchiveError> {
        let mut header = RawDocumentBuf::new();
        header.append(cstr!("concurrent_collections"), 1_i32);
        header.append(cstr!("version"), VERSION);
        header.append(cstr!("server_version"), prelude.server_version.as_str());
        header.append(cstr!("tool_version"), prelude.tool_version.as_str());
        self.part.push(&MAGIC)?;
        self.part.push(header.as_bytes())?;
        let mut bytes = header.as_bytes().len();
        for namespace in &prelude.namespaces {
            let described = described_as(&prelude.database, namespace);
            bytes += described.as_bytes().len();
            self.check_name(&namespace.name)?;
            check_length(
                self.at(),
                "the description of a namespace",
                described.as_bytes().len(),
                DOCUMENT_BYTES_MAX,
            )?;
            check_length(self.at(), "the prelude", bytes, PRELUDE_BYTES_MAX)?;
            self.part.push(described.as_bytes())?;
        }
        Ok(self.part.push(&TERMINATOR)?)
    }

    /// Will the part for certain stay within its limit with a document of that length, and with the end of its namespace? A part with nothing in it has room
    /// for any. Before an end that no document comes before (of a view, say), it is asked with 0.
    pub fn has_room(&self, document_bytes: usize) -> bool {
        self.part
            .has_room(document_bytes + 2 * (FRAME_BYTES + self.database.len() + super::NAME_BYTES_MAX))
    }

    /// Appends a document of a collection, in a segment of it.
    pub fn document(&mut self, collection: &str, document: &RawDocument) -> Result<(), ArchiveError> {
        check_length(self.at(), "a document", document.as_bytes().len(), DOCUMENT_BYTES_MAX)?;
        if self.segment.as_deref() != Some(collection) {
            self.end_segment()?;
            self.header(collection, None)?;
            self.segment = Some(collection.to_owned());
        }
        Ok(self.part.push(document.as_bytes())?)
    }

    /// Ends a namespace, one without documents (a view, an empty collection) too: the CRC is of all its documents, in all parts.
    pub fn end(&mut self, collection: &str, crc64: Crc64) -> Result<(), ArchiveError> {
        self.end_segment()?;
        self.header(collection, Some(crc64))?;
        Ok(self.part.push(&TERMINATOR)?)
    }

    pub fn packed_bytes(&self) -> usize {
        self.part.packed_bytes()
    }

    pub fn unpacked_bytes(&self) -> u64 {
        self.part.unpacked_bytes()
    }

    /// The part's bytes.
    pub fn finish(mut self) -> Result<Vec<u8>, ArchiveError> {
        self.end_segment()?;
        Ok(self.part.finish()?)
    }

    fn header(&mut self, collection: &str, end: Option<Crc64>) -> Result<(), ArchiveError> {
        self.check_name(collection)?;
        let mut header = RawDocumentBuf::new();
        header.append(cstr!("db"), self.database.as_str());
        header.append(cstr!("collection"), collection);
        header.append(cstr!("EOF"), end.is_some());
        header.append(cstr!("CRC"), end.unwrap_or_default().value().cast_signed());
        Ok(self.part.push(header.as_bytes())?)
    }

    fn end_segment(&mut self) -> Result<(), ArchiveError> {
        match self.segment.take() {
            Some(_) => Ok(self.part.push(&TERMINATOR)?),
            None => Ok(()),
        }
    }

    fn check_name(&self, collection: &str) -> Result<(), ArchiveError> {
        if is_name(collection) {
            return Ok(());
        }
        Err(ArchiveError::Namespace {
            at: self.at(),
            collection: collection.to_owned(),
            why: "is not a name that an archive can have: it is empty, longer than 255 bytes, or has a zero in it",
        })
    }

    fn at(&self) -> u64 {
        self.part.unpacked_bytes()
    }
}

fn described_as(database: &str, namespace: &Described) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("db"), database);
    document.append(cstr!("collection"), namespace.name.as_str());
    document.append(cstr!("metadata"), namespace.metadata.as_str());
    document.append(cstr!("size"), namespace.size);
    document.append(cstr!("type"), if namespace.view { "view" } else { "collection" });
    document
}

fn check_length(at: u64, what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), ArchiveError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(ArchiveError::Length {
        at,
        what,
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        bytes_min: 5,
        bytes_max,
    })
}
