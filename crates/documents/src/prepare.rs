//! A batch made ready to be judged: what is refused whatever is there, and for each key the highest rank of the batch. Pure.

use std::ops::Range;

use bson::RawDocument;

use crate::element::{Element, Elements, Unreadable, binary, depth_is_kept, kind};
use crate::key::push_key;
use crate::{Batch, DocumentsError, Refusal, Stamp};

/// The most bytes of a document; MongoDB's limit.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A batch made ready. Candidates, superseded and refused add up to the batch's length.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// One a key, in the order of the keys.
    pub candidates: Vec<Candidate<'a>>,
    /// How many had a higher rank beside them.
    pub superseded: u64,
    pub refusals: Vec<Refusal>,
    keys: Vec<u8>,
}

/// A document to be judged.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its place in the batch.
    pub index: usize,
    pub document: &'a RawDocument,
    pub stamp: Stamp<'a>,
    key: Range<usize>,
}

impl<'a> Prepared<'a> {
    pub fn new(batch: &Batch<'a>) -> Result<Prepared<'a>, DocumentsError> {
        let mut prepared = Prepared {
            candidates: Vec::with_capacity(batch.documents.len()),
            superseded: 0,
            refusals: Vec::new(),
            keys: Vec::with_capacity(batch.documents.len() * 24),
        };
        for (index, &document) in batch.documents.iter().enumerate() {
            prepared.take(index, document).map_err(|problem| DocumentsError::NotClean {
                object: batch.object.to_owned(),
                index,
                problem,
            })?;
        }
        prepared.keep_highest();
        Ok(prepared)
    }

    /// The key of one of the candidates.
    #[inline]
    pub fn key(&self, candidate: &Candidate<'_>) -> &[u8] {
        self.keys.get(candidate.key.clone()).unwrap_or_default()
    }

    fn take(&mut self, index: usize, document: &'a RawDocument) -> Result<(), &'static str> {
        if let Some(message) = refusal_of(document)? {
            self.refusals.push(Refusal { index, message });
            return Ok(());
        }
        let start = self.keys.len();
        let stamp = identify(document, &mut self.keys)?;
        self.candidates.push(Candidate {
            index,
            document,
            stamp,
            key: start..self.keys.len(),
        });
        Ok(())
    }

    /// Sorts by key, the highest rank first (of equal ranks the first of the batch), and drops the others of a key.
    fn keep_highest(&mut self) {
        let Prepared { candidates, keys, .. } = self;
        let key = |candidate: &Candidate<'_>| keys.get(candidate.key.clone()).unwrap_or_default();
        candidates.sort_unstable_by(|a, b| {
            let ranks = || b.stamp.rank.cmp(a.stamp.rank);
            key(a).cmp(key(b)).then_with(ranks).then(a.index.cmp(&b.index))
        });
        let before = candidates.len();
        candidates.dedup_by(|later, kept| key(later) == key(kept));
        self.superseded = (before - candidates.len()) as u64;
    }
}

/// Why no store would take a document, if so.
pub(crate) fn refusal_of(document: &RawDocument) -> Result<Option<String>, &'static str> {
    let length = document.as_bytes().len();
    if length > DOCUMENT_BYTES_MAX {
        return Ok(Some(format!("the document has {length} bytes; the most is {DOCUMENT_BYTES_MAX}")));
    }
    let kept = depth_is_kept(document).map_err(problem)?;
    Ok((!kept).then(|| Unreadable::TooDeep.to_string()))
}

/// Appends the key, and reads the stamp.
fn identify<'a>(document: &'a RawDocument, keys: &mut Vec<u8>) -> Result<Stamp<'a>, &'static str> {
    let mut elements = Elements::new(document.as_bytes()).map_err(problem)?;
    let (mut has_id, mut tidemill) = (false, None);
    while let Some(element) = elements.next().map_err(problem)? {
        match element.name {
            b"_id" if !has_id => {
                push_key(keys, element).map_err(problem)?;
                has_id = true;
            }
            TIDEMILL => tidemill = Some(element),
            _ => {}
        }
    }
    if !has_id {
        return Err("it has no `_id`");
    }
    read_stamp(tidemill)
}

/// The stamp of a stored document.
pub(crate) fn stamp_of(document: &[u8]) -> Result<Stamp<'_>, &'static str> {
    let mut elements = Elements::new(document).map_err(problem)?;
    let mut tidemill = None;
    while let Some(element) = elements.next().map_err(problem)? {
        if element.name == TIDEMILL {
            tidemill = Some(element);
        }
    }
    read_stamp(tidemill)
}

/// The name of what Tidemill itself says of a document.
pub(crate) const TIDEMILL: &[u8] = b"_tidemill";

fn read_stamp(tidemill: Option<Element<'_>>) -> Result<Stamp<'_>, &'static str> {
    let tidemill = tidemill
        .filter(|element| element.kind == kind::DOCUMENT)
        .ok_or("it has no `_tidemill`")?;
    let mut elements = Elements::new(tidemill.value).map_err(problem)?;
    let (mut rank, mut hash, mut deleted) = (None, None, false);
    while let Some(element) = elements.next().map_err(problem)? {
        match element.name {
            b"rank" if element.kind == kind::BINARY => rank = Some(binary(element.value).map_err(problem)?.1),
            b"hash" if element.kind == kind::BINARY => hash = Some(binary(element.value).map_err(problem)?.1),
            b"deleted" => deleted = element.kind == kind::BOOLEAN && element.value == [1],
            _ => {}
        }
    }
    Ok(Stamp {
        rank: rank.ok_or("`_tidemill` has no `rank`")?,
        hash: hash.ok_or("`_tidemill` has no `hash`")?,
        deleted,
    })
}

pub(crate) fn problem(fault: Unreadable) -> &'static str {
    match fault {
        Unreadable::Malformed(what) => what,
        Unreadable::TooDeep => "it is nested too deeply",
    }
}
