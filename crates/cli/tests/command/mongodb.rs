//! The command with its documents in MongoDB: what is done to collections, documents that are elsewhere, and a server that is away or does not let it in.

use crate::{
    Desk, Said,
    lake::{ORDERS, orders},
};
use cli::Status;
use serde_json::{Value, json};
use servers::mongodb::{Database, Options, Server, User, shared};
use std::path::Path;

/// Orders that go to MongoDB, with an index.
const INDEXED: &str = "{collection: orders, indexes: [{keys: {total: -1}}]}";

fn with_uri(mut desk: Desk, uri: &str) -> Desk {
    desk.environment.insert("TIDEMILL_MONGODB_URI".to_owned(), uri.to_owned());
    desk
}

fn load(desk: &Desk, load: &str) {
    desk.write("pipelines/orders.yaml", &ORDERS.replace("{collection: orders}", load));
}

fn ids(database: &Database<'_>) -> Vec<Value> {
    let documents = database.find("orders", json!({}));
    documents.iter().map(|document| document["_id"].clone()).collect()
}

fn raw_is_empty(desk: &Desk) -> bool {
    !desk.home().join("lake/raw").exists()
}

fn reported(said: &Said) -> Value {
    said.lines().remove(0)
}

#[tokio::test]
async fn a_run_says_what_it_does_to_the_collection_and_then_nothing() {
    let database = shared().fresh_database();
    let desk = with_uri(orders(), &database.uri());
    load(&desk, INDEXED);
    let first = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(first.status, Status::Well, "{}", first.err);
    let created = ["create the collection, with its validator", "create the index `total_-1`"];
    assert_eq!(reported(&first)["changes"], json!(created));
    assert_eq!(first.err, format!("orders: {}\norders: {}\n", created[0], created[1]));
    assert_eq!((reported(&first)["load"]["inserted"].clone(), ids(&database).len()), (json!(2), 2));
    let again = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!((again.err.as_str(), &reported(&again)["changes"]), ("", &Value::Null));
    // A new contract: wider at once, narrow again at the end of the same run.
    desk.write("pipelines/orders.yaml", &ORDERS.replace("min: 0", "min: 0, max: 1000"));
    let changed = desk.type_in(&["run", "orders"]).await;
    assert_eq!(changed.status, Status::Well, "{}", changed.err);
    let steps: Vec<&str> = changed.err.lines().collect();
    assert!(
        steps.iter().any(|step| step.starts_with("orders: relax the validator")),
        "{steps:?}"
    );
    assert!(
        steps.iter().any(|step| step.starts_with("orders: drop the index `total_-1`")),
        "{steps:?}"
    );
    assert!(steps.contains(&"orders: set the validator"), "{steps:?}");
    let doctor = desk.type_in(&["doctor", "--json"]).await;
    assert_eq!(doctor.status, Status::Well, "{}", doctor.out);
    let object = reported(&doctor);
    assert_eq!(object["collections"][0]["differs"], json!([]));
    assert_eq!(object["documents"]["database"], database.name());
    assert!(!desk.home().join("documents.db").exists());
    let documents = desk.type_in(&["documents", "orders"]).await;
    assert_eq!(documents.lines().len(), 2);
    let explained = desk.type_in(&["explain", "orders", "2", "--json"]).await;
    assert_eq!(reported(&explained)["document"]["_id"], 2);
}

#[tokio::test]
async fn the_doctor_says_what_somebody_changed() {
    let database = shared().fresh_database();
    let desk = with_uri(orders(), &database.uri());
    load(&desk, INDEXED);
    desk.type_in(&["run", "orders"]).await;
    database.command(json!({"dropIndexes": "orders", "index": "total_-1"}));
    let doctor = desk.type_in(&["doctor"]).await;
    assert_eq!(doctor.status, Status::Failed);
    assert!(doctor.out.contains("create the index `total_-1`"), "{}", doctor.out);
    assert!(
        doctor.out.ends_with("next: a run does what it can of that: tidemill run orders\n"),
        "{}",
        doctor.out
    );
    desk.type_in(&["run", "orders"]).await;
    assert_eq!(desk.type_in(&["doctor"]).await.status, Status::Well);
}

#[tokio::test]
async fn documents_that_are_elsewhere_are_missed_until_a_replay_brings_them() {
    let database = shared().fresh_database();
    let desk = orders();
    desk.type_in(&["run", "orders"]).await;
    let desk = with_uri(desk, &database.uri());
    // What was there before this run is fetched again by it: without that, nothing but the replay brings the rest.
    desk.write("pipelines/orders-1.ndjson", "{\"id\": 7, \"total\": 7}\n");
    std::fs::remove_file(desk.folder.join("pipelines/orders-2.ndjson")).unwrap();
    let moved = desk.type_in(&["run", "orders"]).await;
    assert_eq!(moved.status, Status::Well, "{}", moved.err);
    let note = "note: documents that earlier runs loaded are in the home's own store, and not where this run loads to\nnext: to bring all of them here: tidemill replay orders\n";
    assert_eq!(moved.err.matches(note).count(), 1, "{}", moved.err);
    assert_eq!(ids(&database), [7]);
    let doctor = desk.type_in(&["doctor", "pipelines/orders.yaml"]).await;
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.out);
    assert!(
        doctor.out.ends_with("next: tidemill replay pipelines/orders.yaml\n"),
        "{}",
        doctor.out
    );
    let json = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(reported(&json)["elsewhere"], json!(["the home's own store"]));
    // Not all of them, so they are missed still.
    desk.type_in(&["replay", "orders", "--since", "9999-01-01"]).await;
    assert!(desk.type_in(&["run", "orders"]).await.err.contains(note));
    // The facts of these objects are in the ledger already; the replay tells its own numbers.
    let replay = desk.type_in(&["replay", "orders", "--json"]).await;
    assert_eq!(replay.status, Status::Well, "{}", replay.err);
    assert_eq!(reported(&replay)["load"]["inserted"], 2);
    assert_eq!(ids(&database), [1, 2, 7]);
    let after = desk.type_in(&["run", "orders"]).await;
    assert!(!after.err.contains("note:"), "{}", after.err);
    let noted = std::fs::read_to_string(desk.home().join("places.jsonl")).unwrap();
    assert!(noted.contains(database.name()), "{noted}");
}

#[tokio::test]
async fn the_validator_stays_wide_while_an_older_definition_owes_objects() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let desk = with_uri(orders(), &impatient(&database));
    desk.type_in(&["run", "orders"]).await;
    server.stop();
    desk.write("pipelines/orders-3.ndjson", "{\"id\": 3, \"total\": 2000}\n");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Failed);
    server.start_again();
    // What the older definition owes can't be loaded, for its object is damaged.
    let newest = files(&desk.home().join("lake/clean")).into_iter().max().unwrap();
    let whole = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, "damaged").unwrap();
    desk.write("pipelines/orders.yaml", &ORDERS.replace("min: 0", "min: 0, max: 1000"));
    let wide = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(wide.status, Status::Failed);
    let note = "the validator of `orders` still allows what older definitions allow: 1 object of theirs is to be loaded yet";
    assert_eq!(reported(&wide)["notices"], json!([note]), "{}{}", wide.out, wide.err);
    assert!(
        wide.err.contains("orders: relax the validator") && !wide.err.contains("orders: set the validator"),
        "{}",
        wide.err
    );
    let doctor = desk.type_in(&["doctor"]).await;
    assert!(doctor.out.contains("unfinished   orders: 1 object"), "{}", doctor.out);
    // Mended, it is loaded as its own definition says, and then nothing of that can come any more.
    std::fs::write(&newest, whole).unwrap();
    let narrow = desk.type_in(&["run", "orders"]).await;
    assert!(narrow.err.contains("orders: set the validator"), "{}", narrow.err);
    assert!(ids(&database).contains(&json!(3)));
}

/// The database's URI, for a server that is stopped by the test: it is not waited for as long as for a real one.
fn impatient(database: &Database<'_>) -> String {
    format!("{}?serverSelectionTimeoutMS=300", database.uri())
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[tokio::test]
async fn a_server_that_is_gone_loses_nothing_and_is_caught_up_with_when_it_is_back() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let desk = with_uri(orders(), &impatient(&database));
    server.stop();
    let away = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(away.status, Status::Failed);
    let report = reported(&away);
    assert_eq!((&report["clean"]["in"], &report["load"]["in"]), (&json!(3), &json!(0)), "{report}");
    assert_eq!(report["waiting"]["objects"], 1, "{report}");
    let why = report["waiting"]["why"].as_str().unwrap();
    assert!(why.contains("no answer from MongoDB") && why.contains(&server.host()), "{why}");
    assert!(
        away.err
            .contains("what was fetched is safe in raw/ and clean/; the next run goes on from there"),
        "{}",
        away.err
    );
    // A replay has nothing to do without its destination.
    let replay = desk.type_in(&["replay", "orders"]).await;
    assert_eq!((replay.status, replay.out.as_str()), (Status::Failed, ""));
    assert!(
        replay.err.contains("next: when that is seen to, type the same again"),
        "{}",
        replay.err
    );
    server.start_again();
    let back = desk.type_in(&["run", "orders"]).await;
    assert_eq!(back.status, Status::Well, "{}", back.err);
    assert!(
        back.err.contains("orders: going on with 1 object of an earlier run"),
        "{}",
        back.err
    );
    assert!(!back.err.contains("note:"), "{}", back.err);
    assert_eq!(ids(&database), [1, 2]);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_before_anything_is_fetched() {
    let reader = User {
        database: "admin".to_owned(),
        name: "reader".to_owned(),
        password: "pw1".to_owned(),
        roles: json!([{"role": "read", "db": "shop"}]),
    };
    let server = Server::start(Options {
        auth: Some(("root".to_owned(), "pw0".to_owned())),
        users: vec![reader],
        ..Options::default()
    });
    let desk = with_uri(orders(), &server.uri_as("root", "wr0ng", "shop"));
    let refused = desk.type_in(&["run", "orders"]).await;
    assert_eq!((refused.status, refused.out.as_str()), (Status::Failed, ""));
    assert!(
        refused.err.contains("does not let Tidemill in") && refused.err.contains(&server.host()),
        "{}",
        refused.err
    );
    assert!(!refused.err.contains("wr0ng"), "{}", refused.err);
    assert!(raw_is_empty(&desk));
    let doctor = desk.type_in(&["doctor", "--json"]).await;
    assert_eq!(
        (doctor.status, &reported(&doctor)["documents"]["store"]),
        (Status::Failed, &json!("unusable"))
    );
    assert!(!doctor.out.contains("wr0ng"), "{}", doctor.out);

    let desk = with_uri(orders(), &server.uri_as("reader", "pw1", "shop"));
    let denied = desk.type_in(&["run", "orders"]).await;
    assert_eq!((denied.status, denied.out.as_str()), (Status::Failed, ""));
    assert!(denied.err.contains("the user may not do so"), "{}", denied.err);
    assert!(raw_is_empty(&desk));
    let doctor = desk.type_in(&["doctor"]).await;
    assert!(doctor.out.contains("✓ user         reader@admin by SCRAM"), "{}", doctor.out);
    assert!(doctor.out.contains("  roles        read@shop"), "{}", doctor.out);
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.out);
    assert!(
        doctor.out.contains("✗ may not      insert (to write new documents)") && !doctor.out.contains("may not      find"),
        "{}",
        doctor.out
    );

    // The password was changed, and `.env` with it.
    let mut desk = orders();
    desk.environment.remove("TIDEMILL_MONGODB_URI");
    desk.write(".env", &format!("TIDEMILL_MONGODB_URI={}\n", server.uri_as("root", "pw0", "shop")));
    let run = desk.type_in(&["run", "orders"]).await;
    assert_eq!(run.status, Status::Well, "{}", run.err);
    assert!(!run.text().contains("pw0"), "{}", run.text());
}

/// The process itself, for it is its end that is looked at: a driver whose runtime goes while it is busy panics.
#[test]
fn the_driver_is_closed_before_the_process_ends() {
    let database = shared().fresh_database();
    let desk = with_uri(orders(), &database.uri());
    for typed in [
        ["run", "orders"],
        ["documents", "orders"],
        ["doctor", "orders"],
        ["explain", "orders"],
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(typed).current_dir(&desk.folder).envs(&desk.environment);
        if typed[0] == "explain" {
            command.arg("2");
        }
        let ended = command.output().unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success() && !err.contains("panicked"), "{typed:?}: {err}");
    }
}

#[tokio::test]
async fn a_view_in_the_way_is_told_with_what_to_do() {
    let database = shared().fresh_database();
    let desk = with_uri(orders(), &database.uri());
    database.command(json!({"create": "orders", "viewOn": "others", "pipeline": []}));
    let run = desk.type_in(&["run", "orders"]).await;
    assert_eq!(run.status, Status::Failed, "{}", run.text());
    assert!(
        run.err.contains("it is a view") && run.err.contains("next: take away what stands there"),
        "{}",
        run.err
    );
    let doctor = desk.type_in(&["doctor", "orders"]).await;
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.out);
    assert!(doctor.out.contains("next: take away what stands there"), "{}", doctor.out);
}
