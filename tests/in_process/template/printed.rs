//! The tables of `docs/security.md`: who may do what, printed from the template. `UPDATE=1` writes them.

use super::policy::{Statement, statements};
use super::stack::{ACCOUNT, REGION, STACK, Stack, many, object, text_of};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

const BEGIN: &str = "<!-- printed from infra/template.yaml: begin -->\n";
const END: &str = "<!-- printed from infra/template.yaml: end -->\n";

/// Parameters that add statements, and how a row says so.
const OPTIONAL: &[(&str, &[(&str, &str)])] = &[
    (
        "with `KmsKeyArn`",
        &[("KmsKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/yours")],
    ),
    (
        "with `LoadSubnetIds`",
        &[("LoadSubnetIds", "subnet-1"), ("LoadSecurityGroupIds", "sg-1")],
    ),
];

/// What a name stands for, longest first.
fn plain(arn: &str) -> String {
    let here = format!("{REGION}:{ACCOUNT}");
    let of = |service: &str, inner: &str, shown: &str| {
        let rest = arn.strip_prefix(&format!("arn:aws:{service}:{here}:{inner}"))?;
        Some(format!("{shown} `{rest}`"))
    };
    for bucket in ["lake", "warehouse", "vault"] {
        let name = format!("arn:aws:s3:::{STACK}-{bucket}-{ACCOUNT}-{REGION}");
        if let Some(rest) = arn.strip_prefix(&name) {
            return match rest.strip_prefix('/') {
                Some(keys) => format!("{bucket} `{keys}`"),
                None => bucket.to_owned(),
            };
        }
    }
    let shown = of("dynamodb", &format!("table/{STACK}-"), "table")
        .or_else(|| of("sqs", &format!("{STACK}-"), "queue"))
        .or_else(|| of("sns", &format!("{STACK}-"), "topic"))
        .or_else(|| of("lambda", &format!("function:{STACK}-"), "function"))
        .or_else(|| of("secretsmanager", "secret:", "secret"))
        .or_else(|| of("events", "event-bus/", "event bus"))
        .or_else(|| of("events", &format!("rule/{STACK}-"), "rule"))
        .or_else(|| of("logs", "log-group:", "log"))
        .or_else(|| of("kms", "key/", "key"));
    let shown = shown.unwrap_or_else(|| format!("`{arn}`"));
    shown
        .replace(&format!("`{STACK}/"), "`STACK/")
        .replace(&format!("lambda/{STACK}-"), "lambda/STACK-")
        .replace(":*`", "`")
}

fn condition(condition: &Value) -> String {
    let Some(operators) = condition.as_object() else {
        return String::new();
    };
    let mut said = Vec::new();
    for (operator, keys) in operators {
        for (key, values) in object(keys) {
            let values: Vec<String> = many(values)
                .iter()
                .map(|value| format!("`{}`", value.replace(REGION, "REGION")))
                .collect();
            let verb = match operator.as_str() {
                "StringLikeIfExists" => "is missing or one of",
                "NumericGreaterThan" => "is more than",
                "Null" if values == ["`true`"] => "is missing",
                _ => "is one of",
            };
            match (verb, values.as_slice()) {
                ("is missing", _) => said.push(format!("`{key}` is missing")),
                ("is one of", [one]) => said.push(format!("`{key}` is {}", of_the_stack(one))),
                (verb, many) => said.push(format!("`{key}` {verb} {}", of_the_stack(&many.join(", ")))),
            }
        }
    }
    said.join(" and ")
}

fn of_the_stack(text: &str) -> String {
    text.replace(&format!(":{ACCOUNT}:"), ":ACCOUNT:")
        .replace(&format!("`{ACCOUNT}`"), "this account")
        .replace(&format!("function:{STACK}-"), "function:STACK-")
}

fn row(statement: &Statement, optional: Option<&str>) -> String {
    let actions: Vec<String> = statement.actions.iter().map(|action| format!("`{action}`")).collect();
    let resources: Vec<String> = statement.resources.iter().map(|arn| plain(arn)).collect();
    let conditions = [condition(&statement.condition), optional.unwrap_or_default().to_owned()];
    let conditions: Vec<String> = conditions.into_iter().filter(|said| !said.is_empty()).collect();
    let may = if statement.allows { "" } else { "**never** " };
    format!(
        "| {} | {may}{} | {} | {} |\n",
        words(&statement.sid),
        actions.join(", "),
        resources.join(", "),
        conditions.join("; ")
    )
}

/// `ReadDefinitionsAndRaw` → "read definitions and raw".
fn words(sid: &str) -> String {
    let mut text = String::new();
    for c in sid.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}

fn tables() -> String {
    let base = statements(&Stack::with(&[]));
    let known: BTreeSet<(String, String)> = base
        .iter()
        .map(|statement| (statement.role.clone(), statement.sid.clone()))
        .collect();
    let mut rows: Vec<(String, String)> = base
        .iter()
        .map(|statement| (statement.role.clone(), row(statement, None)))
        .collect();
    for (said, parameters) in OPTIONAL {
        let more = statements(&Stack::with(parameters));
        let more = more
            .iter()
            .filter(|statement| !known.contains(&(statement.role.clone(), statement.sid.clone())));
        rows.extend(more.map(|statement| (statement.role.clone(), row(statement, Some(said)))));
    }
    let mut text = String::new();
    for (role, about) in [
        ("extract", "the function `extract`"),
        ("clean", "the function `clean`"),
        ("load", "the function `load`"),
        ("backup", "the function `backup`"),
        ("watch", "the function `watch`"),
        ("scheduler", "the schedules that `tidemill apply` makes"),
        ("backup-schedule", "the schedules of `backup`"),
        ("watch-schedule", "the schedule of `watch`"),
    ] {
        write!(
            text,
            "### {role}\n\nThe role `STACK-{role}-REGION`, of {about}.\n\n| why | may | on | if |\n|---|---|---|---|\n"
        )
        .unwrap();
        let own = rows.iter().filter(|(of, _)| of == role);
        own.for_each(|(_, row)| text.push_str(row));
        text.push('\n');
    }
    text.push_str("### Policies of the buckets, queues and the topic\n\nThey hold for everybody, whatever a role says.\n\n");
    text.push_str("| of | who | why | may | on | if |\n|---|---|---|---|---|---|\n");
    let stack = Stack::with(&[]);
    for kind in ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"] {
        for policy in stack.of_kind(kind) {
            for statement in policy.properties["PolicyDocument"]["Statement"].as_array().unwrap() {
                let who = match &statement["Principal"] {
                    Value::String(anybody) if anybody == "*" => "anybody".to_owned(),
                    service => format!("`{}`", text_of(&service["Service"])),
                };
                let read = Statement::read(&policy.id, statement);
                write!(text, "| `{}` | {who} {}", policy.id, row(&read, None)).unwrap();
            }
        }
    }
    text.replace(&format!("rule/{STACK}-"), "rule/STACK-")
        .replace(ACCOUNT, "ACCOUNT")
        .replace(REGION, "REGION")
}

#[test]
fn the_security_page_says_what_the_template_does() {
    let path = format!("{}/../docs/security.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    let (before, rest) = page
        .split_once(BEGIN)
        .unwrap_or_else(|| panic!("{path} has no line `{}`", BEGIN.trim()));
    let (found, after) = rest
        .split_once(END)
        .unwrap_or_else(|| panic!("{path} has no line `{}`", END.trim()));
    let expected = format!("\n{}\n", tables().trim_end()) + "\n";
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert!(
        found == expected,
        "docs/security.md is not what the template says: run `UPDATE=1 cargo test -p tidemill-tests --test in_process template` and look at what changed"
    );
}
