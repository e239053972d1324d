//! Times and dates: ISO 8601, counts since 1970, strptime patterns. Never a guess: a time that is not there is a fault.

use super::Value;
use super::number::{Literal, literal_text, short_whole};
use crate::fault::{Problem, Reason};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// How a field's times are written.
#[derive(Debug)]
pub(crate) struct TimeFormat {
    pub form: Form,
    /// For times written without an offset.
    pub zone: TimeZone,
}

#[derive(Debug)]
pub(crate) enum Form {
    Iso8601,
    UnixS,
    UnixMs,
    Pattern(String),
}

const DAY_MS: i64 = 86_400_000;

/// A time as it is read: a point in time, or a local time that needs a zone.
enum Read {
    At(i64),
    Local(DateTime),
}

impl TimeFormat {
    pub fn new(format: Option<&str>, zone: Option<&str>) -> Result<TimeFormat, String> {
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|error| format!("the time zone `{name}`: {error}"))?,
        };
        let form = match format {
            None | Some("iso8601") => Form::Iso8601,
            Some("unix_s") => Form::UnixS,
            Some("unix_ms") => Form::UnixMs,
            Some(pattern) => Form::Pattern(pattern.to_owned()),
        };
        Ok(TimeFormat { form, zone })
    }

    /// ISO 8601, in UTC where no offset is written: how a pipeline file writes times.
    pub fn utc() -> TimeFormat {
        TimeFormat {
            form: Form::Iso8601,
            zone: TimeZone::UTC,
        }
    }

    /// Milliseconds since 1970; finer digits are cut off towards the past.
    pub fn timestamp(&self, value: &Value<'_>) -> Result<i64, Problem> {
        if let (Form::Iso8601, Value::Text(text)) = (&self.form, value)
            && let Some(at) = utc_second(text.as_bytes())
        {
            return Ok(at);
        }
        match self.read(value)? {
            Read::At(at) => Ok(at),
            Read::Local(local) => self.at(local),
        }
    }

    /// Midnight in UTC of the day as it is written; of a count since 1970, its day in UTC.
    pub fn date(&self, value: &Value<'_>) -> Result<i64, Problem> {
        if let (Form::Iso8601, Value::Text(text)) = (&self.form, value) {
            return match iso8601(text) {
                Some(iso) => Ok(midnight(iso.date)),
                None => Err(self.not_a_time()),
            };
        }
        if let Form::Pattern(pattern) = &self.form
            && let Ok(date) = self.broken_down(pattern, value)?.to_date()
        {
            return Ok(midnight(date));
        }
        match self.read(value)? {
            Read::At(at) => Ok(at.div_euclid(DAY_MS) * DAY_MS),
            Read::Local(local) => Ok(midnight(local.date())),
        }
    }

    fn read(&self, value: &Value<'_>) -> Result<Read, Problem> {
        match &self.form {
            Form::Iso8601 => {
                let Value::Text(text) = value else {
                    let message = format!(
                        "expected a time as text, found {}; a count of seconds needs `format: unix_s` or `unix_ms`",
                        value.kind_name()
                    );
                    return Err(Problem::new(Reason::WrongType, message));
                };
                let iso = iso8601(text).ok_or_else(|| self.not_a_time())?;
                let local = iso.date.to_datetime(iso.time);
                match iso.offset_s {
                    Some(offset_s) => in_range(midnight(iso.date) + ms_of_day(iso.time) - i64::from(offset_s) * 1000).map(Read::At),
                    None => Ok(Read::Local(local)),
                }
            }
            Form::UnixS => self.count(value, 1000).map(Read::At),
            Form::UnixMs => self.count(value, 1).map(Read::At),
            Form::Pattern(pattern) => self.pattern(&self.broken_down(pattern, value)?),
        }
    }

    fn count(&self, value: &Value<'_>, scale: i64) -> Result<i64, Problem> {
        let text = literal_text(value, "a count since 1970")?;
        if let Some(at) = short_whole(text).and_then(|count| count.checked_mul(scale)) {
            return in_range(at);
        }
        let Some(mut literal) = Literal::parse(text) else {
            return Err(Problem::new(
                Reason::NotANumber,
                "expected a count since 1970, found a text that is no number",
            ));
        };
        if scale == 1 {
            literal.exponent -= 3;
        }
        in_range(literal.thousandths().and_then(|at| i64::try_from(at).ok()).unwrap_or(i64::MAX))
    }

    /// What a pattern finds in a text.
    fn broken_down(&self, pattern: &str, value: &Value<'_>) -> Result<BrokenDownTime, Problem> {
        let text = literal_text(value, "a time as text or number")?;
        let parsed = strtime::parse(pattern, text).map_err(|_| self.not_a_time())?;
        // The parser takes second 60 as 59. A leap second, which BSON can't hold, shows by a `59` that is not in the text.
        let read = [parsed.minute(), parsed.second()].iter().filter(|part| **part == Some(59)).count();
        if parsed.second() == Some(59) && text.contains("60") && text.matches("59").count() < read {
            return Err(self.not_a_time());
        }
        Ok(parsed)
    }

    fn pattern(&self, parsed: &BrokenDownTime) -> Result<Read, Problem> {
        if parsed.offset().is_some() || (parsed.timestamp().is_some() && parsed.day().is_none()) {
            let at = parsed.to_timestamp().map_err(|_| self.not_a_time())?;
            return in_range(floor_ms(at)).map(Read::At);
        }
        let date = parsed.to_date().map_err(|_| self.not_a_time())?;
        let time = if parsed.hour().is_some() {
            parsed.to_time().map_err(|_| self.not_a_time())?
        } else {
            Time::midnight()
        };
        let local = date.to_datetime(time);
        let Some(name) = parsed.iana_time_zone() else {
            return Ok(Read::Local(local));
        };
        let zone = TimeZone::get(name).map_err(|_| self.not_a_time())?;
        TimeFormat { form: Form::Iso8601, zone }.at(local).map(Read::At)
    }

    /// The point in time of a local one.
    fn at(&self, local: DateTime) -> Result<i64, Problem> {
        let offset = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { .. } => {
                return Err(Problem::new(
                    Reason::NoSuchTime,
                    format!("the time zone skips {local}: clocks are put forward over it"),
                ));
            }
            AmbiguousOffset::Fold { .. } => {
                return Err(Problem::new(
                    Reason::AmbiguousTime,
                    format!("the time zone has {local} twice: clocks are put back over it"),
                ));
            }
        };
        in_range(midnight(local.date()) + ms_of_day(local.time()) - i64::from(offset.seconds()) * 1000)
    }

    fn not_a_time(&self) -> Problem {
        let expected = match &self.form {
            Form::Pattern(pattern) => format!("expected a time written as `{pattern}`"),
            _ => "expected a time such as `2018-01-31T00:00:00Z`, or a day such as `2018-01-31`".to_owned(),
        };
        Problem::new(Reason::NotATime, expected)
    }
}

fn floor_ms(at: Timestamp) -> i64 {
    at.as_nanosecond().div_euclid(1_000_000) as i64
}

fn in_range(at: i64) -> Result<i64, Problem> {
    if (Timestamp::MIN.as_millisecond()..=Timestamp::MAX.as_millisecond()).contains(&at) {
        Ok(at)
    } else {
        Err(Problem::new(Reason::OutOfRange, "the time is not in the years -9999 to 9999"))
    }
}

fn ms_of_day(time: Time) -> i64 {
    let seconds = (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
    seconds * 1000 + i64::from(time.millisecond())
}

/// Midnight in UTC of a day of the Gregorian calendar.
fn midnight(date: Date) -> i64 {
    days(i64::from(date.year()), i64::from(date.month()), i64::from(date.day())) * DAY_MS
}

/// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`).
#[inline]
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The common form, `YYYY-MM-DDTHH:MM:SSZ` with up to nine digits of a fraction; `None` leaves it to [`iso8601`].
#[inline]
fn utc_second(text: &[u8]) -> Option<i64> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        rest @ ..,
    ] = text
    else {
        return None;
    };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    let (hour, minute, second) = (two(*h1, *h2)?, two(*n1, *n2)?, two(*s1, *s2)?);
    let (ms, rest) = fraction(rest)?;
    let good = rest == b"Z" && day >= 1 && day <= last_day(year, month)? && hour < 24 && minute < 60 && second < 60;
    good.then(|| days(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

fn last_day(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// The milliseconds of `.123456…` at the start, if there is one, and what follows.
#[inline]
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', digits @ ..] = text else { return Some((0, text)) };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(length).filter(|_| length > 0)?;
    let ms = (0..3).fold(0, |ms, place| ms * 10 + digits.get(place).map_or(0, |b| i64::from(b - b'0')));
    Some((ms, rest))
}

struct Iso {
    date: Date,
    time: Time,
    offset_s: Option<i32>,
}

/// A calendar date, then maybe `T` or a space and a time, then maybe an offset; basic (`20180131T0130`) or extended (`2018-01-31T01:30`).
/// Strict: no week dates, no leap seconds (BSON has none), nothing left over.
fn iso8601(text: &str) -> Option<Iso> {
    let bytes = text.as_bytes();
    let (year, rest) = digits(bytes, 4)?;
    let extended = rest.first() == Some(&b'-');
    let (month, rest) = digits(after(rest, b'-', extended)?, 2)?;
    let (day, rest) = digits(after(rest, b'-', extended)?, 2)?;
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else {
        return rest.is_empty().then_some(Iso {
            date,
            time: Time::midnight(),
            offset_s: None,
        });
    };
    let (hour, rest) = digits(rest, 2)?;
    let extended = rest.first() == Some(&b':');
    let (minute, rest) = digits(after(rest, b':', extended)?, 2)?;
    let (second, (ms, rest)) = match rest {
        [b':', rest @ ..] if extended => digits(rest, 2).and_then(|(s, rest)| Some((s, fraction(rest)?)))?,
        [b'0'..=b'9', ..] if !extended => digits(rest, 2).and_then(|(s, rest)| Some((s, fraction(rest)?)))?,
        _ => (0, (0, rest)),
    };
    if second > 59 {
        return None;
    }
    let time = Time::new(hour as i8, minute as i8, second as i8, i32::try_from(ms).ok()? * 1_000_000).ok()?;
    Some(Iso {
        date,
        time,
        offset_s: offset(rest)?,
    })
}

/// `Z`, `+01`, `+0130` or `+01:30`; nothing is no offset, anything else a fault.
fn offset(text: &[u8]) -> Option<Option<i32>> {
    let (sign, rest) = match text {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = digits(rest, 2)?;
    let minutes = match rest {
        [] => 0,
        [b':', rest @ ..] | rest => digits(rest, 2).filter(|(_, rest)| rest.is_empty())?.0,
    };
    (hours < 24 && minutes < 60).then_some(Some(sign * (hours * 60 + minutes) * 60))
}

fn digits(text: &[u8], count: usize) -> Option<(i32, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let number = digits
        .iter()
        .try_fold(0, |number, b| b.is_ascii_digit().then(|| number * 10 + i32::from(b - b'0')))?;
    Some((number, rest))
}

fn after(text: &[u8], separator: u8, there: bool) -> Option<&[u8]> {
    if !there {
        return Some(text);
    }
    text.split_first().filter(|(first, _)| **first == separator).map(|(_, rest)| rest)
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
