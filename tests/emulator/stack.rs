//! The deployed system: the real template, by the real `sam deploy`, on an emulator that holds each function to its role.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use lake::s3::S3Store;
use lake::{Definitions, Store};
use ledger::Ledger;
use ledger::dynamodb::DynamoLedger;
use serde_json::{Value, json};
use servers::aws::{ACCOUNT, Emulator, Options, REGION};
use servers::mongodb::Database;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tidemill_tests::chain::Published;
use tokio::runtime::Runtime;

/// What Cargo built for this ring, by the function's name.
const FUNCTIONS: [(&str, &str); 5] = [
    ("extract", env!("CARGO_BIN_EXE_extract-under-test")),
    ("clean", env!("CARGO_BIN_EXE_clean-under-test")),
    ("load", env!("CARGO_BIN_EXE_load-under-test")),
    ("backup", env!("CARGO_BIN_EXE_backup-under-test")),
    ("watch", env!("CARGO_BIN_EXE_watch-under-test")),
];

/// The queues that functions are started by; each has a dead-letter queue.
const QUEUES: [&str; 5] = ["extract", "clean", "clean-replay", "load", "backup"];

/// Longer than anything that is waited for takes, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(100);

const LOG_LINES: usize = 40;

/// A deployed stack. Stacks of one emulator are apart by their names.
pub struct Stack {
    name: String,
    emulator: &'static Emulator,
    folder: PathBuf,
    runtime: Runtime,
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub database: Database<'static>,
}

/// One emulator for the ring: it enforces IAM.
fn emulator() -> &'static Emulator {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(|| {
        Emulator::start(Options {
            iam: true,
            ..Options::default()
        })
    })
}

/// The stack of tests whose pipelines don't disturb each other: each has its own pipeline and its own collection.
pub fn shared() -> &'static Stack {
    static SHARED: OnceLock<Stack> = OnceLock::new();
    SHARED.get_or_init(|| Stack::deploy("shared"))
}

/// The stack of tests that kill functions and run out of time: what would take minutes takes seconds.
pub fn hurried() -> &'static Stack {
    static HURRIED: OnceLock<Stack> = OnceLock::new();
    HURRIED.get_or_init(|| {
        let stack = Stack::deploy("hurried");
        stack.hurry();
        stack
    })
}

impl Stack {
    /// Deploys a stack of this name, with a database of its own.
    pub fn deploy(name: &str) -> Stack {
        let database = servers::mongodb::shared().fresh_database();
        let uri = database.uri();
        Stack::deploy_onto(name, database, &uri)
    }

    /// Deploys a stack whose `load` and `backup` reach the database by `uri`.
    pub fn deploy_onto(name: &str, database: Database<'static>, uri: &str) -> Stack {
        let emulator = emulator();
        let folder = emulator.folder().join("stacks").join(name);
        stage(&folder);
        deploy(emulator, &folder, name);
        lock_vault(emulator, name);
        let secret = json!({"Name": format!("{name}/mongodb"), "SecretString": json!({"uri": uri}).to_string()});
        emulator.call("secretsmanager", "create_secret", secret);
        let config = config(emulator);
        Stack {
            store: Arc::new(S3Store::new(&config, &format!("{name}-lake-{ACCOUNT}-{REGION}"))),
            ledger: Arc::new(DynamoLedger::new(&config, &format!("{name}-ledger"))),
            runtime: runtime(),
            name: name.to_owned(),
            emulator,
            folder,
            database,
        }
    }

    /// What is deployed, and what the functions said; it goes with the emulator.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// By which the SDKs, `sam` and `tidemill` find the emulator.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.emulator.environment()
    }

    /// Types a command of `tidemill` that must end well, and returns what it says.
    pub fn tidemill(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tidemill-under-test"))
            .args(arguments)
            .args(["--stack", &self.name])
            .current_dir(self.folder())
            .envs(self.environment())
            .env("TIDEMILL_MONGODB_URI", self.database.uri())
            .output()
            .unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(
            output.status.success(),
            "tidemill {}: {out}{err}\n{}",
            arguments.join(" "),
            self.told()
        );
        out
    }

    /// Publishes a pipeline file by `tidemill apply`: definition, schedules, collections. Returns what it says.
    pub fn apply(&self, pipeline: &str, text: &str) -> String {
        let path = self.folder.join(format!("{pipeline}.yaml"));
        std::fs::write(&path, text).unwrap();
        self.tidemill(&["apply", path.to_str().unwrap()])
    }

    /// Runs a function now, outside of its queue and schedule.
    pub fn invoke(&self, function: &str, payload: &Value) -> Value {
        let answer = self.call(
            "lambda",
            "invoke",
            json!({"FunctionName": self.function(function), "Payload": payload.to_string()}),
        );
        assert!(answer.get("FunctionError").is_none(), "{function}: {answer}\n{}", self.told());
        serde_json::from_str(answer["Payload"].as_str().unwrap()).unwrap()
    }

    /// Drives what needs the ledger or the lake. One runtime for all: connections live in it.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Publishes a pipeline file, without a schedule.
    pub fn publish(&self, text: &str) -> Published {
        let checked = pipeline::check("test.yaml", text).unwrap_or_else(|faults| panic!("{faults}"));
        let checked = Arc::new(checked);
        self.wait(async {
            let definitions = Definitions::new(self.store.clone());
            definitions.publish(checked.clone(), text).await.unwrap();
            let name = &checked.pipeline.pipeline;
            let generation = self.ledger.apply_definition(name, checked.hash.as_str()).await.unwrap();
            Published {
                checked: checked.clone(),
                generation,
            }
        })
    }

    /// Calls an operation of AWS with the account's own key; see [`Emulator::call`].
    pub fn call(&self, service: &str, operation: &str, parameters: Value) -> Value {
        self.emulator.call(service, operation, parameters)
    }

    /// What a function calls AWS with: credentials of the role that is set for it. The emulator lets the account's own key assume a role that trusts a
    /// service, as the service would.
    pub fn credentials_of(&self, function: &str) -> Value {
        let configuration = self.call(
            "lambda",
            "get_function_configuration",
            json!({"FunctionName": self.function(function)}),
        );
        let assumed = self.call(
            "sts",
            "assume_role",
            json!({"RoleArn": configuration["Role"], "RoleSessionName": self.function(function)}),
        );
        assumed["Credentials"].clone()
    }

    /// Calls an operation of AWS as the role whose credentials these are.
    pub fn try_call_as(&self, credentials: &Value, service: &str, operation: &str, parameters: Value) -> Result<Value, String> {
        self.emulator.try_call_as(credentials, service, operation, parameters)
    }

    /// The name that all of its things begin with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a message to a queue: `extract`, `clean-replay`.
    pub fn send(&self, queue: &str, body: &Value) {
        self.call(
            "sqs",
            "send_message",
            json!({"QueueUrl": self.queue_url(queue), "MessageBody": body.to_string()}),
        );
    }

    /// The address of a queue; of a dead-letter queue by `clean-dead`.
    pub fn queue_url(&self, queue: &str) -> String {
        format!("{}/{ACCOUNT}/{}-{queue}", self.emulator.endpoint(), self.name)
    }

    /// How many messages a queue holds, those that are being worked on included.
    pub fn depth(&self, queue: &str) -> u64 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let found = self.call(
            "sqs",
            "get_queue_attributes",
            json!({"QueueUrl": self.queue_url(queue), "AttributeNames": names}),
        );
        let number = |name: &str| found["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap();
        names.into_iter().map(number).sum()
    }

    /// Messages of a function that failed come again after so many seconds, not after the template's half an hour.
    pub fn hasten(&self, queue: &str, seconds: u32) {
        self.call(
            "sqs",
            "set_queue_attributes",
            json!({"QueueUrl": self.queue_url(queue), "Attributes": {"VisibilityTimeout": seconds.to_string()}}),
        );
    }

    /// Functions have 20 seconds: when these are over, the emulator sees that one was killed. Messages come again after that; those of extract when the
    /// lease of the one that was killed, a minute, is over too, which the template's times see to.
    pub fn hurry(&self) {
        for (function, _) in FUNCTIONS {
            self.give_time(function, 20);
        }
        for queue in QUEUES {
            self.hasten(queue, if queue == "extract" { 85 } else { 25 });
        }
    }

    /// Gives a function so many seconds in the place of the template's.
    pub fn give_time(&self, function: &str, seconds: u32) {
        self.call(
            "lambda",
            "update_function_configuration",
            json!({"FunctionName": self.function(function), "Timeout": seconds}),
        );
    }

    /// Kills what runs of a function; `false` when nothing does.
    pub fn kill(&self, function: &str) -> bool {
        self.emulator.kill_function(&self.function(function)) > 0
    }

    /// Whether a function takes messages from its queues.
    pub fn listen(&self, function: &str, listens: bool) {
        let found = self.call(
            "lambda",
            "list_event_source_mappings",
            json!({"FunctionName": self.function(function)}),
        );
        let mappings = found["EventSourceMappings"].as_array().unwrap();
        assert!(!mappings.is_empty());
        for mapping in mappings {
            self.call(
                "lambda",
                "update_event_source_mapping",
                json!({"UUID": mapping["UUID"], "Enabled": listens}),
            );
        }
    }

    pub fn purge(&self, queue: &str) {
        self.call("sqs", "purge_queue", json!({"QueueUrl": self.queue_url(queue)}));
    }

    /// The text of a message of a queue, which stays there.
    pub fn first_message(&self, queue: &str) -> String {
        let found = self.call(
            "sqs",
            "receive_message",
            json!({"QueueUrl": self.queue_url(queue), "VisibilityTimeout": 0, "WaitTimeSeconds": 20}),
        );
        found["Messages"][0]["Body"].as_str().unwrap().to_owned()
    }

    /// Calls an operation of AWS that may fail, with the account's own key.
    pub fn try_call(&self, service: &str, operation: &str, parameters: Value) -> Result<Value, String> {
        self.emulator.try_call(service, operation, parameters)
    }

    /// The bucket of the backups.
    pub fn vault(&self) -> String {
        vault(&self.name)
    }

    /// The bucket of the lake.
    pub fn lake(&self) -> String {
        format!("{}-lake-{ACCOUNT}-{REGION}", self.name)
    }

    /// The keys of a pipeline's objects in a zone of the lake, in order.
    pub fn keys(&self, zone: &str, pipeline: &str) -> Vec<String> {
        let found = self.wait(self.store.list(&format!("{zone}/{pipeline}/"), None, usize::MAX));
        found.unwrap().iter().map(|key| key.as_str().to_owned()).collect()
    }

    /// How many parts of a pipeline have no end state yet.
    pub fn unfinished(&self, pipeline: &str) -> usize {
        let name = pipeline::Name::new(pipeline).unwrap();
        self.wait(self.ledger.unfinished(&name)).unwrap().len()
    }

    /// Waits until every message is worked on. What failed for good fails the test.
    pub fn until_idle(&self) {
        self.until("no message is in a queue", || {
            let dead: Vec<_> = QUEUES.iter().filter(|queue| self.depth(&format!("{queue}-dead")) > 0).collect();
            assert!(dead.is_empty(), "dead letters of {dead:?}\n{}", self.told());
            QUEUES.iter().all(|queue| self.depth(queue) == 0)
        });
    }

    /// Looks again and again until `is_so`; fails with what the functions said when it takes too long.
    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(
                Instant::now() < deadline,
                "not so within {} seconds: {what}\n{}",
                PATIENCE.as_secs(),
                self.told()
            );
            // Between two looks, so that what is waited for gets the processor.
            std::thread::park_timeout(LOOK);
        }
    }

    /// How many documents a collection holds, as pymongo counts them.
    pub fn count(&self, collection: &str) -> u64 {
        self.database.command(json!({"count": collection}))["n"].as_u64().unwrap()
    }

    /// The full name of a function.
    fn function(&self, function: &str) -> String {
        format!("{}-{function}", self.name)
    }

    /// What is in the queues, and the end of what each function and the emulator said.
    fn told(&self) -> String {
        let depths = QUEUES.iter().flat_map(|queue| [(*queue).to_owned(), format!("{queue}-dead")]);
        let depths: Vec<_> = depths.map(|queue| format!("{queue}: {}", self.depth(&queue))).collect();
        let mut text = format!("queues: {}\n", depths.join(", "));
        for (function, _) in FUNCTIONS {
            text += &format!("---- {function} said:\n{}", tail(&log_path(&self.folder, function)));
        }
        text + &format!("---- the emulator said:\n{}", self.emulator.log())
    }
}

/// What is deployed, as it lies in the repository: the template, and `target/lambda/{function}` beside it.
fn stage(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::create_dir_all(folder.join("infra")).unwrap();
    for file in ["infra/template.yaml", "samconfig.toml"] {
        std::fs::copy(root.join(file), folder.join(file)).unwrap();
    }
    for (function, binary) in FUNCTIONS {
        let target = folder.join("target/lambda").join(function);
        std::fs::create_dir_all(&target).unwrap();
        // Functions run on this machine: the zip need not hold what Cargo built, which is large with its debug information, but only where that is. And
        // the emulator forgets what a function says that ends well.
        let log = log_path(folder, function);
        let script = format!("#!/bin/sh\nexec '{binary}' >>'{}' 2>&1\n", log.display());
        let bootstrap = target.join("bootstrap");
        std::fs::write(&bootstrap, script).unwrap();
        std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// As `docs/operations.md` has it, but without a person who confirms.
fn deploy(emulator: &Emulator, folder: &Path, name: &str) {
    // One after the other: the first makes sam's own bucket, which the others would try at the same moment.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sam = emulator.sam();
    sam.current_dir(folder)
        .args(["deploy", "--config-env", "dev", "--stack-name", name, "--s3-prefix", name])
        .args(["--no-confirm-changeset", "--no-progressbar"])
        // The emulator speaks plain HTTP. And no test begins a backup because it is three in the morning.
        .args(["--parameter-overrides", "TlsOnly=false", "BackupSchedules=DISABLED"]);
    let output = run(&mut sam);
    assert!(output.0, "sam deploy: {}\nthe emulator said:\n{}", output.1, emulator.log());
}

fn vault(stack: &str) -> String {
    format!("{stack}-vault-{ACCOUNT}-{REGION}")
}

/// The emulator's CloudFormation leaves the template's Object Lock out, which its S3 knows.
fn lock_vault(emulator: &Emulator, stack: &str) {
    let lock = json!({"Bucket": vault(stack), "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}});
    emulator.call("s3", "put_object_lock_configuration", lock);
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), said.concat())
}

fn log_path(folder: &Path, function: &str) -> PathBuf {
    folder.join(format!("{function}.log"))
}

fn tail(path: &Path) -> String {
    let log = std::fs::read(path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
    end.iter().map(|line| format!("{line}\n")).collect()
}

/// The account's own key, for what tests look up.
fn config(emulator: &Emulator) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(emulator.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
