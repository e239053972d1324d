//! The real runtime in a process of its own, against a Runtime API of the test: batches, failures, panics, deadlines, the end.

use crate::server::serve;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

/// Whatever takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const ARN: &str = "arn:aws:lambda:eu-central-1:111122223333:function:dev-clean";

struct Invocation {
    payload: Value,
    deadline_ms: i64,
}

/// A Lambda that runs the function.
struct Lambda {
    child: Child,
    invocations: mpsc::UnboundedSender<Invocation>,
    /// The last part of the path it was answered at (`response` or `error`), and the answer.
    answers: mpsc::UnboundedReceiver<(String, Value)>,
}

impl Lambda {
    /// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
    async fn start(gate: Option<String>) -> Lambda {
        let (invocations, asked) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let asked = Arc::new(Mutex::new(asked));
        let address = serve(move |request| {
            let (asked, answered) = (asked.clone(), answered.clone());
            async move {
                match *request.method() {
                    Method::GET => next(&request, &asked).await,
                    _ => taken(&request, &answered),
                }
            }
        })
        .await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_host-under-test"));
        command
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "dev-clean")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .envs(gate.map(|gate| ("HOST_UNDER_TEST_GATE", gate)))
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        Lambda {
            child: command.spawn().unwrap(),
            invocations,
            answers,
        }
    }

    fn invoke(&self, payload: Value, left_ms: i64) -> i64 {
        let deadline_ms = now_ms() + left_ms;
        self.invocations.send(Invocation { payload, deadline_ms }).unwrap();
        deadline_ms
    }

    async fn answer(&mut self) -> (String, Value) {
        timeout(PATIENCE, self.answers.recv()).await.unwrap().unwrap()
    }

    async fn asked(&mut self, payload: Value, left_ms: i64) -> (String, Value) {
        self.invoke(payload, left_ms);
        self.answer().await
    }

    fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// The lines it printed, when it has ended well.
    async fn lines(mut self) -> Vec<Value> {
        let mut text = String::new();
        timeout(PATIENCE, self.child.stdout.take().unwrap().read_to_string(&mut text))
            .await
            .unwrap()
            .unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn ended(self) -> Vec<Value> {
        self.terminate();
        self.lines().await
    }
}

async fn next(request: &Request<Bytes>, asked: &Mutex<mpsc::UnboundedReceiver<Invocation>>) -> Response<Full<Bytes>> {
    assert_eq!(request.uri().path(), "/2018-06-01/runtime/invocation/next");
    let Some(invocation) = asked.lock().await.recv().await else {
        return std::future::pending().await;
    };
    Response::builder()
        .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .header("lambda-runtime-deadline-ms", invocation.deadline_ms)
        .header("lambda-runtime-invoked-function-arn", ARN)
        .body(Full::new(invocation.payload.to_string().into()))
        .unwrap()
}

fn taken(request: &Request<Bytes>, answered: &mpsc::UnboundedSender<(String, Value)>) -> Response<Full<Bytes>> {
    let kind = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let body = serde_json::from_slice(request.body()).unwrap();
    answered.send((kind, body)).unwrap();
    Response::builder().status(202).body(Full::default()).unwrap()
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn key(resource: &str) -> String {
    format!("raw/p/{resource}/dt=2026-11-24/01M86FYZ80A9X22CK80K2698P0/000001.jsonl.zst")
}

fn message(resource: &str) -> String {
    json!({"raw": key(resource)}).to_string()
}

fn batch(records: &[(&str, String)]) -> Value {
    let record = |(id, body): &(&str, String)| {
        json!({
            "messageId": id,
            "body": body,
            "attributes": {"SentTimestamp": "1795514400812", "ApproximateReceiveCount": "2"},
            "eventSource": "aws:sqs",
        })
    };
    json!({"Records": records.iter().map(record).collect::<Vec<_>>()})
}

fn failures(ids: &[&str]) -> (String, Value) {
    let failures: Vec<Value> = ids.iter().map(|id| json!({"itemIdentifier": id})).collect();
    ("response".to_owned(), json!({"batchItemFailures": failures}))
}

/// The fields of the failures in the log: error type, message id, resource, chain.
fn failed(lines: &[Value]) -> Vec<(&str, &str, &str, &str)> {
    lines
        .iter()
        .filter(|line| line["message"] == "message failed")
        .map(|line| {
            let field = |name: &str| line[name].as_str().unwrap_or("-");
            (field("error_type"), field("message_id"), field("resource"), field("chain"))
        })
        .collect()
}

fn metrics(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line.get("_aws").is_some()).collect()
}

#[tokio::test]
async fn a_batch_fails_record_by_record() {
    let mut lambda = Lambda::start(None).await;
    let records = [
        ("good", message("done")),
        ("bad", message("fails")),
        ("panic", message("panics")),
        ("late-panic", message("panics-later")),
        ("no-message", "{\"raw\": 7}".to_owned()),
        ("fine", message("done")),
    ];
    let answer = lambda.asked(batch(&records), 60_000).await;
    assert_eq!(answer, failures(&["bad", "panic", "late-panic", "no-message"]));
    // The process lives on.
    assert_eq!(lambda.asked(batch(&[("again", message("done"))]), 60_000).await, failures(&[]));
    assert_eq!(lambda.asked(batch(&[]), 60_000).await, failures(&[]));
    let lines = lambda.ended().await;
    let told = failed(&lines);
    assert_eq!(
        told[..3],
        [
            ("TestFailed", "bad", "fails", "on purpose"),
            ("Panic", "panic", "panics", "panicked: on purpose, at once"),
            ("Panic", "late-panic", "panics-later", "panicked: on purpose, later"),
        ]
    );
    assert_eq!((told.len(), told[3].0, told[3].1), (4, "UnknownMessage", "no-message"));
    let metrics = metrics(&lines);
    let numbers: Vec<_> = metrics
        .iter()
        .map(|line| (&line["Messages"], &line["Failures"], &line["RecordsIn"], &line["ColdStart"]))
        .collect();
    let null = Value::Null;
    assert_eq!(
        numbers,
        [
            (&json!(5), &json!(4), &json!(20), &json!(1)),
            (&json!(1), &json!(0), &json!(10), &null),
            (&null, &json!(0), &null, &null)
        ]
    );
}

#[tokio::test]
async fn a_log_line_says_what_it_is_about() {
    let mut lambda = Lambda::start(None).await;
    lambda
        .asked(batch(&[("good", message("done")), ("panic", message("panics"))]), 60_000)
        .await;
    let lines = lambda.ended().await;
    let done = lines.iter().find(|line| line["message"] == "message done").unwrap();
    for (field, expected) in [
        ("level", json!("INFO")),
        ("function", json!("clean")),
        ("stack", json!("dev")),
        ("request_id", json!("8476a536-e9f4-11e8-9739-2dfe598c3fcd")),
        ("message_id", json!("good")),
        ("receive_count", json!(2)),
        ("pipeline", json!("p")),
        ("resource", json!("done")),
        ("run", json!("01M86FYZ80A9X22CK80K2698P0")),
        ("object", json!(key("done"))),
    ] {
        assert_eq!(done[field], expected, "{field}");
    }
    let panicked = lines.iter().find(|line| line["message"] == "panicked").unwrap();
    assert!(panicked["location"].as_str().unwrap().contains("under_test.rs"));
    assert_eq!(panicked["message_id"], "panic");
}

#[tokio::test]
async fn what_has_no_time_left_is_answered_untouched() {
    let mut lambda = Lambda::start(None).await;
    let records = [("first", message("lasts")), ("second", message("done")), ("third", message("done"))];
    // The process is up before its time is counted.
    assert_eq!(lambda.asked(batch(&[]), 60_000).await, failures(&[]));
    assert_eq!(lambda.asked(batch(&records), 2_000).await, failures(&["second", "third"]));
    let lines = lambda.ended().await;
    let types: Vec<_> = failed(&lines).iter().map(|failure| (failure.0, failure.1)).collect();
    assert_eq!(types, [("OutOfTime", "second"), ("OutOfTime", "third")]);
    assert_eq!(metrics(&lines)[1]["RecordsIn"], 10);
}

#[tokio::test]
async fn a_handler_knows_when_to_hand_over() {
    let mut lambda = Lambda::start(None).await;
    for (left_ms, reserve_ms) in [(900_000, 10_000..=10_000), (20_000, 1..=4_000)] {
        let end_ms = lambda.invoke(json!({"raw": key("done")}), left_ms);
        let (kind, answer) = lambda.answer().await;
        assert_eq!(kind, "response");
        let kept_ms = end_ms - answer["deadline_ms"].as_i64().unwrap();
        assert!(reserve_ms.contains(&kept_ms), "{left_ms}: {kept_ms}");
    }
    lambda.ended().await;
}

#[tokio::test]
async fn a_message_by_itself_is_answered_with_what_came_of_it() {
    let mut lambda = Lambda::start(None).await;
    let (kind, answer) = lambda.asked(json!({"raw": key("done")}), 60_000).await;
    assert_eq!(kind, "response");
    assert_eq!(answer["raw"], key("done"));
    assert_eq!((&answer["sent_ms"], &answer["receive_count"]), (&Value::Null, &Value::Null));
    // Two objects, two summaries; a test event, none.
    let record = |resource: &str| {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "lake"}, "object": {"key": key(resource).replace('=', "%3D")}},
        })
    };
    let (kind, answer) = lambda.asked(json!({"Records": [record("one"), record("two")]}), 60_000).await;
    assert_eq!((kind.as_str(), answer.as_array().unwrap().len()), ("response", 2));
    let (kind, answer) = lambda
        .asked(json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"}), 60_000)
        .await;
    assert_eq!((kind.as_str(), answer), ("response", json!([])));
    lambda.ended().await;
}

#[tokio::test]
async fn a_message_by_itself_fails_with_a_stable_type() {
    let mut lambda = Lambda::start(None).await;
    for (payload, error_type, error_message) in [
        (json!({"raw": key("fails")}), "TestFailed", "on purpose"),
        (json!({"raw": key("panics")}), "Panic", "panicked: on purpose, at once"),
        (
            json!({"tick": "clean"}),
            "UnknownMessage",
            "the message has not the shape of a message of this function",
        ),
        (
            json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}),
            "MalformedBatch",
            "the payload is no batch of SQS: expected every record to have a `messageId`",
        ),
        (
            json!({"Records": [{"eventSource": "aws:sqs", "messageId": 1}]}),
            "MalformedBatch",
            "the payload is no batch of SQS",
        ),
    ] {
        let (kind, answer) = lambda.asked(payload, 60_000).await;
        assert_eq!((kind.as_str(), &answer["errorType"]), ("error", &json!(error_type)));
        assert!(answer["errorMessage"].as_str().unwrap().starts_with(error_message), "{answer}");
    }
    let lines = lambda.ended().await;
    // Each told once, with the place of the panic: the runtime's own telling is left out.
    let told: Vec<_> = lines
        .iter()
        .filter_map(|line| Some((line["message"].as_str()?, line["error_type"].as_str()?)))
        .collect();
    let expected = [
        ("message failed", "TestFailed"),
        ("panicked", "Panic"),
        ("message failed", "Panic"),
        ("message failed", "UnknownMessage"),
        ("batch failed", "MalformedBatch"),
        ("batch failed", "MalformedBatch"),
    ];
    assert_eq!(told, expected);
    assert_eq!(lines.len(), expected.len() + metrics(&lines).len());
}

#[tokio::test]
async fn the_message_in_hand_is_finished_before_the_end() {
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut lambda = Lambda::start(Some(gate.local_addr().unwrap().to_string())).await;
    lambda.invoke(batch(&[("held", message("waits"))]), 60_000);
    let (mut held, _) = timeout(PATIENCE, gate.accept()).await.unwrap().unwrap();
    lambda.terminate();
    held.write_u8(1).await.unwrap();
    assert_eq!(lambda.answer().await, failures(&[]));
    let lines = lambda.lines().await;
    assert_eq!(metrics(&lines)[0]["RecordsOut"], 7);
}

#[tokio::test]
async fn outside_of_lambda_it_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_host-under-test"))
        .env_remove("AWS_LAMBDA_RUNTIME_API")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("NotLambda { variable: \"AWS_LAMBDA_RUNTIME_API\" }")
    );
}
