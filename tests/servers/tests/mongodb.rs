//! What tests that use the server may count on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use serde_json::json;
use servers::mongodb::{Options, Server, User, shared};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn what_is_stored_stays_while_the_server_is_stopped_or_killed() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    database.command(json!({"insert": "c", "documents": [{"_id": 1}]}));
    server.stop();
    assert!(TcpStream::connect(server.host()).is_err());
    server.start_again();
    database.command(json!({"insert": "c", "documents": [{"_id": 2}]}));
    server.kill();
    server.start_again();
    assert_eq!(database.find("c", json!({})), [json!({"_id": 1}), json!({"_id": 2})]);
}

#[test]
fn databases_of_the_shared_server_are_apart() {
    let [one, other] = [shared().fresh_database(), shared().fresh_database()];
    one.command(json!({"insert": "c", "documents": [{"_id": 1}]}));
    assert_eq!(other.find("c", json!({})), Vec::<serde_json::Value>::new());
}

#[test]
fn users_are_asked_who_they_are_and_may_do_what_their_roles_say() {
    let server = Server::start(Options {
        auth: Some(("root".to_owned(), "p@ss:/word".to_owned())),
        users: vec![User {
            database: "admin".to_owned(),
            name: "reader".to_owned(),
            password: "r".to_owned(),
            roles: json!([{"role": "read", "db": "d"}]),
        }],
        ..Options::default()
    });
    server.command("d", json!({"insert": "c", "documents": [{"_id": 1}]}));
    let look = |uri: &str, what: &str| {
        let script = format!("import pymongo, sys; {what}");
        Command::new(server.python()).args(["-c", &script, uri]).output().unwrap()
    };
    let read = "print(pymongo.MongoClient(sys.argv[1]).d.c.find_one())";
    let as_reader = look(&server.uri_as("reader", "r", "d"), read);
    assert_eq!(String::from_utf8_lossy(&as_reader.stdout), "{'_id': 1}\n");
    let wrong = look(&server.uri_as("reader", "wrong", "d"), read);
    let wrong = String::from_utf8_lossy(&wrong.stderr).to_lowercase();
    assert!(wrong.contains("authentication failed"), "{wrong}");
    let write = "pymongo.MongoClient(sys.argv[1]).d.c.insert_one({'_id': 2})";
    let writes = look(&server.uri_as("reader", "r", "d"), write);
    let writes = String::from_utf8_lossy(&writes.stderr).to_lowercase();
    assert!(writes.contains("not authorized"), "{writes}");
}

#[test]
fn a_command_fails_so_often_as_the_fail_point_says() {
    let server = Server::start(Options::default());
    server.fail_point(json!({"times": 1}), json!({"failCommands": ["count"], "errorCode": 91}));
    let problem = server.try_command("d", json!({"count": "c"})).unwrap_err();
    assert!(problem.contains("failCommand"), "{problem}");
    assert_eq!(server.command("d", json!({"count": "c"}))["n"], 0);
}

#[test]
fn the_server_and_its_folder_go_with_the_process_that_started_it() {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-server"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let (uri, folder) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
    let host = uri.trim_start_matches("mongodb://").trim_end_matches('/').to_owned();
    assert!(TcpStream::connect(&host).is_ok() && Path::new(&folder).is_dir());
    holder.kill().unwrap();
    holder.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(&host).is_ok() || Path::new(&folder).exists() {
        assert!(Instant::now() < deadline, "{uri} or {folder} is still there");
        std::thread::yield_now();
    }
}
