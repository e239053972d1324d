//! Least privilege on AWS: each role does what its function needs, and is refused the rest, in its own stack and in another.
//!
//! Who is granted a call is written once. So each refusal stands beside the same call granted to another role, and a call that nobody could make at all would
//! be found. What the emulator does not judge (the keys of items, `If-None-Match`, boundaries) is judged on paper: `in_process/template/permissions.rs`.

use crate::rows::{Source, pipeline, texts, tick};
use crate::stack::{Stack, hurried, shared};
use serde_json::{Value, json};
use servers::aws::{ACCOUNT, REGION};
use std::sync::OnceLock;

const ROLES: [&str; 5] = ["extract", "clean", "load", "backup", "watch"];

/// Those that work on the lake.
const OF_THE_LAKE: [&str; 4] = ["extract", "clean", "load", "watch"];

/// What a role may be told instead of "access denied": SNS has a word of its own.
const REFUSALS: [&str; 3] = ["(AccessDenied)", "(AccessDeniedException)", "(AuthorizationError)"];

/// A call, and the roles that are granted it.
struct Call {
    service: &'static str,
    operation: &'static str,
    parameters: Value,
    granted: &'static [&'static str],
}

/// What was made by one run of a pipeline, for calls that need something to be there.
struct Made {
    raw: String,
    clean: String,
    definition: String,
    /// Its hash.
    hash: String,
}

const PIPELINE: &str = "privileges";

/// What is in the vault, and is no backup.
const KEPT: &str = "archives/daily/kept";

#[test]
fn extract_writes_raw_and_knows_no_database() {
    check("extract");
}

#[test]
fn clean_writes_clean_and_rejected_and_sends_nothing() {
    check("clean");
}

#[test]
fn load_writes_refused_and_knows_one_secret() {
    check("load");
}

#[test]
fn backup_writes_into_the_vault_and_takes_nothing_away() {
    check("backup");
}

#[test]
fn watch_writes_nothing_into_the_lake_and_knows_no_secret() {
    check("watch");
}

/// Makes every call as the role of a function: in its own stack, and the same in another, where it is granted none.
fn check(function: &str) {
    let (stack, other, made) = (shared(), hurried(), made());
    let role = stack.credentials_of(function);
    let mut wrong = Vec::new();
    for (of, is_own) in [(stack, true), (other, false)] {
        for call in calls(of, made).iter().filter(|call| is_own || call.is_of_a_stack()) {
            let answer = stack.try_call_as(&role, call.service, call.operation, call.parameters.clone());
            let expected = is_own && call.granted.contains(&function);
            let is_refused = |problem: &String| REFUSALS.iter().any(|refusal| problem.contains(refusal));
            match &answer {
                Ok(_) if expected => {}
                Err(problem) if !expected && is_refused(problem) => {}
                _ => wrong.push(format!(
                    "{} {} {}: granted should be {expected}, but {answer:?}",
                    call.service, call.operation, call.parameters
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{function}:\n{}", wrong.join("\n"));
}

#[test]
fn every_role_is_granted_something_and_refused_something_of_each_service_it_uses() {
    let calls = calls(shared(), made());
    for role in ROLES {
        for service in ["s3", "sqs", "dynamodb"] {
            let mut of_service = calls.iter().filter(|call| call.service == service);
            assert!(of_service.clone().any(|call| call.granted.contains(&role)), "{role} {service}");
            assert!(of_service.any(|call| !call.granted.contains(&role)), "{role} {service}");
        }
    }
}

impl Call {
    /// The bus of events is the account's.
    fn is_of_a_stack(&self) -> bool {
        self.service != "events"
    }
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    static SOURCE: OnceLock<Source> = OnceLock::new();
    MADE.get_or_init(|| {
        let (stack, source) = (shared(), SOURCE.get_or_init(|| Source::start(1)));
        let published = stack.publish(&pipeline(PIPELINE, source));
        tick(stack, PIPELINE, 1);
        stack.until("the rows are there", || texts(stack, PIPELINE) == source.texts(1));
        for of in [stack, hurried()] {
            let secret = json!({"Name": format!("{}/source", of.name()), "SecretString": json!({"token": "none"}).to_string()});
            of.call("secretsmanager", "create_secret", secret);
            let object = json!({"Bucket": of.vault(), "Key": KEPT, "Body": "kept", "IfNoneMatch": "*"});
            of.call("s3", "put_object", object);
        }
        let [raw, clean, definition] = ["raw", "clean", "definitions"].map(|zone| stack.keys(zone, PIPELINE).remove(0));
        Made {
            raw,
            clean,
            definition,
            hash: published.checked.hash.to_string(),
        }
    })
}

/// Every call, on the things of a stack. What is granted does no harm: messages are about what is done already, uploads are begun and never make an object.
fn calls(stack: &Stack, made: &Made) -> Vec<Call> {
    [lake(stack, made), vault(stack), ledger(stack), queues(stack, made), others(stack)]
        .into_iter()
        .flatten()
        .collect()
}

fn lake(stack: &Stack, made: &Made) -> Vec<Call> {
    let bucket = stack.lake();
    let s3 = |operation, parameters: Value, granted| Call {
        service: "s3",
        operation,
        parameters: with(parameters, "Bucket", &bucket),
        granted,
    };
    let mut calls = vec![
        s3("get_object", json!({"Key": made.definition}), &OF_THE_LAKE),
        s3("get_object", json!({"Key": made.raw}), &["extract", "clean", "watch"]),
        s3("get_object", json!({"Key": made.clean}), &["load", "watch"]),
        s3("list_objects_v2", json!({"Prefix": "raw/"}), &OF_THE_LAKE),
        s3("list_objects_v2", json!({"Prefix": "clean/"}), &["load", "watch"]),
        s3("list_objects_v2", json!({"Prefix": "rejected/"}), &[]),
        s3(
            "put_bucket_versioning",
            json!({"VersioningConfiguration": {"Status": "Suspended"}}),
            &[],
        ),
    ];
    let zones: [(&str, &[&str]); 5] = [
        ("raw", &["extract"]),
        ("clean", &["clean"]),
        ("rejected", &["clean"]),
        ("refused", &["load"]),
        ("definitions", &[]),
    ];
    for (zone, writers) in zones {
        let key = format!("{zone}/{PIPELINE}/never");
        // The same right as to put an object, which in the first two would start functions.
        calls.push(s3("create_multipart_upload", json!({"Key": key}), writers));
        calls.push(s3("delete_object", json!({"Key": key}), &[]));
    }
    calls.push(s3("put_object", json!({"Key": "rejected/never", "Body": ""}), &["clean"]));
    calls.push(s3("put_object", json!({"Key": "refused/never", "Body": ""}), &["load"]));
    calls.push(s3(
        "put_object",
        json!({"Key": "definitions/never", "Body": "", "IfNoneMatch": "*"}),
        &[],
    ));
    calls
}

fn vault(stack: &Stack) -> Vec<Call> {
    let bucket = stack.vault();
    let s3 = |operation, parameters: Value, granted| Call {
        service: "s3",
        operation,
        parameters: with(parameters, "Bucket", &bucket),
        granted,
    };
    // What is written is written once: a role is tried once in a process.
    let new = |key: &str| json!({"Key": key, "Body": "", "IfNoneMatch": "*"});
    vec![
        s3("get_object", json!({"Key": KEPT}), &["backup"]),
        s3("list_objects_v2", json!({"Prefix": "archives/"}), &["backup"]),
        s3("list_objects_v2", json!({"Prefix": "manifests/"}), &["backup"]),
        s3("put_object", new("archives/daily/never"), &["backup"]),
        s3("put_object", new("manifests/daily/never"), &["backup"]),
        s3("put_object", new("never"), &[]),
        s3("delete_object", json!({"Key": KEPT}), &[]),
        s3("delete_object", json!({"Key": KEPT, "BypassGovernanceRetention": true}), &[]),
        s3(
            "put_bucket_versioning",
            json!({"VersioningConfiguration": {"Status": "Suspended"}}),
            &[],
        ),
        s3(
            "put_object_lock_configuration",
            json!({"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}),
            &[],
        ),
        s3("put_bucket_policy", json!({"Policy": "{}"}), &[]),
    ]
}

fn ledger(stack: &Stack) -> Vec<Call> {
    let table = format!("{}-ledger", stack.name());
    let dynamodb = |operation, parameters: Value, granted| Call {
        service: "dynamodb",
        operation,
        parameters: with(parameters, "TableName", &table),
        granted,
    };
    let item = json!({"pk": {"S": "F#never"}, "sk": {"S": "FACT"}});
    let query =
        |key: &str| json!({"KeyConditionExpression": format!("{key} = :it"), "ExpressionAttributeValues": {":it": {"S": "F#never"}}});
    vec![
        dynamodb("get_item", json!({"Key": item}), &ROLES),
        dynamodb("query", query("pk"), &["extract", "load", "backup", "watch"]),
        dynamodb("query", with(query("gpk"), "IndexName", "runs"), &["watch"]),
        dynamodb("delete_item", json!({"Key": item}), &["extract", "load", "backup", "watch"]),
        dynamodb("scan", json!({}), &[]),
        dynamodb("update_table", json!({"BillingMode": "PAY_PER_REQUEST"}), &[]),
    ]
}

fn queues(stack: &Stack, made: &Made) -> Vec<Call> {
    let sqs = |queue: &str, operation, parameters: Value, granted| Call {
        service: "sqs",
        operation,
        parameters: with(parameters, "QueueUrl", &stack.queue_url(queue)),
        granted,
    };
    // A message that is looked at so is there for its function at once.
    let look = json!({"VisibilityTimeout": 0});
    let run = json!({"pipeline": PIPELINE, "resource": "rows", "scheduled_at": "2026-01-01T00:01:00Z", "requested_by": "schedule"});
    let replay = json!({"raw": made.raw, "definition": made.hash, "generation": 1});
    type Roles = &'static [&'static str];
    // Of a vault without a backup: there is nothing to do.
    let drill = json!({"task": "drill", "scheduled_at": "2026-01-01T05:00:00Z", "requested_by": "schedule"});
    let works: [(&str, Roles, Roles, Value); 5] = [
        ("extract", &["extract"], &["extract", "watch"], run),
        ("clean", &["clean"], &["watch"], json!({"raw": made.raw})),
        ("clean-replay", &["clean"], &[], replay),
        ("load", &["load"], &["watch"], json!({"clean": made.clean})),
        ("backup", &["backup"], &["backup"], drill),
    ];
    let mut calls = Vec::new();
    for (queue, takers, senders, message) in works {
        let message = json!({"MessageBody": message.to_string()});
        let dead = format!("{queue}-dead");
        calls.push(sqs(queue, "receive_message", look.clone(), takers));
        calls.push(sqs(queue, "send_message", message.clone(), senders));
        calls.push(sqs(queue, "purge_queue", json!({}), &[]));
        calls.push(sqs(&dead, "receive_message", look.clone(), &["watch"]));
        calls.push(sqs(&dead, "send_message", message, &[]));
        calls.push(sqs(&dead, "delete_message", json!({"ReceiptHandle": "never"}), &[]));
    }
    calls
}

fn others(stack: &Stack) -> Vec<Call> {
    let call = |service, operation, parameters, granted| Call {
        service,
        operation,
        parameters,
        granted,
    };
    let secret = |name: &str| json!({"SecretId": format!("{}/{name}", stack.name())});
    let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}-incidents", stack.name());
    let role = format!("arn:aws:iam::{ACCOUNT}:role/{}-load-{REGION}", stack.name());
    let event = json!({"Entries": [{"Source": "tidemill", "DetailType": "tidemill.tried", "Detail": "{}"}]});
    let function = format!("{}-clean", stack.name());
    vec![
        call("secretsmanager", "get_secret_value", secret("mongodb"), &["load", "backup"]),
        call("secretsmanager", "get_secret_value", secret("source"), &["extract"]),
        call(
            "secretsmanager",
            "put_secret_value",
            with(secret("source"), "SecretString", "{}"),
            &[],
        ),
        call("sns", "publish", json!({"TopicArn": topic, "Message": "tried"}), &["watch"]),
        call("events", "put_events", event, &["watch"]),
        call("lambda", "invoke", json!({"FunctionName": function, "Payload": "{}"}), &[]),
        call("sts", "assume_role", json!({"RoleArn": role, "RoleSessionName": "tried"}), &[]),
        call("iam", "list_roles", json!({}), &[]),
    ]
}

fn with(mut parameters: Value, name: &str, value: &str) -> Value {
    parameters[name] = json!(value);
    parameters
}
