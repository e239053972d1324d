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
