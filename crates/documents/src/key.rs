//! Keys: bytes of an `_id` that compare as MongoDB compares the values. Equal numbers of different types are the same key.

use bson::RawBsonRef;

use crate::element::{
    DEPTH_MAX, Element, Elements, Unreadable, binary, code_with_scope, fixed, kind, take_cstring, take_string, with_element,
};

/// The key of an `_id`.
pub fn key_of(id: RawBsonRef<'_>) -> Result<Vec<u8>, Unreadable> {
    let mut key = Vec::with_capacity(24);
    with_element(id, |element| push_key(&mut key, element))?;
    Ok(key)
}

/// Appends the key of an `_id`.
#[inline]
pub(crate) fn push_key(key: &mut Vec<u8>, id: Element<'_>) -> Result<(), Unreadable> {
    key.push(class(id.kind)?);
    push_value(key, id, DEPTH_MAX)
}

/// Ends a list of elements: lower than every class.
const END: u8 = 0;

/// The place of a type in the order of types. None is 0 ([`END`]) or 255 (which follows an escaped NUL).
#[inline]
fn class(kind: u8) -> Result<u8, Unreadable> {
    Ok(match kind {
        kind::MIN_KEY => 1,
        kind::UNDEFINED => 2,
        kind::NULL => 5,
        kind::DOUBLE | kind::INT32 | kind::INT64 | kind::DECIMAL128 => 10,
        kind::STRING | kind::SYMBOL => 15,
        kind::DOCUMENT => 20,
        kind::ARRAY => 25,
        kind::BINARY => 30,
        kind::OBJECT_ID => 35,
        kind::BOOLEAN => 40,
        kind::DATE => 45,
        kind::TIMESTAMP => 47,
        kind::REGEX => 50,
        kind::DB_POINTER => 55,
        kind::CODE => 60,
        kind::CODE_WITH_SCOPE => 65,
        kind::MAX_KEY => 127,
        _ => return Err(Unreadable::Malformed("an unknown type of value")),
    })
}

#[inline]
fn push_value(key: &mut Vec<u8>, Element { kind, value, .. }: Element<'_>, levels: usize) -> Result<(), Unreadable> {
    match kind {
        kind::STRING | kind::SYMBOL | kind::CODE => push_string(key, take_string(value)?.0),
        kind::INT32 => push_integer(key, i32::from_le_bytes(fixed(value)?).into()),
        kind::INT64 => push_integer(key, i64::from_le_bytes(fixed(value)?)),
        kind::DOUBLE => push_double(key, f64::from_le_bytes(fixed(value)?)),
        kind::DECIMAL128 => push_decimal(key, u128::from_le_bytes(fixed(value)?)),
        kind::DOCUMENT => push_elements(key, value, true, levels)?,
        kind::ARRAY => push_elements(key, value, false, levels)?,
        kind::BINARY => {
            let (subtype, bytes) = binary(value)?;
            key.extend((bytes.len() as u32).to_be_bytes());
            key.push(subtype);
            key.extend(bytes);
        }
        kind::OBJECT_ID | kind::BOOLEAN => key.extend(value),
        kind::DATE => key.extend((u64::from_le_bytes(fixed(value)?) ^ (1 << 63)).to_be_bytes()),
        kind::TIMESTAMP => key.extend(u64::from_le_bytes(fixed(value)?).to_be_bytes()),
        kind::REGEX => {
            let (pattern, rest) = take_cstring(value)?;
            push_string(key, pattern);
            push_string(key, take_cstring(rest)?.0);
        }
        kind::DB_POINTER => {
            let (namespace, id) = take_string(value)?;
            key.extend((namespace.len() as u32).to_be_bytes());
            key.extend(namespace);
            key.extend(id);
        }
        kind::CODE_WITH_SCOPE => {
            let (code, scope) = code_with_scope(value)?;
            push_string(key, code);
            push_elements(key, scope, true, levels)?;
        }
        // Undefined, null, and the two ends have no value.
        _ => {}
    }
    Ok(())
}

/// Of each element its class, its name (arrays compare without), its value.
fn push_elements(key: &mut Vec<u8>, document: &[u8], named: bool, levels: usize) -> Result<(), Unreadable> {
    let levels = levels.checked_sub(1).ok_or(Unreadable::TooDeep)?;
    let mut elements = Elements::new(document)?;
    while let Some(element) = elements.next()? {
        key.push(class(element.kind)?);
        if named {
            key.extend(element.name);
            key.push(END);
        }
        push_value(key, element, levels)?;
    }
    key.push(END);
    Ok(())
}

/// A text and a NUL; a NUL within is followed by 255, more than any class.
#[inline]
fn push_string(key: &mut Vec<u8>, mut text: &[u8]) {
    while let Some((head, tail)) = memchr::memchr(0, text).and_then(|at| text.split_at_checked(at + 1)) {
        key.extend(head);
        key.push(0xff);
        text = tail;
    }
    key.extend(text);
    key.push(0);
}

// A number is two bytes of sign and exponent, then its decimal digits: every integer, double and Decimal128 has finitely many, so that values compare
// exactly and no type is rounded to another. 0.d₁d₂d₃… × 10^exponent becomes (POSITIVE + exponent), then a half byte for each digit (1 to 10), then 0;
// a negative number has all these bits inverted.
const NAN: u16 = 0;
const NEGATIVE_INFINITY: u16 = 1;
const ZERO: u16 = 0x8000;
const POSITIVE: i32 = 0xc000;
const INFINITY: u16 = 0xffff;

#[inline]
fn push_integer(key: &mut Vec<u8>, value: i64) {
    let mut digits = [0; 20];
    push_digits(key, value < 0, spell(value.unsigned_abs().into(), &mut digits), 0);
}

fn push_double(key: &mut Vec<u8>, value: f64) {
    // Every double at or beyond 2^53 is an integer; below, `as` and back is exact for integers only.
    let integer = value as i64;
    if integer as f64 == value && value.abs() < 9e18 {
        return push_integer(key, integer);
    }
    if value.is_nan() {
        return key.extend(NAN.to_be_bytes());
    }
    if value.is_infinite() {
        let header = if value > 0.0 { INFINITY } else { NEGATIVE_INFINITY };
        return key.extend(header.to_be_bytes());
    }
    // A double with k binary places has exactly k decimal places, so this many digits after the first hold all of it; 766 are enough for any.
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff).max(1) as i32 - 1075;
    let places = -exponent - (bits | 1 << 52).trailing_zeros() as i32;
    let precision = if places > 0 { (places as usize + 16).min(766) } else { 308 };
    let written = format!("{value:.precision$e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    let exponent: i32 = exponent.parse().unwrap_or_default();
    push_digits(key, value < 0.0, &digits, exponent + 1 - digits.len() as i32);
}

/// The binary integer decimal encoding of IEEE 754-2008.
fn push_decimal(key: &mut Vec<u8>, bits: u128) {
    const COEFFICIENT_MAX: u128 = 10u128.pow(34) - 1;
    let negative = bits >> 127 == 1;
    let top = (bits >> 122) & 0b11111;
    if top == 0b11111 {
        return key.extend(NAN.to_be_bytes());
    }
    if top == 0b11110 {
        let header = if negative { NEGATIVE_INFINITY } else { INFINITY };
        return key.extend(header.to_be_bytes());
    }
    // Coefficients of the other form, and those with too many digits, are not canonical: they mean zero.
    let coefficient = if top >> 3 == 0b11 { 0 } else { bits & ((1 << 113) - 1) };
    let coefficient = if coefficient > COEFFICIENT_MAX { 0 } else { coefficient };
    let exponent = ((bits >> 113) & 0x3fff) as i32 - 6176;
    let mut digits = [0; 39];
    push_digits(key, negative, spell(coefficient, &mut digits), exponent);
}

/// The decimal digits of a number, each 0 to 9; none for zero.
#[inline]
fn spell(value: u128, space: &mut [u8]) -> &[u8] {
    let mut first = space.len();
    // Division of 128 bits is slow, and nearly no key needs it.
    let mut wide = value;
    let mut narrow = loop {
        match u64::try_from(wide) {
            Ok(narrow) => break narrow,
            Err(_) => {
                first = put(space, first, (wide % 10) as u8);
                wide /= 10;
            }
        }
    };
    while narrow > 0 {
        first = put(space, first, (narrow % 10) as u8);
        narrow /= 10;
    }
    space.get(first..).unwrap_or_default()
}

#[inline]
fn put(space: &mut [u8], before: usize, digit: u8) -> usize {
    let at = before.saturating_sub(1);
    if let Some(place) = space.get_mut(at) {
        *place = digit;
    }
    at
}

/// Appends ±digits × 10^exponent.
#[inline]
fn push_digits(key: &mut Vec<u8>, negative: bool, digits: &[u8], exponent: i32) {
    let Some(first) = digits.iter().position(|&digit| digit != 0) else {
        return key.extend(ZERO.to_be_bytes());
    };
    let last = digits.iter().rposition(|&digit| digit != 0).unwrap_or(first);
    let exponent = exponent + (digits.len() - first) as i32;
    let sign = if negative { 0xff } else { 0 };
    let header = (POSITIVE + exponent) as u16;
    key.extend(header.to_be_bytes().map(|byte| byte ^ sign));
    let mut pairs = digits.get(first..=last).unwrap_or_default().chunks_exact(2);
    for pair in &mut pairs {
        if let [high, low] = pair {
            key.push((((high + 1) << 4) | (low + 1)) ^ sign);
        }
    }
    let end = pairs.remainder().first().map_or(0, |digit| (digit + 1) << 4);
    key.push(end ^ sign);
}

#[cfg(test)]
mod tests;
