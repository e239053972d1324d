//! The six parts of a `cron(…)`, and the moments that they name.

use super::ScheduleError;
use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, date},
    tz::{AmbiguousOffset, TimeZone},
};
use std::time::Duration;

/// Minute, hour, days, month and year, each the values that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Vec<i16>,
    hours: Vec<i16>,
    days: Days,
    months: Vec<i16>,
    years: Vec<i16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum DayOfMonth {
    Among(Vec<i16>),
    /// `L`
    Last,
    /// `15W`: the day from Monday to Friday that is nearest to the 15th, in its month.
    WeekdayNearest(i16),
}

/// Days of the week count from 1, a Sunday.
#[derive(Clone, Debug, PartialEq, Eq)]
enum DayOfWeek {
    Among(Vec<i16>),
    /// `6L`: the month's last Friday.
    Last(i16),
    /// `6#3`: the month's third Friday.
    Nth(i16, i16),
}

/// A part of the expression: what it is called, its bounds, its names.
struct Part {
    what: &'static str,
    least: i16,
    greatest: i16,
    names: &'static [&'static str],
}

const MINUTE: Part = Part::of("the minute", 0, 59, &[]);
const HOUR: Part = Part::of("the hour", 0, 23, &[]);
const DAY: Part = Part::of("the day of the month", 1, 31, &[]);
const MONTH: Part = Part::of("the month", 1, 12, &MONTHS);
const WEEKDAY: Part = Part::of("the day of the week", 1, 7, &WEEKDAYS);
const YEAR: Part = Part::of("the year", 1970, 2199, &[]);

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const DAY_MINUTES: i16 = 24 * 60;

impl Cron {
    /// Reads what stands between the parentheses.
    pub(super) fn parse(cron: &str) -> Result<Cron, ScheduleError> {
        let parts: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, day, month, weekday, year] = parts.as_slice() else {
            return Err(ScheduleError::new(format!(
                "`cron({cron})` has {} parts, not 6: minute, hour, day of the month, month, day of the week, year",
                parts.len()
            )));
        };
        let fail = |part: &Part, text: &str| {
            ScheduleError::new(format!(
                "`cron({cron})`: {} is `{text}`, which is not from {} to {}, `*` or a list, range or step of these",
                part.what, part.least, part.greatest
            ))
        };
        let values = |part: &Part, text: &str| part.values(text).ok_or_else(|| fail(part, text));
        let (minutes, hours) = (values(&MINUTE, minute)?, values(&HOUR, hour)?);
        let of_month = match *day {
            "?" => None,
            day => Some(days_of_month(day).ok_or_else(|| fail(&DAY, day))?),
        };
        let months = values(&MONTH, month)?;
        let of_week = match *weekday {
            "?" => None,
            weekday => Some(days_of_week(weekday).ok_or_else(|| fail(&WEEKDAY, weekday))?),
        };
        let years = values(&YEAR, year)?;
        let days = match (of_month, of_week) {
            (Some(days), None) => Days::OfMonth(days),
            (None, Some(days)) => Days::OfWeek(days),
            _ => {
                let help = "exactly one of the day of the month and the day of the week must be `?`";
                return Err(ScheduleError::new(format!("`cron({cron})` does not say which day counts")).help(help));
            }
        };
        let cron_of = Cron {
            minutes,
            hours,
            days,
            months,
            years,
        };
        if cron_of.dates_from(date(YEAR.least, 1, 1)).next().is_none() {
            return Err(ScheduleError::new(format!("`cron({cron})` names no day that there is")));
        }
        Ok(cron_of)
    }

    pub(super) fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = zone.to_datetime(after).date();
        let moments = self.dates_from(start).flat_map(|date| {
            let times = self
                .hours
                .iter()
                .flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
            times.filter_map(move |time| moment(date, time, zone))
        });
        moments.into_iter().find(|moment| *moment > after)
    }

    pub(super) fn last_at_or_before(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // Where the clock goes back over midnight, the day after has begun once already.
        let end = zone.to_datetime(at).date().tomorrow().ok()?;
        let moments = self.dates_back_from(end).flat_map(|date| {
            let hours = self.hours.iter().rev();
            let times = hours.flat_map(|hour| self.minutes.iter().rev().map(move |minute| (*hour, *minute)));
            times.filter_map(move |time| moment(date, time, zone))
        });
        moments.into_iter().find(|moment| *moment <= at)
    }

    /// The shortest way from one time of the day to the next, as if every day counted.
    pub(super) fn gap_min(&self) -> Duration {
        let times: Vec<i16> = self
            .hours
            .iter()
            .flat_map(|hour| self.minutes.iter().map(move |minute| hour * 60 + minute))
            .collect();
        let between = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one);
        let over_night = times.first().zip(times.last()).map(|(first, last)| DAY_MINUTES - last + first);
        let least = between.chain(over_night).min().unwrap_or(DAY_MINUTES);
        Duration::from_secs(u64::from(least.unsigned_abs()) * 60)
    }

    /// The days that count, from `start` on.
    fn dates_from(&self, start: Date) -> impl Iterator<Item = Date> + '_ {
        let months = self
            .years
            .iter()
            .flat_map(|year| self.months.iter().map(move |month| (*year, *month)));
        let months = months.skip_while(move |month| *month < (start.year(), start.month().into()));
        months.flat_map(|month| self.days_of(month)).filter(move |date| *date >= start)
    }

    /// The days that count, from `end` back.
    fn dates_back_from(&self, end: Date) -> impl Iterator<Item = Date> + '_ {
        let years = self.years.iter().rev();
        let months = years.flat_map(|year| self.months.iter().rev().map(move |month| (*year, *month)));
        let months = months.skip_while(move |month| *month > (end.year(), end.month().into()));
        months
            .flat_map(|month| self.days_of(month).into_iter().rev())
            .filter(move |date| *date <= end)
    }

    /// The days of a month that count, in order.
    fn days_of(&self, (year, month): (i16, i16)) -> Vec<Date> {
        let Some(first) = i8::try_from(month).ok().and_then(|month| Date::new(year, month, 1).ok()) else {
            return Vec::new();
        };
        let days = (0..first.days_in_month()).filter_map(|after| first.checked_add(i64::from(after).days()).ok());
        days.filter(|date| self.days.count(*date)).collect()
    }
}

impl Days {
    fn count(&self, date: Date) -> bool {
        match self {
            Days::OfMonth(days) => days.iter().any(|day| day.is(date)),
            Days::OfWeek(days) => days.iter().any(|day| day.is(date)),
        }
    }
}

impl DayOfMonth {
    fn is(&self, date: Date) -> bool {
        let (day, last) = (i16::from(date.day()), i16::from(date.days_in_month()));
        match self {
            DayOfMonth::Among(days) => days.contains(&day),
            DayOfMonth::Last => day == last,
            // Only a day from Monday to Friday counts; it does for itself, and for a neighbour that does not.
            DayOfMonth::WeekdayNearest(named) => match weekday(date) {
                1 | 7 => false,
                2 => day == *named || day - 1 == *named || (*named == 1 && day == 3),
                6 => day == *named || day + 1 == *named || (*named == last && day == last - 2),
                _ => day == *named,
            },
        }
    }
}

impl DayOfWeek {
    fn is(&self, date: Date) -> bool {
        let (day, last) = (i16::from(date.day()), i16::from(date.days_in_month()));
        match self {
            DayOfWeek::Among(days) => days.contains(&weekday(date)),
            DayOfWeek::Last(named) => weekday(date) == *named && day + 7 > last,
            DayOfWeek::Nth(named, nth) => weekday(date) == *named && (day + 6) / 7 == *nth,
        }
    }
}

impl Part {
    const fn of(what: &'static str, least: i16, greatest: i16, names: &'static [&'static str]) -> Part {
        Part {
            what,
            least,
            greatest,
            names,
        }
    }

    /// The values of a list of `*`, `5`, `1-5`, `*/10`, `5/10`, `10-30/5`, in order and each once.
    fn values(&self, text: &str) -> Option<Vec<i16>> {
        let mut values = Vec::new();
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step.parse::<u16>().ok().filter(|step| *step > 0)?)),
                None => (item, None),
            };
            let (from, to) = match range.split_once('-') {
                Some((from, to)) => (self.value(from)?, self.value(to)?),
                None if range == "*" => (self.least, self.greatest),
                // A step counts on to the end.
                None if step.is_some() => (self.value(range)?, self.greatest),
                None => (self.value(range)?, self.value(range)?),
            };
            if from > to {
                return None;
            }
            values.extend((from..=to).step_by(step.unwrap_or(1).into()));
        }
        values.sort_unstable();
        values.dedup();
        Some(values)
    }

    fn value(&self, text: &str) -> Option<i16> {
        let named = self.names.iter().zip(self.least..).find(|(name, _)| **name == text);
        let digits = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let value = named.map(|(_, value)| value).or_else(digits)?;
        (self.least..=self.greatest).contains(&value).then_some(value)
    }
}

/// `*`, `1,15`, `L`, `15W`, and lists of these.
fn days_of_month(text: &str) -> Option<Vec<DayOfMonth>> {
    let day = |item: &str| match item.strip_suffix('W') {
        Some(day) => DAY.value(day).map(DayOfMonth::WeekdayNearest),
        None if item == "L" => Some(DayOfMonth::Last),
        None => DAY.values(item).map(DayOfMonth::Among),
    };
    text.split(',').map(day).collect()
}

/// `*`, `MON-FRI`, `L` (the week's last, a Saturday), `6L`, `6#3`, and lists of these; with a `#` no list.
fn days_of_week(text: &str) -> Option<Vec<DayOfWeek>> {
    if let Some((day, nth)) = text.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
        return Some(vec![DayOfWeek::Nth(WEEKDAY.value(day)?, nth)]);
    }
    let day = |item: &str| match item.strip_suffix('L') {
        Some("") => Some(DayOfWeek::Among(vec![WEEKDAY.greatest])),
        Some(day) => WEEKDAY.value(day).map(DayOfWeek::Last),
        None => WEEKDAY.values(item).map(DayOfWeek::Among),
    };
    text.split(',').map(day).collect()
}

/// 1 for a Sunday.
fn weekday(date: Date) -> i16 {
    date.weekday().to_sunday_one_offset().into()
}

/// The moment of a time on the wall; `None` when the clock leaves it out. One that it shows twice is the first.
fn moment(date: Date, (hour, minute): (i16, i16), zone: &TimeZone) -> Option<Timestamp> {
    let time = date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
    let moment = zone.to_ambiguous_timestamp(time);
    match moment.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => moment.compatible().ok(),
    }
}
