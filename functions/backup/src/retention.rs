//! How long a backup is kept: grandfather, father, son. The first of a year is yearly, the first of a month monthly, the first of a week weekly, others daily.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What a backup is kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Daily, Class::Weekly, Class::Monthly, Class::Yearly];

    pub fn as_str(self) -> &'static str {
        match self {
            Class::Daily => "daily",
            Class::Weekly => "weekly",
            Class::Monthly => "monthly",
            Class::Yearly => "yearly",
        }
    }

    pub fn parse(text: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// The class of a backup that begins at `began_ms`, beside those that there are, each with its class and when it began (milliseconds since 1970).
///
/// Years, months and weeks (from Monday, ISO 8601) are those of UTC. A yearly backup is the month's and the week's too, a monthly one the week's. So whatever
/// hour they begin at, and whichever of them failed, the first good one of a period is the one that is kept for it.
pub fn class_of(began_ms: i64, existing: &[(Class, i64)]) -> Class {
    let now = date(began_ms);
    let is_taken = |class: Class, same: fn(Date, Date) -> bool| {
        let mut at_least = existing.iter().filter(|(other, _)| *other >= class);
        at_least.any(|(_, began_ms)| same(date(*began_ms), now))
    };
    if !is_taken(Class::Yearly, |a, b| a.year() == b.year()) {
        Class::Yearly
    } else if !is_taken(Class::Monthly, |a, b| a.first_of_month() == b.first_of_month()) {
        Class::Monthly
    } else if !is_taken(Class::Weekly, |a, b| week(a) == week(b)) {
        Class::Weekly
    } else {
        Class::Daily
    }
}

/// The day in UTC; of a time that no calendar has, the first or the last day.
fn date(ms: i64) -> Date {
    let at = Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX });
    TimeZone::UTC.to_datetime(at).date()
}

fn week(date: Date) -> (i16, i8) {
    let week = date.iso_week_date();
    (week.year(), week.week())
}

const DAY_MS: i64 = 86_400_000;

/// How many days each class is locked, and kept.
///
/// By default about two weeks of days, eight weeks and a year of months: some 35 backups at a time. What is locked can't be deleted by anybody before its day
/// (in the mode COMPLIANCE, not by the account's owner either), and is paid for until then: the first backup of all is a yearly one. So a year's is by default
/// kept no longer than a month's; who must keep yearly backups for ten years says so, and pays for ten of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            daily: 14,
            weekly: 56,
            monthly: 400,
            yearly: 400,
        }
    }
}

impl Retention {
    pub fn days(&self, class: Class) -> u32 {
        match class {
            Class::Daily => self.daily,
            Class::Weekly => self.weekly,
            Class::Monthly => self.monthly,
            Class::Yearly => self.yearly,
        }
    }

    /// Until when a backup is locked that began at `began_ms` (milliseconds since 1970).
    pub fn locked_until_ms(&self, class: Class, began_ms: i64) -> i64 {
        began_ms.saturating_add(i64::from(self.days(class)) * DAY_MS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// One backup at each of these times: their classes.
    fn classes(times: impl IntoIterator<Item = i64>) -> Vec<(Class, i64)> {
        let mut taken = Vec::new();
        for time in times {
            taken.push((class_of(time, &taken), time));
        }
        taken
    }

    fn counts(taken: &[(Class, i64)]) -> [usize; 4] {
        Class::ALL.map(|class| taken.iter().filter(|(of, _)| *of == class).count())
    }

    fn days(first: &str, number: i64) -> impl Iterator<Item = i64> {
        let first = at(first);
        (0..number).map(move |day| first + day * DAY_MS)
    }

    #[test]
    fn three_years_of_days_from_a_new_year() {
        // 2024, 2025 and 2026 are 1096 days and 36 months, three of which have the year's backup. It begins on a Monday, so the weekly backups are those of
        // Mondays, but for those that are the first of a month: 151, counted with Python's `datetime`.
        let taken = classes(days("2024-01-01T03:00:00Z", 1096));
        assert_eq!(counts(&taken), [909, 151, 33, 3]);
    }

    #[test]
    fn the_first_of_all_is_the_years_whatever_day_it_is() {
        let taken = classes(days("2026-11-24T03:00:00Z", 39));
        let other: Vec<(Class, i64)> = taken.iter().copied().filter(|(class, _)| *class != Class::Daily).collect();
        let expected = [
            (Class::Yearly, "2026-11-24T03:00:00Z"),
            (Class::Weekly, "2026-11-30T03:00:00Z"),
            (Class::Monthly, "2026-12-01T03:00:00Z"),
            (Class::Weekly, "2026-12-07T03:00:00Z"),
            (Class::Weekly, "2026-12-14T03:00:00Z"),
            (Class::Weekly, "2026-12-21T03:00:00Z"),
            (Class::Weekly, "2026-12-28T03:00:00Z"),
            (Class::Yearly, "2027-01-01T03:00:00Z"),
        ];
        assert_eq!(other, expected.map(|(class, time)| (class, at(time))));
    }

    #[test]
    fn the_calendar_is_that_of_utc_and_weeks_begin_on_monday() {
        let year = (Class::Yearly, at("2026-01-01T00:00:00Z"));
        // The last millisecond of a year, a month, a week; and the first of the next.
        assert_eq!(
            class_of(
                at("2026-12-31T23:59:59.999Z"),
                &[year, (Class::Monthly, at("2026-12-28T00:00:00Z"))]
            ),
            Class::Daily
        );
        assert_eq!(class_of(at("2027-01-01T00:00:00Z"), &[year]), Class::Yearly);
        assert_eq!(class_of(at("2026-01-31T23:59:59.999Z"), &[year]), Class::Weekly);
        assert_eq!(class_of(at("2026-02-01T00:00:00Z"), &[year]), Class::Monthly);
        let of_week = [
            year,
            (Class::Monthly, at("2026-06-01T00:00:00Z")),
            (Class::Weekly, at("2026-06-08T12:00:00Z")),
        ];
        assert_eq!(class_of(at("2026-06-14T23:59:59.999Z"), &of_week), Class::Daily);
        assert_eq!(class_of(at("2026-06-15T00:00:00Z"), &of_week), Class::Weekly);
        // 1 January 2027 is in the week 53 of 2026.
        let new_year = (Class::Yearly, at("2027-01-01T00:00:00Z"));
        assert_eq!(class_of(at("2027-01-03T00:00:00Z"), &[new_year]), Class::Daily);
    }

    #[test]
    fn a_day_that_failed_is_made_up_for_by_the_next() {
        let taken = [
            (Class::Yearly, at("2026-01-02T03:00:00Z")),
            (Class::Monthly, at("2026-02-03T03:00:00Z")),
        ];
        assert_eq!(class_of(at("2026-03-05T03:00:00Z"), &taken), Class::Monthly);
        assert_eq!(class_of(at("2027-01-09T03:00:00Z"), &taken), Class::Yearly);
        assert_eq!(class_of(at("2026-02-11T03:00:00Z"), &taken), Class::Weekly);
    }

    #[test]
    fn times_that_no_calendar_has_are_no_panic() {
        for began_ms in [i64::MIN, i64::MAX, 0] {
            assert_eq!(
                class_of(began_ms, &[(Class::Daily, i64::MIN), (Class::Daily, i64::MAX)]),
                Class::Yearly
            );
            Retention::default().locked_until_ms(Class::Yearly, began_ms);
        }
        let retention = Retention::default();
        assert_eq!(
            retention.locked_until_ms(Class::Daily, at("2026-11-24T03:00:00Z")),
            at("2026-12-08T03:00:00Z")
        );
    }
}
