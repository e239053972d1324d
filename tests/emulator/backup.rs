//! Backup and drill on AWS: by the message of the schedule into a locked vault, read by others, restored and compared; in continuations; and what is told of a
//! database that does not let us in.

use crate::incident::{incidents, look};
use crate::stack::Stack;
use ledger::backup::{backups, drills};
use ledger::{BackupRecord, BackupState, DrillRecord, DrillState};
use serde_json::{Value, json};
use servers::mongodb::{Database, Options, Server};
use std::io::Write;
use std::process::{Command, Stdio};
use tidemill_tests::command::Home;

const EVENTS: u64 = 1_707;

/// So many collections, of each of which the first read takes so long: all together it is longer than a function has in this stack.
const COLLECTIONS: usize = 12;
const A_READ_MS: u32 = 2_000;
const SECONDS: u32 = 20;

#[test]
fn a_tick_of_the_schedule_fills_the_vault_and_the_drill_restores_it() {
    let server = server(Options {
        unsynced: true,
        ..Options::default()
    });
    let stack = deploy("vaulted", server);
    earthquakes(&stack.database);
    tick(&stack, "backup", 1);
    let backup = ended_backups(&stack, 1).remove(0);
    assert_eq!((&backup.state, backup.class.as_str()), (&BackupState::Done, "yearly"), "{backup:?}");

    let manifest = manifest(&stack, &backup);
    let parts: Vec<&str> = manifest["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["key"].as_str().unwrap())
        .collect();
    let read = read_archive(&stack, server, &parts);
    assert_eq!(read["kept"]["earthquakes"]["documents"], EVENTS, "{read}");
    assert_eq!(read["kept"], read["there"], "what is in the archive is what is in the database");
    assert_eq!(
        read["indexes"]["earthquakes"],
        json!(["_id_", "location_2dsphere", "occurred_at_-1"])
    );
    for collection in manifest["collections"].as_array().unwrap() {
        let kept = &read["kept"][collection["name"].as_str().unwrap()];
        assert_eq!(
            (&kept["documents"], &kept["hash"]),
            (&collection["documents"], &collection["hash"]),
            "{collection}"
        );
    }
    let names = read["kept"].as_object().unwrap().keys();
    assert!(names.into_iter().all(|name| name != "tidemill.receipts"), "{}", read["kept"]);
    is_locked(&stack, &parts);

    tick(&stack, "drill", 2);
    let drill = ended_drills(&stack, 1).remove(0);
    assert_eq!((&drill.state, drill.backup), (&DrillState::Done, backup.id), "{drill:?}");
    assert_eq!(
        (drill.documents, drill.warnings.as_slice()),
        (backup.documents, &[][..]),
        "{drill:?}"
    );
    let databases = server.command("admin", json!({"listDatabases": 1, "nameOnly": true}));
    assert!(!databases.to_string().contains(&drill.scratch), "{databases}");

    // A tick that is delivered twice is one backup.
    tick(&stack, "backup", 1);
    stack.until_idle();
    assert_eq!(ended_backups(&stack, 1).len(), 1);
    assert_eq!(
        read_archive(&stack, server, &parts)["there"],
        read["there"],
        "nothing of this changed the database"
    );
}

#[test]
fn what_takes_longer_than_a_function_has_goes_on_in_continuations() {
    let server = server(Options::default());
    let stack = deploy("patient", server);
    stack.give_time("backup", SECONDS);
    stack.hasten("backup", SECONDS + 5);
    for number in 0..COLLECTIONS {
        let documents: Vec<Value> = (0..50).map(|id| json!({"_id": id, "of": number})).collect();
        stack
            .database
            .command(json!({"insert": format!("c{number:02}"), "documents": documents}));
    }
    let slow = json!({"failCommands": ["find"], "blockConnection": true, "blockTimeMS": A_READ_MS});
    server.fail_point(json!("alwaysOn"), slow);
    tick(&stack, "backup", 1);
    let backup = ended_backups(&stack, 1).remove(0);
    assert_eq!((&backup.state, backup.attempt), (&BackupState::Done, 1), "{backup:?}");
    assert_eq!(backup.documents, 50 * COLLECTIONS as u64);
    // The prelude, the ends, and a part an invocation: all of it fits into one.
    assert!(backup.parts > 3, "it was handed over: {backup:?}");
    tick(&stack, "drill", 2);
    let drill = ended_drills(&stack, 1).remove(0);
    assert_eq!((&drill.state, drill.documents), (&DrillState::Done, backup.documents), "{drill:?}");
    stack.until_idle();
    server.fail_point_off();
}

#[test]
fn a_wrong_password_is_told_of_and_the_next_good_backup_closes_the_incident() {
    let user = ("keeper".to_owned(), "right".to_owned());
    let server = server(Options {
        auth: Some(user),
        ..Options::default()
    });
    let database = server.fresh_database();
    database.command(json!({"insert": "orders", "documents": [{"_id": 1}]}));
    let (good, wrong) = (
        server.uri_as("keeper", "right", database.name()),
        server.uri_as("keeper", "wrong", database.name()),
    );
    let stack = Stack::deploy_onto("locked-out", database, &wrong);
    tick(&stack, "backup", 1);
    let failed = ended_backups(&stack, 1).remove(0);
    let BackupState::Failed { message, .. } = &failed.state else {
        panic!("{failed:?}")
    };
    assert!(!message.contains("wrong"), "a password in a message: {message}");
    look(&stack);
    let open = incidents(&stack, &[]);
    assert_eq!((open.len(), &open[0]["kind"]), (1, &json!("backup_failed")), "{open:?}");
    let summary = open[0]["summary"].as_str().unwrap();
    assert!(summary.contains("authenticat"), "it says why: {summary}");
    assert_eq!(open[0]["next"], "tidemill backup --stack locked-out", "{open:?}");

    let secret = json!({"SecretId": "locked-out/mongodb", "SecretString": json!({"uri": good}).to_string()});
    stack.call("secretsmanager", "put_secret_value", secret);
    // A secret that was refused is read again once a minute, and by a new process at once. The emulator finds out by a message, which comes again.
    stack.hasten("backup", 5);
    stack.kill("backup");
    tick(&stack, "backup", 2);
    assert_eq!(ended_backups(&stack, 2)[0].state, BackupState::Done);
    look(&stack);
    assert_eq!(incidents(&stack, &[]), Vec::<Value>::new());
    let all = incidents(&stack, &["--all"]);
    assert_eq!((all.len(), &all[0]["state"]), (1, &json!("recovered")), "{all:?}");
}

/// A server of the test's own: what is done to it is done to all of it.
fn server(options: Options) -> &'static Server {
    Box::leak(Box::new(Server::start(options)))
}

fn deploy(name: &str, server: &'static Server) -> Stack {
    let database = server.fresh_database();
    let uri = database.uri();
    Stack::deploy_onto(name, database, &uri)
}

/// The repository's own pipeline, by the command: what is looked at here is not how documents came into the database.
fn earthquakes(database: &Database<'_>) {
    let pipeline = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/earthquakes.yaml");
    let home = Home::new(env!("CARGO_BIN_EXE_tidemill-under-test")).with("TIDEMILL_MONGODB_URI", &database.uri());
    home.well(&["run", pipeline, "--recorded"]);
}

/// As the template's schedules send it. Ticks are a day apart.
fn tick(stack: &Stack, task: &str, day: u32) {
    let at = format!("2026-01-{day:02}T03:00:00Z");
    stack.send("backup", &json!({"task": task, "scheduled_at": at, "requested_by": "schedule"}));
}

/// All backups, the newest first, when there are so many and none is at work.
fn ended_backups(stack: &Stack, count: usize) -> Vec<BackupRecord> {
    let mut records = Vec::new();
    stack.until("the backup has ended", || {
        records = stack.wait(backups(stack.ledger.as_ref(), 10)).unwrap();
        records.len() >= count && records.iter().all(|record| !record.is_running())
    });
    records
}

fn ended_drills(stack: &Stack, count: usize) -> Vec<DrillRecord> {
    let mut records = Vec::new();
    stack.until("the drill has ended", || {
        records = stack.wait(drills(stack.ledger.as_ref(), 10)).unwrap();
        records.len() >= count && records.iter().all(|record| !record.is_running())
    });
    records
}

fn manifest(stack: &Stack, backup: &BackupRecord) -> Value {
    let key = format!("manifests/{}/{}.json", backup.class, backup.id);
    let object = stack.call("s3", "get_object", json!({"Bucket": stack.vault(), "Key": key}));
    serde_json::from_str(object["Body"].as_str().unwrap()).unwrap()
}

/// What a reader that is not ours finds in the archive, and in the database.
fn read_archive(stack: &Stack, server: &Server, parts: &[&str]) -> Value {
    let body = |key: &&str| stack.call("s3", "get_object", json!({"Bucket": stack.vault(), "Key": key}))["Body"].clone();
    let parts: Vec<Value> = parts.iter().map(body).collect();
    let given = json!({"parts": parts, "uri": stack.database.uri(), "database": stack.database.name()});
    let mut python = Command::new(server.python())
        .args(["-c", include_str!("read_archive.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the archive could not be read");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Nobody can take a version of these objects away, the account itself included, until the lock of the backup's class ends.
fn is_locked(stack: &Stack, parts: &[&str]) {
    let listed = stack.call("s3", "list_object_versions", json!({"Bucket": stack.vault()}));
    let versions = listed["Versions"].as_array().unwrap();
    // The manifest too.
    assert_eq!(versions.len(), parts.len() + 1, "{versions:?}");
    for version in versions {
        let object = json!({"Bucket": stack.vault(), "Key": version["Key"], "VersionId": version["VersionId"]});
        let lock = stack.call("s3", "get_object_retention", object.clone());
        assert_eq!(lock["Retention"]["Mode"], "GOVERNANCE", "{lock}");
        let refused = stack.try_call("s3", "delete_object", object).unwrap_err();
        assert!(refused.contains("AccessDenied") && refused.contains("object lock"), "{refused}");
    }
}
