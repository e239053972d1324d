//! What Tidemill notes of a collection, in `tidemill.collections`: one document a collection, changed only where it is as it was read.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};
use mongodb::Collection;
use pipeline::Name;

use super::MongoDocuments;
use super::error::{Fault, FaultKind};
use super::uri::MAJORITY_MAX;
use crate::Version;

/// The collection of these documents.
pub(super) const CONTROL: &str = "tidemill.collections";

/// What is noted of a collection; nothing yet is the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Control {
    /// The version that readers see, or will as soon as `swap` is done.
    pub visible: Option<Version>,
    /// The ready collection that is to be renamed to the one that readers see.
    pub swap: Option<String>,
    /// The names of the indexes that Tidemill made. No other is ever dropped.
    pub indexes: BTreeSet<String>,
}

/// Reads it as a majority of the servers has it.
pub(super) async fn read(store: &MongoDocuments, name: &Name) -> Result<Control, Fault> {
    let filter = doc! { "_id": name.as_str() };
    let found = store
        .link
        .attempt(|database| {
            let filter = filter.clone();
            async move { database.collection::<Document>(CONTROL).find_one(filter).await }
        })
        .await?;
    found.map_or_else(|| Ok(Control::default()), |document| understand(&document))
}

/// Sets `visible` and `swap` if they are still as `expected` says; `false` if another process changed them.
pub(super) async fn change(store: &MongoDocuments, name: &Name, expected: &Control, new: &Control) -> Result<bool, Fault> {
    let filter = filter(name, expected);
    let update = doc! { "$set": { "visible": new.visible.map_or(Bson::Null, version), "swap": swap(new.swap.as_deref()) } };
    // Only a collection of which nothing is noted may need a new document; if there is one that is otherwise, its `_id` is taken.
    let upsert = expected.visible.is_none() && expected.swap.is_none();
    let result = store
        .link
        .attempt(|database| {
            let (filter, update) = (filter.clone(), update.clone());
            async move {
                let control: Collection<Document> = database.collection(CONTROL);
                control.update_one(filter, update).upsert(upsert).await
            }
        })
        .await;
    match result {
        Ok(result) => Ok(result.matched_count > 0 || result.upserted_id.is_some()),
        Err(fault) if fault.kind == FaultKind::Duplicate => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Notes that an index is ours, before it is made.
pub(super) async fn note_index(store: &MongoDocuments, name: &Name, index: &str) -> Result<(), Fault> {
    update(store, name, doc! { "$addToSet": { "indexes": index } }, true).await
}

/// Notes that an index of ours is gone.
pub(super) async fn forget_index(store: &MongoDocuments, name: &Name, index: &str) -> Result<(), Fault> {
    update(store, name, doc! { "$pull": { "indexes": index } }, false).await
}

/// The collection in which a version is built, out of readers' sight.
pub(super) fn staged(name: &Name, version: Version) -> String {
    format!("tidemill.staged.{name}.{}", spell(version))
}

/// A version as a part of a collection's name: names sort as versions.
pub(super) fn spell(version: Version) -> String {
    let run: String = version.run.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{run}.{:010}", version.generation)
}

/// The write concern of a command, which has none of the client's.
pub(super) fn majority() -> Document {
    doc! { "w": "majority", "wtimeout": MAJORITY_MAX.as_millis() as i64 }
}

/// How long a process may hold its turn: longer than any change of a validator takes. A process that died in its turn holds up others for so long.
const TURN_MAX: Duration = Duration::from_secs(60);
const TURN_PAUSE: Duration = Duration::from_millis(50);

/// A process's turn to change a validator.
pub(super) struct Turn(ObjectId);

/// Waits for the turn to change the collection's validator.
pub(super) async fn take_turn(store: &MongoDocuments, name: &Name) -> Result<Turn, Fault> {
    let turn = ObjectId::new();
    let until = Instant::now() + 2 * TURN_MAX;
    loop {
        let now = DateTime::now();
        let over = DateTime::from_millis(now.timestamp_millis() - TURN_MAX.as_millis() as i64);
        let filter = doc! { "_id": name.as_str(), "$or": [{ "turn": Bson::Null }, { "turn.since": { "$lt": over } }] };
        let update = doc! { "$set": { "turn": { "by": turn, "since": now } } };
        let result = store
            .link
            .attempt(|database| {
                let (filter, update) = (filter.clone(), update.clone());
                async move {
                    let control: Collection<Document> = database.collection(CONTROL);
                    control.update_one(filter, update).upsert(true).await
                }
            })
            .await;
        match result {
            Ok(_) => return Ok(Turn(turn)),
            // There is a document, and it is another's turn.
            Err(fault) if fault.kind == FaultKind::Duplicate && Instant::now() < until => tokio::time::sleep(TURN_PAUSE).await,
            Err(fault) if fault.kind == FaultKind::Duplicate => {
                return Err(Fault {
                    kind: FaultKind::Passing,
                    text: "other processes have been changing its validator for two minutes".to_owned(),
                    ..fault
                });
            }
            Err(fault) => return Err(fault),
        }
    }
}

pub(super) async fn end_turn(store: &MongoDocuments, name: &Name, turn: Turn) -> Result<(), Fault> {
    let filter = doc! { "_id": name.as_str(), "turn.by": turn.0 };
    update_where(store, filter, doc! { "$unset": { "turn": "" } }, false).await
}

async fn update(store: &MongoDocuments, name: &Name, update: Document, upsert: bool) -> Result<(), Fault> {
    update_where(store, doc! { "_id": name.as_str() }, update, upsert).await
}

async fn update_where(store: &MongoDocuments, filter: Document, update: Document, upsert: bool) -> Result<(), Fault> {
    let write = || {
        store.link.attempt(|database| {
            let (filter, update) = (filter.clone(), update.clone());
            async move {
                let control: Collection<Document> = database.collection(CONTROL);
                control.update_one(filter, update).upsert(upsert).await.map(drop)
            }
        })
    };
    match write().await {
        // Another process made the document at the same moment: now there is one to update.
        Err(fault) if fault.kind == FaultKind::Duplicate => write().await,
        result => result,
    }
}

fn filter(name: &Name, expected: &Control) -> Document {
    let mut filter = doc! { "_id": name.as_str() };
    // Field by field, for documents are equal only when their fields are in one order.
    match &expected.swap {
        Some(from) => filter.insert("swap.from", from.clone()),
        None => filter.insert("swap", Bson::Null),
    };
    match expected.visible {
        Some(version) => {
            filter.insert("visible.run", run(version));
            filter.insert("visible.generation", i64::from(version.generation));
        }
        None => {
            filter.insert("visible", Bson::Null);
        }
    }
    filter
}

fn swap(from: Option<&str>) -> Bson {
    from.map_or(Bson::Null, |from| Bson::Document(doc! { "from": from }))
}

fn version(version: Version) -> Bson {
    Bson::Document(doc! { "run": run(version), "generation": i64::from(version.generation) })
}

fn run(version: Version) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: version.run.to_vec(),
    }
}

fn understand(document: &Document) -> Result<Control, Fault> {
    let visible = match document.get("visible") {
        None | Some(Bson::Null) => None,
        Some(Bson::Document(visible)) => Some(understand_version(visible).ok_or_else(|| damaged("`visible` is not a version"))?),
        Some(_) => return Err(damaged("`visible` is not a version")),
    };
    let swap = match document.get("swap") {
        None | Some(Bson::Null) => None,
        Some(Bson::Document(swap)) => Some(
            swap.get_str("from")
                .map_err(|_| damaged("`swap` does not say what is to be renamed"))?
                .to_owned(),
        ),
        Some(_) => return Err(damaged("`swap` does not say what is to be renamed")),
    };
    let indexes = match document.get("indexes") {
        None | Some(Bson::Null) => BTreeSet::new(),
        Some(Bson::Array(names)) => names.iter().filter_map(Bson::as_str).map(str::to_owned).collect(),
        Some(_) => return Err(damaged("`indexes` is not a list")),
    };
    Ok(Control { visible, swap, indexes })
}

fn understand_version(document: &Document) -> Option<Version> {
    let run = document.get_binary_generic("run").ok()?;
    let generation = match document.get("generation")? {
        Bson::Int32(generation) => i64::from(*generation),
        Bson::Int64(generation) => *generation,
        _ => return None,
    };
    Some(Version {
        run: run.as_slice().try_into().ok()?,
        generation: u32::try_from(generation).ok()?,
    })
}

fn damaged(problem: &str) -> Fault {
    Fault::damaged(format!("what is noted of it in `{CONTROL}` can't be read: {problem}"))
}
