//! A function's own queue, to which work that is handed over goes.

use super::Failure;
use crate::SystemClock;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use ledger::{Clock as _, Next};

/// SQS holds a message back at most so long. The continuation waits for what is left by itself.
const DELAY_SECONDS_MAX: i64 = 900;

/// The queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    pub fn new(config: &SdkConfig, url: &str) -> Queue {
        Queue {
            client: Client::new(config),
            url: url.to_owned(),
        }
    }

    /// Sends a continuation, held back until `not_before_ms` as far as SQS can. Where that fails, the message in hand comes again, and goes on with the work by
    /// itself.
    pub async fn send(&self, next: &str, not_before_ms: Option<i64>) -> Result<(), Failure> {
        let request = self.client.send_message().queue_url(&self.url).message_body(next);
        let delay = delay_seconds(not_before_ms, SystemClock.now_ms());
        match request.set_delay_seconds(delay).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure {
                error_type: "Queue",
                next: Next::Retry,
                chain: format!("could not send the continuation to {}: {}", self.url, crate::sdk::problem(&error)),
            }),
        }
    }
}

/// How long the message is held back; nothing where it may come at once.
fn delay_seconds(not_before_ms: Option<i64>, now_ms: i64) -> Option<i32> {
    let left_ms = not_before_ms?.saturating_sub(now_ms).max(0);
    let seconds = left_ms.saturating_add(999) / 1_000;
    i32::try_from(seconds.min(DELAY_SECONDS_MAX)).ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continuation_is_held_back_while_its_source_must_not_be_asked() {
        for (not_before_ms, expected) in [
            (None, None),
            (Some(10_000), None),
            (Some(9_000), None),
            (Some(10_001), Some(1)),
            (Some(11_000), Some(1)),
            (Some(100_500), Some(91)),
            (Some(i64::MAX), Some(900)),
        ] {
            assert_eq!(delay_seconds(not_before_ms, 10_000), expected, "{not_before_ms:?}");
        }
    }
}
