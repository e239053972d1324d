//! Replacing a collection by a version of it: what is ready is named in `tidemill.collections`, then renamed. Whoever comes by finishes what another began.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use pipeline::Name;

use super::MongoDocuments;
use super::control::{self, Control, Swap, spell};
use super::error::{Fault, FaultKind};
use super::patience::Patience;
use super::{indexes, read};
use crate::contract::is_ours;
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
    let (mut noted, mut changes) = (None, 0);
    let mut looked = false;
    loop {
        match step(store, collection, version, &mut looked).await {
            Ok(Some(replaced)) => return Ok(replaced),
            Ok(None) => {
                let now = control::read(store, collection).await.ok();
                if now.is_some() && now != noted && changes < CHANGES_MAX {
                    (noted, changes) = (now, changes + 1);
                    patience.progressed();
                }
                if !patience.again().await {
                    let fault = store.fault(FaultKind::Passing, 0, "others were first each time".to_owned());
                    return Err(named(fault.await));
                }
            }
            Err(fault) => patience.after(fault).await.map_err(named)?,
        }
    }
}

/// So many changes of what is noted are progress; more are steps that undo one another.
const CHANGES_MAX: u32 = 100;

/// One step on the way; the answer, when there is nothing left to do. Each may be the last that a process does.
/// `looked`: no documents of others were found.
async fn step(store: &MongoDocuments, collection: &Name, version: Version, looked: &mut bool) -> Result<Option<Replaced>, Fault> {
    let control = control::read(store, collection).await?;
    if let Some(swap) = &control.swap {
        finish(store, collection, &control, swap).await?;
        return Ok(None);
    }
    if let Some(visible) = control.visible.filter(|visible| *visible >= version) {
        drop_older(store, collection, visible).await?;
        return Ok(Some(if visible == version { Replaced::Visible } else { Replaced::Older }));
    }
    let live = live(store, collection).await?;
    if let Some(live) = &live {
        check(live)?;
        // Later versions take the place of a version, and whoever adds to that by hand knows it.
        if control.visible.is_none() && !*looked {
            look_for_others(store, collection).await?;
            *looked = true;
        }
    }
    let Some(from) = make_ready(store, collection, version, &control).await? else {
        return Ok(None);
    };
    let swap = Swap {
        from,
        replaced: live.and_then(|live| live.uuid),
        previous: control.visible,
    };
    let new = Control {
        visible: Some(version),
        swap: Some(swap),
        ..control.clone()
    };
    control::change(store, collection, &control, &new).await?;
    Ok(None)
}

/// Renames what is ready to what readers see, unless another did, and notes that it is done. If what was named as ready is gone without having come there, its
/// version is not visible after all: it is made ready again by who asks for it.
async fn finish(store: &MongoDocuments, collection: &Name, control: &Control, swap: &Swap) -> Result<(), Fault> {
    let mut placed = rename(store, &swap.from, collection.as_str(), true).await?;
    if !placed {
        // That it is not there may be undone yet, or be the view of a server that is the primary no more: it counts only when that is out of question.
        if !control::confirm(store, collection, control).await? {
            return Ok(());
        }
        placed = rename(store, &swap.from, collection.as_str(), true).await? || is_placed(store, collection, swap).await?;
    }
    let visible = if placed { control.visible } else { swap.previous };
    let done = Control {
        visible,
        swap: None,
        ..control.clone()
    };
    control::change(store, collection, control, &done).await.map(drop)
}

/// Whether the place that a swap was for has another collection than before. Not that it has the one that was ready: some servers give a collection another UUID
/// when it is renamed.
async fn is_placed(store: &MongoDocuments, collection: &Name, swap: &Swap) -> Result<bool, Fault> {
    let live = live(store, collection).await?;
    // A server without UUIDs never tells: then the rename was done, as it mostly was.
    Ok(live.is_some_and(|live| live.uuid.is_none() || live.uuid != swap.replaced))
}

/// The collection that readers see.
struct Live {
    is_collection: bool,
    uuid: Option<Vec<u8>>,
    validator: Option<Document>,
}

async fn live(store: &MongoDocuments, collection: &Name) -> Result<Option<Live>, Fault> {
    let command = doc! { "listCollections": 1, "filter": { "name": collection.as_str() } };
    let reply = store.link.command_once(command).await?;
    let listed = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let listed = listed.map_err(|_| Fault::damaged("the answer to `listCollections` has no batch".to_owned()))?;
    let live = listed.first().and_then(Bson::as_document).map(|listed| {
        let inner = |outer: &str| listed.get_document(outer).ok();
        Live {
            is_collection: listed.get_str("type").is_ok_and(|kind| kind == "collection"),
            uuid: match inner("info").and_then(|info| info.get("uuid")) {
                Some(Bson::Binary(uuid)) => Some(uuid.bytes.clone()),
                _ => None,
            },
            validator: inner("options").and_then(|options| options.get_document("validator").ok().cloned()),
        }
    });
    Ok(live)
}

/// Whether the collection may be dropped for a version: nothing goes with it that is not Tidemill's.
fn check(live: &Live) -> Result<(), Fault> {
    if !live.is_collection {
        return Err(kept("it is a view or a time series"));
    }
    let theirs = live.validator.as_ref().filter(|validator| !validator.is_empty());
    if theirs.is_some_and(|validator| !is_ours(validator)) {
        return Err(kept("it has a validator that Tidemill did not make"));
    }
    Ok(())
}

fn kept(problem: &str) -> Fault {
    let text = format!("{problem}, and `replace` would drop it: move it away, or load into another collection");
    Fault::not_ours(text)
}

/// How long a collection is searched for documents of others: every document is looked at.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// It fails if there are documents of others, or if the server can't tell in time.
async fn look_for_others(store: &MongoDocuments, collection: &Name) -> Result<(), Fault> {
    let found = store.link.attempt(|database| {
        let documents = database.collection::<Document>(collection.as_str());
        async move {
            let find = documents.find_one(doc! { "_tidemill.rank": { "$exists": false } });
            find.projection(doc! { "_id": 1 }).max_time(LOOK_MAX).await
        }
    });
    match found.await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(kept("it has documents that Tidemill did not write")),
        Err(fault) if fault.is_time_up() => Err(Fault::not_ours(format!(
            "in {} s the server could not tell whether it has documents that Tidemill did not write, which `replace` would drop: move it away (or drop it, \
             if nothing in it is needed), or load into another collection",
            LOOK_MAX.as_secs()
        ))),
        Err(fault) => Err(fault),
    }
}

/// Where a target's documents are written.
pub(super) async fn place(store: &MongoDocuments, target: &Target) -> Result<Place, Fault> {
    let name = &target.collection;
    let Some(version) = target.version else {
        finish_left_behind(store, name).await?;
        return Ok(Place::Collection(name.to_string()));
    };
    loop {
        let control = control::read(store, name).await?;
        return Ok(match control.visible {
            Some(visible) if visible > version => Place::Superseded,
            Some(visible) if visible == version => {
                if let Some(swap) = &control.swap {
                    finish(store, name, &control, swap).await?;
                    continue;
                }
                Place::Collection(name.to_string())
            }
            _ => Place::Collection(control::staged(name, version)),
        });
    }
}

/// Collections for which no swap was begun and left, as this process saw not long ago.
#[derive(Default)]
pub(super) struct Settled(Mutex<BTreeMap<String, Instant>>);

impl Settled {
    /// A batch that is merged needn't ask each time: a swap that others begin meanwhile they finish at once, and it comes after that batch.
    const FOR: Duration = Duration::from_secs(5);
    const MOST: usize = 64;

    fn holds(&self, collection: &Name) -> bool {
        let settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        settled.get(collection.as_str()).is_some_and(|at| at.elapsed() < Settled::FOR)
    }

    fn remember(&self, collection: &Name) {
        let mut settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if settled.len() >= Settled::MOST {
            settled.clear();
        }
        settled.insert(collection.to_string(), Instant::now());
    }
}

/// Finishes a swap that a process left behind: it would drop what is merged into the collection before.
async fn finish_left_behind(store: &MongoDocuments, collection: &Name) -> Result<(), Fault> {
    while !store.settled.holds(collection) {
        let control = control::read(store, collection).await?;
        match &control.swap {
            Some(swap) => finish(store, collection, &control, swap).await?,
            None => store.settled.remember(collection),
        }
    }
    Ok(())
}

/// Makes a collection, unless it is there.
pub(super) async fn create(store: &MongoDocuments, name: &str) -> Result<(), Fault> {
    let command = doc! { "create": name, "writeConcern": control::majority() };
    match store.link.command_once(command).await {
        Err(fault) if fault.kind != FaultKind::NamespaceExists => Err(fault),
        _ => Ok(()),
    }
}

/// The collection that is to become visible: complete, and with the indexes that users made. `None`: look again.
async fn make_ready(store: &MongoDocuments, collection: &Name, version: Version, control: &Control) -> Result<Option<String>, Fault> {
    let mut candidates = ready(store, collection, version).await?;
    if candidates.is_empty() {
        let staged = control::staged(collection, version);
        let empty = read::names(store, doc! { "name": &staged }).await?.is_empty();
        if empty {
            create(store, &staged).await?;
        }
        // Here, not on what is ready: that may be taken at any moment, and an index that is made for a collection that is not there makes it.
        indexes::copy(store, collection.as_str(), &staged, |index| empty || !control.made(index)).await?;
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
        let newest = spell(visible);
        for name in read::names(store, doc! { "name": { "$regex": starts_with(&prefix) } }).await? {
            // Suffixes are in the order of versions.
            let version = name.strip_prefix(&prefix).and_then(|rest| rest.get(..newest.len()));
            if version.is_some_and(|version| version <= newest.as_str()) {
                let command = doc! { "drop": name, "writeConcern": control::majority() };
                match store.link.command_once(command).await {
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
    let connected = store.link.connected().await?;
    let full = |name: &str| format!("{}.{name}", connected.place.database);
    let command = doc! {
        "renameCollection": full(from),
        "to": full(to),
        "dropTarget": drop_target,
        "writeConcern": control::majority(),
    };
    match store.link.admin_command(&command).await {
        Ok(_) => Ok(true),
        Err(fault) if fault.kind == FaultKind::NamespaceNotFound => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn ready_prefix(collection: &Name, version: Version) -> String {
    format!("tidemill.ready.{collection}.{}.", spell(version))
}

fn starts_with(prefix: &str) -> Bson {
    Bson::String(format!("^{}", prefix.replace('.', "\\.")))
}

/// Time first, for people; then what makes it the only one.
fn nonce() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{:012x}{:016x}", now.unwrap_or_default().as_millis(), fastrand::u64(..))
}
