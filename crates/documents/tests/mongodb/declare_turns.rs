//! Processes that change one validator take turns, and a turn ends whatever comes of it.

use std::time::Duration;

use bson::{Document, doc};
use documents::mongodb::MongoDocuments;
use documents::{Contract, Documents, Target};
use serde_json::{Value, json};
use servers::mongodb::{Database, Options, Server, shared};

use super::support::{name, open};

fn contract(required: &str) -> Contract {
    Contract {
        collection: name("things"),
        owner: "shop/things".to_owned(),
        validator: validator(required),
        indexes: Vec::new(),
    }
}

fn validator(required: &str) -> Document {
    doc! { "$jsonSchema": { "title": "Tidemill: shop/things", "required": [required] } }
}

async fn declare(store: &MongoDocuments, required: &str) -> Result<(), documents::DocumentsError> {
    let target = Target {
        collection: name("things"),
        version: None,
    };
    store.declare(&target, &contract(required)).await
}

fn turn(database: &Database<'_>) -> Value {
    let noted = database.find("tidemill.collections", json!({}));
    noted.first().map_or(Value::Null, |noted| noted["turn"].clone())
}

fn both(database: &Database<'_>) -> bool {
    let takes = |document: Value| database.command(json!({"insert": "things", "documents": [document]}))["writeErrors"].is_null();
    takes(json!({"_id": 1, "a": 1})) && takes(json!({"_id": 2, "b": 1}))
}

#[tokio::test]
async fn who_waits_sees_that_another_did_its_work() {
    let database = shared().fresh_database();
    let uri = database.uri();
    declare(&open(&uri), "a").await.unwrap();
    // Another's turn, by a clock that is far ahead.
    let turn = json!({"_id": "things", "turn": {"by": "another", "since": {"$date": "2124-01-01T00:00:00Z"}}});
    database.command(json!({"update": "tidemill.collections", "updates": [{"q": {"_id": "things"}, "u": turn, "upsert": true}]}));
    let store = open(&uri);
    let waiting = tokio::spawn(async move { declare(&store, "b").await });
    let all = json!({"$or": [validator("a"), validator("b")]});
    database.command(json!({"collMod": "things", "validator": all}));
    let done = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    done.expect("it waits for a turn that it does not need").unwrap().unwrap();
    assert!(both(&database));
}

#[tokio::test]
async fn a_turn_ends_whatever_the_server_says() {
    let server = Server::start(Options::default());
    for failure in [
        json!({"errorCode": 72}),
        json!({"errorCode": 13}),
        json!({"errorCode": 91}),
        json!({"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}),
    ] {
        let database = server.fresh_database();
        let uri = database.uri();
        declare(&open(&uri), "a").await.unwrap();
        let mut data = json!({"failCommands": ["collMod"], "appName": "tidemill"});
        data.as_object_mut().unwrap().extend(failure.as_object().unwrap().clone());
        server.fail_point(json!({"times": 1}), data);
        let declared = declare(&open(&uri), "b").await;
        server.fail_point_off();
        assert_eq!(turn(&database), Value::Null, "{failure}: {declared:?}");
        // Another process need not wait.
        let store = open(&uri);
        let again = tokio::time::timeout(Duration::from_secs(20), declare(&store, "b")).await;
        again.expect("it waits for a turn that is over").unwrap();
        assert!(both(&database), "{failure}");
    }
}

#[tokio::test]
async fn a_turn_ends_though_nothing_can_be_looked_up_in_it() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let uri = database.uri();
    declare(&open(&uri), "a").await.unwrap();
    // The first look comes before the turn; each is tried twice.
    server.fail_point(
        json!({"skip": 2}),
        json!({"failCommands": ["listCollections"], "appName": "tidemill", "errorCode": 13}),
    );
    let declared = declare(&open(&uri), "b").await;
    server.fail_point_off();
    assert!(declared.is_err(), "{declared:?}");
    assert_eq!(turn(&database), Value::Null);
}

#[tokio::test]
async fn a_process_goes_on_with_its_turn_when_nobody_knows_what_came_of_it() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let store = open(&super::support::with(&database.uri(), "serverSelectionTimeoutMS=1000"));
    declare(&store, "a").await.unwrap();
    let cut = json!({"failCommands": ["collMod"], "appName": "tidemill", "closeConnection": true});
    server.fail_point(json!("alwaysOn"), cut);
    assert!(declare(&store, "b").await.unwrap_err().passes());
    server.fail_point_off();
    assert_ne!(turn(&database), Value::Null, "the change may be on its way still");
    let again = tokio::time::timeout(Duration::from_secs(20), declare(&store, "b")).await;
    again.expect("it waits for its own turn").unwrap();
    assert!(both(&database));
}
