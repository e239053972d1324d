//! A store of documents in memory with a judgement that can be exchanged: with wrong ones the simulator must find fault.

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use documents::{
    Batch, Change, Contract, Documents, DocumentsError, Replaced, Stamp, Tally, Target, Tightness, Verdict, Version, WriteOutcome,
};
use pipeline::Name;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

pub type Judge = fn(Option<Stamp<'_>>, Stamp<'_>) -> Verdict;

/// What is there of one collection, and what was answered.
#[derive(Default)]
struct State {
    versions: BTreeMap<Option<Version>, BTreeMap<Key, RawDocumentBuf>>,
    visible: Option<Version>,
    receipts: HashMap<(String, u32), Tally>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
}

/// By what a store goes.
#[derive(Clone, Copy)]
pub struct Rules {
    pub judge: Judge,
    /// Whether an equal document of a higher rank is written, so that its rank stands.
    pub advances: bool,
    /// Whether a tombstone stays, so that an older version can't come back.
    pub keeps_tombstones: bool,
    pub keeps_receipts: bool,
    /// Whether an older version may take the place of a newer one.
    pub goes_back: bool,
}

impl Rules {
    /// Those of the model.
    pub const RIGHT: Rules = Rules {
        judge: documents::judge,
        advances: true,
        keeps_tombstones: true,
        keeps_receipts: true,
        goes_back: false,
    };
}

pub struct Naive {
    rules: Rules,
    state: Mutex<State>,
}

impl Naive {
    pub fn new(rules: Rules) -> Naive {
        Naive {
            rules,
            state: Mutex::default(),
        }
    }
}

fn key(id: RawBsonRef<'_>) -> Key {
    match id {
        RawBsonRef::Int32(number) => Key::Number(number.into()),
        RawBsonRef::Int64(number) => Key::Number(number),
        RawBsonRef::String(text) => Key::Text(text.to_owned()),
        other => panic!("the simulator makes no such key: {other:?}"),
    }
}

fn stamp(document: &RawDocument) -> Stamp<'_> {
    let tidemill = document.get_document("_tidemill").unwrap();
    Stamp {
        rank: tidemill.get_binary("rank").unwrap().bytes,
        hash: tidemill.get_binary("hash").unwrap().bytes,
        deleted: tidemill.get_bool("deleted").unwrap_or(false),
    }
}

#[async_trait]
impl Documents for Naive {
    async fn write(&self, target: &Target, batch: &Batch<'_>) -> Result<WriteOutcome, DocumentsError> {
        let mut state = self.state.lock().unwrap();
        let receipt = (batch.object.to_owned(), batch.ordinal);
        if let Some(tally) = state.receipts.get(&receipt) {
            return Ok(WriteOutcome {
                tally: *tally,
                refusals: Vec::new(),
            });
        }
        let mut tally = Tally::default();
        if !self.rules.goes_back && target.version.is_some() && target.version < state.visible {
            tally.superseded = batch.documents.len() as u64;
        } else {
            let rows = state.versions.entry(target.version).or_default();
            for document in batch.documents {
                let key = key(document.get("_id").unwrap().unwrap());
                let verdict = (self.rules.judge)(rows.get(&key).map(|stored| stamp(stored)), stamp(document));
                *match verdict {
                    Verdict::Inserted => &mut tally.inserted,
                    Verdict::Updated => &mut tally.updated,
                    Verdict::Unchanged => &mut tally.unchanged,
                    Verdict::Stale => &mut tally.stale,
                } += 1;
                if verdict == Verdict::Stale || (verdict == Verdict::Unchanged && !self.rules.advances) {
                    continue;
                }
                if stamp(document).deleted && !self.rules.keeps_tombstones {
                    rows.remove(&key);
                } else {
                    rows.insert(key, (*document).to_owned());
                }
            }
        }
        if self.rules.keeps_receipts {
            state.receipts.insert(receipt, tally);
        }
        Ok(WriteOutcome {
            tally,
            refusals: Vec::new(),
        })
    }

    async fn settle(&self, object: &str) -> Result<(), DocumentsError> {
        self.state.lock().unwrap().receipts.retain(|(of, _), _| of != object);
        Ok(())
    }

    async fn visible(&self, _: &Name) -> Result<Option<Version>, DocumentsError> {
        Ok(self.state.lock().unwrap().visible)
    }

    async fn replace(&self, _: &Name, version: Version) -> Result<Replaced, DocumentsError> {
        let mut state = self.state.lock().unwrap();
        if !self.rules.goes_back && state.visible > Some(version) {
            return Ok(Replaced::Older);
        }
        state.visible = Some(version);
        Ok(Replaced::Visible)
    }

    async fn get(&self, _: &Name, id: RawBsonRef<'_>, deleted: bool) -> Result<Option<RawDocumentBuf>, DocumentsError> {
        let state = self.state.lock().unwrap();
        let found = state.versions.get(&state.visible).and_then(|rows| rows.get(&key(id)));
        Ok(found.filter(|document| deleted || !stamp(document).deleted).cloned())
    }

    async fn scan(&self, _: &Name, after: Option<RawBsonRef<'_>>, limit: usize) -> Result<Vec<RawDocumentBuf>, DocumentsError> {
        let state = self.state.lock().unwrap();
        let rows = state.versions.get(&state.visible).into_iter().flatten();
        let rows = rows.filter(|(id, document)| after.is_none_or(|after| **id > key(after)) && !stamp(document).deleted);
        Ok(rows.take(limit).map(|(_, document)| document.clone()).collect())
    }

    async fn collections(&self) -> Result<Vec<String>, DocumentsError> {
        Ok(vec![tidemill_tests::simulator::collection().to_string()])
    }

    async fn declare(&self, _: &Target, _: &Contract) -> Result<(), DocumentsError> {
        Ok(())
    }

    async fn plan(&self, _: &Contract, _: Tightness) -> Result<Vec<Change>, DocumentsError> {
        Ok(Vec::new())
    }

    async fn carry_out(&self, _: &Contract, _: &[Change]) -> Result<Vec<String>, DocumentsError> {
        Ok(Vec::new())
    }

    async fn count(&self, _: &Name) -> Result<Option<u64>, DocumentsError> {
        let state = self.state.lock().unwrap();
        let rows = state.versions.get(&state.visible);
        Ok(rows.map(|rows| rows.values().filter(|document| !stamp(document).deleted).count() as u64))
    }
}
