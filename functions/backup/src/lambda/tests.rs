//! The desk on a folder: what ends a message, what brings it again, what goes on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawDocumentBuf, doc};
use documents::{Namespace, NamespaceKind, SqliteDatabase};
use lake::DirectoryStore;
use ledger::{BackupRecord, SqliteLedger};
use std::collections::BTreeMap;

struct Home {
    folder: tempfile::TempDir,
    desk: Desk,
}

impl Home {
    async fn with_rows(rows: i32) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let services = Services {
            vault: Arc::new(DirectoryStore::open(folder.path().join("vault")).unwrap()),
            ledger: Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap()),
            database: Arc::new(SqliteDatabase::open(&folder.path().join("documents.db")).unwrap()),
        };
        let rows: Vec<RawDocumentBuf> = (0..rows).map(clean).collect();
        let namespace = Namespace {
            name: "rows".to_owned(),
            kind: NamespaceKind::Collection,
            options: bson::Document::new(),
            indexes: Vec::new(),
            identity: None,
            estimate: None,
        };
        services.database.create(&namespace).await.unwrap();
        let given: Vec<&bson::RawDocument> = rows.iter().map(|row| row.as_ref()).collect();
        services.database.put_back("rows", &given).await.unwrap();
        Home {
            folder,
            desk: Desk::new(services, Policy::default(), None),
        }
    }

    async fn handle(&self, message: &BackupMessage, deadline_ms: i64) -> Result<serde_json::Value, Failure> {
        let context = RecordContext {
            deadline_ms,
            request_id: "the-request".to_owned(),
            sent_ms: None,
            receive_count: None,
        };
        Ok(self.desk.handle(message.clone(), context).await?.summary)
    }

    async fn hops(&self) -> usize {
        let notes = self.desk.services.ledger.notes(ledger::Shelf::Hops, None, 10);
        notes.await.unwrap().len()
    }
}

/// A document as `clean` makes it: a folder takes no other.
fn clean(id: i32) -> RawDocumentBuf {
    let run = RunId::new(1_000, 0);
    let place = ledger::Place {
        run,
        part: 1,
        line: 1,
        item: u32::try_from(id).unwrap(),
    };
    let binary = |bytes: Vec<u8>| Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    };
    let rank = binary(ledger::Rank::new(1_000, 1, 1_000, place).0.to_vec());
    let document = doc! {
        "_id": id,
        "_tidemill": {
            "run": run.to_string(), "at": DateTime::from_millis(1_000), "version": 1_000_i64, "rank": rank, "hash": binary(vec![7; 16]),
        },
    };
    RawDocumentBuf::try_from(&document).unwrap()
}

const LATER: i64 = i64::MAX;

fn asked(task: BackupTask, number: u128) -> BackupMessage {
    let now_ms = u64::try_from(ledger::Clock::now_ms(&SystemClock)).unwrap();
    BackupMessage::requested(task, RunId::new(now_ms, number), false)
}

#[tokio::test]
async fn a_backup_is_taken_once_and_drilled() {
    let home = Home::with_rows(3).await;
    let nothing = home.handle(&asked(BackupTask::Drill, 1), LATER).await.unwrap();
    assert_eq!(nothing["outcome"], "nothing to drill");
    let backup = asked(BackupTask::Backup, 2);
    for _ in 0..2 {
        let taken = home.handle(&backup, LATER).await.unwrap();
        assert_eq!((&taken["outcome"], taken["documents"].as_u64()), (&"backed up".into(), Some(3)));
        assert_eq!(taken["class"], "yearly");
    }
    let drilled = home.handle(&asked(BackupTask::Drill, 3), LATER).await.unwrap();
    assert_eq!((&drilled["outcome"], drilled["documents"].as_u64()), (&"equal".into(), Some(3)));
    assert!(home.folder.path().join("vault").is_dir());
}

/// The continuation is the same backup, and goes to its end; nothing is left of the hops.
#[tokio::test]
async fn what_is_out_of_time_goes_on() {
    for task in BackupTask::ALL {
        let home = Home::with_rows(3).await;
        if task == BackupTask::Drill {
            home.handle(&asked(BackupTask::Backup, 1), LATER).await.unwrap();
        }
        let message = asked(task, 2);
        let told = home.handle(&message, 0).await.unwrap();
        assert_eq!(told["outcome"], "handed over", "{told}");
        assert_eq!(home.hops().await, 1);
        let next = message.continuation(message.run_id().unwrap());
        assert_eq!(
            told["next"].to_string(),
            serde_json::from_str::<serde_json::Value>(&next.to_json()).unwrap().to_string()
        );
        let ended = home.handle(&next, LATER).await.unwrap();
        assert_eq!(ended["id"], next.run_id().unwrap().to_string());
        assert_ne!(ended["outcome"], "handed over");
        assert_eq!(home.hops().await, 0);
    }
}

/// The first invocation puts a part; three more may bring none.
#[tokio::test]
async fn a_backup_that_gets_nowhere_ends_on_the_record() {
    let home = Home::with_rows(3).await;
    let message = asked(BackupTask::Backup, 1);
    for hop in 0..=BUDGET.barren_hops_max {
        let told = home.handle(&message, 0).await.unwrap();
        assert_eq!(told["outcome"], "handed over", "{hop}");
    }
    let told = home.handle(&message, 0).await.unwrap();
    assert_eq!((&told["outcome"], &told["error_type"]), (&"failed".into(), &"HopsSpent".into()));
    assert_eq!(home.hops().await, 0);
    let record = ledger::backup::backup(home.desk.services.ledger.as_ref(), message.run_id().unwrap());
    assert!(matches!(record.await.unwrap().unwrap().state, BackupState::Failed { message, .. } if message.contains("no part came")));
}

/// Nothing is lost: it comes again, until the other has ended, or has taken its place.
#[tokio::test]
async fn who_finds_another_at_work_comes_again() {
    let home = Home::with_rows(3).await;
    let ledger = home.desk.services.ledger.as_ref();
    let (other, message) = (RunId::new(1, 1), asked(BackupTask::Backup, 2));
    let now_ms = ledger::Clock::now_ms(&SystemClock);
    let running = BackupRecord::begin(other, "daily", now_ms);
    change_backup(ledger, other, |_| Some(running.clone())).await.unwrap();
    let failure = home.handle(&message, LATER).await.unwrap_err();
    assert_eq!((failure.error_type, failure.next), ("Busy", Next::Retry));
    assert!(failure.chain.contains(&other.to_string()), "{}", failure.chain);
    change_backup(ledger, other, |_| Some(running.done(now_ms))).await.unwrap();
    assert_eq!(home.handle(&message, LATER).await.unwrap()["outcome"], "backed up");

    let silent = asked(BackupTask::Backup, 3);
    let id = silent.run_id().unwrap();
    let given_up = BackupRecord::begin(id, "daily", 0).failed("silent", Some(other), now_ms);
    change_backup(ledger, id, |_| Some(given_up.clone())).await.unwrap();
    assert_eq!(home.handle(&silent, LATER).await.unwrap()["outcome"], "given up");
}

/// A dead letter may be sent back when the backup it asked for is no longer kept: it would be one again, for ever.
#[tokio::test]
async fn a_backup_that_is_no_longer_kept_was_taken() {
    let home = Home::with_rows(3).await;
    let message = asked(BackupTask::Backup, 1);
    home.handle(&message, LATER).await.unwrap();
    std::fs::remove_dir_all(home.folder.path().join("vault/manifests")).unwrap();
    let told = home.handle(&message, LATER).await.unwrap();
    assert_eq!(told["outcome"], "backed up before, and no longer kept");
}

/// What is recorded is told by `watch`: a second delivery would only fail again.
#[tokio::test]
async fn a_failure_on_the_record_ends_the_message() {
    let home = Home::with_rows(0).await;
    let told = home.handle(&asked(BackupTask::Backup, 1), LATER).await.unwrap();
    assert_eq!((&told["outcome"], &told["error_type"]), (&"failed".into(), &"EmptyDatabase".into()));
    let allowed = BackupMessage {
        allow_empty: true,
        ..asked(BackupTask::Backup, 2)
    };
    assert_eq!(home.handle(&allowed, LATER).await.unwrap()["outcome"], "backed up");
}

#[test]
fn settings_are_read_and_their_faults_told_together() {
    let read = |set: &[(&str, &str)]| {
        let set: BTreeMap<String, String> = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(set);
        let own = Own::read(&mut reader);
        reader.finish().map(|()| own)
    };
    let needed = [(QUEUE_URL.0, "q"), (VAULT_BUCKET.0, "v"), (MONGODB_SECRET.0, "s")];
    let usual = read(&needed).unwrap();
    assert_eq!((usual.policy, usual.lock_mode), (Policy::default(), LockMode::Governance));
    let [daily, weekly, monthly, yearly] = DAYS;
    let more = [
        (LOCK_MODE.0, "COMPLIANCE"),
        (daily.0, "1"),
        (weekly.0, "2"),
        (monthly.0, "3"),
        (yearly.0, "4"),
        (LEAVE_OUT.0, "a, b"),
    ];
    let own = read(&[needed.as_slice(), more.as_slice()].concat()).unwrap();
    assert_eq!(own.lock_mode, LockMode::Compliance);
    assert_eq!(own.policy.leave_out, ["a", "b"]);
    let days = own.policy.retention;
    assert_eq!([days.daily, days.weekly, days.monthly, days.yearly], [1, 2, 3, 4]);
    let faults = read(&[(daily.0, "0"), (LOCK_MODE.0, "firm")]).unwrap_err().to_string();
    for name in [QUEUE_URL.0, VAULT_BUCKET.0, MONGODB_SECRET.0, daily.0, LOCK_MODE.0] {
        assert!(faults.contains(name), "{faults}");
    }
}
