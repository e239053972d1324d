//! Collections made as their contracts say, and what is not Tidemill's left alone. Looked at with another client.

use bson::{Document, doc};
use documents::contract::{DropReason, IndexSpec};
use documents::mongodb::MongoDocuments;
use documents::{Change, Contract, Documents, DocumentsError, Target, Tightness, Version};
use serde_json::{Value, json};
use servers::mongodb::{Database, VARIABLE, shared};

use super::support::{name, open};

fn validator(required: &str) -> Document {
    doc! { "$jsonSchema": { "title": "Tidemill: shop/things", "bsonType": "object", "required": [required] } }
}

fn index(name: &str, keys: Document, options: Document) -> IndexSpec {
    IndexSpec {
        name: name.to_owned(),
        keys,
        options,
    }
}

fn contract(required: &str, indexes: Vec<IndexSpec>) -> Contract {
    Contract {
        collection: name("things"),
        owner: "shop/things".to_owned(),
        validator: validator(required),
        indexes,
    }
}

fn target() -> Target {
    Target {
        collection: name("things"),
        version: None,
    }
}

/// Plans and carries out; what the server could not do.
async fn make(store: &MongoDocuments, contract: &Contract, tightness: Tightness) -> Vec<String> {
    let changes = store.plan(contract, tightness).await.unwrap();
    store.carry_out(contract, &changes).await.unwrap()
}

fn listed(database: &Database<'_>, collection: &str) -> Value {
    let reply = database.command(json!({"listCollections": 1, "filter": {"name": collection}}));
    reply["cursor"]["firstBatch"][0].clone()
}

fn validator_of(database: &Database<'_>, collection: &str) -> Value {
    listed(database, collection)["options"]["validator"].clone()
}

/// The indexes that are there, less `_id`'s, by name.
fn indexes(database: &Database<'_>, collection: &str) -> Vec<Value> {
    let reply = database.command(json!({"listIndexes": collection}));
    let mut indexes = reply["cursor"]["firstBatch"].as_array().unwrap().clone();
    indexes.retain(|index| index["name"] != "_id_");
    indexes.sort_by_key(|index| index["name"].to_string());
    indexes
}

fn names(database: &Database<'_>, collection: &str) -> Vec<String> {
    let name = |index: &Value| index["name"].as_str().unwrap().to_owned();
    indexes(database, collection).iter().map(name).collect()
}

fn takes(database: &Database<'_>, document: Value) -> bool {
    let reply = database.try_insert("things", document);
    reply["writeErrors"].is_null()
}

trait Insert {
    fn try_insert(&self, collection: &str, document: Value) -> Value;
}

impl Insert for Database<'_> {
    fn try_insert(&self, collection: &str, document: Value) -> Value {
        self.command(json!({"insert": collection, "documents": [document]}))
    }
}

#[tokio::test]
async fn a_collection_is_made_with_validator_and_indexes() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let contract = contract(
        "a",
        vec![
            index("by_a", doc! { "a": 1, "b": -1 }, doc! { "unique": true }),
            index("by_place", doc! { "place": "2dsphere" }, doc! {}),
            index("life", doc! { "at": 1 }, doc! { "expireAfterSeconds": 3600_i64 }),
            index(
                "some",
                doc! { "c": 1 },
                doc! { "partialFilterExpression": { "c": { "$exists": true } } },
            ),
            index("words", doc! { "d": 1 }, doc! { "collation": { "locale": "en", "strength": 2 } }),
        ],
    );
    store.declare(&target(), &contract).await.unwrap();
    let expected = serde_json::to_value(&contract.validator).unwrap();
    assert_eq!(validator_of(&database, "things"), expected);
    assert_eq!(names(&database, "things"), ["by_a", "by_place", "life", "some", "words"]);
    let found = indexes(&database, "things");
    assert_eq!(found[0]["key"], json!({"a": 1, "b": -1}));
    assert_eq!(found[0]["unique"], true);
    assert_eq!(found[2]["expireAfterSeconds"], 3600);
    assert_eq!(found[3]["partialFilterExpression"], json!({"c": {"$exists": true}}));
    assert_eq!(found[4]["collation"]["strength"], 2);
    assert!(takes(&database, json!({"_id": 1, "a": 1})));
    assert!(!takes(&database, json!({"_id": 2})));
    for tightness in [Tightness::Relaxed, Tightness::Tight] {
        assert_eq!(store.plan(&contract, tightness).await.unwrap(), []);
    }
    // Again, and by another process: nothing changes.
    store.declare(&target(), &contract).await.unwrap();
    open(&database.uri()).declare(&target(), &contract).await.unwrap();
    assert_eq!(validator_of(&database, "things"), expected);
}

#[tokio::test]
async fn what_is_planned_for_nothing_makes_all_of_it() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let contract = contract("a", vec![index("by_a", doc! { "a": 1 }, doc! {})]);
    let changes = store.plan(&contract, Tightness::Relaxed).await.unwrap();
    assert!(
        matches!(changes.as_slice(), [Change::CreateCollection { .. }, Change::CreateIndex(_)]),
        "{changes:?}"
    );
    // Another process did the same meanwhile.
    open(&database.uri()).declare(&target(), &contract).await.unwrap();
    assert_eq!(store.carry_out(&contract, &changes).await.unwrap(), Vec::<String>::new());
    assert_eq!(names(&database, "things"), ["by_a"]);
    assert_eq!(store.plan(&contract, Tightness::Tight).await.unwrap(), []);
}

#[tokio::test]
async fn a_new_contract_is_allowed_beside_the_old_one_and_then_alone() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let (old, new) = (contract("a", vec![]), contract("b", vec![]));
    store.declare(&target(), &old).await.unwrap();
    // An old batch and a new one in flight.
    store.declare(&target(), &new).await.unwrap();
    store.declare(&target(), &old).await.unwrap();
    assert!(takes(&database, json!({"_id": 1, "a": 1})));
    assert!(takes(&database, json!({"_id": 2, "b": 1})));
    assert!(!takes(&database, json!({"_id": 3})));
    assert_eq!(make(&store, &new, Tightness::Relaxed).await, Vec::<String>::new());
    assert!(takes(&database, json!({"_id": 4, "a": 1})));
    assert_eq!(make(&store, &new, Tightness::Tight).await, Vec::<String>::new());
    assert!(!takes(&database, json!({"_id": 5, "a": 1})));
    assert!(takes(&database, json!({"_id": 6, "b": 1})));
    assert_eq!(validator_of(&database, "things"), serde_json::to_value(&new.validator).unwrap());
    // An old batch after all: it may be written again.
    open(&database.uri()).declare(&target(), &old).await.unwrap();
    assert!(takes(&database, json!({"_id": 7, "a": 1})));
    assert!(takes(&database, json!({"_id": 8, "b": 1})));
}

#[tokio::test]
async fn of_contracts_declared_at_once_none_is_lost() {
    let database = shared().fresh_database();
    let fields = ["a", "b", "c", "d", "e", "f"];
    let declare = |field: &'static str| {
        let uri = database.uri();
        tokio::spawn(async move { open(&uri).declare(&target(), &contract(field, vec![])).await })
    };
    let tasks: Vec<_> = fields.map(declare).into_iter().collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for (id, field) in fields.into_iter().enumerate() {
        assert!(
            takes(&database, json!({"_id": id, field: 1})),
            "{field}: {}",
            validator_of(&database, "things")
        );
    }
    assert!(!takes(&database, json!({"_id": 100})));
}

#[tokio::test]
async fn what_users_made_survives() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let theirs = json!({"$jsonSchema": {"title": "Somebody's own", "required": ["theirs"]}});
    database.command(json!({"create": "things", "validator": theirs}));
    database
        .command(json!({"createIndexes": "things", "indexes": [{"name": "theirs", "key": {"t": 1}}, {"name": "by_b", "key": {"z": 1}}]}));
    let contract = contract(
        "a",
        vec![index("by_a", doc! { "a": 1 }, doc! {}), index("by_b", doc! { "b": 1 }, doc! {})],
    );
    store.declare(&target(), &contract).await.unwrap();
    for tightness in [Tightness::Relaxed, Tightness::Tight] {
        let changes = store.plan(&contract, tightness).await.unwrap();
        assert!(changes.iter().any(|change| matches!(change, Change::Leave { .. })), "{changes:?}");
        store.carry_out(&contract, &changes).await.unwrap();
        assert_eq!(validator_of(&database, "things"), theirs);
        assert_eq!(names(&database, "things"), ["by_a", "by_b", "theirs"]);
        assert_eq!(indexes(&database, "things")[1]["key"], json!({"z": 1}));
    }
    // Not even when it is asked for: a plan may be older than the index.
    let stale = [
        Change::CreateIndex(index("by_b", doc! { "b": 1 }, doc! {})),
        Change::DropIndex {
            name: "theirs".to_owned(),
            why: DropReason::Undeclared,
        },
    ];
    let unable = store.carry_out(&contract, &stale).await.unwrap();
    assert!(matches!(unable.as_slice(), [one] if one.contains("`by_b`")), "{unable:?}");
    assert_eq!(names(&database, "things"), ["by_a", "by_b", "theirs"]);
    assert_eq!(indexes(&database, "things")[1]["key"], json!({"z": 1}));
}

#[tokio::test]
async fn an_index_of_ours_goes_when_it_is_not_declared_any_more() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let old = contract(
        "a",
        vec![
            index("by_a", doc! { "a": 1 }, doc! {}),
            index("life", doc! { "at": 1 }, doc! { "expireAfterSeconds": 10_i64 }),
        ],
    );
    store.declare(&target(), &old).await.unwrap();
    database.command(json!({"createIndexes": "things", "indexes": [{"name": "theirs", "key": {"t": 1}}]}));
    let new = contract(
        "a",
        vec![
            index("by_c", doc! { "c": 1 }, doc! {}),
            index("life", doc! { "at": 1 }, doc! { "expireAfterSeconds": 20_i64 }),
        ],
    );
    assert_eq!(make(&store, &new, Tightness::Tight).await, Vec::<String>::new());
    assert_eq!(names(&database, "things"), ["by_c", "life", "theirs"]);
    assert_eq!(indexes(&database, "things")[1]["expireAfterSeconds"], 20);
    assert_eq!(store.plan(&new, Tightness::Tight).await.unwrap(), []);
}

#[tokio::test]
async fn what_the_server_can_not_do_is_said_once_and_the_rest_is_done() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let contract = contract(
        "a",
        vec![
            index("text", doc! { "words": "text" }, doc! {}),
            index("by_a", doc! { "a": 1 }, doc! {}),
        ],
    );
    let unable = make(&store, &contract, Tightness::Relaxed).await;
    // A real MongoDB can.
    let can = std::env::var_os(VARIABLE).is_some();
    match unable.as_slice() {
        [] => assert!(can),
        [one] => assert!(!can && one.contains("`text`") && one.contains("not supported"), "{one}"),
        _ => panic!("{unable:?}"),
    }
    let made: &[&str] = if can { &["by_a", "text"] } else { &["by_a"] };
    assert_eq!(names(&database, "things"), made);
    assert!(!takes(&database, json!({"_id": 1})));
    // What is not there is not ours: a user may make one of that name.
    let noted = database.find("tidemill.collections", json!({}))[0]["indexes"].clone();
    assert_eq!(noted.as_array().unwrap().len(), made.len(), "{noted}");
    // A writer is not held up by it.
    store.declare(&target(), &contract).await.unwrap();
}

#[tokio::test]
async fn a_unique_index_over_equal_values_is_said() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let ours = |id: i32| json!({"_id": id, "a": "a secret value", "_tidemill": {"rank": "r"}});
    database.command(json!({"insert": "things", "documents": [ours(1), ours(2)]}));
    let contract = contract("a", vec![index("by_a", doc! { "a": 1 }, doc! { "unique": true })]);
    let unable = make(&store, &contract, Tightness::Tight).await;
    assert!(
        matches!(unable.as_slice(), [one] if one.contains("`by_a`") && one.contains("11000")),
        "{unable:?}"
    );
    assert!(!unable.concat().contains("a secret value"), "{unable:?}");
    // Without a validator before, everything may be there: a tight one is for what is written from now on.
    assert!(!takes(&database, json!({"_id": 3})));
}

#[tokio::test]
async fn a_version_is_built_as_the_contract_says_too() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let contract = contract("a", vec![index("by_a", doc! { "a": 1 }, doc! {})]);
    let version = Version {
        run: [0xab; 16],
        generation: 7,
    };
    let target = Target {
        version: Some(version),
        ..target()
    };
    store.declare(&target, &contract).await.unwrap();
    let staged = format!("tidemill.staged.things.{}.0000000007", "ab".repeat(16));
    assert_eq!(validator_of(&database, &staged), serde_json::to_value(&contract.validator).unwrap());
    assert_eq!(names(&database, &staged), ["by_a"]);
    assert_eq!(store.count(&name("things")).await.unwrap(), None);
}

#[tokio::test]
async fn a_view_is_no_place_for_documents() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    database.command(json!({"create": "source"}));
    database.command(json!({"create": "things", "viewOn": "source", "pipeline": []}));
    let error = store.declare(&target(), &contract("a", vec![])).await.unwrap_err();
    assert!(
        matches!(&error, DocumentsError::NotOurCollection { problem, .. } if problem.contains("view")),
        "{error:?}"
    );
}

#[tokio::test]
async fn keys_that_are_equal_by_a_collation_have_no_place_in_a_collection() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    database.command(json!({"create": "things", "collation": {"locale": "en", "strength": 2}}));
    let contract = contract("a", vec![index("by_a", doc! { "a": 1 }, doc! {})]);
    for error in [
        store.declare(&target(), &contract).await.unwrap_err(),
        store.plan(&contract, Tightness::Tight).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, DocumentsError::NotOurCollection { problem, .. } if problem.contains("collation")),
            "{error:?}"
        );
    }
    assert_eq!(names(&database, "things"), Vec::<String>::new());
}

#[tokio::test]
async fn a_validator_that_only_warns_is_enforced_in_the_end() {
    for (option, set) in [("validationAction", "warn"), ("validationLevel", "off")] {
        let database = shared().fresh_database();
        let store = open(&database.uri());
        let (old, new) = (contract("a", vec![]), contract("b", vec![]));
        store.declare(&target(), &old).await.unwrap();
        database.command(json!({"collMod": "things", option: set}));
        // Nothing is made stricter before its time.
        store.declare(&target(), &new).await.unwrap();
        assert!(takes(&database, json!({"_id": 1})), "{option}");
        assert_eq!(make(&store, &new, Tightness::Tight).await, Vec::<String>::new());
        assert!(!takes(&database, json!({"_id": 2})), "{option}");
        // And where nothing else is to be changed.
        database.command(json!({"collMod": "things", option: set}));
        let changes = store.plan(&new, Tightness::Tight).await.unwrap();
        assert!(
            matches!(changes.as_slice(), [Change::EnforceValidator { unenforced }] if *unenforced == format!("{option}: {set}")),
            "{changes:?}"
        );
        assert_eq!(store.carry_out(&new, &changes).await.unwrap(), Vec::<String>::new());
        assert!(!takes(&database, json!({"_id": 3})), "{option}");
        assert!(takes(&database, json!({"_id": 4, "b": 1})), "{option}");
        assert_eq!(store.plan(&new, Tightness::Tight).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_collection_of_others_gets_no_validator() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    database.command(json!({"insert": "things", "documents": [{"_id": 1, "theirs": true}]}));
    let contract = contract("a", vec![]);
    let changes = store.plan(&contract, Tightness::Tight).await.unwrap();
    assert!(
        matches!(changes.as_slice(), [Change::Leave { what }] if what.contains("did not write")),
        "{changes:?}"
    );
    // Not even by a plan that was made before their first document came.
    let stale = [Change::SetValidator {
        validator: contract.validator.clone(),
        tightness: Tightness::Tight,
    }];
    store.carry_out(&contract, &stale).await.unwrap();
    assert!(takes(&database, json!({"_id": 2})));
    // When they are gone, it does.
    database.command(json!({"delete": "things", "deletes": [{"q": {}, "limit": 0}]}));
    assert_eq!(make(&store, &contract, Tightness::Tight).await, Vec::<String>::new());
    assert!(!takes(&database, json!({"_id": 3})));
}
