//! The database is dropped: a backup of yesterday, and a replay of what came in today, bring back all there was. Looked at by pymongo.

use crate::{home, indexes, validator};
use serde_json::{Value, json};
use servers::mongodb::{Database, shared};
use std::collections::BTreeMap;
use tidemill_tests::loss::{COLLECTIONS, TwoDays};

const ROWS: usize = 250;

#[test]
fn a_backup_of_yesterday_and_a_replay_of_today_are_the_state_before_the_loss() {
    let database = shared().fresh_database();
    let days = TwoDays::new(home(&database.uri()), ROWS);
    days.run(1);
    let yesterday = state(&database);
    let (backup, of_backup) = days.back_up();
    days.run(2);
    let before = state(&database);
    // Another backup, of which only the hashes are used.
    let (_, of_before) = days.back_up();
    for collection in COLLECTIONS {
        assert_ne!(
            of_backup[collection], of_before[collection],
            "{collection}: a day changes something"
        );
        assert_ne!(before[collection], yesterday[collection], "{collection}");
    }
    database.command(json!({"dropDatabase": 1}));
    assert_eq!(state(&database), BTreeMap::new());

    days.restore(&backup);
    assert_equal(&state(&database), &yesterday);
    days.type_printed(&format!("tidemill replay lost --since {}", days.today_since()));
    assert_equal(&state(&database), &before);
    assert_eq!(days.back_up().1, of_before);
}

/// One after the other: all of a database is too much to read.
fn assert_equal(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    assert!(found.keys().eq(expected.keys()), "{:?}, {:?}", found.keys(), expected.keys());
    for (collection, expected) in expected {
        for (place, what) in ["documents", "indexes", "validator"].iter().enumerate() {
            assert_eq!(found[collection][place], expected[place], "{collection}: {what}");
        }
    }
}

/// Every collection but what is of the moment: its documents, tombstones included, its indexes and its validator.
fn state(database: &Database<'_>) -> BTreeMap<String, Value> {
    let reply = database.command(json!({"listCollections": 1, "nameOnly": true}));
    let names = reply["cursor"]["firstBatch"].as_array().unwrap().iter();
    let names = names.map(|found| found["name"].as_str().unwrap().to_owned());
    let of = |name: &str| json!([database.find(name, json!({})), indexes(database, name), validator(database, name)]);
    names
        .filter(|name| name != "tidemill.receipts")
        .map(|name| (name.clone(), of(&name)))
        .collect()
}
