//! The topic that people are told on, and the bus of events.

use super::queues::failed;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use watch::{Event, Events, Notify, PortError};

/// Who the events on the bus come from.
const SOURCE: &str = "tidemill";

/// The stack's topic.
pub struct Topic {
    client: aws_sdk_sns::Client,
    arn: String,
}

impl Topic {
    pub fn new(config: &SdkConfig, arn: String) -> Topic {
        Topic {
            client: aws_sdk_sns::Client::new(config),
            arn,
        }
    }
}

#[async_trait]
impl Notify for Topic {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), PortError> {
        let message = self.client.publish().topic_arn(&self.arn).subject(subject).message(text);
        let sent = message.send().await;
        sent.map(drop).map_err(|error| failed("publish on the topic", &self.arn, &error))
    }
}

/// The account's default bus.
pub struct Bus {
    client: aws_sdk_eventbridge::Client,
}

impl Bus {
    pub fn new(config: &SdkConfig) -> Bus {
        Bus {
            client: aws_sdk_eventbridge::Client::new(config),
        }
    }
}

#[async_trait]
impl Events for Bus {
    async fn put(&self, event: &Event) -> Result<(), PortError> {
        let entry = PutEventsRequestEntry::builder()
            .source(SOURCE)
            .detail_type(event.kind)
            .time(DateTime::from_millis(event.at_ms))
            .detail(event.detail.to_string())
            .build();
        let sent = self.client.put_events().entries(entry).send().await;
        let answer = sent.map_err(|error| failed("put the event", event.kind, &error))?;
        // A failure inside a success.
        match answer.entries().iter().find(|entry| entry.error_code().is_some()) {
            None => Ok(()),
            Some(entry) => Err(PortError {
                action: "put the event",
                name: event.kind.to_owned(),
                problem: format!(
                    "{}: {}",
                    entry.error_code().unwrap_or_default(),
                    entry.error_message().unwrap_or_default()
                ),
                passes: entry.error_code() != Some("MalformedDetail"),
            }),
        }
    }
}
