//! Indexes: made and dropped as a plan says, and taken over from the collection whose place another takes.

use bson::{Bson, Document, doc};
use pipeline::Name;

use super::MongoDocuments;
use super::control;
use super::declare::{is_answer, look};
use super::error::{Fault, FaultKind};
use super::read;
use crate::contract::{self, DropReason, FoundIndex, IndexSpec};
use crate::{Change, Contract, Tightness};

/// What became of an index that was to be dropped.
pub(super) enum Dropped {
    /// It is gone, or was not ours to drop. What it was, if it was dropped now.
    Done(Option<FoundIndex>),
    /// It stays, as long as this declared one is not there.
    Kept { missing: String },
}

/// Notes that the index is ours, then creates it. Another of its name that is not ours is the user's, and stays.
pub(super) async fn create(store: &MongoDocuments, name: &Name, collection: &str, index: &IndexSpec) -> Result<(), Fault> {
    let looked = look(store, name, collection).await?;
    let there = looked.found.indexes.iter().find(|there| there.name == index.name);
    if let Some(there) = there.filter(|there| !looked.control.made(there)) {
        if there.is(index) {
            return Ok(());
        }
        let text = format!("there is an index `{}` that Tidemill did not create like this", index.name);
        return Err(store.fault(FaultKind::Other, 0, text).await);
    }
    let known = looked.control.indexes.contains(index);
    control::note_index(store, name, index).await?;
    match make(store, collection, &index.name, &index.keys, &index.options).await {
        // Again: who saw that it was not there yet may have struck it out.
        Ok(()) => control::note_index(store, name, index).await,
        Err(fault) if is_answer(&fault) && !known => {
            control::forget_index(store, name, index).await?;
            Err(fault)
        }
        Err(fault) => Err(fault),
    }
}

/// Makes an index that was dropped to make room.
pub(super) async fn restore(store: &MongoDocuments, name: &Name, old: &FoundIndex) -> Result<(), Fault> {
    let old = IndexSpec {
        name: old.name.clone(),
        keys: old.keys.clone(),
        options: old.options.clone(),
    };
    create(store, name, name.as_str(), &old).await
}

/// Changes how long documents live, if the index is ours now, whatever was planned.
pub(super) async fn change_expiry(store: &MongoDocuments, name: &Name, index: &str, seconds: i64) -> Result<(), Fault> {
    let looked = look(store, name, name.as_str()).await?;
    let there = looked.found.indexes.iter().find(|there| there.name == index);
    let Some(old) = there.and_then(|there| looked.control.indexes.iter().find(|made| there.is(made))) else {
        let text = format!("there is no index `{index}` any more that is as Tidemill created it");
        return Err(store.fault(FaultKind::Other, 0, text).await);
    };
    let mut new = old.clone();
    new.options.insert("expireAfterSeconds", seconds);
    // Both are noted for a moment: whichever it is when this process dies, it is ours.
    control::note_index(store, name, &new).await?;
    let change = doc! { "name": index, "expireAfterSeconds": seconds };
    let command = doc! { "collMod": name.as_str(), "index": change, "writeConcern": control::majority() };
    match store.link.command_again(command).await {
        Ok(_) if new == *old => Ok(()),
        Ok(_) => control::forget_index(store, name, old).await,
        Err(fault) if is_answer(&fault) && new != *old => {
            control::forget_index(store, name, &new).await?;
            Err(fault)
        }
        Err(fault) => Err(fault),
    }
}

/// Drops an index if it is ours now, whatever was planned; one that is not declared any more only when all that are declared are there.
pub(super) async fn drop(store: &MongoDocuments, contract: &Contract, index: &str, why: &DropReason) -> Result<Dropped, Fault> {
    /// `IndexNotFound`: somebody dropped it already.
    const NOT_FOUND: i32 = 27;
    let name = &contract.collection;
    let looked = look(store, name, name.as_str()).await?;
    let there = looked.found.indexes.iter().find(|there| there.name == index);
    let Some(there) = there.filter(|there| looked.control.made(there)) else {
        return Ok(Dropped::Done(None));
    };
    if *why == DropReason::Undeclared {
        let planned = contract::plan(contract, &looked.found, Tightness::Relaxed);
        let missing = planned.into_iter().find_map(|change| match change {
            Change::CreateIndex(index) => Some(index.name),
            _ => None,
        });
        if let Some(missing) = missing {
            return Ok(Dropped::Kept { missing });
        }
    }
    let command = doc! { "dropIndexes": name.as_str(), "index": index, "writeConcern": control::majority() };
    match store.link.command_again(command).await {
        Err(fault) if fault.code != Some(NOT_FOUND) && fault.kind != FaultKind::NamespaceNotFound => return Err(fault),
        _ => {}
    }
    for made in looked.control.indexes.iter().filter(|made| made.name == index) {
        control::forget_index(store, name, made).await?;
    }
    Ok(Dropped::Done(Some(there.clone())))
}

/// Strikes out what is noted as ours and is not there, or not like this: somebody dropped it, and may make another of its name.
pub(super) async fn forget_gone(store: &MongoDocuments, name: &Name) -> Result<(), Fault> {
    let looked = look(store, name, name.as_str()).await?;
    let there = |made: &&IndexSpec| looked.found.indexes.iter().any(|there| there.is(made));
    let gone: Vec<&IndexSpec> = looked.control.indexes.iter().filter(|made| !there(made)).collect();
    // It may be an index of a version that is being built.
    if gone.is_empty() || looked.control.swap.is_some() || is_built(store, name).await? {
        return Ok(());
    }
    for made in gone {
        control::forget_index(store, name, made).await?;
    }
    Ok(())
}

async fn is_built(store: &MongoDocuments, name: &Name) -> Result<bool, Fault> {
    let pattern = format!("^tidemill\\.(staged|ready)\\.{name}\\.");
    Ok(!read::names(store, doc! { "name": { "$regex": pattern } }).await?.is_empty())
}

/// Makes on `to` the indexes of `from` that are wanted, and of which there is none yet that does the same.
pub(super) async fn copy(store: &MongoDocuments, from: &str, to: &str, wanted: impl Fn(&FoundIndex) -> bool) -> Result<(), Fault> {
    let there = list(store, to).await?;
    for index in list(store, from).await?.iter().filter(|index| wanted(index)) {
        if there.iter().any(|there| there.does_as(&index.keys, &index.options)) {
            continue;
        }
        let made = make(store, to, &index.name, &index.keys, &index.options).await;
        made.map_err(|fault| Fault {
            text: format!(
                "the index `{}` of `{from}` can't be made for the documents that are to take its place: drop it, or mend them: {}",
                index.name, fault.text
            ),
            ..fault
        })?;
    }
    Ok(())
}

/// The indexes of a collection but `_id`'s; none if it is not there.
pub(super) async fn list(store: &MongoDocuments, collection: &str) -> Result<Vec<FoundIndex>, Fault> {
    Ok(list_of(store, collection).await?.unwrap_or_default())
}

/// The indexes of a collection but `_id`'s; `None` if it is not there.
pub(super) async fn list_of(store: &MongoDocuments, collection: &str) -> Result<Option<Vec<FoundIndex>>, Fault> {
    // A collection has 64 indexes at most, which are one batch.
    let most = 1000;
    let command = doc! { "listIndexes": collection, "cursor": { "batchSize": most } };
    let reply = match store.link.command_again(command).await {
        Err(fault) if fault.kind == FaultKind::NamespaceNotFound => return Ok(None),
        reply => reply?,
    };
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|_| Fault::damaged("the answer to `listIndexes` has no batch".to_owned()))?;
    Ok(Some(batch.iter().filter_map(found).collect()))
}

fn found(listed: &Bson) -> Option<FoundIndex> {
    let mut options = listed.as_document()?.clone();
    let name = options.remove("name")?.as_str()?.to_owned();
    let Some(Bson::Document(keys)) = options.remove("key") else {
        return None;
    };
    options.remove("v");
    // Old servers tell the collection's name with it.
    options.remove("ns");
    (name != "_id_").then_some(FoundIndex { name, keys, options })
}

async fn make(store: &MongoDocuments, collection: &str, name: &str, keys: &Document, options: &Document) -> Result<(), Fault> {
    let mut spec = doc! { "name": name, "key": keys.clone() };
    spec.extend(options.clone());
    let command = doc! { "createIndexes": collection, "indexes": [spec], "writeConcern": control::majority() };
    store.link.long_command(command).await.map(|_| ())
}
