//! Documents in the order of their `_id`, some at a time: a query each, that begins after the last one, so that no cursor and no session can run out.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::super::MongoDocuments;
use super::super::control::{self, CONTROL};
use super::super::cursor::{Found, batches};
use super::super::error::{Fault, FaultKind};
use super::{look, patiently};
use crate::key::key_of;
use crate::{Certainty, DocumentStream, DocumentsError};

const ACTION: &str = "read documents";

/// How many bytes of documents are given at a time.
const BYTES: usize = 4 * 1024 * 1024;
/// How many are asked for: about so many, whatever the server may have to do before it finds the first. It answers with 16 MB at the most.
const BYTES_ASKED: usize = 8 * 1024 * 1024;
/// How many documents are asked for while it is not known how long they are, and how many times as many next.
const FIRST: usize = 1024;
const GROWTH: usize = 16;
const DOCUMENTS_MAX: usize = 100_000;

pub(super) struct Stream {
    store: Arc<MongoDocuments>,
    collection: String,
    concern: &'static str,
    /// The key of the last document that was given.
    after: Option<RawBson>,
    /// What the server answered last, and how many of it were given.
    found: Option<(Found, usize)>,
    /// The first key of the last answer.
    first: Option<Vec<u8>>,
    wanted: usize,
}

impl Stream {
    pub(super) async fn new(
        store: &Arc<MongoDocuments>,
        collection: &str,
        after: Option<RawBsonRef<'_>>,
    ) -> Result<Stream, DocumentsError> {
        let certainty = patiently(|| look::certainty(store)).await;
        let certainty = certainty.map_err(|fault| fault.named(ACTION, collection))?;
        Ok(Stream {
            store: Arc::clone(store),
            collection: collection.to_owned(),
            concern: match certainty {
                Certainty::Majority => "majority",
                Certainty::Local => "local",
            },
            after: after.map(RawBson::from),
            found: None,
            first: None,
            wanted: FIRST,
        })
    }

    async fn ask(&self) -> Result<Option<Found>, Fault> {
        let mut command = rawdoc! {
            "find": self.collection.as_str(),
            "sort": { "_id": 1 },
            "hint": { "_id": 1 },
            "limit": i64::try_from(self.wanted).unwrap_or(i64::MAX),
            "batchSize": i64::try_from(self.wanted).unwrap_or(i64::MAX),
            "singleBatch": true,
            "readConcern": { "level": self.concern },
        };
        if let Some(after) = &self.after {
            // Not `$gt`, which finds values of the same type only. `min` finds the key itself too.
            command.append(bson::raw::cstr!("min"), rawdoc! { "_id": after.clone() });
            command.append(bson::raw::cstr!("filter"), rawdoc! { "_id": { "$ne": after.clone() } });
        }
        let mut answers = batches(&self.store, command).await?;
        answers.next(&self.store).await
    }

    /// Takes what is to be given now from the last answer; nothing at its end.
    fn take(&mut self) -> Result<Vec<RawDocumentBuf>, Fault> {
        let Some((found, given)) = &mut self.found else {
            return Ok(Vec::new());
        };
        let (mut some, mut bytes) = (Vec::new(), 0);
        for document in found.documents()?.skip(*given) {
            let document = document?;
            let length = document.as_bytes().len();
            if !some.is_empty() && bytes + length > BYTES {
                break;
            }
            *given += 1;
            bytes += length;
            some.push(if self.collection == CONTROL {
                control::settled(document)?
            } else {
                document.to_owned()
            });
        }
        match some.last() {
            Some(last) => self.after = Some(RawBson::from(id_of(last)?)),
            None => self.found = None,
        }
        Ok(some)
    }

    /// Looks at a new answer: how long its documents are, and whether it goes on.
    async fn look_at(&mut self, found: Found) -> Result<(), Fault> {
        let after = self.after.as_ref().and_then(|after| key_of(after.as_raw_bson_ref()).ok());
        let (mut documents, mut bytes, mut first) = (0, 0, None);
        for document in found.documents()? {
            let document = document?;
            if documents == 0 {
                first = key_of(id_of(document)?).ok();
            }
            (documents, bytes) = (documents + 1, bytes + document.as_bytes().len());
        }
        if let Some(average) = usize::checked_div(bytes, documents) {
            let most = (self.wanted * GROWTH).min(DOCUMENTS_MAX);
            self.wanted = (BYTES_ASKED / average.max(1)).clamp(1, most);
        }
        let skipped = usize::from(first.is_some() && first == after);
        if skipped == 0 && first.is_some() && first == self.first {
            let text = "it does not begin after the key it is given (`min`), without which a collection can't be read by parts".to_owned();
            return Err(self.store.fault(FaultKind::TooOld, 0, text).await);
        }
        self.first = first;
        self.found = (documents > skipped).then_some((found, skipped));
        Ok(())
    }
}

#[async_trait]
impl DocumentStream for Stream {
    async fn next(&mut self) -> Result<Option<Vec<RawDocumentBuf>>, DocumentsError> {
        let mut some = self.take().map_err(|fault| fault.named(ACTION, &self.collection))?;
        if some.is_empty() {
            let found = patiently(|| self.ask()).await;
            if let Some(found) = found.map_err(|fault| fault.named(ACTION, &self.collection))? {
                let looked = self.look_at(found).await;
                looked.map_err(|fault| fault.named(ACTION, &self.collection))?;
            }
            some = self.take().map_err(|fault| fault.named(ACTION, &self.collection))?;
        }
        Ok((!some.is_empty()).then_some(some))
    }
}

fn id_of(document: &RawDocument) -> Result<RawBsonRef<'_>, Fault> {
    let id = document.get("_id").ok().flatten();
    id.ok_or_else(|| Fault::damaged("a document has no `_id`".to_owned()))
}
