//! The whole function against a directory and SQLite: what it writes, twice the same, and where it stops.

use crate::{capture, clean as clean_pure, raw_key};
use clean::{Error, Input, Outcome, Services, handle};
use lake::{
    Body, BodyForm, CaptureHead, CleanMetadata, Compressor, Definitions, DirectoryStore, Key, Metadata, ObjectReader, Part, RawKey,
    RawMetadata, Store, ZSTD_LEVEL, write_capture,
};
use ledger::{CleanTally, Clock, Fact, FactKey, Interrupted, Ledger, Observer, Run, SqliteLedger, Stage, Step};
use std::sync::{Arc, Mutex};

struct Fixed;

impl Clock for Fixed {
    fn now_ms(&self) -> i64 {
        crate::AT_MS
    }
}

/// Notes the steps, and stops at one of them.
#[derive(Default)]
struct Steps {
    seen: Mutex<Vec<Step>>,
    stop_at: Option<usize>,
}

impl Observer for Steps {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        let mut seen = self.seen.lock().unwrap();
        seen.push(step.clone());
        if self.stop_at == Some(seen.len()) {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }
}

struct Home {
    _folder: tempfile::TempDir,
    services: Services,
    definition: String,
}

const PIPELINE: &str = "pipeline: p
source: {rest_api: {base_url: 'https://example.org/'}}
resources:
  - name: r
    endpoint: {path: a}
    record: {primary_key: [id], fields: {id: {type: int}}}
    load: {collection: c}
";

impl Home {
    async fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::open(folder.path().join("lake")).unwrap());
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap());
        let definitions = Arc::new(Definitions::new(store.clone()));
        let checked = Arc::new(pipeline::check("p.yaml", PIPELINE).unwrap());
        let definition = checked.hash.to_string();
        definitions.publish(checked, PIPELINE).await.unwrap();
        Home {
            _folder: folder,
            services: Services {
                store,
                ledger,
                definitions,
            },
            definition,
        }
    }

    async fn put(&self, raw: &RawKey, lines: &[u8], parts: Option<u32>) {
        let about = RawMetadata {
            definition: self.definition.clone(),
            generation: 4,
            captures: 1,
            bytes: lines.len() as u64,
            at_ms: crate::AT_MS,
            state: None,
            parts,
        };
        let mut packed = Compressor::new(ZSTD_LEVEL).unwrap();
        packed.push(lines).unwrap();
        self.services
            .store
            .put_new(&raw.key(), &about.to_metadata(), packed.finish().unwrap())
            .await
            .unwrap();
    }

    async fn clean(&self, raw: &RawKey, stop_at: Option<usize>) -> (Result<Outcome, Error>, Vec<Step>) {
        let observer = Arc::new(Steps {
            stop_at,
            ..Steps::default()
        });
        let run = Run {
            clock: Arc::new(Fixed),
            observer: observer.clone(),
            deadline_ms: None,
        };
        let input = Input {
            raw: raw.clone(),
            definition: None,
        };
        let result = handle(&input, &run, &self.services).await;
        let seen = observer.seen.lock().unwrap().clone();
        (result, seen)
    }

    async fn bytes(&self, key: &Key) -> Option<(Vec<u8>, Metadata)> {
        let mut object = self.services.store.get(key).await.ok()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = object.body.next().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        Some((bytes, object.metadata))
    }
}

fn lines(bodies: &[&str]) -> Vec<u8> {
    let mut lines = Vec::new();
    for body in bodies {
        let head = CaptureHead {
            at_ms: crate::AT_MS,
            url: "https://example.org/a",
            status: 200,
            content_type: None,
            piece: None,
        };
        write_capture(&mut lines, &head, body.as_bytes(), BodyForm::Auto);
    }
    lines
}

#[tokio::test(flavor = "current_thread")]
async fn one_raw_object_becomes_one_clean_object_and_the_rejects() {
    let home = Home::new().await;
    let bodies = [r#"[{"id":1},{"id":"x"},{"id":1}]"#, "oops", r#"[{"id":2}]"#];
    home.put(&raw_key(), &lines(&bodies), None).await;
    let (outcome, steps) = home.clean(&raw_key(), None).await;
    let outcome = outcome.unwrap();
    let tally = CleanTally {
        records_in: 5,
        out: 2,
        rejected: 2,
        dropped: 0,
        duplicates: 1,
    };
    assert_eq!((outcome.tally, outcome.this_attempt), (tally, tally));
    assert_eq!(
        steps,
        [Step::RejectedWritten, Step::CleanWritten { records: 2 }, Step::CleanFactRecorded]
    );
    let fact = FactKey {
        raw: raw_key(),
        definition: home.definition.clone(),
        stage: Stage::Clean,
    };
    assert_eq!(home.services.ledger.fact(&fact).await.unwrap(), Some(Fact::Clean(tally)));

    let (_, metadata) = home.bytes(&outcome.clean.clean()).await.unwrap();
    let about = CleanMetadata::from_metadata(&raw_key().key(), &metadata).unwrap();
    assert_eq!(
        (about.definition, about.generation, about.parts),
        (home.definition.clone(), 4, None)
    );
    let mut reader = ObjectReader::open(home.services.store.as_ref(), &outcome.clean.clean())
        .await
        .unwrap();
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document().await.unwrap() {
        documents.push(document.to_vec());
    }
    // The function writes what the pure part makes (of generation 4 rather than 5).
    let checked = pipeline::check("p.yaml", PIPELINE).unwrap();
    let captures: Vec<_> = bodies
        .iter()
        .map(|body| {
            if *body == "oops" {
                capture(Body::Text((*body).into()), None)
            } else {
                capture(Body::Json(body), None)
            }
        })
        .collect();
    let pure = clean_pure(&checked, &captures);
    assert_eq!(documents.len(), pure.documents.len());
    for (ours, pure) in documents.iter().zip(&pure.documents) {
        assert_eq!(
            bson::RawDocument::from_bytes(ours).unwrap().get("_id").unwrap(),
            pure.get("_id").unwrap()
        );
    }
    let mut reader = ObjectReader::open(home.services.store.as_ref(), &outcome.clean.rejected())
        .await
        .unwrap();
    let mut rejects = Vec::<serde_json::Value>::new();
    while let Some(line) = reader.next_line().await.unwrap() {
        rejects.push(serde_json::from_slice(line).unwrap());
    }
    assert_eq!(rejects, pure.rejects);
}

#[tokio::test(flavor = "current_thread")]
async fn stopped_anywhere_and_done_again_it_ends_the_same() {
    let undisturbed = Home::new().await;
    let lines = lines(&[r#"[{"id":1},{"id":"x"}]"#]);
    undisturbed.put(&raw_key(), &lines, None).await;
    let expected = undisturbed.clean(&raw_key(), None).await.0.unwrap();
    for stop_at in 1..=3 {
        let home = Home::new().await;
        home.put(&raw_key(), &lines, None).await;
        let stopped = home.clean(&raw_key(), Some(stop_at)).await.0.unwrap_err();
        assert!(matches!(stopped, Error::Interrupted { .. }));
        assert_eq!(home.clean(&raw_key(), None).await.0.unwrap(), expected);
        for key in [expected.clean.clean(), expected.clean.rejected()] {
            assert_eq!(home.bytes(&key).await, undisturbed.bytes(&key).await);
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_in_is_an_empty_object_and_a_marker_passes_through() {
    let home = Home::new().await;
    home.put(&raw_key(), b"", None).await;
    let outcome = home.clean(&raw_key(), None).await.0.unwrap();
    assert_eq!(outcome.tally, CleanTally::default());
    let mut reader = ObjectReader::open(home.services.store.as_ref(), &outcome.clean.clean())
        .await
        .unwrap();
    assert!(reader.next_document().await.unwrap().is_none());
    assert!(home.bytes(&outcome.clean.rejected()).await.is_none());

    let marker = RawKey {
        part: Part::End,
        ..raw_key()
    };
    home.put(&marker, b"", Some(3)).await;
    let (outcome, steps) = home.clean(&marker, None).await;
    let (_, metadata) = home.bytes(&outcome.unwrap().clean.clean()).await.unwrap();
    assert_eq!(CleanMetadata::from_metadata(&raw_key().key(), &metadata).unwrap().parts, Some(3));
    assert_eq!(steps, []);
}

#[tokio::test(flavor = "current_thread")]
async fn damage_stops_the_object_and_leaves_nothing() {
    let home = Home::new().await;
    let good = lines(&[r#"[{"id":1}]"#]);
    let broken_body = String::from_utf8(good.clone()).unwrap().replace(r#"{"id":1}]"#, r#"{"id":1}"#);
    for (part, bytes) in [
        (1, [good.as_slice(), b"{}\n"].concat()),
        (2, [good.as_slice(), b"\xff\n"].concat()),
        (3, [good.as_slice(), broken_body.as_bytes()].concat()),
    ] {
        let raw = RawKey {
            part: Part::Number(part),
            ..raw_key()
        };
        home.put(&raw, &bytes, None).await;
        let error = home.clean(&raw, None).await.0.unwrap_err();
        assert!(matches!(error, Error::Damaged { line: 2, .. }), "{error}");
        assert_eq!(error.next(), ledger::Next::Alarm);
        let key = lake::CleanKey {
            raw,
            definition: home.definition[..8].to_owned(),
        };
        assert!(home.bytes(&key.clean()).await.is_none());
    }
    let missing = RawKey {
        part: Part::Number(9),
        ..raw_key()
    };
    assert!(matches!(home.clean(&missing, None).await.0, Err(Error::Read { .. })));
}
