//! What could make a backup less than it claims to be, a restore less than the state before, or a drill fail without a fault.

use crate::desk::{Desk, Watch, id};
use backup::manifest::Manifest;
use backup::{Drilled, Error, Unseen, Wanted, Wish};
use bson::doc;
use documents::{Database, NamespaceKind, SqliteDatabase};
use ledger::{Clock, Next, Observer, Run, Unwatched};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// At three o'clock a restore is under way, and the schedule comes.
#[tokio::test]
async fn a_half_restored_database_is_not_backed_up() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    desk.database.memory().databases.clear();
    let stopped = desk.run(Watch::stop_after(14), None);
    desk.restore_by(&manifest, &Wish::default(), &desk.database, &stopped)
        .await
        .unwrap_err();
    let error = desk.take_by(id(1), &desk.unwatched()).await.unwrap_err();
    assert!(
        matches!(&error, Error::HalfRestored { by, .. } if by.contains(&manifest.id)) && error.next() == Next::Alarm,
        "{error}"
    );
    assert_eq!(desk.newest().await.unwrap(), manifest);
    desk.restore(&manifest, &Wish::default(), &desk.database).await.unwrap();
    assert_eq!(desk.take(id(1)).await.documents(), manifest.documents());
}

/// The same, when the restore begins under the backup.
#[tokio::test]
async fn a_restore_that_begins_while_the_database_is_read_ends_the_backup() {
    let desk = Desk::small();
    desk.database.memory().before_batch = Some(Box::new(|databases, collection| {
        if collection == "people" {
            databases.get_mut("shop").unwrap().mark = Some("{}".to_owned());
        }
    }));
    let error = desk.take_by(id(0), &desk.unwatched()).await.unwrap_err();
    assert!(matches!(&error, Error::HalfRestored { .. }), "{error}");
    assert!(matches!(
        backup::choose(desk.vault(), &Wanted::Newest).await,
        Err(Error::NotFound { .. })
    ));
}

/// Under its new name it would not be read, and under its old one there is nothing.
#[tokio::test]
async fn a_collection_that_is_renamed_before_its_turn_is_not_lost() {
    let desk = Desk::small();
    let mut done = false;
    desk.database.memory().before_batch = Some(Box::new(move |databases, collection| {
        if collection == "orders" && !done {
            done = true;
            let collections = &mut databases.get_mut("shop").unwrap().collections;
            let people = collections.remove("people").unwrap();
            collections.insert("customers".to_owned(), people);
        }
    }));
    let error = desk.take_by(id(0), &desk.unwatched()).await.unwrap_err();
    assert!(matches!(&error, Error::Changed { collection } if collection == "people"), "{error}");
    let manifest = desk.take(id(0)).await;
    let customers = manifest.collections.iter().find(|it| it.name == "customers").unwrap();
    assert_eq!(customers.documents, 2);
    desk.verify(&manifest).await.unwrap();
}

/// One that was dropped is gone for its readers too.
#[tokio::test]
async fn a_collection_that_is_dropped_before_its_turn_does_no_harm() {
    let desk = Desk::small();
    desk.database.memory().before_batch = Some(Box::new(|databases, collection| {
        if collection == "orders" {
            databases.get_mut("shop").unwrap().collections.remove("people");
        }
    }));
    let manifest = desk.take(id(0)).await;
    let people = manifest.collections.iter().find(|it| it.name == "people").unwrap();
    assert_eq!(people.documents, 0);
    desk.verify(&manifest).await.unwrap();
}

/// Goes back a second whenever it is looked at.
struct Backwards(AtomicI64);

impl Clock for Backwards {
    fn now_ms(&self) -> i64 {
        self.0.fetch_sub(1_000, Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_clock_that_is_put_back_does_no_harm() {
    let mut desk = Desk::small();
    desk.policy.part_bytes_max = 1 << 20;
    desk.database.memory().batch_documents = 1;
    let observer: Arc<dyn Observer> = Arc::new(Unwatched);
    let run = Run {
        clock: Arc::new(Backwards(AtomicI64::new(crate::desk::AT_MS))),
        observer,
        deadline_ms: None,
    };
    desk.take_by(id(0), &run).await.unwrap();
    desk.verify(&desk.newest().await.unwrap()).await.unwrap();
}

/// What an earlier attempt put was put earlier, and would be taken away earlier than the manifest.
#[tokio::test]
async fn no_part_of_a_failed_attempt_is_used_again() {
    let desk = Desk::small();
    desk.database.memory().denied = Some("people".to_owned());
    desk.take_by(id(0), &desk.unwatched()).await.unwrap_err();
    let parts = || async { desk.vault().list("archives/", None, 1_000).await.unwrap() };
    let left = parts().await;
    assert!(!left.is_empty());
    desk.database.memory().denied = None;
    let manifest = desk.take(id(0)).await;
    let named = |key: &lake::Key| manifest.parts.iter().any(|part| part.key == key.as_str());
    assert!(!left.iter().any(named), "{left:?}");
}

/// Its first parts would be taken away before its manifest.
#[tokio::test]
async fn an_attempt_that_began_days_ago_is_not_gone_on_with() {
    const HOUR_MS: i64 = 60 * 60 * 1_000;
    for (hours, goes_on) in [(46, true), (48, false)] {
        let desk = Desk::small();
        desk.take_by(id(0), &desk.run(Watch::stop_after(6), None)).await.unwrap_err();
        let left = desk.vault().list("archives/", None, 1_000).await.unwrap();
        assert!(!left.is_empty());
        desk.pass(hours * HOUR_MS);
        let manifest = desk.take(id(0)).await;
        desk.verify(&manifest).await.unwrap();
        let named = |key: &lake::Key| manifest.parts.iter().any(|part| part.key == key.as_str());
        assert_eq!(left.iter().any(named), goes_on, "after {hours} hours");
        assert_eq!(desk.part_notes().await, 0);
    }
}

/// A manifest by another program, with all its checks right.
#[tokio::test]
async fn a_description_of_something_else_is_refused_before_anything_is_changed() {
    for change in [
        |metadata: &str| metadata.replace("\"collectionName\":\"orders\"", "\"collectionName\":\"others\""),
        |metadata: &str| metadata.replace("\"type\":\"collection\"", "\"type\":\"view\""),
        |metadata: &str| metadata.replace("\"options\"", "\"unknown\""),
    ] {
        let desk = Desk::small();
        let manifest = sealed_by_another(&desk, "orders", change).await;
        let target = desk.database.beside("copy");
        target.put("others", [doc! {"_id": 1}]);
        let before = target.content();
        let error = desk.restore(&manifest, &Wish::default(), &target).await.unwrap_err();
        assert!(matches!(&error, Error::Damaged { .. }), "{error}");
        assert_eq!(target.content(), before);
    }
}

/// The backup of the desk, with another description of a collection in manifest and archive.
async fn sealed_by_another(desk: &Desk, name: &str, change: fn(&str) -> String) -> Manifest {
    use backup::archive::{Event, Reader, Writer};
    let mut manifest = desk.take(id(0)).await;
    let first = desk.file(&manifest.parts[0].key);
    let packed = std::fs::read(&first).unwrap();
    let Some(Event::Prelude(mut prelude)) = Reader::of_archive().next(&mut packed.as_slice()).unwrap() else {
        panic!("no prelude")
    };
    for (described, collection) in prelude.namespaces.iter_mut().zip(&mut manifest.collections) {
        if described.name == name {
            described.metadata = change(&described.metadata);
            assert_ne!(described.metadata, collection.metadata);
            collection.metadata.clone_from(&described.metadata);
        }
    }
    let mut writer = Writer::new(&prelude.database, 1 << 20);
    writer.prelude(&prelude).unwrap();
    let packed = writer.finish().unwrap();
    manifest.parts[0].size = packed.len() as u64;
    manifest.parts[0].sha256 = backup::hash::sha256_hex(&packed);
    std::fs::write(&first, packed).unwrap();
    manifest.sealed().unwrap()
}

/// Somebody dropped a collection, and a batch of it was not settled: its receipt says that it is written.
#[tokio::test]
async fn receipts_of_a_collection_that_is_gone_do_not_outlive_its_restore() {
    for wish in [
        Wish::default(),
        Wish {
            only: vec!["orders".to_owned()],
            ..Wish::default()
        },
    ] {
        let desk = Desk::small();
        let manifest = desk.take(id(0)).await;
        let target = desk.database.beside("copy");
        target.put("others", [doc! {"_id": 1}]);
        let receipts = ["orders", "others"].map(str::to_owned);
        target.memory().of("copy").receipts = receipts.into();
        desk.restore(&manifest, &wish, &target).await.unwrap();
        assert_eq!(target.content().receipts.into_iter().collect::<Vec<_>>(), ["others"]);
    }
}

/// What an embedded store can't keep is said before what is there is taken away, and by a dry run.
#[tokio::test]
async fn what_the_target_can_not_keep_is_said_before_anything_is_dropped() {
    let desk = Desk::small();
    desk.database.put("Sales 2026", [doc! {"_id": 1}]);
    let manifest = desk.take(id(0)).await;
    let folder = tempfile::tempdir().unwrap();
    let target = SqliteDatabase::open(&folder.path().join("documents.db")).unwrap();
    let orders = documents::Namespace {
        name: "orders".to_owned(),
        kind: NamespaceKind::Collection,
        options: doc! {},
        indexes: Vec::new(),
        identity: None,
        estimate: None,
    };
    target.create(&orders).await.unwrap();
    let before = target.identity("orders").await.unwrap();
    for dry_run in [true, false] {
        let wish = Wish {
            only: vec!["orders".to_owned(), "Sales 2026".to_owned()],
            replace: true,
            dry_run,
            ..Wish::default()
        };
        let restored = backup::restore(&manifest, &wish, &desk.unwatched(), desk.vault(), &target, &Unseen).await;
        assert!(
            matches!(&restored, Err(Error::Documents(documents::DocumentsError::Unfit { collection, .. })) if collection == "Sales 2026"),
            "{restored:?}"
        );
        assert_eq!(
            (target.mark().await.unwrap(), target.identity("orders").await.unwrap()),
            (None, before.clone())
        );
    }
}

/// What has expired since the backup is taken away by the server: that is no fault of the backup.
#[tokio::test]
async fn what_expires_is_compared_all_the_same() {
    let desk = Desk::small();
    let index = doc! {"v": 2, "key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 60};
    desk.database.collection("sessions", doc! {}, vec![index.clone()]);
    desk.database
        .put("sessions", [doc! {"_id": 1, "at": bson::DateTime::from_millis(0)}]);
    let manifest = desk.take(id(0)).await;
    let drilled = desk.drill_by(id(1), &desk.unwatched()).await.unwrap();
    assert!(
        matches!(&drilled, Drilled::Done(record) if record.documents == manifest.documents()),
        "{drilled:?}"
    );
    // A restore makes the index as it was.
    let target = desk.database.beside("copy");
    desk.restore(&manifest, &Wish::default(), &target).await.unwrap();
    assert_eq!(target.content().collections["sessions"].indexes[1], index);
}
