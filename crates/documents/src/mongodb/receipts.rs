//! Receipts of batches, in `tidemill.receipts`: what attempts at a batch agreed to do, then what they answered. They go when the object is settled.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, RawBsonRef, RawDocument, doc};
use tokio::sync::OnceCell;

use super::MongoDocuments;
use super::attempt::Plan;
use super::client::raw;
use super::control::majority;
use super::cursor::batches;
use super::declare::is_answer;
use super::error::{Fault, FaultKind, kind_of_code};
use super::patience::Patience;
use super::reply::{self, Meaning, number};
use crate::{Batch, DocumentsError, Refusal, Tally, WriteOutcome};

/// The collection of these documents.
pub(super) const RECEIPTS: &str = "tidemill.receipts";

/// What is agreed on for a batch that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipt {
    pub plan: Plan,
    /// The fingerprints of its candidates: the same batch has the same ones.
    pub prints: Vec<u8>,
    /// The collection that readers see.
    pub collection: String,
    /// The one that is written to.
    pub place: String,
    /// Changes with every change, and when another attempt arrives.
    pub revision: i64,
    /// How many attempts there were.
    pub attempts: i64,
}

/// What is there of a batch.
#[derive(Debug)]
pub(super) enum Known {
    Nothing,
    Planned(Receipt),
    Answered(WriteOutcome),
}

/// The `_id` of a batch's receipt. No object's key has a colon.
pub(super) fn id_of(batch: &Batch<'_>) -> String {
    format!("{}:{:010}", batch.object, batch.ordinal)
}

/// Tells what was there when this attempt arrived. If that was nothing, the receipt is this one now.
pub(super) async fn arrive(store: &MongoDocuments, id: &str, new: &Receipt, answered: Option<&WriteOutcome>) -> Result<Known, Fault> {
    let mut set = doc! { "collection": &new.collection, "place": &new.place, "at": DateTime::now() };
    match answered {
        Some(outcome) => drop(set.insert("outcome", written(outcome))),
        // `open` is there as long as others have to look into the receipt, and is what its index is of.
        None => set.extend(doc! { "plan": binary(&new.plan.steps), "prints": binary(&new.prints), "open": &new.collection }),
    }
    let command = doc! {
        "findAndModify": RECEIPTS,
        "query": { "_id": id },
        "update": { "$setOnInsert": set, "$inc": { "revision": 1i64, "attempts": 1i64 } },
        "upsert": true,
        "writeConcern": majority(),
    };
    let before = find_and_modify(store, command).await;
    match before {
        // Two arrived at the very same moment, and the server did not try it again itself: it passes.
        Err(fault) if fault.kind == FaultKind::Duplicate => Err(Fault {
            kind: FaultKind::Passing,
            ..fault
        }),
        Err(fault) => Err(fault),
        Ok(None) => Ok(Known::Nothing),
        Ok(Some(before)) => Ok(match understand(&before)? {
            Known::Planned(mut receipt) => {
                receipt.revision += 1;
                receipt.attempts += 1;
                Known::Planned(receipt)
            }
            known => known,
        }),
    }
}

/// What is there of a batch, as a majority has it.
pub(super) async fn read(store: &MongoDocuments, id: &str) -> Result<Known, Fault> {
    let command =
        doc! { "find": RECEIPTS, "filter": { "_id": id }, "limit": 1, "singleBatch": true, "readConcern": { "level": "majority" } };
    let reply = store.link.command_once(command).await?;
    let cursor = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let found = cursor.map_err(|_| Fault::damaged("the answer to `find` has no batch".to_owned()))?;
    match found.first().and_then(Bson::as_document) {
        Some(found) => understand(found),
        None => Ok(Known::Nothing),
    }
}

/// Is the receipt as it was read? Only its numbers are fetched.
pub(super) async fn stands(store: &MongoDocuments, id: &str, held: &Receipt) -> Result<bool, Fault> {
    let command = doc! {
        "find": RECEIPTS,
        "filter": { "_id": id, "revision": held.revision, "outcome": { "$exists": false } },
        "projection": { "_id": 1 },
        "limit": 1,
        "singleBatch": true,
        "readConcern": { "level": "majority" },
    };
    let reply = store.link.command_once(command).await?;
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    Ok(batch.is_ok_and(|batch| !batch.is_empty()))
}

/// Changes the plan, if nothing happened since it was read; `false` otherwise.
pub(super) async fn revise(store: &MongoDocuments, id: &str, held: &Receipt, new: &Receipt) -> Result<bool, Fault> {
    let command = doc! {
        "findAndModify": RECEIPTS,
        "query": { "_id": id, "revision": held.revision, "outcome": { "$exists": false } },
        "update": {
            "$set": { "place": &new.place, "plan": binary(&new.plan.steps), "prints": binary(&new.prints), "revision": new.revision },
        },
        "fields": { "_id": 1 },
        "writeConcern": majority(),
    };
    Ok(find_and_modify(store, command).await?.is_some())
}

/// Keeps the answer. If there is one already, that is the answer.
pub(super) async fn answer(store: &MongoDocuments, id: &str, outcome: WriteOutcome) -> Result<WriteOutcome, Fault> {
    let command = doc! {
        "findAndModify": RECEIPTS,
        "query": { "_id": id, "outcome": { "$exists": false } },
        "update": {
            "$set": { "outcome": written(&outcome) },
            "$unset": { "plan": "", "prints": "", "landed": "", "open": "" },
            "$inc": { "revision": 1i64 },
        },
        "fields": { "_id": 1 },
        "writeConcern": majority(),
    };
    if find_and_modify(store, command).await?.is_some() {
        return Ok(outcome);
    }
    Ok(match read(store, id).await? {
        Known::Answered(theirs) => theirs,
        // Another attempt has settled the object: its numbers are recorded, ours won't be.
        Known::Nothing | Known::Planned(_) => outcome,
    })
}

/// Tells the attempts at other batches which of their documents were seen, before others take their place. `seen` are their fingerprints.
pub(super) async fn mark_seen(store: &MongoDocuments, id: &str, collection: &str, seen: impl Iterator<Item = u64>) -> Result<(), Fault> {
    store.receipts.0.get_or_try_init(|| index(store)).await?;
    let mut hits: Vec<(String, Vec<i32>)> = Vec::new();
    let command = doc! {
        "find": RECEIPTS,
        "filter": { "open": collection, "_id": { "$ne": id } },
        "projection": { "prints": 1, "landed": 1 },
        "readConcern": { "level": "majority" },
    };
    let mut cursor = batches(store, raw(&command)?).await?;
    let mut seen = Some(seen);
    let mut wanted = HashSet::new();
    while let Some(batch) = cursor.next(store).await? {
        for other in batch.documents()? {
            // Mostly there is no other, and no fingerprint need be made.
            if let Some(seen) = seen.take() {
                wanted.extend(seen);
            }
            hits.extend(hits_of(other?, &wanted));
        }
    }
    for (other, landed) in hits {
        let command = doc! {
            "findAndModify": RECEIPTS,
            "query": { "_id": &other, "outcome": { "$exists": false } },
            "update": { "$push": { "landed": { "$each": landed } }, "$inc": { "revision": 1i64 } },
            "fields": { "_id": 1 },
            "writeConcern": majority(),
        };
        find_and_modify(store, command).await?;
    }
    Ok(())
}

/// Whether this process has made sure of the index of the receipts.
#[derive(Default)]
pub(super) struct Prepared(OnceCell<()>);

/// Makes sure of an index of the open receipts, by collection: every batch that updates looks for them. A server that has no such index is slower, no more.
async fn index(store: &MongoDocuments) -> Result<(), Fault> {
    let index = doc! { "name": "open", "key": { "open": 1 }, "sparse": true };
    let command = doc! { "createIndexes": RECEIPTS, "indexes": [index], "writeConcern": majority() };
    match store.link.command_once(command).await {
        Err(fault) if !is_answer(&fault) && fault.kind != FaultKind::Denied => Err(fault),
        _ => Ok(()),
    }
}

/// Which of another's candidates were seen, without those that it was told of before.
fn hits_of(other: &RawDocument, wanted: &HashSet<u64>) -> Option<(String, Vec<i32>)> {
    let id = other.get_str("_id").ok()?;
    let prints = other.get_binary("prints").ok()?.bytes;
    let mut known = BTreeSet::new();
    if let Ok(landed) = other.get_array("landed") {
        known.extend(landed.into_iter().flatten().filter_map(RawBsonRef::as_i32));
    }
    let (prints, _) = prints.as_chunks::<8>();
    let hits = (0i32..)
        .zip(prints)
        .filter(|(_, print)| wanted.contains(&u64::from_le_bytes(**print)));
    let hits: Vec<i32> = hits.map(|(at, _)| at).filter(|at| !known.contains(at)).collect();
    (!hits.is_empty()).then(|| (id.to_owned(), hits))
}

/// How long a receipt is kept that nobody settled: its process died after it recorded the object's fact. A queue keeps a message for 14 days at most.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Deletes an object's receipts, and those that were left behind.
pub(super) async fn forget(store: &MongoDocuments, object: &str) -> Result<(), DocumentsError> {
    let left_behind = DateTime::from_millis(DateTime::now().timestamp_millis() - KEPT.as_millis() as i64);
    let command = doc! {
        "delete": RECEIPTS,
        "deletes": [
            // A semicolon comes right after a colon.
            { "q": { "_id": { "$gte": format!("{object}:"), "$lt": format!("{object};") } }, "limit": 0 },
            { "q": { "at": { "$lt": left_behind } }, "limit": 0 },
        ],
        "writeConcern": majority(),
    };
    let mut patience = Patience::new();
    loop {
        let deleted = match store.link.command_once(command.clone()).await {
            Ok(reply) => all_deleted(store, &reply).await,
            Err(fault) => Err(fault),
        };
        match deleted {
            Ok(()) => return Ok(()),
            Err(fault) => patience
                .after(fault)
                .await
                .map_err(|fault| fault.named("settle an object", RECEIPTS))?,
        }
    }
}

/// Reads the answer to a command that deletes.
pub(super) async fn all_deleted(store: &MongoDocuments, reply: &Document) -> Result<(), Fault> {
    let reply = reply::read(reply).map_err(|problem| Fault::damaged(problem.to_owned()))?;
    match reply.errors.into_iter().next() {
        None => Ok(()),
        Some(error) => {
            let (kind, code, words) = failed(error.meaning);
            Err(store.fault(kind, code, words).await)
        }
    }
}

/// Why a delete failed: there is no document of ours that could be at fault.
fn failed(meaning: Meaning) -> (FaultKind, i32, String) {
    match meaning {
        Meaning::Again(code, words) => (FaultKind::Passing, code, words),
        Meaning::Trouble(kind, code, words) => (kind, code, words),
        Meaning::Unclear(code, words) => (FaultKind::Other, code, words),
        Meaning::Refused(words) | Meaning::Occupied(words) => (FaultKind::Other, 0, words),
        Meaning::Taken => (FaultKind::Other, 0, "the server speaks of a key that is taken".to_owned()),
    }
}

async fn find_and_modify(store: &MongoDocuments, command: Document) -> Result<Option<Document>, Fault> {
    let mut reply = store.link.command_once(command).await?;
    Ok(match reply.remove("value") {
        Some(Bson::Document(value)) => Some(value),
        _ => None,
    })
}

impl MongoDocuments {
    /// A failure that a reply told of.
    pub(super) async fn fault(&self, kind: FaultKind, code: i32, text: String) -> Fault {
        let place = match self.link.connected().await {
            Ok(connected) => connected.place.clone(),
            Err(fault) => return fault,
        };
        let kind = if kind == FaultKind::Other { kind_of_code(code) } else { kind };
        Fault {
            code: Some(code),
            ..Fault::new(kind, text, place)
        }
    }
}

fn binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

fn written(outcome: &WriteOutcome) -> Document {
    let tally = &outcome.tally;
    let refusals = outcome.refusals.iter();
    let refusals: Vec<Document> = refusals
        .map(|refusal| doc! { "index": refusal.index as i64, "message": &refusal.message })
        .collect();
    doc! {
        "inserted": tally.inserted as i64,
        "updated": tally.updated as i64,
        "unchanged": tally.unchanged as i64,
        "stale": tally.stale as i64,
        "superseded": tally.superseded as i64,
        "refused": tally.refused as i64,
        "refusals": refusals,
    }
}

fn understand(document: &Document) -> Result<Known, Fault> {
    let damaged = || Fault::damaged("a receipt can't be read".to_owned());
    if let Some(outcome) = document.get("outcome") {
        let outcome = outcome.as_document().and_then(outcome_of).ok_or_else(damaged)?;
        return Ok(Known::Answered(outcome));
    }
    receipt_of(document).map(Known::Planned).ok_or_else(damaged)
}

fn receipt_of(document: &Document) -> Option<Receipt> {
    let numbers = |name: &str| number(document.get(name)).and_then(|number| i64::try_from(number).ok());
    let landed = document.get_array("landed").into_iter().flatten();
    Some(Receipt {
        plan: Plan {
            steps: document.get_binary_generic("plan").ok()?.clone(),
            landed: landed.map(|at| number(Some(at)).map(|at| at as usize)).collect::<Option<_>>()?,
        },
        prints: document.get_binary_generic("prints").ok()?.clone(),
        collection: document.get_str("collection").ok()?.to_owned(),
        place: document.get_str("place").ok()?.to_owned(),
        revision: numbers("revision")?,
        attempts: numbers("attempts")?,
    })
}

fn outcome_of(document: &Document) -> Option<WriteOutcome> {
    let count = |name: &str| number(document.get(name));
    let refusals = document.get_array("refusals").ok()?.iter();
    let refusal = |refusal: &Bson| {
        let refusal = refusal.as_document()?;
        Some(Refusal {
            index: number(refusal.get("index"))? as usize,
            message: refusal.get_str("message").ok()?.to_owned(),
        })
    };
    Some(WriteOutcome {
        tally: Tally {
            inserted: count("inserted")?,
            updated: count("updated")?,
            unchanged: count("unchanged")?,
            stale: count("stale")?,
            superseded: count("superseded")?,
            refused: count("refused")?,
        },
        refusals: refusals.map(refusal).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests;
