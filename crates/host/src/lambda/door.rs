//! From an invocation to its answer: batches unpacked, messages read and handled one after the other, failures told, metrics printed.

use super::boundary::guarded;
use super::stop::Stop;
use super::{Answer, Failure, Function, RESERVE_MS, RESERVE_PERCENT, RecordContext};
use crate::SystemClock;
use crate::event::{Message, Origin};
use crate::telemetry::{Metric, Metrics, print_line};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Diagnostic, LambdaEvent};
use ledger::{Clock as _, Next};
use serde_json::Value;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::{Instrument as _, error, info, info_span, warn};

/// A function's handler and what surrounds each of its calls.
pub(super) struct Door<M, H> {
    function: Function,
    handler: H,
    stop: Stop,
    warm: AtomicBool,
    message: PhantomData<fn() -> M>,
}

/// Of one invocation.
struct Invocation {
    request_id: String,
    began_ms: i64,
    deadline_ms: i64,
    metrics: Metrics,
}

/// Of one body.
struct Delivery {
    sent_ms: Option<i64>,
    receive_count: Option<u32>,
}

impl<M, H, F> Door<M, H>
where
    M: Message,
    H: Fn(M, RecordContext) -> F,
    F: Future<Output = Result<Answer, Failure>>,
{
    pub fn new(function: Function, handler: H, stop: Stop) -> Door<M, H> {
        Door {
            function,
            handler,
            stop,
            warm: AtomicBool::new(false),
            message: PhantomData,
        }
    }

    pub async fn invocation(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let (payload, context) = event.into_parts();
        let began_ms = SystemClock.now_ms();
        let mut invocation = Invocation {
            deadline_ms: deadline_ms(began_ms, i64::try_from(context.deadline).unwrap_or(i64::MAX)),
            request_id: context.request_id,
            began_ms,
            metrics: Metrics::default(),
        };
        // An alarm needs a number also when all is well.
        invocation.metrics.add(Metric::Failures, 0);
        if !self.warm.swap(true, Ordering::Relaxed) {
            invocation.metrics.add(Metric::ColdStart, 1);
        }
        let span = info_span!("invocation", request_id = invocation.request_id);
        let answer = async {
            if is_batch(&payload) {
                self.batch(payload, &mut invocation).await
            } else {
                self.direct(&payload, &mut invocation).await
            }
        };
        let answer = answer.instrument(span).await;
        self.print_metrics(invocation);
        answer
    }

    async fn batch(&self, payload: Value, invocation: &mut Invocation) -> Result<Value, Diagnostic> {
        let event: SqsEvent = serde_json::from_value(payload).map_err(|error| malformed_batch(&error.to_string()))?;
        // Nothing is begun of a batch whose failures could not be told.
        if event.records.iter().any(|record| record.message_id.is_none()) {
            return Err(malformed_batch("expected every record to have a `messageId`"));
        }
        let mut response = SqsBatchResponse::default();
        for record in &event.records {
            let id = record.message_id.clone().unwrap_or_default();
            let delivery = Delivery::of(record);
            let span = info_span!("record", message_id = id, receive_count = delivery.receive_count);
            let body = record.body.as_deref().unwrap_or_default();
            if self.body(body, &delivery, invocation).instrument(span).await.is_err() {
                response.add_failure(id);
            }
        }
        serde_json::to_value(&response).map_err(|error| malformed_batch(&error.to_string()))
    }

    async fn direct(&self, payload: &Value, invocation: &mut Invocation) -> Result<Value, Diagnostic> {
        let delivery = Delivery {
            sent_ms: None,
            receive_count: None,
        };
        let mut summaries = self
            .body(&payload.to_string(), &delivery, invocation)
            .await
            .map_err(|failure| Diagnostic {
                error_type: failure.error_type.to_owned(),
                error_message: failure.chain,
            })?;
        Ok(match summaries.len() {
            1 => summaries.swap_remove(0),
            _ => Value::Array(summaries),
        })
    }

    /// All messages of a body; the first failure, when all have been tried.
    async fn body(&self, body: &str, delivery: &Delivery, invocation: &mut Invocation) -> Result<Vec<Value>, Failure> {
        let origin = Origin {
            lake_bucket: self.function.lake_bucket.as_deref(),
            sent_ms: delivery.sent_ms.unwrap_or(invocation.began_ms),
        };
        let mut failed = None;
        let mut summaries = Vec::new();
        match M::parse(body, &origin) {
            Ok(messages) => {
                for message in messages {
                    match self.message(message, delivery, invocation).await {
                        Ok(summary) => summaries.push(summary),
                        Err(failure) => failed = failed.or(Some(failure)),
                    }
                }
            }
            Err(error) => {
                let failure = Failure::new("UnknownMessage", Next::Reject, &error);
                tell(&failure);
                failed = Some(failure);
            }
        }
        match failed {
            None => Ok(summaries),
            Some(failure) => {
                invocation.metrics.add(Metric::Failures, 1);
                Err(failure)
            }
        }
    }

    async fn message(&self, message: M, delivery: &Delivery, invocation: &mut Invocation) -> Result<Value, Failure> {
        let subject = message.subject();
        let span = info_span!(
            "message",
            pipeline = subject.pipeline,
            resource = subject.resource,
            run = subject.run,
            object = subject.object
        );
        invocation.metrics.add(Metric::Messages, 1);
        let result = self.handle(message, delivery, invocation).instrument(span.clone()).await;
        span.in_scope(|| match &result {
            Ok(answer) => {
                invocation.metrics.merge(&answer.metrics);
                info!(answer = %answer.summary, "message done");
            }
            Err(failure) => tell(failure),
        });
        result.map(|answer| answer.summary)
    }

    async fn handle(&self, message: M, delivery: &Delivery, invocation: &Invocation) -> Result<Answer, Failure> {
        if self.stop.asked() || SystemClock.now_ms() >= invocation.deadline_ms {
            return Err(Failure {
                error_type: "OutOfTime",
                next: Next::Retry,
                chain: "no time was left in this invocation to begin the message; it comes again".to_owned(),
            });
        }
        let context = RecordContext {
            deadline_ms: invocation.deadline_ms,
            request_id: invocation.request_id.clone(),
            sent_ms: delivery.sent_ms,
            receive_count: delivery.receive_count,
        };
        // In a block of its own, so that a panic before the first await is caught too.
        guarded(async { (self.handler)(message, context).await }).await
    }

    fn print_metrics(&self, mut invocation: Invocation) {
        let now_ms = SystemClock.now_ms();
        let duration_ms = u64::try_from(now_ms.saturating_sub(invocation.began_ms)).unwrap_or(0);
        invocation.metrics.add(Metric::Duration, duration_ms);
        print_line(&invocation.metrics.line(&self.function.stack, self.function.name, now_ms));
    }
}

impl Delivery {
    /// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>: the numbers come as texts.
    fn of(record: &SqsMessage) -> Delivery {
        let attribute = |name| record.attributes.get(name);
        Delivery {
            sent_ms: attribute("SentTimestamp").and_then(|text| text.parse().ok()),
            receive_count: attribute("ApproximateReceiveCount").and_then(|text| text.parse().ok()),
        }
    }
}

/// `cargo lambda watch` tells how long an invocation may last where Lambda tells when it ends: no moment is so long ago.
const LENGTH_MS_MAX: i64 = 24 * 60 * 60 * 1_000;

/// When work must be handed over that began at `now_ms` and is killed at `end_ms`.
pub(super) fn deadline_ms(now_ms: i64, end_ms: i64) -> i64 {
    let end_ms = if (1..=LENGTH_MS_MAX).contains(&end_ms) && now_ms > LENGTH_MS_MAX {
        now_ms.saturating_add(end_ms)
    } else {
        end_ms
    };
    let left_ms = end_ms.saturating_sub(now_ms).max(0);
    let share_ms = left_ms / 100 * RESERVE_PERCENT + left_ms % 100 * RESERVE_PERCENT / 100;
    end_ms.saturating_sub(share_ms.min(RESERVE_MS))
}

/// S3's notifications are `Records` too; those of SQS name it.
fn is_batch(payload: &Value) -> bool {
    let Some(records) = payload.get("Records").and_then(Value::as_array) else {
        return false;
    };
    records
        .iter()
        .all(|record| record.get("eventSource").and_then(Value::as_str) == Some("aws:sqs"))
}

/// Logged here, once, within the spans that say what it is about.
fn tell(failure: &Failure) {
    let Failure { error_type, next, chain } = failure;
    match next {
        Next::Retry => warn!(error_type, next = "retry", chain, "message failed"),
        Next::Reject => error!(error_type, next = "reject", chain, "message failed"),
        Next::Alarm => error!(error_type, next = "alarm", chain, "message failed"),
    }
}

fn malformed_batch(problem: &str) -> Diagnostic {
    error!(error_type = "MalformedBatch", chain = problem, "batch failed");
    Diagnostic {
        error_type: "MalformedBatch".to_owned(),
        error_message: format!("the payload is no batch of SQS: {problem}"),
    }
}
