//! Decimal128 (IEEE 754-2008, BID encoding) from a literal, exactly or not at all: no rounding.

use super::number::Literal;
use crate::fault::{Problem, Reason};
use std::cmp::Ordering;

/// A finite Decimal128. Zeros at the end of the coefficient are kept: 1.50 stays 1.50.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    coefficient: u128,
    exponent: i32,
}

const DIGITS_MAX: u32 = 34;
const EXPONENT_MIN: i64 = -6176;
const EXPONENT_MAX: i64 = 6111;
const BIAS: i32 = 6176;

impl Decimal {
    /// The literal's value, with the literal's digits where they fit; only zeros at the end may be dropped or added to make it fit.
    pub fn exactly(literal: Literal) -> Result<Decimal, Problem> {
        let Literal {
            negative,
            mut coefficient,
            mut exponent,
            long,
        } = literal;
        if long {
            return Err(too_many_digits());
        }
        while digits(coefficient) > DIGITS_MAX || (exponent < EXPONENT_MIN && coefficient != 0) {
            if !coefficient.is_multiple_of(10) {
                return Err(if exponent < EXPONENT_MIN {
                    out_of_range()
                } else {
                    too_many_digits()
                });
            }
            coefficient /= 10;
            exponent += 1;
        }
        if coefficient == 0 {
            exponent = exponent.clamp(EXPONENT_MIN, EXPONENT_MAX);
        }
        while exponent > EXPONENT_MAX {
            if digits(coefficient) == DIGITS_MAX {
                return Err(out_of_range());
            }
            coefficient *= 10;
            exponent -= 1;
        }
        Ok(Decimal {
            negative,
            coefficient,
            exponent: exponent as i32,
        })
    }

    /// The 16 bytes as BSON has them. The coefficient is below 2^113, so the encoding's first form always does.
    pub fn to_bytes(self) -> [u8; 16] {
        let exponent = (self.exponent + BIAS) as u128;
        (u128::from(self.negative) << 127 | exponent << 113 | self.coefficient).to_le_bytes()
    }

    /// What [`Decimal::to_bytes`] wrote.
    pub fn from_bytes(bytes: [u8; 16]) -> Decimal {
        let bits = u128::from_le_bytes(bytes);
        Decimal {
            negative: bits >> 127 == 1,
            coefficient: bits & ((1 << 113) - 1),
            exponent: (bits >> 113 & 0x3fff) as i32 - BIAS,
        }
    }

    /// By value: 1.5 and 1.50 are equal.
    pub fn compare(self, other: Decimal) -> Ordering {
        match (self.coefficient == 0, other.coefficient == 0) {
            (true, true) => return Ordering::Equal,
            (true, false) => return if other.negative { Ordering::Greater } else { Ordering::Less },
            (false, true) => return if self.negative { Ordering::Less } else { Ordering::Greater },
            (false, false) => {}
        }
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare_size(other),
            (true, true) => other.compare_size(self),
        }
    }

    fn compare_size(self, other: Decimal) -> Ordering {
        let places = |d: Decimal| i64::from(digits(d.coefficient)) + i64::from(d.exponent);
        // With as many places, both coefficients are brought to 34 digits.
        let aligned = |d: Decimal| d.coefficient * 10u128.pow(DIGITS_MAX - digits(d.coefficient));
        places(self).cmp(&places(other)).then_with(|| aligned(self).cmp(&aligned(other)))
    }
}

fn digits(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(0, |log| log + 1)
}

fn too_many_digits() -> Problem {
    Problem::new(
        Reason::TooManyDigits,
        "the number has more than the 34 digits that Decimal128 holds",
    )
}

fn out_of_range() -> Problem {
    Problem::new(Reason::OutOfRange, "the number's exponent is beyond what Decimal128 holds")
}
