//! A process that dies anywhere and is followed by another: what comes out is what an undisturbed one would have made, and nothing else claims to be a backup.

use crate::desk::{Desk, Watch, id, sums};
use backup::{Drilled, Error, Restored, Taken, Wish};
use ledger::{BackupState, Step};
use std::collections::BTreeSet;
use std::mem::{Discriminant, discriminant};

fn kinds(steps: &[Step]) -> usize {
    steps
        .iter()
        .map(discriminant)
        .collect::<std::collections::HashSet<Discriminant<Step>>>()
        .len()
}

#[tokio::test]
async fn a_backup_killed_at_every_step_goes_on() {
    let expected = {
        let desk = Desk::small();
        sums(&desk.take(id(0)).await)
    };
    let mut killed = Vec::new();
    for stop_after in 0.. {
        let desk = Desk::small();
        let watch = Watch::stop_after(stop_after);
        let ended = desk.take_by(id(0), &desk.run(watch.clone(), None)).await;
        if let Ok(taken) = ended {
            assert!(matches!(taken, Taken::Done(_)));
            break;
        }
        assert!(matches!(ended, Err(Error::Interrupted(_))), "{ended:?}");
        let at = watch.last().unwrap();
        // Nothing claims to be a backup before the manifest is put; after it, it is one.
        let is_one = matches!(at, Step::ManifestPut | Step::BackupRecorded | Step::PartNotesRemoved);
        match desk.newest().await {
            Ok(manifest) => {
                assert!(is_one, "{at:?}");
                desk.verify(&manifest).await.unwrap();
            }
            Err(error) => assert!(matches!(error, Error::NotFound { .. }) && !is_one, "{at:?}: {error}"),
        }
        let manifest = desk.take(id(0)).await;
        assert_eq!(sums(&manifest), expected, "{at:?}");
        assert_eq!(desk.newest().await.unwrap(), manifest);
        desk.verify(&manifest).await.unwrap();
        let record = ledger::backup::backup(desk.ledger(), id(0)).await.unwrap().unwrap();
        assert_eq!(
            (record.state, record.documents, record.attempt),
            (BackupState::Done, manifest.documents(), 1),
            "{at:?}"
        );
        assert_eq!(
            (record.parts as usize, record.bytes),
            (manifest.parts.len(), manifest.packed_bytes())
        );
        assert_eq!(desk.part_notes().await, 0, "{at:?}");
        let target = desk.database.beside("copy");
        desk.restore(&manifest, &Wish::default(), &target).await.unwrap();
        assert_eq!(target.comparable(), desk.database.comparable(), "{at:?}");
        killed.push(at);
    }
    assert_eq!(kinds(&killed), 6, "{killed:?}");
}

#[tokio::test]
async fn a_backup_killed_again_and_again_comes_to_its_end() {
    let desk = Desk::small();
    let mut kills = 0;
    let manifest = loop {
        match desk.take_by(id(0), &desk.run(Watch::stop_after(2), None)).await {
            Ok(Taken::Done(manifest)) => break manifest,
            Err(Error::Interrupted(_)) => kills += 1,
            other => panic!("{other:?}"),
        }
        assert!(kills < 50);
    };
    assert!(kills > 10, "{kills}");
    desk.verify(&manifest).await.unwrap();
}

#[tokio::test]
async fn a_restore_killed_at_every_step_goes_on() {
    let mut killed = Vec::new();
    for replaces in [false, true] {
        for stop_after in 0.. {
            let desk = Desk::small();
            let manifest = desk.take(id(0)).await;
            let target = desk.database.beside("copy");
            if replaces {
                target.put("orders", [bson::doc! {"_id": 99, "of": "before"}]);
            }
            let wish = Wish {
                replace: replaces,
                ..Wish::default()
            };
            let watch = Watch::stop_after(stop_after);
            let before = target.content();
            let ended = desk.restore_by(&manifest, &wish, &target, &desk.run(watch.clone(), None)).await;
            let at = watch.last().unwrap();
            if ended.is_ok() {
                break;
            }
            assert!(matches!(ended, Err(Error::Interrupted(_))), "{ended:?}");
            // What is there says that it is not whole, unless nothing is changed yet, or all is done.
            match at {
                Step::Verified => assert_eq!(target.content(), before),
                Step::RestoreEnded => assert_eq!(target.comparable(), desk.database.comparable()),
                _ => assert!(target.content().mark.is_some(), "{at:?}"),
            }
            // The same again goes on; after its end it finds its own work, which is whole and somebody's.
            let again = desk.restore(&manifest, &wish, &target).await;
            match (again, at == Step::RestoreEnded && !replaces) {
                (Ok(report), false) => assert_eq!(report.inserted + report.already_there, manifest.documents(), "{at:?}"),
                (Err(Error::NotEmpty { .. }), true) => {}
                (other, _) => panic!("{at:?}: {other:?}"),
            }
            assert_eq!(target.comparable(), desk.database.comparable(), "{at:?}");
            killed.push(at);
        }
    }
    assert_eq!(kinds(&killed), 8, "{killed:?}");
}

#[tokio::test]
async fn a_drill_killed_at_every_step_goes_on() {
    let mut killed = Vec::new();
    for stop_after in 0.. {
        let desk = Desk::small();
        let manifest = desk.take(id(0)).await;
        let before = desk.database.content();
        let watch = Watch::stop_after(stop_after);
        let ended = desk.drill_by(id(1), &desk.run(watch.clone(), None)).await;
        if ended.is_ok() {
            break;
        }
        assert!(matches!(ended, Err(Error::Interrupted(_))), "{ended:?}");
        let at = watch.last().unwrap();
        let Drilled::Done(record) = desk.drill_by(id(1), &desk.unwatched()).await.unwrap() else {
            panic!("{at:?}")
        };
        assert_eq!((record.documents, record.collections), (manifest.documents(), 4), "{at:?}");
        let databases: BTreeSet<String> = desk.database.memory().databases.keys().cloned().collect();
        assert_eq!(databases, BTreeSet::from(["shop".to_owned()]), "{at:?}: the scratch is gone");
        assert_eq!(desk.database.content(), before);
        killed.push(at);
    }
    assert_eq!(kinds(&killed), 11, "{killed:?}");
}

/// Both read and write at the same time: the parts of one alone are in the manifest, and the other stops.
#[tokio::test]
async fn two_workers_of_one_backup_make_one() {
    let desk = Desk::small();
    let (one, two) = (desk.unwatched(), desk.unwatched());
    let (one, two) = tokio::join!(desk.take_by(id(0), &one), desk.take_by(id(0), &two));
    let (done, other) = if one.is_ok() { (one, two) } else { (two, one) };
    let Ok(Taken::Done(manifest)) = done else {
        panic!("{done:?}, {other:?}")
    };
    match other {
        Err(Error::Overtaken { .. }) => {}
        Ok(Taken::Done(same)) => assert_eq!(same, manifest),
        other => panic!("{other:?}"),
    }
    desk.verify(&manifest).await.unwrap();
    assert_eq!(desk.part_notes().await, 0);
    assert_eq!(backup::list(desk.vault()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_workers_of_one_restore_make_one() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let target = desk.database.beside("copy");
    desk.restore_by(&manifest, &Wish::default(), &target, &desk.run(Watch::stop_after(12), None))
        .await
        .unwrap_err();
    let (one, two) = (desk.unwatched(), desk.unwatched());
    let wish = Wish::default();
    let (one, two) = tokio::join!(
        desk.restore_by(&manifest, &wish, &target, &one),
        desk.restore_by(&manifest, &wish, &target, &two)
    );
    let ends = [one, two];
    let is_stopped = |end: &Result<Restored, Error>| matches!(end, Err(Error::RestoredByAnother { .. }));
    let is_done = |end: &Result<Restored, Error>| matches!(end, Ok(Restored::Done(_)));
    assert!(
        ends.iter().any(is_done) && ends.iter().all(|end| is_done(end) || is_stopped(end)),
        "{ends:?}"
    );
    assert_eq!(target.comparable(), desk.database.comparable());
    assert_eq!(target.content().mark, None);
}
