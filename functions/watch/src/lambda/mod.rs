//! What stands between a tick and the library: the settings, the clients, the answer. Belongs to the binary.

mod queues;
mod tell;

use host::SystemClock;
use host::adapters::Adapters;
use host::event::WatchMessage;
use host::lambda::{Answer, Failure, RecordContext};
use host::settings::{Key, Reader};
use host::telemetry::Metric;
use ledger::{Run, Unwatched};
use queues::Sqs;
use std::collections::BTreeMap;
use std::sync::Arc;
use tell::{Bus, Topic};
use watch::embedded::{NoQueues, Told};
use watch::settings::{
    AGE_HOURS_MAX, BACKUP_AGE, BACKUP_AGE_HOURS, CLEAN_QUEUE, DEAD_QUEUES, DRILL_AGE, DRILL_AGE_HOURS, EXTRACT_QUEUE, LOAD_QUEUE,
    REQUEUE_AFTER, REQUEUE_AFTER_MINUTES, TOPIC,
};
use watch::words::Commands;
use watch::{DeadQueue, Limits, Promised, Services, Tick};

/// The settings on AWS that only this function has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    pub topic: String,
    pub queues: Urls,
    pub requeue_after_ms: i64,
    pub promised: Promised,
}

/// The queues' addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    pub extract: String,
    pub clean: String,
    pub load: String,
    pub dead: BTreeMap<DeadQueue, String>,
}

impl Own {
    pub fn read(reader: &mut Reader) -> Own {
        let mut required = |(name, about)| reader.read(Key::required(name, about));
        let topic = required(TOPIC);
        let extract = required(EXTRACT_QUEUE);
        let clean = required(CLEAN_QUEUE);
        let load = required(LOAD_QUEUE);
        let dead = DeadQueue::ALL.into_iter().zip(DEAD_QUEUES.map(&mut required)).collect();
        let (least, default, most) = REQUEUE_AFTER_MINUTES;
        let minutes = reader.number(REQUEUE_AFTER.0, REQUEUE_AFTER.1, default, least..=most);
        Own {
            topic,
            queues: Urls {
                extract,
                clean,
                load,
                dead,
            },
            requeue_after_ms: i64::try_from(minutes).unwrap_or(i64::MAX).saturating_mul(60_000),
            promised: Promised {
                backup_ms: hours_ms(reader, BACKUP_AGE, BACKUP_AGE_HOURS),
                drill_ms: hours_ms(reader, DRILL_AGE, DRILL_AGE_HOURS),
            },
        }
    }
}

/// A promised age; `None` for 0.
fn hours_ms(reader: &mut Reader, (name, about): (&'static str, &'static str), default: u64) -> Option<i64> {
    let hours = reader.number(name, about, default, 0..=AGE_HOURS_MAX);
    let ms = i64::try_from(hours).unwrap_or(i64::MAX).saturating_mul(3_600_000);
    (ms > 0).then_some(ms)
}

/// What the process works with, built once.
pub struct Desk {
    services: Services,
}

impl Desk {
    pub fn aws(config: &aws_config::SdkConfig, adapters: Adapters, own: Own, stack: &str, lake_bucket: &str) -> Desk {
        let mut limits = Limits::default();
        limits.patience.after_ms = own.requeue_after_ms;
        Desk {
            services: Services {
                store: adapters.store,
                ledger: adapters.ledger,
                definitions: adapters.definitions,
                queues: Arc::new(Sqs::new(config, own.queues, lake_bucket)),
                notify: Arc::new(Topic::new(config, own.topic)),
                events: Arc::new(Bus::new(config)),
                commands: Commands {
                    stack: Some(stack.to_owned()),
                },
                promised: own.promised,
                limits,
            },
        }
    }

    /// In a folder, whoever is told is told in the log.
    pub fn embedded(adapters: Adapters) -> Desk {
        let told = Told(|text| tracing::info!(text, "told"));
        Desk {
            services: Services {
                store: adapters.store,
                ledger: adapters.ledger,
                definitions: adapters.definitions,
                queues: Arc::new(NoQueues),
                notify: Arc::new(told),
                events: Arc::new(told),
                commands: Commands::default(),
                // Nothing is scheduled in a folder.
                promised: Promised::default(),
                limits: Limits::default(),
            },
        }
    }

    /// One look around.
    pub async fn handle(&self, _message: WatchMessage, context: RecordContext) -> Result<Answer, Failure> {
        let run = Run {
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unwatched),
            deadline_ms: Some(context.deadline_ms),
        };
        let outcome = watch::handle(&Tick, &run, &self.services).await;
        let outcome = outcome.map_err(|error| Failure::new(error.kind(), error.next(), &error))?;
        let summary = serde_json::to_value(&outcome).unwrap_or_default();
        Ok(Answer::new(summary).with(Metric::Incidents, outcome.opened as u64))
    }
}
