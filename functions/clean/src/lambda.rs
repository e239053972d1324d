//! What stands between a message of the queue and the library. Belongs to the binary.

use clean::{Input, Services};
use host::SystemClock;
use host::adapters::Adapters;
use host::event::CleanMessage;
use host::lambda::{Answer, Failure, RecordContext};
use host::telemetry::Metric;
use ledger::{Run, Unwatched};
use serde_json::json;
use std::sync::Arc;

/// What the process works with, built once.
pub struct Desk {
    services: Services,
}

impl Desk {
    pub fn new(adapters: Adapters) -> Desk {
        Desk {
            services: Services {
                store: adapters.store,
                ledger: adapters.ledger,
                definitions: adapters.definitions,
            },
        }
    }

    /// Cleans one raw object.
    pub async fn handle(&self, message: CleanMessage, context: RecordContext) -> Result<Answer, Failure> {
        let input = Input {
            raw: message.raw,
            definition: message.definition.map(|choice| (choice.hash, choice.generation)),
        };
        let run = Run {
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unwatched),
            deadline_ms: Some(context.deadline_ms),
        };
        let outcome = clean::handle(&input, &run, &self.services).await;
        let outcome = outcome.map_err(|error| Failure::new(error.name(), error.next(), &error))?;
        let tally = outcome.this_attempt;
        let summary = json!({
            "clean": outcome.clean.clean().to_string(),
            "records_in": tally.records_in,
            "out": tally.out,
            "rejected": tally.rejected,
            "dropped": tally.dropped,
            "duplicates": tally.duplicates,
        });
        Ok(Answer::new(summary)
            .with(Metric::RecordsIn, tally.records_in)
            .with(Metric::RecordsOut, tally.out)
            .with(Metric::Rejected, tally.rejected))
    }
}
