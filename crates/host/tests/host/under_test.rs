//! A function for the tests of `lambda`: its handler does what the message's resource says.

use host::event::CleanMessage;
use host::lambda::{Answer, Failure, Function, RecordContext, ServeError, serve};
use host::settings::LogLevel;
use host::telemetry::{Metric, install};
use ledger::{Clock as _, Next};
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    install("clean", "dev", LogLevel::Info);
    let function = Function {
        name: "clean",
        stack: "dev".to_owned(),
        lake_bucket: Some("lake".to_owned()),
    };
    serve(function, handle).await
}

async fn handle(message: CleanMessage, context: RecordContext) -> Result<Answer, Failure> {
    let resource = message.raw.resource.as_str();
    match resource {
        "fails" => return Err(Failure::new("TestFailed", Next::Alarm, &std::io::Error::other("on purpose"))),
        "panics" => panicking("at once"),
        "panics-later" => {
            tokio::task::yield_now().await;
            panicking("later");
        }
        "lasts" => {
            let left_ms = context.deadline_ms.saturating_sub(host::SystemClock.now_ms());
            let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0).saturating_add(5));
            // Works on until its time is over.
            drop(tokio::time::timeout(left, std::future::pending::<()>()).await);
        }
        "waits" => wait_for_the_test().await,
        _ => {}
    }
    let summary = json!({
        "raw": message.raw.key().as_str(),
        "deadline_ms": context.deadline_ms,
        "request_id": context.request_id,
        "sent_ms": context.sent_ms,
        "receive_count": context.receive_count,
    });
    Ok(Answer::new(summary).with(Metric::RecordsIn, 10).with(Metric::RecordsOut, 7))
}

#[allow(clippy::panic, reason = "what is tested")]
fn panicking(when: &str) {
    panic!("on purpose, {when}");
}

/// Until the test lets go.
async fn wait_for_the_test() {
    if let Ok(gate) = std::env::var("HOST_UNDER_TEST_GATE")
        && let Ok(mut stream) = TcpStream::connect(gate).await
    {
        drop(stream.read_u8().await);
    }
}
