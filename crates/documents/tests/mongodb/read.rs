//! Reading documents that another client wrote.

use bson::{RawBson, RawBsonRef};
use documents::{Documents, DocumentsError};
use serde_json::{Value, json};
use servers::mongodb::{Options, Server, shared};

use super::support::{name, open};

#[tokio::test]
async fn every_kind_of_key_is_paged_through_in_order() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let ids = json!([
        {"$minKey": 1}, null, {"$numberDouble": "NaN"}, {"$numberDouble": "-Infinity"}, {"$numberInt": "-7"}, {"$numberDouble": "0.5"}, {"$numberLong": "3"},
        {"$numberDecimal": "4.5"}, "", "b", {"a": 1}, {"a": "x"}, {"b": 0}, {"$binary": {"base64": "AAE=", "subType": "00"}},
        {"$oid": "65f000000000000000000001"}, false, true, {"$date": "2026-01-01T00:00:00Z"}, {"$timestamp": {"t": 1, "i": 2}}, {"$maxKey": 1}
    ]);
    let ids = ids.as_array().unwrap();
    let documents: Vec<Value> = ids.iter().rev().map(|id| json!({"_id": id, "n": 1})).collect();
    database.command(json!({"insert": "things", "documents": documents}));
    let keys = |documents: &[bson::RawDocumentBuf]| -> Vec<RawBson> {
        documents
            .iter()
            .map(|document| document.get("_id").unwrap().unwrap().into())
            .collect()
    };
    let all = keys(&store.scan(&name("things"), None, usize::MAX).await.unwrap());
    assert_eq!(all.len(), ids.len());
    let in_order = all.is_sorted_by_key(|id| documents::key::key_of(id.as_raw_bson_ref()).unwrap());
    assert!(in_order, "{all:?}");
    for (index, id) in all.iter().enumerate() {
        let after = Some(id.as_raw_bson_ref());
        let rest = store.scan(&name("things"), after, usize::MAX).await.unwrap();
        assert_eq!(keys(&rest).len(), all.len() - index - 1, "after {id:?}");
        let next = store.scan(&name("things"), after, 1).await.unwrap();
        assert_eq!(next.first(), rest.first(), "after {id:?}");
        let found = store.get(&name("things"), id.as_raw_bson_ref(), false).await.unwrap();
        assert!(found.is_some(), "{id:?}");
    }
    // A key that is not there, between two that are.
    let rest = store.scan(&name("things"), Some(RawBsonRef::String("a")), 1).await.unwrap();
    assert_eq!(keys(&rest), [RawBson::String("b".to_owned())]);
}

#[tokio::test]
async fn a_document_is_looked_for_as_an_operator_too() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    database.command(json!({"insert": "things", "documents": [{"_id": 1}]}));
    // A key is a value, whatever it looks like.
    let key = bson::rawdoc! { "$gt": 0 };
    let found = store.get(&name("things"), RawBsonRef::Document(&key), true).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn tombstones_and_our_own_collections_are_out_of_sight() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    assert_eq!(store.collections().await.unwrap(), Vec::<String>::new());
    database.command(json!({"insert": "things", "documents": [
        {"_id": 1, "_tidemill": {"deleted": true}}, {"_id": 2, "_tidemill": {}}, {"_id": 3}
    ]}));
    database.command(json!({"insert": "tidemill.receipts", "documents": [{"_id": 1}]}));
    database.command(json!({"create": "empty"}));
    assert_eq!(store.collections().await.unwrap(), ["empty", "things"]);
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(2));
    assert_eq!(store.count(&name("empty")).await.unwrap(), Some(0));
    assert_eq!(store.count(&name("none")).await.unwrap(), None);
    assert_eq!(store.scan(&name("things"), None, 1).await.unwrap().len(), 1);
    let first = RawBsonRef::Int32(1);
    assert_eq!(store.get(&name("things"), first, false).await.unwrap(), None);
    assert!(store.get(&name("things"), first, true).await.unwrap().is_some());
}

#[tokio::test]
async fn that_there_are_too_many_to_be_counted_is_said() {
    // Its fail points are the whole server's.
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    database.command(json!({"insert": "things", "documents": [{"_id": 1}]}));
    server.fail_point(
        json!("alwaysOn"),
        json!({"failCommands": ["aggregate"], "errorCode": 50, "appName": "tidemill"}),
    );
    let error = open(&database.uri()).count(&name("things")).await.unwrap_err();
    assert!(
        matches!(&error, DocumentsError::Refused { said, .. } if said.contains("estimatedDocumentCount")),
        "{error:?}"
    );
    assert!(!error.passes());
}
