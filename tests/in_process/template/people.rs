//! What people and their workflows need: `infra/deployer-policy.json` and `infra/operator-policy.json`, judged as the roles are.

use super::policy::{Request, Statement, allowed};
use super::stack::{ACCOUNT, REGION, Resource, STACK, Stack, text_of};
use serde_json::Value;

/// What IAM takes, spaces not counted: in a role's own policies together, and in one that stands by itself. As `docs/operations.md` gives them.
const POLICIES: [(&str, usize); 2] = [("deployer", 10_240), ("operator", 6_144)];

/// Statements about `*`, and why there is no narrower word.
const NO_RESOURCE: &[(&str, &str, &str)] = &[
    ("operator", "ListSchedules", "IAM knows no resource for it"),
    (
        "deployer",
        "FeedFunctions",
        "a mapping has no name before it exists: the condition names its function",
    ),
    ("deployer", "LookAround", "IAM knows no resource for these, or lists all of them"),
];

/// Patterns of actions: they read how something is set, never what is in it.
const PATTERNS: &[&str] = &["s3:GetBucket*", "s3:Get*Configuration"];

fn text(who: &str) -> String {
    let path = format!("{}/../infra/{who}-policy.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    text.replace("STACK", STACK).replace("ACCOUNT", ACCOUNT).replace("REGION", REGION)
}

fn statements(who: &str) -> Vec<Statement> {
    let policy: Value = serde_json::from_str(&text(who)).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().map(|statement| Statement::read(who, statement)).collect()
}

fn here(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}")
}

fn vault(key: &str) -> String {
    format!("arn:aws:s3:::{STACK}-vault-{ACCOUNT}-{REGION}{key}")
}

fn lake(key: &str) -> String {
    format!("arn:aws:s3:::{STACK}-lake-{ACCOUNT}-{REGION}{key}")
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{STACK}-{name}-{REGION}")
}

/// A request, what is told beside it, and whether it is granted.
type Case<'a> = (&'a str, String, &'a [(&'a str, &'a str)], bool);

fn check(who: &str, cases: &[Case<'_>]) {
    let statements = statements(who);
    for (action, resource, context, expected) in cases {
        let request = Request { action, resource, context };
        assert_eq!(
            allowed(&statements, who, &request),
            *expected,
            "{who}: {action} {resource} {context:?}"
        );
    }
}

#[test]
fn a_policy_for_people_is_written_out_and_short_enough() {
    let mut wide = Vec::new();
    for (who, chars_max) in POLICIES {
        let chars = text(who).chars().filter(|c| !c.is_whitespace()).count();
        assert!(chars <= chars_max, "{who}: {chars} characters");
        for statement in statements(who) {
            assert!(statement.allows, "{who} {}", statement.sid);
            for action in &statement.actions {
                assert!(!action.contains('*') || PATTERNS.contains(&action.as_str()), "{who}: {action}");
            }
            for resource in &statement.resources {
                let is_aws = resource.ends_with(":aws:transform/Serverless-2016-10-31") || resource.contains("aws-sam-cli-managed-default");
                match resource.as_str() {
                    "*" => wide.push((who, statement.sid.clone())),
                    narrow => assert!(
                        narrow.contains(STACK) || is_aws || narrow.ends_with(":event-source-mapping:*"),
                        "{who}: {narrow}"
                    ),
                }
            }
        }
    }
    wide.sort();
    let mut reasoned: Vec<_> = NO_RESOURCE.iter().map(|(who, sid, _)| (*who, (*sid).to_owned())).collect();
    reasoned.sort();
    assert_eq!(wide, reasoned);
}

/// Each line is a call of `crates/cli/src/cloud`, or of the adapters it uses.
#[test]
fn an_operator_may_do_what_the_commands_do() {
    let table = || here("dynamodb", &format!("table/{STACK}-ledger"));
    let queue = |name: &str| here("sqs", &format!("{STACK}-{name}"));
    let schedule = || here("scheduler", &format!("schedule/{STACK}/earthquakes.events"));
    let to_scheduler: &[_] = &[("iam:PassedToService", "scheduler.amazonaws.com")];
    let mut cases: Vec<Case<'_>> = vec![
        // apply
        ("s3:PutObject", lake("/definitions/p/ab.yaml"), &[], true),
        ("dynamodb:PutItem", table(), &[("dynamodb:LeadingKeys", "D#p")], true),
        ("dynamodb:PutItem", table(), &[("dynamodb:LeadingKeys", "C#documents")], true),
        ("dynamodb:PutItem", table(), &[("dynamodb:LeadingKeys", "N#pipelines")], true),
        (
            "dynamodb:UpdateItem",
            table(),
            &[("dynamodb:LeadingKeys", "R#tidemill#apply")],
            true,
        ),
        ("scheduler:ListSchedules", "*".to_owned(), &[], true),
        ("scheduler:CreateSchedule", schedule(), &[], true),
        ("scheduler:DeleteSchedule", schedule(), &[], true),
        ("iam:PassRole", role("scheduler"), to_scheduler, true),
        (
            "secretsmanager:GetSecretValue",
            here("secretsmanager", &format!("secret:{STACK}/mongodb-aBcDeF")),
            &[],
            true,
        ),
        // runs, rejects, explain, replay, incidents
        ("dynamodb:Query", table() + "/index/runs", &[], true),
        ("dynamodb:Query", table(), &[("dynamodb:LeadingKeys", "N#incidents")], true),
        ("s3:ListBucket", lake(""), &[("s3:prefix", "raw/p/r/")], true),
        // A head of an object that may be missing.
        ("s3:ListBucket", lake(""), &[], true),
        // backup list, backup verify, restore
        ("s3:GetObject", vault("/manifests/daily/R.json"), &[], true),
        ("s3:GetObject", vault("/archives/daily/R/1"), &[], true),
        ("s3:ListBucket", vault(""), &[("s3:prefix", "manifests/daily/")], true),
        ("s3:ListBucket", vault(""), &[], true),
        // doctor
        ("sqs:GetQueueAttributes", queue("rules-dead"), &[], true),
        // What no command does.
        ("s3:PutObject", vault("/manifests/daily/R.json"), &[], false),
        ("s3:PutObjectRetention", vault("/archives/daily/R/1"), &[], false),
        ("s3:DeleteObject", vault("/archives/daily/R/1"), &[], false),
        ("s3:DeleteObjectVersion", vault("/archives/daily/R/1"), &[], false),
        ("s3:BypassGovernanceRetention", vault("/archives/daily/R/1"), &[], false),
        ("dynamodb:PutItem", table(), &[("dynamodb:LeadingKeys", "N#backups")], false),
        (
            "scheduler:DeleteSchedule",
            here("scheduler", &format!("schedule/{STACK}-backup/{STACK}-backup")),
            &[],
            false,
        ),
        ("s3:PutObject", lake("/raw/p/r"), &[], false),
        ("s3:DeleteObject", lake("/definitions/p/ab.yaml"), &[], false),
        ("dynamodb:PutItem", table(), &[("dynamodb:LeadingKeys", "F#01ABC#p#r")], false),
        ("dynamodb:UpdateItem", table(), &[("dynamodb:LeadingKeys", "R#p#r")], false),
        ("dynamodb:DeleteItem", table(), &[("dynamodb:LeadingKeys", "N#pipelines")], false),
        ("dynamodb:Scan", table(), &[], false),
        (
            "iam:PassRole",
            role("scheduler"),
            &[("iam:PassedToService", "lambda.amazonaws.com")],
            false,
        ),
        ("iam:PassRole", role("extract"), to_scheduler, false),
        (
            "secretsmanager:GetSecretValue",
            here("secretsmanager", &format!("secret:{STACK}/usgs-aBcDeF")),
            &[],
            false,
        ),
        (
            "scheduler:DeleteSchedule",
            here("scheduler", &format!("schedule/default/{STACK}-watch")),
            &[],
            false,
        ),
        (
            "lambda:UpdateFunctionCode",
            here("lambda", &format!("function:{STACK}-load")),
            &[],
            false,
        ),
    ];
    for name in ["extract", "clean", "clean-replay", "load", "backup"] {
        cases.push(("sqs:SendMessage", queue(name), &[], true));
        cases.push(("sqs:ReceiveMessage", queue(name), &[], false));
        cases.push(("sqs:DeleteMessage", queue(name), &[], false));
    }
    for name in [
        "extract-dead",
        "clean-dead",
        "clean-replay-dead",
        "load-dead",
        "backup-dead",
        "rules-dead",
        "schedules-dead",
    ] {
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"] {
            cases.push((action, queue(name), &[], true));
        }
        cases.push(("sqs:SendMessage", queue(name), &[], false));
        cases.push(("sqs:PurgeQueue", queue(name), &[], false));
    }
    for zone in ["definitions", "raw", "clean", "rejected", "refused"] {
        cases.push(("s3:GetObject", lake(&format!("/{zone}/p/r")), &[], true));
    }
    check("operator", &cases);
}

/// How each kind of the template's resources is made, and what it is called for IAM.
fn made_by(resource: &Resource) -> (&'static str, String) {
    let name = |key: &str| text_of(&resource.properties[key]);
    let bucket = || format!("arn:aws:s3:::{}", name("Bucket"));
    match resource.kind.as_str() {
        "AWS::S3::Bucket" => ("s3:CreateBucket", format!("arn:aws:s3:::{}", name("BucketName"))),
        "AWS::S3::BucketPolicy" => ("s3:PutBucketPolicy", bucket()),
        "AWS::DynamoDB::Table" => ("dynamodb:CreateTable", here("dynamodb", &format!("table/{}", name("TableName")))),
        "AWS::SQS::Queue" => ("sqs:CreateQueue", here("sqs", &name("QueueName"))),
        // It is an attribute of its queues.
        "AWS::SQS::QueuePolicy" => ("sqs:SetQueueAttributes", here("sqs", &format!("{STACK}-extract"))),
        "AWS::Events::Rule" => ("events:PutRule", here("events", &format!("rule/{}", name("Name")))),
        "AWS::Scheduler::ScheduleGroup" => (
            "scheduler:CreateScheduleGroup",
            here("scheduler", &format!("schedule-group/{}", name("Name"))),
        ),
        "AWS::Scheduler::Schedule" => {
            let group = resource.properties["GroupName"].as_str().unwrap_or("default");
            let schedule = format!("schedule/{group}/{}", name("Name"));
            ("scheduler:CreateSchedule", here("scheduler", &schedule))
        }
        "AWS::IAM::Role" => ("iam:CreateRole", format!("arn:aws:iam::{ACCOUNT}:role/{}", name("RoleName"))),
        "AWS::Serverless::Function" => (
            "lambda:CreateFunction",
            here("lambda", &format!("function:{}", name("FunctionName"))),
        ),
        "AWS::Logs::LogGroup" => ("logs:CreateLogGroup", here("logs", &format!("log-group:{}", name("LogGroupName")))),
        "AWS::SNS::Topic" => ("sns:CreateTopic", here("sns", &name("TopicName"))),
        "AWS::SNS::TopicPolicy" => ("sns:SetTopicAttributes", text_of(&resource.properties["Topics"][0])),
        "AWS::SNS::Subscription" => ("sns:Subscribe", name("TopicArn")),
        "AWS::CloudWatch::Alarm" => (
            "cloudwatch:PutMetricAlarm",
            here("cloudwatch", &format!("alarm:{}", name("AlarmName"))),
        ),
        "AWS::Budgets::Budget" => {
            let budget = text_of(&resource.properties["Budget"]["BudgetName"]);
            ("budgets:ModifyBudget", format!("arn:aws:budgets::{ACCOUNT}:budget/{budget}"))
        }
        kind => panic!(
            "{}: say here how {kind} is made, and see that infra/deployer-policy.json allows it",
            resource.id
        ),
    }
}

#[test]
fn a_deployer_may_make_all_there_is_in_the_template() {
    let everything = [("AlarmEmail", "ops@example.com"), ("MonthlyBudgetUsd", "20")];
    let stack = Stack::with(&everything);
    let statements = statements("deployer");
    for resource in stack.resources.values() {
        let (action, arn) = made_by(resource);
        let request = Request {
            action,
            resource: &arn,
            context: &[],
        };
        assert!(allowed(&statements, "deployer", &request), "{}: {action} {arn}", resource.id);
    }
    for name in stack.functions().keys() {
        let handed = Request {
            action: "iam:PassRole",
            resource: &role(name),
            context: &[("iam:PassedToService", "lambda.amazonaws.com")],
        };
        assert!(allowed(&statements, "deployer", &handed), "{name}");
    }
}

/// Who deploys is not who reads: neither records, nor messages, nor secrets. And what is kept can't be deleted with the stack.
#[test]
fn a_deployer_may_not_touch_what_is_in_them() {
    let table = || here("dynamodb", &format!("table/{STACK}-ledger"));
    let [ours, theirs] = [format!("{STACK}-load"), "billing".to_owned()].map(|name| here("lambda", &format!("function:{name}")));
    check(
        "deployer",
        &[
            ("s3:GetObject", lake("/raw/p/r"), &[], false),
            ("s3:PutObject", lake("/raw/p/r"), &[], false),
            ("s3:DeleteBucket", lake(""), &[], false),
            ("s3:GetObject", vault("/archives/daily/R/1"), &[], false),
            ("s3:DeleteObjectVersion", vault("/archives/daily/R/1"), &[], false),
            ("s3:BypassGovernanceRetention", vault("/archives/daily/R/1"), &[], false),
            ("s3:BypassGovernanceRetention", lake("/raw/p/r"), &[], false),
            ("dynamodb:GetItem", table(), &[], false),
            ("dynamodb:DeleteTable", table(), &[], false),
            ("sqs:ReceiveMessage", here("sqs", &format!("{STACK}-extract")), &[], false),
            (
                "secretsmanager:GetSecretValue",
                here("secretsmanager", &format!("secret:{STACK}/mongodb-aBcDeF")),
                &[],
                false,
            ),
            (
                "logs:GetLogEvents",
                here("logs", &format!("log-group:/aws/lambda/{STACK}-load")),
                &[],
                false,
            ),
            (
                "cloudformation:DeleteStack",
                here("cloudformation", &format!("stack/{STACK}/1")),
                &[],
                false,
            ),
            ("iam:CreateRole", role("other"), &[], false),
            ("iam:CreateUser", format!("arn:aws:iam::{ACCOUNT}:user/mill"), &[], false),
            ("iam:AttachRolePolicy", role("load"), &[], false),
            ("iam:PassRole", role("load"), &[("iam:PassedToService", "ec2.amazonaws.com")], false),
            (
                "lambda:CreateEventSourceMapping",
                "*".to_owned(),
                &[("lambda:FunctionArn", &ours)],
                true,
            ),
            (
                "lambda:CreateEventSourceMapping",
                "*".to_owned(),
                &[("lambda:FunctionArn", &theirs)],
                false,
            ),
        ],
    );
}
