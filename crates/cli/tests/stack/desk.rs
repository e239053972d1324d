//! A stack of a test's own in the emulator, and a folder with pipelines.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use cli::{
    cloud::{Names, names::Queue},
    ports::{LakeAt, Ports},
};
use lake::{Definitions, Store, s3::S3Store};
use ledger::dynamodb::DynamoLedger;
use serde_json::{Value, json};
use servers::aws::{ACCOUNT, Emulator, REGION, shared};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Tests before this one, in this process.
static DESKS: AtomicU32 = AtomicU32::new(0);

pub const ORDERS: &str = "pipeline: orders
schedule: rate(1 hour)
source: {files: {root: \"https://files.example.org/\"}}
resources:
  - name: orders
    file: {path: orders.csv}
    record:
      primary_key: [id]
      fields:
        id: {type: string}
        total: {type: double, min: 0}
    load: {collection: orders}
";

/// A deployed stack without functions, and a working folder.
pub struct Desk {
    pub names: Names,
    folder: tempfile::TempDir,
    pub mongodb: Option<String>,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Desk {
    pub fn new() -> Desk {
        let stack = format!("desk{}-{}", std::process::id(), DESKS.fetch_add(1, Ordering::Relaxed));
        let names = Names {
            stack,
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
        };
        let desk = Desk {
            names,
            folder: tempfile::tempdir().unwrap(),
            mongodb: None,
        };
        desk.deploy();
        desk
    }

    pub fn aws(&self) -> &'static Emulator {
        shared()
    }

    /// What the template creates, as far as the command speaks to it.
    fn deploy(&self) {
        let (aws, names) = (self.aws(), &self.names);
        aws.call("s3", "create_bucket", json!({"Bucket": names.lake()}));
        aws.call(
            "s3",
            "create_bucket",
            json!({"Bucket": names.vault(), "ObjectLockEnabledForBucket": true}),
        );
        let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
        let texts = ["pk", "sk", "gpk", "gsk"].map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
        let table = json!({
            "TableName": names.ledger(),
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": texts,
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "GlobalSecondaryIndexes": [{
                "IndexName": "runs",
                "KeySchema": [key("gpk", "HASH"), key("gsk", "RANGE")],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        });
        aws.call("dynamodb", "create_table", table);
        let queues = Queue::ALL.into_iter().flat_map(|queue| [names.queue(queue), names.dead(queue)]);
        for queue in queues.chain(names.undelivered()) {
            aws.call("sqs", "create_queue", json!({"QueueName": queue}));
        }
        aws.call("scheduler", "create_schedule_group", json!({"Name": names.schedule_group()}));
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.folder.path().join(file)).unwrap();
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A pipeline of this name with one resource of the same name, which loads into a collection of the same name.
    pub fn pipeline(&self, name: &str, schedule: &str) {
        let text = ORDERS.replace("orders", name).replace("rate(1 hour)", schedule);
        self.write(&format!("pipelines/{name}.yaml"), &text);
    }

    pub fn command(&self, typed: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(typed).current_dir(self.folder.path()).env_clear();
        command.envs(self.aws().environment()).env("TIDEMILL_STACK", &self.names.stack);
        if let Some(uri) = &self.mongodb {
            command.env("TIDEMILL_MONGODB_URI", uri);
        }
        command
    }

    pub fn type_in(&self, typed: &[&str]) -> Said {
        let output = self.command(typed).output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `apply`, without the collections of a database that this stack has not.
    pub fn apply(&self) -> Said {
        self.type_in(&["apply", "--skip-collections"])
    }

    /// The same, killed as soon as it has said so many lines of what it did.
    pub fn apply_killed_after(&self, lines: usize) {
        let mut command = self.command(&["apply", "--skip-collections"]);
        let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        for _ in 0..lines {
            said.next().unwrap().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The names of the group's schedules, in order.
    pub fn schedules(&self) -> Vec<String> {
        let found = self
            .aws()
            .call("scheduler", "list_schedules", json!({"GroupName": self.names.schedule_group()}));
        let mut names: Vec<String> = found["Schedules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["Name"].as_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names
    }

    pub fn schedule(&self, name: &str) -> Value {
        self.aws().call(
            "scheduler",
            "get_schedule",
            json!({"GroupName": self.names.schedule_group(), "Name": name}),
        )
    }

    /// The bodies of all messages of a queue, which are gone then.
    pub fn messages(&self, queue: &str) -> Vec<String> {
        let url = self.queue_url(queue);
        let mut bodies = Vec::new();
        loop {
            let found = self
                .aws()
                .call("sqs", "receive_message", json!({"QueueUrl": url, "MaxNumberOfMessages": 10}));
            let Some(messages) = found["Messages"].as_array().filter(|some| !some.is_empty()).cloned() else {
                return bodies;
            };
            for message in messages {
                bodies.push(message["Body"].as_str().unwrap().to_owned());
                let handle = message["ReceiptHandle"].clone();
                self.aws()
                    .call("sqs", "delete_message", json!({"QueueUrl": url, "ReceiptHandle": handle}));
            }
        }
    }

    pub fn send(&self, queue: &str, body: &str) {
        let url = self.queue_url(queue);
        self.aws()
            .call("sqs", "send_message", json!({"QueueUrl": url, "MessageBody": body}));
    }

    /// Looks at a message of the queue, which hides it from others for so many seconds.
    pub fn hide(&self, queue: &str, seconds: u32) {
        let url = self.queue_url(queue);
        let request = json!({"QueueUrl": url, "VisibilityTimeout": seconds});
        let found = self.aws().call("sqs", "receive_message", request);
        assert_eq!(found["Messages"].as_array().map(Vec::len), Some(1), "{found}");
    }

    fn queue_url(&self, queue: &str) -> String {
        let found = self.aws().call("sqs", "get_queue_url", json!({"QueueName": queue}));
        found["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// What the stack keeps, for a test that plays its functions. Documents are what the caller brings.
    pub fn ports(&self, documents: Arc<dyn documents::Documents>) -> Ports {
        let config = self.config();
        let store: Arc<dyn Store> = Arc::new(S3Store::new(&config, &self.names.lake()));
        Ports {
            definitions: Arc::new(Definitions::new(store.clone())),
            store,
            ledger: Arc::new(self.ledger()),
            documents,
            lake: LakeAt::Bucket(self.names.lake()),
        }
    }

    pub fn vault(&self) -> Arc<dyn Store> {
        Arc::new(S3Store::new(&self.config(), &self.names.vault()))
    }

    pub fn ledger(&self) -> DynamoLedger {
        DynamoLedger::new(&self.config(), &self.names.ledger())
    }

    fn config(&self) -> aws_config::SdkConfig {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let credentials = Credentials::new("test", "test", None, None, "test");
        aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new(REGION))
            .endpoint_url(self.aws().endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build()
    }
}

impl Said {
    /// All of it, with what differs from run to run masked.
    pub fn masked(&self, desk: &Desk) -> String {
        let mut text = format!("{}--- err, exit {}\n{}", self.out, self.code, self.err).replace(&desk.names.stack, "STACK");
        for (pattern, mask) in [
            (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "RUN"),
            (r"\d+(\.\d)? m?s\b", "TIME"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "MOMENT"),
            // The width of a column hangs on what was masked in it.
            (r" {3,}", "  "),
        ] {
            text = regex::Regex::new(pattern).unwrap().replace_all(&text, mask).into_owned();
        }
        text
    }

    pub fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
