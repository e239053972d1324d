//! `backup` as a Lambda function: settings, clients, then one message after the other.

mod lambda;

use backup::Services;
use documents::MongoDatabase;
use host::adapters::{Adapters, Place};
use host::lambda::Queue;
use host::secrets::{Secrets, mongodb::SecretUri};
use lake::s3::S3Store;
use lambda::{Desk, Own};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    host::lambda::run("backup", Own::read, build, Desk::handle)
}

async fn build(place: Place<Own>) -> anyhow::Result<Desk> {
    Ok(match place {
        Place::Aws { common, own } => {
            let config = host::sdk::config().await;
            // The setting is the secret's whole name. The connection is kept from one invocation to the next.
            let uri = SecretUri::new(Secrets::new(&config, ""), own.mongodb_secret);
            let services = Services {
                vault: Arc::new(S3Store::new(&config, &own.vault_bucket).with_lock_mode(own.lock_mode)),
                ledger: Adapters::aws(&config, &common).ledger,
                database: Arc::new(MongoDatabase::new(Arc::new(uri))),
            };
            Desk::new(services, own.policy, Some(Queue::new(&config, &own.queue_url)))
        }
        Place::Home(home) => {
            let opened = backup::embedded::open(&home)?;
            let services = Services {
                vault: opened.vault,
                ledger: Adapters::embedded(&home)?.ledger,
                database: opened.database,
            };
            Desk::new(services, backup::Policy::default(), None)
        }
    })
}
