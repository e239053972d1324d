//! Indexes that can't be built, and indexes that users made in the place of Tidemill's.

use bson::{Document, doc};
use documents::contract::IndexSpec;
use documents::mongodb::MongoDocuments;
use documents::{Contract, Documents, Replaced, Target, Tightness, Version};
use serde_json::{Value, json};
use servers::mongodb::{Database, shared};

use super::support::{name, open};

fn index(name: &str, keys: Document, options: Document) -> IndexSpec {
    IndexSpec {
        name: name.to_owned(),
        keys,
        options,
    }
}

fn contract(indexes: Vec<IndexSpec>) -> Contract {
    Contract {
        collection: name("things"),
        owner: "shop/things".to_owned(),
        validator: doc! { "$jsonSchema": { "title": "Tidemill: shop/things", "bsonType": "object" } },
        indexes,
    }
}

fn target() -> Target {
    Target {
        collection: name("things"),
        version: None,
    }
}

/// Plans and carries out; what could not be done.
async fn make(store: &MongoDocuments, contract: &Contract) -> Vec<String> {
    let changes = store.plan(contract, Tightness::Tight).await.unwrap();
    store.carry_out(contract, &changes).await.unwrap()
}

/// The indexes that are there, less `_id`'s: name and whether unique.
fn indexes(database: &Database<'_>, collection: &str) -> Vec<(String, bool)> {
    let reply = database.command(json!({"listIndexes": collection}));
    let listed = reply["cursor"]["firstBatch"].as_array().unwrap().clone();
    let told = |index: &Value| (index["name"].as_str().unwrap().to_owned(), index["unique"] == true);
    let mut indexes: Vec<(String, bool)> = listed.iter().map(told).filter(|(name, _)| name != "_id_").collect();
    indexes.sort();
    indexes
}

fn plain(name: &str) -> (String, bool) {
    (name.to_owned(), false)
}

fn unique(name: &str) -> (String, bool) {
    (name.to_owned(), true)
}

/// Two documents with one value.
fn equal_values(database: &Database<'_>) {
    let document = |id: i32| json!({"_id": id, "a": 1, "_tidemill": {"rank": "r"}});
    database.command(json!({"insert": "things", "documents": [document(1), document(2)]}));
}

fn theirs(database: &Database<'_>, index: Value) {
    database.command(json!({"createIndexes": "things", "indexes": [index]}));
}

const ONE: Version = Version {
    run: [1; 16],
    generation: 1,
};

#[tokio::test]
async fn an_old_index_stays_while_the_new_one_can_not_be_built() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let old = contract(vec![index("by_a", doc! { "a": 1, "b": 1 }, doc! {})]);
    store.declare(&target(), &old).await.unwrap();
    equal_values(&database);
    let new = contract(vec![index("once", doc! { "a": 1 }, doc! { "unique": true })]);
    let unable = make(&store, &new).await;
    assert_eq!(indexes(&database, "things"), [plain("by_a")]);
    assert!(
        matches!(unable.as_slice(), [failed, kept] if failed.contains("`once`") && kept.contains("`by_a` is kept") && kept.contains("`once`")),
        "{unable:?}"
    );
    // When it can be, the old one goes.
    database.command(json!({"delete": "things", "deletes": [{"q": {"_id": 2}, "limit": 1}]}));
    assert_eq!(make(&store, &new).await, Vec::<String>::new());
    assert_eq!(indexes(&database, "things"), [unique("once")]);
}

#[tokio::test]
async fn an_index_that_made_room_in_vain_comes_back() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let old = contract(vec![index("by_a", doc! { "a": 1 }, doc! {})]);
    store.declare(&target(), &old).await.unwrap();
    equal_values(&database);
    let new = contract(vec![index("by_a", doc! { "a": 1 }, doc! { "unique": true })]);
    let unable = make(&store, &new).await;
    assert_eq!(indexes(&database, "things"), [plain("by_a")]);
    assert!(
        unable.iter().any(|one| one.contains("the old index `by_a` is there again")),
        "{unable:?}"
    );
    // It is ours still.
    assert_eq!(make(&store, &contract(vec![])).await, Vec::<String>::new());
    assert_eq!(indexes(&database, "things"), []);
}

#[tokio::test]
async fn an_index_of_a_name_of_ours_may_be_a_users() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let declared = contract(vec![index("by_a", doc! { "a": 1 }, doc! {})]);
    store.declare(&target(), &declared).await.unwrap();
    database.command(json!({"dropIndexes": "things", "index": "by_a"}));
    theirs(&database, json!({"name": "by_a", "key": {"a": 1}, "unique": true}));
    // Neither for the one that is declared is it dropped, nor when none is.
    for contract in [declared, contract(vec![])] {
        make(&store, &contract).await;
        assert_eq!(indexes(&database, "things"), [unique("by_a")]);
    }
    // A version that takes the collection's place has it too.
    assert_eq!(store.replace(&name("things"), ONE).await.unwrap(), Replaced::Visible);
    assert_eq!(indexes(&database, "things"), [unique("by_a")]);
}

#[tokio::test]
async fn what_was_dropped_by_hand_is_not_ours_any_more() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let declared = contract(vec![index("by_a", doc! { "a": 1 }, doc! {})]);
    store.declare(&target(), &declared).await.unwrap();
    database.command(json!({"drop": "things"}));
    database.command(json!({"create": "things"}));
    make(&store, &contract(vec![])).await;
    // The very same, but a user's.
    theirs(&database, json!({"name": "by_a", "key": {"a": 1}}));
    make(&store, &contract(vec![])).await;
    assert_eq!(indexes(&database, "things"), [plain("by_a")]);
}

#[tokio::test]
async fn an_index_whose_expiry_was_changed_is_ours() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let life = |seconds: i64| contract(vec![index("life", doc! { "at": 1 }, doc! { "expireAfterSeconds": seconds })]);
    store.declare(&target(), &life(10)).await.unwrap();
    assert_eq!(make(&store, &life(20)).await, Vec::<String>::new());
    assert_eq!(make(&store, &life(30)).await, Vec::<String>::new());
    assert_eq!(make(&store, &contract(vec![])).await, Vec::<String>::new());
    assert_eq!(indexes(&database, "things"), []);
}

#[tokio::test]
async fn a_version_is_built_with_the_indexes_of_users_not_beside_them() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    database.command(json!({"create": "things"}));
    // The first does what is declared under another name; beside the second the declared one can't be.
    theirs(&database, json!({"name": "mine", "key": {"a": 1}}));
    theirs(&database, json!({"name": "strict", "key": {"b": 1}, "unique": true}));
    let contract = contract(vec![
        index("by_a", doc! { "a": 1 }, doc! {}),
        index("by_b", doc! { "b": 1 }, doc! {}),
        index("by_c", doc! { "c": 1 }, doc! {}),
    ]);
    let version = Target {
        version: Some(ONE),
        ..target()
    };
    store.declare(&version, &contract).await.unwrap();
    assert_eq!(store.replace(&name("things"), ONE).await.unwrap(), Replaced::Visible);
    assert_eq!(indexes(&database, "things"), [plain("by_c"), plain("mine"), unique("strict")]);
}
