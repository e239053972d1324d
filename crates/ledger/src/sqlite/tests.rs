//! How SQLite goes about the statements that must stay quick however old a ledger is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::work::{UNFINISHED_SQL, run_to_resume_sql};
use super::*;

fn check(sql: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).unwrap();
    let connection = ledger.connection();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = statement.query_map(["a", "b"], |row| row.get::<_, String>(3)).unwrap();
    assert_eq!(lines.map(Result::unwrap).collect::<Vec<_>>(), [expected], "{sql}");
}

#[test]
fn finished_parts_do_not_slow_the_search_for_unfinished_ones() {
    check(UNFINISHED_SQL, "SEARCH parts USING INDEX parts_unfinished (raw>? AND raw<?)");
}

#[test]
fn ended_runs_do_not_slow_the_search_for_one_to_resume() {
    check(
        &run_to_resume_sql(),
        "SEARCH runs USING INDEX runs_extracting (pipeline=? AND resource=?)",
    );
}

/// A ledger as the first version of the schema left it: opened, it knows what it knew, and the newer calls work.
#[test]
fn a_ledger_of_an_older_schema_is_brought_up_to_date_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let definition = "d".repeat(64);
    schema::tests::write_old(
        &path,
        1,
        &format!("INSERT INTO definitions (pipeline, generation, definition) VALUES ('shop', 7, '{definition}')"),
    );
    let name = |text: &str| Name::new(text).unwrap();
    let claim = CollectionClaim {
        collection: name("sold"),
        owner: ResourceId {
            pipeline: name("shop"),
            resource: name("orders"),
        },
        key: "primary_key [id (text)]".to_owned(),
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        for _ in 0..2 {
            let ledger = SqliteLedger::open(&path).unwrap();
            let newest = ledger.newest_definition(&name("shop")).await.unwrap();
            assert_eq!(newest, Some((definition.clone(), 7)));
            assert_eq!(ledger.claim_collection(&claim).await.unwrap(), claim);
        }
    });
}
