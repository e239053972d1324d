//! Replacing a collection by a version of it: what is ready is named in `tidemill.collections`, then renamed. Whoever comes by finishes what another began.

use bson::{Bson, Document, doc};
use pipeline::Name;

use super::MongoDocuments;
use super::control::{self, Control};
use super::error::{Fault, FaultKind};
use super::patience::Patience;
use super::receipts::run;
use super::{indexes, read};
use crate::{DocumentsError, Replaced, Target, Version};

const ACTION: &str = "replace documents";

/// Where a batch goes.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    Collection(String),
    /// A newer version is visible already.
    Superseded,
}

pub(super) async fn visible(store: &MongoDocuments, collection: &Name) -> Result<Option<Version>, DocumentsError> {
    let mut patience = Patience::new();
    loop {
        match control::read(store, collection).await {
            Ok(control) => return Ok(control.visible),
            Err(fault) => patience
                .after(fault)
                .await
                .map_err(|fault| fault.named("read the version", collection.as_str()))?,
        }
    }
}

/// Makes a version visible, if it is newer than the one that is.
pub(super) async fn replace(store: &MongoDocuments, collection: &Name, version: Version) -> Result<Replaced, DocumentsError> {
    let mut patience = Patience::new();
    let named = |fault: Fault| fault.named(ACTION, collection.as_str());
    loop {
        match step(store, collection, version).await {
            Ok(Some(replaced)) => return Ok(replaced),
            Ok(None) => {
                if !patience.again().await {
                    let fault = store.fault(FaultKind::Passing, 0, "others were first each time".to_owned());
                    return Err(named(fault.await));
                }
            }
            Err(fault) => patience.after(fault).await.map_err(named)?,
        }
    }
}

/// One step on the way; the answer, when there is nothing left to do. Each may be the last that a process does.
async fn step(store: &MongoDocuments, collection: &Name, version: Version) -> Result<Option<Replaced>, Fault> {
    let control = control::read(store, collection).await?;
    if let Some(from) = &control.swap {
        finish(store, collection, &control, from).await?;
        return Ok(None);
    }
    if let Some(visible) = control.visible.filter(|visible| *visible >= version) {
        drop_older(store, collection, visible).await?;
        return Ok(Some(if visible == version { Replaced::Visible } else { Replaced::Older }));
    }
    let Some(ready) = make_ready(store, collection, version, &control).await? else {
        return Ok(None);
    };
    let new = Control {
        visible: Some(version),
        swap: Some(ready),
        ..control.clone()
    };
    control::change(store, collection, &control, &new).await?;
    Ok(None)
}

/// Renames what is ready to what readers see, unless another did, and notes that it is done.
async fn finish(store: &MongoDocuments, collection: &Name, control: &Control, from: &str) -> Result<(), Fault> {
    rename(store, from, collection.as_str(), true).await?;
    let done = Control {
        swap: None,
        ..control.clone()
    };
    control::change(store, collection, control, &done).await.map(drop)
}

/// Where a target's documents are written.
pub(super) async fn place(store: &MongoDocuments, target: &Target) -> Result<Place, Fault> {
    let name = &target.collection;
    let Some(version) = target.version else {
        return Ok(Place::Collection(name.to_string()));
    };
    loop {
        let control = control::read(store, name).await?;
        return Ok(match control.visible {
            Some(visible) if visible > version => Place::Superseded,
            Some(visible) if visible == version => {
                if let Some(from) = &control.swap {
                    finish(store, name, &control, from).await?;
                    continue;
                }
                Place::Collection(name.to_string())
            }
            _ => Place::Collection(staged(name, version)),
        });
    }
}

/// The collection in which a version is gathered.
pub(super) fn staged(collection: &Name, version: Version) -> String {
    format!("tidemill.staged.{collection}.{}", suffix(version))
}

/// Makes a collection, unless it is there.
pub(super) async fn create(store: &MongoDocuments, name: &str) -> Result<(), Fault> {
    let command = doc! { "create": name, "writeConcern": { "w": "majority" } };
    match run(store, command).await {
        Err(fault) if fault.kind != FaultKind::NamespaceExists => Err(fault),
        _ => Ok(()),
    }
}

/// The collection that is to become visible: complete, and with the indexes that users made. `None`: look again.
async fn make_ready(store: &MongoDocuments, collection: &Name, version: Version, control: &Control) -> Result<Option<String>, Fault> {
    let mut candidates = ready(store, collection, version).await?;
    if candidates.is_empty() {
        let staged = staged(collection, version);
        let empty = read::names(store, doc! { "name": &staged }).await?.is_empty();
        if empty {
            create(store, &staged).await?;
        }
        // Here, not on what is ready: that may be taken at any moment, and an index that is made for a collection that is not there makes it.
        indexes::copy(store, collection.as_str(), &staged, |index| {
            empty || !control.indexes.contains(index)
        })
        .await?;
        // Nobody else ever uses this name, so that who sleeps with an old one in mind can do no harm.
        let new = format!("{}{}", ready_prefix(collection, version), nonce());
        if !rename(store, &staged, &new, false).await? {
            return Ok(None);
        }
        // Another may have done the same at this moment.
        candidates = ready(store, collection, version).await?;
    }
    fullest(store, candidates).await
}

/// Of those that are ready the one with the most documents, of equal ones the first by name.
///
/// There are several only when a batch that was delivered twice made the staged collection anew after it was renamed: then the newer one holds some of the
/// documents that the older one holds all of.
async fn fullest(store: &MongoDocuments, mut candidates: Vec<String>) -> Result<Option<String>, Fault> {
    candidates.sort_unstable();
    if candidates.len() < 2 {
        return Ok(candidates.pop());
    }
    let mut best: Option<(u64, String)> = None;
    for name in candidates {
        let count = count(store, &name).await?;
        if best.as_ref().is_none_or(|(most, _)| count > *most) {
            best = Some((count, name));
        }
    }
    Ok(best.map(|(_, name)| name))
}

async fn count(store: &MongoDocuments, name: &str) -> Result<u64, Fault> {
    let count = store.link.attempt(|database| {
        let name = name.to_owned();
        async move { database.collection::<Document>(&name).count_documents(Document::new()).await }
    });
    count.await
}

async fn ready(store: &MongoDocuments, collection: &Name, version: Version) -> Result<Vec<String>, Fault> {
    let prefix = ready_prefix(collection, version);
    let names = read::names(store, doc! { "name": { "$regex": starts_with(&prefix) } }).await?;
    Ok(names.into_iter().filter(|name| name.starts_with(&prefix)).collect())
}

/// Drops what was gathered for this version and older ones: nothing of it can become visible any more.
async fn drop_older(store: &MongoDocuments, collection: &Name, visible: Version) -> Result<(), Fault> {
    for kind in ["staged", "ready"] {
        let prefix = format!("tidemill.{kind}.{collection}.");
        let newest = suffix(visible);
        for name in read::names(store, doc! { "name": { "$regex": starts_with(&prefix) } }).await? {
            // Suffixes are in the order of versions.
            let version = name.strip_prefix(&prefix).and_then(|rest| rest.get(..newest.len()));
            if version.is_some_and(|version| version <= newest.as_str()) {
                let command = doc! { "drop": name, "writeConcern": { "w": "majority" } };
                match run(store, command).await {
                    Err(fault) if fault.kind != FaultKind::NamespaceNotFound => return Err(fault),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// Renames a collection; `false` when it is not there.
async fn rename(store: &MongoDocuments, from: &str, to: &str, drop_target: bool) -> Result<bool, Fault> {
    let renamed = store.link.once(|database| {
        let full = |name: &str| format!("{}.{name}", database.name());
        let command = doc! {
            "renameCollection": full(from),
            "to": full(to),
            "dropTarget": drop_target,
            "writeConcern": { "w": "majority" },
        };
        async move { database.client().database("admin").run_command(command).await }
    });
    match renamed.await {
        Ok(reply) => match reply.get("writeConcernError") {
            None => Ok(true),
            Some(_) => Err(store
                .fault(
                    FaultKind::Passing,
                    0,
                    "the new name is not on a majority of the servers yet".to_owned(),
                )
                .await),
        },
        Err(fault) if fault.kind == FaultKind::NamespaceNotFound => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn ready_prefix(collection: &Name, version: Version) -> String {
    format!("tidemill.ready.{collection}.{}.", suffix(version))
}

/// Digits that are in the order of versions.
fn suffix(version: Version) -> String {
    format!("{:032x}.{:010}", u128::from_be_bytes(version.run), version.generation)
}

fn starts_with(prefix: &str) -> Bson {
    Bson::String(format!("^{}", prefix.replace('.', "\\.")))
}

/// Time first, for people; then what makes it the only one.
fn nonce() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{:012x}{:016x}", now.unwrap_or_default().as_millis(), fastrand::u64(..))
}
