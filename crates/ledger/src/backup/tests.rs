//! Records on their shelves, as a ledger in memory keeps them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::Model;
use std::sync::Mutex;

fn id(at_ms: u64) -> RunId {
    RunId::new(at_ms, u128::from(at_ms) + 7)
}

#[tokio::test]
async fn the_newest_comes_first_however_many_there_are() {
    let ledger = Mutex::new(Model::default());
    let many = 250;
    for at in 1..=many {
        change_backup(&ledger, id(at), |_| Some(BackupRecord::begin(id(at), "daily", at as i64)))
            .await
            .unwrap();
    }
    let all = backups(&ledger, usize::MAX).await.unwrap();
    assert!(all.iter().map(|record| record.began_ms).eq((1..=many as i64).rev()));
    let few = backups(&ledger, 101).await.unwrap();
    assert_eq!((few.len(), few.first()), (101, all.first()));
}

#[tokio::test]
async fn what_is_written_is_what_is_read() {
    let ledger = Mutex::new(Model::default());
    let begun = BackupRecord::begin(id(1), "weekly", 5);
    let failed = begun.failed("why", Some(id(2)), 9);
    for record in [begun.clone(), begun.anew(7), begun.done(8), failed, begun.failed("x", None, 9)] {
        let there = change_backup(&ledger, record.id, |_| Some(record.clone())).await.unwrap();
        assert_eq!(
            (there.as_ref(), backup(&ledger, record.id).await.unwrap().as_ref()),
            (Some(&record), Some(&record))
        );
    }
    let mut begun = DrillRecord::begin(id(1), id(2), "shop_drill_abc", 5);
    begun.checkpoint = Some("{}".to_owned());
    begun.warnings = vec!["an index".to_owned(); 30];
    for record in [begun.clone(), begun.ended(None, 7), begun.ended(Some("unequal"), 7)] {
        change_drill(&ledger, record.id, |_| Some(record.clone())).await.unwrap();
        assert_eq!(drill(&ledger, record.id).await.unwrap(), Some(record));
    }
    assert_eq!(drills(&ledger, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_that_is_none_leaves_what_is_there() {
    let ledger = Mutex::new(Model::default());
    assert_eq!(change_backup(&ledger, id(1), |_| None).await.unwrap(), None);
    let begun = BackupRecord::begin(id(1), "daily", 5);
    change_backup(&ledger, id(1), |_| Some(begun.clone())).await.unwrap();
    assert_eq!(change_backup(&ledger, id(1), |_| None).await.unwrap(), Some(begun));
    assert_eq!(ledger.note(Shelf::Backups, &shelf_key(id(1))).await.unwrap().unwrap().revision, 1);
}

#[tokio::test]
async fn a_note_of_another_kind_is_damage_and_stays() {
    let ledger = Mutex::new(Model::default());
    ledger.put_note(Shelf::Backups, &shelf_key(id(1)), None, "{}").await.unwrap();
    let changed = change_backup(&ledger, id(1), |_| Some(BackupRecord::begin(id(1), "daily", 5))).await;
    assert!(matches!(changed, Err(LedgerError::Damaged { .. })), "{changed:?}");
    assert_eq!(ledger.note(Shelf::Backups, &shelf_key(id(1))).await.unwrap().unwrap().text, "{}");
}

#[test]
fn a_backup_is_silent_after_twenty_minutes() {
    let begun = BackupRecord::begin(id(1), "daily", 1_000);
    assert!(!begun.is_silent(1_000 + SILENT_MS_MAX - 1));
    assert!(begun.is_silent(1_000 + SILENT_MS_MAX));
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let begun = BackupRecord::begin(id(1), "daily", 1);
    let BackupState::Failed { message, .. } = begun.failed(&"ü".repeat(2_000), None, 2).state else {
        unreachable!("it failed")
    };
    assert_eq!(message.chars().count(), MESSAGE_BYTES_MAX / 2 + 1);
}
