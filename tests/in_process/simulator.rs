//! The simulator: from a seed a history of edits, runs and records; it is dealt to the stores duplicated, delayed, reordered, killed and beside
//! others, and the stores must end equal to the model.
//!
//! `SEEDS=n` makes n histories instead of the default; `SEED=…` makes only that one.

mod naive;

use documents::{SqliteDocuments, Verdict};
use ledger::SqliteLedger;
use naive::{Naive, Rules};
use std::panic::catch_unwind;
use std::path::Path;
use tidemill_tests::simulator::{Nature, Seen, deal, simulate_all};

const SEEDS: u64 = 2_000;

/// One history in so many has its stores in files, each opened twice, as two processes have them.
const FILES_EVERY: u64 = 50;

#[test]
fn the_stores_end_equal_to_the_model() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let seen = simulate_all("in_process", SEEDS, threads, simulate);
    assert!(
        seen.as_ref().is_none_or(|seen| seen.enough(100)),
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
    deal(seed, Nature::default(), [(&ledger, documents), (&ledger, documents)])
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
    deal(seed, Nature::default(), [(&one.0, &one.1), (&other.0, &other.1)])
}
