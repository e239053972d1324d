//! The simulator: from a seed a history of edits, runs and records; it is dealt to the stores duplicated, delayed, reordered, killed and beside
//! others, and the stores must end equal to the model.

mod delivery;
mod extraction;
mod history;
mod model;

use bson::{RawBson, RawDocument};
use delivery::{Plan, Worker, deliver};
use documents::Documents;
use fastrand::Rng;
use history::{Disposition, History};
use lake::Store;
use ledger::{CleanTally, Fact, Ledger, LoadTally, Stage};
use model::Expected;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use delivery::collection;

/// What a store is like, apart from what every store must be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nature {
    /// A key that came as a 32-bit and as a 64-bit number keeps the type it came with first, as MongoDB's `_id` does.
    pub keeps_first_type: bool,
    /// Workers die inside of the store's calls too, not only between them. Such a death may hide that it was this object that inserted a document,
    /// when another object overtakes it: the sums are right, but not always whose.
    pub dies_within: bool,
}

/// Simulates the seed that `SEED` names, or all below `SEEDS`, or below `seeds`; on `threads` threads. `None` when it was not the full number.
pub fn simulate_all(ring: &str, seeds: u64, threads: usize, simulate: impl Fn(u64) -> Seen + Sync) -> Option<Seen> {
    if let Some(seed) = number("SEED") {
        simulate(seed);
        return None;
    }
    let wanted = number("SEEDS").unwrap_or(seeds);
    let next = AtomicU64::new(0);
    let seen = Mutex::new(Seen::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < wanted) {
                    match catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
                        Ok(of_seed) => seen.lock().unwrap().add(of_seed),
                        Err(panic) => {
                            next.store(wanted, Ordering::Relaxed);
                            eprintln!("seed {seed} failed; alone: SEED={seed} cargo test -p tidemill-tests --test {ring} simulator");
                            resume_unwind(panic);
                        }
                    }
                }
            });
        }
    });
    (wanted >= seeds).then(|| seen.into_inner().unwrap())
}

/// What the histories held.
#[derive(Debug, Default)]
pub struct Seen {
    load: LoadTally,
    clean: CleanTally,
    tombstones: usize,
    replaced: usize,
    kept_old: usize,
    cursors: usize,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.load += other.load;
        self.clean += other.clean;
        self.tombstones += other.tombstones;
        self.replaced += other.replaced;
        self.kept_old += other.kept_old;
        self.cursors += other.cursors;
    }

    /// Whether there were so many of each outcome, and half as many of each rarer thing: else it proves nothing.
    pub fn enough(&self, least: u64) -> bool {
        let LoadTally {
            inserted,
            updated,
            unchanged,
            stale,
            superseded,
            ..
        } = self.load;
        let CleanTally {
            rejected,
            dropped,
            duplicates,
            ..
        } = self.clean;
        let counts = [inserted, updated, unchanged, stale, superseded, rejected, dropped, duplicates];
        let things = [self.tombstones, self.replaced, self.kept_old, self.cursors];
        counts.iter().all(|count| *count >= least) && things.iter().all(|count| *count as u64 * 2 >= least)
    }
}

/// Deals one history to two workers' stores, which are the same underneath, and compares with the model.
pub fn deal(seed: u64, nature: Nature, stores: [(&dyn Ledger, &dyn Documents); 2]) -> Seen {
    deal_into(seed, nature, stores, None)
}

/// [`deal`], with raw objects that are put into a store too. It must be empty, and is in the end as the model's lake is.
pub fn deal_into(seed: u64, nature: Nature, stores: [(&dyn Ledger, &dyn Documents); 2], store: Option<Arc<dyn Store>>) -> Seen {
    let mut rng = Rng::with_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let [(ledger, documents), _] = stores;
        let history = History::new(&mut rng);
        let lake = extraction::extract(&history, ledger, &mut rng, store).await;
        lake.store_equals(&history).await;
        let plan = Plan::new(&history, &lake, &mut rng);
        let workers = stores.map(|(ledger, documents)| Worker {
            history: &history,
            plan: &plan,
            ledger,
            documents,
        });
        deliver(&workers, nature, &mut rng).await;
        let expected = match history.disposition {
            Disposition::Replace => model::replaced(&history, &lake.raw, &plan.cleanings, &plan.markers),
            _ => model::merged(&history, &lake.raw, &plan.cleanings),
        };
        documents_equal(documents, nature, &history, &expected).await;
        let mut seen = facts_equal(&workers[0], nature, &expected).await;
        for definition in &history.definitions {
            let cursor = ledger.cursor(&history.resource, &definition.source).await.unwrap();
            assert_eq!(
                cursor.map(|cursor| cursor.value),
                lake.cursors.get(&definition.source).copied(),
                "the cursor of {}",
                definition.source
            );
        }
        seen.cursors = lake.cursors.len();
        seen.tombstones = expected.highest.values().filter(|made| made.deleted).count();
        seen.replaced = usize::from(expected.visible.is_some());
        seen.kept_old = usize::from(plan.markers.keys().max() > expected.visible.as_ref());
        seen
    })
}

/// What readers see, byte for byte, and what is hidden from them.
async fn documents_equal(documents: &dyn Documents, nature: Nature, history: &History, expected: &Expected) {
    let visible = documents.visible(&collection()).await.unwrap();
    assert_eq!(
        visible.map(|version| (lake::RunId::from_bytes(version.run), version.generation)),
        expected.visible,
        "the visible version"
    );
    let mut should_see: Vec<&model::Made> = expected.highest.values().filter(|made| !made.deleted).collect();
    should_see.sort_by(|a, b| match (&a.id, &b.id) {
        (bson::Bson::String(a), bson::Bson::String(b)) => a.cmp(b),
        _ => a.id_text.parse::<i32>().unwrap().cmp(&b.id_text.parse::<i32>().unwrap()),
    });
    let mut seen = Vec::new();
    loop {
        // In pages, as a reader does.
        let after = seen
            .last()
            .map(|document: &bson::RawDocumentBuf| document.get("_id").unwrap().unwrap());
        let page = documents.scan(&collection(), after, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let shown = |bytes: &[u8]| shown(RawDocument::from_bytes(bytes).unwrap(), nature);
    let seen: Vec<String> = seen.iter().map(|document| shown(document.as_bytes())).collect();
    let should: Vec<String> = should_see.iter().map(|made| shown(&made.bytes)).collect();
    assert_eq!(seen, should, "what readers see of a {:?}", history.disposition);
    let count = documents.count(&collection()).await.unwrap();
    assert_eq!(count.unwrap_or(0), should_see.len() as u64);
    for made in expected.highest.values() {
        let id: bson::RawBson = made.id.clone().try_into().unwrap();
        let stored = documents
            .get(&collection(), id.as_raw_bson_ref(), true)
            .await
            .unwrap()
            .map(|document| shown(document.as_bytes()));
        assert_eq!(stored, Some(shown(&made.bytes)));
        let visible = documents.get(&collection(), id.as_raw_bson_ref(), false).await.unwrap();
        assert_eq!(visible.is_none(), made.deleted, "a tombstone is hidden, all else is not");
    }
}

/// A document as it is compared: every byte of it, but for the type of a number that is its key where that may differ.
fn shown(document: &RawDocument, nature: Nature) -> String {
    let Ok(Some(id)) = document.get("_id") else {
        panic!("a document without a key: {document:?}")
    };
    let Some(id) = id.as_i32().filter(|_| nature.keeps_first_type) else {
        return format!("{:?}", document.to_owned());
    };
    let mut same = bson::RawDocumentBuf::new();
    for element in document {
        let (name, value) = element.unwrap();
        let value = if name == "_id" { RawBson::Int64(id.into()) } else { value.into() };
        same.append(name, value);
    }
    format!("{same:?}")
}

/// Conservation: every part has its two facts, they are the model's, and nothing is owed.
async fn facts_equal(worker: &Worker<'_>, nature: Nature, expected: &Expected) -> Seen {
    let mut seen = Seen::default();
    for (cleaning, (made, tally)) in &worker.plan.cleaned {
        let clean = worker.ledger.fact(&worker.fact_key(*cleaning, Stage::Clean)).await.unwrap();
        assert_eq!(clean, Some(Fact::Clean(*tally)));
        let load = worker.ledger.fact(&worker.fact_key(*cleaning, Stage::Load)).await.unwrap();
        let Some(Fact::Load(load)) = load else {
            panic!("no load fact of {cleaning:?}: {load:?}")
        };
        assert!(
            load.balances() && load.documents_in == made.len() as u64 && load.refused == 0,
            "{load:?}"
        );
        seen.load += load;
        seen.clean += *tally;
    }
    if worker.history.disposition != Disposition::Replace {
        let (inserted, keys) = (seen.load.inserted, expected.highest.len() as u64);
        assert!(
            inserted == keys || (nature.dies_within && inserted < keys),
            "each key is inserted once, whoever was killed: {inserted} of {keys}"
        );
    }
    let owed = worker.ledger.unfinished(&worker.history.resource.pipeline).await.unwrap();
    assert!(owed.is_empty(), "{owed:?}");
    seen
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: expected a whole number, not `{text}`")),
    )
}
