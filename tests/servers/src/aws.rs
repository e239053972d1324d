//! `ministack`, an emulator of AWS, and `sam`, the command that deploys to it: both always processes of their own.

use crate::keeper::Keeper;
use crate::python::{MINISTACK, SAM};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Where everything is.
pub const REGION: &str = "us-east-1";

/// Whose everything is.
pub const ACCOUNT: &str = "000000000000";

const PROGRAM: &str = include_str!("../ministack/server.py");

/// So often another port is tried when one was taken between its choice and its use.
const PORTS_MAX: usize = 5;

/// What an emulator of one's own is like.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Functions may do what their roles say and nothing else. The keys of [`Emulator::environment`] are the account's own: they may do everything.
    pub iam: bool,
    /// More of the emulator's environment, which the functions' processes inherit.
    pub environment: Vec<(String, String)>,
}

/// A running emulator. It ends with the functions' processes, and its folder is removed, when this is dropped or the process ends in any way.
pub struct Emulator {
    keeper: Keeper,
    port: u16,
}

/// One emulator for all tests of this process, without IAM. Buckets and tables of unique names keep tests apart.
pub fn shared() -> &'static Emulator {
    static SHARED: OnceLock<Emulator> = OnceLock::new();
    SHARED.get_or_init(|| Emulator::start(Options::default()))
}

/// The command `sam` of AWS, for what needs no AWS; see [`Emulator::sam`]. It tells nobody that it was run, and knows nothing of the user's own AWS.
pub fn sam() -> Command {
    let python = SAM.python();
    let mut command = Command::new(python.with_file_name("sam"));
    command.env("SAM_CLI_TELEMETRY", "0").env("PYTHONUNBUFFERED", "1");
    for (name, value) in own_settings() {
        command.env(name, value);
    }
    command
}

impl Emulator {
    /// Starts an emulator on a free port, and waits until it answers.
    pub fn start(options: Options) -> Emulator {
        let keeper = Keeper::start(&MINISTACK, PROGRAM);
        let mut taken = Vec::new();
        loop {
            // Nobody can hand a port over to another process: between here and there it may be taken.
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let mut environment: serde_json::Map<String, Value> = settings(port).map(|(name, value)| (name, json!(value))).collect();
            environment.insert("AUTH".to_owned(), json!(options.iam.to_string()));
            environment.extend(options.environment.iter().map(|(name, value)| (name.clone(), json!(value))));
            match keeper.ask(&json!({"do": "start", "port": port, "environment": environment})) {
                Ok(_) => return Emulator { keeper, port },
                Err(problem) if problem.contains("already in use") && taken.len() < PORTS_MAX => taken.push(port),
                Err(problem) => panic!("the AWS emulator did not start (ports taken before: {taken:?}): {problem}"),
            }
        }
    }

    /// The address of all its services.
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// By which the AWS SDKs and commands find the emulator, and nothing else.
    pub fn environment(&self) -> Vec<(String, String)> {
        settings(self.port).collect()
    }

    /// The command `sam` of AWS, for this emulator.
    pub fn sam(&self) -> Command {
        let mut command = sam();
        command.envs(self.environment());
        command
    }

    /// Calls an operation of a service with the account's own key, by botocore: `call("sqs", "send_message", json!({"QueueUrl": …}))`. Operations are named as
    /// in Python; bytes in the reply are text, or base64 if they are not.
    pub fn call(&self, service: &str, operation: &str, parameters: Value) -> Value {
        self.try_call(service, operation, parameters)
            .unwrap_or_else(|problem| panic!("{service} {operation}: {problem}"))
    }

    /// Calls an operation that may fail, with AWS's words.
    pub fn try_call(&self, service: &str, operation: &str, parameters: Value) -> Result<Value, String> {
        let request = json!({"do": "call", "service": service, "operation": operation, "parameters": parameters});
        self.keeper.ask(&request)
    }

    /// Calls an operation as another principal, by the `Credentials` that `sts assume_role` answered.
    pub fn try_call_as(&self, credentials: &Value, service: &str, operation: &str, parameters: Value) -> Result<Value, String> {
        let request = json!({
            "do": "call", "service": service, "operation": operation, "parameters": parameters, "credentials": credentials,
        });
        self.keeper.ask(&request)
    }

    /// Kills what runs of a function at this moment, as a lack of memory would; says how many processes that were.
    pub fn kill_function(&self, name: &str) -> u64 {
        let killed = self.keeper.ask(&json!({"do": "kill_function", "name": name}));
        killed.unwrap_or_else(|problem| panic!("{problem}")).as_u64().unwrap()
    }

    /// The end of what the emulator said, what its functions wrote included.
    pub fn log(&self) -> String {
        self.keeper.log()
    }

    /// The emulator's folder; it goes with the emulator.
    pub fn folder(&self) -> &Path {
        self.keeper.folder()
    }
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn settings(port: u16) -> impl Iterator<Item = (String, String)> {
    let found = [
        ("AWS_ENDPOINT_URL", endpoint(port)),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ];
    let found = found.map(|(name, value)| (name.to_owned(), value));
    found.into_iter().chain(own_settings())
}

/// Nothing of the user's own AWS: no profile, no role of the machine.
fn own_settings() -> impl Iterator<Item = (String, String)> {
    let settings = [
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()))
}
