//! Commands that fail in the middle of a declaration: it is done all the same, or can be done again.

use bson::doc;
use documents::contract::IndexSpec;
use documents::{Contract, Documents, Target, Tightness};
use serde_json::{Value, json};
use servers::mongodb::{Options, Server};

use super::support::{name, open, with};

fn contract(required: &str) -> Contract {
    Contract {
        collection: name("things"),
        owner: "shop/things".to_owned(),
        validator: doc! { "$jsonSchema": { "title": "Tidemill: shop/things", "required": [required] } },
        indexes: vec![IndexSpec {
            name: format!("by_{required}"),
            keys: doc! { required: 1 },
            options: doc! {},
        }],
    }
}

fn target() -> Target {
    Target {
        collection: name("things"),
        version: None,
    }
}

const COMMANDS: [&str; 7] = [
    "listCollections",
    "listIndexes",
    "find",
    "create",
    "createIndexes",
    "collMod",
    "update",
];

fn failures() -> [(&'static str, Value); 3] {
    [
        ("cut", json!({"closeConnection": true})),
        ("stepped down", json!({"errorCode": 10107, "errorLabels": ["RetryableWriteError"]})),
        ("shutting down", json!({"errorCode": 91, "errorLabels": ["RetryableWriteError"]})),
    ]
}

/// The command is carried out, and may be undone yet.
fn no_majority(command: &str) -> Value {
    let error = json!({"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"});
    json!({"failCommands": [command], "appName": "tidemill", "writeConcernError": error})
}

/// Its fail points are the whole server's.
fn server() -> Server {
    Server::start(Options::default())
}

#[tokio::test]
async fn a_command_that_fails_once_is_not_noticed() {
    let server = server();
    for (what, failure) in failures() {
        for command in COMMANDS {
            let database = server.fresh_database();
            // A server that stepped down really would say at once that it is back; a fail point leaves that to the next look at it.
            let uri = with(&database.uri(), "heartbeatFrequencyMS=500");
            // The second contract needs `collMod`.
            for required in ["a", "b"] {
                let mut data = json!({"failCommands": [command], "appName": "tidemill"});
                data.as_object_mut().unwrap().extend(failure.as_object().unwrap().clone());
                server.fail_point(json!({"times": 1}), data);
                let declared = open(&uri).declare(&target(), &contract(required)).await;
                server.fail_point_off();
                assert!(declared.is_ok(), "{command} {what}: {declared:?}");
            }
            let plan = open(&uri).plan(&contract("a"), Tightness::Relaxed).await.unwrap();
            assert_eq!(plan, [], "{command} {what}");
        }
    }
}

#[tokio::test]
async fn a_command_that_fails_on_is_said_to_pass_and_can_be_made_good() {
    let server = server();
    for command in COMMANDS {
        let database = server.fresh_database();
        let store = open(&with(&database.uri(), "serverSelectionTimeoutMS=1000"));
        if command == "collMod" {
            store.declare(&target(), &contract("b")).await.unwrap();
        }
        let data = json!({"failCommands": [command], "closeConnection": true, "appName": "tidemill"});
        server.fail_point(json!("alwaysOn"), data);
        let error = store.declare(&target(), &contract("a")).await.unwrap_err();
        assert!(error.passes(), "{command}: {error:?}");
        server.fail_point_off();
        store.declare(&target(), &contract("a")).await.unwrap();
        let changes = store.plan(&contract("a"), Tightness::Tight).await.unwrap();
        assert_eq!(
            store.carry_out(&contract("a"), &changes).await.unwrap(),
            Vec::<String>::new(),
            "{command}"
        );
        assert_eq!(store.plan(&contract("a"), Tightness::Tight).await.unwrap(), [], "{command}");
    }
}

#[tokio::test]
async fn what_is_not_on_a_majority_is_not_done() {
    let server = server();
    for command in ["create", "createIndexes", "collMod", "update"] {
        let database = server.fresh_database();
        let store = open(&database.uri());
        if command == "collMod" {
            store.declare(&target(), &contract("b")).await.unwrap();
        }
        server.fail_point(json!("alwaysOn"), no_majority(command));
        let error = store.declare(&target(), &contract("a")).await.unwrap_err();
        assert!(error.passes(), "{command}: {error:?}");
        server.fail_point_off();
        store.declare(&target(), &contract("a")).await.unwrap();
    }
}

/// However a server ended: a process that lives long must see it come back.
#[tokio::test]
async fn a_server_that_was_stopped_and_started_again_is_found_by_the_same_store() {
    let server = server();
    let database = server.fresh_database();
    let store = open(&with(&database.uri(), "serverSelectionTimeoutMS=2000"));
    store.declare(&target(), &contract("a")).await.unwrap();
    server.stop();
    let away = store.count(&name("things")).await;
    assert!(away.as_ref().is_err_and(documents::DocumentsError::passes), "{away:?}");
    server.start_again();
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(0));
}
