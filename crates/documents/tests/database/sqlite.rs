//! The suite against SQLite, and what is SQLite's alone: what it can't hold, and the file itself.

use std::sync::Arc;

use bson::{RawDocumentBuf, doc, rawdoc};
use documents::{DocumentsError, Namespace, NamespaceKind, SqliteDatabase, SqliteDocuments};
use tempfile::TempDir;

use crate::suite::{self, Stores, all, collection, made, name, names, put, version, write};

fn new() -> (TempDir, Stores) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("documents.db");
    let database = SqliteDatabase::open(&path).unwrap();
    assert!(!path.exists(), "to look makes nothing");
    let stores = Stores {
        database: Arc::new(database),
        documents: Box::new(SqliteDocuments::open(&path).unwrap()),
    };
    (folder, stores)
}

suite!();

#[tokio::test]
async fn to_look_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(&folder.path().join("documents.db")).unwrap();
    suite::nothing_is_there_at_first(&Stores {
        documents: Box::new(SqliteDocuments::open(&folder.path().join("another.db")).unwrap()),
        database: Arc::new(database),
    })
    .await;
    assert!(!folder.path().join("documents.db").exists());
}

#[tokio::test]
async fn siblings_are_files_beside_it() {
    let (folder, stores) = new();
    put(&*stores.database, "things", &[made(1, 1)]).await.unwrap();
    assert_eq!(stores.database.server().await.unwrap().database, "tidemill");
    let sibling = stores.database.sibling("tidemill_drill_x").unwrap();
    let file = folder.path().join("documents-tidemill_drill_x.db");
    assert!(!file.exists());
    put(&*sibling, "things", &[made(2, 1)]).await.unwrap();
    sibling.set_mark(Some("{}")).await.unwrap();
    assert!(file.exists());
    // From there the first is a sibling, and each is its own.
    let first = sibling.sibling("tidemill").unwrap();
    assert_eq!(all(&*first, "things", None).await, [made(1, 1)]);
    let again = sibling.sibling("tidemill_drill_x").unwrap();
    assert_eq!(all(&*again, "things", None).await, [made(2, 1)]);
    again.drop_all().await.unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter().all(|name| name.to_str().unwrap().starts_with("documents.db")),
        "{left:?}"
    );
}

#[tokio::test]
async fn what_it_can_not_hold_is_refused() {
    let (_folder, stores) = new();
    let database = &*stores.database;
    let of_kind = |kind| Namespace {
        kind,
        ..collection("things")
    };
    let with_collation = Namespace {
        options: doc! { "collation": { "locale": "de" } },
        ..collection("things")
    };
    let refused = [
        (of_kind(NamespaceKind::View), "a view"),
        (of_kind(NamespaceKind::TimeSeries), "a time series"),
        (with_collation, "a collation"),
        (collection("Sales 2026"), "its name"),
    ];
    for (namespace, words) in refused {
        for error in [database.create(&namespace).await.err(), database.complete(&namespace).await.err()] {
            let error = error.unwrap();
            let text = error.to_string();
            assert!(
                text.contains(words) && text.contains(&namespace.name) && text.contains("MongoDB, which takes it"),
                "{text}"
            );
            assert!(!error.passes());
        }
    }
    let foreign: RawDocumentBuf = rawdoc! { "_id": 1, "name": "theirs" };
    let error = put(database, "things", &[made(2, 1), foreign]).await.unwrap_err();
    assert!(
        matches!(&error, DocumentsError::Unfit { problem, .. } if problem.contains("_tidemill")),
        "{error:?}"
    );
    let error = put(database, "tidemill.collections", &[rawdoc! { "_id": 5 }]).await.unwrap_err();
    assert!(matches!(&error, DocumentsError::Unfit { .. }), "{error:?}");
    assert_eq!(names(database).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_it_keeps_nothing_of_is_told() {
    let (_folder, stores) = new();
    let mut namespace = collection("things");
    namespace.indexes.push(doc! { "v": 2, "key": { "a": 1 }, "name": "by_a" });
    namespace.options.insert("validator", doc! {});
    stores.database.create(&namespace).await.unwrap();
    let told = stores.database.complete(&namespace).await.unwrap();
    assert_eq!(
        told,
        ["the embedded store keeps documents only: of `things` it has not kept the index `by_a`, the option `validator`"]
    );
}

#[tokio::test]
async fn a_version_that_is_being_gathered_is_not_lost() {
    let (_folder, stores) = new();
    let Stores { database, documents } = &stores;
    write(&**documents, Some(version(1)), "o1", &[made("gathered", 1)]).await;
    put(&**database, "things", &[made("back", 1)]).await.unwrap();
    let noted = rawdoc! { "_id": "things", "visible": { "run": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1; 16] }, "generation": 3i64 } };
    put(&**database, "tidemill.collections", &[noted]).await.unwrap();
    assert_eq!(documents.visible(&name("things")).await.unwrap(), Some(version(1)));
    assert_eq!(all(&**database, "things", None).await, [made("back", 1), made("gathered", 1)]);
}

#[tokio::test]
async fn a_collection_may_be_called_as_we_are() {
    let (_folder, stores) = new();
    let database = &*stores.database;
    put(database, "tidemill", &[made(1, 1)]).await.unwrap();
    put(database, "things", &[made(2, 1)]).await.unwrap();
    database.set_mark(Some("{}")).await.unwrap();
    database.drop_namespace("tidemill").await.unwrap();
    assert_eq!(names(database).await, ["things"]);
    assert_eq!(database.mark().await.unwrap().as_deref(), Some("{}"));
    assert_eq!(write(&*stores.documents, None, "o1", &[made(3, 1)]).await, 1);
}

#[tokio::test]
async fn a_file_of_others_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("documents.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a)")
        .unwrap();
    let error = SqliteDatabase::open(&path).unwrap_err();
    assert!(matches!(error, DocumentsError::NotOurs { .. }), "{error:?}");
}
