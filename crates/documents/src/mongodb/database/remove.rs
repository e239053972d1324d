//! Taking away, and the mark that a restore leaves while what is there is not whole.

use bson::{Bson, Document, doc};
use pipeline::Name;

use super::super::MongoDocuments;
use super::super::control::{CONTROL, majority};
use super::super::error::{Fault, FaultKind};
use super::super::read::names;
use super::super::receipts::{RECEIPTS, all_deleted};

/// The collection of the mark.
pub(super) const RESTORE: &str = "tidemill.restore";

/// Takes a collection away. It goes last itself, so that who is interrupted finds it again.
pub(super) async fn drop_namespace(store: &MongoDocuments, name: &str) -> Result<(), Fault> {
    if name == CONTROL {
        return forget_gone(store).await;
    }
    if Name::new(name).is_ok() {
        // First, so that nobody finishes a swap into its place.
        delete(store, CONTROL, doc! { "_id": name }).await?;
        let ours = doc! { "name": { "$regex": format!("^tidemill\\.(staged|ready)\\.{name}\\.") } };
        for gathered in names(store, ours).await? {
            drop_one(store, &gathered).await?;
        }
        delete(store, RECEIPTS, doc! { "collection": name }).await?;
    }
    drop_one(store, name).await
}

/// Takes away what is noted of collections that are not there. Of those that are it goes with them: without it, an older version could take their place.
async fn forget_gone(store: &MongoDocuments) -> Result<(), Fault> {
    let there: Vec<Bson> = names(store, Document::new()).await?.into_iter().map(Bson::String).collect();
    delete(store, CONTROL, doc! { "_id": { "$nin": there } }).await
}

async fn drop_one(store: &MongoDocuments, name: &str) -> Result<(), Fault> {
    let command = doc! { "drop": name, "writeConcern": majority() };
    match store.link.command_again(command).await {
        Err(fault) if fault.kind == FaultKind::NamespaceNotFound => Ok(()),
        result => result.map(drop),
    }
}

async fn delete(store: &MongoDocuments, collection: &str, which: Document) -> Result<(), Fault> {
    let command = doc! { "delete": collection, "deletes": [{ "q": which, "limit": 0 }], "writeConcern": majority() };
    let reply = store.link.command_again(command).await?;
    all_deleted(store, &reply).await
}

/// Takes everything away, the mark last; `false` if there is none and something else is.
pub(super) async fn drop_all(store: &MongoDocuments) -> Result<bool, Fault> {
    let there = names(store, Document::new()).await?;
    if mark(store).await?.is_none() {
        return Ok(there.is_empty());
    }
    for name in there.iter().filter(|name| *name != RESTORE && !name.starts_with("system.")) {
        drop_one(store, name).await?;
    }
    drop_one(store, RESTORE).await?;
    // For what the server itself left. A user who may not do this may do all that was done before, and nothing of ours is left.
    match store
        .link
        .command_again(doc! { "dropDatabase": 1, "writeConcern": majority() })
        .await
    {
        Err(fault) if fault.kind != FaultKind::Denied => Err(fault),
        _ => Ok(true),
    }
}

const MARK: &str = "mark";

pub(super) async fn mark(store: &MongoDocuments) -> Result<Option<String>, Fault> {
    let command =
        doc! { "find": RESTORE, "filter": { "_id": MARK }, "limit": 1, "singleBatch": true, "readConcern": { "level": "majority" } };
    let reply = store.link.command_again(command).await?;
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|_| Fault::damaged("the answer to `find` has no batch".to_owned()))?;
    let Some(found) = batch.first().and_then(Bson::as_document) else {
        return Ok(None);
    };
    let text = found
        .get_str("text")
        .map_err(|_| Fault::damaged("the mark has no text".to_owned()))?;
    Ok(Some(text.to_owned()))
}

pub(super) async fn set_mark(store: &MongoDocuments, text: Option<&str>) -> Result<(), Fault> {
    let Some(text) = text else {
        return drop_one(store, RESTORE).await;
    };
    let update = doc! { "q": { "_id": MARK }, "u": { "_id": MARK, "text": text }, "upsert": true };
    let command = doc! { "update": RESTORE, "updates": [update], "writeConcern": majority() };
    let reply = store.link.command_again(command).await?;
    all_deleted(store, &reply).await
}
