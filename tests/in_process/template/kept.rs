//! What is kept: buckets, the table, logs; closed to the world, versioned, encrypted.

use super::policy::{Request, Statement};
use super::stack::{Resource, Stack, many, template, text_of};
use backup::{keys, retention::Class};
use lake::RunId;
use serde_json::{Value, json};

fn statements(policy: &Resource) -> Vec<Statement> {
    let all = policy.properties["PolicyDocument"]["Statement"].as_array().unwrap();
    all.iter().map(|statement| Statement::read(&policy.id, statement)).collect()
}

fn denied(policies: &[Statement], request: &Request<'_>) -> bool {
    policies.iter().any(|statement| !statement.allows && statement.meets(request))
}

#[test]
fn buckets_are_closed_versioned_encrypted_and_outlive_the_stack() {
    let stack = Stack::with(&[]);
    let buckets: Vec<&Resource> = stack.of_kind("AWS::S3::Bucket").collect();
    assert_eq!(buckets.len(), 3);
    for bucket in buckets {
        let said = &bucket.properties;
        let closed = json!({"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true});
        assert_eq!(said["PublicAccessBlockConfiguration"], closed, "{}", bucket.id);
        assert_eq!(
            said["OwnershipControls"]["Rules"][0]["ObjectOwnership"], "BucketOwnerEnforced",
            "{}",
            bucket.id
        );
        assert_eq!(said["VersioningConfiguration"]["Status"], "Enabled", "{}", bucket.id);
        assert_eq!(algorithm(bucket), "AES256", "{}", bucket.id);
        let rules = said["LifecycleConfiguration"]["Rules"].as_array().unwrap();
        let aborted = |rule: &Value| rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7;
        assert!(rules.iter().any(aborted), "{}", bucket.id);
        assert!(
            rules.iter().any(|rule| !rule["NoncurrentVersionExpiration"].is_null()),
            "{}",
            bucket.id
        );
        assert!(rules.iter().all(|rule| rule["Status"] == "Enabled"), "{}", bucket.id);
        assert_eq!(bucket.kept, [Some("Retain".to_owned()), Some("Retain".to_owned())], "{}", bucket.id);
    }
}

fn algorithm(bucket: &Resource) -> &Value {
    &bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
}

#[test]
fn with_a_key_everything_is_encrypted_with_it() {
    let key = "arn:aws:kms:eu-central-1:123456789012:key/ab";
    let stack = Stack::with(&[("KmsKeyArn", key)]);
    for bucket in stack.of_kind("AWS::S3::Bucket") {
        assert_eq!(algorithm(bucket), "aws:kms", "{}", bucket.id);
    }
    for resource in stack.of_kind("AWS::SQS::Queue").chain(stack.of_kind("AWS::SNS::Topic")) {
        assert_eq!(resource.properties["KmsMasterKeyId"], key, "{}", resource.id);
        assert!(resource.properties.get("SqsManagedSseEnabled").is_none(), "{}", resource.id);
    }
    assert_eq!(stack.resources["Ledger"].properties["SSESpecification"]["KMSMasterKeyId"], key);
    for queue in Stack::with(&[]).of_kind("AWS::SQS::Queue") {
        assert_eq!(queue.properties["SqsManagedSseEnabled"], true, "{}", queue.id);
    }
}

/// The warehouse's and the vault's many objects would all be billed as events.
#[test]
fn only_the_lake_tells_of_its_objects() {
    let stack = Stack::with(&[]);
    for bucket in stack.of_kind("AWS::S3::Bucket") {
        let told = &bucket.properties["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"];
        assert_eq!(told.as_bool().unwrap_or_default(), bucket.id == "Lake", "{}", bucket.id);
    }
}

fn expiring(stack: &Stack) -> Vec<(String, String)> {
    let rules = stack.resources["Lake"].properties["LifecycleConfiguration"]["Rules"]
        .as_array()
        .unwrap();
    let days = rules.iter().filter(|rule| rule.get("ExpirationInDays").is_some());
    days.map(|rule| (text_of(&rule["Prefix"]), text_of(&rule["ExpirationInDays"])))
        .collect()
}

/// Everything can be made again from raw objects, so nothing takes them away that nobody asked for; definitions are never taken away.
#[test]
fn raw_objects_are_kept_for_good_unless_asked_otherwise() {
    let zones = |stack: Stack| -> Vec<String> { expiring(&stack).into_iter().map(|(zone, _)| zone).collect() };
    assert_eq!(zones(Stack::with(&[])), ["clean/", "rejected/", "refused/"]);
    let asked = expiring(&Stack::with(&[("RawDays", "400")]));
    assert_eq!(asked[0], ("raw/".to_owned(), "400".to_owned()));
    assert_eq!(asked.len(), 4);
}

#[test]
fn raw_objects_and_definitions_are_written_once_by_anybody() {
    let stack = Stack::with(&[]);
    let policy = statements(&stack.resources["LakePolicy"]);
    let lake = "arn:aws:s3:::mill-lake-123456789012-eu-central-1";
    let (creates, if_none) = (("s3:ObjectCreationOperation", "true"), ("s3:if-none-match", "*"));
    let tls = ("aws:SecureTransport", "true");
    for (key, context, expected) in [
        ("raw/p", vec![creates, tls], true),
        ("raw/p", vec![creates, if_none, tls], false),
        ("raw/p", vec![("s3:ObjectCreationOperation", "false"), tls], false),
        ("definitions/p", vec![creates, tls], true),
        ("definitions/p", vec![creates, if_none, tls], false),
        ("clean/p", vec![creates, tls], false),
    ] {
        let request = Request {
            action: "s3:PutObject",
            resource: &format!("{lake}/{key}"),
            context: &context,
        };
        assert_eq!(denied(&policy, &request), expected, "{key} {context:?}");
    }
}

/// Buckets, queues and the topic: each has one policy at most (a second one would replace the first), and it refuses what comes without TLS.
#[test]
fn nothing_is_taken_without_tls() {
    let stack = Stack::with(&[]);
    let mut spoken_of: Vec<String> = Vec::new();
    for (kind, of, action) in [
        ("AWS::S3::BucketPolicy", "Bucket", "s3:GetObject"),
        ("AWS::SQS::QueuePolicy", "Queues", "sqs:SendMessage"),
        ("AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
    ] {
        for policy in stack.of_kind(kind) {
            let said = statements(policy);
            let resource = match said
                .iter()
                .flat_map(|statement| &statement.resources)
                .find(|resource| *resource != "*")
            {
                Some(resource) => format!(
                    "{}{}",
                    resource.split('/').next().unwrap(),
                    if action == "s3:GetObject" { "/raw/p" } else { "" }
                ),
                None => "arn:aws:sqs:eu-central-1:123456789012:any".to_owned(),
            };
            for (tls, expected) in [("false", true), ("true", false)] {
                let request = Request {
                    action,
                    resource: &resource,
                    context: &[("aws:SecureTransport", tls)],
                };
                assert_eq!(denied(&said, &request), expected, "{} {resource} TLS {tls}", policy.id);
            }
            spoken_of.extend(many(&policy.properties[of]));
        }
    }
    let total = spoken_of.len();
    spoken_of.sort_unstable();
    spoken_of.dedup();
    assert_eq!((spoken_of.len(), total), (3 + 12 + 1, 3 + 12 + 1), "{spoken_of:?}");
}

/// For an emulator that speaks plain HTTP; whoever takes this for anything else sees its name.
#[test]
fn only_a_parameter_of_that_name_lifts_it() {
    let stack = Stack::with(&[("TlsOnly", "false")]);
    let policies = ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"];
    let left = policies.iter().flat_map(|kind| stack.of_kind(kind)).flat_map(statements);
    assert!(left.into_iter().all(|statement| statement.sid != "TlsOnly"));
}

/// What comes without a lock of its own has the shortest: nothing in the vault is without one.
#[test]
fn the_vault_is_locked() {
    let stack = Stack::with(&[("VaultLockMode", "COMPLIANCE"), ("BackupDailyDays", "7")]);
    let vault = &stack.resources["Vault"].properties;
    assert_eq!(vault["ObjectLockEnabled"], true);
    let retention = &vault["ObjectLockConfiguration"]["Rule"]["DefaultRetention"];
    assert_eq!(
        (text_of(&retention["Mode"]), text_of(&retention["Days"])),
        ("COMPLIANCE".to_owned(), "7".to_owned())
    );
}

/// Not even by who may do everything: a backup is put once, and nobody deletes it or lifts its lock while this policy stands.
#[test]
fn backups_are_written_once_and_deleted_by_nobody() {
    for stack in [Stack::with(&[]), Stack::with(&[("TlsOnly", "false")])] {
        let policy = statements(&stack.resources["VaultPolicy"]);
        let (creates, if_none) = (("s3:ObjectCreationOperation", "true"), ("s3:if-none-match", "*"));
        let tls = ("aws:SecureTransport", "true");
        for (action, context, expected) in [
            ("s3:PutObject", vec![creates, tls], true),
            ("s3:PutObject", vec![creates, if_none, tls], false),
            ("s3:PutObjectRetention", vec![tls], false),
            ("s3:GetObject", vec![tls], false),
            ("s3:DeleteObject", vec![tls], true),
            ("s3:DeleteObjectVersion", vec![tls], true),
            ("s3:BypassGovernanceRetention", vec![tls], true),
        ] {
            for key in ["archives/daily/R/1", "manifests/daily/R.json", "other"] {
                let request = Request {
                    action,
                    resource: &format!("arn:aws:s3:::mill-vault-123456789012-eu-central-1/{key}"),
                    context: &context,
                };
                assert_eq!(denied(&policy, &request), expected, "{action} {key} {context:?}");
            }
        }
    }
}

/// As many hops as a backup has (`functions/backup/src/lambda/mod.rs`), and a night until the lifecycle runs.
const LONGEST_HOPS: u64 = 200 + 24 * 4 / 2;

/// A lock has ended when the lifecycle comes, so that it takes what it should; and what says that there is a backup goes first, also of one that took as
/// many invocations of 15 minutes as it may: its first part is older than its manifest by all of them. For all days that can be chosen.
#[test]
fn a_class_of_backups_goes_when_its_lock_has_ended_the_manifests_first() {
    let template = template();
    for class in Class::ALL {
        let name = class.as_str();
        let parameter = format!("Backup{}{}Days", name[..1].to_uppercase(), &name[1..]);
        for days in template["Parameters"][&parameter]["AllowedValues"].as_array().unwrap() {
            let stack = Stack::with(&[(&parameter, days.as_str().unwrap())]);
            let rules = stack.resources["Vault"].properties["LifecycleConfiguration"]["Rules"]
                .as_array()
                .unwrap();
            let after = |prefix: &str| -> u64 {
                let rule = rules.iter().find(|rule| rule["Prefix"] == prefix);
                text_of(&rule.unwrap()["ExpirationInDays"]).parse().unwrap()
            };
            let told = &stack.functions()["backup"]["Environment"]["Variables"][format!("TIDEMILL_BACKUP_{}_DAYS", name.to_uppercase())];
            let locked: u64 = text_of(told).parse().unwrap();
            assert_eq!(after(&keys::manifests(class)), locked, "{name}");
            assert!((after(&format!("archives/{name}/")) - locked) * 24 * 4 > LONGEST_HOPS, "{name}");
        }
    }
    // Each part has a key that one of these rules is about.
    let key = keys::part(Class::Weekly, RunId::new(1, 1), 1, 1).unwrap();
    assert!(key.as_str().starts_with("archives/weekly/"), "{key}");
}

#[test]
fn the_ledger_can_be_set_back_and_costs_nothing_idle() {
    let stack = Stack::with(&[]);
    let ledger = &stack.resources["Ledger"];
    assert_eq!(ledger.properties["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(
        ledger.properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        true
    );
    assert_eq!(ledger.kept, [Some("Retain".to_owned()), Some("Retain".to_owned())]);
    let keys = |of: &Value| -> Vec<String> { of.as_array().unwrap().iter().map(|key| text_of(&key["AttributeName"])).collect() };
    assert_eq!(keys(&ledger.properties["KeySchema"]), ["pk", "sk"]);
    let index = &ledger.properties["GlobalSecondaryIndexes"][0];
    assert_eq!(
        (index["IndexName"].as_str(), keys(&index["KeySchema"])),
        (Some("runs"), vec!["gpk".to_owned(), "gsk".to_owned()])
    );
}

#[test]
fn every_function_logs_to_its_own_group_which_forgets() {
    let stack = Stack::with(&[]);
    for (name, function) in stack.functions() {
        let group = text_of(&function["LoggingConfig"]["LogGroup"]);
        assert_eq!(group, format!("/aws/lambda/mill-{name}"));
        let kept = stack
            .of_kind("AWS::Logs::LogGroup")
            .find(|log| log.properties["LogGroupName"] == group.as_str());
        assert_eq!(text_of(&kept.unwrap().properties["RetentionInDays"]), "30", "{name}");
    }
    assert_eq!(stack.of_kind("AWS::Logs::LogGroup").count(), stack.functions().len());
}

#[test]
fn functions_are_small_arm_binaries_of_one_build() {
    let stack = Stack::with(&[]);
    assert_eq!(
        stack.functions().into_keys().collect::<Vec<_>>(),
        ["backup", "clean", "extract", "load", "watch"]
    );
    for (name, function) in stack.functions() {
        assert_eq!(many(&function["Architectures"]), ["arm64"], "{name}");
        assert_eq!(function["Runtime"], "provided.al2023", "{name}");
        assert_eq!(function["CodeUri"], format!("../target/lambda/{name}/"), "{name}");
    }
}
