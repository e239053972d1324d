//! Pure: conditional writes, and what became of a transaction of them.

use super::fault::Fault;
use super::items::{self, Item};
use super::key::Key;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use std::collections::HashMap;

/// A condition or a change: `#name` in its text is the attribute `name`, `:name` one of its values. Every attribute is written so, for many of our
/// names are words of DynamoDB's language.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    text: &'static str,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn new(text: &'static str) -> Expression {
        Expression {
            text,
            values: HashMap::new(),
        }
    }

    /// With what `:name` stands for.
    pub(super) fn with(mut self, name: &str, value: AttributeValue) -> Expression {
        self.values.insert(name.to_owned(), value);
        self
    }

    pub(super) fn absent() -> Expression {
        Expression::new("attribute_not_exists(#pk)")
    }

    pub(super) fn text(&self) -> &'static str {
        self.text
    }
}

/// A write of one item.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// Writes nothing: the others are not written unless the condition holds.
    Check {
        key: Key,
        condition: Expression,
    },
    Put {
        item: Item,
        condition: Option<Expression>,
    },
    Change {
        key: Key,
        change: Expression,
        condition: Expression,
    },
    Delete {
        key: Key,
        condition: Option<Expression>,
    },
}

/// What became of writes.
#[derive(Debug)]
pub(super) enum Outcome {
    Written,
    /// Nothing was written, for the condition of this one (counted from 0) does not hold. `there`: the item as it is.
    Refused {
        write: usize,
        there: Option<Item>,
    },
}

/// The names and values of some expressions.
pub(super) fn names<'a>(expressions: impl IntoIterator<Item = &'a Expression>) -> Option<HashMap<String, String>> {
    let mut names = HashMap::new();
    for expression in expressions {
        for after in expression.text.split('#').skip(1) {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            if let Some(name) = after.get(..end) {
                names.insert(format!("#{name}"), name.to_owned());
            }
        }
    }
    (!names.is_empty()).then_some(names)
}

pub(super) fn values<'a>(expressions: impl IntoIterator<Item = &'a Expression>) -> Option<HashMap<String, AttributeValue>> {
    let values: HashMap<_, _> = expressions.into_iter().flat_map(|expression| expression.values.clone()).collect();
    (!values.is_empty()).then_some(values)
}

impl Write {
    /// As a part of a transaction.
    pub(super) fn in_transaction(&self, table: &str) -> Result<TransactWriteItem, BuildError> {
        let all_old = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        let item = TransactWriteItem::builder();
        let item = match self {
            Write::Check { key, condition } => item.condition_check(
                ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(items::key_item(key)))
                    .condition_expression(condition.text)
                    .set_expression_attribute_names(names([condition]))
                    .set_expression_attribute_values(values([condition]))
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            Write::Put { item: put, condition } => item.put(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(put.clone()))
                    .set_condition_expression(condition.as_ref().map(|condition| condition.text.to_owned()))
                    .set_expression_attribute_names(names(condition))
                    .set_expression_attribute_values(values(condition))
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            Write::Change { key, change, condition } => item.update(
                Update::builder()
                    .table_name(table)
                    .set_key(Some(items::key_item(key)))
                    .update_expression(change.text)
                    .condition_expression(condition.text)
                    .set_expression_attribute_names(names([change, condition]))
                    .set_expression_attribute_values(values([change, condition]))
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            Write::Delete { key, condition } => item.delete(
                Delete::builder()
                    .table_name(table)
                    .set_key(Some(items::key_item(key)))
                    .set_condition_expression(condition.as_ref().map(|condition| condition.text.to_owned()))
                    .set_expression_attribute_names(names(condition))
                    .set_expression_attribute_values(values(condition))
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
        };
        Ok(item.build())
    }
}

/// Why a transaction was cancelled.
#[derive(Debug)]
pub(super) enum Cancelled {
    /// A condition does not hold.
    Refused {
        write: usize,
        there: Option<Item>,
    },
    /// Another was at one of the items, or too much is written at once: the conditions may not have been looked at.
    Passing,
    Failed(Fault),
}

/// Reads the reasons one by one: there is one for each write, `None` where there is nothing to say. While one of them is passing, no other is final.
pub(super) fn cancelled(reasons: &[CancellationReason]) -> Cancelled {
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    let mut refused = None;
    let mut passing = false;
    for (write, reason) in reasons.iter().enumerate() {
        match code(reason).as_str() {
            "None" => {}
            "ConditionalCheckFailed" if refused.is_none() => {
                let there = reason.item().filter(|item| !item.is_empty()).cloned();
                refused = Some(Cancelled::Refused { write, there });
            }
            "ConditionalCheckFailed" => {}
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => passing = true,
            other => {
                let message = reason.message().unwrap_or("no more is told");
                return Cancelled::Failed(Fault::Denied(format!(
                    "DynamoDB does not take item {write} of the transaction ({other}: {message})"
                )));
            }
        }
    }
    match refused {
        _ if passing => Cancelled::Passing,
        Some(refused) => refused,
        None => Cancelled::Failed(Fault::Unavailable("the transaction was cancelled, and no reason is told".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
    }

    #[test]
    fn the_first_condition_that_does_not_hold_is_the_reason() {
        let told = cancelled(&reasons(&["None", "ConditionalCheckFailed", "ConditionalCheckFailed"]));
        assert!(matches!(told, Cancelled::Refused { write: 1, there: None }), "{told:?}");
    }

    #[test]
    fn nothing_is_final_while_another_is_at_it() {
        for codes in [
            ["ConditionalCheckFailed", "TransactionConflict"],
            ["ThrottlingError", "ConditionalCheckFailed"],
            ["None", "ProvisionedThroughputExceeded"],
        ] {
            let told = cancelled(&reasons(&codes));
            assert!(matches!(told, Cancelled::Passing), "{codes:?}: {told:?}");
        }
    }

    #[test]
    fn what_no_retry_cures_is_denied() {
        let told = cancelled(&reasons(&["TransactionConflict", "ValidationError"]));
        assert!(matches!(told, Cancelled::Failed(Fault::Denied(_))), "{told:?}");
        let told = cancelled(&[]);
        assert!(matches!(told, Cancelled::Failed(Fault::Unavailable(_))), "{told:?}");
    }

    #[test]
    fn the_names_in_a_text_are_found() {
        let (one, other) = (
            Expression::new("#a = :b AND (attribute_exists(#c_2) OR #a<:d)"),
            Expression::new("REMOVE #e"),
        );
        let mut found: Vec<String> = names([&one, &other]).into_iter().flatten().map(|(_, name)| name).collect();
        found.sort_unstable();
        assert_eq!(found, ["a", "c_2", "e"]);
    }
}
