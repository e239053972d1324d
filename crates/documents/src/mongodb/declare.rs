//! Making a collection what its contract says: what is pure is in [`crate::contract`], here it is looked up and carried out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use pipeline::Name;

use super::MongoDocuments;
use super::control::{self, Control};
use super::error::{Fault, FaultKind};
use crate::contract::{self, FoundIndex, IndexSpec};
use crate::{Change, Contract, DocumentsError, Found, Target, Tightness};

/// What this process has declared: of each collection in the database the contract.
#[derive(Default)]
pub(super) struct Declared(Mutex<BTreeMap<String, (Contract, Instant)>>);

/// How long it holds: another process may drop the collection, or tighten its validator.
const DECLARED_FOR: Duration = Duration::from_secs(30);

/// The most that is remembered; what is forgotten is only declared again.
const DECLARED_MAX: usize = 64;

impl Declared {
    fn holds(&self, collection: &str, contract: &Contract) -> bool {
        let declared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        declared
            .get(collection)
            .is_some_and(|(known, at)| at.elapsed() < DECLARED_FOR && known == contract)
    }

    fn remember(&self, collection: String, contract: &Contract) {
        let mut declared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if declared.len() >= DECLARED_MAX {
            declared.clear();
        }
        declared.insert(collection, (contract.clone(), Instant::now()));
    }

    /// The collection is not there any more, or is another: it must be declared again.
    pub(super) fn forget(&self, collection: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(collection);
    }
}

pub(super) async fn declare(store: &MongoDocuments, target: &Target, contract: &Contract) -> Result<(), DocumentsError> {
    let name = &target.collection;
    ensure(store, target, contract)
        .await
        .map_err(|fault| fault.named("make ready to write", name.as_str()))
}

pub(super) async fn plan(store: &MongoDocuments, contract: &Contract, tightness: Tightness) -> Result<Vec<Change>, DocumentsError> {
    let name = &contract.collection;
    let found = look(store, name, name.as_str()).await;
    let found = found.map_err(|fault| fault.named("look up validator and indexes", name.as_str()))?;
    Ok(contract::plan(contract, &found, tightness))
}

pub(super) async fn carry_out(store: &MongoDocuments, contract: &Contract, changes: &[Change]) -> Result<Vec<String>, DocumentsError> {
    let name = &contract.collection;
    let mut unable = Vec::new();
    for change in changes {
        let result = match change {
            Change::CreateCollection { validator } => create(store, name.as_str(), validator, &mut unable).await,
            Change::SetValidator { tightness, .. } => set_validator(store, contract, name.as_str(), *tightness).await,
            Change::CreateIndex(index) => create_index(store, name, name.as_str(), index).await,
            Change::ChangeExpiry { index, seconds } => change_expiry(store, name, index, *seconds).await,
            Change::DropIndex { name: index, .. } => drop_index(store, name, index).await,
            Change::Leave { .. } => Ok(()),
        };
        match result {
            Ok(()) => {}
            Err(fault) if is_answer(&fault) => {
                unable.push(format!("could not {change}: the server says: {}; the rest is done", fault.text))
            }
            Err(fault) => return Err(fault.named(action_of(change), name.as_str())),
        }
    }
    store.declared.forget(name.as_str());
    Ok(unable)
}

fn action_of(change: &Change) -> &'static str {
    match change {
        Change::CreateCollection { .. } => "create the collection",
        Change::SetValidator { .. } => "set the validator (`collMod`)",
        Change::CreateIndex(_) => "create an index",
        Change::ChangeExpiry { .. } => "change an index (`collMod`)",
        Change::DropIndex { .. } => "drop an index",
        Change::Leave { .. } => "leave it as it is",
    }
}

/// Whether the server considered it and said no: asking again is in vain, but other things can be done.
fn is_answer(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Unknown | FaultKind::Duplicate | FaultKind::Other)
}

async fn ensure(store: &MongoDocuments, target: &Target, contract: &Contract) -> Result<(), Fault> {
    let name = &target.collection;
    // What is built becomes what is seen with all that was declared of it.
    if let Some(version) = target.version
        && store.declared.holds(&control::staged(name, version), contract)
    {
        return Ok(());
    }
    let Some(collection) = written(store, target).await? else {
        return Ok(());
    };
    if store.declared.holds(&collection, contract) {
        return Ok(());
    }
    if look(store, name, &collection).await?.exists {
        set_validator(store, contract, &collection, Tightness::Relaxed).await?;
    } else {
        // What can't be done now is planned, tried and said by the command at the run's end; documents are taken without it.
        create(store, &collection, &contract.validator, &mut Vec::new()).await?;
        for index in &contract.indexes {
            match create_index(store, name, &collection, index).await {
                Err(fault) if !is_answer(&fault) => return Err(fault),
                _ => {}
            }
        }
        // Another process may have created it meanwhile, with the validator of another contract.
        set_validator(store, contract, &collection, Tightness::Relaxed).await?;
    }
    store.declared.remember(collection, contract);
    Ok(())
}

/// The collection in the database that a target's documents go to; `None` when they come too late to go anywhere.
async fn written(store: &MongoDocuments, target: &Target) -> Result<Option<String>, Fault> {
    let Some(version) = target.version else {
        return Ok(Some(target.collection.to_string()));
    };
    let visible = control::read(store, &target.collection).await?.visible;
    Ok(match visible.map(|visible| version.cmp(&visible)) {
        Some(std::cmp::Ordering::Less) => None,
        Some(std::cmp::Ordering::Equal) => Some(target.collection.to_string()),
        _ => Some(control::staged(&target.collection, version)),
    })
}

/// Reads what is there of `collection`, which is the one that `name`'s readers see or one that is being built for them.
async fn look(store: &MongoDocuments, name: &Name, collection: &str) -> Result<Found, Fault> {
    let list = doc! { "listCollections": 1, "filter": { "name": collection } };
    let reply = store.link.command_again(list).await?;
    let Some(listed) = first_batch(&reply).and_then(|batch| batch.first()).and_then(Bson::as_document) else {
        return Ok(Found::default());
    };
    if listed.get_str("type").is_ok_and(|kind| kind != "collection") {
        let problem = "it is a view or a time series, which documents can't be written to: give the collection another name";
        return Err(Fault::damaged(problem.to_owned()));
    }
    let validator = listed
        .get_document("options")
        .and_then(|options| options.get_document("validator"))
        .ok();
    let indexes = match store.link.command_again(doc! { "listIndexes": collection }).await {
        Ok(reply) => first_batch(&reply).into_iter().flatten().filter_map(found_index).collect(),
        Err(fault) if fault.kind == FaultKind::NamespaceNotFound => return Ok(Found::default()),
        Err(fault) => return Err(fault),
    };
    let Control { indexes: ours, .. } = control::read(store, name).await?;
    Ok(Found {
        exists: true,
        validator: validator.cloned(),
        indexes,
        ours,
    })
}

/// A collection has 64 indexes at most, which are one batch.
fn first_batch(reply: &Document) -> Option<&Vec<Bson>> {
    reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).ok()
}

fn found_index(listed: &Bson) -> Option<FoundIndex> {
    let mut options = listed.as_document()?.clone();
    let name = options.remove("name")?.as_str()?.to_owned();
    let Some(Bson::Document(keys)) = options.remove("key") else {
        return None;
    };
    options.remove("v");
    options.remove("ns");
    (name != "_id_").then_some(FoundIndex { name, keys, options })
}

/// Creates a collection; another process may do so at the same moment.
async fn create(store: &MongoDocuments, collection: &str, validator: &Document, unable: &mut Vec<String>) -> Result<(), Fault> {
    let with = doc! { "create": collection, "validator": validator.clone(), "writeConcern": control::majority() };
    let refused = match exists_is_fine(store.link.command_again(with).await) {
        Err(fault) if is_answer(&fault) => fault,
        result => return result,
    };
    let without = doc! { "create": collection, "writeConcern": control::majority() };
    exists_is_fine(store.link.command_again(without).await)?;
    unable.push(format!(
        "could not give the collection its validator: the server says: {}; it was created without",
        refused.text
    ));
    Ok(())
}

fn exists_is_fine(result: Result<Document, Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if fault.kind == FaultKind::NamespaceExists => Ok(()),
        result => result.map(drop),
    }
}

/// Sets the validator that is planned from what is there now. Two processes take turns: a validator is set as a whole, and must not lose what the other added.
async fn set_validator(store: &MongoDocuments, contract: &Contract, collection: &str, tightness: Tightness) -> Result<(), Fault> {
    let name = &contract.collection;
    if planned(&look(store, name, collection).await?, contract, tightness).is_none() {
        return Ok(());
    }
    let turn = control::take_turn(store, name).await?;
    let result = match planned(&look(store, name, collection).await?, contract, tightness) {
        None => Ok(()),
        Some(validator) => {
            let modify = doc! { "collMod": collection, "validator": validator, "writeConcern": control::majority() };
            store.link.command_again(modify).await.map(drop)
        }
    };
    control::end_turn(store, name, turn).await?;
    result
}

fn planned(found: &Found, contract: &Contract, tightness: Tightness) -> Option<Document> {
    let changes = contract::plan(contract, found, tightness);
    changes.into_iter().find_map(|change| match change {
        Change::SetValidator { validator, .. } => Some(validator),
        _ => None,
    })
}

/// Notes that the index is ours, then creates it. One of its name that is not ours is the user's, and stays.
async fn create_index(store: &MongoDocuments, name: &Name, collection: &str, index: &IndexSpec) -> Result<(), Fault> {
    let found = look(store, name, collection).await?;
    let ours = found.ours.contains(&index.name);
    if !ours && found.indexes.iter().any(|there| there.name == index.name) {
        let place = store.link.connected().await?.place.clone();
        let text = format!("there is an index `{}` that Tidemill did not create", index.name);
        return Err(Fault::new(FaultKind::Other, text, place));
    }
    if !ours {
        control::note_index(store, name, &index.name).await?;
    }
    let mut spec = doc! { "name": &index.name, "key": index.keys.clone() };
    spec.extend(index.options.clone());
    let command = doc! { "createIndexes": collection, "indexes": [spec], "writeConcern": control::majority() };
    let result = store.link.long_command(command).await;
    match result {
        Err(fault) if is_answer(&fault) && !ours => {
            control::forget_index(store, name, &index.name).await?;
            Err(fault)
        }
        result => result.map(drop),
    }
}

async fn change_expiry(store: &MongoDocuments, name: &Name, index: &str, seconds: i64) -> Result<(), Fault> {
    let change = doc! { "name": index, "expireAfterSeconds": seconds };
    let command = doc! { "collMod": name.as_str(), "index": change, "writeConcern": control::majority() };
    store.link.command_again(command).await.map(drop)
}

/// Drops an index if it is ours now, whatever was planned.
async fn drop_index(store: &MongoDocuments, name: &Name, index: &str) -> Result<(), Fault> {
    /// `IndexNotFound`: somebody dropped it already.
    const NOT_FOUND: i32 = 27;
    if !control::read(store, name).await?.indexes.contains(index) {
        return Ok(());
    }
    let command = doc! { "dropIndexes": name.as_str(), "index": index, "writeConcern": control::majority() };
    match store.link.command_again(command).await {
        Err(fault) if fault.code != Some(NOT_FOUND) && fault.kind != FaultKind::NamespaceNotFound => return Err(fault),
        _ => {}
    }
    control::forget_index(store, name, index).await
}
