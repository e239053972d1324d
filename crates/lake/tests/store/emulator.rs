//! Buckets of the tests, on the emulator of AWS, and who may do what there.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::ByteStream;
use lake::s3::S3Store;
use servers::aws::REGION;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Of the emulator that the tests share.
pub fn endpoint() -> String {
    servers::aws::shared().endpoint()
}

/// Everything is allowed.
pub fn config(endpoint: &str) -> SdkConfig {
    config_of(endpoint, "test", "test")
}

fn config_of(endpoint: &str, key_id: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new(key_id, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// A bucket of one test's own.
pub struct Bucket {
    client: Client,
    endpoint: String,
    name: String,
}

impl Bucket {
    /// On the shared emulator. `test`: the test's name.
    pub async fn new(test: &str) -> Bucket {
        Bucket::at(&endpoint(), test).await
    }

    pub async fn at(endpoint: &str, test: &str) -> Bucket {
        let name = format!("tidemill-lake-{test}");
        let client = Client::new(&config(endpoint));
        client.create_bucket().bucket(&name).send().await.unwrap();
        Bucket {
            client,
            endpoint: endpoint.to_owned(),
            name,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn store(&self) -> S3Store {
        S3Store::new(&config(&self.endpoint), &self.name)
    }

    /// The store of a user who may read the objects under `prefix` and nothing else.
    pub fn store_of_reader(&self, prefix: &str) -> S3Store {
        let resource = format!("arn:aws:s3:::{}/{prefix}*", self.name);
        let statement = format!(r#"{{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "{resource}"}}"#);
        let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        self.iam(&[("Action", "CreateUser"), ("UserName", "reader")]);
        self.iam(&[
            ("Action", "PutUserPolicy"),
            ("UserName", "reader"),
            ("PolicyName", "read"),
            ("PolicyDocument", &policy),
        ]);
        let keys = self.iam(&[("Action", "CreateAccessKey"), ("UserName", "reader")]);
        let config = config_of(&self.endpoint, element(&keys, "AccessKeyId"), element(&keys, "SecretAccessKey"));
        S3Store::new(&config, &self.name)
    }

    /// One call of IAM's query protocol. The emulator looks at whose key it is signed with, not at the signature.
    fn iam(&self, parameters: &[(&str, &str)]) -> String {
        let body: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let body = body.join("&");
        let host = self.endpoint.trim_start_matches("http://");
        let mut server = TcpStream::connect(host).unwrap();
        write!(
            server,
            "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/iam/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// An empty object, whatever its name.
    pub async fn put(&self, name: &str) {
        let put = self.client.put_object().bucket(&self.name).key(name);
        put.body(ByteStream::from_static(b"")).send().await.unwrap();
    }

    /// In how many parts an object was uploaded; 0 when it was put at once. Its ETag tells.
    pub async fn parts_of(&self, name: &str) -> usize {
        let head = self.client.head_object().bucket(&self.name).key(name).send().await.unwrap();
        let etag = head.e_tag.unwrap();
        etag.trim_matches('"')
            .split_once('-')
            .map_or(0, |(_, parts)| parts.parse().unwrap())
    }

    /// How many uploads are neither completed nor aborted.
    pub async fn uploads(&self) -> usize {
        let sent = self.client.list_multipart_uploads().bucket(&self.name).send().await;
        sent.unwrap().uploads().len()
    }
}

/// As a form has it.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    rest.split_once('<').unwrap().0
}
