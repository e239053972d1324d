//! What a message came to, in keys and counts. Pure.

use extract::Outcome;
use host::event::ExtractMessage;
use host::lambda::{Answer, Failure};
use host::telemetry::Metric;
use lake::RunId;
use serde_json::{Value, json};

/// The run goes on with `next`.
pub fn handed_over(next: &ExtractMessage, not_before_ms: Option<i64>) -> Answer {
    let next = serde_json::from_str(&next.to_json()).unwrap_or(Value::Null);
    Answer::new(json!({"outcome": "handed over", "next": next, "not_before_ms": not_before_ms}))
}

/// The run ended with an error, which is recorded.
pub fn run_failed(run: RunId, failure: &Failure) -> Answer {
    Answer::new(json!({"outcome": "failed", "run": run.to_string(), "error_type": failure.error_type, "message": failure.chain}))
}

/// All other ends.
pub fn of(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Extracted {
            run,
            resumed,
            parts,
            captures,
            bytes,
            notices,
        } => Answer::new(json!({
            "outcome": "extracted",
            "run": run.to_string(),
            "resumed": resumed,
            "parts": parts,
            "captures": captures,
            "bytes": bytes,
            "notices": notices,
        }))
        .with(Metric::RecordsIn, captures)
        .with(Metric::RecordsOut, captures)
        .with(Metric::Bytes, bytes),
        Outcome::HandedOver { run, .. } => Answer::new(json!({"outcome": "handed over", "run": run.to_string()})),
        Outcome::Ended { run } => Answer::new(json!({"outcome": "nothing to do", "run": run.to_string()})),
        Outcome::Skipped { run, holder, until_ms } => {
            Answer::new(json!({"outcome": "skipped", "run": run.to_string(), "holder": holder, "until_ms": until_ms}))
        }
    }
}
