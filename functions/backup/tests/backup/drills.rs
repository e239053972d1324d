//! A drill proves a backup, or says what is wrong with it; its scratch never stays.

use crate::desk::{Desk, Watch, id};
use backup::{Drilled, Error};
use bson::doc;
use ledger::backup::drill;
use ledger::{DrillState, Next};

fn databases(desk: &Desk) -> Vec<String> {
    desk.database.memory().databases.keys().cloned().collect()
}

#[tokio::test]
async fn a_good_backup() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let before = desk.database.content();
    let Drilled::Done(record) = desk.drill_by(id(1), &desk.unwatched()).await.unwrap() else {
        panic!("not done")
    };
    assert_eq!((record.backup, &record.state), (id(0), &DrillState::Done));
    assert_eq!(
        (record.documents, record.bytes, record.collections),
        (manifest.documents(), manifest.bytes(), 4)
    );
    assert!(record.scratch.starts_with("shop_drill_"), "{}", record.scratch);
    assert_eq!(
        (drill(desk.ledger(), id(1)).await.unwrap(), databases(&desk)),
        (Some(record.clone()), vec!["shop".to_owned()])
    );
    assert_eq!(desk.database.content(), before);
    assert_eq!(
        desk.drill_by(id(1), &desk.unwatched()).await.unwrap(),
        Drilled::Done(record),
        "the same tick delivered twice"
    );
}

/// The drill failed: it is recorded, the scratch is gone, and the same message again is answered without another try.
async fn failed(desk: &Desk, words: &str) {
    let error = desk.drill_by(id(1), &desk.unwatched()).await.unwrap_err();
    assert_eq!(error.next(), Next::Alarm, "{error}");
    let record = drill(desk.ledger(), id(1)).await.unwrap().unwrap();
    let DrillState::Failed { message } = &record.state else {
        panic!("{record:?}")
    };
    assert!(message.contains(words), "{message}");
    assert_eq!(databases(desk), ["shop"]);
    assert_eq!(desk.drill_by(id(1), &desk.unwatched()).await.unwrap(), Drilled::Failed(record));
}

#[tokio::test]
async fn a_database_that_does_not_keep_what_is_put_back() {
    let desk = Desk::small();
    desk.take(id(0)).await;
    desk.database.memory().loses_documents = true;
    failed(&desk, "the number of documents is 0").await;
}

#[tokio::test]
async fn a_damaged_part_and_a_damaged_manifest() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    std::fs::write(desk.file(&manifest.parts[4].key), "x").unwrap();
    failed(&desk, &manifest.parts[4].key).await;
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let key = backup::keys::manifest(manifest.class, id(0)).unwrap();
    std::fs::write(desk.file(key.as_str()), "x").unwrap();
    failed(&desk, key.as_str()).await;
}

#[tokio::test]
async fn without_a_backup_there_is_no_drill() {
    let desk = Desk::small();
    let error = desk.drill_by(id(1), &desk.unwatched()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_eq!(drill(desk.ledger(), id(1)).await.unwrap(), None);
}

/// Somebody's database under the name of the scratch is never dropped.
#[tokio::test]
async fn a_database_of_the_scratchs_name_is_left_alone() {
    let desk = Desk::small();
    desk.take(id(0)).await;
    let watch = Watch::stop_after(0);
    desk.drill_by(id(1), &desk.run(watch, None)).await.unwrap_err();
    let scratch = drill(desk.ledger(), id(1)).await.unwrap().unwrap().scratch;
    desk.database.beside(&scratch).put("orders", [doc! {"_id": "somebody's"}]);
    let error = desk.drill_by(id(1), &desk.unwatched()).await.unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    assert_eq!(desk.database.beside(&scratch).documents("orders").len(), 1);
}

#[tokio::test]
async fn one_at_a_time_and_a_silent_one_is_given_up_with_its_scratch() {
    let desk = Desk::small();
    desk.take(id(0)).await;
    desk.drill_by(id(1), &desk.run(Watch::stop_after(14), None)).await.unwrap_err();
    assert_eq!(databases(&desk).len(), 2, "its scratch is there");
    assert_eq!(
        desk.drill_by(id(2), &desk.unwatched()).await.unwrap(),
        Drilled::Busy { with: id(1) }
    );
    desk.pass(ledger::backup::SILENT_MS_MAX);
    assert!(matches!(desk.drill_by(id(2), &desk.unwatched()).await.unwrap(), Drilled::Done(_)));
    assert_eq!(databases(&desk), ["shop"]);
    let Drilled::Failed(record) = desk.drill_by(id(1), &desk.unwatched()).await.unwrap() else {
        panic!("it was given up")
    };
    assert!(matches!(record.state, DrillState::Failed { message } if message.contains("given up")));
}
