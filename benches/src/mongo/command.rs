//! Commands as raw bytes: each document is copied once, into the command it is sent with.

use anyhow::{Context, Result};
use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use std::io::Write;

const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;

pub fn find(collection: &str, documents: &[&RawDocument]) -> Result<RawDocumentBuf> {
    let mut ids = RawArrayBuf::new();
    for document in documents {
        ids.push(id(document)?);
    }
    let limit = i32::try_from(documents.len())?;
    Ok(rawdoc! {
        "find": collection,
        "filter": { "_id": { "$in": ids } },
        "projection": { "_id": 1, "_tidemill.rank": 1, "_tidemill.hash": 1, "_tidemill.deleted": 1 },
        "batchSize": limit,
        "readConcern": { "level": "majority" },
    })
}

pub fn insert(collection: &str, documents: &[&RawDocument]) -> Result<RawDocumentBuf> {
    let head = rawdoc! { "insert": collection, "ordered": false, "writeConcern": { "w": "majority" } };
    with_statements(head, "documents", documents, |document, out| {
        out.extend_from_slice(document.as_bytes());
        Ok(())
    })
}

/// Each where a rank is as it was seen (the stub does not look which).
pub fn update(collection: &str, documents: &[&RawDocument]) -> Result<RawDocumentBuf> {
    let head = rawdoc! { "update": collection, "ordered": false, "writeConcern": { "w": "majority" } };
    with_statements(head, "updates", documents, |document, out| {
        let rank = document
            .get_document("_tidemill")?
            .get("rank")?
            .context("a document without a rank")?;
        let mut query = RawDocumentBuf::new();
        query.append(cstr!("_id"), id(document)?);
        query.append(cstr!("_tidemill.rank"), rank);
        statement(&query, document, false, out);
        Ok(())
    })
}

pub fn upsert(collection: &str, documents: &[&RawDocument]) -> Result<RawDocumentBuf> {
    let head = rawdoc! { "update": collection, "ordered": false, "writeConcern": { "w": "majority" } };
    with_statements(head, "updates", documents, |document, out| {
        let mut query = RawDocumentBuf::new();
        query.append(cstr!("_id"), id(document)?);
        statement(&query, document, true, out);
        Ok(())
    })
}

fn id(document: &RawDocument) -> Result<RawBsonRef<'_>> {
    document.get("_id")?.context("a document without `_id`")
}

fn statement(query: &RawDocument, document: &RawDocument, upsert: bool, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[DOCUMENT, b'q', 0]);
    out.extend_from_slice(query.as_bytes());
    out.extend_from_slice(&[DOCUMENT, b'u', 0]);
    out.extend_from_slice(document.as_bytes());
    if upsert {
        out.extend_from_slice(b"\x08upsert\0\x01");
    }
    close(start, out);
}

/// The head, and after its fields an array with what `write` writes of each document.
fn with_statements(
    head: RawDocumentBuf,
    field: &str,
    documents: &[&RawDocument],
    write: impl Fn(&RawDocument, &mut Vec<u8>) -> Result<()>,
) -> Result<RawDocumentBuf> {
    let bytes: usize = documents.iter().map(|document| document.as_bytes().len() + 64).sum();
    let mut out = head.into_bytes();
    out.reserve(bytes);
    out.pop();
    out.push(ARRAY);
    out.extend_from_slice(field.as_bytes());
    out.push(0);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    for (index, document) in documents.iter().enumerate() {
        out.push(DOCUMENT);
        write!(out, "{index}\0")?;
        write(document, &mut out)?;
    }
    close(start, &mut out);
    close(0, &mut out);
    Ok(RawDocumentBuf::from_bytes(out)?)
}

/// Ends the document that begins at `start`, and writes its length there.
fn close(start: usize, out: &mut Vec<u8>) {
    out.push(0);
    let length = (out.len() - start) as u32;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}
