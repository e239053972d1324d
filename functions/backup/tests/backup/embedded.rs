//! The same on a laptop: SQLite files for the documents, the vault a folder.

use crate::desk::{Desk, id};
use backup::{Drilled, Restored, Services, Taken, Unseen, Wish};
use bson::spec::BinarySubtype;
use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use documents::{Database, NamespaceKind, SqliteDatabase};
use std::sync::Arc;

/// A document as `clean` makes it.
fn clean(id: i32) -> Document {
    let binary = |bytes: Vec<u8>| {
        Bson::Binary(bson::Binary {
            subtype: BinarySubtype::Generic,
            bytes,
        })
    };
    let place = ledger::Place {
        run: crate::desk::id(0),
        part: 1,
        line: 7,
        item: id as u32,
    };
    let rank = ledger::Rank::new(1_000, 1, 1_000, place);
    doc! {
        "_id": id, "n": i64::from(id), "text": format!("row {id}"),
        "_tidemill": {
            "run": crate::desk::id(0).to_string(), "at": DateTime::from_millis(1_000), "version": 1_000_i64,
            "rank": binary(rank.0.to_vec()), "hash": binary(vec![id as u8; 16]),
        },
    }
}

async fn filled(database: &SqliteDatabase, rows: i32) {
    let namespace = documents::Namespace {
        name: "rows".to_owned(),
        kind: NamespaceKind::Collection,
        options: doc! {},
        indexes: Vec::new(),
        identity: None,
        estimate: None,
    };
    database.create(&namespace).await.unwrap();
    let documents: Vec<RawDocumentBuf> = (0..rows).map(|n| RawDocumentBuf::try_from(&clean(n)).unwrap()).collect();
    for some in documents.chunks(5_000) {
        let some: Vec<&bson::RawDocument> = some.iter().map(|it| it.as_ref()).collect();
        assert_eq!(database.put_back("rows", &some).await.unwrap().inserted as usize, some.len());
    }
}

async fn all(database: &dyn Database) -> Vec<RawDocumentBuf> {
    let mut stream = database.read("rows", None).await.unwrap();
    let mut all = Vec::new();
    while let Some(batch) = stream.next().await.unwrap() {
        all.extend(batch);
    }
    all
}

#[tokio::test]
async fn a_hundred_thousand_documents_of_a_laptop_come_back_and_pass_the_drill() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::new();
    let database = Arc::new(SqliteDatabase::open(&folder.path().join("documents.db")).unwrap());
    filled(&database, 100_000).await;
    let services = Services {
        database: database.clone(),
        ..desk.services.clone()
    };
    let taken = backup::take(&desk.request(id(0)), &desk.unwatched(), &services).await.unwrap();
    let Taken::Done(manifest) = taken else { panic!("{taken:?}") };
    assert_eq!(
        (manifest.documents(), manifest.consistency.read_concern.as_str()),
        (100_000, "local")
    );
    assert_eq!(
        (manifest.server_version.as_str(), manifest.database.as_str()),
        ("0.0.0", "tidemill")
    );

    let copy = database.sibling("copy").unwrap();
    let restored = backup::restore(&manifest, &Wish::default(), &desk.unwatched(), desk.vault(), copy.as_ref(), &Unseen)
        .await
        .unwrap();
    let Restored::Done(report) = restored else { panic!("{restored:?}") };
    assert_eq!((report.inserted, report.database.as_str()), (100_000, "copy"));
    assert_eq!(all(copy.as_ref()).await, all(database.as_ref()).await);

    let drilled = backup::drill(id(1), &desk.unwatched(), &services).await.unwrap();
    let Drilled::Done(record) = drilled else { panic!("{drilled:?}") };
    assert_eq!(record.documents, 100_000);
    assert!(!folder.path().join(format!("documents-{}.db", record.scratch)).exists());

    // Into another kind of database, too.
    let other = desk.database.beside("moved");
    desk.restore(&manifest, &Wish::default(), &other).await.unwrap();
    assert_eq!(other.documents("rows"), all(database.as_ref()).await);
}

/// What an embedded store can't hold is said before anything is changed.
#[tokio::test]
async fn views_are_refused_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let file = folder.path().join("documents.db");
    let database = SqliteDatabase::open(&file).unwrap();
    let restored = backup::restore(&manifest, &Wish::default(), &desk.unwatched(), desk.vault(), &database, &Unseen).await;
    assert!(matches!(restored, Err(backup::Error::Documents(_))), "{restored:?}");
    assert!(!file.exists());
}

/// What Tidemill did not write has no rank, so the embedded store can't hold it: said after the backup was read, and before anything is changed.
#[tokio::test]
async fn documents_of_others_are_refused_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::new();
    desk.database.put("theirs", [doc! {"_id": 1, "a": 1}]);
    let manifest = desk.take(id(0)).await;
    let file = folder.path().join("documents.db");
    let database = SqliteDatabase::open(&file).unwrap();
    let restored = backup::restore(&manifest, &Wish::default(), &desk.unwatched(), desk.vault(), &database, &Unseen).await;
    let error = restored.unwrap_err();
    assert!(matches!(error, backup::Error::Documents(_)), "{error}");
    assert!(!file.exists());
    assert_eq!(database.mark().await.unwrap(), None);
}
