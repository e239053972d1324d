//! Secrets: kept, read again when refused, one call in flight, and no value in any message.

use crate::server::serve;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use bytes::Bytes;
use host::secrets::{KEPT, REFRESHED_EVERY, SecretError, Secrets};
use http_body_util::Full;
use hyper::{Request, Response};
use ledger::Next;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A Secrets Manager: what it answers to whom, and how often it was asked.
#[derive(Clone, Default)]
struct Store {
    usgs: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Store {
    async fn start(usgs: &str) -> (Store, Secrets) {
        let store = Store::default();
        store.set(usgs);
        let answers = store.clone();
        let address = serve(move |request| {
            let answers = answers.clone();
            async move { answers.answer(&request) }
        })
        .await;
        (store, Secrets::new(&config(address), "dev/"))
    }

    fn set(&self, usgs: &str) {
        usgs.clone_into(&mut self.usgs.lock().unwrap());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Full<Bytes>> {
        assert_eq!(request.headers()["x-amz-target"], "secretsmanager.GetSecretValue");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let usgs = self.usgs.lock().unwrap().clone();
        let fault = |kind: &str| (400, json!({"__type": kind, "Message": "because"}));
        let (status, reply) = match body["SecretId"].as_str().unwrap() {
            "dev/usgs" => (200, json!({"Name": "dev/usgs", "SecretString": usgs})),
            "dev/binary" => (200, json!({"Name": "dev/binary", "SecretBinary": "c2VjcmV0"})),
            "dev/denied" => fault("AccessDeniedException"),
            "dev/deleted" => fault("InvalidRequestException"),
            _ => fault("ResourceNotFoundException"),
        };
        Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.1")
            .body(Full::new(reply.to_string().into()))
            .unwrap()
    }
}

fn config(address: SocketAddr) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
        .http_client(Builder::new().build_http())
        .build()
}

async fn token(secrets: &Secrets) -> String {
    secrets.value("usgs", "token").await.unwrap().expose_secret().to_owned()
}

/// Time is only moved while nothing is on the wire.
async fn pass(time: std::time::Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_secret_is_kept_for_a_while() {
    let (store, secrets) = Store::start(r#"{"token": "one", "port": 8080}"#).await;
    assert_eq!(token(&secrets).await, "one");
    assert_eq!(secrets.value("usgs", "port").await.unwrap().expose_secret(), "8080");
    assert_eq!(secrets.clone().value("usgs", "token").await.unwrap().expose_secret(), "one");
    assert_eq!(store.asked(), 1);
    store.set(r#"{"token": "two"}"#);
    assert_eq!(token(&secrets).await, "one");
    pass(KEPT).await;
    assert_eq!(token(&secrets).await, "two");
    assert_eq!(store.asked(), 2);
}

#[tokio::test]
async fn a_refused_secret_is_read_again_at_most_once_a_minute() {
    let (store, secrets) = Store::start(r#"{"token": "one"}"#).await;
    assert_eq!(token(&secrets).await, "one");
    store.set(r#"{"token": "two"}"#);
    assert!(!secrets.refresh("usgs").await.unwrap());
    assert_eq!((token(&secrets).await, store.asked()), ("one".to_owned(), 1));
    pass(REFRESHED_EVERY).await;
    assert!(secrets.refresh("usgs").await.unwrap());
    assert!(!secrets.refresh("usgs").await.unwrap());
    assert_eq!((token(&secrets).await, store.asked()), ("two".to_owned(), 2));
}

#[tokio::test]
async fn one_call_is_in_flight_for_a_secret() {
    let (store, secrets) = Store::start(r#"{"token": "one"}"#).await;
    let all: Vec<_> = (0..20)
        .map(|_| {
            let secrets = secrets.clone();
            tokio::spawn(async move { token(&secrets).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), "one");
    }
    assert_eq!(store.asked(), 1);
}

async fn fault(usgs: &str, name: &str, field: &str) -> SecretError {
    let (_store, secrets) = Store::start(usgs).await;
    secrets.value(name, field).await.unwrap_err()
}

#[tokio::test]
async fn an_error_says_what_is_wrong_and_never_a_value() {
    let value = "hunter2";
    for (text, name, field, expected) in [
        (
            "{}",
            "other",
            "token",
            "there is no secret `dev/other` in Secrets Manager: create it with",
        ),
        ("{}", "denied", "token", "the secret `dev/denied` may not be read"),
        ("{}", "deleted", "token", "the secret `dev/deleted` can't be used"),
        ("{}", "binary", "token", "the secret `dev/binary` is binary, expected a JSON object"),
        (
            value,
            "usgs",
            "token",
            "the secret `dev/usgs` is not JSON (line 1, column 1), expected a JSON object",
        ),
        (
            r#"["hunter2"]"#,
            "usgs",
            "token",
            "the secret `dev/usgs` is JSON, but no object, expected",
        ),
        (
            r#"{"token": ["hunter2"]}"#,
            "usgs",
            "token",
            "the secret `dev/usgs` has a field `token` that is no text",
        ),
        ("{}", "usgs", "token", "the secret `dev/usgs` has no field `token`; it has: none"),
        (
            r#"{"key": "hunter2", "user": "hunter2"}"#,
            "usgs",
            "token",
            "the secret `dev/usgs` has no field `token`; it has: `key`, `user`",
        ),
    ] {
        let error = fault(text, name, field).await;
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(!format!("{error} {error:?}").contains(value), "{error}");
        assert_eq!(error.next(), Next::Alarm);
    }
}

/// A fault is not kept: once the secret is there, it is found.
#[tokio::test]
async fn after_a_fault_the_secret_is_read_again() {
    let (store, secrets) = Store::start("broken").await;
    assert!(secrets.value("usgs", "token").await.is_err());
    store.set(r#"{"token": "one"}"#);
    assert_eq!(token(&secrets).await, "one");
    assert!(!format!("{secrets:?}").contains("one"));
}

#[tokio::test]
async fn a_manager_that_can_not_be_reached_is_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Secrets::new(&config(address), "dev/").value("usgs", "token").await.unwrap_err();
    assert!(matches!(error, SecretError::Unreachable { .. }), "{error}");
    assert_eq!(error.next(), Next::Retry);
}
