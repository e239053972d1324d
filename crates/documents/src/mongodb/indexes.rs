//! Indexes that a collection takes over from the one whose place it will take.

use bson::{Bson, Document, doc};

use super::MongoDocuments;
use super::error::{Fault, FaultKind};
use super::receipts::run;

/// Makes on `to` the indexes of `from` that are wanted by name and not there yet.
pub(super) async fn copy(store: &MongoDocuments, from: &str, to: &str, wanted: impl Fn(&str) -> bool) -> Result<(), Fault> {
    let there = list(store, to).await?;
    let missing = list(store, from).await?.into_iter().filter(|index| {
        let name = name_of(index);
        name != "_id_" && wanted(name) && !there.iter().any(|there| name_of(there) == name)
    });
    for mut index in missing {
        // Old servers tell the collection's name with it.
        index.remove("ns");
        let name = name_of(&index).to_owned();
        let command = doc! { "createIndexes": to, "indexes": [index], "writeConcern": { "w": "majority" } };
        store.link.long_command(command).await.map_err(|fault| Fault {
            text: format!(
                "the index `{name}` of `{from}` can't be made for the documents that are to take its place: drop it, or mend them: {}",
                fault.text
            ),
            ..fault
        })?;
    }
    Ok(())
}

/// The indexes of a collection; none if it is not there.
async fn list(store: &MongoDocuments, collection: &str) -> Result<Vec<Document>, Fault> {
    let most = 1000;
    let reply = match run(store, doc! { "listIndexes": collection, "cursor": { "batchSize": most } }).await {
        Err(fault) if fault.kind == FaultKind::NamespaceNotFound => return Ok(Vec::new()),
        reply => reply?,
    };
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|_| Fault::damaged("the answer to `listIndexes` has no batch".to_owned()))?;
    Ok(batch.iter().filter_map(Bson::as_document).cloned().collect())
}

fn name_of(index: &Document) -> &str {
    index.get_str("name").unwrap_or_default()
}
