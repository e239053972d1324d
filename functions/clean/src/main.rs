//! `clean` as a Lambda function: settings, clients, then one message after the other.

mod lambda;

use host::adapters::{Adapters, HomeError, Place};
use lambda::Desk;
use std::process::ExitCode;

fn main() -> ExitCode {
    host::lambda::run("clean", |_| (), build, Desk::handle)
}

async fn build(place: Place<()>) -> Result<Desk, HomeError> {
    Ok(match place {
        Place::Aws { common, own: () } => {
            let config = host::sdk::config().await;
            Desk::new(Adapters::aws(&config, &common))
        }
        Place::Home(home) => Desk::new(Adapters::embedded(&home)?),
    })
}
