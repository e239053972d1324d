//! The stack's queues on SQS.

use super::Urls;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName};
use host::event::{BackupMessage, BackupTask, CleanMessage, ExtractMessage, LoadMessage, Message, Origin, RequestedBy, WatchMessage};
use std::collections::BTreeMap;
use std::error::Error as StdError;
use watch::{DeadQueue, Letter, Letters, PortError, Queues, Subject, Task, Work};

/// So long a letter that was looked at is hidden from others, `redrive` among them.
const HIDDEN_SECONDS: i32 = 10;

/// So many messages SQS gives at once.
const BATCH: i32 = 10;

pub struct Sqs {
    client: Client,
    urls: Urls,
    lake_bucket: String,
}

impl Sqs {
    pub fn new(config: &SdkConfig, urls: Urls, lake_bucket: &str) -> Sqs {
        Sqs {
            client: Client::new(config),
            urls,
            lake_bucket: lake_bucket.to_owned(),
        }
    }

    /// How many messages are there, hidden ones included; about, as SQS counts.
    async fn count(&self, url: &str) -> Result<usize, PortError> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .set_attribute_names(Some(counts.to_vec()));
        let answer = asked
            .send()
            .await
            .map_err(|error| failed("count the messages of the queue", url, &error))?;
        let attributes = answer.attributes().cloned().unwrap_or_default();
        Ok(counts.iter().filter_map(|count| attributes.get(count)?.parse::<usize>().ok()).sum())
    }

    fn letter(&self, message: &SqsMessage) -> Option<Letter> {
        let sent = message.attributes()?.get(&MessageSystemAttributeName::SentTimestamp)?;
        let sent_ms = sent.parse().ok()?;
        Some(Letter {
            id: message.message_id()?.to_owned(),
            sent_ms,
            subjects: subjects(message.body().unwrap_or_default(), &self.lake_bucket, sent_ms),
        })
    }
}

#[async_trait]
impl Queues for Sqs {
    async fn dead_letters(&self, queue: DeadQueue, limit: usize) -> Result<Letters, PortError> {
        let Some(url) = self.urls.dead.get(&queue) else {
            return Ok(Letters::default());
        };
        let there = self.count(url).await?;
        let mut seen: BTreeMap<String, Letter> = BTreeMap::new();
        while seen.len() < there.min(limit) {
            let asked = self
                .client
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(BATCH)
                .visibility_timeout(HIDDEN_SECONDS)
                // Asks all of SQS's servers: without it, a letter that is there may not be given.
                .wait_time_seconds(1)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
            let answer = asked.send().await.map_err(|error| failed("look into the queue", url, &error))?;
            let before = seen.len();
            let letters = answer.messages().iter().filter_map(|message| self.letter(message));
            seen.extend(letters.map(|letter| (letter.id.clone(), letter)));
            // Nothing new: all were seen, or the others are hidden.
            if seen.len() == before {
                break;
            }
        }
        let more = there > seen.len();
        Ok(Letters {
            letters: seen.into_values().collect(),
            more,
        })
    }

    async fn send(&self, work: &Work) -> Result<(), PortError> {
        let (url, body) = match work {
            Work::Extract { resource, run } => {
                let message = ExtractMessage {
                    pipeline: resource.pipeline.clone(),
                    resource: resource.resource.clone(),
                    scheduled_ms: None,
                    requested_by: RequestedBy::After,
                    run: Some(*run),
                    hop: 0,
                    base_url: None,
                };
                (&self.urls.extract, message.to_json())
            }
            Work::Clean(raw) => {
                let message = CleanMessage {
                    raw: raw.clone(),
                    definition: None,
                };
                (&self.urls.clean, message.to_json())
            }
            Work::Load(clean) => {
                let message = LoadMessage {
                    clean: clean.clone(),
                    again_in_order: false,
                };
                (&self.urls.load, message.to_json())
            }
        };
        let sent = self.client.send_message().queue_url(url).message_body(body).send().await;
        sent.map(drop).map_err(|error| failed("send to the queue", url, &error))
    }
}

/// What a body asks for, whichever function it was for; `None` when nobody can make sense of it.
fn subjects(body: &str, lake_bucket: &str, sent_ms: i64) -> Option<Vec<Subject>> {
    let origin = Origin {
        lake_bucket: Some(lake_bucket),
        sent_ms,
    };
    if let Ok(ticks) = ExtractMessage::parse(body, &origin) {
        let subject = |tick: ExtractMessage| Subject::Tick {
            resource: tick.resource_id(),
            run: tick.run_id(),
        };
        return Some(ticks.into_iter().map(subject).collect());
    }
    if let Ok(raws) = CleanMessage::parse(body, &origin) {
        let subject = |message: CleanMessage| Subject::Raw {
            raw: message.raw,
            definition: message.definition.map(|choice| choice.hash),
        };
        return Some(raws.into_iter().map(subject).collect());
    }
    if let Ok(cleans) = LoadMessage::parse(body, &origin) {
        return Some(cleans.into_iter().map(|message| Subject::Clean(message.clean)).collect());
    }
    if let Ok(tasks) = BackupMessage::parse(body, &origin) {
        let subject = |message: BackupMessage| Subject::Vault {
            task: match message.task {
                BackupTask::Backup => Task::Backup,
                BackupTask::Drill => Task::Drill,
            },
            id: message.run_id(),
        };
        return Some(tasks.into_iter().map(subject).collect());
    }
    WatchMessage::parse(body, &origin).is_ok().then(Vec::new)
}

/// A call that failed. What a server, the network or the clock may put right by itself passes.
pub(super) fn failed<E>(action: &'static str, name: &str, error: &SdkError<E>) -> PortError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let denied = [
        "AccessDenied",
        // As SNS says it.
        "AuthorizationError",
        "NonExistentQueue",
        "NotFound",
        "InvalidClientTokenId",
        "UnrecognizedClient",
        "Invalid",
    ];
    let is_ours = error.code().is_some_and(|code| denied.iter().any(|known| code.contains(known)));
    PortError {
        action,
        name: name.to_owned(),
        problem: host::sdk::problem(error),
        passes: !is_ours,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const RUN: &str = "01C5QXKK003AXTQYAWDBRN5PMM";

    fn check(body: &str, expected: Option<&str>) {
        let subjects = subjects(body, "lake", 1_518_000_000_000);
        let text = subjects.map(|subjects| {
            let texts = subjects.iter().map(|subject| match subject {
                Subject::Tick { resource, run } => format!("tick {resource} {}", run.unwrap()),
                Subject::Raw { raw, definition } => {
                    format!("raw {} {}", raw.key().as_str().ends_with("/000001.jsonl.zst"), definition.is_some())
                }
                Subject::Clean(clean) => format!("clean {}", clean.definition),
                Subject::Vault { task, id } => format!("{} {}", task.as_str(), id.unwrap()),
            });
            texts.collect::<Vec<_>>().join(", ")
        });
        assert_eq!(text.as_deref(), expected, "{body}");
    }

    #[test]
    fn a_letter_is_read_whichever_function_it_was_for() {
        let tick = r#"{"pipeline":"p","resource":"r","requested_by":"after","run":"01C5QXKK003AXTQYAWDBRN5PMM"}"#;
        check(tick, Some("tick p/r 01C5QXKK003AXTQYAWDBRN5PMM"));
        let raw = format!("raw/p/r/dt=2018-02-07/{RUN}/000001.jsonl.zst");
        check(&format!(r#"{{"raw":"{raw}"}}"#), Some("raw true false"));
        let hash = "ab".repeat(32);
        check(
            &format!(r#"{{"raw":"{raw}","definition":"{hash}","generation":2}}"#),
            Some("raw true true"),
        );
        let event = format!(
            r#"{{"source":"aws.s3","detail-type":"Object Created","detail":{{"bucket":{{"name":"lake"}},"object":{{"key":"{raw}"}}}}}}"#
        );
        check(&event, Some("raw true false"));
        let clean = format!("clean/p/r/v=abababab/dt=2018-02-07/{RUN}/000001.bson.zst");
        check(&event.replace(&raw, &clean), Some("clean abababab"));
        check(&format!(r#"{{"clean":"{clean}"}}"#), Some("clean abababab"));
        check(r#"{"tick":"watch"}"#, Some(""));
        let asked = format!(r#"{{"task":"backup","requested_by":"run","id":"{RUN}"}}"#);
        check(&asked, Some(&format!("backup {RUN}")));
        let further = format!(r#"{{"task":"drill","requested_by":"continuation","id":"{RUN}","hop":2}}"#);
        check(&further, Some(&format!("drill {RUN}")));
        for unreadable in [
            "",
            "{}",
            "not JSON",
            r#"{"raw":"elsewhere/x"}"#,
            r#"{"task":"restore","requested_by":"run"}"#,
            &event.replace("\"lake\"", "\"other\""),
        ] {
            check(unreadable, None);
        }
    }
}
