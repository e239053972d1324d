//! Making a collection what its contract says: what is pure is in [`crate::contract`], here it is looked up and carried out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use pipeline::Name;

use super::MongoDocuments;
use super::control::{self, Control};
use super::error::{Fault, FaultKind};
use super::indexes::{self, Dropped};
use super::patience::Patience;
use super::replace::{self, Place};
use super::turn::{Turn, Turns};
use crate::contract::{self, DropReason, FoundIndex, IndexSpec};
use crate::{Change, Contract, DocumentsError, Foreign, Found, Target, Tightness};

/// What this process has declared, and its turns to do so.
#[derive(Default)]
pub(super) struct Declared {
    /// Of each collection in the database the contract.
    known: Mutex<BTreeMap<String, (Contract, Instant)>>,
    turns: Turns,
}

/// How long it holds: another process may drop the collection, or tighten its validator.
const DECLARED_FOR: Duration = Duration::from_secs(30);

/// The most that is remembered; what is forgotten is only declared again.
const DECLARED_MAX: usize = 64;

impl Declared {
    fn holds(&self, collection: &str, contract: &Contract) -> bool {
        let declared = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        declared
            .get(collection)
            .is_some_and(|(known, at)| at.elapsed() < DECLARED_FOR && known == contract)
    }

    fn remember(&self, collection: String, contract: &Contract) {
        let mut declared = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if declared.len() >= DECLARED_MAX {
            declared.clear();
        }
        declared.insert(collection, (contract.clone(), Instant::now()));
    }

    /// The collection is not there any more, or is another: it must be declared again.
    pub(super) fn forget(&self, collection: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(collection);
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
    let found = found(store, contract, name.as_str(), tightness).await;
    let found = found.map_err(|fault| fault.named("look up validator and indexes", name.as_str()))?;
    Ok(contract::plan(contract, &found, tightness))
}

pub(super) async fn carry_out(store: &MongoDocuments, contract: &Contract, changes: &[Change]) -> Result<Vec<String>, DocumentsError> {
    let name = &contract.collection;
    let gone = indexes::forget_gone(store, name).await;
    gone.map_err(|fault| fault.named("look up indexes", name.as_str()))?;
    let mut unable = Vec::new();
    let mut made_room = Vec::new();
    for change in changes {
        let result = carry_out_one(store, contract, change, &mut made_room, &mut unable).await;
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

/// Those that were dropped for a new one: the new one's name, and what the old one was.
type MadeRoom = Vec<(String, FoundIndex)>;

async fn carry_out_one(
    store: &MongoDocuments,
    contract: &Contract,
    change: &Change,
    made_room: &mut MadeRoom,
    unable: &mut Vec<String>,
) -> Result<(), Fault> {
    let name = &contract.collection;
    match change {
        Change::CreateCollection { validator } => create(store, name.as_str(), validator, unable).await,
        Change::SetValidator { tightness, .. } => set_validator(store, contract, name.as_str(), *tightness).await,
        Change::EnforceValidator { .. } => set_validator(store, contract, name.as_str(), Tightness::Tight).await,
        Change::CreateIndex(index) => {
            let created = indexes::create(store, name, name.as_str(), index).await;
            if created.as_ref().is_err_and(is_answer) {
                for (_, old) in made_room.iter().filter(|(new, _)| *new == index.name) {
                    match indexes::restore(store, name, old).await {
                        Err(fault) if !is_answer(&fault) => return Err(fault),
                        Err(fault) => unable.push(format!("could not create the old index `{}` again: {}", old.name, fault.text)),
                        Ok(()) => unable.push(format!(
                            "the old index `{}` is there again, as the new one could not be created",
                            old.name
                        )),
                    }
                }
            }
            created
        }
        Change::ChangeExpiry { index, seconds } => indexes::change_expiry(store, name, index, *seconds).await,
        Change::DropIndex { name: index, why } => {
            match (indexes::drop(store, contract, index, why).await?, why) {
                (Dropped::Done(Some(old)), DropReason::InTheWay { of }) => made_room.push((of.clone(), old)),
                (Dropped::Done(_), _) => {}
                (Dropped::Kept { missing }, _) => unable.push(format!(
                    "the index `{index}` is kept, though it is not declared any more: `{missing}`, which may be to take its place, could not be created"
                )),
            }
            Ok(())
        }
        Change::Leave { .. } => Ok(()),
    }
}

fn action_of(change: &Change) -> &'static str {
    match change {
        Change::CreateCollection { .. } => "create the collection",
        Change::SetValidator { .. } => "set the validator (`collMod`)",
        Change::EnforceValidator { .. } => "enforce the validator (`collMod`)",
        Change::CreateIndex(_) => "create an index",
        Change::ChangeExpiry { .. } => "change an index (`collMod`)",
        Change::DropIndex { .. } => "drop an index",
        Change::Leave { .. } => "leave it as it is",
    }
}

/// Whether the server considered it and said no: asking again is in vain, but other things can be done.
pub(super) fn is_answer(fault: &Fault) -> bool {
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
    let Place::Collection(collection) = replace::place(store, target).await? else {
        // Its documents come too late to go anywhere.
        return Ok(());
    };
    if store.declared.holds(&collection, contract) {
        return Ok(());
    }
    if look(store, name, &collection).await?.found.exists {
        set_validator(store, contract, &collection, Tightness::Relaxed).await?;
    } else {
        // What can't be done now is planned, tried and said by the command at the run's end; documents are taken without it.
        create(store, &collection, &contract.validator, &mut Vec::new()).await?;
        for index in to_build(store, contract, &collection).await? {
            match indexes::create(store, name, &collection, &index).await {
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

/// The indexes of a collection that was just created. One that is built to take another's place takes over what users made there.
async fn to_build(store: &MongoDocuments, contract: &Contract, collection: &str) -> Result<Vec<IndexSpec>, Fault> {
    let name = &contract.collection;
    if collection == name.as_str() {
        return Ok(contract.indexes.clone());
    }
    let Looked { found, control } = look(store, name, name.as_str()).await?;
    let theirs = found.indexes.into_iter().filter(|index| !control.made(index)).collect();
    Ok(contract::beside(&contract.indexes, theirs))
}

/// What was found of a collection, and what is noted of it.
pub(super) struct Looked {
    pub found: Found,
    pub control: Control,
}

/// Reads what is there of `collection`, which is the one that `name`'s readers see or one that is being built for them.
pub(super) async fn look(store: &MongoDocuments, name: &Name, collection: &str) -> Result<Looked, Fault> {
    let list = doc! { "listCollections": 1, "filter": { "name": collection } };
    let reply = store.link.command_again(list).await?;
    let control = control::read(store, name).await?;
    let found = Found::default();
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).ok();
    let Some(listed) = batch.and_then(|batch| batch.first()).and_then(Bson::as_document) else {
        return Ok(Looked { found, control });
    };
    if listed.get_str("type").is_ok_and(|kind| kind != "collection") {
        let problem = "it is a view or a time series, which documents can't be written to: give the collection another name";
        return Err(Fault::not_ours(problem.to_owned()));
    }
    let options = listed.get_document("options").cloned().unwrap_or_default();
    // Its `_id`s would be compared by it: `a` and `A` may be one.
    let is_simple = |collation: &Document| collation.get_str("locale").is_ok_and(|locale| locale == "simple");
    if options.get_document("collation").is_ok_and(|collation| !is_simple(collation)) {
        let problem = "it was created with a collation of its own, by which different keys may be one: give the collection another name";
        return Err(Fault::not_ours(problem.to_owned()));
    }
    let Some(indexes) = indexes::list_of(store, collection).await? else {
        return Ok(Looked { found, control });
    };
    let ours = indexes.iter().filter(|index| control.made(index)).map(|index| index.name.clone());
    let found = Found {
        exists: true,
        validator: options.get_document("validator").ok().cloned(),
        ours: ours.collect(),
        indexes,
        unenforced: unenforced(&options),
        foreign: Foreign::No,
    };
    Ok(Looked { found, control })
}

/// What keeps the validator from refusing what breaks it.
fn unenforced(options: &Document) -> Option<String> {
    let enforced = [
        ("validationAction", ["error", "errorAndLog"]),
        ("validationLevel", ["strict", "strict"]),
    ];
    enforced.into_iter().find_map(|(option, enforcing)| {
        let set = options.get_str(option).ok().filter(|set| !enforcing.contains(set))?;
        Some(format!("{option}: {set}"))
    })
}

/// Reads what matters for a plan.
async fn found(store: &MongoDocuments, contract: &Contract, collection: &str, tightness: Tightness) -> Result<Found, Fault> {
    let mut found = look(store, &contract.collection, collection).await?.found;
    if asks_for_others(&found, tightness) {
        found.foreign = foreign(store, collection).await?;
    }
    Ok(found)
}

/// Whether it matters for a plan who else writes to the collection.
fn asks_for_others(found: &Found, tightness: Tightness) -> bool {
    tightness == Tightness::Tight && found.exists && found.validator.as_ref().is_none_or(Document::is_empty)
}

/// Whether somebody else writes to the collection too. It is asked once, as it may take long.
async fn foreign(store: &MongoDocuments, collection: &str) -> Result<Foreign, Fault> {
    let find = doc! {
        "find": collection,
        "filter": { "_tidemill.rank": { "$exists": false } },
        "projection": { "_id": 1 },
        "limit": 1,
        "singleBatch": true,
        "maxTimeMS": LOOK_MAX.as_millis() as i64,
    };
    match store.link.command_once(find).await {
        Err(fault) if fault.is_time_up() => Ok(Foreign::Unknown),
        Err(fault) => Err(fault),
        Ok(reply) => {
            let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
            let any = batch.is_ok_and(|batch| !batch.is_empty());
            Ok(if any { Foreign::Yes } else { Foreign::No })
        }
    }
}

/// How long a collection is searched for documents of others.
const LOOK_MAX: Duration = Duration::from_secs(20);

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
    let found = found(store, contract, collection, tightness).await?;
    if planned(&found, contract, tightness).is_none() {
        return is_told(store, &found).await;
    }
    let asked = asks_for_others(&found, tightness);
    let foreign = if asked { found.foreign } else { Foreign::Unknown };
    let mut turn = store.declared.turns.queue().await;
    let result = set_in_turn(store, contract, collection, (tightness, foreign), &mut turn).await;
    turn.end(store, name).await;
    result
}

/// What is left alone because the server can't tell whose it is must be said.
async fn is_told(store: &MongoDocuments, found: &Found) -> Result<(), Fault> {
    if found.foreign != Foreign::Unknown {
        return Ok(());
    }
    let text = "it can't tell in time whether there are documents that Tidemill did not write: the collection is left as it is";
    Err(store.fault(FaultKind::Other, 0, text.to_owned()).await)
}

/// What was asked before about documents of others is not asked again: a turn is short.
async fn set_in_turn(
    store: &MongoDocuments,
    contract: &Contract,
    collection: &str,
    (tightness, foreign): (Tightness, Foreign),
    turn: &mut Turn<'_>,
) -> Result<(), Fault> {
    let mut patience = Patience::new();
    let mut unsure = false;
    let mut changes = 0;
    loop {
        let taken = turn.take(store, &contract.collection).await?;
        let mut found = look(store, &contract.collection, collection).await?.found;
        if asks_for_others(&found, tightness) {
            found.foreign = foreign;
        }
        let change = match planned(&found, contract, tightness) {
            Some(change) => change,
            // It was set, but perhaps not on a majority.
            None if unsure => doc! { "validator": found.validator.unwrap_or_default() },
            // Done, by this process or by another in its turn.
            None => return is_told(store, &found).await,
        };
        if !taken {
            turn.wait(store).await?;
            continue;
        }
        if !turn.is_fresh(store).await? {
            continue;
        }
        if changes == CHANGES_MAX {
            let text = "the validator that was set is not there afterwards".to_owned();
            return Err(store.fault(FaultKind::Other, 0, text).await);
        }
        match modify(store, collection, change).await {
            Ok(()) => (changes, unsure) = (changes + 1, false),
            Err(fault) => {
                // Without a word from the server nobody knows whether the change is still to come.
                if fault.is_retryable() && fault.code.is_none() {
                    turn.keep();
                }
                patience.after(fault).await?;
                unsure = true;
            }
        }
    }
}

/// How often a validator is set that others change at once, though it is not their turn.
const CHANGES_MAX: u32 = 3;

/// How long the server may take to change a validator. It waits for what uses the collection to end.
const CHANGE_MAX: Duration = Duration::from_secs(20);

/// Sends it once: what is sent twice may come twice, the second time when the turn is over.
async fn modify(store: &MongoDocuments, collection: &str, change: Document) -> Result<(), Fault> {
    let mut command = doc! { "collMod": collection };
    command.extend(change);
    command.extend(doc! { "maxTimeMS": CHANGE_MAX.as_millis() as i64, "writeConcern": control::majority() });
    store.link.command_once(command).await.map(drop)
}

/// What `collMod` must be told.
fn planned(found: &Found, contract: &Contract, tightness: Tightness) -> Option<Document> {
    let enforced = || doc! { "validationAction": "error", "validationLevel": "strict" };
    let changes = contract::plan(contract, found, tightness);
    changes.into_iter().find_map(|change| match change {
        Change::SetValidator { validator, tightness } => {
            let mut change = doc! { "validator": validator };
            if tightness == Tightness::Tight {
                change.extend(enforced());
            }
            Some(change)
        }
        Change::EnforceValidator { .. } => Some(enforced()),
        _ => None,
    })
}
