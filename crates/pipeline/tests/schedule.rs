//! Schedules: what each names, against moments worked out by hand with a calendar, and against a search minute by minute.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};
use pipeline::Schedule;
use proptest::prelude::*;
use std::time::Duration;

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The moments that follow `after`, one after the other; read backwards they are the same.
fn check(schedule: &str, zone_name: &str, after: &str, expected: &[&str]) {
    let (read, zone) = (Schedule::parse(schedule).unwrap(), zone(zone_name));
    let mut now = at(after);
    for text in expected {
        let next = read.next_after(now, &zone);
        assert_eq!(next, Some(at(text)), "{schedule} in {zone_name} after {now}");
        now = at(text);
    }
    for pair in expected.windows(2) {
        let (one, next) = (at(pair[0]), at(pair[1]));
        assert_eq!(read.last_at_or_before(next, &zone), Some(next), "{schedule} at {next}");
        let just_before = next - Duration::from_millis(1);
        assert_eq!(read.last_at_or_before(just_before, &zone), Some(one), "{schedule} before {next}");
        assert_eq!(read.last_at_or_before(one, &zone), Some(one), "{schedule} at {one}");
    }
}

#[test]
fn moments_of_the_calendar() {
    let utc = |schedule, after, expected| check(schedule, "UTC", after, expected);
    utc(
        "cron(0 6 * * ? *)",
        "2026-11-24T05:59:59Z",
        &["2026-11-24T06:00:00Z", "2026-11-25T06:00:00Z"],
    );
    // A step counts from its start to the end of the part: day 31 is the last, and November has none.
    utc(
        "cron(0 12 1/5 * ? *)",
        "2026-11-24T00:00:00Z",
        &["2026-11-26T12:00:00Z", "2026-12-01T12:00:00Z", "2026-12-06T12:00:00Z"],
    );
    // The 27th is a Friday.
    utc(
        "cron(0/15 8-9 ? * MON-FRI *)",
        "2026-11-27T09:30:00Z",
        &["2026-11-27T09:45:00Z", "2026-11-30T08:00:00Z", "2026-11-30T08:15:00Z"],
    );
    utc(
        "cron(5,50-58/4 0 1 JAN,JUL ? *)",
        "2026-12-31T23:59:00Z",
        &[
            "2027-01-01T00:05:00Z",
            "2027-01-01T00:50:00Z",
            "2027-01-01T00:54:00Z",
            "2027-01-01T00:58:00Z",
            "2027-07-01T00:05:00Z",
        ],
    );
    utc(
        "cron(0 0 1 1 ? 2027,2030)",
        "2026-11-24T00:00:00Z",
        &["2027-01-01T00:00:00Z", "2030-01-01T00:00:00Z"],
    );
}

#[test]
fn last_days_and_days_of_work() {
    let utc = |schedule, after, expected| check(schedule, "UTC", after, expected);
    utc(
        "cron(0 0 L * ? *)",
        "2028-01-31T12:00:00Z",
        &["2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z", "2028-04-30T00:00:00Z"],
    );
    // 15 August 2026 is a Saturday, 15 September a Tuesday, 15 November a Sunday.
    utc(
        "cron(0 0 15W 8,9,11 ? *)",
        "2026-08-01T00:00:00Z",
        &["2026-08-14T00:00:00Z", "2026-09-15T00:00:00Z", "2026-11-16T00:00:00Z"],
    );
    // Never into another month: 1 August 2026 is a Saturday, 31 May a Sunday; 31 October a Saturday.
    utc("cron(0 0 1W * ? *)", "2026-07-02T00:00:00Z", &["2026-08-03T00:00:00Z"]);
    utc(
        "cron(0 0 31W * ? *)",
        "2026-05-01T00:00:00Z",
        &[
            "2026-05-29T00:00:00Z",
            "2026-07-31T00:00:00Z",
            "2026-08-31T00:00:00Z",
            "2026-10-30T00:00:00Z",
        ],
    );
    utc(
        "cron(0 0 1,15W,L 11 ? *)",
        "2026-10-31T00:00:00Z",
        &[
            "2026-11-01T00:00:00Z",
            "2026-11-16T00:00:00Z",
            "2026-11-30T00:00:00Z",
            "2027-11-01T00:00:00Z",
        ],
    );
}

#[test]
fn days_of_the_week_in_a_month() {
    let utc = |schedule, after, expected| check(schedule, "UTC", after, expected);
    // 1 November 2026 is a Sunday: its Fridays are 6, 13, 20 and 27, its Mondays 2, 9, 16, 23 and 30.
    utc(
        "cron(0 9 ? * 6#3 *)",
        "2026-11-01T00:00:00Z",
        &["2026-11-20T09:00:00Z", "2026-12-18T09:00:00Z"],
    );
    utc("cron(0 9 ? * FRI#1 *)", "2026-11-01T00:00:00Z", &["2026-11-06T09:00:00Z"]);
    utc(
        "cron(0 9 ? * MON#5 *)",
        "2026-11-01T00:00:00Z",
        &["2026-11-30T09:00:00Z", "2027-03-29T09:00:00Z"],
    );
    utc(
        "cron(0 9 ? * 6L *)",
        "2026-11-01T00:00:00Z",
        &["2026-11-27T09:00:00Z", "2026-12-25T09:00:00Z"],
    );
    utc(
        "cron(0 9 ? * L *)",
        "2026-11-24T00:00:00Z",
        &["2026-11-28T09:00:00Z", "2026-12-05T09:00:00Z"],
    );
    utc("cron(0 9 ? * 1 *)", "2026-11-24T00:00:00Z", &["2026-11-29T09:00:00Z"]);
}

/// As EventBridge Scheduler documents it: what the clock leaves out is skipped, what it shows twice comes once.
#[test]
fn daylight_saving() {
    // Paris goes forward on 29 March 2026, 02:00 to 03:00, and back on 25 October, 03:00 to 02:00.
    check(
        "cron(30 2 * * ? *)",
        "Europe/Paris",
        "2026-03-28T00:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"],
    );
    check(
        "cron(30 2 * * ? *)",
        "Europe/Paris",
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
    check(
        "cron(0/30 * * * ? *)",
        "Europe/Paris",
        "2026-10-25T00:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
    );
    // New York goes forward on 8 March 2026: nine in the morning is an hour earlier.
    check(
        "cron(0 9 ? * * *)",
        "America/New_York",
        "2026-03-07T00:00:00Z",
        &["2026-03-07T14:00:00Z", "2026-03-08T13:00:00Z"],
    );
    // Lord Howe goes back by half an hour on 5 April 2026, 02:00 to 01:30.
    check(
        "cron(45 1 * * ? *)",
        "Australia/Lord_Howe",
        "2026-04-04T00:00:00Z",
        &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
    );
    // A day of a rate is 24 hours.
    check("rate(1 day)", "Europe/Paris", "2026-10-24T12:00:00Z", &["2026-10-25T12:00:00Z"]);
}

#[test]
fn the_time_between_two_moments() {
    let gap = |text: &str| Schedule::parse(text).unwrap().gap_min().as_secs() / 60;
    assert_eq!(gap("rate(1 minute)"), 1);
    assert_eq!(gap("rate(36 hours)"), 36 * 60);
    assert_eq!(gap("cron(0 6 * * ? *)"), 24 * 60);
    assert_eq!(gap("cron(0/15 6-8 * * ? *)"), 15);
    assert_eq!(gap("cron(0 6,18,20 * * ? *)"), 120);
    // From ten at night to two in the morning.
    assert_eq!(gap("cron(0 2,12,22 * * ? *)"), 4 * 60);
}

#[test]
fn when_there_is_none() {
    let (utc, now) = (TimeZone::UTC, at("2026-11-24T00:00:00Z"));
    let gone = Schedule::parse("cron(0 0 1 1 ? 2020)").unwrap();
    assert_eq!(gone.next_after(now, &utc), None);
    assert_eq!(gone.last_at_or_before(now, &utc), Some(at("2020-01-01T00:00:00Z")));
    let to_come = Schedule::parse("cron(0 0 1 1 ? 2030)").unwrap();
    assert_eq!(to_come.last_at_or_before(now, &utc), None);
    assert_eq!(Schedule::parse("rate(5 minutes)").unwrap().last_at_or_before(now, &utc), None);
    assert_eq!(gone.next_after(Timestamp::MAX, &utc), None);
    assert_eq!(gone.last_at_or_before(Timestamp::MIN, &utc), None);
}

#[test]
fn what_is_not_a_schedule() {
    for wrong in [
        "",
        "rate(5)",
        "rate(5 minute)",
        "rate(1 minutes)",
        "rate(0 minutes)",
        "rate(-5 minutes)",
        "rate(5 weeks)",
        "rate(5  minutes)",
        "rate(4294967296 days)",
        "cron()",
        "cron(0 6 * * ?)",
        "cron(0 6 * * ? * *)",
        "cron(60 6 * * ? *)",
        "cron(? 6 * * ? *)",
        "cron(0 6 * ? ? *)",
        "cron(0 6 ? * ? *)",
        "cron(0 6 * * * *)",
        "cron(0 6 0 * ? *)",
        "cron(0 6 W * ? *)",
        "cron(0 6 32W * ? *)",
        "cron(0 6 ? * 0 *)",
        "cron(0 6 ? * 6#6 *)",
        "cron(0 6 ? * 3#1,6#3 *)",
        "cron(0 6 ? * 15W *)",
        "cron(0 6 6#3 * ? *)",
        "cron(0 6 ? * FRI-MON *)",
        "cron(0/0 6 * * ? *)",
        "cron(0,, 6 * * ? *)",
        "cron(+5 6 * * ? *)",
        "cron(0 6 * FOO ? *)",
        "cron(0 6 * * ? 1969)",
        "cron(0 6 30 2 ? *)",
        "cron(0 6 29 2 ? 2027)",
        "at(2026-11-24T00:00:00)",
    ] {
        assert!(Schedule::parse(wrong).is_err(), "`{wrong}` is taken for right");
    }
}

/// A list of some of the values of a part, and the text that names them.
fn part(least: i16, greatest: i16) -> impl Strategy<Value = (Vec<i16>, String)> {
    let some = proptest::collection::btree_set(least..=greatest, 1..4).prop_map(|set| {
        let text: Vec<String> = set.iter().map(i16::to_string).collect();
        (set.into_iter().collect(), text.join(","))
    });
    let step = (least..=greatest, 1i16..20).prop_map(move |(from, step)| {
        let values = (from..=greatest).step_by(step.unsigned_abs().into()).collect();
        (values, format!("{from}/{step}"))
    });
    prop_oneof![Just(((least..=greatest).collect(), "*".to_owned())), some, step]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The next moment is the first minute, counted up one by one, at which the clock on the wall shows what the schedule names for the first time.
    #[test]
    fn the_next_moment_is_the_first_minute_that_fits(
        (minutes, minute) in part(0, 59),
        (hours, hour) in part(0, 23),
        (weekdays, weekday) in part(1, 7),
        // Around the days on which a clock is put forward or back, and others.
        day in proptest::sample::select(vec!["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-24", "2026-10-31", "2026-06-15"]),
        later in 0i64..3 * 24 * 60 * 60,
        name in proptest::sample::select(vec!["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    ) {
        let (schedule, zone) = (Schedule::parse(&format!("cron({minute} {hour} ? * {weekday} *)")).unwrap(), zone(name));
        let after = at(&format!("{day}T00:00:00Z")) + Duration::from_secs(later.unsigned_abs());
        let whole_minute = after.as_second().div_euclid(60);
        let fits = |minute: &i64| {
            let moment = Timestamp::from_second(minute * 60).unwrap();
            let shown = zone.to_datetime(moment);
            minutes.contains(&shown.minute().into())
                && hours.contains(&shown.hour().into())
                && weekdays.contains(&shown.date().weekday().to_sunday_one_offset().into())
                && zone.to_ambiguous_timestamp(shown).compatible().unwrap() == moment
        };
        let first = (whole_minute + 1..whole_minute + 15 * 24 * 60).find(fits);
        let expected = first.map(|minute| Timestamp::from_second(minute * 60).unwrap());
        prop_assert_eq!(schedule.next_after(after, &zone), expected);
        let last = (whole_minute - 15 * 24 * 60..=whole_minute).rev().find(fits);
        let expected = last.map(|minute| Timestamp::from_second(minute * 60).unwrap());
        prop_assert_eq!(schedule.last_at_or_before(after, &zone), expected);
    }

    #[test]
    fn no_text_brings_a_schedule_down(text in "(rate|cron)\\([0-9A-Z*?#LW/, -]{0,24}\\)", after in any::<i32>()) {
        if let Ok(schedule) = Schedule::parse(&text) {
            let after = Timestamp::from_second(after.into()).unwrap();
            let next = schedule.next_after(after, &TimeZone::UTC);
            prop_assert!(next.is_none_or(|next| next > after));
            prop_assert!(schedule.last_at_or_before(after, &TimeZone::UTC).is_none_or(|last| last <= after));
        }
    }
}
