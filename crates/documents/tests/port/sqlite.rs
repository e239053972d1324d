//! The suite against SQLite, and what is SQLite's alone: the view for people, several connections, a cut log, a foreign file.

use std::path::Path;
use std::sync::{Arc, Barrier};

use bson::RawDocumentBuf;
use documents::{Documents, DocumentsError, Model, SqliteDocuments, Tally, extended_json};
use fastrand::Rng;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::suite::{self, Keys, Made, Variety, all, apply, merge, name, random, staged, sum, version, write, write_bytes};

fn new() -> (TempDir, SqliteDocuments) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteDocuments::open(&folder.path().join("documents.db")).unwrap();
    (folder, store)
}

suite!();

#[tokio::test]
async fn equals_the_model() {
    for seed in 0..40 {
        let (_folder, store) = new();
        suite::equals_the_model(&store, seed, Keys::Mixed).await;
    }
}

#[tokio::test]
async fn the_very_bytes_come_back() {
    let (mut once, mut twice) = (0, 0);
    for seed in 0..60 {
        let (folder, store) = new();
        suite::the_very_bytes_come_back(&store, seed, Variety::Anything).await;
        once += kept(&folder, "bson IS NULL");
        twice += kept(&folder, "bson IS NOT NULL");
    }
    assert!(once > 1000 && twice > 1000, "both kinds must be met: {once}, {twice}");
}

/// How many of the rows of `things` meet the condition.
fn kept(folder: &TempDir, condition: &str) -> i64 {
    let connection = Connection::open(folder.path().join("documents.db")).unwrap();
    let statement = format!(r#"SELECT count(*) FROM "things:documents" WHERE {condition}"#);
    connection.query_row(&statement, [], |row| row.get(0)).unwrap()
}

/// What contracts make is kept as text alone, else the file is twice as large.
#[tokio::test]
async fn a_usual_document_is_kept_once() {
    let (folder, store) = new();
    let mut document = bson::Document::try_from(Made::new(1, 1, 1).bson()).unwrap();
    document.insert("long", 1i64);
    document.insert("decimal", "0.10".parse::<bson::Decimal128>().unwrap());
    document.insert("date", bson::DateTime::from_millis(-1));
    document.insert("place", bson::doc! {"type": "Point", "coordinates": [10.5, 59.9]});
    document.insert("list", (0..20).collect::<Vec<i32>>());
    document.insert("none", bson::Bson::Null);
    // In the order of a clean document.
    let tidemill = document.remove("_tidemill").unwrap();
    document.insert("_tidemill", tidemill);
    let document = RawDocumentBuf::try_from(&document).unwrap();
    write_bytes(&store, &merge("things"), "o1", 0, &[document.clone()]).await.unwrap();
    assert_eq!(kept(&folder, "bson IS NULL AND longs IS NOT NULL"), 1);
    write_bytes(&store, &merge("things"), "o2", 0, &[Made::new("x", 1 << 40, 1).deleted().bson()])
        .await
        .unwrap();
    assert_eq!(kept(&folder, "bson IS NULL AND longs IS NULL"), 1);
    assert_eq!(all(&store, "things").await, [document]);
}

#[tokio::test]
async fn order_does_not_matter() {
    for seed in 0..20 {
        let ((_one_folder, one), (_other_folder, other)) = (new(), new());
        suite::order_does_not_matter(&one, &other, seed, Keys::Mixed).await;
    }
}

#[tokio::test]
async fn people_see_json() {
    let (folder, store) = new();
    let documents = [
        Made::new("a", 1, 1),
        Made::new(2, 1, 1),
        Made::new(bson::doc! {"x": 1, "y": "z"}, 1, 1),
        Made::new("gone", 1, 1).deleted(),
    ];
    write(&store, &merge("my-things"), "o1", &documents).await;
    assert_eq!(store.collections().await.unwrap(), ["my-things"]);

    let connection = Connection::open(folder.path().join("documents.db")).unwrap();
    let rows: Vec<(String, String, String)> = connection
        .prepare(r#"SELECT _id, json_extract(document, '$.text'), document FROM "my-things" ORDER BY _id"#)
        .unwrap()
        .query_map([], |row| {
            Ok((
                row.get_ref(0)?
                    .as_str()
                    .map_or_else(|_| row.get::<_, i64>(0).unwrap().to_string(), str::to_owned),
                row.get(1)?,
                row.get(2)?,
            ))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let ids: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(ids, ["2", "a", r#"{"x":1,"y":"z"}"#]);
    assert!(rows.iter().all(|row| row.1 == "a \"text\" of 1"));
    for (row, made) in rows.iter().zip([1, 0, 2]) {
        let shown: serde_json::Value = serde_json::from_str(&row.2).unwrap();
        let mut full: serde_json::Value = serde_json::from_str(&extended_json::relaxed(&documents[made].bson()).unwrap()).unwrap();
        let tidemill = full["_tidemill"].as_object_mut().unwrap();
        assert!(tidemill.remove("rank").is_some() && tidemill.remove("hash").is_some());
        assert_eq!(shown, full);
    }
    // A replacement points the view elsewhere.
    write(&store, &staged("my-things", version(1, 1)), "o2", &[Made::new("new", 1, 1)]).await;
    store.replace(&name("my-things"), version(1, 1)).await.unwrap();
    let ids: String = connection
        .query_row(r#"SELECT group_concat(_id) FROM "my-things""#, [], |row| row.get(0))
        .unwrap();
    assert_eq!(ids, "new");
}

#[tokio::test]
async fn reopened_it_is_the_same() {
    let (folder, store) = new();
    let outcome = write(&store, &merge("things"), "o1", &[Made::new("a", 1, 1)]).await;
    store.replace(&name("other"), version(3, 4)).await.unwrap();
    drop(store);
    let store = SqliteDocuments::open(&folder.path().join("documents.db")).unwrap();
    assert_eq!(all(&store, "things").await, [Made::new("a", 1, 1).bson()]);
    assert_eq!(store.visible(&name("other")).await.unwrap(), Some(version(3, 4)));
    assert_eq!(write(&store, &merge("things"), "o1", &[Made::new("a", 1, 1)]).await, outcome);
}

#[tokio::test]
async fn a_name_that_sqlite_reserves_is_an_error() {
    let (_folder, store) = new();
    let error = write_bytes(&store, &merge("sqlite_things"), "o1", 0, &[Made::new("a", 1, 1).bson()])
        .await
        .unwrap_err();
    let DocumentsError::Unavailable { collection, source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(collection, "sqlite_things");
    assert!(source.to_string().contains("reserved"), "{source}");
}

#[test]
fn a_foreign_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteDocuments::open(&path), Err(DocumentsError::NotOurs { .. })));
    assert!(std::fs::read(&path).unwrap() == before, "the foreign file is changed");
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database at all".repeat(100)).unwrap();
    assert!(matches!(SqliteDocuments::open(&text), Err(DocumentsError::Open { .. })));
    assert!(matches!(
        SqliteDocuments::open(&folder.path().join("no/such/folder.db")),
        Err(DocumentsError::Open { .. })
    ));
}

#[tokio::test]
async fn an_older_layout_is_an_error() {
    let (folder, store) = new();
    write(&store, &merge("things"), "o1", &[Made::new("a", 1, 1)]).await;
    drop(store);
    let path = folder.path().join("documents.db");
    let connection = Connection::open(&path).unwrap();
    let layout: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", layout - 1).unwrap();
    let error = SqliteDocuments::open(&path).unwrap_err();
    assert!(matches!(error, DocumentsError::NotOurs { .. }), "{error:?}");
    assert!(error.to_string().contains("this version of Tidemill"), "{error}");
}

/// Several threads, each with a connection of its own, open a new file at once and write overlapping batches.
#[test]
fn several_writers_end_as_one() {
    const WRITERS: usize = 4;
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("documents.db");
        let mut rng = Rng::with_seed(seed);
        let pool: Vec<Made> = (0..200).map(|_| random(&mut rng, Keys::Mixed)).collect();
        let start = Arc::new(Barrier::new(WRITERS));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (path, pool, start) = (path.clone(), pool.clone(), start.clone());
                std::thread::spawn(move || {
                    start.wait();
                    write_some(&path, &pool, writer as u64)
                })
            })
            .collect();
        let tallies: Vec<Tally> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();

        let mut model = Model::default();
        apply(&mut model, &merge("things"), &pool);
        let expected: Vec<RawDocumentBuf> = model.scan(&name("things")).map(ToOwned::to_owned).collect();
        let store = SqliteDocuments::open(&path).unwrap();
        let found = runtime().block_on(all(&store, "things"));
        assert_eq!(found, expected, "seed {seed}");
        let keys = model.live(&name("things")).unwrap().len() as u64;
        assert_eq!(
            tallies.iter().map(|tally| tally.inserted).sum::<u64>(),
            keys,
            "seed {seed}: each key is inserted once"
        );
        assert_eq!(tallies.iter().map(sum).sum::<u64>(), (WRITERS * pool.len()) as u64, "seed {seed}");
    }
}

fn write_some(path: &Path, pool: &[Made], writer: u64) -> Vec<Tally> {
    let store = SqliteDocuments::open(path).unwrap();
    let mut mine = pool.to_vec();
    Rng::with_seed(writer).shuffle(&mut mine);
    let runtime = runtime();
    let batches = mine.chunks(10).enumerate();
    batches
        .map(|(at, made)| {
            runtime
                .block_on(write(&store, &merge("things"), &format!("o{writer}-{at}"), made))
                .tally
        })
        .collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Whatever of the log a power cut leaves, a replacement is done or is not, and a batch has its receipt or is not there.
#[tokio::test]
async fn a_cut_log_leaves_old_or_new() {
    let (folder, store) = new();
    let (old, new): (Vec<Made>, Vec<Made>) = (
        (0..50).map(|id| Made::new(id, 1, 1)).collect(),
        (0..70).map(|id| Made::new(id, 1, 2)).collect(),
    );
    write(&store, &staged("things", version(1, 1)), "o1", &old).await;
    store.replace(&name("things"), version(1, 1)).await.unwrap();
    write(&store, &staged("things", version(2, 1)), "o2", &new).await;
    store.replace(&name("things"), version(2, 1)).await.unwrap();
    let (file, log) = (folder.path().join("documents.db"), folder.path().join("documents.db-wal"));
    let log = std::fs::read(log).unwrap();
    let mut seen = [false; 3];
    for cut in 0..60 {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("documents.db");
        std::fs::copy(&file, &path).unwrap();
        let length = log.len() * cut / 59;
        std::fs::write(copy.path().join("documents.db-wal"), &log[..length]).unwrap();
        let store = SqliteDocuments::open(&path).unwrap();
        let found = all(&store, "things").await;
        let expected = match store.visible(&name("things")).await.unwrap() {
            None => {
                seen[0] = true;
                Vec::new()
            }
            Some(visible) if visible == version(1, 1) => {
                seen[1] = true;
                old.iter().map(Made::bson).collect()
            }
            Some(_) => {
                seen[2] = true;
                new.iter().map(Made::bson).collect::<Vec<_>>()
            }
        };
        assert_eq!(found, expected, "the first {length} bytes of the log");
        // Done again, it all ends as it would have.
        write(&store, &staged("things", version(2, 1)), "o2", &new).await;
        store.replace(&name("things"), version(2, 1)).await.unwrap();
        assert_eq!(all(&store, "things").await, new.iter().map(Made::bson).collect::<Vec<_>>());
    }
    assert_eq!(seen, [true; 3], "the cuts must meet every state");
}

/// Nothing but the live table, and the staged ones that are newer, is kept.
#[tokio::test]
async fn older_versions_are_dropped() {
    let (folder, store) = new();
    write(&store, &merge("things"), "o0", &[Made::new("a", 1, 1)]).await;
    for run in 1..5 {
        write(
            &store,
            &staged("things", version(run, 1)),
            &format!("o{run}"),
            &[Made::new("a", 1, 1)],
        )
        .await;
    }
    // A neighbour whose name begins as this one's.
    write(&store, &merge("things-too"), "o9", &[Made::new("a", 1, 1)]).await;
    store.replace(&name("things"), version(3, 1)).await.unwrap();
    let connection = Connection::open(folder.path().join("documents.db")).unwrap();
    let tables: i64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'things:*'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 2);
    assert_eq!(store.count(&name("things-too")).await.unwrap(), Some(1));
    assert_eq!(store.collections().await.unwrap(), ["things", "things-too"]);
}
