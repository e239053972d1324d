//! The ring that needs the recordings: public data kept beside the repository, its folder in `TIDEMILL_RECORDINGS`. Every number that is expected is
//! counted anew from the raw files by the scripts in `recount/`, which use nothing of Tidemill.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod files;
mod http;
mod texts;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidemill_tests::command::{Home, Told};

/// The folder of the recordings. Asked for, this ring fails without it.
fn recordings() -> PathBuf {
    let folder = std::env::var("TIDEMILL_RECORDINGS").expect("TIDEMILL_RECORDINGS is not set: it names the folder of the recordings");
    // The tests' working folder is that of the package, the caller's is the root.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = root.join(folder).canonicalize().expect("TIDEMILL_RECORDINGS names no folder");
    assert!(
        folder.join("http").is_dir(),
        "{} does not hold the recordings: there is no `http` in it",
        folder.display()
    );
    folder
}

fn home() -> Home {
    Home::new(env!("CARGO_BIN_EXE_tidemill-under-test")).with("TIDEMILL_RECORDINGS", recordings().to_str().unwrap())
}

/// A pipeline of this ring, by its name.
fn pipeline(name: &str) -> String {
    format!("{}/recordings/pipelines/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a script of `recount/` and returns what it prints.
fn recount(name: &str, arguments: &[&str]) -> String {
    let script = format!("{}/recordings/recount/{name}.py", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3")
        .arg(&script)
        .arg(recordings())
        .args(arguments)
        .output()
        .expect("python3 is needed");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn recorded_json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(recordings().join(path)).unwrap()).unwrap()
}

fn recounted(name: &str) -> Value {
    serde_json::from_str(&recount(name, &[])).unwrap()
}

/// Checks the numbers of a run against a script's: all that it names, and that nothing is left over.
fn check_counts(told: &Told, expected: &Value) {
    let resources = told.resources();
    assert_eq!(resources.len(), expected.as_object().unwrap().len());
    for (name, expected) in expected.as_object().unwrap() {
        let found = &resources[name];
        check_part(name, "clean", &found["clean"], &expected["clean"]);
        check_part(name, "load", &found["load"], &expected["load"]);
    }
}

fn check_part(resource: &str, part: &str, found: &Value, expected: &Value) {
    for (name, count) in expected.as_object().unwrap() {
        assert_eq!(&found[name], count, "{resource}: {part}.{name} of {found}");
    }
    let sum: u64 = found
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "in")
        .map(|(_, count)| count.as_u64().unwrap())
        .sum();
    assert_eq!(found["in"].as_u64().unwrap(), sum, "{resource}: {part} does not add up: {found}");
}

/// Sums a value over documents; one that is not there counts nothing.
fn sum(documents: &[Value], value: impl Fn(&Value) -> Option<i64>) -> Value {
    documents.iter().filter_map(value).sum::<i64>().into()
}

/// A whole number, however Extended JSON writes it.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value["$numberLong"].as_str()?.parse().ok())
}

/// A time in milliseconds, however Extended JSON writes it.
fn millis(value: &Value) -> Option<i64> {
    let date = &value["$date"];
    let text = || date.as_str()?.parse::<jiff::Timestamp>().ok();
    whole(date).or_else(|| Some(text()?.as_millisecond()))
}
