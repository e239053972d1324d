//! Quantities with their unit: `10m`, `1h30m`, `16MB`.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A length of time: numbers with the units `ms`, `s`, `m`, `h`, `d`, the larger first (`1h30m`, `500ms`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A number of bytes: a number with the unit `B`, `KB`, `MB` or `GB` (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// A text that is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct QuantityError {
    pub text: String,
    pub expected: &'static str,
}

const SPAN_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)];

impl Span {
    /// Reads `1h30m`. Each unit at most once, the larger first; at most 10,000 days.
    pub fn parse(text: &str) -> Result<Span, QuantityError> {
        let fail = || QuantityError {
            text: text.to_owned(),
            expected: "a length of time such as `10m`, `1h30m` or `500ms`",
        };
        let (mut rest, mut total, mut smaller_than) = (text, 0u64, u64::MAX);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest.get(..digits).and_then(|d| d.parse().ok()).ok_or_else(fail)?;
            rest = rest.get(digits..).unwrap_or_default();
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = rest.get(..letters).unwrap_or_default();
            let scale = SPAN_UNITS
                .iter()
                .find(|(u, _)| *u == unit)
                .map(|(_, s)| *s)
                .filter(|s| *s < smaller_than)
                .ok_or_else(fail)?;
            total = number
                .checked_mul(scale)
                .and_then(|n| total.checked_add(n))
                .filter(|n| *n <= 10_000 * 86_400_000)
                .ok_or_else(fail)?;
            smaller_than = scale;
            rest = rest.get(letters..).unwrap_or_default();
        }
        if text.is_empty() {
            Err(fail())
        } else {
            Ok(Span(Duration::from_millis(total)))
        }
    }
}

impl ByteSize {
    /// Reads `16MB`.
    pub fn parse(text: &str) -> Result<ByteSize, QuantityError> {
        let fail = || QuantityError {
            text: text.to_owned(),
            expected: "a number of bytes such as `512KB` or `16MB`",
        };
        let (unit, scale) = SIZE_UNITS.iter().find(|(u, _)| text.ends_with(u)).ok_or_else(fail)?;
        let number: u64 = text.strip_suffix(unit).and_then(|n| n.trim_end().parse().ok()).ok_or_else(fail)?;
        number.checked_mul(*scale).map(ByteSize).ok_or_else(fail)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in SPAN_UNITS {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = SIZE_UNITS
            .iter()
            .find(|(_, s)| self.0 >= *s && self.0.is_multiple_of(*s))
            .unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

macro_rules! text_form {
    ($kind:ident) => {
        impl TryFrom<String> for $kind {
            type Error = QuantityError;
            fn try_from(text: String) -> Result<$kind, QuantityError> {
                $kind::parse(&text)
            }
        }
        impl From<$kind> for String {
            fn from(value: $kind) -> String {
                value.to_string()
            }
        }
    };
}

text_form!(Span);
text_form!(ByteSize);
