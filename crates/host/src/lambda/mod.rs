//! The Lambda runtime around a function: batches are unpacked here, each record has its failure boundary, the deadline is watched.
//!
//! A payload is a batch of SQS, or one message as it is (from a schedule, the console, `cargo lambda invoke`). `lambda_runtime` and
//! `aws_lambda_events` appear nowhere else.

mod boundary;
mod door;
#[cfg(feature = "queue")]
mod queue;
mod start;
mod stop;

#[cfg(feature = "queue")]
pub use queue::Queue;
pub use start::run;

use crate::event::Message;
use crate::telemetry::{Metric, Metrics};
use door::Door;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use ledger::Next;
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use stop::Stop;

/// Kept back of the time that is left when an invocation begins, to hand over and answer in: so much, or `RESERVE_PERCENT` if that is less.
pub const RESERVE_MS: i64 = 10_000;
pub const RESERVE_PERCENT: i64 = 20;

/// Set by Lambda, and by `cargo lambda watch`; `lambda_runtime` panics without them.
const ENVIRONMENT: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Which function this process is.
#[derive(Clone, Debug)]
pub struct Function {
    /// `extract`, `clean` or another: the stage of its metrics.
    pub name: &'static str,
    pub stack: String,
    /// The only bucket whose events are worked on; `None` with the embedded adapters.
    pub lake_bucket: Option<String>,
}

/// What a handler is told beside its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordContext {
    /// When the work must be handed over, milliseconds since 1970: the end of the invocation less a reserve ([`RESERVE_MS`]).
    pub deadline_ms: i64,
    /// Lambda's id of the invocation.
    pub request_id: String,
    /// When the message was sent; `None` for a direct invocation.
    pub sent_ms: Option<i64>,
    /// How often it was received, this time included; `None` for a direct invocation.
    pub receive_count: Option<u32>,
}

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Is logged, and answered to a direct invocation: keys and counts only, never a record.
    pub summary: Value,
    pub metrics: Metrics,
}

impl Answer {
    pub fn new(summary: Value) -> Answer {
        Answer {
            summary,
            metrics: Metrics::default(),
        }
    }

    pub fn with(mut self, metric: Metric, count: u64) -> Answer {
        self.metrics.add(metric, count);
        self
    }
}

/// Why a message failed. It comes again, and goes to the dead-letter queue after its receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable: alarms and queries are built on it.
    pub error_type: &'static str,
    pub next: Next,
    /// The error and its causes.
    pub chain: String,
}

impl Failure {
    pub fn new(error_type: &'static str, next: Next, error: &dyn Error) -> Failure {
        Failure {
            error_type,
            next,
            chain: chain(error),
        }
    }
}

/// An error and its causes.
fn chain(error: &dyn Error) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    chain
}

/// Why a function's process ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{variable} is not set: this binary is started by AWS Lambda, or on this machine by `cargo lambda watch`")]
    NotLambda { variable: &'static str },
    #[error("the signal SIGTERM can't be listened to")]
    Signal(#[source] std::io::Error),
    #[error("Lambda's runtime API failed, expected it to give an invocation and to take its answer")]
    Runtime(#[source] lambda_runtime::Error),
}

/// Answers invocations until the process is told to end.
///
/// Records of a batch are worked on one after the other. One that fails (also: panics, is no message of the function's, or has no time left) is
/// among the `batchItemFailures`; the others are done. On SIGTERM the record in hand is finished, and no other is begun.
pub async fn serve<M, H, F>(function: Function, handler: H) -> Result<(), ServeError>
where
    M: Message + 'static,
    H: Fn(M, RecordContext) -> F + 'static,
    F: Future<Output = Result<Answer, Failure>> + 'static,
{
    for variable in ENVIRONMENT {
        if std::env::var_os(variable).is_none() {
            return Err(ServeError::NotLambda { variable });
        }
    }
    let stop = Stop::default();
    let told = stop.listen().map_err(ServeError::Signal)?;
    let door = Arc::new(Door::new(function, handler, stop.clone()));
    let service = service_fn(move |event: LambdaEvent<Value>| {
        let door = door.clone();
        async move { door.invocation(event).await }
    });
    let runtime = Runtime::new(service).layer(stop);
    tokio::select! {
        ended = runtime.run() => ended.map_err(ServeError::Runtime),
        () = told => Ok(()),
    }
}

#[cfg(test)]
mod tests;
