//! Where a run's window starts and ends, and how far the cursor moves. Pure.

mod form;

use jiff::{Timestamp, civil, tz::TimeZone};
use lake::json::{Kind, Raw};
use ledger::CursorValue;
use pipeline::{CursorType, Incremental, Scalar};

/// The texts that a request sends for the window of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub start: String,
    pub end: Option<String>,
}

/// A value that `check` would have refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is not a value of its cursor's type")]
pub struct BadValue {
    pub key: &'static str,
}

/// The window of a run that starts at the committed `cursor`: the cursor less the lag, never before `initial_value`; without a cursor,
/// `initial_value` as it is written.
pub fn window(incremental: &Incremental, cursor: Option<CursorValue>) -> Result<Window, BadValue> {
    let initial = value(&incremental.initial_value, incremental.kind).ok_or(BadValue { key: "initial_value" })?;
    let start = match cursor {
        None => as_written(&incremental.initial_value),
        Some(cursor) => {
            let lag = incremental
                .lag
                .map_or(0, |lag| i64::try_from(lag.0.as_millis()).unwrap_or(i64::MAX));
            let start = cursor.saturating_sub(lag).max(initial);
            in_the_form_of(&incremental.initial_value, incremental.kind, start).ok_or(BadValue { key: "initial_value" })?
        }
    };
    let end = incremental.end_value.as_ref().map(as_written);
    Ok(Window { start, end })
}

/// The cursor to commit when a run has seen `greatest`: not beyond the run's start for times (a record may carry a time in the future, and
/// records of the time in between may still arrive), nor beyond the window's end.
pub fn committed(incremental: &Incremental, greatest: Option<CursorValue>, started_ms: i64) -> Option<CursorValue> {
    let greatest = greatest?;
    let in_time = if incremental.kind == CursorType::Int {
        greatest
    } else {
        greatest.min(started_ms)
    };
    let end = incremental.end_value.as_ref().and_then(|end| value(end, incremental.kind));
    Some(end.map_or(in_time, |end| in_time.min(end)))
}

/// The cursor value of a record: milliseconds for times, the number itself for `int`; `None` for what is no such value.
#[inline]
pub fn value_in_record(kind: CursorType, raw: &Raw<'_>) -> Option<CursorValue> {
    match (kind, raw.kind) {
        (CursorType::Iso8601, Kind::String) => time(&raw.as_string().value().ok()?),
        (CursorType::Iso8601, _) => None,
        (_, Kind::Number) => number(kind, raw.text),
        (_, Kind::String) if !raw.escaped => number(kind, raw.as_string().inner),
        _ => None,
    }
}

#[inline]
fn number(kind: CursorType, text: &str) -> Option<CursorValue> {
    let scale = if kind == CursorType::UnixS { 1000 } else { 1 };
    if let Ok(whole) = text.parse::<i64>() {
        return whole.checked_mul(scale);
    }
    if kind == CursorType::Int {
        return None;
    }
    let fraction = text.parse::<f64>().ok().filter(|n| n.is_finite())? * scale as f64;
    // Down, so that the next window does not start after the record.
    (fraction.abs() < 9e15).then(|| fraction.floor() as i64)
}

/// Whether a whole number of an `int` cursor is beyond what can be kept: left out, it would be passed over for ever.
pub fn is_beyond(kind: CursorType, raw: &Raw<'_>) -> bool {
    let text = match raw.kind {
        Kind::Number => raw.text,
        Kind::String => raw.as_string().inner,
        _ => "",
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    kind == CursorType::Int && is_whole && text.parse::<i64>().is_err()
}

/// Milliseconds of a time with an offset, or of a time or day taken as UTC.
fn time(text: &str) -> Option<i64> {
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok()?,
    };
    Some(timestamp.as_millisecond())
}

/// A value that the pipeline file writes.
fn value(scalar: &Scalar, kind: CursorType) -> Option<CursorValue> {
    match scalar {
        Scalar::Integer(number) if kind == CursorType::UnixS => number.checked_mul(1000),
        Scalar::Integer(number) => Some(*number),
        Scalar::Text(text) if kind != CursorType::Int => time(text),
        Scalar::Text(text) => text.parse().ok(),
        Scalar::Bool(_) | Scalar::Float(_) => None,
    }
}

fn as_written(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Text(text) => text.clone(),
    }
}

/// `value` as text: a time as `model` writes one, else a number.
fn in_the_form_of(model: &Scalar, kind: CursorType, value: CursorValue) -> Option<String> {
    match (model, kind) {
        (Scalar::Text(model), CursorType::UnixS | CursorType::UnixMs | CursorType::Iso8601) => Timestamp::from_millisecond(value)
            .ok()
            .map(|time| form::in_the_form_of(model, time)),
        (_, CursorType::UnixS) => Some(value.div_euclid(1000).to_string()),
        _ => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use lake::json::Scanner;
    use pipeline::{Path, Span};
    use std::time::Duration;

    fn incremental(kind: CursorType, initial: Scalar, lag_s: Option<u64>, end: Option<Scalar>) -> Incremental {
        Incremental {
            cursor_path: Path::key("at"),
            kind,
            initial_value: initial,
            lag: lag_s.map(|s| Span(Duration::from_secs(s))),
            end_value: end,
        }
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.into())
    }

    #[test]
    fn where_a_window_starts() {
        use CursorType::{Int, Iso8601, UnixMs, UnixS};
        let now = 1_518_220_800_000; // 2018-02-10T00:00:00Z
        for (kind, initial, lag, cursor, expected) in [
            (UnixMs, text("2018-01-31T00:00:00Z"), Some(600), None, "2018-01-31T00:00:00Z"),
            (UnixMs, text("2018-01-31"), Some(600), None, "2018-01-31"),
            (UnixMs, text("2018-01-31T00:00:00Z"), Some(600), Some(now), "2018-02-09T23:50:00Z"),
            (UnixMs, text("2018-01-31T00:00:00Z"), None, Some(now + 5), "2018-02-10T00:00:00Z"),
            (UnixMs, text("2018-02-09T23:55:00Z"), Some(600), Some(now), "2018-02-09T23:55:00Z"),
            (UnixMs, Scalar::Integer(5), None, Some(now), "1518220800000"),
            (UnixS, Scalar::Integer(5), Some(1), Some(now + 999), "1518220799"),
            (Iso8601, text("2018-01-31"), Some(600), Some(now), "2018-02-09"),
            (Iso8601, text("2018-01-31T00:00:00"), None, Some(now), "2018-02-10T00:00:00"),
            (Int, Scalar::Integer(7), None, None, "7"),
            (Int, Scalar::Integer(7), None, Some(12), "12"),
            (Int, Scalar::Integer(7), None, Some(3), "7"),
        ] {
            let window = window(&incremental(kind, initial, lag, None), cursor).unwrap();
            assert_eq!(
                window,
                Window {
                    start: expected.into(),
                    end: None
                }
            );
        }
        let closed = incremental(UnixMs, text("2018-01-31"), None, Some(text("2018-02-01")));
        assert_eq!(window(&closed, None).unwrap().end.as_deref(), Some("2018-02-01"));
        assert_eq!(
            window(&incremental(Iso8601, text("soon"), None, None), None),
            Err(BadValue { key: "initial_value" })
        );
    }

    #[test]
    fn values_in_records() {
        use CursorType::{Int, Iso8601, UnixMs, UnixS};
        for (kind, json, expected) in [
            (UnixMs, "1518220800123", Some(1_518_220_800_123)),
            (UnixMs, "\"1518220800123\"", Some(1_518_220_800_123)),
            (UnixMs, "1518220800123.7", Some(1_518_220_800_123)),
            (UnixMs, "1.5e3", Some(1500)),
            (UnixS, "1518220800", Some(1_518_220_800_000)),
            (UnixS, "-0.0005", Some(-1)),
            (UnixS, "9223372036854775807", None),
            (UnixMs, "1e400", None),
            (UnixMs, "null", None),
            (Iso8601, "\"2018-02-10T01:00:00.5+01:00\"", Some(1_518_220_800_500)),
            (Iso8601, "\"2018-02-10 00:00:00\"", Some(1_518_220_800_000)),
            (Iso8601, "\"2018-02-10\"", Some(1_518_220_800_000)),
            (Iso8601, "1518220800", None),
            (Iso8601, "\"yesterday\"", None),
            (Int, "42", Some(42)),
            (Int, "42.0", None),
            (Int, "99999999999999999999", None),
        ] {
            let raw = Scanner::new(json, 1).skip_value().unwrap();
            assert_eq!(value_in_record(kind, &raw), expected, "{json}");
        }
    }

    #[test]
    fn numbers_beyond_64_bits() {
        for (kind, json, beyond) in [
            (CursorType::Int, "9223372036854775807", false),
            (CursorType::Int, "9223372036854775808", true),
            (CursorType::Int, "\"-9223372036854775809\"", true),
            (CursorType::Int, "\"\"", false),
            (CursorType::Int, "\"x\"", false),
            (CursorType::Int, "[99999999999999999999]", false),
            (CursorType::UnixMs, "9223372036854775808", false),
        ] {
            let raw = Scanner::new(json, 1).skip_value().unwrap();
            assert_eq!(is_beyond(kind, &raw), beyond, "{json}");
        }
    }

    #[test]
    fn what_is_committed() {
        let times = incremental(CursorType::UnixMs, Scalar::Integer(0), None, None);
        assert_eq!(committed(&times, Some(500), 1000), Some(500));
        assert_eq!(committed(&times, Some(1500), 1000), Some(1000));
        assert_eq!(committed(&times, None, 1000), None);
        let closed = incremental(CursorType::UnixS, Scalar::Integer(0), None, Some(Scalar::Integer(2)));
        assert_eq!(committed(&closed, Some(2500), 9000), Some(2000));
        let ids = incremental(CursorType::Int, Scalar::Integer(0), None, None);
        assert_eq!(committed(&ids, Some(i64::MAX), 1000), Some(i64::MAX));
    }
}
