//! `load` as a Lambda function: settings, clients, then one message after the other.

mod lambda;

use documents::MongoDocuments;
use host::adapters::{Adapters, Place};
use host::secrets::{Secrets, mongodb::SecretUri};
use lambda::{Desk, Own};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    host::lambda::run("load", Own::read, build, Desk::handle)
}

async fn build(place: Place<Own>) -> anyhow::Result<Desk> {
    Ok(match place {
        Place::Aws { common, own } => {
            let config = host::sdk::config().await;
            // The setting is the secret's whole name. The connection is kept from one invocation to the next.
            let uri = SecretUri::new(Secrets::new(&config, ""), own.mongodb_secret);
            let documents = MongoDocuments::new(Arc::new(uri));
            Desk::new(Adapters::aws(&config, &common), Arc::new(documents))
        }
        Place::Home(home) => Desk::new(Adapters::embedded(&home)?, load::embedded::documents(&home)?),
    })
}
