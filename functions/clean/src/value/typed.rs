//! Single values in their type: read from a record, or written in the pipeline file.

use super::Value;
use super::decimal::Decimal;
use super::number::{self, Literal};
use super::time::TimeFormat;
use crate::bson_writer::{self as bson, Key, element, tag};
use crate::fault::{Problem, Reason};
use crate::plan::Kind;
use pipeline::Scalar;
use std::cmp::Ordering;

/// A single value in its type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Typed<'a> {
    Text(&'a str),
    Int(i32),
    Long(i64),
    Double(f64),
    /// A [`Decimal`] as BSON has it: its 16 bytes are less to carry.
    Decimal([u8; 16]),
    Bool(bool),
    /// Milliseconds since 1970.
    Time(i64),
}

/// A single value of the pipeline file.
#[derive(Clone, Debug)]
pub(crate) enum Constant {
    Text(String),
    Other(Typed<'static>),
}

/// Brings a value into a single-valued type.
#[inline]
pub(super) fn typed<'v>(kind: &Kind, value: &Value<'v>) -> Result<Typed<'v>, Problem> {
    match kind {
        Kind::Text => match value.as_text() {
            Some(text) => Ok(Typed::Text(text)),
            None => Err(wrong_type(value, "a text")),
        },
        Kind::Int => number::whole(value, i32::MIN.into(), i32::MAX.into()).map(|number| Typed::Int(number as i32)),
        Kind::Long => number::whole(value, i64::MIN, i64::MAX).map(Typed::Long),
        Kind::Double => number::double(value).map(Typed::Double),
        Kind::Decimal => number::decimal(value).map(|number| Typed::Decimal(number.to_bytes())),
        Kind::Bool => truth(value).map(Typed::Bool),
        Kind::Timestamp(format) => format.timestamp(value).map(Typed::Time),
        Kind::Date(format) => format.date(value).map(Typed::Time),
        Kind::GeoPoint | Kind::Json | Kind::Object(_) | Kind::List(_) => Err(wrong_type(value, "a single value")),
    }
}

fn truth(value: &Value<'_>) -> Result<bool, Problem> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Number("1") | Value::Text("1" | "true") => Ok(true),
        Value::Number("0") | Value::Text("0" | "false") => Ok(false),
        Value::Number(_) | Value::Text(_) => Err(Problem::new(Reason::NotABool, "expected `true`, `false`, `1` or `0`")),
        other => Err(wrong_type(other, "`true` or `false`")),
    }
}

fn wrong_type(value: &Value<'_>, expected: &str) -> Problem {
    Problem::new(Reason::WrongType, format!("expected {expected}, found {}", value.kind_name()))
}

fn exact(value: &Value<'_>) -> Result<[u8; 16], Problem> {
    let literal = value
        .as_text()
        .and_then(Literal::parse)
        .ok_or_else(|| wrong_type(value, "a number"))?;
    Decimal::exactly(literal).map(Decimal::to_bytes)
}

impl Typed<'_> {
    /// Appends it as an element.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, key: Key<'_>) {
        match self {
            Typed::Text(text) => {
                element(out, tag::STRING, key);
                bson::string(out, text);
            }
            Typed::Int(number) => {
                element(out, tag::INT32, key);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Typed::Long(number) => {
                element(out, tag::INT64, key);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Typed::Double(number) => {
                element(out, tag::DOUBLE, key);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Typed::Decimal(number) => {
                element(out, tag::DECIMAL128, key);
                out.extend_from_slice(number);
            }
            Typed::Bool(value) => {
                element(out, tag::BOOL, key);
                out.push(u8::from(*value));
            }
            Typed::Time(at) => {
                element(out, tag::DATE, key);
                out.extend_from_slice(&at.to_le_bytes());
            }
        }
    }

    /// Reads a value that [`Typed::write`] wrote; `None` for null and what is no single value.
    pub fn read(tag: u8, value: &[u8]) -> Option<Typed<'_>> {
        let eight = || value.first_chunk::<8>().copied();
        Some(match tag {
            tag::STRING => Typed::Text(std::str::from_utf8(value.get(4..value.len().checked_sub(1)?)?).ok()?),
            tag::INT32 => Typed::Int(i32::from_le_bytes(*value.first_chunk()?)),
            tag::INT64 => Typed::Long(i64::from_le_bytes(eight()?)),
            tag::DOUBLE => Typed::Double(f64::from_le_bytes(eight()?)),
            tag::DECIMAL128 => Typed::Decimal(*value.first_chunk()?),
            tag::BOOL => Typed::Bool(value.first() == Some(&1)),
            tag::DATE => Typed::Time(i64::from_le_bytes(eight()?)),
            _ => return None,
        })
    }

    /// The order of two values of one type; `None` when they are of different ones.
    pub fn compare(&self, other: &Typed<'_>) -> Option<Ordering> {
        match (self, other) {
            (Typed::Text(a), Typed::Text(b)) => Some(a.cmp(b)),
            (Typed::Int(a), Typed::Int(b)) => Some(a.cmp(b)),
            (Typed::Long(a), Typed::Long(b)) | (Typed::Time(a), Typed::Time(b)) => Some(a.cmp(b)),
            (Typed::Double(a), Typed::Double(b)) => a.partial_cmp(b),
            (Typed::Decimal(a), Typed::Decimal(b)) => Some(Decimal::from_bytes(*a).compare(Decimal::from_bytes(*b))),
            (Typed::Bool(a), Typed::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl Constant {
    /// A value of the pipeline file in the type of its field; `check` has seen to it that it fits. Times without an offset are in UTC.
    pub fn new(scalar: &Scalar, kind: &Kind) -> Result<Constant, String> {
        let fail = |problem: Problem| problem.message();
        let number = match scalar {
            Scalar::Bool(value) => return Constant::of(kind, &Value::Bool(*value)).map_err(fail),
            Scalar::Text(text) => return Constant::of(kind, &Value::Text(text)).map_err(fail),
            Scalar::Integer(number) => number.to_string(),
            Scalar::Float(number) => number.to_string(),
        };
        Constant::of(kind, &Value::Number(&number)).map_err(fail)
    }

    fn of(kind: &Kind, value: &Value<'_>) -> Result<Constant, Problem> {
        let utc = TimeFormat::utc();
        let typed = match kind {
            Kind::Timestamp(_) => Typed::Time(utc.timestamp(value)?),
            Kind::Date(_) => Typed::Time(utc.date(value)?),
            // A text may stand for a decimal that YAML's numbers would round.
            Kind::Decimal => Typed::Decimal(exact(value)?),
            kind => typed(kind, value)?,
        };
        Ok(match typed {
            Typed::Text(text) => Constant::Text(text.to_owned()),
            Typed::Int(number) => Constant::Other(Typed::Int(number)),
            Typed::Long(number) => Constant::Other(Typed::Long(number)),
            Typed::Double(number) => Constant::Other(Typed::Double(number)),
            Typed::Decimal(number) => Constant::Other(Typed::Decimal(number)),
            Typed::Bool(value) => Constant::Other(Typed::Bool(value)),
            Typed::Time(at) => Constant::Other(Typed::Time(at)),
        })
    }

    pub fn typed(&self) -> Typed<'_> {
        match self {
            Constant::Text(text) => Typed::Text(text),
            Constant::Other(typed) => *typed,
        }
    }
}
