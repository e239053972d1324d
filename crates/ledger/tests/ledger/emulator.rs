//! Tables of the tests, on the emulator of AWS.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use ledger::DynamoLedger;
use servers::aws;
use std::sync::atomic::{AtomicU32, Ordering};

/// `http://host:port`
pub fn endpoint() -> String {
    aws::shared().endpoint()
}

/// Everything is allowed.
pub fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws::REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// A table of one test's own.
pub struct Table {
    pub client: Client,
    pub name: String,
}

impl Table {
    pub async fn new() -> Table {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let name = format!("ledger-{}-{}", std::process::id(), TABLES.fetch_add(1, Ordering::Relaxed));
        let client = Client::new(&config(&endpoint()));
        create_table(&client, &name).await;
        Table { client, name }
    }

    /// A ledger with a client of its own.
    pub fn ledger(&self) -> DynamoLedger {
        self.ledger_over(&endpoint())
    }

    pub fn ledger_over(&self, endpoint: &str) -> DynamoLedger {
        DynamoLedger::new(&config(endpoint), &self.name)
    }
}

/// As the template makes it.
async fn create_table(client: &Client, name: &str) {
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let index = GlobalSecondaryIndex::builder()
        .index_name("runs")
        .key_schema(key("gpk", KeyType::Hash))
        .key_schema(key("gsk", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .set_attribute_definitions(Some(["pk", "sk", "gpk", "gsk"].map(attribute).to_vec()))
        .global_secondary_indexes(index);
    created.send().await.unwrap();
}
