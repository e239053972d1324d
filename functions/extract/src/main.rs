//! `extract` as a Lambda function: settings, clients, then one message after the other.

mod lambda;

use host::adapters::{Adapters, HomeError, Place};
use host::lambda::Queue;
use host::settings::environment;
use lambda::{Extractor, Own, Values};
use std::process::ExitCode;

fn main() -> ExitCode {
    host::lambda::run("extract", Own::read, build, Extractor::handle)
}

async fn build(place: Place<Own>) -> Result<Extractor, HomeError> {
    Ok(match place {
        Place::Aws { common, own } => {
            let config = host::sdk::config().await;
            let values = Values::aws(environment(), &config, &own.secret_prefix);
            let queue = Queue::new(&config, &own.queue_url);
            Extractor::new(Adapters::aws(&config, &common), values, Some(queue))
        }
        Place::Home(home) => {
            let values = Values::embedded(environment());
            Extractor::new(Adapters::embedded(&home)?, values, None)
        }
    })
}
