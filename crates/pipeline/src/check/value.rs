//! Values that a pipeline file writes for a field or a cursor: whether they are of its type, and their order.

use crate::{CursorType, FieldType, Scalar};
use jiff::{Timestamp, civil, tz::TimeZone};

/// A value of a type, for comparisons of two values of the same type.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Ordered {
    Bool(bool),
    Whole(i128),
    Number(f64),
    Text(String),
}

/// `value` as a value of `kind`; else what is wrong with it: "must be …, not …".
pub(super) fn of_type(value: &Scalar, kind: FieldType) -> Result<Ordered, String> {
    let fail = |expected: &str| Err(format!("must be {expected}, not {}", written(value)));
    match (kind, value) {
        (FieldType::String, Scalar::Text(text)) => Ok(Ordered::Text(text.clone())),
        (FieldType::String, _) => fail("text, as the field is a `string` (put it in quotes)"),
        (FieldType::Int, Scalar::Integer(number)) if i32::try_from(*number).is_ok() => Ok(Ordered::Whole((*number).into())),
        (FieldType::Int, _) => fail("a whole number of 32 bits, as the field is an `int`"),
        (FieldType::Long, Scalar::Integer(number)) => Ok(Ordered::Whole((*number).into())),
        (FieldType::Long, _) => fail("a whole number of 64 bits, as the field is a `long`"),
        (FieldType::Double | FieldType::Decimal, Scalar::Integer(number)) => Ok(Ordered::Number(*number as f64)),
        (FieldType::Double | FieldType::Decimal, Scalar::Float(number)) => Ok(Ordered::Number(*number)),
        (FieldType::Decimal, Scalar::Text(text)) if is_decimal(text) => Ok(Ordered::Number(text.parse().unwrap_or_default())),
        (FieldType::Double, _) => fail("a number, as the field is a `double`"),
        (FieldType::Decimal, _) => fail("a number, as the field is a `decimal`"),
        (FieldType::Bool, Scalar::Bool(value)) => Ok(Ordered::Bool(*value)),
        (FieldType::Bool, _) => fail("`true` or `false`, as the field is a `bool`"),
        (FieldType::Timestamp, Scalar::Text(text)) if time(text).is_some() => Ok(Ordered::Whole(time(text).unwrap_or_default())),
        (FieldType::Timestamp, _) => fail("a time such as `2018-01-31T00:00:00Z`, as the field is a `timestamp`"),
        (FieldType::Date, Scalar::Text(text)) if text.parse::<civil::Date>().is_ok() && text.len() == 10 => Ok(Ordered::Text(text.clone())),
        (FieldType::Date, _) => fail("a day such as `2018-01-31`, as the field is a `date`"),
        (FieldType::Object | FieldType::List | FieldType::GeoPoint | FieldType::Json, _) => {
            Err("has no meaning for a field of this type".into())
        }
    }
}

/// The place of a cursor's value in their order; else what is wrong with it.
pub(super) fn cursor(value: &Scalar, kind: CursorType) -> Result<i128, String> {
    const NANOS_A_SECOND: i128 = 1_000_000_000;
    let (parsed, expected) = match (kind, value) {
        (CursorType::Int, Scalar::Integer(number)) => (Some((*number).into()), ""),
        (CursorType::Int, _) => (None, "a whole number, as the cursor is an `int`"),
        (CursorType::UnixS, Scalar::Integer(number)) => (Some(i128::from(*number) * NANOS_A_SECOND), ""),
        (CursorType::UnixMs, Scalar::Integer(number)) => (Some(i128::from(*number) * NANOS_A_SECOND / 1000), ""),
        (_, Scalar::Text(text)) => (time(text), "a time such as `2018-01-31T00:00:00Z`"),
        (CursorType::Iso8601, _) => (None, "a time such as `2018-01-31T00:00:00Z`"),
        _ => (None, "a time such as `2018-01-31T00:00:00Z` or a whole number"),
    };
    parsed.ok_or_else(|| format!("must be {expected}, not {}", written(value)))
}

/// Milliseconds since 1970 of a time or day that a pipeline file writes (taken as UTC without an offset), finer digits cut off.
pub fn time_ms(text: &str) -> Option<i64> {
    const NANOS_A_MILLISECOND: i128 = 1_000_000;
    i64::try_from(time(text)?.div_euclid(NANOS_A_MILLISECOND)).ok()
}

/// Nanoseconds of a time with an offset, or of a time or day taken as UTC.
fn time(text: &str) -> Option<i128> {
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok()?,
    };
    Some(timestamp.as_nanosecond())
}

/// A number in decimal notation of at most 34 digits.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.len() + fraction.len();
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    all_digits && (1..=34).contains(&digits) && exponent.parse::<i16>().is_ok()
}

/// A value as a message shows it.
pub(super) fn written(value: &Scalar) -> String {
    match value {
        Scalar::Bool(value) => format!("`{value}`"),
        Scalar::Integer(value) => format!("`{value}`"),
        Scalar::Float(value) => format!("`{value}`"),
        Scalar::Text(text) => format!("the text `{}`", crate::yaml::shortened(text)),
    }
}
