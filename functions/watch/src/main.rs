//! `watch` as a Lambda function: settings, clients, then one tick after the other.

mod lambda;

use host::adapters::{Adapters, HomeError, Place};
use lambda::{Desk, Own};
use std::process::ExitCode;

fn main() -> ExitCode {
    host::lambda::run("watch", Own::read, build, Desk::handle)
}

async fn build(place: Place<Own>) -> Result<Desk, HomeError> {
    Ok(match place {
        Place::Aws { common, own } => {
            let config = host::sdk::config().await;
            let adapters = Adapters::aws(&config, &common);
            Desk::aws(&config, adapters, own, &common.stack, &common.lake_bucket)
        }
        Place::Home(home) => Desk::embedded(Adapters::embedded(&home)?),
    })
}
