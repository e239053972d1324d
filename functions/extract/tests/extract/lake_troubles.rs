//! A lake that fails, holds what cannot be read, or is slow.

use crate::home::{Home, definition_with, name, rest, rest_source};
use crate::paginators::source;
use async_trait::async_trait;
use extract::{Error, Outcome, handle};
use lake::{DirectoryStore, Key, Metadata, Object, Store, StoreError, Upload, Written};
use ledger::{Holder, Interrupted, LeaseOutcome, LeaseRequest, Ledger as _, Observer, ResourceId, Run, RunState, SqliteLedger, Step};
use std::sync::Arc;
use std::time::Duration;

struct Nobody;

impl Observer for Nobody {
    fn reached(&self, _: &Step) -> Result<(), Interrupted> {
        Ok(())
    }
}

/// A lake from which no object can be read, and whose markers take until somebody has renewed the lease.
struct Troubled {
    lake: Arc<DirectoryStore>,
    ledger: Arc<SqliteLedger>,
}

impl Troubled {
    async fn lease_ends_ms(&self) -> i64 {
        let resource = ResourceId {
            pipeline: name("test"),
            resource: name("things"),
        };
        let request = LeaseRequest {
            holder: Holder {
                name: "somebody else".into(),
                process: None,
                process_start: None,
            },
            now_ms: 0,
            duration_ms: 1,
        };
        match self.ledger.take_lease(&resource, &request, &|_| false).await.unwrap() {
            LeaseOutcome::Held { expires_ms, .. } => expires_ms,
            LeaseOutcome::Taken(_) => panic!("nobody holds it"),
        }
    }
}

#[async_trait]
impl Store for Troubled {
    async fn get(&self, key: &Key) -> Result<Object, StoreError> {
        Err(StoreError::Io {
            action: "read",
            key: key.to_string(),
            source: std::io::Error::other("no network"),
        })
    }

    async fn head(&self, key: &Key) -> Result<Option<Metadata>, StoreError> {
        self.lake.head(key).await
    }

    async fn put_new(&self, key: &Key, metadata: &Metadata, body: bytes::Bytes) -> Result<Written, StoreError> {
        if key.as_str().ends_with("/end.jsonl.zst") {
            let before = self.lease_ends_ms().await;
            let renewed = async {
                while self.lease_ends_ms().await == before {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), renewed)
                .await
                .expect("the lease is renewed");
        }
        self.lake.put_new(key, metadata, body).await
    }

    async fn put_locked(&self, key: &Key, body: bytes::Bytes, until_ms: i64) -> Result<Written, StoreError> {
        self.lake.put_locked(key, body, until_ms).await
    }

    async fn upload(&self, key: &Key, metadata: &Metadata) -> Result<Box<dyn Upload>, StoreError> {
        self.lake.upload(key, metadata).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.lake.delete(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.lake.list(prefix, after, limit).await
    }
}

/// Runs a pipeline on the troubled lake.
async fn troubled(home: &Home, pipeline: &Arc<pipeline::Checked>) -> Result<Outcome, Error> {
    let run = Run {
        clock: home.clock.clone(),
        observer: Arc::new(Nobody),
        deadline_ms: None,
    };
    let mut services = home.services();
    services.store = Arc::new(Troubled {
        lake: home.store.clone(),
        ledger: home.ledger.clone(),
    });
    handle(&home.tick(pipeline), &run, &services).await
}

/// A run whose definition cannot be read just now is not over.
#[tokio::test]
async fn a_definition_that_cannot_be_read_now() {
    let upstream = source().await;
    let home = Home::new();
    let old = rest(&upstream.url("/link/"), "", "paginator: {link_header: {}}");
    assert!(home.run_until(&old, 3).await.0.is_err());
    let error = troubled(&home, &rest(&upstream.url("/single/"), "", "")).await.unwrap_err();
    assert!(
        matches!(error, Error::Store(StoreError::Io { .. })) && error.next() == ledger::Next::Retry,
        "{error:?}"
    );
    let runs = home.runs().await;
    assert!(runs.len() == 1 && runs[0].state == RunState::Extracting, "{runs:?}");
    let outcome = home.run(&old).await.unwrap();
    assert!(matches!(outcome, Outcome::Extracted { resumed: true, .. }), "{outcome:?}");
}

/// What is damaged stays damaged: the run ends, and the next one starts afresh.
#[tokio::test]
async fn a_damaged_object() {
    let upstream = source().await;
    let mut home = Home::new();
    home.settings.object_bytes_max = 1;
    let pipeline = rest(&upstream.url("/link/"), "", "paginator: {link_header: {}}");
    let (killed, steps) = home.run_until(&pipeline, 5).await;
    assert!(matches!(killed, Err(Error::Interrupted(_))), "{steps:?}");
    let (key, _) = home.objects().await.pop().unwrap();
    let path = home.folder.path().join("lake").join(key.as_str());
    let mut bytes = std::fs::read(&path).unwrap();
    // The end of the metadata; after it stand only its length and a mark.
    let end = bytes.len() - 9;
    bytes[end] = b'x';
    std::fs::write(&path, bytes).unwrap();
    let message = home.failure(&pipeline).await;
    assert!(
        message.contains("the next run starts afresh") && message.contains("is damaged"),
        "{message}"
    );
    let outcome = home.run(&pipeline).await.unwrap();
    assert!(matches!(outcome, Outcome::Extracted { resumed: false, .. }), "{outcome:?}");
}

/// The marker may take longer than a lease lasts.
#[tokio::test]
async fn a_slow_marker() {
    let upstream = source().await;
    let mut home = Home::new();
    home.settings.lease = Duration::from_millis(100);
    let replace = definition_with(&rest_source(&upstream.url("/single/"), ""), "endpoint: {path: things}", "replace");
    let outcome = troubled(&home, &replace).await.unwrap();
    assert!(matches!(outcome, Outcome::Extracted { parts: 1, .. }), "{outcome:?}");
}
