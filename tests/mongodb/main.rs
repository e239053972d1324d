//! The ring that needs a MongoDB server: its own, which it starts, or the one that `TIDEMILL_TEST_MONGODB_URI` names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backup_and_replay;
mod command;
mod contract;
mod identity;
mod kill;
mod replace;
mod simulator;

use documents::mongodb::{Fixed, MongoDocuments};
use documents::{Contract, Tightness};
use pipeline::Checked;
use serde_json::{Value, json};
use servers::mongodb::Database;
use std::sync::Arc;
use tidemill_tests::chain::Chain;
use tidemill_tests::command::{Home, Told};

/// What the command is told of the database by.
const VARIABLE: &str = "TIDEMILL_MONGODB_URI";

/// A home whose documents go to this database.
fn home(uri: &str) -> Home {
    Home::new(env!("CARGO_BIN_EXE_tidemill-under-test")).with(VARIABLE, uri)
}

/// The repository's own pipeline, whose recording is part of the program.
fn earthquakes() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/earthquakes.yaml")
}

fn client(uri: &str) -> MongoDocuments {
    MongoDocuments::new(Arc::new(Fixed::new(uri.to_owned().into())))
}

/// What `load` made of a run's documents, as `tidemill run --json` tells of the only resource.
fn loaded(told: &Told) -> Value {
    let resources = told.resources();
    assert_eq!(resources.len(), 1, "{resources:?}");
    resources.into_values().next().unwrap()["load"].take()
}

/// The load numbers of all runs of a home, added up.
fn loaded_in_all(home: &Home) -> Value {
    let runs = home.well(&["runs", "--json"]).out;
    let mut sum = json!({});
    for run in runs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        for (name, number) in run["load"].as_object().into_iter().flatten() {
            sum[name] = json!(sum[name].as_u64().unwrap_or(0) + number.as_u64().unwrap());
        }
    }
    sum
}

/// The indexes of a collection, their keys by their names, as pymongo sees them.
fn indexes(database: &Database<'_>, collection: &str) -> Value {
    let reply = database.command(json!({"listIndexes": collection}));
    let indexes = reply["cursor"]["firstBatch"].as_array().unwrap();
    indexes
        .iter()
        .map(|index| (index["name"].as_str().unwrap().to_owned(), index["key"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The validator of a collection, as pymongo sees it.
fn validator(database: &Database<'_>, collection: &str) -> Value {
    let reply = database.command(json!({"listCollections": 1, "filter": {"name": collection}}));
    let found = reply["cursor"]["firstBatch"].as_array().unwrap();
    assert_eq!(found.len(), 1, "there is no collection `{collection}`");
    found[0]["options"]["validator"].clone()
}

/// Brings the collection of the only resource to its contract, as the command does at the start and at the end of a run.
async fn bring(chain: &Chain, checked: &Checked, tightness: Tightness) {
    let resource = &checked.pipeline.resources[0];
    let contract = Contract::of(resource, &format!("{}/{}", checked.pipeline.pipeline, resource.name));
    let changes = chain.documents.plan(&contract, tightness).await.unwrap();
    let left = chain.documents.carry_out(&contract, &changes).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
    let again = chain.documents.plan(&contract, tightness).await.unwrap();
    assert!(again.is_empty(), "done, and planned again: {again:?}");
}
