//! What becomes of runs: each kind of incident opened, seen again, recovered; others told; what waits for them started.

use crate::given::{MINUTE, SHOP, Stack, at, raw, resource, started};
use lake::Part;
use ledger::incident::Kind;
use ledger::run_id_after;

#[tokio::test]
async fn a_failed_run_is_one_incident_until_one_goes_well() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "10:00").await;
    stack.fail(&run, "10:01", "the server said 500").await;
    let outcome = stack.tick("10:02").await;
    assert_eq!((outcome.opened, outcome.told, outcome.failed), (1, 1, 1));
    let opened = stack.only(Kind::FailedRun).await;
    assert_eq!((opened.opened_ms, opened.resource.clone()), (at("10:01"), Some(resource("orders"))));
    assert!(opened.summary.contains("the server said 500"), "{}", opened.summary);
    assert_eq!(opened.next, "tidemill run shop --resource orders --stack dev");
    // Another look at the same run is no news; another failed run is.
    let outcome = stack.tick("10:03").await;
    assert_eq!((outcome.opened, outcome.told, outcome.failed), (0, 0, 0));
    assert_eq!(stack.only(Kind::FailedRun).await.times, 1);
    let run = stack.begin("orders", "11:00").await;
    stack.tick("11:01").await;
    assert_eq!(stack.only(Kind::FailedRun).await.times, 1, "a run that is at it changes nothing");
    stack.fail(&run, "11:02", "the server said 502").await;
    stack.tick("11:03").await;
    let again = stack.only(Kind::FailedRun).await;
    assert_eq!((again.id, again.times, again.timeline.len()), (opened.id, 2, 2));

    stack.complete("orders", "12:00", 10, 0).await;
    let outcome = stack.tick("12:01").await;
    assert_eq!((outcome.recovered, outcome.completed), (1, 1));
    stack.nothing_is_open().await;
    assert_eq!(
        stack.told(),
        ["[dev] failed run: shop/orders", "[dev] recovered: failed run: shop/orders"]
    );
    let events = stack.events();
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!(count("tidemill.run.failed"), 2);
    assert_eq!(count("tidemill.run.completed"), 1);
    assert_eq!((count("tidemill.incident.opened"), count("tidemill.incident.recovered")), (1, 1));
    // A cause that comes again is a new incident.
    let run = stack.begin("orders", "13:00").await;
    stack.fail(&run, "13:01", "no").await;
    assert_eq!(stack.tick("13:02").await.opened, 1);
    assert_ne!(stack.only(Kind::FailedRun).await.id, opened.id);
}

#[tokio::test]
async fn a_run_that_did_not_come_is_missed() {
    let stack = Stack::new().await;
    assert_eq!(stack.tick("10:04").await.opened, 0);
    assert_eq!(stack.tick("10:06").await.opened, 1);
    let missed = stack.only(Kind::MissedRun).await;
    assert_eq!((missed.opened_ms, missed.resource.clone()), (at("10:00"), Some(resource("orders"))));
    stack.tick("10:30").await;
    assert_eq!(stack.only(Kind::MissedRun).await.times, 1);
    stack.tick("11:06").await;
    assert_eq!(stack.only(Kind::MissedRun).await.times, 2, "the next one did not come either");
    stack.complete("orders", "11:10", 1, 0).await;
    assert_eq!(stack.tick("11:11").await.recovered, 1);
    stack.nothing_is_open().await;
    assert_eq!(stack.tick("12:06").await.opened, 1);
    // A pipeline that is taken away misses nothing.
    stack.apply(SHOP, "12:10", true).await;
    assert_eq!(stack.tick("12:11").await.recovered, 1);
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn a_run_that_is_not_done_in_time_is_late() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "10:00").await;
    assert_eq!(stack.tick("11:04").await.opened, 0);
    assert_eq!(stack.tick("11:06").await.opened, 1);
    let late = stack.only(Kind::LateRun).await;
    assert!(late.summary.contains("still being extracted"), "{}", late.summary);
    // All is in raw/, but one object is not loaded.
    let part = stack.part(&run, Part::Number(1), "11:00").await;
    stack.end(&run, 1, "11:07").await;
    stack.tick("11:08").await;
    let late_yet = stack.only(Kind::LateRun).await;
    assert_eq!((late_yet.id, late_yet.times), (late.id, 1));
    assert!(late_yet.summary.contains("waits for 1 object"), "{}", late_yet.summary);
    stack.clean(&part, 3, 0).await;
    stack.load(&part, 3).await;
    let outcome = stack.tick("11:09").await;
    assert_eq!((outcome.recovered, outcome.completed), (1, 1));
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn runs_that_are_skipped_in_a_row_are_seen() {
    let stack = Stack::new().await;
    stack.skip("orders", "10:00").await;
    stack.skip("orders", "11:00").await;
    assert_eq!(stack.tick("11:01").await.opened, 0);
    stack.skip("orders", "12:00").await;
    assert_eq!(stack.tick("12:01").await.opened, 1);
    stack.skip("orders", "13:00").await;
    stack.tick("13:01").await;
    assert_eq!(stack.only(Kind::SkippedRuns).await.times, 2);
    stack.complete("orders", "14:00", 1, 0).await;
    assert_eq!(stack.tick("14:01").await.recovered, 1);
    stack.nothing_is_open().await;
}

/// A run that takes long while many ticks are skipped stays in sight.
#[tokio::test]
async fn a_run_behind_many_that_were_skipped_is_seen_to_complete() {
    let mut stack = Stack::new().await;
    stack.services.limits.runs_max = 2;
    let run = stack.begin("orders", "10:00").await;
    let part = stack.part(&run, Part::Number(1), "10:00").await;
    stack.tick("10:01").await;
    for time in ["11:00", "12:00", "13:00"] {
        stack.skip("orders", time).await;
        stack.tick(time).await;
    }
    assert_eq!(
        stack.only(Kind::LateRun).await.summary.split(' ').nth(2),
        Some(run.id.to_string().as_str())
    );
    stack.end(&run, 1, "13:01").await;
    stack.clean(&part, 1, 0).await;
    stack.load(&part, 1).await;
    let outcome = stack.tick("13:02").await;
    assert_eq!((outcome.completed, outcome.started, outcome.recovered), (1, 1, 1));
    assert_eq!(stack.tick("13:03").await.completed, 0, "it is told once");
}

#[tokio::test]
async fn more_rejects_than_allowed_are_an_incident() {
    let stack = Stack::new().await;
    stack.complete("orders", "10:00", 100, 1).await;
    assert_eq!(stack.tick("10:01").await.opened, 0, "1% is allowed");
    stack.complete("orders", "11:00", 100, 2).await;
    assert_eq!(stack.tick("11:01").await.opened, 1);
    let incident = stack.only(Kind::RejectsOverLimit).await;
    assert_eq!((incident.records, incident.objects), (Some(2), 1));
    assert!(incident.summary.contains("2 of 100 records"), "{}", incident.summary);
    assert_eq!(incident.next, "tidemill rejects shop --resource orders --by reason --stack dev");
    // Told as completed all the same, and not as well.
    let well: Vec<bool> = {
        let world = stack.ports.0.lock().unwrap();
        let completed = world.events.iter().filter(|event| event.kind == "tidemill.run.completed");
        completed.map(|event| event.detail["well"].as_bool().unwrap()).collect()
    };
    assert_eq!(well, [true, false]);
    stack.complete("orders", "12:00", 100, 3).await;
    stack.tick("12:01").await;
    assert_eq!(stack.only(Kind::RejectsOverLimit).await.times, 2);
    stack.complete("orders", "13:00", 100, 0).await;
    assert_eq!(stack.tick("13:01").await.recovered, 1);
    stack.nothing_is_open().await;
}

/// A `replace` run: extracted, its marker put and decided.
async fn replace(stack: &Stack, time: &str, records: u64, rejected: u64) {
    let run = stack.begin("stock", time).await;
    let parts = u32::from(records > 0);
    if records > 0 {
        let part = stack.part(&run, Part::Number(1), time).await;
        stack.clean(&part, records, rejected).await;
        stack.load(&part, records - rejected).await;
    }
    let marker = stack.part(&run, Part::End, time).await;
    stack.end(&run, parts, time).await;
    assert_eq!(stack.tick(time).await.completed, 0, "the marker's own fact is missing");
    assert_eq!(marker, raw(&run, Part::End));
    stack.load(&marker, 0).await;
}

#[tokio::test]
async fn a_replacement_that_readers_do_not_see_is_an_incident() {
    let stack = Stack::new().await;
    stack.complete("orders", "10:00", 1, 0).await;
    stack.tick("10:00").await;
    replace(&stack, "10:01", 0, 0).await;
    assert_eq!(stack.tick("10:02").await.opened, 1);
    let empty = stack.only(Kind::NotShown).await;
    assert!(empty.summary.contains("`allow_empty`"), "{}", empty.summary);
    replace(&stack, "10:10", 100, 5).await;
    stack.tick("10:11").await;
    let rejects = stack.only(Kind::NotShown).await;
    assert_eq!((rejects.id, rejects.times), (empty.id, 2));
    assert!(rejects.summary.contains("5 of 100 records"), "{}", rejects.summary);
    replace(&stack, "10:20", 100, 1).await;
    assert_eq!(stack.tick("10:21").await.recovered, 1);
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn what_waits_for_a_run_is_started_once() {
    let stack = Stack::new().await;
    let orders = stack.complete("orders", "10:00", 1, 0).await;
    assert_eq!(stack.tick("10:01").await.started, 1);
    let first = run_id_after(&resource("items"), &[orders.id], at("10:00"));
    assert_eq!(stack.sent(), [started("items", first)]);
    assert_eq!(stack.tick("10:02").await.started, 0);
    // Whatever was remembered is lost: the same run is asked for, which `extract` knows.
    for key in ["run/shop/orders", "run/shop/items"] {
        let note = stack.ledger().note(ledger::Shelf::Watched, key).await.unwrap().unwrap();
        assert!(
            stack
                .ledger()
                .remove_note(ledger::Shelf::Watched, key, note.revision)
                .await
                .unwrap()
        );
    }
    stack.tick("10:03").await;
    assert_eq!(stack.sent(), [started("items", first)]);
    // `items` completes: `stock` waits for it, and `report` for both.
    let items = stack.complete("items", "10:04", 1, 0).await;
    assert_eq!(stack.tick("10:05").await.started, 2);
    let stock = run_id_after(&resource("stock"), &[items.id], at("10:04"));
    let mut both = [(&resource("items").resource, items.id), (&resource("orders").resource, orders.id)];
    both.sort_unstable();
    let report = run_id_after(&resource("report"), &both.map(|(_, run)| run), at("10:04"));
    assert_eq!(stack.sent(), [started("stock", stock), started("report", report)]);
    // `orders` again: `items` is started, `report` waits for `items` too.
    stack.complete("orders", "11:00", 1, 0).await;
    assert_eq!(stack.tick("11:01").await.started, 1);
    // What waits has no schedule of its own, so it misses nothing.
    stack.nothing_is_open().await;
}

#[tokio::test]
async fn a_resource_that_is_no_more_is_no_matter() {
    let stack = Stack::new().await;
    let run = stack.begin("report", "10:00").await;
    stack.fail(&run, "10:01", "no").await;
    stack.tick("10:02").await;
    stack.only(Kind::FailedRun).await;
    let without = SHOP.split("  - name: report").next().unwrap();
    stack.apply(without, "10:03", false).await;
    assert_eq!(stack.tick("10:04").await.recovered, 1);
    stack.nothing_is_open().await;
}

/// A pipeline whose newest run failed is taken away: its incident recovers, and does not open and recover again for ever.
#[tokio::test]
async fn what_was_taken_away_is_judged_no_more() {
    let stack = Stack::new().await;
    let run = stack.begin("orders", "10:00").await;
    stack.fail(&run, "10:01", "no").await;
    stack.tick("10:02").await;
    stack.only(Kind::FailedRun).await;
    // One that was begun before ends after it, and others hear of it.
    let last = stack.begin("items", "10:02").await;
    stack.apply(SHOP, "10:03", true).await;
    stack.fail(&last, "10:04", "no").await;
    let outcome = stack.tick("10:04").await;
    assert_eq!((outcome.opened, outcome.recovered, outcome.failed), (0, 1, 1));
    for time in ["10:05", "10:06", "10:07"] {
        let outcome = stack.tick(time).await;
        assert_eq!((outcome.opened, outcome.recovered, outcome.told), (0, 0, 0), "{time}");
    }
}

/// Nobody comes after it who would go on with it.
#[tokio::test]
async fn a_run_without_a_schedule_is_late_after_a_day() {
    let stack = Stack::new().await;
    stack
        .apply(&SHOP.replace("schedule: cron(0 * * * ? *)\n", ""), "09:30", false)
        .await;
    let run = stack.begin("orders", "10:00").await;
    stack.set_clock(at("10:00") + 24 * 60 * MINUTE);
    let tick = || watch::handle(&watch::Tick, &stack.run, &stack.services);
    assert_eq!(tick().await.unwrap().opened, 0);
    stack.set_clock(at("10:01") + 24 * 60 * MINUTE);
    assert_eq!(tick().await.unwrap().opened, 1);
    let late = stack.only(Kind::LateRun).await;
    assert!(late.summary.contains(&run.id.to_string()), "{}", late.summary);
}

#[tokio::test]
async fn what_waits_is_not_started_beside_a_run_of_its_own() {
    let stack = Stack::new().await;
    let request = ledger::LeaseRequest {
        holder: ledger::Holder {
            name: "at work".to_owned(),
            process: None,
            process_start: None,
        },
        now_ms: at("10:00"),
        duration_ms: 2 * MINUTE,
    };
    stack.complete("orders", "10:00", 1, 0).await;
    stack.ledger().take_lease(&resource("items"), &request, &|_| false).await.unwrap();
    assert_eq!(stack.tick("10:01").await.started, 0);
    assert_eq!(stack.tick("10:02").await.started, 1, "its lease has ended");
}

/// An event that can't be put stands in the way of its own run alone.
#[tokio::test]
async fn a_run_that_cannot_be_told_does_not_hide_the_others() {
    let stack = Stack::new().await;
    let first = stack.complete("orders", "10:00", 1, 0).await;
    stack.complete("orders", "11:00", 1, 0).await;
    stack.ports.0.lock().unwrap().refused_run = Some(first.id);
    let count = || stack.events().iter().filter(|event| *event == "tidemill.run.completed").count();
    for time in ["11:01", "11:02"] {
        let error = stack.try_tick(time).await.unwrap_err();
        assert!(error.to_string().contains(&format!("the first, the run {}", first.id)), "{error}");
        assert_eq!(count(), 1, "the other is told, once");
    }
    assert_eq!(stack.sent().len(), 1, "what waits for it is started");
    stack.ports.0.lock().unwrap().refused_run = None;
    stack.tick("11:03").await;
    assert_eq!(count(), 2);
}
