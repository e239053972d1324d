//! When a promised age counts as missed, and what the last that ended says: a time line in hours.

use lake::RunId;
use watch::backups::{Age, Ended, Entry, Late, Meanwhile, SILENT_MS, State, age, ended, last_good};

const HOUR: i64 = 3_600_000;

/// Began at this hour.
fn entry(began: i64, state: State) -> Entry {
    Entry {
        id: RunId::new(u64::try_from(began * HOUR).unwrap(), 7),
        began_ms: began * HOUR,
        state,
    }
}

fn good(began: i64, ended: i64) -> Entry {
    entry(began, State::Good { ended_ms: ended * HOUR })
}

fn failed(began: i64, ended: i64) -> Entry {
    let message = "no".to_owned();
    entry(
        began,
        State::Failed {
            ended_ms: ended * HOUR,
            message,
        },
    )
}

fn running(began: i64, alive_ms: i64) -> Entry {
    entry(began, State::Running { alive_ms })
}

/// One promised every 26 hours, waited for from the hour 10 on. What is expected: since which hour it is missed, and what there is meanwhile.
fn missed(entries: &[Entry], now_ms: i64, expected: Option<(i64, Meanwhile<'_>)>) {
    let late = expected.map(|(at, meanwhile)| Late {
        at_ms: at * HOUR,
        promised_ms: 26 * HOUR,
        last_good: last_good(entries),
        since_ms: 10 * HOUR,
        meanwhile,
    });
    let expected = late.map_or(Age::Kept, Age::Missed);
    assert_eq!(age(entries, 10 * HOUR, 26 * HOUR, now_ms), expected, "{} ms", now_ms);
}

#[test]
fn what_was_never_there_is_late_after_the_promised_age() {
    missed(&[], 10 * HOUR, None);
    missed(&[], 36 * HOUR, None);
    missed(&[], 36 * HOUR + 1, Some((36, Meanwhile::Nothing)));
    let failures = [failed(30, 31), failed(20, 21)];
    missed(&failures, 36 * HOUR, None);
    missed(&failures, 37 * HOUR, Some((36, Meanwhile::Failed(&failures[0]))));
}

/// What was written while it was taken may not be in it.
#[test]
fn the_age_counts_from_when_the_last_good_one_began() {
    let entries = [good(27, 29)];
    missed(&entries, 53 * HOUR, None);
    missed(&entries, 53 * HOUR + 1, Some((53, Meanwhile::Nothing)));
    // The one that holds the newest, whichever order they ended in.
    let entries = [good(30, 31), good(20, 40)];
    assert_eq!(last_good(&entries), Some(&entries[0]));
    missed(&entries, 56 * HOUR, None);
    missed(&entries, 57 * HOUR, Some((56, Meanwhile::Nothing)));
    // One from before anybody waited for it.
    missed(&[good(1, 2)], 36 * HOUR, None);
    let old = [good(1, 2)];
    missed(&old, 37 * HOUR, Some((36, Meanwhile::Nothing)));
}

#[test]
fn one_at_work_is_waited_for_while_it_lives() {
    let at_work = |alive_ms| [running(51, alive_ms), good(27, 28)];
    let now_ms = 54 * HOUR;
    let alive = at_work(now_ms - SILENT_MS);
    assert_eq!(age(&alive, 10 * HOUR, 26 * HOUR, now_ms), Age::AtWork(&alive[0]));
    let alive_ms = now_ms - SILENT_MS - 1;
    let silent = at_work(alive_ms);
    let meanwhile = Meanwhile::Silent {
        silent: &silent[0],
        alive_ms,
    };
    missed(&silent, now_ms, Some((53, meanwhile)));
    // No promise is missed yet: that it is silent is nobody's matter, for its continuation may come.
    missed(&silent, 53 * HOUR, None);
    // One that failed beside it does not hide it.
    let beside = [failed(52, 53), alive[0].clone(), alive[1].clone()];
    assert_eq!(age(&beside, 10 * HOUR, 26 * HOUR, now_ms), Age::AtWork(&beside[1]));
}

#[test]
fn one_that_takes_longer_than_promised_is_late_however_lively() {
    let now_ms = 78 * HOUR;
    let long = [running(51, now_ms), good(27, 28)];
    missed(&long, now_ms, Some((53, Meanwhile::Running(&long[0]))));
    assert_eq!(age(&long, 10 * HOUR, 26 * HOUR, 77 * HOUR), Age::AtWork(&long[0]));
}

#[test]
fn the_last_that_ended_says_whether_it_fails() {
    assert_eq!(ended(&[]), Ended::None);
    assert_eq!(ended(&[running(5, 5)]), Ended::None);
    let entries = [running(5, 5), failed(3, 4), good(1, 2)];
    let expected = Ended::Failed {
        failed: &entries[1],
        message: "no",
    };
    assert_eq!(ended(&entries), expected);
    // An older one that was begun again and went well after the newer failed.
    let entries = [failed(3, 4), good(1, 5)];
    assert_eq!(ended(&entries), Ended::Well(&entries[1]));
}
