//! The stack's queues in SQS: messages are sent, counted, and brought back from where the dead letters are.

use super::{CloudError, Names};
use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    types::{QueueAttributeName, SendMessageBatchRequestEntry},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// SQS takes and gives at most so many messages at once.
pub const BATCH_MAX: usize = 10;

/// A client, and the URLs that it learnt.
#[derive(Clone)]
pub struct Queues {
    client: Client,
    names: Names,
    urls: Arc<Mutex<BTreeMap<String, String>>>,
}

/// How many messages a queue holds, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received, and not done yet.
    pub in_work: u64,
}

/// A message as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub body: String,
    pub handle: String,
}

impl Queues {
    pub fn new(config: &SdkConfig, names: &Names) -> Queues {
        Queues {
            client: Client::new(config),
            names: names.clone(),
            urls: Arc::default(),
        }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Sends messages to the queue of this name.
    ///
    /// # Errors
    /// [`CloudError::Aws`], also when some were not taken.
    pub async fn send(&self, queue: &str, bodies: &[String]) -> Result<(), CloudError> {
        let url = self.url(queue).await?;
        for bodies in bodies.chunks(BATCH_MAX) {
            let mut entries = Vec::with_capacity(bodies.len());
            for (place, body) in bodies.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(body);
                entries.push(entry.build().map_err(|error| failed("send to", queue, &error))?);
            }
            let sent = self
                .client
                .send_message_batch()
                .queue_url(&url)
                .set_entries(Some(entries))
                .send()
                .await;
            let sent = sent.map_err(|error| CloudError::aws("send to the queue", queue, &error))?;
            // A failure inside a success is a failure.
            if let Some(refused) = sent.failed.first() {
                return Err(CloudError::Aws {
                    action: "send to the queue",
                    what: queue.to_owned(),
                    code: Some(refused.code.clone()),
                    said: refused.message.clone().unwrap_or_else(|| refused.code.clone()),
                });
            }
        }
        Ok(())
    }

    /// How many messages the queue holds.
    pub async fn depth(&self, queue: &str) -> Result<Depth, CloudError> {
        let url = self.url(queue).await?;
        let asked = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .set_attribute_names(Some(asked.to_vec()))
            .send()
            .await;
        let answer = answer.map_err(|error| CloudError::aws("count the messages of", queue, &error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name: &QueueAttributeName| attributes.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let [waiting, in_work, delayed] = asked.each_ref().map(number);
        Ok(Depth {
            waiting: waiting.saturating_add(delayed),
            in_work,
        })
    }

    /// Receives messages, and hides them from others for `hidden_s` seconds.
    pub async fn receive(&self, queue: &str, hidden_s: i32, wait_s: i32) -> Result<Vec<Received>, CloudError> {
        let url = self.url(queue).await?;
        let answer = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(BATCH_MAX as i32)
            .visibility_timeout(hidden_s)
            .wait_time_seconds(wait_s)
            .send()
            .await;
        let answer = answer.map_err(|error| CloudError::aws("receive from the queue", queue, &error))?;
        let received = answer.messages.unwrap_or_default().into_iter().filter_map(|message| {
            Some(Received {
                id: message.message_id?,
                body: message.body.unwrap_or_default(),
                handle: message.receipt_handle?,
            })
        });
        Ok(received.collect())
    }

    pub async fn delete(&self, queue: &str, message: &Received) -> Result<(), CloudError> {
        let url = self.url(queue).await?;
        let sent = self
            .client
            .delete_message()
            .queue_url(url)
            .receipt_handle(&message.handle)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| CloudError::aws("delete a message of", queue, &error))
    }

    /// Lets others see a received message again, at once.
    pub async fn give_back(&self, queue: &str, message: &Received) -> Result<(), CloudError> {
        let url = self.url(queue).await?;
        let request = self.client.change_message_visibility().queue_url(url);
        let sent = request.receipt_handle(&message.handle).visibility_timeout(0).send().await;
        sent.map(drop)
            .map_err(|error| CloudError::aws("give back a message of", queue, &error))
    }

    async fn url(&self, queue: &str) -> Result<String, CloudError> {
        let known = || self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = known().get(queue).cloned() {
            return Ok(url);
        }
        let answer = self.client.get_queue_url().queue_name(queue).send().await;
        let answer = answer.map_err(|error| CloudError::aws("find the queue", queue, &error))?;
        let url = answer.queue_url.unwrap_or_default();
        known().insert(queue.to_owned(), url.clone());
        Ok(url)
    }
}

/// All that the service needs is set; only a change of its own shapes could bring this.
fn failed(action: &'static str, queue: &str, error: &dyn std::error::Error) -> CloudError {
    CloudError::Aws {
        action,
        what: queue.to_owned(),
        code: None,
        said: error.to_string(),
    }
}
