//! The value of a JSON number, where a machine's number can hold it exactly.

use super::{Kind, Raw};

impl Raw<'_> {
    /// The integer this number is, in whatever form: `7`, `7.0`, `70e-1`. `None` where it is none, does not fit, or is no number.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        if self.kind == Kind::Number { exact_i64(self.text) } else { None }
    }

    /// The nearest double; `None` where this is no number, or one beyond the largest double.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        if self.kind != Kind::Number {
            return None;
        }
        self.text.parse().ok().filter(|value: &f64| value.is_finite())
    }
}

/// The integer that the JSON number `text` is, in whatever form; `None` where it is none or does not fit. Nothing is rounded.
#[inline]
pub fn exact_i64(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Up to 18 digits can't overflow.
    if digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) && !digits.is_empty() {
        let value = digits.iter().fold(0, |value: i64, digit| value * 10 + i64::from(digit & 0xf));
        return Some(if negative { -value } else { value });
    }
    let magnitude = magnitude(digits)?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

fn magnitude(number: &[u8]) -> Option<u64> {
    let (mantissa, exponent) = match number.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (number.get(..at)?, exponent(number.get(at + 1..)?)?),
        None => (number, 0),
    };
    let mut digits = 0_u64;
    // What the digits so far are to be multiplied by, a power of ten: zeros at their end, less the places after the point.
    let (mut zeros, mut places, mut point) = (0_u32, 0_i64, false);
    for byte in mantissa {
        match byte {
            b'.' if !point => point = true,
            b'0' if digits == 0 => places += i64::from(point),
            b'0' => {
                zeros = zeros.saturating_add(1);
                places += i64::from(point);
            }
            b'1'..=b'9' => {
                // More digits than fit, the last not a zero: too large if it is an integer at all.
                let shift = 10_u64.checked_pow(zeros.saturating_add(1))?;
                digits = digits.checked_mul(shift)?.checked_add(u64::from(byte & 0xf))?;
                zeros = 0;
                places += i64::from(point);
            }
            _ => return None,
        }
    }
    if digits == 0 {
        return if mantissa.iter().any(u8::is_ascii_digit) { Some(0) } else { None };
    }
    let power = i64::from(zeros).saturating_sub(places).saturating_add(exponent);
    digits.checked_mul(10_u64.checked_pow(u32::try_from(power).ok()?)?)
}

/// The exponent, held at what no number of any length could make up for.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit & 0xf))
    });
    Some(if negative { -value } else { value })
}
