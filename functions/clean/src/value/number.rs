//! Numbers: from their literal, never through a type that rounds where it must not.

use super::Value;
use super::decimal::Decimal;
use crate::fault::{Problem, Reason};

/// A number as it is written, its value kept exactly: `coefficient * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub negative: bool,
    pub coefficient: u128,
    pub exponent: i64,
    /// More than 38 significant digits: then the coefficient is of no use.
    pub long: bool,
}

/// Beyond it, an exponent is as good as infinite.
const EXPONENT_MAX: i64 = 1_000_000_000_000;
const DIGITS_MAX: u32 = 38;

impl Literal {
    /// Reads a decimal number: digits, at most one point among or beside them, an exponent. All of JSON's, and `+5`, `007`, `.5`, `5.`.
    pub fn parse(text: &str) -> Option<Literal> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            bytes => (false, bytes),
        };
        let mut literal = Literal {
            negative,
            coefficient: 0,
            exponent: 0,
            long: false,
        };
        let (mut digits, mut significant, mut point) = (0u64, 0u32, false);
        let mut rest = unsigned;
        while let Some((&byte, after)) = rest.split_first() {
            match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    literal.exponent -= i64::from(point);
                    significant += u32::from(significant > 0 || byte != b'0');
                    if significant > DIGITS_MAX {
                        literal.exponent += 1;
                        literal.long |= byte != b'0';
                    } else {
                        literal.coefficient = literal.coefficient * 10 + u128::from(byte - b'0');
                    }
                }
                b'.' if !point => point = true,
                b'e' | b'E' if digits > 0 => {
                    literal.exponent += exponent(after)?;
                    return Some(literal);
                }
                _ => return None,
            }
            rest = after;
        }
        (digits > 0).then_some(literal)
    }

    /// The same value without zeros at the end of the coefficient.
    pub fn reduced(mut self) -> Literal {
        if self.coefficient == 0 {
            self.exponent = 0;
            return self;
        }
        while self.coefficient.is_multiple_of(10) {
            self.coefficient /= 10;
            self.exponent += 1;
        }
        self
    }

    /// The whole number that it is: `Ok(None)` when it has a fraction, an error when it is beyond 128 bits.
    fn whole(self) -> Result<Option<i128>, ()> {
        let literal = self.reduced();
        if literal.coefficient == 0 && !literal.long {
            return Ok(Some(0));
        }
        if literal.exponent < 0 {
            return Ok(None);
        }
        let scale = u32::try_from(literal.exponent)
            .ok()
            .filter(|_| !literal.long)
            .and_then(|e| 10i128.checked_pow(e));
        let magnitude = scale
            .and_then(|scale| i128::try_from(literal.coefficient).ok()?.checked_mul(scale))
            .ok_or(())?;
        Ok(Some(if literal.negative { -magnitude } else { magnitude }))
    }

    /// `value * 1000`, cut off towards minus infinity; `None` beyond 128 bits.
    pub fn thousandths(self) -> Option<i128> {
        let reduced = self.reduced();
        let literal = Literal {
            exponent: reduced.exponent + 3,
            ..reduced
        };
        if literal.coefficient == 0 && !literal.long {
            return Some(0);
        }
        if literal.exponent >= 0 {
            return literal.whole().ok().flatten();
        }
        let coefficient = i128::try_from(literal.coefficient).ok()?;
        let scale = u32::try_from(-literal.exponent)
            .ok()
            .and_then(|e| 10i128.checked_pow(e))
            .unwrap_or(i128::MAX);
        let signed = if literal.negative { -coefficient } else { coefficient };
        // A dropped digit beyond the 38th makes a negative number a little less.
        let exact = signed.div_euclid(scale);
        Some(if literal.long && literal.negative && signed.rem_euclid(scale) == 0 {
            exact - 1
        } else {
            exact
        })
    }
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits
        .iter()
        .fold(0i64, |size, digit| (size * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
    Some(if negative { -size } else { size })
}

/// The literal of a value that may be a number.
pub(super) fn literal_text<'v>(value: &Value<'v>, expected: &str) -> Result<&'v str, Problem> {
    match value {
        Value::Number(text) | Value::Text(text) => Ok(text),
        other => Err(Problem::new(
            Reason::WrongType,
            format!("expected {expected}, found {}", other.kind_name()),
        )),
    }
}

/// A whole number between `min` and `max`.
pub(super) fn whole(value: &Value<'_>, min: i64, max: i64) -> Result<i64, Problem> {
    let text = literal_text(value, "a whole number")?;
    if let Some(number) = short_whole(text)
        && (min..=max).contains(&number)
    {
        return Ok(number);
    }
    let literal = Literal::parse(text).ok_or_else(|| not_a_number("a whole number"))?;
    let out_of_range = || Problem::new(Reason::OutOfRange, format!("expected a whole number from {min} to {max}"));
    match literal.whole() {
        Err(()) => Err(out_of_range()),
        Ok(None) => Err(Problem::new(
            Reason::NotAWholeNumber,
            "expected a whole number, found one with a fraction",
        )),
        Ok(Some(number)) => i64::try_from(number)
            .ok()
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(out_of_range),
    }
}

/// The common case: at most 18 digits and a minus.
#[inline]
pub(super) fn short_whole(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        bytes => (false, bytes),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut number = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if negative { -number } else { number })
}

/// The nearest binary floating-point number.
pub(super) fn double(value: &Value<'_>) -> Result<f64, Problem> {
    let text = literal_text(value, "a number")?;
    // Rust reads `inf` and `nan` as well: they are no decimal numbers.
    if matches!(value, Value::Text(_)) && Literal::parse(text).is_none() {
        return Err(not_a_number("a number"));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(Problem::new(
            Reason::OutOfRange,
            "the number is beyond what 64 bits of floating point hold",
        )),
        Err(_) => Err(not_a_number("a number")),
    }
}

pub(super) fn decimal(value: &Value<'_>) -> Result<Decimal, Problem> {
    let text = literal_text(value, "a number")?;
    Decimal::exactly(Literal::parse(text).ok_or_else(|| not_a_number("a number"))?)
}

fn not_a_number(expected: &str) -> Problem {
    Problem::new(Reason::NotANumber, format!("expected {expected}, found a text that is none"))
}
