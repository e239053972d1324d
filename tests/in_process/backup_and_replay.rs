//! The documents are lost: a backup of yesterday, and a replay of what came in today, bring back all there was, to the last byte.

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidemill_tests::command::Home;
use tidemill_tests::loss::{COLLECTIONS, TwoDays};

const ROWS: usize = 1_000;

#[test]
fn a_backup_of_yesterday_and_a_replay_of_today_are_the_state_before_the_loss() {
    let days = TwoDays::new(Home::new(env!("CARGO_BIN_EXE_tidemill-under-test")), ROWS);
    let file = days.home.folder().join("home/documents.db");
    days.run(1);
    let yesterday = hashes(&file);
    let (backup, of_backup) = days.back_up();
    let today = days.run(2);
    // What a day brings is in it.
    let merged = &today["merged"];
    assert!(
        merged["inserted"].as_u64() > Some(0) && merged["updated"].as_u64() > Some(0),
        "{merged}"
    );
    assert!(merged["unchanged"].as_u64() > Some(0), "{merged}");
    let before = hashes(&file);
    assert_eq!(before.len(), 1 + COLLECTIONS.len(), "{before:?}");
    // Another backup, of which only the hashes are used.
    let (_, of_before) = days.back_up();
    for collection in COLLECTIONS {
        assert_ne!(
            of_backup[collection], of_before[collection],
            "{collection}: a day changes something"
        );
    }

    // What `restore` says is to be typed next; and no more than the runs of today.
    let since = format!("tidemill replay lost --since {}", days.today_since());
    for only_today in [false, true] {
        lose(&file);
        let printed = days.restore(&backup);
        assert_eq!(hashes(&file), yesterday, "the backup is of yesterday");
        let commands = if only_today { vec![since.clone()] } else { printed };
        assert_eq!(commands.len(), 1, "{commands:?}");
        days.type_printed(&commands[0]);
        assert_eq!(hashes(&file), before, "after {commands:?}");
        assert_eq!(days.back_up().1, of_before, "after {commands:?}");
    }
    // The next day goes on from there.
    let again = days.run(2);
    assert_eq!(
        (again["merged"]["inserted"].as_u64(), again["merged"]["updated"].as_u64()),
        (Some(0), Some(0)),
        "{again:?}"
    );
}

/// The file is gone, with what SQLite keeps beside it.
fn lose(file: &Path) {
    std::fs::remove_file(file).unwrap();
    for suffix in ["-wal", "-shm"] {
        let mut beside = file.as_os_str().to_owned();
        beside.push(suffix);
        // SQLite takes them away by itself when the last one closes the file.
        drop(std::fs::remove_file(PathBuf::from(beside)));
    }
}

/// A hash of each table, tombstones included, made by nothing of Tidemill: every column of every row, in their order. Receipts are of the moment.
fn hashes(file: &Path) -> BTreeMap<String, String> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut names = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    names
        .into_iter()
        .filter(|name| name != "tidemill:receipts")
        .map(|name| (name.clone(), hash(&connection, &name)))
        .collect()
}

fn hash(connection: &Connection, table: &str) -> String {
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1")).unwrap();
    let columns = statement.column_count();
    let (mut rows, mut sum) = (statement.query([]).unwrap(), Sha256::new());
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            let value = row.get_ref(column).unwrap();
            let bytes = match value {
                ValueRef::Null => Vec::new(),
                ValueRef::Integer(number) => number.to_be_bytes().to_vec(),
                ValueRef::Real(number) => number.to_be_bytes().to_vec(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
            };
            sum.update(format!("{} {} ", value.data_type(), bytes.len()));
            sum.update(bytes);
        }
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
