//! Into what a backup is restored, and how much of it.

use crate::desk::{Desk, Watch, id};
use crate::memory_database::{CONTROL, MemoryDatabase};
use backup::{Error, Wish};
use bson::doc;
use ledger::{Interrupted, Observer, Step};
use std::sync::Arc;

fn only(names: &[&str]) -> Wish {
    Wish {
        only: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Wish::default()
    }
}

#[tokio::test]
async fn a_target_with_something_in_the_way_is_left_alone_unless_it_may_be_replaced() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let target = desk.database.beside("copy");
    target.put("orders", [doc! {"_id": 1, "of": "before"}]);
    target.put("others", [doc! {"_id": 1}]);
    target.put(
        CONTROL,
        [doc! {"_id": "orders", "visible": "old"}, doc! {"_id": "others", "visible": "kept"}],
    );
    let (before, changes) = (target.content(), desk.database.memory().changes);
    let error = desk.restore(&manifest, &Wish::default(), &target).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotEmpty { collections, .. } if collections == "`orders`"),
        "{error}"
    );
    assert_eq!((target.content(), desk.database.memory().changes), (before.clone(), changes));

    // A dry run says what would be replaced, and changes nothing either.
    let dry = desk
        .restore(
            &manifest,
            &Wish {
                dry_run: true,
                ..Wish::default()
            },
            &target,
        )
        .await
        .unwrap();
    assert_eq!(
        (dry.replaced.as_slice(), dry.dry_run, dry.verified.documents),
        (&["orders".to_owned()][..], true, 9)
    );
    assert_eq!((target.content(), desk.database.memory().changes), (before, changes));

    let report = desk
        .restore(
            &manifest,
            &Wish {
                replace: true,
                ..Wish::default()
            },
            &target,
        )
        .await
        .unwrap();
    assert_eq!((report.replaced.as_slice(), report.inserted), (&["orders".to_owned()][..], 9));
    assert_eq!(target.documents("orders"), desk.database.documents("orders"));
    assert_eq!(target.documents("others").len(), 1, "what is not of the backup stays");
    let noted = target.documents(CONTROL);
    let noted: Vec<&str> = noted.iter().map(|it| it.get_str("visible").unwrap()).collect();
    assert_eq!(noted, ["run-1", "kept", "run-1"]);
}

/// Another worker goes on with the restore, in the middle of this one.
struct Rival(MemoryDatabase);

impl Observer for Rival {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        if matches!(step, Step::PartPutBack { .. }) {
            let mut memory = self.0.memory();
            let mark = memory.of("copy").mark.as_mut().unwrap();
            let mut text: serde_json::Value = serde_json::from_str(mark).unwrap();
            text["holder"] = "another".into();
            *mark = text.to_string();
        }
        Ok(())
    }
}

#[tokio::test]
async fn of_two_that_restore_into_one_database_one_stops_and_takes_no_mark_away() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let target = desk.database.beside("copy");
    let run = desk.run(Arc::new(Rival(target.clone())), None);
    let error = desk.restore_by(&manifest, &Wish::default(), &target, &run).await.unwrap_err();
    assert!(matches!(error, Error::RestoredByAnother { .. }), "{error}");
    assert!(target.content().mark.is_some_and(|mark| mark.contains("another")));
    // Who goes on with it comes to its end.
    desk.restore(&manifest, &Wish::default(), &target).await.unwrap();
    assert_eq!(target.content().mark, None);
    assert_eq!(target.documents("orders"), desk.database.documents("orders"));
}

#[tokio::test]
async fn into_the_same_database_after_a_loss() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let before = desk.database.comparable();
    desk.database.memory().databases.clear();
    desk.restore(&manifest, &Wish::default(), &desk.database).await.unwrap();
    assert_eq!(desk.database.comparable(), before);
}

#[tokio::test]
async fn only_some_collections_with_what_is_noted_of_them() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let target = desk.database.beside("copy");
    let report = desk.restore(&manifest, &only(&["people", "grown_ups"]), &target).await.unwrap();
    assert_eq!(report.collections, ["grown_ups", "people"]);
    assert_eq!(target.names(), ["grown_ups", "people", CONTROL]);
    assert_eq!((report.inserted, report.documents), (3, 3), "two people, and what is noted of them");
    assert_eq!(target.documents(CONTROL).len(), 1);
    let report = desk.restore(&manifest, &only(&["orders"]), &target).await.unwrap();
    assert_eq!(report.inserted, 6);
    let unknown = desk.restore(&manifest, &only(&["orders", "order"]), &target).await.unwrap_err();
    assert!(
        matches!(&unknown, Error::UnknownCollections { names, .. } if names == "`order`"),
        "{unknown}"
    );
}

#[tokio::test]
async fn documents_that_loaders_wrote_meanwhile_stay() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let target = desk.database.beside("copy");
    desk.restore_by(&manifest, &Wish::default(), &target, &desk.run(Watch::stop_after(9), None))
        .await
        .unwrap_err();
    target.put("orders", [doc! {"_id": 4, "n": "newer"}]);
    let report = desk.restore(&manifest, &Wish::default(), &target).await.unwrap();
    assert!(report.already_there >= 1);
    assert_eq!(target.documents("orders")[4].get_str("n").unwrap(), "newer");
}

#[tokio::test]
async fn a_half_restored_target_takes_the_same_restore_only_or_starts_over() {
    let desk = Desk::small();
    let first = desk.take(id(0)).await;
    desk.pass(86_400_000);
    desk.database.put("orders", [doc! {"_id": 7, "n": 7}]);
    let second = desk.take(id(1)).await;
    let target = desk.database.beside("copy");
    let stopped = desk.run(Watch::stop_after(14), None);
    desk.restore_by(&first, &Wish::default(), &target, &stopped).await.unwrap_err();
    assert!(!target.documents("orders").is_empty());
    let half = target.content();
    for (manifest, wish) in [
        (&second, Wish::default()),
        (&first, only(&["orders"])),
        (
            &second,
            Wish {
                replace: true,
                ..Wish::default()
            },
        ),
    ] {
        let error = desk.restore(manifest, &wish, &target).await.unwrap_err();
        assert!(
            matches!(&error, Error::HalfRestored { by, .. } if by.contains(&first.id)),
            "{error}"
        );
        assert_eq!(target.content(), half);
    }
    let start_over = Wish {
        start_over: true,
        ..only(&["orders"])
    };
    let report = desk.restore(&second, &start_over, &target).await.unwrap();
    assert_eq!(report.replaced, [] as [&str; 0], "what was half there was nobody's");
    assert_eq!(target.documents("orders").len(), 6);
    assert!(
        target.documents("people").is_empty() && !target.names().contains(&"people".to_owned()),
        "{:?}",
        target.names()
    );
    assert_eq!(target.content().mark, None);
}

#[tokio::test]
async fn a_mark_that_is_not_understood_is_an_error() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let target = desk.database.beside("copy");
    target.memory().of("copy").mark = Some("{\"of\": \"the future\"}".to_owned());
    let error = desk.restore(&manifest, &Wish::default(), &target).await.unwrap_err();
    assert!(matches!(error, Error::UnknownMark { .. }), "{error}");
}

#[tokio::test]
async fn what_the_server_can_not_do_is_said() {
    let desk = Desk::small();
    desk.database.collection(
        "texts",
        doc! {},
        vec![doc! {"v": 2, "key": {"_fts": "text"}, "name": "t", "textIndexVersion": 3}],
    );
    let manifest = desk.take(id(0)).await;
    let report = desk
        .restore(&manifest, &Wish::default(), &desk.database.beside("copy"))
        .await
        .unwrap();
    assert_eq!(report.warnings, ["`texts`: there are no text indexes here"]);
}
