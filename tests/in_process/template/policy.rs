//! IAM on paper: the statements of the stack's roles, and whether they allow a request.

use super::stack::{Stack, many, object, text_of};
use serde_json::Value;
use std::collections::BTreeMap;

/// One statement of a role.
#[derive(Debug)]
pub struct Statement {
    /// `extract`, `scheduler`, …: the role's name without the stack and the region.
    pub role: String,
    pub sid: String,
    pub allows: bool,
    pub actions: Vec<String>,
    pub resources: Vec<String>,
    pub condition: Value,
}

/// A request, and what IAM is told of it beside.
pub struct Request<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    pub context: &'a [(&'a str, &'a str)],
}

/// All statements of all roles, in the order of the template's ids.
pub fn statements(stack: &Stack) -> Vec<Statement> {
    let mut all = Vec::new();
    for role in stack.of_kind("AWS::IAM::Role") {
        let name = role_of(&text_of(&role.properties["RoleName"]));
        for policy in role.properties["Policies"].as_array().unwrap() {
            for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                all.push(Statement::read(&name, statement));
            }
        }
    }
    all
}

fn role_of(name: &str) -> String {
    let inner = name
        .strip_prefix(&format!("{}-", super::stack::STACK))
        .and_then(|name| name.strip_suffix(&format!("-{}", super::stack::REGION)));
    inner
        .unwrap_or_else(|| panic!("the role {name} is not named after stack and region"))
        .to_owned()
}

impl Statement {
    pub fn read(role: &str, statement: &Value) -> Statement {
        for key in object(statement).keys() {
            let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"].contains(&key.as_str());
            assert!(known, "{role}: {key} is not understood");
        }
        Statement {
            role: role.to_owned(),
            sid: text_of(&statement["Sid"]),
            allows: match statement["Effect"].as_str() {
                Some("Allow") => true,
                Some("Deny") => false,
                other => panic!("{role}: the effect is {other:?}"),
            },
            actions: many(&statement["Action"]),
            resources: many(&statement["Resource"]),
            condition: statement["Condition"].clone(),
        }
    }

    /// Whether it is about this request.
    pub fn meets(&self, request: &Request<'_>) -> bool {
        let action = self.actions.iter().any(|pattern| like(pattern, request.action));
        let resource = self.resources.iter().any(|pattern| like(pattern, request.resource));
        action && resource && (self.condition.is_null() || holds(&self.condition, request.context))
    }
}

/// What IAM says: an allowance is needed, and a denial wins.
pub fn allowed(statements: &[Statement], role: &str, request: &Request<'_>) -> bool {
    let met = || {
        statements
            .iter()
            .filter(|statement| statement.role == role && statement.meets(request))
    };
    met().any(|statement| statement.allows) && met().all(|statement| statement.allows)
}

/// All operators must hold.
fn holds(condition: &Value, context: &[(&str, &str)]) -> bool {
    let context: BTreeMap<&str, Vec<&str>> = context.iter().fold(BTreeMap::new(), |mut context, (key, value)| {
        context.entry(*key).or_insert_with(Vec::new).push(*value);
        context
    });
    object(condition).iter().all(|(operator, keys)| {
        object(keys).iter().all(|(key, expected)| {
            let found = context.get(key.as_str());
            compares(operator, found.map(Vec::as_slice), &many(expected))
        })
    })
}

fn compares(operator: &str, found: Option<&[&str]>, expected: &[String]) -> bool {
    let any = |value: &&str, same: fn(&str, &str) -> bool| expected.iter().any(|pattern| same(pattern, value));
    let exact: fn(&str, &str) -> bool = |a, b| a == b;
    match (operator, found) {
        ("Null", found) => text_of(&Value::Bool(found.is_none())) == expected[0],
        ("ForAllValues:StringLike", found) => found.unwrap_or_default().iter().all(|value| any(value, like)),
        ("ForAllValues:StringEquals", found) => found.unwrap_or_default().iter().all(|value| any(value, exact)),
        ("StringLikeIfExists", None) => true,
        ("StringEquals" | "Bool", Some([value])) => any(value, exact),
        ("StringLike" | "StringLikeIfExists" | "ArnEquals", Some([value])) => any(value, like),
        ("NumericGreaterThan", Some([value])) => {
            let value: f64 = value.parse().unwrap();
            expected.iter().any(|bound| value > bound.parse().unwrap())
        }
        ("StringEquals" | "StringLike" | "ArnEquals" | "Bool" | "NumericGreaterThan", None) => false,
        other => panic!("the condition {other:?} is not understood"),
    }
}

/// `*` stands for anything, `?` for one character.
pub fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[test]
fn patterns_match_as_those_of_iam() {
    for (pattern, text, expected) in [
        ("s3:*", "s3:GetObject", true),
        ("raw/*/end.zst", "raw/p/r/end.zst", true),
        ("raw/*/end.zst", "raw/p/r/1.zst", false),
        ("mongodb-??????", "mongodb-aBcDeF", true),
        ("mongodb-??????", "mongodb-two-aBcDeF", false),
        ("*", "", true),
        ("a*b*c", "a-b-b-c", true),
        ("a", "ab", false),
    ] {
        assert_eq!(like(pattern, text), expected, "{pattern} {text}");
    }
}
