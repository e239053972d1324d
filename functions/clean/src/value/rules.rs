//! The rules around a type: what is taken as null or as another value before it, the bounds after it.

use super::{Constant, Typed, Value, Watch};
use crate::fault::{Problem, Reason};
use pipeline::Scalar;
use regex::Regex;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Applied before the type, in this order. All but `trim` go by the text of a value: of a number or truth value, its text as written. Numbers of
/// `null_values` are compared as numbers, too.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub trim: bool,
    pub empty_as_null: bool,
    pub null_values: NullValues,
    pub map: HashMap<String, Replacement>,
}

/// What `map` puts in a value's place.
#[derive(Debug)]
pub(crate) enum Replacement {
    Bool(bool),
    Number(String),
    Text(String),
}

impl Replacement {
    pub fn new(scalar: &Scalar) -> Replacement {
        match scalar {
            Scalar::Bool(value) => Replacement::Bool(*value),
            Scalar::Integer(number) => Replacement::Number(number.to_string()),
            Scalar::Float(number) => Replacement::Number(number.to_string()),
            Scalar::Text(text) => Replacement::Text(text.clone()),
        }
    }

    /// The text that values are compared with.
    pub fn into_text(self) -> String {
        match self {
            Replacement::Bool(value) => value.to_string(),
            Replacement::Number(text) | Replacement::Text(text) => text,
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Replacement::Bool(value) => Value::Bool(*value),
            Replacement::Number(text) => Value::Number(text),
            Replacement::Text(text) => Value::Text(text),
        }
    }
}

/// What is taken as null.
#[derive(Debug, Default)]
pub(crate) struct NullValues {
    texts: Vec<String>,
    numbers: Vec<f64>,
}

/// Doubles tell whole numbers below it from each other.
const WHOLE_MAX: u64 = 1 << 53;

impl NullValues {
    pub fn new(scalars: &[Scalar]) -> NullValues {
        let number = |scalar: &Scalar| match scalar {
            Scalar::Integer(number) if number.unsigned_abs() < WHOLE_MAX => Some(*number as f64),
            Scalar::Float(number) if number.is_finite() => Some(*number),
            Scalar::Integer(_) | Scalar::Float(_) | Scalar::Bool(_) | Scalar::Text(_) => None,
        };
        NullValues {
            texts: scalars.iter().map(|scalar| Replacement::new(scalar).into_text()).collect(),
            numbers: scalars.iter().filter_map(number).collect(),
        }
    }

    fn holds(&self, text: &str) -> bool {
        self.texts.iter().any(|null| null == text)
            || !self.numbers.is_empty() && !is_code(text) && text.parse().is_ok_and(|number: f64| self.numbers.contains(&number))
    }
}

/// Digits behind a leading zero: rather a code, such as `00999`, than a number.
fn is_code(text: &str) -> bool {
    matches!(text.trim_start_matches(['-', '+']).as_bytes(), [b'0', b'0'..=b'9', ..])
}

impl Rules {
    pub fn apply<'v, W: Watch>(&'v self, value: Value<'v>, watch: &mut W) -> Value<'v> {
        let mut value = value;
        if let (true, Value::Text(text)) = (self.trim, value) {
            value = Value::Text(text.trim());
            watch.rule("trim", &value);
        }
        if let (true, Value::Text("")) = (self.empty_as_null, value) {
            value = Value::Null;
            watch.rule("empty_as_null", &value);
        }
        if let Some(text) = value.as_text()
            && self.null_values.holds(text)
        {
            value = Value::Null;
            watch.rule("null_values", &value);
        }
        if !self.map.is_empty()
            && let Some(replacement) = value.as_text().and_then(|text| self.map.get(text))
        {
            value = replacement.value();
            watch.rule("map", &value);
        }
        value
    }
}

/// Checked after the type.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    pub min: Option<Constant>,
    pub max: Option<Constant>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub pattern: Option<Regex>,
    pub one_of: Vec<Constant>,
}

impl Bounds {
    #[inline]
    pub fn check(&self, value: &Typed<'_>) -> Result<(), Problem> {
        let beyond =
            |bound: &Option<Constant>, side: Ordering| bound.as_ref().is_some_and(|bound| value.compare(&bound.typed()) == Some(side));
        if beyond(&self.min, Ordering::Less) {
            return Err(Problem::new(Reason::BelowMin, "the value is less than `min`"));
        }
        if beyond(&self.max, Ordering::Greater) {
            return Err(Problem::new(Reason::AboveMax, "the value is more than `max`"));
        }
        if let Typed::Text(text) = value {
            if self.min_length.is_some() || self.max_length.is_some() {
                length(self.min_length, self.max_length, text.chars().count(), "characters")?;
            }
            if let Some(pattern) = &self.pattern
                && !pattern.is_match(text)
            {
                return Err(Problem::new(Reason::Pattern, format!("the `pattern` `{pattern}` does not match")));
            }
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|one| value.compare(&one.typed()) == Some(Ordering::Equal)) {
            return Err(Problem::new(Reason::NotOneOf, "the value is not one of those in `one_of`"));
        }
        Ok(())
    }
}

/// Checks a length against its bounds.
pub(super) fn length(min: Option<u64>, max: Option<u64>, found: usize, what: &str) -> Result<(), Problem> {
    let found = found as u64;
    match (min, max) {
        (Some(min), _) if found < min => Err(Problem::new(
            Reason::TooShort,
            format!("expected at least {min} {what}, found {found}"),
        )),
        (_, Some(max)) if found > max => Err(Problem::new(
            Reason::TooLong,
            format!("expected at most {max} {what}, found {found}"),
        )),
        _ => Ok(()),
    }
}
