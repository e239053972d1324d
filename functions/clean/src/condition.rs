//! `filter` and `delete_when`: comparisons of cleaned values.

use crate::bson_writer::{tag, value_of};
use crate::value::{Constant, Typed};
use std::cmp::Ordering;

/// A comparison compiled.
#[derive(Debug)]
pub(crate) struct ConditionPlan {
    /// The place of the field in the contract.
    pub field: usize,
    pub test: TestPlan,
}

#[derive(Debug)]
pub(crate) enum TestPlan {
    /// Whether the value stands to the constant in one of these orders.
    Compared(Constant, &'static [Ordering]),
    NotEquals(Constant),
    OneOf(Vec<Constant>),
    IsNull(bool),
}

impl TestPlan {
    /// Whether it is true of the value of `element`. Comparisons with null are false, except `is_null` and `not_equals`.
    pub fn holds(&self, element: &[u8]) -> bool {
        let (tag, bytes) = value_of(element);
        let value = || Typed::read(tag, bytes);
        let order = |constant: &Constant| value().and_then(|value| value.compare(&constant.typed()));
        match self {
            TestPlan::IsNull(null) => (tag == tag::NULL) == *null,
            TestPlan::Compared(constant, orders) => order(constant).is_some_and(|order| orders.contains(&order)),
            TestPlan::NotEquals(constant) => order(constant) != Some(Ordering::Equal),
            TestPlan::OneOf(constants) => constants.iter().any(|constant| order(constant) == Some(Ordering::Equal)),
        }
    }
}
