//! Every file of `events/` is read, and is understood as its snapshot says.

use host::event::{BackupMessage, CleanMessage, ExtractMessage, LoadMessage, Message, Origin, WatchMessage};
use serde_json::Value;
use std::error::Error as _;
use std::fmt::{Debug, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

const LAKE: &str = "tidemill-lake-111122223333-eu-central-1";
/// 2026-11-24T10:30:59.999Z: what a direct invocation is dated.
const NOW_MS: i64 = 1_795_516_259_999;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The bodies of a payload, each with its time: those of a batch, or the payload itself.
fn bodies(payload: &Value) -> Vec<(String, i64)> {
    match payload["Records"].as_array() {
        None => vec![(payload.to_string(), NOW_MS)],
        Some(records) => records.iter().map(of_record).collect(),
    }
}

fn of_record(record: &Value) -> (String, i64) {
    assert_eq!(record["eventSource"], "aws:sqs");
    let sent_ms = record["attributes"]["SentTimestamp"].as_str().unwrap().parse().unwrap();
    (record["body"].as_str().unwrap().to_owned(), sent_ms)
}

fn understood<M: Message + Debug>(function: &str) -> String {
    let mut text = String::new();
    for name in names(&folder().join(function)) {
        let payload: Value = serde_json::from_str(&fs::read_to_string(folder().join(function).join(&name)).unwrap()).unwrap();
        writeln!(text, "# {function}/{name}").unwrap();
        for (body, sent_ms) in bodies(&payload) {
            let origin = Origin {
                lake_bucket: Some(LAKE),
                sent_ms,
            };
            match M::parse(&body, &origin) {
                Ok(messages) if messages.is_empty() => text.push_str("nothing\n"),
                Ok(messages) => messages
                    .iter()
                    .for_each(|message| writeln!(text, "{message:?}\n  {:?}", message.subject()).unwrap()),
                Err(error) => {
                    writeln!(text, "refused: {error}").unwrap();
                    if let Some(source) = error.source() {
                        writeln!(text, "  {source}").unwrap();
                    }
                }
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn each_function_has_events() {
    assert_eq!(names(&folder()), ["README.md", "backup", "clean", "extract", "load", "watch"]);
}

#[test]
fn extract() {
    insta::assert_snapshot!("extract", understood::<ExtractMessage>("extract"));
}

#[test]
fn clean() {
    insta::assert_snapshot!("clean", understood::<CleanMessage>("clean"));
}

#[test]
fn load() {
    insta::assert_snapshot!("load", understood::<LoadMessage>("load"));
}

#[test]
fn backup() {
    insta::assert_snapshot!("backup", understood::<BackupMessage>("backup"));
}

#[test]
fn watch() {
    insta::assert_snapshot!("watch", understood::<WatchMessage>("watch"));
}

/// The keys of the two envelopes are told apart: `%3D` in a direct notification is `=`, in an event of EventBridge it is what the key holds.
#[test]
fn a_key_is_decoded_by_the_kind_of_its_envelope() {
    let read = |name: &str| fs::read_to_string(folder().join("clean").join(name)).unwrap();
    let body = |text: &str| bodies(&serde_json::from_str(text).unwrap()).remove(0).0;
    let origin = Origin {
        lake_bucket: None,
        sent_ms: 0,
    };
    let direct = body(&read("s3-direct.json"));
    assert!(direct.contains("dt%3D2026"));
    assert!(CleanMessage::parse(&direct, &origin).is_ok());
    let verbatim = body(&read("eventbridge.json"));
    assert!(CleanMessage::parse(&verbatim, &origin).is_ok());
    let encoded = verbatim.replace("dt=2026", "dt%3D2026");
    assert!(
        CleanMessage::parse(&encoded, &origin)
            .unwrap_err()
            .source()
            .unwrap()
            .to_string()
            .contains("dt%3D2026")
    );
}

fn check_refused<M: Message + Debug>(body: &str, expected: &str) {
    let origin = Origin {
        lake_bucket: Some(LAKE),
        sent_ms: NOW_MS,
    };
    let error = M::parse(body, &origin).unwrap_err();
    let told = format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
    assert!(told.contains(expected), "{body}\n{told}");
}

#[test]
fn what_is_refused_is_told_with_what_was_expected() {
    for body in ["", "not json", "{", "[1]", "null", "\"text\""] {
        check_refused::<ExtractMessage>(body, "expected {\"pipeline\"");
        check_refused::<CleanMessage>(body, "expected an event of the lake's bucket");
        check_refused::<LoadMessage>(body, "expected an event of the lake's bucket");
        check_refused::<BackupMessage>(body, "expected {\"task\": \"backup\" or \"drill\"");
        check_refused::<WatchMessage>(body, "expected {\"tick\": \"watch\"}");
    }
    let extract = |more: &str| format!(r#"{{"pipeline":"p","resource":"r","requested_by":"schedule"{more}}}"#);
    check_refused::<ExtractMessage>(&extract(""), "expected `scheduled_at` or `run`");
    check_refused::<ExtractMessage>(&extract(r#","scheduled_at":"today""#), "`today` is not a time, expected RFC 3339");
    check_refused::<ExtractMessage>(&extract(r#","run":"x""#), "expected a run's id");
    check_refused::<ExtractMessage>(
        &extract(r#","scheduled_at":"2026-11-24T10:00:00Z","hops":1"#),
        "unknown field `hops`",
    );
    check_refused::<ExtractMessage>(
        &extract(r#","scheduled_at":"2026-11-24T10:00:00Z","base_url":"http://x/""#),
        "`base_url` is only for",
    );
    check_refused::<ExtractMessage>(
        r#"{"pipeline":"p","resource":"r","requested_by":"continuation","scheduled_at":"2026-11-24T10:00:00Z"}"#,
        "a continuation needs `run`",
    );
    check_refused::<ExtractMessage>(
        r#"{"pipeline":"p","resource":"r","requested_by":"chance","scheduled_at":"2026-11-24T10:00:00Z"}"#,
        "unknown variant `chance`",
    );
    let raw = "raw/p/r/dt=2026-11-24/01M86FYZ80A9X22CK80K2698P0/000001.jsonl.zst";
    let replay = |more: &str| format!(r#"{{"raw":"{raw}"{more}}}"#);
    check_refused::<CleanMessage>(&replay(r#","definition":"ab""#), "expected `definition` and `generation` together");
    check_refused::<CleanMessage>(&replay(r#","generation":1"#), "expected `definition` and `generation` together");
    check_refused::<CleanMessage>(&replay(r#","definition":"ab","generation":1"#), "a SHA-256 of 64");
    check_refused::<CleanMessage>(r#"{"raw":"clean/p/r"}"#, "`clean/p/r` is not a key of this lake: expected raw/");
    check_refused::<CleanMessage>(
        r#"{"detail-type":"Object Created","source":"aws.ec2"}"#,
        "expected an \"Object Created\" event",
    );
    check_refused::<CleanMessage>(
        r#"{"detail-type":"Object Created","source":"aws.s3","detail":{}}"#,
        "missing field `bucket`",
    );
    let record = |version: &str, key: &str| {
        format!(
            r#"{{"Records":[{{"eventVersion":"{version}","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"{LAKE}"}},"object":{{"key":"{key}"}}}}}}]}}"#
        )
    };
    check_refused::<CleanMessage>(&record("3.0", raw), "is of version `3.0`, expected 2.x");
    check_refused::<CleanMessage>(&record("2.1", "raw/%3"), "`raw/%3` of an S3 notification is not form-encoded");
    check_refused::<CleanMessage>(&record("2.1", "raw/%FF"), "`raw/%FF` of an S3 notification is not form-encoded");
    check_refused::<CleanMessage>(&record("2.1", "raw/a+b"), "`raw/a b` is not a key");
    check_refused::<CleanMessage>(
        r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:sns","eventName":"x"}]}"#,
        "expected an S3 notification",
    );
    let refused = "refused/p/r/v=381fa56e/dt=2026-11-24/01M86FYZ80A9X22CK80K2698P0/000001.jsonl.zst";
    check_refused::<LoadMessage>(&format!(r#"{{"clean":"{refused}"}}"#), "expected an object in clean/");
    check_refused::<WatchMessage>(r#"{"tick":"extract"}"#, "expected {\"tick\": \"watch\"}");
}
