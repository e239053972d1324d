//! The simulator on AWS: two workers, each with a client of its own of the ledger in DynamoDB, which die between and inside of their calls; raw objects
//! in S3.
//!
//! `SEEDS=n` makes n histories instead of the default; `SEED=…` makes only that one.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use documents::SqliteDocuments;
use lake::s3::S3Store;
use ledger::DynamoLedger;
use serde_json::{Value, json};
use servers::aws::{REGION, shared};
use std::path::Path;
use std::sync::Arc;
use tidemill_tests::simulator::{Nature, Seen, deal_into, simulate_all};

const SEEDS: u64 = 80;

/// Of so many histories, the last has workers that die inside of a call.
const DIE_WITHIN_EVERY: u64 = 2;

#[test]
fn dynamodb_and_s3_end_equal_to_the_model() {
    let seen = simulate_all("emulator", SEEDS, 2, simulate);
    assert!(
        seen.as_ref().is_none_or(|seen| seen.enough(2)),
        "the histories hold too little of something to prove anything: {seen:?}"
    );
}

fn simulate(seed: u64) -> Seen {
    let nature = Nature {
        dies_within: seed % DIE_WITHIN_EVERY == DIE_WITHIN_EVERY - 1,
        ..Nature::default()
    };
    let name = format!("simulated-{seed}");
    shared().call("dynamodb", "create_table", table(&name));
    shared().call("s3", "create_bucket", json!({"Bucket": name}));
    let config = config();
    let store = Arc::new(S3Store::new(&config, &name));
    let documents = SqliteDocuments::open(Path::new(":memory:")).unwrap();
    let ledger = || DynamoLedger::new(&config, &name);
    let (one, other) = (ledger(), ledger());
    deal_into(seed, nature, [(&one, &documents), (&other, &documents)], Some(store))
}

fn config() -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(shared().endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// As the template makes it.
fn table(name: &str) -> Value {
    let key =
        |partition: &str, sort: &str| json!([{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]);
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": Vec::from(["pk", "sk", "gpk", "gsk"].map(attribute)),
        "KeySchema": key("pk", "sk"),
        "GlobalSecondaryIndexes": [{"IndexName": "runs", "KeySchema": key("gpk", "gsk"), "Projection": {"ProjectionType": "KEYS_ONLY"}}],
    })
}
