//! What tests that use the AWS emulator may count on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use serde_json::json;
use servers::aws::{Emulator, Options, shared};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn two_emulators_are_apart() {
    let own = Emulator::start(Options {
        iam: true,
        ..Options::default()
    });
    for (emulator, name) in [(shared(), "one"), (&own, "other")] {
        emulator.call("s3", "create_bucket", json!({"Bucket": name}));
    }
    let buckets = own.call("s3", "list_buckets", json!({}));
    let names: Vec<_> = buckets["Buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| &bucket["Name"])
        .collect();
    assert_eq!(names, ["other"]);
    assert!(!own.log().contains("ERROR"), "{}", own.log());
}

#[test]
fn a_call_that_fails_says_why() {
    let problem = shared().try_call("sqs", "get_queue_url", json!({"QueueName": "none"})).unwrap_err();
    assert!(problem.contains("QueueDoesNotExist"), "{problem}");
    assert_eq!(shared().kill_function("none"), 0);
}

#[test]
fn nothing_of_the_users_own_aws_is_used() {
    let environment = shared().environment();
    let value = |name: &str| environment.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str());
    assert_eq!(value("AWS_ENDPOINT_URL"), Some(shared().endpoint().as_str()));
    assert_eq!(value("AWS_ACCESS_KEY_ID"), Some("test"));
    assert_eq!(value("AWS_CONFIG_FILE"), Some("/dev/null"));
}

#[test]
fn sam_is_the_version_that_is_asked_for() {
    let output = shared().sam().arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "SAM CLI, version 1.170.0\n");
}

#[test]
fn the_emulator_and_its_folder_go_with_the_process_that_started_it() {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-server"))
        .arg("aws")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let (endpoint, folder) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
    let host = endpoint.trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&host).is_ok() && Path::new(&folder).is_dir());
    holder.kill().unwrap();
    holder.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(&host).is_ok() || Path::new(&folder).exists() {
        assert!(Instant::now() < deadline, "{endpoint} or {folder} is still there");
        std::thread::yield_now();
    }
}
