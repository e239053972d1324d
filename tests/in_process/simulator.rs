//! The simulator: from a seed a history of edits, runs and records; it is dealt to the stores duplicated, delayed, reordered, killed and beside
//! others, and the stores must end equal to the model.
//!
//! `SEEDS=n` makes n histories instead of the default; `SEED=…` makes only that one.

mod delivery;
mod extraction;
mod history;
mod model;
mod naive;

use bson::RawDocument;
use delivery::{Plan, Worker, collection, deliver};
use documents::{Documents, SqliteDocuments, Verdict};
use fastrand::Rng;
use history::{Disposition, History};
use ledger::{CleanTally, Fact, Ledger, LoadTally, SqliteLedger, Stage};
use model::Expected;
use naive::{Naive, Rules};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: u64 = 2_000;

/// One history in so many has its stores in files, each opened twice, as two processes have them.
const FILES_EVERY: u64 = 50;

#[test]
fn the_stores_end_equal_to_the_model() {
    if let Some(seed) = number("SEED") {
        simulate(seed);
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let seen = Mutex::new(Seen::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds) {
                    match catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
                        Ok(of_seed) => seen.lock().unwrap().add(of_seed),
                        Err(panic) => {
                            next.store(seeds, Ordering::Relaxed);
                            eprintln!("seed {seed} failed; alone: SEED={seed} cargo test -p tidemill-tests --test in_process simulator");
                            resume_unwind(panic);
                        }
                    }
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    assert!(
        seeds < SEEDS || seen.enough(),
        "the histories hold too little of something to prove anything: {seen:?}"
    );
}

/// With a wrong store in the place of the real one, some history must end unlike the model: so the simulator can fail, and does for these reasons.
#[test]
fn wrong_stores_are_found_out() {
    const RIGHT: Rules = Rules::RIGHT;
    let last_wins: naive::Judge = |stored, _| if stored.is_some() { Verdict::Updated } else { Verdict::Inserted };
    let wrong = [
        ("the last to come wins", Rules { judge: last_wins, ..RIGHT }),
        ("an equal one does not advance the rank", Rules { advances: false, ..RIGHT }),
        (
            "a tombstone is not kept",
            Rules {
                keeps_tombstones: false,
                ..RIGHT
            },
        ),
        (
            "receipts are not kept",
            Rules {
                keeps_receipts: false,
                ..RIGHT
            },
        ),
        ("an older run replaces a newer one", Rules { goes_back: true, ..RIGHT }),
    ];
    for (what, rules) in wrong {
        let found = (0..SEEDS).any(|seed| catch_unwind(|| simulate_on(seed, &Naive::new(rules))).is_err());
        assert!(found, "not found out: {what}");
    }
    for seed in 0..100 {
        simulate_on(seed, &Naive::new(RIGHT));
    }
}

fn simulate_on(seed: u64, documents: &Naive) -> Seen {
    let ledger = SqliteLedger::open(Path::new(":memory:")).unwrap();
    deal(seed, [(&ledger, documents), (&ledger, documents)])
}

/// What the histories held.
#[derive(Debug, Default)]
struct Seen {
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

    fn enough(&self) -> bool {
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
        counts.iter().all(|count| *count >= 100) && things.iter().all(|count| *count >= 50)
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: expected a whole number, not `{text}`")),
    )
}

/// Deals one history to the real stores.
fn simulate(seed: u64) -> Seen {
    let folder = seed.is_multiple_of(FILES_EVERY).then(tidemill_tests::folder::temporary);
    let path = |name: &str| {
        folder
            .as_ref()
            .map_or(Path::new(":memory:").to_owned(), |folder| folder.path().join(name))
    };
    let open = || {
        (
            SqliteLedger::open(&path("ledger.db")).unwrap(),
            SqliteDocuments::open(&path("documents.db")).unwrap(),
        )
    };
    let (one, other) = (open(), folder.as_ref().map(|_| open()));
    let other = other.as_ref().unwrap_or(&one);
    deal(seed, [(&one.0, &one.1), (&other.0, &other.1)])
}

/// Deals one history to two workers' stores, which are the same underneath, and compares with the model.
fn deal(seed: u64, stores: [(&dyn Ledger, &dyn Documents); 2]) -> Seen {
    let mut rng = Rng::with_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let [(ledger, documents), _] = stores;
        let history = History::new(&mut rng);
        let lake = extraction::extract(&history, ledger, &mut rng).await;
        let plan = Plan::new(&history, &lake, &mut rng);
        let workers = stores.map(|(ledger, documents)| Worker {
            history: &history,
            plan: &plan,
            ledger,
            documents,
        });
        deliver(&workers, &mut rng).await;
        let expected = match history.disposition {
            Disposition::Replace => model::replaced(&history, &lake.raw, &plan.cleanings, &plan.markers),
            _ => model::merged(&history, &lake.raw, &plan.cleanings),
        };
        documents_equal(documents, &history, &expected).await;
        let mut seen = facts_equal(&workers[0], &expected).await;
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
async fn documents_equal(documents: &dyn Documents, history: &History, expected: &Expected) {
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
    let shown = |bytes: &[u8]| format!("{:?}", RawDocument::from_bytes(bytes).unwrap());
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

/// Conservation: every part has its two facts, they are the model's, and nothing is owed.
async fn facts_equal(worker: &Worker<'_>, expected: &Expected) -> Seen {
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
        assert_eq!(
            seen.load.inserted,
            expected.highest.len() as u64,
            "each key is inserted once, whoever was killed"
        );
    }
    let owed = worker.ledger.unfinished(&worker.history.resource.pipeline).await.unwrap();
    assert!(owed.is_empty(), "{owed:?}");
    seen
}
