//! SecantusDB, a MongoDB-compatible server, always a separate process (it is GPL); or a real MongoDB, named by `TIDEMILL_TEST_MONGODB_URI`.

use crate::address::{Address, encoded};
use crate::keeper::Keeper;
use crate::python::SECANTUSDB;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names the MongoDB that [`shared`] is, in the place of a server of our own.
pub const VARIABLE: &str = "TIDEMILL_TEST_MONGODB_URI";

const PROGRAM: &str = include_str!("../secantusdb/server.py");

/// So often another port is tried when one was taken between its choice and its use.
const PORTS_MAX: usize = 5;

/// What a server of one's own is like. The default: no users, no TLS.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Everybody must say who they are; this user (name, password) may do everything, and is the one of [`Server::uri`].
    pub auth: Option<(String, String)>,
    /// More users, for a server with `auth`.
    pub users: Vec<User>,
    pub tls: Option<Tls>,
    /// Nobody kills it: commits need not be on the disk at once. SecantusDB drops a collection document by document, a commit each, which else takes minutes.
    pub unsynced: bool,
}

/// A user who may do less than everything.
#[derive(Clone, Debug)]
pub struct User {
    /// Where the user is created: the `authSource`. `admin` as a rule, `$external` for one known by a certificate (whose password is not used).
    pub database: String,
    pub name: String,
    pub password: String,
    /// As `createUser` takes them: `[{"role": "read", "db": "…"}]`.
    pub roles: Value,
}

/// Certificates, in files of PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// By which clients know the server.
    pub authority: PathBuf,
    /// When clients need a certificate too: the file with certificate and key of the one in [`Server::uri`], signed by the authority.
    pub client: Option<PathBuf>,
}

/// A running server. It ends, and its folder is removed, when this is dropped or the process ends in any way.
pub struct Server {
    keeper: Keeper,
    address: Address,
    /// Of a server of our own; one that was given can't be started and stopped.
    own: Option<Own>,
}

struct Own {
    port: u16,
    options: Options,
}

/// A database of one test's own; on a server that was given, it is dropped at the end.
pub struct Database<'a> {
    server: &'a Server,
    name: String,
}

/// One server for all tests of this process: its own, or the one `TIDEMILL_TEST_MONGODB_URI` names.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| match std::env::var(VARIABLE) {
        Ok(uri) if !uri.is_empty() => Server::given(&uri),
        _ => Server::start(Options::default()),
    })
}

impl Server {
    /// Starts a server on a free port, and waits until it answers.
    pub fn start(options: Options) -> Server {
        let keeper = Keeper::start(&SECANTUSDB, PROGRAM);
        let mut taken = Vec::new();
        loop {
            // Nobody can hand a port over to another process: between here and there it may be taken.
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let server = Own {
                port,
                options: options.clone(),
            };
            match server
                .provision(&keeper)
                .and_then(|()| server.start(&keeper, options.auth.is_some()))
            {
                Ok(()) => {
                    return Server {
                        address: server.address(),
                        own: Some(server),
                        keeper,
                    };
                }
                Err(problem) if problem.contains("ddress already in use") && taken.len() < PORTS_MAX => taken.push(port),
                Err(problem) => panic!("the MongoDB-compatible server did not start (ports taken before: {taken:?}): {problem}"),
            }
        }
    }

    fn given(uri: &str) -> Server {
        let server = Server {
            keeper: Keeper::start(&SECANTUSDB, PROGRAM),
            address: Address::parse(uri),
            own: None,
        };
        // Said at once and once, not by every test in its own way.
        server.command("admin", json!({"ping": 1}));
        server
    }

    /// The connection string, without a database.
    pub fn uri(&self) -> String {
        self.address.to_string()
    }

    /// The connection string with a database in it.
    pub fn uri_of(&self, database: &str) -> String {
        self.address.with_database(database).to_string()
    }

    /// The connection string of another user than the first.
    pub fn uri_as(&self, user: &str, password: &str, database: &str) -> String {
        let own = self.own();
        let mut options = own.uri_options();
        options.push("authSource=admin".to_owned());
        Address::local(own.port, Some((user, password)), &options)
            .with_database(database)
            .to_string()
    }

    /// `host:port` of a server of our own.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.own().port)
    }

    /// A new database, of a name that no other test has.
    pub fn fresh_database(&self) -> Database<'_> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Database {
            server: self,
            name: format!("tidemill_test_{:x}_{since:x}_{count}", std::process::id()),
        }
    }

    /// Runs a command by pymongo. It and the reply are MongoDB's Extended JSON (relaxed).
    pub fn command(&self, database: &str, command: Value) -> Value {
        self.try_command(database, command)
            .unwrap_or_else(|problem| panic!("{problem}; the server said: {}", self.log()))
    }

    /// Runs a command that may fail, with the server's words.
    pub fn try_command(&self, database: &str, command: Value) -> Result<Value, String> {
        let request = json!({"do": "command", "uri": self.uri(), "database": database, "command": command});
        self.keeper.ask(&request)
    }

    /// Makes commands fail: `mode` and `data` as `configureFailPoint failCommand` takes them (`{"times": 1}`; `{"failCommands": ["insert"],
    /// "errorCode": 91}`, `closeConnection`, `writeConcernError`, `blockConnection`, `appName`). It is the whole server's: on a shared one, name the `appName`.
    pub fn fail_point(&self, mode: Value, data: Value) {
        self.command("admin", json!({"configureFailPoint": "failCommand", "mode": mode, "data": data}));
    }

    pub fn fail_point_off(&self) {
        self.command("admin", json!({"configureFailPoint": "failCommand", "mode": "off"}));
    }

    /// Ends the server in order; what it stores stays.
    pub fn stop(&self) {
        self.end("SIGTERM");
    }

    /// Ends the server as `kill -9` does; what it stores stays.
    pub fn kill(&self) {
        self.end("SIGKILL");
    }

    /// Starts a server that was stopped, on its port and storage.
    pub fn start_again(&self) {
        let own = self.own();
        if let Err(problem) = own.start(&self.keeper, own.options.auth.is_some()) {
            panic!("the server did not start again: {problem}");
        }
    }

    /// The Python of the environment with pymongo, for scripts that look at the server as another client.
    pub fn python(&self) -> &'static Path {
        SECANTUSDB.python()
    }

    /// The server's folder; it goes with the server.
    pub fn folder(&self) -> &Path {
        self.keeper.folder()
    }

    /// The end of what the server said.
    pub fn log(&self) -> String {
        if self.own.is_some() { self.keeper.log() } else { String::new() }
    }

    fn end(&self, signal: &str) {
        self.own();
        if let Err(problem) = self.keeper.ask(&json!({"do": "end", "signal": signal})) {
            panic!("the server did not end: {problem}");
        }
    }

    fn own(&self) -> &Own {
        self.own
            .as_ref()
            .unwrap_or_else(|| panic!("the server that {VARIABLE} names is not ours to start, stop or add users to: use Server::start"))
    }
}

impl Own {
    /// Creates the users, which needs a server that asks nobody who they are.
    fn provision(&self, keeper: &Keeper) -> Result<(), String> {
        let Some((name, password)) = &self.options.auth else {
            return Ok(());
        };
        self.start(keeper, false)?;
        let first = User {
            database: "admin".to_owned(),
            name: name.clone(),
            password: password.clone(),
            roles: json!(["root"]),
        };
        let uri = Address::local(self.port, None, &self.uri_options()).to_string();
        for user in [&first].into_iter().chain(&self.options.users) {
            let mut command = json!({"createUser": user.name, "roles": user.roles});
            if user.database == "$external" {
                command["mechanisms"] = json!(["MONGODB-X509"]);
            } else {
                command["pwd"] = json!(user.password);
            }
            keeper.ask(&json!({"do": "command", "uri": uri, "database": user.database, "command": command}))?;
        }
        keeper.ask(&json!({"do": "end", "signal": "SIGTERM"}))?;
        Ok(())
    }

    fn start(&self, keeper: &Keeper, auth: bool) -> Result<(), String> {
        let mut arguments = vec!["--enable-test-commands".to_owned()];
        arguments.extend((!self.options.unsynced).then(|| "--sync-on-commit".to_owned()));
        arguments.extend(auth.then(|| "--auth".to_owned()));
        let mut kind = Value::Null;
        if let Some(tls) = &self.options.tls {
            kind = json!(if tls.client.is_some() { "mutual" } else { "server" });
            let mut file = |option: &str, path: &Path| arguments.extend([option.to_owned(), text(path)]);
            file("--tls-cert-file", &tls.certificate);
            file("--tls-key-file", &tls.key);
            if tls.client.is_some() {
                file("--tls-ca-file", &tls.authority);
                arguments.push("--tls-require-client-cert".to_owned());
            }
        }
        keeper.ask(&json!({"do": "start", "port": self.port, "tls": kind, "arguments": arguments}))?;
        Ok(())
    }

    fn address(&self) -> Address {
        let user = self
            .options
            .auth
            .as_ref()
            .map(|(name, password)| (name.as_str(), password.as_str()));
        Address::local(self.port, user, &self.uri_options())
    }

    fn uri_options(&self) -> Vec<String> {
        let Some(tls) = &self.options.tls else {
            return Vec::new();
        };
        let mut options = vec!["tls=true".to_owned(), format!("tlsCAFile={}", encoded(&text(&tls.authority)))];
        options.extend(
            tls.client
                .as_ref()
                .map(|client| format!("tlsCertificateKeyFile={}", encoded(&text(client)))),
        );
        options
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of a test is text").to_owned()
}

impl Database<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection string with this database in it.
    pub fn uri(&self) -> String {
        self.server.uri_of(&self.name)
    }

    /// Runs a command on this database; see [`Server::command`].
    pub fn command(&self, command: Value) -> Value {
        self.server.command(&self.name, command)
    }

    /// All documents of a collection in the order of their keys, as pymongo sees them, in Extended JSON (relaxed).
    pub fn find(&self, collection: &str, filter: Value) -> Vec<Value> {
        let request = json!({"do": "find", "uri": self.server.uri(), "database": self.name, "collection": collection, "filter": filter});
        match self.server.keeper.ask(&request) {
            Ok(Value::Array(documents)) => documents,
            other => panic!("{other:?}; the server said: {}", self.server.log()),
        }
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // What a server of our own stores goes with it.
        if self.server.own.is_some() {
            return;
        }
        let dropped = self.server.try_command(&self.name, json!({"dropDatabase": 1}));
        if let (Err(problem), false) = (dropped, std::thread::panicking()) {
            panic!("the database `{}` was left behind: {problem}", self.name);
        }
    }
}
