//! What stands between a message of the queue and the library. Belongs to the binary.

use documents::Documents;
use host::SystemClock;
use host::adapters::Adapters;
use host::event::LoadMessage;
use host::lambda::{Answer, Failure, RecordContext};
use host::settings::{Key, Reader};
use host::telemetry::Metric;
use ledger::{Run, Unwatched};
use load::settings::MONGODB_SECRET;
use load::{Input, Replacement, Services};
use serde_json::json;
use std::sync::Arc;

/// The settings on AWS that only this function has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    pub mongodb_secret: String,
}

impl Own {
    pub fn read(reader: &mut Reader) -> Own {
        let (name, about) = MONGODB_SECRET;
        Own {
            mongodb_secret: reader.read(Key::required(name, about)),
        }
    }
}

/// What the process works with, built once.
pub struct Desk {
    services: Services,
}

impl Desk {
    pub fn new(adapters: Adapters, documents: Arc<dyn Documents>) -> Desk {
        Desk {
            services: Services {
                store: adapters.store,
                ledger: adapters.ledger,
                documents,
                definitions: adapters.definitions,
            },
        }
    }

    /// Loads one clean object.
    pub async fn handle(&self, message: LoadMessage, context: RecordContext) -> Result<Answer, Failure> {
        let input = Input {
            clean: message.clean,
            again_in_order: message.again_in_order,
        };
        let run = Run {
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unwatched),
            deadline_ms: Some(context.deadline_ms),
        };
        let outcome = load::handle(&input, &run, &self.services).await;
        let outcome = outcome.map_err(|error| Failure::new(error.name(), error.next(), &error))?;
        if let Some(Replacement::Refused(why)) = outcome.replacement {
            tracing::error!(why = format!("{why:?}"), "the run is complete, but its documents are not shown");
        }
        let tally = outcome.this_attempt;
        let summary = json!({
            "documents_in": tally.documents_in,
            "inserted": tally.inserted,
            "updated": tally.updated,
            "unchanged": tally.unchanged,
            "stale": tally.stale,
            "superseded": tally.superseded,
            "refused": tally.refused,
            "replacement": outcome.replacement.map(|replacement| format!("{replacement:?}")),
        });
        Ok(Answer::new(summary)
            .with(Metric::RecordsIn, tally.documents_in)
            .with(Metric::RecordsOut, tally.inserted + tally.updated)
            .with(Metric::Refused, tally.refused))
    }
}
