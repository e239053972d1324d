//! A vault in a folder, a ledger and databases in memory, a clock that moves when it is looked at, and a watcher that stops the work where a test wants it.

use crate::memory_database::MemoryDatabase;
use backup::manifest::Manifest;
use backup::{Drilled, Error, Policy, Report, Request, Restored, Services, Taken, Unseen, Verified, Wanted, Wish};
use bson::{Document, doc};
use documents::NamespaceKind;
use lake::{DirectoryStore, RunId, Store};
use ledger::{Clock, Interrupted, Ledger, Model, Observer, Run, Shelf, Step};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// When everything here begins: 24 November 2026, 03:00 UTC.
pub const AT_MS: i64 = 1_795_489_200_000;

pub struct Desk {
    pub services: Services,
    pub database: MemoryDatabase,
    pub clock: Arc<Ticking>,
    pub policy: Policy,
    folder: tempfile::TempDir,
}

/// A millisecond passes whenever it is looked at.
pub struct Ticking(pub AtomicI64);

impl Clock for Ticking {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Keeps the steps, and stops the work after so many.
#[derive(Default)]
pub struct Watch {
    pub steps: Mutex<Vec<Step>>,
    pub stop_after: Option<usize>,
}

impl Watch {
    pub fn stop_after(steps: usize) -> Arc<Watch> {
        Arc::new(Watch {
            steps: Mutex::default(),
            stop_after: Some(steps),
        })
    }

    pub fn last(&self) -> Option<Step> {
        self.steps.lock().unwrap().last().cloned()
    }
}

impl Observer for Watch {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        let mut steps = self.steps.lock().unwrap();
        steps.push(step.clone());
        match self.stop_after {
            Some(stop_after) if steps.len() > stop_after => Err(Interrupted),
            _ => Ok(()),
        }
    }
}

impl Desk {
    /// A database `shop` without anything.
    pub fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let database = MemoryDatabase::new("shop");
        let ledger: Arc<dyn Ledger> = Arc::new(Mutex::new(Model::default()));
        Desk {
            services: Services {
                vault: Arc::new(DirectoryStore::open(folder.path().join("vault")).unwrap()),
                ledger,
                database: Arc::new(database.clone()),
            },
            database,
            clock: Arc::new(Ticking(AtomicI64::new(AT_MS))),
            policy: Policy::default(),
            folder,
        }
    }

    /// A small shop: collections with indexes and validators, an empty one, a view, what is noted of a collection. In parts of one document each.
    pub fn small() -> Desk {
        let mut desk = Desk::new();
        desk.policy.part_bytes_max = 1;
        let orders_options = doc! {"validator": {"$jsonSchema": {"required": ["n"]}}, "validationLevel": "moderate"};
        desk.database
            .collection("orders", orders_options, vec![doc! {"v": 2, "key": {"n": -1}, "name": "n_-1"}]);
        desk.database
            .put("orders", (0..5).map(|n| doc! {"_id": n, "n": n, "text": "x".repeat(100)}));
        desk.database.collection("nothing", doc! {}, Vec::new());
        desk.database
            .put("people", ["ann", "bob"].map(|name| doc! {"_id": name, "name": name}));
        desk.database.other(
            "grown_ups",
            NamespaceKind::View,
            doc! {"viewOn": "people", "pipeline": [{"$match": {"age": {"$gte": 18}}}]},
        );
        let visible = |name: &str| doc! {"_id": name, "visible": "run-1"};
        desk.database
            .put(crate::memory_database::CONTROL, ["orders", "people"].map(visible));
        desk
    }

    pub fn vault(&self) -> &dyn Store {
        self.services.vault.as_ref()
    }

    pub fn ledger(&self) -> &dyn Ledger {
        self.services.ledger.as_ref()
    }

    /// Where an object of the vault is.
    pub fn file(&self, key: &str) -> PathBuf {
        self.folder.path().join("vault").join(key)
    }

    pub fn run(&self, observer: Arc<dyn Observer>, deadline_ms: Option<i64>) -> Run {
        Run {
            clock: self.clock.clone(),
            observer,
            deadline_ms,
        }
    }

    pub fn unwatched(&self) -> Run {
        self.run(Arc::new(ledger::Unwatched), None)
    }

    /// The time is up after the clock was looked at so often.
    pub fn for_looks(&self, looks: i64) -> Run {
        let deadline_ms = self.clock.0.load(Ordering::Relaxed) + looks;
        self.run(Arc::new(ledger::Unwatched), Some(deadline_ms))
    }

    pub fn pass(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub fn request(&self, id: RunId) -> Request {
        Request {
            id,
            allow_empty: false,
            policy: self.policy.clone(),
        }
    }

    pub async fn take_by(&self, id: RunId, run: &Run) -> Result<Taken, Error> {
        backup::take(&self.request(id), run, &self.services).await
    }

    /// A whole backup.
    pub async fn take(&self, id: RunId) -> Manifest {
        match self.take_by(id, &self.unwatched()).await.unwrap() {
            Taken::Done(manifest) => *manifest,
            other => panic!("{other:?}"),
        }
    }

    pub async fn verify(&self, manifest: &Manifest) -> Result<Verified, Error> {
        backup::verify(manifest, self.vault(), &Unseen).await
    }

    pub async fn newest(&self) -> Result<Manifest, Error> {
        backup::choose(self.vault(), &Wanted::Newest).await
    }

    pub async fn restore_by(&self, manifest: &Manifest, wish: &Wish, target: &MemoryDatabase, run: &Run) -> Result<Restored, Error> {
        backup::restore(manifest, wish, run, self.vault(), target, &Unseen).await
    }

    /// A whole restore.
    pub async fn restore(&self, manifest: &Manifest, wish: &Wish, target: &MemoryDatabase) -> Result<Report, Error> {
        match self.restore_by(manifest, wish, target, &self.unwatched()).await? {
            Restored::Done(report) => Ok(report),
            other => panic!("{other:?}"),
        }
    }

    pub async fn drill_by(&self, id: RunId, run: &Run) -> Result<Drilled, Error> {
        backup::drill(id, run, &self.services).await
    }

    /// How many part notes there are.
    pub async fn part_notes(&self) -> usize {
        self.ledger().notes(Shelf::BackupParts, None, 10_000).await.unwrap().len()
    }
}

/// The id of the backup or drill with this number, each a day after the one before.
pub fn id(number: u64) -> RunId {
    RunId::new(AT_MS as u64 + number * 86_400_000, 0xabc_def0 + u128::from(number))
}

/// The documents of a manifest's collections, by all that must be the same however it was taken.
pub fn sums(manifest: &Manifest) -> Vec<(String, bool, u64, u64, String, String)> {
    let sums = manifest
        .collections
        .iter()
        .map(|it| (it.name.clone(), it.view, it.documents, it.bytes, it.hash.clone(), it.crc64.clone()));
    sums.collect()
}

pub fn numbered(numbers: std::ops::Range<i32>) -> impl Iterator<Item = Document> {
    numbers.map(|n| doc! {"_id": n, "n": n, "text": format!("document {n}")})
}
