//! When a run counts as missed, late or skipped: tables.

use crate::given::{MINUTE, at, name, resource};
use ledger::{RunRecord, RunState, run_id_for_tick};
use watch::freshness::{Timing, skipped_in_a_row};

fn timing(keys: &str, since: &str) -> Timing {
    let text = crate::given::SHOP.replace("schedule: cron(0 * * * ? *)", keys);
    let checked = pipeline::check("shop.yaml", &text).unwrap();
    Timing::of(&checked.pipeline, at(since)).unwrap()
}

fn run(time: &str, state: RunState, ended: Option<&str>) -> RunRecord {
    let id = resource("orders");
    assert_eq!(id.pipeline, name("shop"));
    RunRecord {
        id: run_id_for_tick(&id, at(time)),
        resource: id,
        definition: "d".to_owned(),
        generation: 1,
        source: "s".to_owned(),
        cursor_before: None,
        started_ms: at(time),
        ended_ms: ended.map(at),
        state,
        parts: 0,
        captures: 0,
        bytes: 0,
    }
}

fn missed(keys: &str, since: &str, runs: &[RunRecord], now: &str, expected: Option<&str>) {
    assert_eq!(timing(keys, since).missed(runs, at(now)), expected.map(at), "{keys} at {now}");
}

#[test]
fn a_moment_of_the_calendar_is_missed_after_its_grace() {
    let hourly = "schedule: cron(0 * * * ? *)";
    missed(hourly, "09:30", &[], "10:04", None);
    missed(hourly, "09:30", &[], "10:05", Some("10:00"));
    // Nothing was missed before it was applied.
    missed(hourly, "10:01", &[], "10:59", None);
    let well = |time, ended| run(time, RunState::Extracted, Some(ended));
    missed(hourly, "09:30", &[well("10:00", "10:02")], "10:59", None);
    missed(hourly, "09:30", &[well("10:00", "10:02")], "11:05", Some("11:00"));
    // One by hand counts, and so does one that failed or was skipped: the tick came.
    missed(hourly, "09:30", &[well("10:20", "10:21"), well("09:00", "09:01")], "10:59", None);
    let failed = RunState::Failed { message: "no".to_owned() };
    missed(hourly, "09:30", &[run("10:00", failed, Some("10:01"))], "10:59", None);
    // A run that goes on, or was gone on with, answers for the ticks meanwhile.
    missed(hourly, "09:30", &[run("09:00", RunState::Extracting, None)], "12:30", None);
    missed(hourly, "09:30", &[well("09:00", "11:30")], "11:59", None);
    missed(hourly, "09:30", &[well("09:00", "11:30")], "12:06", Some("12:00"));
}

#[test]
fn the_grace_is_twice_the_jitter_and_the_zone_counts() {
    let daily = "schedule: cron(0 11 * * ? *)\ntime_zone: Europe/Paris\njitter: 30m";
    // Eleven in Paris is ten in UTC.
    missed(daily, "09:30", &[], "10:59", None);
    missed(daily, "09:30", &[], "11:00", Some("10:00"));
}

#[test]
fn a_rate_counts_from_the_last_sign_of_life() {
    let rate = "schedule: rate(10 minutes)";
    missed(rate, "09:30", &[], "09:44", None);
    missed(rate, "09:30", &[], "09:45", Some("09:40"));
    let runs = [run("10:00", RunState::Extracted, Some("10:03"))];
    missed(rate, "09:30", &runs, "10:17", None);
    missed(rate, "09:30", &runs, "10:18", Some("10:13"));
}

#[test]
fn a_run_is_due_when_the_next_one_starts() {
    let due = |keys: &str, started: &str| timing(keys, "09:30").due_ms(at(started)).unwrap();
    assert_eq!(due("schedule: cron(0 * * * ? *)", "10:00"), at("11:00") + 5 * MINUTE);
    // By hand, two minutes before the next: it has an hour as well.
    assert_eq!(due("schedule: cron(0 * * * ? *)", "10:58"), at("11:58") + 5 * MINUTE);
    // Before a long pause, the next moment counts.
    assert_eq!(
        due("schedule: cron(0 8-9 * * ? *)", "09:00"),
        at("09:00") + 23 * 60 * MINUTE + 5 * MINUTE
    );
    assert_eq!(due("schedule: rate(10 minutes)", "10:02"), at("10:12") + 5 * MINUTE);
    assert_eq!(due("schedule: rate(1 hour)\njitter: 20m", "10:02"), at("11:02") + 40 * MINUTE);
}

#[test]
fn three_skipped_in_a_row_are_seen() {
    let skipped = |time| run(time, RunState::Skipped { holder: "x".to_owned() }, Some(time));
    let well = run("09:00", RunState::Extracted, Some("09:01"));
    let two = [skipped("11:00"), skipped("10:00"), well.clone(), skipped("08:00")];
    assert_eq!(skipped_in_a_row(&two), None);
    let three = [skipped("12:00"), skipped("11:00"), skipped("10:00"), well];
    assert_eq!(
        skipped_in_a_row(&three).map(|(run, count)| (run.started_ms, count)),
        Some((at("12:00"), 3))
    );
    assert_eq!(skipped_in_a_row(&[]), None);
}
