//! The simulator on the server. Two workers, each with a client of its own, which die between and inside of their calls.
//!
//! `SEEDS=n` makes n histories instead of the default; `SEED=…` makes only that one.

use documents::MongoDocuments;
use documents::mongodb::Fixed;
use ledger::SqliteLedger;
use servers::mongodb::shared;
use std::path::Path;
use std::sync::Arc;
use tidemill_tests::simulator::{Nature, Seen, deal, simulate_all};

const SEEDS: u64 = 150;

/// Of so many histories, the last has workers that die inside of a call.
const DIE_WITHIN_EVERY: u64 = 2;

#[test]
fn the_server_ends_equal_to_the_model() {
    let seen = simulate_all("mongodb", SEEDS, 2, simulate);
    assert!(
        seen.as_ref().is_none_or(|seen| seen.enough(4)),
        "the histories hold too little of something to prove anything: {seen:?}"
    );
}

fn simulate(seed: u64) -> Seen {
    let nature = Nature {
        keeps_first_type: true,
        dies_within: seed % DIE_WITHIN_EVERY == DIE_WITHIN_EVERY - 1,
    };
    let database = shared().fresh_database();
    let client = || MongoDocuments::new(Arc::new(Fixed::new(database.uri().into())));
    let (ledger, one, other) = (SqliteLedger::open(Path::new(":memory:")).unwrap(), client(), client());
    deal(seed, nature, [(&ledger, &one), (&ledger, &other)])
}
