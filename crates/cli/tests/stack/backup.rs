//! Backups of a stack: asked for by a message, followed, and read from the vault with the caller's own rights.

use crate::desk::{Desk, Said};
use backup::{Policy, Request, Services, Taken};
use cli::cloud::names::Queue;
use documents::{MongoDatabase, mongodb::Fixed};
use lake::RunId;
use ledger::{Clock, Run, Unwatched};
use serde_json::{Value, json};
use servers::mongodb::{Database, shared};
use std::{
    process::{Child, Stdio},
    sync::Arc,
    thread,
};

struct Now;

impl Clock for Now {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

/// What the function does in the cloud, here.
struct Function {
    services: Services,
    run: Run,
}

impl Function {
    fn of(desk: &Desk, database: &Database<'_>) -> Function {
        Function {
            services: Services {
                vault: desk.vault(),
                ledger: Arc::new(desk.ledger()),
                database: Arc::new(MongoDatabase::new(Arc::new(Fixed::new(database.uri().into())))),
            },
            run: Run {
                clock: Arc::new(Now),
                observer: Arc::new(Unwatched),
                deadline_ms: None,
            },
        }
    }

    async fn take(&self, id: RunId) {
        let request = Request {
            id,
            allow_empty: false,
            policy: Policy::default(),
        };
        let taken = backup::take(&request, &self.run, &self.services).await.unwrap();
        assert!(matches!(taken, Taken::Done(_)), "{taken:?}");
    }

    async fn end(self) {
        self.services.database.close().await;
    }
}

/// A stack and a database with three orders.
fn desk(database: &Database<'_>) -> Desk {
    let mut desk = Desk::new();
    desk.mongodb = Some(database.uri());
    database.command(json!({"insert": "orders", "documents": [{"_id": 1}, {"_id": 2, "n": "x"}, {"_id": 3}]}));
    desk
}

/// The message that a command sent, as soon as it is there.
fn message(desk: &Desk) -> Value {
    loop {
        if let Some(body) = desk.messages(&desk.names.queue(Queue::Backup)).pop() {
            return serde_json::from_str(&body).unwrap();
        }
        thread::yield_now();
    }
}

fn id(message: &Value) -> RunId {
    RunId::parse(message["id"].as_str().unwrap()).unwrap()
}

fn begin(desk: &Desk, typed: &[&str]) -> Child {
    let mut command = desk.command(typed);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_asked_for_and_followed_and_a_drill_too() {
    let database = shared().fresh_database();
    let desk = desk(&database);
    let function = Function::of(&desk, &database);
    let child = begin(&desk, &["backup", "--json"]);
    let asked = message(&desk);
    assert_eq!(
        (&asked["task"], &asked["requested_by"]),
        (&json!("backup"), &json!("run")),
        "{asked}"
    );
    function.take(id(&asked)).await;
    let said = ended(child);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!((&said.json()[0]["backup"], &said.json()[0]["documents"]), (&asked["id"], &json!(3)));
    assert!(said.err.contains("the message is in the queue"), "{said:?}");

    let child = begin(&desk, &["backup", "drill", "--json"]);
    let asked = message(&desk);
    assert_eq!(asked["task"], "drill");
    backup::drill(id(&asked), &function.run, &function.services).await.unwrap();
    let said = ended(child);
    assert_eq!((said.code, &said.json()[0]["state"]), (0, &json!("equal")), "{said:?}");
    function.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vault_is_read_and_restored_from_here() {
    let database = shared().fresh_database();
    let desk = desk(&database);
    let none = desk.type_in(&["backup", "list"]);
    assert!(none.code == 0 && none.out.starts_with("no backups yet"), "{none:?}");
    let function = Function::of(&desk, &database);
    let backup = RunId::new(u64::try_from(Now.now_ms()).unwrap(), 7);
    function.take(backup).await;
    function.end().await;

    let listed = desk.type_in(&["backup", "list", "--json"]).json();
    assert_eq!(
        (&listed[0]["backup"], &listed[0]["state"]),
        (&json!(backup.to_string()), &json!("whole"))
    );
    let verified = desk.type_in(&["backup", "verify"]);
    assert!(verified.code == 0 && verified.out.contains("is whole: 3 documents"), "{verified:?}");
    let before = database.find("orders", json!({}));
    database.command(json!({"delete": "orders", "deletes": [{"q": {"_id": 2}, "limit": 1}]}));
    let refused = desk.type_in(&["restore"]);
    assert!(
        refused.code == 2 && refused.err.contains("this machine, which must reach the database"),
        "{refused:?}"
    );
    let restored = desk.type_in(&["restore", "--yes"]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(database.find("orders", json!({})), before);
    let doctor = desk.type_in(&["doctor"]);
    assert!(
        doctor.code == 0 && doctor.out.contains("can be read; 1 backup, the newest of"),
        "{doctor:?}"
    );
    let copy = format!("{}_copy", database.name());
    let copied = desk.type_in(&["restore", "--into", &copy]);
    assert_eq!(copied.code, 0, "{copied:?}");
    let count = shared().command(&copy, json!({"count": "orders"}));
    assert_eq!(count["n"], 3);
    shared().command(&copy, json!({"dropDatabase": 1}));
}

#[test]
fn what_a_stack_decides_for_itself_is_not_typed() {
    let desk = Desk::new();
    let said = desk.type_in(&["backup", "--leave-out", "orders"]);
    assert!(said.code == 2 && said.err.contains("BackupLeaveOut"), "{said:?}");
    let asked = desk.type_in(&["backup", "--no-wait", "--allow-empty", "--json"]);
    assert_eq!(asked.code, 0, "{asked:?}");
    let sent = message(&desk);
    assert_eq!((&sent["id"], &sent["allow_empty"]), (&asked.json()[0]["backup"], &json!(true)));
}
