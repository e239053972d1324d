//! What is SQLite's own: processes beside each other, crashes, foreign files, what a user sees with `sqlite3`.

use crate::given::*;
use lake::Part;
use ledger::{Cursor, Extracted, LeaseOutcome, Ledger, LedgerError, RunState, SqliteLedger, Stage};
use rusqlite::Connection;
use std::future::Future;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Waits for a future in a thread of its own.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn opened(path: &Path) -> String {
    match SqliteLedger::open(path) {
        Ok(_) => panic!("it was opened"),
        Err(error @ (LedgerError::Damaged { .. } | LedgerError::Newer { .. })) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    }
}

/// Starts as many threads as there are names, each with a connection of its own to one file, all at once.
fn race<T: Send>(names: &[&str], work: impl Fn(&SqliteLedger, &str) -> T + Sync) -> Vec<T> {
    let folder = tempfile::tempdir().unwrap();
    let start = Barrier::new(names.len());
    thread::scope(|scope| {
        let threads: Vec<_> = names
            .iter()
            .map(|name| {
                let (folder, start, work) = (folder.path(), &start, &work);
                scope.spawn(move || {
                    start.wait();
                    // Opened in the race too: the file is new, and each of them would create it.
                    work(&open(folder), name)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

const EIGHT: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[test]
fn of_many_that_race_for_a_lease_one_takes_it() {
    for _ in 0..8 {
        let outcomes = race(&EIGHT, |ledger, name| {
            let outcome = wait(ledger.take_lease(&events(), &request(name, 0), &nobody_is_dead)).unwrap();
            (name.to_owned(), outcome)
        });
        let taken: Vec<_> = outcomes.iter().filter(|(_, o)| matches!(o, LeaseOutcome::Taken(_))).collect();
        let [(winner, _)] = taken.as_slice() else { panic!("{outcomes:?}") };
        for (name, outcome) in &outcomes {
            if let LeaseOutcome::Held { holder, .. } = outcome {
                assert_eq!(holder.name, *winner, "{name} was told of another holder");
            }
        }
    }
}

#[test]
fn of_many_that_race_for_an_expired_lease_one_takes_it() {
    let tokens = race(&EIGHT, |ledger, name| {
        let mut tokens = Vec::new();
        for round in 0..5 {
            let now_ms = round * 60_000;
            if let LeaseOutcome::Taken(lease) = wait(ledger.take_lease(&events(), &request(name, now_ms), &nobody_is_dead)).unwrap() {
                tokens.push(lease.token);
            }
        }
        tokens
    });
    let mut tokens = tokens.concat();
    tokens.sort_unstable();
    let mut distinct = tokens.clone();
    distinct.dedup();
    assert_eq!(tokens, distinct, "a token was given out twice");
}

#[test]
fn facts_and_definitions_raced_for_are_kept_once() {
    let key = fact_key(&raw(1, &events(), Part::Number(1)), Stage::Load);
    let kept = race(&EIGHT, |ledger, name| {
        let mine = u64::from(name.as_bytes()[0]);
        let generation = wait(ledger.apply_definition(&events().pipeline, &definition(1))).unwrap();
        (generation, wait(ledger.record_fact(&key, &loaded(mine), 1)).unwrap())
    });
    assert!(kept.iter().all(|each| *each == kept[0] && each.0 == 1), "{kept:?}");
}

#[test]
fn of_many_that_race_for_a_collection_all_are_told_the_same_owner() {
    let kept = race(&EIGHT, |ledger, name| {
        wait(ledger.claim_collection(&claim(&resource("p", name), name))).unwrap()
    });
    assert!(kept.iter().all(|each| *each == kept[0]), "{kept:?}");
}

#[test]
fn a_transaction_that_was_cut_off_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let before = wait(async {
        let ledger = open(folder.path());
        let lease = lease(&ledger, &events(), "a", 0).await;
        ledger.begin_run(&lease, &run(1, &events())).await.unwrap();
        lease
    });
    // A worker that dies in the middle of ending an extraction: the run's state is written, the cursor and the commit are not.
    let worker = Connection::open(&file).unwrap();
    worker
        .execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE runs SET state = 'extracted', ended_ms = 1;")
        .unwrap();
    drop(worker);
    wait(async {
        let ledger = open(folder.path());
        let found = ledger.run_to_resume(&events()).await.unwrap().unwrap();
        assert_eq!(found, run(1, &events()));
        // A refused call writes nothing either, though the fence was passed and the run's state written before the fault was found.
        let too_many = Extracted {
            run: run_id(1),
            ended_ms: 1,
            parts: 1,
            captures: u64::MAX,
            bytes: 0,
            cursor: Some(Cursor { value: 1 }),
        };
        let refused = ledger.end_extraction(&before, &too_many).await;
        assert!(matches!(refused, Err(LedgerError::Unavailable { .. })), "{refused:?}");
        assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), Some(run(1, &events())));
        assert_eq!(ledger.cursor(&events(), "source").await.unwrap(), None);
    });
}

#[test]
fn a_file_that_is_no_ledger_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let refused = |expected: &str| {
        let told = opened(&file);
        assert!(told.contains("ledger.db") && told.contains(expected), "{told}");
    };
    std::fs::write(&file, "this is a text, and longer than a header\n".repeat(100)).unwrap();
    refused("file is not a database");

    std::fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE mine (a)").unwrap();
    refused("another program");
    // And it was left as it was.
    let mode = Connection::open(&file)
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0));
    assert_eq!(mode.unwrap(), "delete");

    std::fs::remove_file(&file).unwrap();
    drop(open(folder.path()));
    Connection::open(&file).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    refused("schema version 99, and this program knows 3 at most");
}

#[test]
fn a_file_with_a_torn_page_is_an_error_and_never_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    wait(async {
        let ledger = open(folder.path());
        let lease = lease(&ledger, &events(), "a", 0).await;
        ledger.begin_run(&lease, &run(1, &events())).await.unwrap();
    });
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].fill(0xAA);
    std::fs::write(&file, bytes).unwrap();
    wait(async {
        let ledger = open(folder.path());
        let answer = ledger.run(run_id(1), &events()).await;
        assert!(matches!(answer, Err(LedgerError::Damaged { .. })), "{answer:?}");
    });
}

#[test]
fn what_a_user_changed_to_nonsense_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let key = fact_key(&raw(1, &events(), Part::Number(1)), Stage::Clean);
    wait(async {
        let ledger = open(folder.path());
        let lease = lease(&ledger, &events(), "a", 0).await;
        ledger.begin_run(&lease, &run(1, &events())).await.unwrap();
        ledger.record_fact(&key, &cleaned(1), 1).await.unwrap();
        let edited = Connection::open(&file).unwrap();
        edited
            .execute_batch("UPDATE facts SET tally = '{\"in\": -1}'; UPDATE runs SET bytes = -7; UPDATE leases SET token = -1")
            .unwrap();
        for (answer, place) in [
            (ledger.fact(&key).await.map(drop), key.raw.key().to_string()),
            (ledger.run(run_id(1), &events()).await.map(drop), run_id(1).to_string()),
            (ledger.renew_lease(&lease, 1).await.map(drop), "lease".to_owned()),
        ] {
            match answer {
                Err(error @ LedgerError::Damaged { .. }) => assert!(error.to_string().contains(&place), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    });
}

/// The columns are for people: keys and ids are their texts, times can be read, and a tally answers `->>`.
#[test]
fn it_can_be_read_with_sqlite3() {
    let folder = tempfile::tempdir().unwrap();
    let part = raw(1, &events(), Part::Number(1));
    wait(async {
        let ledger = open(folder.path());
        let lease = lease(&ledger, &events(), "a", 0).await;
        ledger.begin_run(&lease, &run(1, &events())).await.unwrap();
        ledger.record_intent(&lease, &part, &definition(1), 1).await.unwrap();
        let fact = cleaned(1706);
        ledger
            .record_fact(&fact_key(&part, Stage::Clean), &fact, 1_518_000_000_007)
            .await
            .unwrap();
    });
    let db = Connection::open(folder.path().join("ledger.db")).unwrap();
    let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let run = text("SELECT run || ' ' || pipeline || '/' || resource || ' ' || state || ' ' || started FROM runs");
    assert_eq!(run, format!("{} earthquakes/events extracting 2018-02-07T10:40:00.000Z", run_id(1)));
    let fact = text("SELECT raw || ' ' || stage || ' ' || (tally->>'in') || ' ' || at FROM facts");
    assert_eq!(fact, format!("{} clean 1707 2018-02-07T10:40:00.007Z", part.key()));
    assert_eq!(
        text("SELECT holder || ' until ' || expires FROM leases"),
        "a until 1970-01-01T00:01:00.000Z"
    );
    assert_eq!(text("SELECT next FROM parts"), "load");
    assert_eq!(text("PRAGMA journal_mode"), "wal");
}

/// The ledger's part of a run of one object. Its time is printed, not judged: another's load on the machine must not fail a test.
#[test]
fn a_whole_run_is_kept_and_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    wait(async {
        let ledger = open(folder.path());
        ledger.apply_definition(&events().pipeline, &definition(1)).await.unwrap();
        ledger.unfinished(&events().pipeline).await.unwrap();
        let lease = lease(&ledger, &events(), "a", 0).await;
        ledger.run_to_resume(&events()).await.unwrap();
        ledger.cursor(&events(), "source").await.unwrap();
        ledger.begin_run(&lease, &run(1, &events())).await.unwrap();
        let part = raw(1, &events(), Part::Number(1));
        ledger.record_intent(&lease, &part, &definition(1), 1).await.unwrap();
        let extracted = Extracted {
            run: run_id(1),
            ended_ms: 1,
            parts: 1,
            captures: 1,
            bytes: 1,
            cursor: Some(Cursor { value: 1 }),
        };
        ledger.end_extraction(&lease, &extracted).await.unwrap();
        ledger.release_lease(&lease).await.unwrap();
        ledger.record_fact(&fact_key(&part, Stage::Clean), &cleaned(1), 1).await.unwrap();
        ledger.record_fact(&fact_key(&part, Stage::Load), &loaded(1), 1).await.unwrap();
        let facts = ledger.facts(run_id(1), &events(), &definition(1)).await.unwrap();
        assert!(ledger::conservation::totals(&facts).is_conserved());
        let ended = ledger.run(run_id(1), &events()).await.unwrap().unwrap();
        assert_eq!(ended.state, RunState::Extracted);
    });
    let taken = start.elapsed();
    println!("the ledger of a run of one object: {taken:?}, new file, opening and closing included");
}
