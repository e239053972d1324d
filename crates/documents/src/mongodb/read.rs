//! Reading what readers see.

use std::time::Duration;

use bson::{Bson, Document, RawBson, RawBsonRef, RawDocumentBuf, doc};
use mongodb::options::Hint;
use pipeline::Name;

use super::MongoDocuments;
use super::error::{Fault, FaultKind};
use crate::DocumentsError;
use crate::key::key_of;

/// Tombstones are kept, and hidden from readers.
fn alive() -> Document {
    doc! { "_tidemill.deleted": { "$ne": true } }
}

pub(super) async fn get(
    store: &MongoDocuments,
    collection: &Name,
    id: RawBsonRef<'_>,
    deleted: bool,
) -> Result<Option<RawDocumentBuf>, DocumentsError> {
    const ACTION: &str = "get a document";
    let id = owned(id).map_err(|fault| fault.named(ACTION, collection.as_str()))?;
    let mut filter = if deleted { Document::new() } else { alive() };
    filter.insert("_id", doc! { "$eq": id });
    store
        .link
        .attempt(|database| {
            let (filter, name) = (filter.clone(), collection.to_string());
            async move { database.collection::<RawDocumentBuf>(&name).find_one(filter).await }
        })
        .await
        .map_err(|fault| fault.named(ACTION, collection.as_str()))
}

pub(super) async fn scan(
    store: &MongoDocuments,
    collection: &Name,
    after: Option<RawBsonRef<'_>>,
    limit: usize,
) -> Result<Vec<RawDocumentBuf>, DocumentsError> {
    const ACTION: &str = "list documents";
    let named = |fault: Fault| fault.named(ACTION, collection.as_str());
    // To the server no limit is 0.
    if limit == 0 {
        return Ok(Vec::new());
    }
    let key = after.map(key_of).transpose().map_err(|_| named(not_bson()))?;
    let after = after.map(owned).transpose().map_err(named)?;
    let found = store
        .link
        .attempt(|database| {
            let (after, name) = (after.clone(), collection.to_string());
            // One more: the key itself is found too.
            let more = usize::from(after.is_some());
            async move {
                let documents = database.collection::<RawDocumentBuf>(&name);
                let mut find = documents.find(alive()).sort(doc! { "_id": 1 });
                if let Ok(limit) = i64::try_from(limit.saturating_add(more)) {
                    find = find.limit(limit);
                }
                // Not `$gt`, which finds values of the same type only.
                if let Some(after) = after {
                    find = find.hint(Hint::Keys(doc! { "_id": 1 })).min(doc! { "_id": after });
                }
                let mut cursor = find.await?;
                let mut found = Vec::new();
                while cursor.advance().await? {
                    found.push(cursor.current().to_owned());
                }
                Ok(found)
            }
        })
        .await
        .map_err(named)?;
    let is_after = |document: &RawDocumentBuf| {
        let id = document.get("_id").ok().flatten();
        key.is_none() || id.and_then(|id| key_of(id).ok()) != key
    };
    Ok(found.into_iter().filter(is_after).take(limit).collect())
}

/// How long the server may count: it looks at every document, for there may be tombstones.
const COUNT_MAX: Duration = Duration::from_secs(60);

pub(super) async fn count(store: &MongoDocuments, collection: &Name) -> Result<Option<u64>, DocumentsError> {
    const ACTION: &str = "count documents";
    let named = |fault: Fault| fault.named(ACTION, collection.as_str());
    let filter = alive();
    let count = store
        .link
        .attempt(|database| {
            let (filter, name) = (filter.clone(), collection.to_string());
            async move {
                database
                    .collection::<RawDocumentBuf>(&name)
                    .count_documents(filter)
                    .max_time(COUNT_MAX)
                    .await
            }
        })
        .await
        .map_err(|fault| named(too_many(fault)))?;
    if count > 0 {
        return Ok(Some(count));
    }
    let there = names(store, doc! { "name": collection.as_str() }).await.map_err(named)?;
    Ok((!there.is_empty()).then_some(0))
}

/// The collections that users see: of another name there is none that Tidemill could have made, or could read.
pub(super) async fn collections(store: &MongoDocuments) -> Result<Vec<String>, DocumentsError> {
    let names = names(store, Document::new()).await.map_err(|fault| fault.named("list", "*"))?;
    let mut names: Vec<String> = names.into_iter().filter(|name| Name::new(name.as_str()).is_ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// The names of the collections and views that match.
pub(super) async fn names(store: &MongoDocuments, filter: Document) -> Result<Vec<String>, Fault> {
    store
        .link
        .attempt(|database| {
            let filter = filter.clone();
            async move { database.list_collection_names().filter(filter).await }
        })
        .await
}

/// To ask again is in vain when there are too many to be counted in time.
fn too_many(fault: Fault) -> Fault {
    if !fault.is_time_up() {
        return fault;
    }
    let text = format!(
        "it has not counted them in {} s, there are too many: `estimatedDocumentCount` tells how many about, tombstones included",
        COUNT_MAX.as_secs()
    );
    Fault {
        kind: FaultKind::Other,
        text,
        ..fault
    }
}

fn owned(id: RawBsonRef<'_>) -> Result<Bson, Fault> {
    Bson::try_from(RawBson::from(id)).map_err(|_| not_bson())
}

fn not_bson() -> Fault {
    Fault::damaged("the `_id` that was asked for is not BSON".to_owned())
}
