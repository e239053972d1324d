//! The three functions one after the other in this process, on a home in a temporary folder, with a clock that stands and an observer that may stop
//! the work at any step: as a kill would, nothing after it is done.

use crate::rejected::Rejected;
use documents::{Documents, SqliteDocuments};
use lake::{CleanKey, Definitions, DirectoryStore, Key, RawKey, RunId, Store};
use ledger::{Clock, Fact, FactKey, Holder, Interrupted, Ledger, Observer, ResourceId, Run, SqliteLedger, Stage, Step};
use pipeline::{Checked, Name};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The moment at which the clock stands first: 2026-01-01.
pub const NOW_MS: i64 = 1_767_225_600_000;

/// A home and the functions over it.
pub struct Chain {
    folder: tempfile::TempDir,
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub documents: Arc<dyn Documents>,
    pub definitions: Arc<Definitions>,
    pub clock: Arc<StandingClock>,
    pub settings: extract::Settings,
}

/// A published pipeline file.
#[derive(Clone)]
pub struct Published {
    pub checked: Arc<Checked>,
    pub generation: u32,
}

/// A clock that stands until it is set.
pub struct StandingClock(AtomicI64);

impl StandingClock {
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Release);
    }
}

impl Clock for StandingClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Stops the work at one step, and remembers those before.
pub struct StopAt {
    at: usize,
    count: AtomicUsize,
    steps: Mutex<Vec<Step>>,
}

impl StopAt {
    /// Stops at the step of this number, counted from 0.
    pub fn step(at: usize) -> Arc<StopAt> {
        Arc::new(StopAt {
            at,
            count: AtomicUsize::new(0),
            steps: Mutex::default(),
        })
    }

    pub fn never() -> Arc<StopAt> {
        StopAt::step(usize::MAX)
    }

    /// The steps that were reached, the one it stopped at included.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }
}

impl Observer for StopAt {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        self.steps.lock().unwrap().push(step.clone());
        if self.count.fetch_add(1, Ordering::AcqRel) >= self.at {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }
}

/// How a piece of work ended.
#[derive(Debug)]
pub enum Ended {
    Well,
    Killed,
    /// The source's fault; what came in before is cleaned and loaded.
    ExtractionFailed(extract::Error),
}

/// A run's id that is the same whenever the same tick is tried.
pub fn run_id(tick: u64) -> RunId {
    RunId::new(NOW_MS as u64 + tick, u128::from(tick))
}

impl Chain {
    /// A new home. Its databases are in memory: what a kill leaves in their files is `kill`'s matter.
    pub fn new() -> Chain {
        // As `main` does; another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = crate::folder::temporary();
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::open(folder.path().join("lake")).unwrap());
        Chain {
            definitions: Arc::new(Definitions::new(store.clone())),
            store,
            ledger: Arc::new(SqliteLedger::open(":memory:".as_ref()).unwrap()),
            documents: Arc::new(SqliteDocuments::open(":memory:".as_ref()).unwrap()),
            clock: Arc::new(StandingClock(AtomicI64::new(NOW_MS))),
            settings: extract::Settings::default(),
            folder,
        }
    }

    /// Raw objects of at most so many bytes, so that a run has several.
    pub fn with_objects_of(mut self, bytes: u64) -> Chain {
        self.settings.object_bytes_max = bytes;
        self
    }

    /// Documents in another store than the embedded one.
    pub fn with_documents(mut self, documents: Arc<dyn Documents>) -> Chain {
        self.documents = documents;
        self
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub async fn publish(&self, text: &str) -> Published {
        let checked = pipeline::check("test.yaml", text).unwrap_or_else(|faults| panic!("{faults}"));
        let checked = Arc::new(checked);
        self.definitions.publish(checked.clone(), text).await.unwrap();
        let generation = self
            .ledger
            .apply_definition(&checked.pipeline.pipeline, checked.hash.as_str())
            .await
            .unwrap();
        Published { checked, generation }
    }

    pub fn run(&self, observer: Arc<dyn Observer>) -> Run {
        Run {
            clock: self.clock.clone(),
            observer,
            deadline_ms: None,
        }
    }

    /// What a process does that is started: what is owed first, then a tick of each resource, then what that brought.
    pub async fn tick(&self, published: &Published, base_url: &str, tick: u64, observer: Arc<dyn Observer>) -> Ended {
        if let Err(Interrupted) = self.process(published, observer.clone()).await {
            return Ended::Killed;
        }
        let mut failed = None;
        for resource in &published.checked.pipeline.resources {
            match self.extract(published, &resource.name, base_url, tick, observer.clone()).await {
                Ok(_) => {}
                Err(extract::Error::Interrupted(_)) => return Ended::Killed,
                Err(error) => failed = Some(error),
            }
        }
        match (self.process(published, observer).await, failed) {
            (Err(Interrupted), _) => Ended::Killed,
            (Ok(()), Some(error)) => Ended::ExtractionFailed(error),
            (Ok(()), None) => Ended::Well,
        }
    }

    /// A tick that must end well.
    pub async fn tick_well(&self, published: &Published, base_url: &str, tick: u64) {
        let ended = self.tick(published, base_url, tick, StopAt::never()).await;
        assert!(matches!(ended, Ended::Well), "{ended:?}");
    }

    pub async fn extract(
        &self,
        published: &Published,
        resource: &Name,
        base_url: &str,
        tick: u64,
        observer: Arc<dyn Observer>,
    ) -> Result<extract::Outcome, extract::Error> {
        self.extract_as("the test", published, resource, base_url, tick, observer).await
    }

    /// Extracts for a holder of the lease that is told apart from others by its name.
    pub async fn extract_as(
        &self,
        holder: &str,
        published: &Published,
        resource: &Name,
        base_url: &str,
        tick: u64,
        observer: Arc<dyn Observer>,
    ) -> Result<extract::Outcome, extract::Error> {
        let tick = self.extract_tick(published, resource, base_url, tick);
        extract::handle(&tick, &self.run(observer), &self.extract_services(holder)).await
    }

    /// What `extract` works with.
    pub fn extract_services(&self, holder: &str) -> extract::Services {
        extract::Services {
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            holder: Holder {
                name: holder.to_owned(),
                process: None,
                process_start: None,
            },
            holder_is_dead: Arc::new(|_| false),
            resolve: Arc::new(|_| Err("no variable is known here".to_owned())),
            names: Arc::default(),
            settings: self.settings.clone(),
        }
    }

    /// A tick of a resource; the same number is the same run.
    pub fn extract_tick(&self, published: &Published, resource: &Name, base_url: &str, tick: u64) -> extract::Tick {
        extract::Tick {
            definition: published.checked.clone(),
            generation: published.generation,
            resource: resource.clone(),
            run: run_id(tick),
            base_url: Some(base_url.to_owned()),
            folder: self.folder(),
            pages_max: None,
            continues: false,
        }
    }

    /// Cleans and loads what is owed, until nothing is, as the news of objects and the ledger would have it.
    pub async fn process(&self, published: &Published, observer: Arc<dyn Observer>) -> Result<(), Interrupted> {
        for _ in 0..100 {
            let mut moved = false;
            for owed in self.ledger.unfinished(&published.checked.pipeline.pipeline).await.unwrap() {
                if self.store.head(&owed.raw.key()).await.unwrap().is_none() {
                    // An intent alone: its extraction was killed and will put it, or has failed.
                    continue;
                }
                moved = true;
                if owed.next == Stage::Clean {
                    self.clean(&owed.raw, None, observer.clone()).await?;
                }
                self.load(&clean_key(&owed.raw, &owed.definition), observer.clone()).await?;
            }
            if !moved {
                return Ok(());
            }
        }
        panic!(
            "what is owed is owed forever: {:?}",
            self.ledger.unfinished(&published.checked.pipeline.pipeline).await.unwrap()
        );
    }

    /// What `clean` works with.
    pub fn clean_services(&self) -> clean::Services {
        clean::Services {
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            definitions: self.definitions.clone(),
        }
    }

    /// What `load` works with.
    pub fn load_services(&self) -> load::Services {
        load::Services {
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            documents: self.documents.clone(),
            definitions: self.definitions.clone(),
        }
    }

    /// Cleans one raw object; under the definition it was fetched under, unless another is named.
    pub async fn clean(&self, raw: &RawKey, under: Option<&Published>, observer: Arc<dyn Observer>) -> Result<clean::Outcome, Interrupted> {
        let services = self.clean_services();
        let definition = under.map(|published| (published.checked.hash.to_string(), published.generation));
        let input = clean::Input {
            raw: raw.clone(),
            definition,
        };
        match clean::handle(&input, &self.run(observer), &services).await {
            Ok(outcome) => Ok(outcome),
            Err(clean::Error::Interrupted { .. }) => Err(Interrupted),
            Err(error) => panic!("{}", told(&error)),
        }
    }

    /// Loads one clean object; `None` when what it needs is not there yet.
    pub async fn load(&self, clean: &CleanKey, observer: Arc<dyn Observer>) -> Result<Option<load::Outcome>, Interrupted> {
        let services = self.load_services();
        match load::handle(
            &load::Input {
                clean: clean.clone(),
                again_in_order: false,
            },
            &self.run(observer),
            &services,
        )
        .await
        {
            Ok(outcome) => Ok(Some(outcome)),
            Err(load::Error::Interrupted(_)) => Err(Interrupted),
            Err(error) if error.next() == ledger::Next::Retry => Ok(None),
            Err(error) => panic!("{}", told(&error)),
        }
    }

    /// The keys of a zone, in order.
    pub async fn keys(&self, zone: &str) -> Vec<Key> {
        self.store.list(&format!("{zone}/"), None, usize::MAX).await.unwrap()
    }

    /// An object's bytes, unpacked by zstd alone.
    pub async fn unpacked(&self, key: &Key) -> Vec<u8> {
        zstd::decode_all(self.stored(key).await.as_slice()).unwrap()
    }

    /// An object's bytes as they are stored.
    pub async fn stored(&self, key: &Key) -> Vec<u8> {
        let mut body = self.store.get(key).await.unwrap().body;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        bytes
    }

    /// All rejects, in the order of their objects' keys; `under` is a part of the pipeline's folders, or nothing.
    pub async fn rejected(&self, under: &str) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for key in self
            .keys("rejected")
            .await
            .iter()
            .filter(|key| key.as_str().contains(&format!("/{under}")))
        {
            let text = String::from_utf8(self.unpacked(key).await).unwrap();
            rejected.extend(text.lines().map(Rejected::read));
        }
        rejected
    }

    /// Every document that readers see, byte for byte.
    pub async fn seen(&self, collection: &str) -> Vec<Vec<u8>> {
        let collection = Name::new(collection).unwrap();
        let seen = self.documents.scan(&collection, None, usize::MAX >> 1).await.unwrap();
        seen.into_iter().map(|document| document.as_bytes().to_vec()).collect()
    }

    /// All facts of a tick's run, in order.
    pub async fn facts(&self, published: &Published, resource: &str, tick: u64) -> Vec<(FactKey, Fact)> {
        let id = self.resource_id(published, resource);
        self.ledger.facts(run_id(tick), &id, published.checked.hash.as_str()).await.unwrap()
    }

    pub async fn cursor(&self, published: &Published, resource: &str) -> Option<i64> {
        let id = self.resource_id(published, resource);
        let of_file = published.checked.pipeline.resources.iter().find(|r| r.name == id.resource).unwrap();
        let source = pipeline::source_hash(&published.checked.pipeline, of_file);
        self.ledger.cursor(&id, &source).await.unwrap().map(|cursor| cursor.value)
    }

    pub fn resource_id(&self, published: &Published, resource: &str) -> ResourceId {
        ResourceId {
            pipeline: published.checked.pipeline.pipeline.clone(),
            resource: Name::new(resource).unwrap(),
        }
    }
}

impl Default for Chain {
    fn default() -> Chain {
        Chain::new()
    }
}

pub fn clean_key(raw: &RawKey, definition: &str) -> CleanKey {
    CleanKey {
        raw: raw.clone(),
        definition: definition[..8].to_owned(),
    }
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// An error and its causes.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
