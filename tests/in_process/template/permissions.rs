//! Least privilege (law 8): what each role may do, and above all what it may not. The emulator enforces most of this; here it is judged without it.

use super::policy::{Request, Statement, allowed, statements};
use super::stack::{Stack, many, text_of};
use serde_json::Value;

const LAKE: &str = "arn:aws:s3:::mill-lake-123456789012-eu-central-1";
const VAULT: &str = "arn:aws:s3:::mill-vault-123456789012-eu-central-1";
const HERE: &str = "eu-central-1:123456789012";
const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/limits";
const ROLES: &[&str] = &[
    "backup",
    "backup-schedule",
    "clean",
    "extract",
    "load",
    "scheduler",
    "watch",
    "watch-schedule",
];

/// Every parameter that adds to what a role may do.
const EVERYTHING: &[(&str, &str)] = &[
    ("KmsKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/ab"),
    ("LoadSubnetIds", "subnet-1,subnet-2"),
    ("LoadSecurityGroupIds", "sg-1"),
    ("PermissionsBoundaryArn", BOUNDARY),
];

/// Statements about `*`, and why there is no narrower word.
const NO_RESOURCE: &[(&str, &str, &str)] = &[
    ("backup", "LiveInSubnets", "AWS asks for network interfaces before they exist"),
    ("backup", "ButNotByItsCode", "it forbids what the other allows"),
    ("load", "LiveInSubnets", "AWS asks for network interfaces before they exist"),
    ("load", "ButNotByItsCode", "it forbids what the other allows"),
];

fn everything() -> Vec<Statement> {
    statements(&Stack::with(EVERYTHING))
}

/// Who may do this, of all roles.
fn who(statements: &[Statement], action: &str, resource: &str, context: &[(&str, &str)]) -> Vec<&'static str> {
    let request = Request { action, resource, context };
    let may = ROLES.iter().filter(|role| allowed(statements, role, &request));
    may.copied().collect()
}

#[test]
fn the_roles_are_these_and_each_is_taken_on_by_one_service() {
    let stack = Stack::with(EVERYTHING);
    let mut found: Vec<String> = statements(&stack).into_iter().map(|statement| statement.role).collect();
    found.dedup();
    found.sort_unstable();
    assert_eq!(found, ROLES);
    for role in stack.of_kind("AWS::IAM::Role") {
        let trust = role.properties["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap();
        assert_eq!(trust.len(), 1, "{}", role.id);
        let service = if role.id.contains("Schedule") { "scheduler" } else { "lambda" };
        assert_eq!(trust[0]["Principal"]["Service"], format!("{service}.amazonaws.com"), "{}", role.id);
        assert_eq!(trust[0]["Action"], "sts:AssumeRole", "{}", role.id);
    }
    for (name, function) in stack.functions() {
        let role = stack.by_arn(&function["Role"]);
        assert_eq!(text_of(&role.properties["RoleName"]), format!("mill-{name}-eu-central-1"));
        assert!(function.get("Policies").is_none(), "{name}: its role is written out");
    }
}

#[test]
fn a_role_is_written_out_and_within_the_boundary() {
    for role in Stack::with(EVERYTHING).of_kind("AWS::IAM::Role") {
        assert_eq!(role.properties["PermissionsBoundary"], BOUNDARY, "{}", role.id);
        assert!(role.properties.get("ManagedPolicyArns").is_none(), "{}", role.id);
    }
    for role in Stack::with(&[]).of_kind("AWS::IAM::Role") {
        assert!(role.properties.get("PermissionsBoundary").is_none(), "{}", role.id);
    }
    let kinds = [
        "AWS::IAM::Policy",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::User",
    ];
    assert!(kinds.iter().all(|kind| Stack::with(EVERYTHING).of_kind(kind).next().is_none()));
}

#[test]
fn no_statement_says_everything() {
    let mut wide = Vec::new();
    for statement in everything() {
        let place = format!("{} {}", statement.role, statement.sid);
        assert!(
            statement.actions.iter().all(|action| !action.contains('*')),
            "{place}: {:?}",
            statement.actions
        );
        assert!(statement.sid.chars().all(|c| c.is_ascii_alphanumeric()), "{place}");
        for resource in &statement.resources {
            match resource.as_str() {
                "*" => wide.push((statement.role.clone(), statement.sid.clone())),
                narrow => assert!(
                    narrow.contains("mill") || narrow.ends_with("event-bus/default") || narrow.contains(":key/"),
                    "{place}: {narrow}"
                ),
            }
        }
    }
    let reasoned: Vec<(String, String)> = NO_RESOURCE
        .iter()
        .map(|(role, sid, _)| ((*role).to_owned(), (*sid).to_owned()))
        .collect();
    assert_eq!(wide, reasoned);
}

#[test]
fn each_zone_of_the_lake_is_read_and_written_by_those_who_must() {
    let statements = everything();
    let (part, end) = ("p/r/dt=2026-11-24/R/000001.jsonl.zst", "p/r/dt=2026-11-24/R/end.jsonl.zst");
    for (zone, object, readers, writers) in [
        ("raw", part, &["clean", "extract", "watch"][..], &["extract"][..]),
        ("raw", end, &["clean", "extract", "load", "watch"], &["extract"]),
        ("clean", part, &["load", "watch"], &["clean"]),
        ("rejected", part, &[], &["clean"]),
        ("refused", part, &[], &["load"]),
        ("definitions", "p/abc.yaml", &["clean", "extract", "load", "watch"], &[]),
        ("inbox", part, &[], &[]),
    ] {
        let arn = format!("{LAKE}/{zone}/{object}");
        assert_eq!(who(&statements, "s3:GetObject", &arn, &[]), readers, "read {zone}/{object}");
        assert_eq!(who(&statements, "s3:PutObject", &arn, &[]), writers, "write {zone}/{object}");
    }
}

/// Raw objects least of all: not by a version, not by a lifecycle, not by a policy.
#[test]
fn no_role_deletes_an_object_or_changes_a_bucket() {
    let statements = everything();
    let deleting = [
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutLifecycleConfiguration",
        "s3:PutBucketVersioning",
        "s3:PutBucketPolicy",
        "s3:DeleteBucket",
        "s3:BypassGovernanceRetention",
        "s3:PutObjectLegalHold",
        "s3:PutBucketObjectLockConfiguration",
    ];
    for bucket in ["lake", "warehouse", "vault"] {
        for object in [
            "",
            "/raw/p",
            "/clean/p",
            "/rejected/p",
            "/refused/p",
            "/definitions/p",
            "/archives/p",
            "/manifests/p",
        ] {
            let arn = format!("arn:aws:s3:::mill-{bucket}-123456789012-eu-central-1{object}");
            for action in deleting {
                assert_eq!(who(&statements, action, &arn, &[]), [""; 0], "{action} {arn}");
            }
        }
    }
}

/// Its writers come with the functions that write there.
#[test]
fn nobody_reaches_the_warehouse_yet() {
    let statements = everything();
    for action in ["s3:GetObject", "s3:PutObject", "s3:ListBucket"] {
        for object in ["", "/any"] {
            let arn = format!("arn:aws:s3:::mill-warehouse-123456789012-eu-central-1{object}");
            assert_eq!(who(&statements, action, &arn, &[]), [""; 0], "{action} {arn}");
        }
    }
}

/// It writes, locks and reads; that it neither deletes nor lifts a lock, the test above says of all. It has no way to the lake.
#[test]
fn only_backup_reaches_the_vault() {
    let statements = everything();
    for (object, expected) in [
        ("archives/daily/R/000001-00000001.archive.gz", &["backup"][..]),
        ("manifests/daily/R.json", &["backup"]),
        ("other", &[]),
    ] {
        let arn = format!("{VAULT}/{object}");
        for action in ["s3:GetObject", "s3:PutObject", "s3:PutObjectRetention"] {
            assert_eq!(who(&statements, action, &arn, &[]), expected, "{action} {object}");
        }
        let others = format!("{LAKE}/{object}");
        assert_eq!(who(&statements, "s3:PutObjectRetention", &others, &[]), [""; 0], "{object}");
    }
    let list = |prefix: &str| who(&statements, "s3:ListBucket", VAULT, &[("s3:prefix", prefix)]);
    assert_eq!(list("manifests/daily/"), ["backup"]);
    assert_eq!(list("archives/daily/R/"), ["backup"]);
    assert_eq!(list(""), [""; 0]);
    assert_eq!(
        who(&statements, "s3:ListBucket", VAULT, &[]),
        ["backup"],
        "to tell missing from forbidden"
    );
}

/// Who takes the function over could else make the account pay for a century, or in a mode that nobody lifts.
#[test]
fn what_backup_locks_it_locks_no_longer_and_no_firmer_than_the_stack_says() {
    let longest = super::stack::template()["Parameters"]["BackupYearlyDays"]["AllowedValues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|days| days.as_str().unwrap().parse::<u32>().unwrap())
        .max()
        .unwrap();
    let arn = format!("{VAULT}/archives/daily/R/000001-00000001.archive.gz");
    for (stack_mode, mode, days, expected) in [
        ("GOVERNANCE", "GOVERNANCE", longest, &["backup"][..]),
        ("GOVERNANCE", "GOVERNANCE", 36_500, &[]),
        ("GOVERNANCE", "COMPLIANCE", 14, &[]),
        ("COMPLIANCE", "COMPLIANCE", longest, &["backup"]),
        ("COMPLIANCE", "COMPLIANCE", 36_500, &[]),
    ] {
        let statements = statements(&Stack::with(&[("VaultLockMode", stack_mode)]));
        let days = days.to_string();
        let context = [("s3:object-lock-mode", mode), ("s3:object-lock-remaining-retention-days", &days)];
        assert_eq!(who(&statements, "s3:PutObjectRetention", &arn, &context), expected, "{context:?}");
    }
}

/// A missing object is told from a forbidden one, and a list of another zone is refused.
#[test]
fn lists_end_at_the_zones_that_a_role_reads() {
    let statements = everything();
    let list = |prefix: &str| who(&statements, "s3:ListBucket", LAKE, &[("s3:prefix", prefix)]);
    assert_eq!(who(&statements, "s3:ListBucket", LAKE, &[]), ["clean", "extract", "load", "watch"]);
    assert_eq!(list("raw/p/"), ["clean", "extract", "load", "watch"]);
    assert_eq!(list("clean/p/"), ["load", "watch"]);
    assert_eq!(list("rejected/p/"), [""; 0]);
    assert_eq!(list(""), [""; 0]);
}

#[test]
fn only_load_and_backup_read_the_secret_of_the_database() {
    let statements = everything();
    for (secret, readers) in [
        ("mill/mongodb-aBcDeF", &["backup", "load"][..]),
        ("mill/usgs-aBcDeF", &["extract"]),
        ("mill/mongodb-archive-aBcDeF", &["extract"]),
        ("other/usgs-aBcDeF", &[]),
        ("mill2/mongodb-aBcDeF", &[]),
    ] {
        let arn = format!("arn:aws:secretsmanager:{HERE}:secret:{secret}");
        assert_eq!(who(&statements, "secretsmanager:GetSecretValue", &arn, &[]), readers, "{secret}");
        assert_eq!(who(&statements, "secretsmanager:PutSecretValue", &arn, &[]), [""; 0], "{secret}");
    }
}

/// A user of its own for backups: then neither of the two reads the other's secret, and extract none of them.
#[test]
fn backup_may_have_a_secret_of_its_own() {
    let stack = Stack::with(&[("BackupMongodbSecret", "mill/mongodb-reader")]);
    let told = &stack.functions()["backup"]["Environment"]["Variables"]["TIDEMILL_MONGODB_SECRET"];
    assert_eq!(told, "mill/mongodb-reader");
    let statements = statements(&stack);
    for (secret, readers) in [
        ("mill/mongodb-aBcDeF", &["load"][..]),
        ("mill/mongodb-reader-aBcDeF", &["backup"]),
        ("mill/usgs-aBcDeF", &["extract"]),
    ] {
        let arn = format!("arn:aws:secretsmanager:{HERE}:secret:{secret}");
        assert_eq!(who(&statements, "secretsmanager:GetSecretValue", &arn, &[]), readers, "{secret}");
    }
}

#[test]
fn each_queue_is_sent_to_and_taken_from_by_those_who_must() {
    let statements = everything();
    for (queue, senders, takers) in [
        ("extract", &["extract", "scheduler", "watch"][..], &["extract"][..]),
        ("clean", &["watch"], &["clean"]),
        ("clean-replay", &[], &["clean"]),
        ("load", &["watch"], &["load"]),
        ("backup", &["backup", "backup-schedule"], &["backup"]),
        ("backup-dead", &[], &[]),
        ("extract-dead", &[], &[]),
        ("clean-dead", &[], &[]),
        ("clean-replay-dead", &[], &[]),
        ("load-dead", &[], &[]),
        ("rules-dead", &[], &[]),
        ("schedules-dead", &["backup-schedule", "scheduler", "watch-schedule"], &[]),
    ] {
        let arn = format!("arn:aws:sqs:{HERE}:mill-{queue}");
        assert_eq!(who(&statements, "sqs:SendMessage", &arn, &[]), senders, "send to {queue}");
        assert_eq!(who(&statements, "sqs:DeleteMessage", &arn, &[]), takers, "delete from {queue}");
        let lookers: &[&str] = if queue.ends_with("-dead") { &["watch"] } else { takers };
        assert_eq!(who(&statements, "sqs:ReceiveMessage", &arn, &[]), lookers, "receive from {queue}");
        assert_eq!(who(&statements, "sqs:PurgeQueue", &arn, &[]), [""; 0], "purge {queue}");
    }
}

/// The emulator can't judge the keys of items: here they are.
#[test]
fn each_kind_of_item_is_read_and_written_by_those_who_must() {
    let statements = everything();
    let table = format!("arn:aws:dynamodb:{HERE}:table/mill-ledger");
    let everybody = &["backup", "clean", "extract", "load", "watch"][..];
    for (item, readers, listers, writers, removers) in [
        ("SCHEMA", everybody, &["watch"][..], &[][..], &[][..]),
        ("D#quakes", &["extract", "watch"], &["watch"], &[], &[]),
        ("R#quakes#events", &["extract", "watch"], &["extract", "watch"], &["extract"], &[]),
        ("P#quakes", &["extract", "watch"], &["extract", "watch"], &["extract"], &[]),
        (
            "F#01ABC#quakes#events",
            &["clean", "load", "watch"],
            &["extract", "load", "watch"],
            &["clean", "extract", "load"],
            &[],
        ),
        ("O#quakes", &["watch"], &["extract", "watch"], &["extract"], &["load"]),
        ("C#earthquakes", &["watch"], &["watch"], &[], &[]),
        (
            "N#hops",
            &["backup", "extract", "watch"],
            &["watch"],
            &["backup", "extract"],
            &["backup", "extract"],
        ),
        ("N#backups", &["backup", "watch"], &["backup", "watch"], &["backup"], &[]),
        ("N#drills", &["backup", "watch"], &["backup", "watch"], &["backup"], &[]),
        (
            "N#backup-parts",
            &["backup", "watch"],
            &["backup", "watch"],
            &["backup"],
            &["backup"],
        ),
        ("N#incidents", &["watch"], &["watch"], &["watch"], &["watch"]),
        ("N#causes", &["watch"], &["watch"], &["watch"], &["watch"]),
        ("N#watched", &["watch"], &["watch"], &["watch"], &["watch"]),
        ("N#pipelines", &["watch"], &["watch"], &[], &[]),
    ] {
        let context = [("dynamodb:LeadingKeys", item)];
        let who = |action: &str| who(&statements, action, &table, &context);
        assert_eq!(who("dynamodb:GetItem"), readers, "read {item}");
        assert_eq!(who("dynamodb:Query"), listers, "list {item}");
        assert_eq!(who("dynamodb:PutItem"), writers, "write {item}");
        assert_eq!(who("dynamodb:DeleteItem"), removers, "remove {item}");
        for never in [
            "dynamodb:Scan",
            "dynamodb:BatchWriteItem",
            "dynamodb:DeleteTable",
            "dynamodb:UpdateTable",
        ] {
            assert_eq!(who(never), [""; 0], "{never}");
        }
    }
    assert_eq!(who(&statements, "dynamodb:Query", &format!("{table}/index/runs"), &[]), ["watch"]);
}

#[test]
fn only_watch_tells_the_world_and_only_as_tidemill() {
    let statements = everything();
    let topic = format!("arn:aws:sns:{HERE}:mill-incidents");
    assert_eq!(who(&statements, "sns:Publish", &topic, &[]), ["watch"]);
    let bus = format!("arn:aws:events:{HERE}:event-bus/default");
    assert_eq!(
        who(&statements, "events:PutEvents", &bus, &[("events:source", "tidemill")]),
        ["watch"]
    );
    assert_eq!(who(&statements, "events:PutEvents", &bus, &[("events:source", "billing")]), [""; 0]);
    let function = format!("arn:aws:lambda:{HERE}:function:mill-watch");
    assert_eq!(who(&statements, "lambda:InvokeFunction", &function, &[]), ["watch-schedule"]);
}

#[test]
fn each_function_writes_its_own_log() {
    let statements = everything();
    for function in ["backup", "clean", "extract", "load", "watch"] {
        let group = format!("arn:aws:logs:{HERE}:log-group:/aws/lambda/mill-{function}:log-stream:x");
        assert_eq!(who(&statements, "logs:PutLogEvents", &group, &[]), [function]);
        assert_eq!(who(&statements, "logs:DeleteLogGroup", &group, &[]), [""; 0]);
    }
}

/// A key is used by all, through the services that keep data with it, and by no other way.
#[test]
fn a_key_is_used_through_the_services_only() {
    let statements = everything();
    let key = EVERYTHING[0].1;
    for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
        assert_eq!(
            who(&statements, action, key, &[("kms:ViaService", "sqs.eu-central-1.amazonaws.com")]),
            ROLES
        );
        assert_eq!(who(&statements, action, key, &[]), [""; 0]);
    }
    let without = super::policy::statements(&Stack::with(&[]));
    assert!(
        without
            .iter()
            .flat_map(|statement| &statement.actions)
            .all(|action| !action.starts_with("kms:"))
    );
}

/// Network interfaces are made by the service, as the role of load or of backup: their code may not make them.
#[test]
fn only_load_and_backup_live_in_subnets() {
    let stack = Stack::with(EVERYTHING);
    for (name, function) in stack.functions() {
        let subnets = many(&function["VpcConfig"]["SubnetIds"]);
        let reaches_the_database = ["backup", "load"].contains(&name.as_str());
        let expected: &[&str] = if reaches_the_database { &["subnet-1", "subnet-2"] } else { &[] };
        assert_eq!(subnets, expected, "{name}");
    }
    let statements = statements(&stack);
    for action in ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"] {
        assert_eq!(who(&statements, action, "*", &[]), ["backup", "load"]);
        for function in ["backup", "load"] {
            let code = format!("arn:aws:lambda:{HERE}:function:mill-{function}");
            let request = Request {
                action,
                resource: "*",
                context: &[("lambda:SourceFunctionArn", &code)],
            };
            assert!(!allowed(&statements, function, &request), "{function} {action}");
        }
    }
    let public = Stack::with(&[]);
    assert!(public.functions().values().all(|function| function["VpcConfig"] == Value::Null));
    assert_eq!(
        who(&super::policy::statements(&public), "ec2:CreateNetworkInterface", "*", &[]),
        [""; 0]
    );
}
