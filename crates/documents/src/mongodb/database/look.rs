//! What there is: the server, and the collections and views with their options and indexes.

use bson::{Bson, Document, doc};

use super::super::MongoDocuments;
use super::super::client::raw;
use super::super::control::CONTROL;
use super::super::cursor::batches;
use super::super::declare::is_answer;
use super::super::error::{Fault, FaultKind};
use super::super::receipts::RECEIPTS;
use super::super::reply::number;
use super::remove::RESTORE;
use crate::{Certainty, Namespace, NamespaceKind, Server};

pub(super) async fn server(store: &MongoDocuments) -> Result<Server, Fault> {
    let build = store.link.command_again(doc! { "buildInfo": 1 }).await?;
    let certainty = certainty(store).await?;
    Ok(Server {
        version: build.get_str("version").unwrap_or("0.0.0").to_owned(),
        database: store.link.connected().await?.place.database.clone(),
        certainty,
    })
}

/// A replica set, or a cluster of them, can tell what is on a majority.
pub(super) async fn certainty(store: &MongoDocuments) -> Result<Certainty, Fault> {
    let hello = store.link.command_again(doc! { "hello": 1 }).await?;
    let replicated = hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|text| text == "isdbgrid");
    Ok(if replicated { Certainty::Majority } else { Certainty::Local })
}

/// What is noted of collections comes first, if anything is: read before the collections, it is never newer than they are.
pub(super) async fn namespaces(store: &MongoDocuments) -> Result<Vec<Namespace>, Fault> {
    let mut namespaces = Vec::new();
    for listed in list(store, Document::new()).await? {
        if is_left_out(&listed.name) || (listed.name == CONTROL && is_empty(store, CONTROL).await?) {
            continue;
        }
        let mut namespace = Namespace {
            name: listed.name,
            kind: listed.kind,
            options: listed.options,
            indexes: Vec::new(),
            identity: listed.identity,
            estimate: None,
        };
        if namespace.kind == NamespaceKind::Collection {
            let Some(indexes) = indexes(store, &namespace.name).await? else {
                // It was dropped, or renamed, a moment ago.
                continue;
            };
            namespace.indexes = indexes;
            namespace.estimate = estimate(store, &namespace.name).await?;
        }
        namespaces.push(namespace);
    }
    namespaces.sort_unstable_by(|a, b| (a.name != CONTROL, &a.name).cmp(&(b.name != CONTROL, &b.name)));
    Ok(namespaces)
}

pub(super) async fn identity(store: &MongoDocuments, collection: &str) -> Result<Option<Vec<u8>>, Fault> {
    let listed = list(store, doc! { "name": collection }).await?;
    Ok(listed
        .into_iter()
        .find(|listed| listed.name == collection)
        .and_then(|listed| listed.identity))
}

/// Of the moment, or the server's own.
fn is_left_out(name: &str) -> bool {
    name == RECEIPTS
        || name == RESTORE
        || ["tidemill.staged.", "tidemill.ready.", "system."]
            .iter()
            .any(|own| name.starts_with(own))
}

struct Listed {
    name: String,
    kind: NamespaceKind,
    options: Document,
    identity: Option<Vec<u8>>,
}

async fn list(store: &MongoDocuments, filter: Document) -> Result<Vec<Listed>, Fault> {
    let command = doc! { "listCollections": 1, "filter": filter, "cursor": {} };
    let mut cursor = batches(store, raw(&command)?).await?;
    let mut all = Vec::new();
    while let Some(found) = cursor.next(store).await? {
        for listed in found.documents()? {
            let listed = Document::try_from(listed?).ok().and_then(understand);
            all.push(listed.ok_or_else(|| Fault::damaged("an entry of `listCollections` can't be read".to_owned()))?);
        }
    }
    Ok(all)
}

fn understand(mut listed: Document) -> Option<Listed> {
    let kind = match listed.get_str("type") {
        Ok("view") => NamespaceKind::View,
        Ok("timeseries") => NamespaceKind::TimeSeries,
        _ => NamespaceKind::Collection,
    };
    let identity = match listed.get_document("info").ok().and_then(|info| info.get("uuid")) {
        Some(Bson::Binary(uuid)) => Some(uuid.bytes.clone()),
        _ => None,
    };
    let options = match listed.remove("options") {
        Some(Bson::Document(options)) => options,
        _ => Document::new(),
    };
    Some(Listed {
        name: listed.get_str("name").ok()?.to_owned(),
        kind,
        options: cleaned(options, &["uuid", "autoIndexId", "flags", "temp"]),
        identity,
    })
}

/// All indexes of a collection; `None` if it is not there.
pub(super) async fn indexes(store: &MongoDocuments, collection: &str) -> Result<Option<Vec<Document>>, Fault> {
    // A collection has 64 indexes at most, which are one batch.
    let command = doc! { "listIndexes": collection, "cursor": { "batchSize": 1000 } };
    let reply = match store.link.command_again(command).await {
        Err(fault) if fault.kind == FaultKind::NamespaceNotFound => return Ok(None),
        reply => reply?,
    };
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|_| Fault::damaged("the answer to `listIndexes` has no batch".to_owned()))?;
    let indexes = batch.iter().filter_map(Bson::as_document).cloned();
    Ok(Some(
        indexes
            .map(|index| cleaned(index, &["ns", "background", "safe", "dropDups"]))
            .collect(),
    ))
}

fn cleaned(mut document: Document, unwanted: &[&str]) -> Document {
    for name in unwanted {
        document.remove(name);
    }
    document
}

async fn estimate(store: &MongoDocuments, collection: &str) -> Result<Option<u64>, Fault> {
    match store.link.command_again(doc! { "count": collection }).await {
        Ok(reply) => Ok(number(reply.get("n"))),
        Err(fault) if is_answer(&fault) || fault.kind == FaultKind::Denied => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn is_empty(store: &MongoDocuments, collection: &str) -> Result<bool, Fault> {
    let command = doc! { "find": collection, "limit": 1, "singleBatch": true, "projection": { "_id": 1 } };
    let reply = store.link.command_again(command).await?;
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    Ok(batch.is_ok_and(Vec::is_empty))
}
