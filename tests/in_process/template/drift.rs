//! What is said twice is the same: the template's rules and the runner's routes, a function's environment and its settings.

use super::stack::{ACCOUNT, REGION, STACK, Stack, many, object, template, text_of};
use backup::retention::{Class, Retention};
use cli::cloud::names::{Names, Queue};
use cli::local::routes::{Function, ROUTES};
use host::event::{BackupMessage, BackupTask};
use host::settings::Common;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What the functions are told beside their settings: glibc's allocator.
const ALLOCATOR: &[(&str, &str)] = &[
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "67108864"),
    ("MALLOC_TRIM_THRESHOLD_", "67108864"),
];

/// The laptop runs the same picture.
#[test]
fn the_rules_are_the_runners_routes() {
    let stack = Stack::with(&[]);
    let mut rules = BTreeSet::new();
    for rule in stack.of_kind("AWS::Events::Rule") {
        let pattern = &rule.properties["EventPattern"];
        assert_eq!(many(&pattern["source"]), ["aws.s3"], "{}", rule.id);
        assert_eq!(many(&pattern["detail-type"]), ["Object Created"], "{}", rule.id);
        let bucket = &stack.resources["Lake"].properties["BucketName"];
        assert_eq!(&pattern["detail"]["bucket"]["name"][0], bucket, "{}", rule.id);
        let keys = pattern["detail"]["object"]["key"].as_array().unwrap();
        let targets = rule.properties["Targets"].as_array().unwrap();
        assert_eq!((keys.len(), targets.len()), (1, 1), "{}: one zone, one queue", rule.id);
        let queue = stack.by_arn(&targets[0]["Arn"]);
        for (name, function) in stack.functions() {
            for event in function["Events"].as_object().into_iter().flat_map(|events| events.values()) {
                if stack.by_arn(&event["Properties"]["Queue"]).id == queue.id {
                    rules.insert((text_of(&keys[0]["prefix"]), name.clone()));
                }
            }
        }
    }
    let routes = ROUTES.iter().map(|(zone, function)| {
        let function = match function {
            Function::Clean => "clean",
            Function::Load => "load",
        };
        (format!("{}/", zone.as_str()), function.to_owned())
    });
    assert_eq!(rules, routes.collect());
}

/// A queue takes events from its own rule, and no other.
#[test]
fn a_rule_may_send_to_its_queue() {
    let stack = Stack::with(&[]);
    for rule in stack.of_kind("AWS::Events::Rule") {
        let target = &rule.properties["Targets"][0];
        for arn in [&target["Arn"], &target["DeadLetterConfig"]["Arn"]] {
            let queue = &stack.by_arn(arn).properties["QueueName"];
            let policies = stack.of_kind("AWS::SQS::QueuePolicy").filter(|policy| {
                let queues = many(&policy.properties["Queues"]);
                queues.iter().any(|url| url.ends_with(&format!("/{}", text_of(queue))))
            });
            let from: Vec<String> = policies
                .flat_map(|policy| policy.properties["PolicyDocument"]["Statement"].as_array().unwrap())
                .filter(|statement| statement["Effect"] == "Allow" && statement["Principal"]["Service"] == "events.amazonaws.com")
                .flat_map(|statement| many(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]))
                .collect();
            let name = text_of(&rule.properties["Name"]);
            assert!(
                from.iter().any(|from| from.ends_with(&format!(":rule/{name}"))),
                "{queue}: {from:?}"
            );
        }
    }
}

/// All names follow from the stack's: nothing is looked up.
#[test]
fn the_names_follow_from_the_stacks() {
    let stack = Stack::with(&[]);
    let mut names: Vec<String> = Vec::new();
    for (kind, key) in [
        ("AWS::S3::Bucket", "BucketName"),
        ("AWS::DynamoDB::Table", "TableName"),
        ("AWS::SQS::Queue", "QueueName"),
        ("AWS::SNS::Topic", "TopicName"),
        ("AWS::Serverless::Function", "FunctionName"),
        ("AWS::Scheduler::ScheduleGroup", "Name"),
        ("AWS::Scheduler::Schedule", "Name"),
    ] {
        names.extend(stack.of_kind(kind).map(|resource| text_of(&resource.properties[key])));
    }
    names.push(text_of(&stack.resources["SchedulerRole"].properties["RoleName"]));
    names.sort_unstable();
    let expected = [
        "mill",
        "mill-backup",
        "mill-backup",
        "mill-backup",
        "mill-backup",
        "mill-backup-dead",
        "mill-clean",
        "mill-clean",
        "mill-clean-dead",
        "mill-clean-replay",
        "mill-clean-replay-dead",
        "mill-drill",
        "mill-extract",
        "mill-extract",
        "mill-extract-dead",
        "mill-incidents",
        "mill-lake-123456789012-eu-central-1",
        "mill-ledger",
        "mill-load",
        "mill-load",
        "mill-load-dead",
        "mill-rules-dead",
        "mill-scheduler-eu-central-1",
        "mill-schedules-dead",
        "mill-vault-123456789012-eu-central-1",
        "mill-warehouse-123456789012-eu-central-1",
        "mill-watch",
        "mill-watch",
    ];
    assert_eq!(names, expected, "in the stack `{STACK}`");
}

/// Both ways: a function is told all that it asks for, and asks for all that it is told.
#[test]
fn the_environment_of_a_function_is_its_settings() {
    let stack = Stack::with(&[("BackupLeaveOut", "sessions")]);
    let own: BTreeMap<&str, &[(&str, &str)]> = BTreeMap::from([
        ("backup", &backup::settings::VARIABLES[..]),
        ("clean", &clean::settings::VARIABLES[..]),
        ("extract", &extract::settings::VARIABLES[..]),
        ("load", &load::settings::VARIABLES[..]),
        ("watch", &watch::settings::VARIABLES[..]),
    ]);
    // What a function may be told and the template does tell, since it knows better than the default.
    let optional: BTreeMap<&str, &[(&str, &str)]> = BTreeMap::from([
        ("backup", &backup::settings::OPTIONAL[..]),
        ("watch", &watch::settings::OPTIONAL[..]),
    ]);
    for (name, function) in stack.functions() {
        let mut told: BTreeMap<&str, String> = BTreeMap::new();
        for (variable, value) in object(&function["Environment"]["Variables"]) {
            told.insert(variable, text_of(value));
        }
        for (variable, expected) in ALLOCATOR {
            assert_eq!(told.remove(variable).as_deref(), Some(*expected), "{name}");
        }
        assert!(
            told.values().all(|value| !value.is_empty()),
            "{name}: an empty value counts as not set"
        );
        let common = Common::KEYS.iter().map(|key| key.name);
        let own = own[name.as_str()].iter().map(|(variable, _)| *variable);
        let optional = optional.get(name.as_str()).copied().unwrap_or_default();
        let asked: BTreeSet<&str> = common.chain(own).chain(optional.iter().map(|(variable, _)| *variable)).collect();
        assert_eq!(told.into_keys().collect::<BTreeSet<_>>(), asked, "{name}");
    }
}

/// The values are the names that everybody else works out from the stack's.
#[test]
fn the_functions_are_told_the_right_names() {
    let stack = Stack::with(&[]);
    let functions = stack.functions();
    let told = |function: &str, variable: &str| text_of(&functions[function]["Environment"]["Variables"][variable]);
    let queue = |name: &str| format!("https://sqs.eu-central-1.amazonaws.com/123456789012/mill-{name}");
    for function in ["backup", "clean", "extract", "load", "watch"] {
        assert_eq!(told(function, "TIDEMILL_STACK"), STACK);
        assert_eq!(told(function, "TIDEMILL_LAKE_BUCKET"), "mill-lake-123456789012-eu-central-1");
        assert_eq!(told(function, "TIDEMILL_LEDGER_TABLE"), "mill-ledger");
        assert_eq!(told(function, "TIDEMILL_LOG"), "info");
    }
    assert_eq!(told("extract", "TIDEMILL_EXTRACT_QUEUE_URL"), queue("extract"));
    assert_eq!(told("extract", "TIDEMILL_SECRET_PREFIX"), "mill/");
    assert_eq!(told("load", "TIDEMILL_MONGODB_SECRET"), "mill/mongodb");
    assert_eq!(told("backup", "TIDEMILL_MONGODB_SECRET"), "mill/mongodb");
    assert_eq!(told("backup", "TIDEMILL_BACKUP_QUEUE_URL"), queue("backup"));
    assert_eq!(told("backup", "TIDEMILL_VAULT_BUCKET"), "mill-vault-123456789012-eu-central-1");
    assert_eq!(
        told("watch", "TIDEMILL_TOPIC_ARN"),
        "arn:aws:sns:eu-central-1:123456789012:mill-incidents"
    );
    for name in ["extract", "clean", "load"] {
        let variable = name.to_uppercase().replace('-', "_");
        assert_eq!(told("watch", &format!("TIDEMILL_{variable}_QUEUE_URL")), queue(name));
    }
    for name in ["extract", "clean", "clean-replay", "load", "backup", "rules", "schedules"] {
        let variable = name.to_uppercase().replace('-', "_");
        assert_eq!(
            told("watch", &format!("TIDEMILL_{variable}_DEAD_QUEUE_URL")),
            queue(&format!("{name}-dead"))
        );
    }
}

/// Of the parameters' defaults: what a laptop keeps, the cloud keeps.
#[test]
fn backups_are_kept_as_long_as_on_a_laptop() {
    let stack = Stack::with(&[]);
    let functions = stack.functions();
    let told = &functions["backup"]["Environment"]["Variables"];
    for (class, (variable, _)) in Class::ALL.into_iter().zip(backup::settings::DAYS) {
        assert_eq!(text_of(&told[variable]), Retention::default().days(class).to_string(), "{variable}");
    }
    assert_eq!(told.get(backup::settings::LEAVE_OUT.0), None, "nothing is left out");
    assert_eq!(text_of(&told[backup::settings::LOCK_MODE.0]), backup::settings::LOCK_MODES[0]);
    let limits = &functions["watch"]["Environment"]["Variables"];
    for ((variable, _), hours) in [
        (watch::settings::BACKUP_AGE, watch::settings::BACKUP_AGE_HOURS),
        (watch::settings::DRILL_AGE, watch::settings::DRILL_AGE_HOURS),
    ] {
        assert_eq!(text_of(&limits[variable]), hours.to_string());
    }
}

/// What the schedules say is what the function reads, and it is told the moment.
#[test]
fn the_clock_asks_backup_in_its_own_words() {
    let stack = Stack::with(&[]);
    for (id, task) in [("BackupTick", BackupTask::Backup), ("DrillTick", BackupTask::Drill)] {
        let target = &stack.resources[id].properties["Target"];
        assert_eq!(target["Input"], BackupMessage::schedule_json(task), "{id}");
        assert_eq!(stack.by_arn(&target["Arn"]).id, "BackupQueue", "{id}");
    }
}

/// `tidemill --stack` works the names out as the template does.
#[test]
fn the_command_knows_the_stack_by_the_same_names() {
    let stack = Stack::with(&[]);
    let names = Names {
        stack: STACK.to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
    };
    let named = |id: &str, key: &str| text_of(&stack.resources[id].properties[key]);
    assert_eq!(names.lake(), named("Lake", "BucketName"));
    assert_eq!(names.ledger(), named("Ledger", "TableName"));
    assert_eq!(names.schedule_group(), named("Schedules", "Name"));
    assert_eq!(
        names.undelivered(),
        [named("RulesDead", "QueueName"), named("SchedulesDead", "QueueName")]
    );
    for (queue, id) in [
        (Queue::Extract, "Extract"),
        (Queue::Clean, "Clean"),
        (Queue::CleanReplay, "CleanReplay"),
        (Queue::Load, "Load"),
        (Queue::Backup, "Backup"),
    ] {
        assert_eq!(names.queue(queue), named(&format!("{id}Queue"), "QueueName"));
        assert_eq!(names.dead(queue), named(&format!("{id}Dead"), "QueueName"));
    }
    let wiring = names.wiring();
    for (arn, id) in [
        (wiring.target, "ExtractQueue"),
        (wiring.role, "SchedulerRole"),
        (wiring.dead_letters, "SchedulesDead"),
    ] {
        assert_eq!(stack.by_arn(&json!(arn)).id, id);
    }
    assert_eq!(names.mongodb_secret(), text_of(&stack.outputs["MongodbSecret"]["Value"]));
}

/// `infra/README.md` says how long a stack's name may be: AWS takes 63 characters for a bucket, 64 for a role and for a function.
#[test]
fn the_longest_stack_has_names_that_aws_takes() {
    const STACK_CHARS_MAX: usize = 25;
    const REGION_CHARS_MAX: usize = "ap-southeast-1".len();
    let stack = Stack::with(&[]);
    let mut lengths = BTreeMap::new();
    for (kind, key, max) in [
        ("AWS::S3::Bucket", "BucketName", 63),
        ("AWS::IAM::Role", "RoleName", 64),
        ("AWS::Serverless::Function", "FunctionName", 64),
        ("AWS::SQS::Queue", "QueueName", 80),
        ("AWS::Events::Rule", "Name", 64),
        ("AWS::Scheduler::Schedule", "Name", 64),
    ] {
        for resource in stack.of_kind(kind) {
            let name = text_of(&resource.properties[key]);
            let grown = name.len() - STACK.len() + STACK_CHARS_MAX + name.matches(REGION).count() * (REGION_CHARS_MAX - REGION.len());
            assert!(grown <= max, "{name} would have {grown} characters of {max}");
            lengths.insert(name, max - grown);
        }
    }
    assert_eq!(lengths.values().min(), Some(&0), "a longer name would fit: {lengths:?}");
}

/// What `samconfig.toml` sets are parameters of the template, with values that it allows.
#[test]
fn the_environments_set_parameters_that_are_there() {
    let path = format!("{}/../samconfig.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    let template = template();
    let mut names = Vec::new();
    for line in text.lines().filter_map(|line| line.trim().strip_suffix("\",")) {
        let (name, value) = line.trim_start_matches('"').split_once('=').unwrap();
        let parameter = &template["Parameters"][name];
        assert!(parameter.is_object(), "the template has no parameter {name}");
        let allowed = many(&parameter["AllowedValues"]);
        assert!(
            allowed.is_empty() || allowed.iter().any(|allowed| allowed == value),
            "{name}={value}"
        );
        names.push(name.to_owned());
    }
    assert!(names.len() >= 5, "only {names:?} were found in {path}");
}
