//! Law 6: what takes longer than an invocation is handed over, and comes to the same end.

use crate::desk::{Desk, id, sums};
use backup::{Drilled, Error, Restored, Taken, Wish};
use ledger::BackupState;

#[tokio::test]
async fn a_backup_over_many_invocations_is_the_same() {
    let expected = {
        let desk = Desk::small();
        sums(&desk.take(id(0)).await)
    };
    for looks in [8, 13, 20] {
        let desk = Desk::small();
        let mut hops = Vec::new();
        let manifest = loop {
            match desk.take_by(id(0), &desk.for_looks(looks)).await.unwrap() {
                Taken::Done(manifest) => break manifest,
                Taken::HandedOver {
                    id: same,
                    parts,
                    documents,
                } => {
                    assert_eq!(same, id(0));
                    hops.push((parts, documents));
                }
                other => panic!("{other:?}"),
            }
            assert!(hops.len() < 100);
            let record = ledger::backup::backup(desk.ledger(), id(0)).await.unwrap().unwrap();
            assert_eq!(record.state, BackupState::Running);
            assert!(matches!(desk.newest().await, Err(Error::NotFound { .. })), "half a backup is none");
        };
        assert!(hops.len() > 1 && hops.is_sorted(), "{looks}: {hops:?}");
        assert_eq!(sums(&manifest), expected);
        desk.verify(&manifest).await.unwrap();
    }
}

/// Documents that were read when the time was up are put as a part that is not full.
#[tokio::test]
async fn a_part_is_put_early_when_the_time_is_up() {
    let mut desk = Desk::small();
    desk.policy.part_bytes_max = backup::PART_BYTES_MAX;
    desk.database.memory().batch_documents = 1;
    let mut hops = 0;
    let manifest = loop {
        match desk.take_by(id(0), &desk.for_looks(16)).await.unwrap() {
            Taken::Done(manifest) => break manifest,
            _ => hops += 1,
        }
        assert!(hops < 100);
    };
    assert!(hops > 1 && manifest.parts.len() > 4, "{hops} hops, {} parts", manifest.parts.len());
    let desk = Desk::small();
    assert_eq!(sums(&manifest), sums(&desk.take(id(0)).await));
}

#[tokio::test]
async fn a_restore_over_many_invocations_is_the_same() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let target = desk.database.beside("copy");
    let mut hops = Vec::new();
    // Reading all of it takes one look a part: it must fit into an invocation.
    let looks = manifest.parts.len() as i64 + 3;
    loop {
        match desk
            .restore_by(&manifest, &Wish::default(), &target, &desk.for_looks(looks))
            .await
            .unwrap()
        {
            Restored::Done(report) => {
                assert_eq!(report.inserted + report.already_there, manifest.documents());
                break;
            }
            Restored::HandedOver { part, parts } => {
                assert!(part as usize <= manifest.parts.len() && parts as usize == manifest.parts.len());
                hops.push(part);
            }
        }
        assert!(hops.len() < 100);
        assert!(target.content().mark.is_some());
    }
    assert!(hops.len() > 1 && hops.is_sorted(), "{hops:?}");
    assert_eq!(target.comparable(), desk.database.comparable());
    let too_short = desk
        .restore_by(&manifest, &Wish::default(), &desk.database.beside("other"), &desk.for_looks(3))
        .await;
    assert!(matches!(too_short, Err(Error::OutOfTime { .. })), "{too_short:?}");
    assert!(desk.database.beside("other").content().mark.is_none());
}

#[tokio::test]
async fn a_drill_over_many_invocations_comes_to_its_end() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let mut hops = 0;
    let record = loop {
        match desk.drill_by(id(1), &desk.for_looks(9)).await.unwrap() {
            Drilled::Done(record) => break record,
            Drilled::HandedOver { id: same, .. } => assert_eq!(same, id(1)),
            other => panic!("{other:?}"),
        }
        hops += 1;
        assert!(hops < 100);
    };
    assert!(hops > 3, "{hops}");
    assert_eq!((record.documents, record.bytes), (manifest.documents(), manifest.bytes()));
}
