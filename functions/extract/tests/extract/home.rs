//! A home of its own for each test: a lake, a ledger, a clock, and who watches.

use extract::{Error, Names, Outcome, Services, Settings, Tick, handle};
use lake::{Body, Capture, DirectoryStore, Key, RawMetadata, RunId, Store as _};
use ledger::{Clock, Holder, Interrupted, Ledger as _, Observer, ResourceId, Run, RunFilter, RunRecord, SqliteLedger, Step};
use pipeline::{Checked, Name, Variable};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub struct Home {
    pub folder: tempfile::TempDir,
    pub store: Arc<DirectoryStore>,
    pub ledger: Arc<SqliteLedger>,
    pub settings: Settings,
    pub names: Names,
    pub clock: Arc<Ticking>,
    pub pages_max: Option<u32>,
    pub base_url: Option<String>,
    pub holder_is_dead: bool,
    runs: AtomicUsize,
}

/// A clock that moves by a millisecond whenever it is read.
pub struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

impl Ticking {
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

/// Stops the work after so many steps, as a kill would.
struct Watch {
    stop_after: usize,
    steps: Mutex<Vec<Step>>,
}

impl Observer for Watch {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        let mut steps = self.steps.lock().unwrap();
        steps.push(step.clone());
        if steps.len() > self.stop_after { Err(Interrupted) } else { Ok(()) }
    }
}

/// A capture of the lake: its URL, status, piece, and its body as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub part: String,
    pub url: String,
    pub status: u16,
    pub offset: Option<u64>,
    pub header: Option<String>,
    pub form: &'static str,
    pub body: String,
}

impl Home {
    pub fn new() -> Home {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        Home {
            store: Arc::new(DirectoryStore::open(folder.path().join("lake")).unwrap()),
            ledger: Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap()),
            settings: Settings::default(),
            names: Names::System,
            clock: Arc::new(Ticking(AtomicI64::new(1_700_000_000_000))),
            pages_max: None,
            base_url: None,
            holder_is_dead: true,
            runs: AtomicUsize::new(0),
            folder,
        }
    }

    pub fn services(&self) -> Services {
        let dead = self.holder_is_dead;
        Services {
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            holder: Holder {
                name: "a test".into(),
                process: None,
                process_start: None,
            },
            holder_is_dead: Arc::new(move |_| dead),
            resolve: Arc::new(|variable| match variable {
                Variable::Secret { name, .. } if name == "two lines" => Ok("s3cret\nline".to_owned().into()),
                Variable::Secret { name, .. } => Ok(format!("s3cret of {name}/+").into()),
                Variable::Env(name) if name == "SET" => Ok("env value".to_owned().into()),
                Variable::Env(name) if name == "SIZE" => Ok("100".to_owned().into()),
                Variable::Env(name) => Err(format!("the environment has no `{name}`")),
                _ => Err("not a secret".into()),
            }),
            names: Arc::new(self.names.clone()),
            settings: self.settings.clone(),
        }
    }

    pub fn tick(&self, definition: &Arc<Checked>) -> Tick {
        let number = self.runs.fetch_add(1, Ordering::SeqCst) as u128;
        Tick {
            definition: definition.clone(),
            generation: 1,
            resource: definition.pipeline.resources[0].name.clone(),
            run: RunId::new(1_700_000_000_000 + number as u64, number),
            base_url: self.base_url.clone(),
            folder: self.folder.path().to_owned(),
            pages_max: self.pages_max,
            continues: false,
        }
    }

    /// Runs the first resource, stopped after so many steps; says which were reached.
    pub async fn run_until(&self, definition: &Arc<Checked>, stop_after: usize) -> (Result<Outcome, Error>, Vec<Step>) {
        let watch = Arc::new(Watch {
            stop_after,
            steps: Mutex::default(),
        });
        let run = Run {
            clock: self.clock.clone(),
            observer: watch.clone(),
            deadline_ms: None,
        };
        let result = handle(&self.tick(definition), &run, &self.services()).await;
        let steps = watch.steps.lock().unwrap().clone();
        (result, steps)
    }

    pub async fn run(&self, definition: &Arc<Checked>) -> Result<Outcome, Error> {
        self.run_until(definition, usize::MAX).await.0
    }

    /// The message of the error that a run must end with.
    pub async fn failure(&self, definition: &Arc<Checked>) -> String {
        let error = self.run(definition).await.unwrap_err();
        let runs = self.runs().await;
        assert_eq!(runs[0].state, ledger::RunState::Failed { message: error.chain() });
        error.chain()
    }

    pub async fn runs(&self) -> Vec<RunRecord> {
        self.ledger.runs(&RunFilter::default()).await.unwrap()
    }

    pub async fn cursor(&self, definition: &Checked) -> Option<i64> {
        let resource = &definition.pipeline.resources[0];
        let id = ResourceId {
            pipeline: definition.pipeline.pipeline.clone(),
            resource: resource.name.clone(),
        };
        let cursor = self
            .ledger
            .cursor(&id, &pipeline::source_hash(&definition.pipeline, resource))
            .await;
        cursor.unwrap().map(|cursor| cursor.value)
    }

    /// Every raw object, in order: its key and metadata.
    pub async fn objects(&self) -> Vec<(Key, RawMetadata)> {
        let mut objects = Vec::new();
        for key in self.store.list("raw/", None, 10_000).await.unwrap() {
            let metadata = self.store.head(&key).await.unwrap().unwrap();
            let metadata = RawMetadata::from_metadata(&key, &metadata).unwrap();
            objects.push((key, metadata));
        }
        objects
    }

    /// Every capture of the lake, in order.
    pub async fn captures(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for (key, metadata) in self.objects().await {
            let mut object = self.store.get(&key).await.unwrap();
            let mut packed = Vec::new();
            while let Some(chunk) = object.body.next().await.unwrap() {
                packed.extend_from_slice(&chunk);
            }
            let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
            assert_eq!(text.lines().count() as u64, metadata.captures, "{key}");
            assert_eq!(text.len() as u64, metadata.bytes, "{key}");
            kept.extend(text.lines().map(|line| read(&key, line)));
        }
        kept
    }

    pub async fn bodies(&self) -> Vec<String> {
        self.captures().await.into_iter().map(|kept| kept.body).collect()
    }

    /// Whether a text stands anywhere under the home, in clear or in a compressed object.
    pub fn holds(&self, text: &str) -> bool {
        files_below(self.folder.path().to_owned()).into_iter().any(|path| {
            let mut bytes = std::fs::read(&path).unwrap();
            if let Ok(plain) = zstd::decode_all(&bytes[..]) {
                bytes.extend(plain);
            }
            memchr::memmem::find(&bytes, text.as_bytes()).is_some()
        })
    }
}

fn read(key: &Key, line: &str) -> Kept {
    let capture = Capture::parse(line).unwrap();
    let (form, body) = match capture.body {
        Body::Json(text) => ("json", text.to_owned()),
        Body::Text(text) => ("text", text.into_owned()),
        Body::Bytes(bytes) => ("base64", format!("{bytes:?}")),
    };
    let piece = capture
        .piece
        .map(|piece| (piece.offset, piece.header.map(|header| header.into_owned())));
    Kept {
        part: key.as_str().rsplit('/').next().unwrap().to_owned(),
        url: capture.url.into_owned(),
        status: capture.status,
        offset: piece.as_ref().map(|piece| piece.0),
        header: piece.and_then(|piece| piece.1),
        form,
        body,
    }
}

fn files_below(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files_below(path) } else { vec![path] })
        .collect()
}

/// A pipeline whose `source` and `resources[0]` (beside name, record and load) are given as YAML in flow style.
pub fn definition(source: &str, resource: &str) -> Arc<Checked> {
    definition_with(source, resource, "merge")
}

pub fn definition_with(source: &str, resource: &str, disposition: &str) -> Arc<Checked> {
    let text = format!(
        "pipeline: test\nsource: {source}\nresources:\n  - name: things\n    {resource}\n    record: {{primary_key: [id], fields: {{id: {{type: string}}}}}}\n    load: {{collection: things, write_disposition: {disposition}}}\n"
    );
    match pipeline::check("test.yaml", &text) {
        Ok(checked) => Arc::new(checked),
        Err(faults) => panic!("{faults}\n{text}"),
    }
}

/// A REST pipeline at `base_url`, with quick retries and more keys of its source and endpoint.
pub fn rest(base_url: &str, source: &str, endpoint: &str) -> Arc<Checked> {
    definition(&rest_source(base_url, source), &format!("endpoint: {{path: things, {endpoint}}}"))
}

pub fn rest_source(base_url: &str, source: &str) -> String {
    format!("{{rest_api: {{base_url: \"{base_url}\", retries: {{backoff: 1ms, attempts_max: 4}}, {source}}}}}")
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}
