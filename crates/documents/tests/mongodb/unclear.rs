//! A code that Tidemill does not know, of one document or of many: here that of a place which an index can't take.

use bson::{Binary, RawDocumentBuf, doc, spec::BinarySubtype};
use documents::{Batch, Documents, DocumentsError, Target, WriteOutcome};
use serde_json::json;
use servers::mongodb::{Database, shared};

use super::support::{name, open};

fn document(id: i32, well: bool) -> RawDocumentBuf {
    let bytes = |byte: u8| Binary {
        subtype: BinarySubtype::Generic,
        bytes: vec![byte; 16],
    };
    let place = if well {
        doc! { "type": "Point", "coordinates": [1.0, 2.0] }
    } else {
        doc! { "type": "Nowhere" }
    };
    let stamp = doc! { "rank": bytes(1), "hash": bytes(2) };
    RawDocumentBuf::try_from(&doc! { "_id": id, "place": place, "_tidemill": stamp }).unwrap()
}

async fn write(database: &Database<'_>, documents: &[RawDocumentBuf]) -> Result<WriteOutcome, DocumentsError> {
    let index = json!({"name": "by_place", "key": {"place": "2dsphere"}});
    database.command(json!({"createIndexes": "things", "indexes": [index]}));
    let documents: Vec<_> = documents.iter().map(AsRef::as_ref).collect();
    let batch = Batch {
        object: "clean/p/things/1",
        ordinal: 0,
        documents: &documents,
    };
    let target = Target {
        collection: name("things"),
        version: None,
    };
    open(&database.uri()).write(&target, &batch).await
}

#[tokio::test]
async fn a_document_that_fails_alone_twice_is_refused_and_the_others_are_written() {
    let database = shared().fresh_database();
    let documents: Vec<_> = (0..4).map(|id| document(id, id != 2)).collect();
    let outcome = write(&database, &documents).await.unwrap();
    assert_eq!((outcome.tally.inserted, outcome.tally.refused), (3, 1), "{outcome:?}");
    assert_eq!(outcome.refusals.iter().map(|refusal| refusal.index).collect::<Vec<_>>(), [2]);
    assert_eq!(database.find("things", json!({})).len(), 3);
}

#[tokio::test]
async fn that_no_document_of_many_is_taken_is_the_servers_trouble_and_may_pass() {
    let database = shared().fresh_database();
    let documents: Vec<_> = (0..40).map(|id| document(id, false)).collect();
    let error = write(&database, &documents).await.unwrap_err();
    assert!(error.passes(), "{error:?}");
    assert_eq!(database.find("things", json!({})).len(), 0);
}

#[tokio::test]
async fn where_others_are_taken_many_documents_are_refused_each_for_itself() {
    let database = shared().fresh_database();
    let documents: Vec<_> = (0..40).map(|id| document(id, id < 10)).collect();
    let outcome = write(&database, &documents).await.unwrap();
    assert_eq!((outcome.tally.inserted, outcome.tally.refused), (10, 30), "{outcome:?}");
    assert_eq!(database.find("things", json!({})).len(), 10);
}
