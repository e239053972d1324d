//! Any JSON value as BSON, nothing lost: the narrowest number that holds every digit, keys as they are.

use super::decimal::Decimal;
use super::nested::{not_json, too_deep};
use super::number::{Literal, short_whole};
use super::{Typed, Value};
use crate::bson_writer::{self as bson, Key, LEVELS_MAX, element, tag};
use crate::fault::{Problem, Reason};
use crate::trie::whole;
use lake::json::{RawString, Scanner};
use std::borrow::Cow;
use std::collections::HashSet;

const DEPTH_MAX: u32 = 128;
/// Up to so many keys, each is compared with each.
const KEYS_COMPARED_MAX: usize = 12;

/// Appends `value`; `level` is that of the document it stands in. After an error the caller takes back what was appended.
pub(crate) fn write_json(out: &mut Vec<u8>, key: Key<'_>, value: &Value<'_>, level: u32) -> Result<(), Problem> {
    match value {
        Value::Missing | Value::Null => element(out, tag::NULL, key),
        Value::Duplicate => return Err(duplicate_key()),
        Value::Bool(value) => Typed::Bool(*value).write(out, key),
        Value::Number(literal) => number(literal)?.write(out, key),
        Value::Text(text) => Typed::Text(text).write(out, key),
        Value::Escaped(inner) => Typed::Text(&resolved(RawString { inner, escaped: true })?).write(out, key),
        Value::List(text) => list(out, key, text, level)?,
        Value::Object(text) => object(out, key, text, level)?,
    }
    Ok(())
}

fn list(out: &mut Vec<u8>, key: Key<'_>, text: &str, level: u32) -> Result<(), Problem> {
    if level >= LEVELS_MAX {
        return Err(too_deep());
    }
    element(out, tag::ARRAY, key);
    let at = bson::open(out);
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    let (mut first, mut place) = (true, 0);
    scanner.begin_list().map_err(not_json)?;
    while scanner.next_item(&mut first).map_err(not_json)? {
        let value = Value::of(text, whole(&mut scanner).map_err(not_json)?);
        write_json(out, Key::Index(place), &value, level + 1)?;
        place += 1;
    }
    bson::close(out, at);
    Ok(())
}

fn object(out: &mut Vec<u8>, key: Key<'_>, text: &str, level: u32) -> Result<(), Problem> {
    if level >= LEVELS_MAX {
        return Err(too_deep());
    }
    element(out, tag::DOCUMENT, key);
    let at = bson::open(out);
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    let (mut first, mut keys) = (true, Keys::default());
    scanner.begin_object().map_err(not_json)?;
    while let Some(raw) = scanner.next_key(&mut first).map_err(not_json)? {
        let value = Value::of(text, whole(&mut scanner).map_err(not_json)?);
        let name = key_name(raw)?;
        write_json(out, Key::Name(&name), &value, level + 1)?;
        keys.add(name)?;
    }
    bson::close(out, at);
    Ok(())
}

/// A key as BSON takes it: its escapes resolved, no NUL.
pub(crate) fn key_name(raw: RawString<'_>) -> Result<Cow<'_, str>, Problem> {
    let name = resolved(raw)?;
    if name.contains('\0') {
        return Err(Problem::new(Reason::NulInKey, "a key holds a NUL character, which BSON can't keep"));
    }
    Ok(name)
}

fn resolved(raw: RawString<'_>) -> Result<Cow<'_, str>, Problem> {
    raw.value().map_err(|error| Problem::new(Reason::LoneSurrogate, error.to_string()))
}

/// The keys of one object, to find the one that stands twice.
#[derive(Default)]
pub(crate) struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    pub fn add(&mut self, key: Cow<'a, str>) -> Result<(), Problem> {
        if self.few.len() < KEYS_COMPARED_MAX {
            if self.few.contains(&key) {
                return Err(duplicate_key());
            }
            self.few.push(key);
            return Ok(());
        }
        if self.few.contains(&key) || !self.many.insert(key) {
            return Err(duplicate_key());
        }
        Ok(())
    }
}

fn duplicate_key() -> Problem {
    Problem::new(Reason::DuplicateKey, "an object has a key twice: neither value is chosen")
}

/// A whole number becomes an Int32, else an Int64, else a Decimal128; one with a fraction or exponent a double if the double's shortest
/// decimal is the same number, else a Decimal128.
fn number(text: &str) -> Result<Typed<'static>, Problem> {
    if let Some(number) = short_whole(text).filter(|number| *number != 0 || text == "0") {
        return Ok(i32::try_from(number).map_or(Typed::Long(number), Typed::Int));
    }
    let literal = Literal::parse(text).ok_or_else(|| Problem::new(Reason::NotANumber, "expected a number"))?;
    if !text.contains(['.', 'e', 'E']) && text != "-0" {
        return match text.parse::<i64>() {
            Ok(number) => Ok(Typed::Long(number)),
            Err(_) => Decimal::exactly(literal).map(|number| Typed::Decimal(number.to_bytes())),
        };
    }
    let double: f64 = text.parse().unwrap_or(f64::NAN);
    let shortest = Literal::parse(&format!("{double:e}"));
    if shortest.is_some_and(|shortest| !literal.long && shortest.reduced() == literal.reduced()) {
        return Ok(Typed::Double(double));
    }
    Decimal::exactly(literal).map(|number| Typed::Decimal(number.to_bytes()))
}
