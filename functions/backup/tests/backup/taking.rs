//! What is backed up, what is not, and what becomes of a backup that fails.

use crate::desk::{Desk, Watch, id};
use backup::{Error, Taken};
use bson::doc;
use documents::NamespaceKind;
use ledger::backup::{SILENT_MS_MAX, backup};
use ledger::{BackupState, Next};

async fn fails(desk: &Desk, number: u64) -> Error {
    desk.take_by(id(number), &desk.unwatched()).await.unwrap_err()
}

async fn state(desk: &Desk, number: u64) -> BackupState {
    backup(desk.ledger(), id(number)).await.unwrap().unwrap().state
}

#[tokio::test]
async fn an_empty_database_is_an_error_unless_it_is_allowed() {
    let desk = Desk::new();
    desk.database.collection("nothing", doc! {}, Vec::new());
    // What Tidemill noted is no document of a user.
    desk.database.put("tidemill.collections", [doc! {"_id": "nothing"}]);
    let error = fails(&desk, 0).await;
    assert!(matches!(error, Error::Empty { .. }) && error.next() == Next::Alarm, "{error}");
    assert!(matches!(state(&desk, 0).await, BackupState::Failed { message, .. } if message.contains("--allow-empty")));
    let mut request = desk.request(id(0));
    request.allow_empty = true;
    let taken = backup::take(&request, &desk.unwatched(), &desk.services).await.unwrap();
    let Taken::Done(manifest) = taken else { panic!("{taken:?}") };
    desk.verify(&manifest).await.unwrap();
    assert_eq!((manifest.documents(), manifest.collections.len()), (1, 2));
    assert_eq!(state(&desk, 0).await, BackupState::Done);
}

#[tokio::test]
async fn a_database_of_nothing_at_all_makes_the_whole_way_if_it_is_allowed() {
    let desk = Desk::new();
    let mut request = desk.request(id(0));
    request.allow_empty = true;
    let taken = backup::take(&request, &desk.unwatched(), &desk.services).await.unwrap();
    let Taken::Done(manifest) = taken else { panic!("{taken:?}") };
    assert_eq!(
        (manifest.collections.len(), desk.verify(&manifest).await.unwrap().documents),
        (0, 0)
    );
    let drilled = desk.drill_by(id(1), &desk.unwatched()).await.unwrap();
    assert!(matches!(drilled, backup::Drilled::Done(_)), "{drilled:?}");
    assert!(
        desk.database
            .memory()
            .databases
            .values()
            .all(|content| *content == Default::default())
    );
}

#[tokio::test]
async fn a_time_series_must_be_left_out_by_name() {
    let mut desk = Desk::small();
    desk.database
        .other("weather", NamespaceKind::TimeSeries, doc! {"timeseries": {"timeField": "at"}});
    let error = fails(&desk, 0).await;
    assert!(
        matches!(&error, Error::TimeSeries { collection } if collection == "weather"),
        "{error}"
    );
    desk.policy.leave_out = vec!["weather".to_owned(), "people".to_owned(), "not_there".to_owned()];
    let manifest = desk.take(id(0)).await;
    let names: Vec<&str> = manifest.collections.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["tidemill.collections", "grown_ups", "nothing", "orders"]);
    let left_out: Vec<&str> = manifest.left_out.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(left_out[left_out.len() - 2..], ["people", "weather"]);
}

#[tokio::test]
async fn no_permission_is_recorded_and_told_and_put_right_it_begins_anew() {
    let desk = Desk::small();
    desk.database.memory().denied = Some("people".to_owned());
    let error = fails(&desk, 0).await;
    assert!(matches!(error, Error::Documents(_)) && error.next() == Next::Alarm);
    let BackupState::Failed { message, given_up_by } = state(&desk, 0).await else {
        panic!("it failed")
    };
    assert!(message.contains("the user may not do so") && given_up_by.is_none(), "{message}");
    assert_eq!(desk.part_notes().await, 0);
    assert!(matches!(desk.newest().await, Err(Error::NotFound { .. })));
    desk.database.memory().denied = None;
    let manifest = desk.take(id(0)).await;
    desk.verify(&manifest).await.unwrap();
    assert_eq!(backup(desk.ledger(), id(0)).await.unwrap().unwrap().attempt, 2);
}

/// A `replace` run took the place of the collection while it was read: half of one and half of another is no backup.
#[tokio::test]
async fn a_collection_that_is_replaced_while_it_is_read_begins_anew() {
    let desk = Desk::small();
    desk.database.memory().batch_documents = 2;
    let mut batches = 0;
    desk.database.memory().before_batch = Some(Box::new(move |databases, collection| {
        batches += usize::from(collection == "orders");
        if batches == 3 {
            batches += 1;
            let orders = databases.get_mut("shop").unwrap().collections.get_mut("orders").unwrap();
            orders.identity = Some(vec![99; 16]);
        }
    }));
    let error = fails(&desk, 0).await;
    assert!(matches!(&error, Error::Changed { collection } if collection == "orders"), "{error}");
    assert_eq!((error.next(), state(&desk, 0).await), (Next::Retry, BackupState::Running));
    assert_eq!(desk.part_notes().await, 0);
    let manifest = desk.take(id(0)).await;
    desk.verify(&manifest).await.unwrap();
    assert_eq!(backup(desk.ledger(), id(0)).await.unwrap().unwrap().attempt, 2);
}

/// A swap before the reading of a collection begins, or after it has ended, does no harm.
#[tokio::test]
async fn a_collection_that_is_replaced_before_or_after_it_is_read_is_fine() {
    let desk = Desk::small();
    desk.database.memory().before_batch = Some(Box::new(move |databases, collection| {
        let collections = &mut databases.get_mut("shop").unwrap().collections;
        for name in ["orders", "people"] {
            if collection != name {
                collections.get_mut(name).unwrap().identity = Some(collection.as_bytes().to_vec());
            }
        }
    }));
    let manifest = desk.take(id(0)).await;
    desk.verify(&manifest).await.unwrap();
}

#[tokio::test]
async fn a_key_that_no_note_can_hold_is_an_error_that_says_so() {
    let desk = Desk::small();
    desk.database.put("long", [doc! {"_id": "x".repeat(10_000)}]);
    let error = fails(&desk, 0).await;
    assert!(
        matches!(&error, Error::LongKey { collection, .. } if collection == "long"),
        "{error}"
    );
}

#[tokio::test]
async fn one_at_a_time_and_a_silent_one_is_given_up() {
    let desk = Desk::small();
    desk.take_by(id(0), &desk.run(Watch::stop_after(4), None)).await.unwrap_err();
    assert_eq!(desk.take_by(id(1), &desk.unwatched()).await.unwrap(), Taken::Busy { with: id(0) });
    assert!(backup(desk.ledger(), id(1)).await.unwrap().is_none());
    desk.pass(SILENT_MS_MAX);
    let manifest = desk.take(id(1)).await;
    desk.verify(&manifest).await.unwrap();
    let BackupState::Failed { message, given_up_by } = state(&desk, 0).await else {
        panic!("it was given up")
    };
    assert!(message.contains("given up") && given_up_by == Some(id(1)), "{message}");
    // Its message comes again: another has taken its place.
    assert_eq!(desk.take_by(id(0), &desk.unwatched()).await.unwrap(), Taken::Busy { with: id(1) });
    assert_eq!((desk.part_notes().await, backup::list(desk.vault()).await.unwrap().len()), (0, 1));
}

#[tokio::test]
async fn two_that_run_at_the_same_time_do_not_wait_for_each_other() {
    let desk = Desk::small();
    desk.take_by(id(0), &desk.run(Watch::stop_after(4), None)).await.unwrap_err();
    desk.pass(SILENT_MS_MAX);
    // The one that is given up finds out when it notes its next part, and not before.
    let (first, second) = (desk.unwatched(), desk.unwatched());
    let (first, second) = tokio::join!(desk.take_by(id(0), &first), desk.take_by(id(1), &second));
    let done = [&first, &second].into_iter().filter(|it| matches!(it, Ok(Taken::Done(_)))).count();
    assert!(done >= 1, "{first:?}, {second:?}");
    for listed in backup::list(desk.vault()).await.unwrap() {
        desk.verify(&listed.manifest.unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn many_small_collections_are_in_few_parts() {
    let mut desk = Desk::small();
    desk.policy.part_bytes_max = backup::PART_BYTES_MAX;
    for n in 0..700 {
        desk.database.put(&format!("c{n:03}"), [doc! {"_id": n, "n": n}]);
    }
    let manifest = desk.take(id(0)).await;
    desk.verify(&manifest).await.unwrap();
    assert!((3..12).contains(&manifest.parts.len()), "{} parts", manifest.parts.len());
}
