//! The suite against MongoDB, and what is MongoDB's alone: options, indexes, validators, views, documents of others.

use std::sync::Arc;

use bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use documents::mongodb::Fixed;
use documents::{
    Certainty, Database, Documents, DocumentsError, MongoDatabase, MongoDocuments, Namespace, NamespaceKind, PutBack, SqliteDatabase,
    SqliteDocuments,
};
use serde_json::json;
use servers::mongodb::{self, shared};

use crate::suite::{self, Stores, all, collection, copy, made, name, names, put, version, write};

type Alive = mongodb::Database<'static>;

fn new() -> (Alive, Stores) {
    let database = shared().fresh_database();
    let stores = open(&database.uri());
    (database, stores)
}

fn open(uri: &str) -> Stores {
    let uri = || Arc::new(Fixed::new(uri.into()));
    Stores {
        database: Arc::new(MongoDatabase::new(uri())),
        documents: Box::new(MongoDocuments::new(uri())),
    }
}

suite!();

/// Another database, which is dropped at the end.
async fn with_scratch<T>(stores: &Stores, suffix: &str, work: impl AsyncFnOnce(&dyn Database) -> T) -> T {
    let name = format!("{}_{suffix}", stores.database.server().await.unwrap().database);
    let scratch = stores.database.sibling(&name).unwrap();
    let result = work(&*scratch).await;
    scratch.set_mark(Some("{}")).await.unwrap();
    scratch.drop_all().await.unwrap();
    result
}

/// What must be the same of a copy.
fn without_identity(namespaces: Vec<Namespace>) -> Vec<Namespace> {
    let plain = |namespace| Namespace {
        identity: None,
        ..namespace
    };
    namespaces.into_iter().map(plain).collect()
}

#[tokio::test]
async fn the_test_server_is_a_replica_set_or_says_that_it_is_not() {
    let (database, stores) = new();
    let hello = database.command(json!({"hello": 1}));
    let expected = if hello.get("setName").is_some() {
        Certainty::Majority
    } else {
        Certainty::Local
    };
    let server = stores.database.server().await.unwrap();
    assert_eq!((server.certainty, server.database.as_str()), (expected, database.name()));
}

#[tokio::test]
async fn options_indexes_validators_and_views_are_as_they_were() {
    let (database, stores) = new();
    database.command(json!({"create": "checked",
        "validator": {"$jsonSchema": {"bsonType": "object", "required": ["a"]}}, "validationLevel": "moderate", "validationAction": "warn"}));
    database.command(json!({"create": "strict", "validator": {"a": {"$gt": 0}}}));
    database.command(json!({"create": "few", "capped": true, "size": 65536, "max": 10}));
    database
        .command(json!({"create": "positive", "viewOn": "strict", "pipeline": [{"$match": {"a": {"$gt": 1}}}, {"$project": {"_id": 1}}]}));
    database.command(json!({"insert": "strict", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 2, "place": [1.0, 2.0]}]}));
    database.command(json!({"createIndexes": "strict", "indexes": [
        {"name": "by_a", "key": {"a": 1, "b": -1}},
        {"name": "once", "key": {"c": 1}, "unique": true, "sparse": true},
        {"name": "some", "key": {"d": 1}, "partialFilterExpression": {"d": {"$gt": 5}}},
        {"name": "life", "key": {"at": 1}, "expireAfterSeconds": 3600},
        {"name": "sphere", "key": {"location": "2dsphere"}},
    ]}));
    let mut indexes = 6;
    for index in [
        json!({"name": "hashed", "key": {"e": "hashed"}}),
        json!({"name": "words", "key": {"title": "text", "body": "text"}, "weights": {"title": 5, "body": 1}, "default_language": "german"}),
    ] {
        match shared().try_command(database.name(), json!({"createIndexes": "strict", "indexes": [index]})) {
            Ok(_) => indexes += 1,
            Err(problem) => assert!(problem.contains("not supported by SecantusDB"), "{problem}"),
        }
    }
    let there = stores.database.namespaces().await.unwrap();
    let found: Vec<(&str, NamespaceKind, usize)> = there.iter().map(|one| (one.name.as_str(), one.kind, one.indexes.len())).collect();
    let (collection, view) = (NamespaceKind::Collection, NamespaceKind::View);
    assert_eq!(
        found,
        [
            ("checked", collection, 1),
            ("few", collection, 1),
            ("positive", view, 0),
            ("strict", collection, indexes)
        ]
    );
    assert!(there.iter().flat_map(|one| &one.indexes).all(|index| !index.contains_key("ns")));

    with_scratch(&stores, "copy", async |scratch| {
        for _ in 0..2 {
            assert_eq!(copy(&*stores.database, scratch).await, Vec::<String>::new());
            let made = scratch.namespaces().await.unwrap();
            assert_eq!(without_identity(made), without_identity(there.clone()));
            assert_eq!(all(scratch, "strict", None).await, all(&*stores.database, "strict", None).await);
        }
    })
    .await;
}

#[tokio::test]
async fn a_collation_is_as_it_was() {
    let (database, stores) = new();
    let collation = json!({"locale": "en", "strength": 2});
    database.command(json!({"create": "words", "collation": collation}));
    database.command(json!({"createIndexes": "words", "indexes": [{"name": "by_a", "key": {"a": 1}, "collation": {"locale": "de"}}]}));
    let there = stores.database.namespaces().await.unwrap();
    assert_eq!(there[0].options.get_document("collation").unwrap().get_str("locale").unwrap(), "en");
    with_scratch(&stores, "copy", async |scratch| {
        assert_eq!(copy(&*stores.database, scratch).await, Vec::<String>::new());
        assert_eq!(
            without_identity(scratch.namespaces().await.unwrap()),
            without_identity(there.clone())
        );
        // Whether the server goes by the collation or by bytes, it goes on in its own order.
        put(scratch, "words", &["a", "B", "c"].map(|key| made(key, 1))).await.unwrap();
        let in_order = all(scratch, "words", None).await;
        assert_eq!(in_order.len(), 3);
        for (at, document) in in_order.iter().enumerate() {
            assert_eq!(all(scratch, "words", Some(&suite::id(document))).await, in_order[at + 1..]);
        }
    })
    .await;
}

#[tokio::test]
async fn documents_of_others_come_back() {
    let (database, stores) = new();
    database
        .command(json!({"insert": "Theirs and more", "documents": [{"_id": {"$oid": "65f000000000000000000001"}, "x": [1, {"y": null}]}]}));
    database.command(json!({"insert": "a.b", "documents": [{"_id": "k"}]}));
    assert_eq!(names(&*stores.database).await, ["Theirs and more", "a.b"]);
    with_scratch(&stores, "copy", async |scratch| {
        copy(&*stores.database, scratch).await;
        for collection in ["Theirs and more", "a.b"] {
            assert_eq!(all(scratch, collection, None).await, all(&*stores.database, collection, None).await);
        }
    })
    .await;
    stores.database.drop_namespace("a.b").await.unwrap();
    assert_eq!(names(&*stores.database).await, ["Theirs and more"]);
}

/// A loader that goes on beside a restore sets the validator of its contract, which an older document need not pass.
#[tokio::test]
async fn documents_that_a_validator_would_not_take_come_back() {
    let (database, stores) = new();
    database.command(json!({"create": "strict", "validator": {"a": {"$gt": 0}}}));
    let well = rawdoc! { "_id": 1, "a": 1 };
    let older = rawdoc! { "_id": 2, "a": -1 };
    let put = stores.database.put_back("strict", &[&well, &older]).await.unwrap();
    assert_eq!((put.inserted, put.already_there), (2, 0));
    let again = stores.database.put_back("strict", &[&well, &older]).await.unwrap();
    assert_eq!((again.inserted, again.already_there), (0, 2));
    assert_eq!(all(&*stores.database, "strict", None).await, [well, older]);
}

#[tokio::test]
async fn a_swap_that_is_under_way_is_not_told() {
    let (database, stores) = new();
    let version =
        |run: u8| doc! { "run": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![run; 16] }, "generation": 1i64 };
    let noted = [
        doc! { "_id": "first", "visible": version(2), "swap": { "from": "tidemill.ready.first.x", "replaced": Bson::Null, "previous": Bson::Null }, "indexes": [] },
        doc! { "_id": "next", "visible": version(2), "swap": { "from": "tidemill.ready.next.x", "previous": version(1) }, "turn": { "by": 1 } },
        doc! { "_id": "settled", "visible": version(3), "swap": Bson::Null, "confirmed": 1 },
    ];
    let noted: Vec<RawDocumentBuf> = noted.iter().map(|one| RawDocumentBuf::try_from(one).unwrap()).collect();
    put(&*stores.database, "tidemill.collections", &noted).await.unwrap();
    let found: Vec<Document> = all(&*stores.database, "tidemill.collections", None)
        .await
        .iter()
        .map(|one| Document::try_from(one).unwrap())
        .collect();
    let expected = [
        doc! { "_id": "first", "visible": Bson::Null, "indexes": [] },
        doc! { "_id": "next", "visible": version(1) },
        doc! { "_id": "settled", "visible": version(3), "swap": Bson::Null },
    ];
    assert_eq!(found, expected);
    // What the server has is as it was: whoever swaps goes on.
    assert_eq!(
        database.find("tidemill.collections", json!({"swap.from": {"$exists": true}})).len(),
        2
    );
    // None of these collections is there.
    stores.database.drop_namespace("tidemill.collections").await.unwrap();
    assert_eq!(names(&*stores.database).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_of_the_moment_of_other_collections_stays() {
    let (database, stores) = new();
    database.command(json!({"insert": "tidemill.receipts", "documents": [{"_id": "a:1", "collection": "things"}, {"_id": "b:1", "collection": "others"}]}));
    for collection in [
        "tidemill.staged.things.v",
        "tidemill.ready.things.v",
        "tidemill.staged.others.v",
        "things",
        "others",
    ] {
        database.command(json!({"create": collection}));
    }
    database.command(json!({"insert": "tidemill.collections", "documents": [{"_id": "things"}, {"_id": "others"}]}));
    stores.database.drop_namespace("things").await.unwrap();
    assert_eq!(names(&*stores.database).await, ["tidemill.collections", "others"]);
    assert_eq!(
        database.find("tidemill.receipts", json!({})),
        [json!({"_id": "b:1", "collection": "others"})]
    );
    assert_eq!(database.find("tidemill.collections", json!({})), [json!({"_id": "others"})]);
    let listed = database.command(json!({"listCollections": 1, "filter": {"name": {"$regex": "staged|ready"}}}));
    let listed = listed["cursor"]["firstBatch"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
}

#[tokio::test]
async fn what_the_server_will_not_do_is_told_and_the_rest_is_done() {
    let (_database, stores) = new();
    put(
        &*stores.database,
        "things",
        &[rawdoc! { "_id": 1, "a": 7, "b": 1 }, rawdoc! { "_id": 2, "a": 7, "b": 2 }],
    )
    .await
    .unwrap();
    let mut namespace = collection("things");
    namespace
        .indexes
        .push(doc! { "v": 2, "key": { "a": 1 }, "name": "once", "unique": true });
    namespace
        .indexes
        .push(doc! { "v": 2, "key": { "b": 1 }, "name": "by_b", "unique": true });
    let unable = stores.database.complete(&namespace).await.unwrap();
    assert_eq!(unable.len(), 1, "{unable:?}");
    assert!(
        unable[0].starts_with("could not make the index `once` of `things`: the server says:"),
        "{unable:?}"
    );
    let there = stores.database.namespaces().await.unwrap();
    let made = there[0].indexes.iter().map(|index| index.get_str("name").unwrap());
    assert_eq!(made.collect::<Vec<_>>(), ["_id_", "by_b"]);
    // Where documents come after the indexes, one that is refused is an error without its values.
    let error = put(
        &*stores.database,
        "things",
        &[rawdoc! { "_id": 3, "b": "xyzzy" }, rawdoc! { "_id": 4, "b": "xyzzy" }],
    )
    .await
    .unwrap_err();
    assert!(
        matches!(&error, DocumentsError::Refused { collection, said, .. } if collection == "things" && said.contains("`by_b`") && !said.contains("xyzzy")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_time_series_is_seen_and_not_taken() {
    let (_database, stores) = new();
    let series = Namespace {
        kind: NamespaceKind::TimeSeries,
        ..collection("series")
    };
    let error = stores.database.create(&series).await.unwrap_err();
    assert!(
        matches!(&error, DocumentsError::NotOurCollection { problem, .. } if problem.contains("time series")),
        "{error:?}"
    );
}

/// What was loaded on a laptop is moved to MongoDB, and back.
#[tokio::test]
async fn a_laptops_documents_move_to_mongodb_and_back() {
    let (_database, stores) = new();
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    let laptop = Stores {
        database: Arc::new(SqliteDatabase::open(&path("documents.db")).unwrap()),
        documents: Box::new(SqliteDocuments::open(&path("documents.db")).unwrap()),
    };
    write(
        &*laptop.documents,
        Some(version(4)),
        "o1",
        &[made(doc! { "a": 1 }, 1), made("x", 2)],
    )
    .await;
    laptop.documents.replace(&name("things"), version(4)).await.unwrap();
    assert_eq!(copy(&*laptop.database, &*stores.database).await, Vec::<String>::new());
    assert_eq!(stores.documents.visible(&name("things")).await.unwrap(), Some(version(4)));
    // And on as if it had been loaded there.
    write(&*stores.documents, Some(version(5)), "o2", &[made("y", 3)]).await;
    stores.documents.replace(&name("things"), version(5)).await.unwrap();
    let back = SqliteDatabase::open(&path("documents-back.db")).unwrap();
    copy(&*stores.database, &back).await;
    assert_eq!(all(&back, "things", None).await, [made("y", 3)]);
    let documents = SqliteDocuments::open(&path("documents-back.db")).unwrap();
    assert_eq!(documents.visible(&name("things")).await.unwrap(), Some(version(5)));
}

#[tokio::test]
async fn a_short_failure_is_not_noticed_and_a_long_one_passes() {
    // Its fail points are the whole server's.
    let server = mongodb::Server::start(mongodb::Options::default());
    let database = server.fresh_database();
    let stores = open(&format!("{}?serverSelectionTimeoutMS=1000", database.uri()));
    put(&*stores.database, "things", &[made(1, 1)]).await.unwrap();
    for command in ["find", "insert", "listCollections", "listIndexes", "createIndexes"] {
        let data = json!({"failCommands": [command], "appName": "tidemill", "errorCode": 91});
        server.fail_point(json!({"times": 1}), data);
        let mut namespace = collection("things");
        namespace.indexes.push(doc! { "v": 2, "key": { "a": 1 }, "name": "by_a" });
        let put_back = put(&*stores.database, "things", &[made(1, 1)]).await.unwrap();
        assert_eq!(
            put_back,
            PutBack {
                inserted: 0,
                already_there: 1
            },
            "{command}"
        );
        assert_eq!(all(&*stores.database, "things", None).await, [made(1, 1)], "{command}");
        assert_eq!(
            stores.database.complete(&namespace).await.unwrap(),
            Vec::<String>::new(),
            "{command}"
        );
        assert_eq!(names(&*stores.database).await, ["things"], "{command}");
        server.fail_point_off();
    }
    server.stop();
    let error = stores.database.namespaces().await.unwrap_err();
    assert!(error.passes(), "{error:?}");
}

/// Who may only read can back up, and is told what it may not do.
#[tokio::test]
async fn a_user_needs_no_more_than_it_does() {
    let user = |name: &str, role: &str| mongodb::User {
        database: "admin".to_owned(),
        name: name.to_owned(),
        password: "secret".to_owned(),
        roles: json!([{"role": role, "db": "shop"}, {"role": role, "db": "shop_drill"}]),
    };
    let server = mongodb::Server::start(mongodb::Options {
        auth: Some(("chief".to_owned(), "secret".to_owned())),
        users: vec![user("reader", "read"), user("writer", "readWrite")],
        ..mongodb::Options::default()
    });
    server.command("shop", json!({"insert": "things", "documents": [{"_id": 1}]}));
    let reader = open(&server.uri_as("reader", "secret", "shop"));
    let there = reader.database.namespaces().await.unwrap();
    assert_eq!(there[0].estimate, Some(1));
    assert_eq!(all(&*reader.database, "things", None).await.len(), 1);
    assert_eq!(reader.database.mark().await.unwrap(), None);
    let error = put(&*reader.database, "things", &[made(2, 1)]).await.unwrap_err();
    assert!(matches!(error, DocumentsError::Denied { .. }), "{error:?}");

    // `dropDatabase` is not among what `readWrite` allows.
    let writer = open(&server.uri_as("writer", "secret", "shop"));
    let scratch = writer.database.sibling("shop_drill").unwrap();
    scratch.set_mark(Some("{}")).await.unwrap();
    put(&*scratch, "things", &[made(2, 1)]).await.unwrap();
    scratch.drop_all().await.unwrap();
    assert_eq!(names(&*scratch).await, Vec::<String>::new());
    let elsewhere = writer.database.sibling("somebodys").unwrap();
    let error = elsewhere.set_mark(Some("{}")).await.unwrap_err();
    assert!(
        matches!(&error, DocumentsError::Denied { database, .. } if database == "somebodys"),
        "{error:?}"
    );
}
