//! Ticks over the records of backups and drills: each kind of incident opened, seen again, recovered; others told of a backup once.

use crate::given::{MINUTE, SHOP, Stack, at, letter};
use lake::RunId;
use ledger::backup::{change_backup, change_drill};
use ledger::incident::Kind;
use ledger::{BackupRecord, DrillRecord};
use watch::{DeadQueue, Outcome, Promised, Subject, Task};

const HOUR: i64 = 60 * MINUTE;

/// So many days after the day of the tests.
fn on(day: i64, time: &str) -> i64 {
    at(time) + day * 24 * HOUR
}

fn id(at_ms: i64) -> RunId {
    RunId::new(u64::try_from(at_ms).unwrap(), 7)
}

/// A stack without pipelines, whose backups are promised every 26 hours and whose drills every 192.
async fn stack() -> Stack {
    let mut stack = Stack::new().await;
    stack.apply(SHOP, "09:30", true).await;
    stack.services.promised = Promised {
        backup_ms: Some(26 * HOUR),
        drill_ms: Some(192 * HOUR),
    };
    stack
}

impl Stack {
    async fn tick_at(&self, now_ms: i64) -> Outcome {
        self.try_tick_at(now_ms).await.unwrap()
    }

    async fn put_backup(&self, record: BackupRecord) -> RunId {
        let id = record.id;
        change_backup(self.ledger(), id, |_| Some(record.clone())).await.unwrap();
        id
    }

    async fn put_drill(&self, record: DrillRecord) {
        change_drill(self.ledger(), record.id, |_| Some(record.clone())).await.unwrap();
    }

    async fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = self.open_incidents().await.iter().map(|incident| incident.kind).collect();
        kinds.sort_unstable();
        kinds
    }
}

fn begun(at_ms: i64) -> BackupRecord {
    BackupRecord::begin(id(at_ms), "daily", at_ms)
}

fn drill(at_ms: i64) -> DrillRecord {
    DrillRecord::begin(id(at_ms), id(1), "shop_drill_1", at_ms)
}

#[tokio::test]
async fn a_new_stack_is_given_the_promised_age_and_one_whose_schedule_never_worked_is_late() {
    let stack = stack().await;
    assert_eq!(stack.tick_at(on(0, "10:00")).await.opened, 0);
    assert_eq!(stack.tick_at(on(1, "12:00")).await.opened, 0);
    assert_eq!(stack.tick_at(on(1, "12:05")).await.opened, 1);
    let late = stack.only(Kind::BackupLate).await;
    assert_eq!(late.opened_ms, on(1, "12:00"));
    assert_eq!(late.next, "tidemill backup --stack dev");
    assert_eq!(
        late.summary,
        "there is no good backup, and one was promised every 26 hours, since 2026-11-24 10:00 UTC; none was ever begun; and all could be lost, but for \
         what `tidemill replay` brings back from the lake"
    );
    // It is seen again, and stays as it is.
    assert_eq!(stack.tick_at(on(1, "12:10")).await.opened, 0);
    assert_eq!(stack.only(Kind::BackupLate).await.timeline.len(), 1);
    // One that is at work changes nothing yet.
    let record = begun(on(1, "13:00"));
    stack.put_backup(record.clone()).await;
    assert_eq!(stack.tick_at(on(1, "13:05")).await.recovered, 0);
    stack.put_backup(record.done(on(1, "13:10"))).await;
    let outcome = stack.tick_at(on(1, "13:15")).await;
    assert_eq!((outcome.recovered, outcome.backups), (1, 1));
    stack.nothing_is_open().await;
    assert_eq!(stack.told(), ["[dev] backup late", "[dev] recovered: backup late"]);
    // No drill ever: from now on one is waited for.
    assert_eq!(stack.kinds().await, []);
    stack.put_backup(begun(on(9, "03:00")).done(on(9, "03:05"))).await;
    assert_eq!(stack.tick_at(on(9, "13:15")).await.opened, 0);
    stack.tick_at(on(9, "13:20")).await;
    let late = stack.only(Kind::DrillLate).await;
    assert_eq!(
        (late.opened_ms, late.next.as_str()),
        (on(9, "13:15"), "tidemill backup drill --stack dev")
    );
    assert!(
        late.summary.ends_with("nothing has ever shown that a backup can be restored"),
        "{}",
        late.summary
    );
    stack.put_drill(drill(on(9, "14:00")).ended(None, on(9, "14:10"))).await;
    assert_eq!(stack.tick_at(on(9, "14:15")).await.recovered, 1);
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn a_backup_that_failed_is_one_incident_until_one_goes_well() {
    let stack = stack().await;
    stack.put_backup(begun(on(0, "03:00")).done(on(0, "03:05"))).await;
    assert_eq!(stack.tick_at(on(0, "10:00")).await.opened, 0);
    let failed = begun(on(1, "03:00"));
    stack.put_backup(failed.failed("the server is away", None, on(1, "03:01"))).await;
    assert_eq!(stack.tick_at(on(1, "03:05")).await.opened, 1);
    let opened = stack.only(Kind::BackupFailed).await;
    assert_eq!(
        (opened.opened_ms, opened.next.as_str()),
        (on(1, "03:01"), "tidemill backup --stack dev")
    );
    assert_eq!(
        opened.summary,
        format!(
            "the backup {} failed: the server is away; the last good backup began at 2026-11-24 03:00 UTC, and what was written since then could be \
             lost, but for what `tidemill replay` brings back from the lake",
            failed.id
        )
    );
    let again = begun(on(1, "04:00")).failed("it is away yet", None, on(1, "04:01"));
    stack.put_backup(again).await;
    stack.tick_at(on(1, "04:05")).await;
    let seen = stack.only(Kind::BackupFailed).await;
    assert_eq!((seen.id, seen.times), (opened.id, 2));
    // A message brought back: the last that ended is one from before the failure, and says nothing of it.
    stack.put_backup(begun(on(1, "04:00"))).await;
    stack.put_backup(begun(on(1, "03:00"))).await;
    assert_eq!(stack.tick_at(on(1, "04:10")).await.recovered, 0);
    stack.put_backup(begun(on(1, "03:00")).done(on(1, "04:15"))).await;
    assert_eq!(stack.tick_at(on(1, "04:20")).await.recovered, 1);
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn a_backup_that_is_silent_makes_its_promise_late_and_says_so() {
    let stack = stack().await;
    stack.put_backup(begun(on(0, "03:00")).done(on(0, "03:05"))).await;
    stack.tick_at(on(0, "03:10")).await;
    let silent = stack.put_backup(begun(on(1, "03:00"))).await;
    assert_eq!(stack.tick_at(on(1, "03:30")).await.opened, 0);
    assert_eq!(stack.tick_at(on(1, "05:10")).await.opened, 0, "it was waited for from 03:10 on");
    assert_eq!(stack.tick_at(on(1, "05:15")).await.opened, 1);
    let late = stack.only(Kind::BackupLate).await;
    let says = format!("{silent} says that it is at work, but gave no sign of life since 2026-11-25 03:00 UTC");
    assert!(late.summary.contains(&says), "{}", late.summary);
    let (_, text) = stack.ports.0.lock().unwrap().told.last().cloned().unwrap();
    assert!(
        text.contains("\n\nSince 2026-11-25 05:10 UTC.\n\nWhat to type next:\n  tidemill backup --stack dev\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_drill_that_failed_is_an_incident_until_one_goes_well() {
    let stack = stack().await;
    stack.put_backup(begun(on(0, "03:00")).done(on(0, "03:05"))).await;
    stack
        .put_drill(drill(on(0, "05:00")).ended(Some("`orders` is not equal"), on(0, "05:10")))
        .await;
    assert_eq!(stack.tick_at(on(0, "05:15")).await.opened, 1);
    let failed = stack.only(Kind::DrillFailed).await;
    assert_eq!(failed.next, "tidemill backup verify --stack dev");
    assert!(
        failed.summary.contains("failed: `orders` is not equal; there is no good drill"),
        "{}",
        failed.summary
    );
    stack.put_drill(drill(on(0, "06:00")).ended(None, on(0, "06:10"))).await;
    assert_eq!(stack.tick_at(on(0, "06:15")).await.recovered, 1);
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn a_backup_that_completed_is_told_once_though_the_bus_was_down() {
    let stack = stack().await;
    let record = BackupRecord {
        parts: 3,
        documents: 1_000,
        bytes: 5_000,
        ..begun(on(0, "03:00"))
    };
    stack.put_backup(record.done(on(0, "03:05"))).await;
    stack.put_backup(begun(on(0, "04:00")).failed("no", None, on(0, "04:01"))).await;
    stack.ports.0.lock().unwrap().bus_is_down = true;
    stack.try_tick_at(on(0, "04:05")).await.unwrap_err();
    stack.ports.0.lock().unwrap().bus_is_down = false;
    assert_eq!(stack.tick_at(on(0, "04:10")).await.backups, 1);
    assert_eq!(stack.tick_at(on(0, "04:15")).await.backups, 0);
    let events = stack.ports.0.lock().unwrap().events.clone();
    let completed: Vec<_> = events.iter().filter(|event| event.kind == "tidemill.backup.completed").collect();
    assert_eq!(completed.len(), 1);
    assert_eq!(
        completed[0].detail,
        serde_json::json!({
            "stack": "dev", "backup": record.id.to_string(), "class": "daily", "began_at": "2026-11-24T03:00:00Z",
            "ended_at": "2026-11-24T03:05:00Z", "objects": 3, "documents": 1_000, "bytes": 5_000,
        })
    );
}

/// A last good one behind more failures than are looked at is remembered.
#[tokio::test]
async fn many_failures_do_not_hide_the_last_good_one() {
    let mut stack = stack().await;
    stack.services.limits.backups_max = 2;
    stack.put_backup(begun(on(0, "03:00")).done(on(0, "03:05"))).await;
    stack.tick_at(on(0, "03:10")).await;
    for time in ["04:00", "05:00", "06:00"] {
        // However long their message is, what is at stake is told.
        let failed = begun(on(0, time)).failed(&"x".repeat(5_000), None, on(0, time));
        stack.put_backup(failed).await;
    }
    stack.tick_at(on(0, "06:05")).await;
    let failed = stack.only(Kind::BackupFailed).await;
    let told = "; the last good backup began at 2026-11-24 03:00 UTC, and what was written since then could be lost, but for what `tidemill replay` \
                brings back from the lake";
    assert!(failed.summary.ends_with(told), "{}", failed.summary);
}

/// As on a laptop, or with both settings at 0.
#[tokio::test]
async fn without_a_promised_age_nothing_is_late_and_failures_are_seen() {
    let mut stack = stack().await;
    stack.tick_at(on(0, "10:00")).await;
    stack.tick_at(on(2, "10:00")).await;
    stack.only(Kind::BackupLate).await;
    stack.services.promised = Promised::default();
    assert_eq!(stack.tick_at(on(2, "10:05")).await.recovered, 1);
    stack.put_backup(begun(on(2, "10:06")).failed("no", None, on(2, "10:07"))).await;
    stack.tick_at(on(2, "10:10")).await;
    stack.only(Kind::BackupFailed).await;
    // Promised again, it is waited for from then on.
    stack.services.promised.backup_ms = Some(26 * HOUR);
    stack.tick_at(on(3, "00:00")).await;
    stack.tick_at(on(4, "02:00")).await;
    assert_eq!(stack.kinds().await, [Kind::BackupFailed]);
    stack.tick_at(on(4, "02:05")).await;
    assert_eq!(stack.kinds().await, [Kind::BackupFailed, Kind::BackupLate]);
}

#[tokio::test]
async fn dead_letters_of_backups_and_drills_are_incidents_until_one_went_well() {
    let stack = stack().await;
    let about = |task, id| Some(Subject::Vault { task, id });
    let backup = id(on(0, "03:00"));
    stack.put_letters(
        DeadQueue::Backup,
        vec![
            letter("1", "03:00", about(Task::Backup, Some(backup))),
            letter("2", "05:00", about(Task::Drill, None)),
            letter("3", "05:01", about(Task::Drill, Some(backup))),
        ],
        false,
    );
    assert_eq!(stack.tick_at(on(0, "06:00")).await.opened, 2);
    let open = stack.open_incidents().await;
    let told: Vec<(&str, &str)> = open
        .iter()
        .map(|incident| (incident.cause.as_str(), incident.summary.as_str()))
        .collect();
    let says = format!("1 message for a backup ({backup}) in the dead-letter queue of `backup`: each attempt failed");
    let drills = format!("2 messages for drills (the newest {backup}) in the dead-letter queue of `backup`: each attempt failed");
    assert_eq!(
        told,
        [
            ("dead_letter/backup/drill", drills.as_str()),
            ("dead_letter/backup/backup", says.as_str())
        ]
    );
    let of_backup = &open[1];
    assert_eq!(of_backup.next, format!("tidemill redrive {} --stack dev", of_backup.id));
    // Sent back, and not done yet.
    stack.put_letters(DeadQueue::Backup, Vec::new(), false);
    assert_eq!(stack.tick_at(on(0, "06:05")).await.recovered, 0);
    stack.put_backup(begun(on(0, "03:00")).done(on(0, "06:06"))).await;
    assert_eq!(stack.tick_at(on(0, "06:10")).await.recovered, 1);
    stack.put_drill(drill(on(0, "05:01")).ended(None, on(0, "06:11"))).await;
    assert_eq!(stack.tick_at(on(0, "06:15")).await.recovered, 1);
    stack.nothing_is_open().await;
}
