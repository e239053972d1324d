//! Backups on a laptop: made, listed, verified, exported, tried out, and put back over what was lost, changed or damaged.

use crate::{Desk, Paper, Said, lake::orders};
use cli::{Status, local::clock::SystemClock};
use documents::{Database as _, SqliteDatabase};
use ledger::{Interrupted, Observer, Run, Step};
use serde_json::{Value, json};
use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A week of earthquakes, backed up.
async fn earthquakes() -> (Desk, Value) {
    let desk = Desk::repository();
    assert_eq!(desk.type_in(&["run", "earthquakes", "--recorded"]).await.status, Status::Well);
    let backup = made(&desk).await;
    (desk, backup)
}

async fn made(desk: &Desk) -> Value {
    let said = desk.type_in(&["backup", "--json"]).await;
    assert_eq!(said.status, Status::Well, "{}", said.text());
    said.lines().remove(0)
}

async fn documents(desk: &Desk, collection: &str) -> String {
    let said = desk.type_in(&["documents", collection]).await;
    assert_eq!(said.status, Status::Well, "{}", said.text());
    said.out
}

fn database(desk: &Desk, file: &str) -> SqliteDatabase {
    SqliteDatabase::open(&desk.home().join(file)).unwrap()
}

/// All documents of a collection, in their order.
async fn all(database: &SqliteDatabase, collection: &str) -> Vec<bson::RawDocumentBuf> {
    let mut stream = database.read(collection, None).await.unwrap();
    let mut found = Vec::new();
    while let Some(some) = stream.next().await.unwrap() {
        found.extend(some);
    }
    found
}

/// The objects of the vault whose names end so.
fn objects(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(objects(&path, end)),
            false if path.to_str().unwrap().ends_with(end) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut permissions = fs::metadata(path).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false, reason = "a test's own file, in a folder of its own")]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Types with somebody at the terminal who answers this.
async fn type_and_answer(desk: &Desk, typed: &[&str], answer: &str) -> Said {
    let (out, err) = (Paper::default(), Paper::default());
    let mut context = desk.context(out.clone(), err.clone());
    context.asked = Some(Box::new(Cursor::new(format!("{answer}\n").into_bytes())));
    let words = ["tidemill"].iter().chain(typed).map(Into::into);
    let status = cli::run(words, &mut context).await;
    Said {
        status,
        out: out.text(),
        err: err.text(),
    }
}

#[tokio::test]
async fn a_backup_is_listed_verified_and_put_back_over_what_was_changed() {
    let (desk, backup) = earthquakes().await;
    assert_eq!(
        (&backup["class"], &backup["documents"]),
        (&json!("yearly"), &json!(1707)),
        "{backup}"
    );
    let before = documents(&desk, "earthquakes").await;
    let listed = desk.type_in(&["backup", "list", "--json"]).await.lines();
    let [row] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(
        (&row["backup"], &row["state"], &row["hash"]),
        (&backup["backup"], &json!("whole"), &Value::Null)
    );
    let verified = desk.type_in(&["backup", "verify", "--json"]).await;
    assert_eq!((verified.status, &verified.lines()[0]["documents"]), (Status::Well, &json!(1707)));

    database(&desk, "documents.db").drop_namespace("earthquakes").await.unwrap();
    let refused = desk.type_in(&["restore"]).await;
    assert_eq!((refused.status, refused.out.as_str()), (Status::Wrong, ""), "{}", refused.text());
    assert!(refused.err.contains("say --yes"), "{}", refused.err);
    let restored = desk.type_in(&["restore", "--yes"]).await;
    assert_eq!(restored.status, Status::Well, "{}", restored.text());
    assert!(
        restored.out.contains("next: tidemill replay earthquakes --since 20"),
        "{}",
        restored.out
    );
    assert_eq!(documents(&desk, "earthquakes").await, before);
    assert_eq!(database(&desk, "documents.db").mark().await.unwrap(), None);
    // A run goes on as if nothing had happened.
    let again = desk.type_in(&["run", "earthquakes", "--recorded", "--json"]).await;
    assert_eq!((again.status, &again.lines()[0]["load"]["inserted"]), (Status::Well, &json!(0)));
}

#[tokio::test]
async fn a_copy_beside_the_documents_is_equal_and_leaves_them_alone() {
    let (desk, _) = earthquakes().await;
    let before = documents(&desk, "earthquakes").await;
    let copied = desk.type_in(&["restore", "--into", "copy", "--json"]).await;
    assert_eq!(copied.status, Status::Well, "{}", copied.text());
    let report = &copied.lines()[0];
    assert_eq!((&report["next"], &report["dry_run"]), (&json!([]), &json!(false)), "{report}");
    let (ours, copy) = (database(&desk, "documents.db"), database(&desk, "documents-copy.db"));
    assert_eq!(all(&copy, "earthquakes").await, all(&ours, "earthquakes").await);
    assert_eq!(documents(&desk, "earthquakes").await, before);
    // It is not empty now.
    let refused = desk.type_in(&["restore", "--into", "copy"]).await;
    assert_eq!(refused.status, Status::Wrong, "{}", refused.text());
    assert!(refused.err.contains("this drops `earthquakes`"), "{}", refused.err);
    assert_eq!(desk.type_in(&["restore", "--into", "copy", "--yes"]).await.status, Status::Well);
    let nameless = desk.type_in(&["restore", "--into", "a/b"]).await;
    assert_eq!(nameless.status, Status::Wrong, "{}", nameless.text());
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_written() {
    let (desk, backup) = earthquakes().await;
    let before = documents(&desk, "earthquakes").await;
    let parts = objects(&desk.home().join("vault"), ".archive.gz");
    for part in &parts {
        flip_a_bit(part);
        let commands: [&[&str]; 4] = [
            &["backup", "verify"],
            &["restore", "--yes"],
            &["restore", "--into", "copy"],
            &["restore", "--dry-run"],
        ];
        for typed in commands {
            let said = desk.type_in(typed).await;
            assert_eq!(said.status, Status::Failed, "{typed:?} {}", said.text());
            assert!(said.err.contains("is damaged"), "{typed:?} {}", said.err);
        }
        flip_a_bit(part);
    }
    assert!(parts.len() >= 3, "{parts:?}");
    assert_eq!(documents(&desk, "earthquakes").await, before);
    assert!(!desk.home().join("documents-copy.db").exists());
    assert_eq!(desk.type_in(&["backup", "verify"]).await.status, Status::Well);
    // A manifest that was changed is listed, and not relied on.
    flip_a_bit(&objects(&desk.home().join("vault"), ".json")[0]);
    let listed = desk.type_in(&["backup", "list", "--json"]).await.lines();
    assert_eq!(
        (&listed[0]["backup"], &listed[0]["state"]),
        (&backup["backup"], &json!("damaged")),
        "{listed:?}"
    );
    flip_a_bit(&objects(&desk.home().join("vault"), ".json")[0]);
    // Nor is one that lacks a part called whole.
    fs::remove_file(&parts[1]).unwrap();
    let listed = desk.type_in(&["backup", "list"]).await;
    let (table, why) = listed.out.split_once("  damaged\n").unwrap();
    assert!(table.lines().count() == 2 && why.contains("is not in the vault"), "{}", listed.out);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let (desk, _) = earthquakes().await;
    let before = fs::read(desk.home().join("documents.db")).unwrap();
    let dry = desk.type_in(&["restore", "--dry-run"]).await;
    assert_eq!(dry.status, Status::Well, "{}", dry.text());
    for expected in [
        "earthquakes      1,707",
        "dropped first",
        "not in it: what was written since",
        "tidemill replay earthquakes --since 20",
        "nothing was changed",
    ] {
        assert!(dry.out.contains(expected), "{expected}: {}", dry.text());
    }
    assert_eq!(fs::read(desk.home().join("documents.db")).unwrap(), before);
}

/// Counts the documents of each namespace in an archive, by nothing but the public description of the format.
const COUNT: &str = r#"
import gzip, re, struct, sys
data = gzip.open(sys.argv[1]).read()
assert data[:4] == bytes.fromhex("6de29981"), data[:4]
at, blocks, block = 4, [], []
while at < len(data):
    size, = struct.unpack_from("<i", data, at)
    if size == -1:
        blocks.append(block)
        block, at = [], at + 4
    else:
        assert size >= 5 and data[at + size - 1] == 0, (at, size)
        block.append(data[at:at + size])
        at += size
assert not block and at == len(data)
text = lambda document, name: re.search(b"\x02" + name + b"\x00....(.*?)\x00", document, re.S)[1].decode()
counts = {}
for header, *documents in blocks[1:]:
    name = text(header, b"collection")
    counts[name] = counts.get(name, 0) + len(documents)
print(counts["earthquakes"], blocks[0][0].count(b"server_version"))
"#;

#[tokio::test]
async fn an_export_is_one_file_in_the_public_format() {
    let (desk, backup) = earthquakes().await;
    let id = backup["backup"].as_str().unwrap();
    let file = desk.own.path().join("out.archive.gz");
    let typed = ["backup", "export", id, file.to_str().unwrap()];
    let exported = desk.type_in(&typed).await;
    assert_eq!(exported.status, Status::Well, "{}", exported.text());
    assert!(exported.out.contains("next: mongorestore --archive="), "{}", exported.out);
    let counted = std::process::Command::new("python3")
        .args(["-c", COUNT])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&counted.stdout),
        "1707 1\n",
        "{}",
        String::from_utf8_lossy(&counted.stderr)
    );
    let taken = desk.type_in(&typed).await;
    assert!(
        taken.status == Status::Wrong && taken.err.contains("is there already"),
        "{}",
        taken.text()
    );

    // The same bytes on the standard output, of the process itself.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command
        .args(["backup", "export", id, "-"])
        .current_dir(&desk.folder)
        .envs(&desk.environment);
    let ended = command.output().unwrap();
    assert!(ended.status.success() && ended.stdout == fs::read(&file).unwrap(), "{ended:?}");

    // Of a damaged one, nothing is left that looks like a backup.
    flip_a_bit(&objects(&desk.home().join("vault"), ".archive.gz")[1]);
    let other = desk.own.path().join("other.archive.gz");
    let damaged = desk.type_in(&["backup", "export", id, other.to_str().unwrap()]).await;
    assert_eq!(damaged.status, Status::Failed, "{}", damaged.text());
    assert!(objects(desk.own.path(), "other.archive.gz").is_empty() && objects(desk.own.path(), ".unfinished").is_empty());
}

#[tokio::test]
async fn a_drill_says_whether_the_newest_backup_can_be_restored() {
    let (desk, backup) = earthquakes().await;
    let drilled = desk.type_in(&["backup", "drill", "--json"]).await;
    assert_eq!(drilled.status, Status::Well, "{}", drilled.text());
    let report = &drilled.lines()[0];
    assert_eq!(
        (&report["backup"], &report["state"]),
        (&backup["backup"], &json!("equal")),
        "{report}"
    );
    assert_eq!(report["documents"], 1707);
    let files = objects(&desk.home(), ".db");
    assert!(files.iter().all(|file| !file.to_str().unwrap().contains("drill")), "{files:?}");
    flip_a_bit(&objects(&desk.home().join("vault"), ".archive.gz")[1]);
    let damaged = desk.type_in(&["backup", "drill"]).await;
    assert_eq!(damaged.status, Status::Failed, "{}", damaged.text());
    assert!(damaged.err.contains("is damaged"), "{}", damaged.err);
}

/// The backup of yesterday, and what was fetched today from `raw/`.
#[tokio::test]
async fn what_was_loaded_since_the_backup_comes_by_the_replay_that_the_restore_names() {
    let desk = orders();
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    made(&desk).await;
    desk.write(
        "pipelines/orders-1.ndjson",
        "{\"id\": 1, \"total\": 6}\n{\"id\": 3, \"total\": 1}\n",
    );
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    let before = documents(&desk, "orders").await;
    assert!(before.lines().count() == 3 && before.contains("\"6\""), "{before}");

    database(&desk, "documents.db").drop_namespace("orders").await.unwrap();
    let restored = desk.type_in(&["restore", "--yes", "--json"]).await;
    assert_eq!(restored.status, Status::Well, "{}", restored.text());
    let next = restored.lines()[0]["next"].clone();
    let [command] = next.as_array().unwrap().as_slice() else {
        panic!("{next}")
    };
    let old = documents(&desk, "orders").await;
    assert!(old.lines().count() == 2 && old.contains("\"5\""), "{old}");
    let words: Vec<&str> = command.as_str().unwrap().split(' ').skip(1).collect();
    assert_eq!(words[..3], ["replay", "orders", "--since"]);
    let replayed = desk.type_in(&words).await;
    assert_eq!(replayed.status, Status::Well, "{}", replayed.text());
    assert_eq!(documents(&desk, "orders").await, before);
}

#[tokio::test]
async fn who_is_at_the_terminal_is_asked() {
    let desk = orders();
    desk.type_in(&["run", "orders"]).await;
    made(&desk).await;
    desk.write("pipelines/orders-3.ndjson", "{\"id\": 3, \"total\": 1}\n");
    desk.type_in(&["run", "orders"]).await;
    let no = type_and_answer(&desk, &["restore"], "no").await;
    assert!(
        no.status == Status::Failed && no.err.contains("Type `yes` to go on"),
        "{}",
        no.text()
    );
    assert_eq!(documents(&desk, "orders").await.lines().count(), 3);
    let yes = type_and_answer(&desk, &["restore"], "yes").await;
    assert_eq!(yes.status, Status::Well, "{}", yes.text());
    assert_eq!(documents(&desk, "orders").await.lines().count(), 2);
}

#[tokio::test]
async fn a_restore_that_was_interrupted_is_told_by_the_doctor_and_is_in_the_way_of_others() {
    let desk = orders();
    desk.type_in(&["run", "orders"]).await;
    made(&desk).await;
    let copy = desk.type_in(&["restore", "--into", "copy"]).await;
    assert_eq!(copy.status, Status::Well, "{}", copy.text());
    database(&desk, "documents.db")
        .set_mark(Some("{\"of\": \"a later version\"}"))
        .await
        .unwrap();
    let doctor = desk.type_in(&["doctor"]).await;
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.text());
    assert!(doctor.out.contains("the database is not whole"), "{}", doctor.out);
    for typed in [["documents", "orders"], ["run", "orders"]] {
        let said = desk.type_in(&typed).await;
        assert!(
            said.status == Status::Well && said.err.contains("note: the database is not whole"),
            "{}",
            said.text()
        );
    }
    let refused = desk.type_in(&["restore", "--yes"]).await;
    assert_eq!(refused.status, Status::Wrong, "{}", refused.text());
    assert!(refused.err.contains("--start-over"), "{}", refused.err);
    let over = desk.type_in(&["restore", "--yes", "--start-over"]).await;
    assert_eq!(over.status, Status::Well, "{}", over.text());
    assert_eq!(desk.type_in(&["doctor"]).await.status, Status::Well);
}

/// As if the process had been killed when the collections were made.
struct Killed;

impl Observer for Killed {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        match step {
            Step::NamespaceMade => Err(Interrupted),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_restore_that_was_killed_goes_on_without_being_asked_again() {
    let (desk, _) = earthquakes().await;
    let before = documents(&desk, "earthquakes").await;
    let vault = lake::DirectoryStore::open(desk.home().join("vault")).unwrap();
    let manifest = backup::choose(&vault, &backup::Wanted::Newest).await.unwrap();
    let wish = backup::Wish {
        replace: true,
        ..backup::Wish::default()
    };
    let run = Run {
        clock: Arc::new(SystemClock),
        observer: Arc::new(Killed),
        deadline_ms: None,
    };
    let target = database(&desk, "documents.db");
    let killed = backup::restore(&manifest, &wish, &run, &vault, &target, &backup::Unseen).await;
    assert!(matches!(killed, Err(backup::Error::Interrupted(_))), "{killed:?}");
    let doctor = desk.type_in(&["doctor", "--json"]).await;
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.text());
    let next = doctor.lines()[0]["half_restored"]["next"].as_str().unwrap().to_owned();
    let (_, command) = next.split_once(": tidemill ").unwrap();
    assert_eq!(command, format!("restore {}", manifest.id));
    // Who asks for another is told how the one that was begun goes on.
    let other = desk.type_in(&["restore", "--only", "earthquakes", "--yes"]).await;
    assert_eq!(other.status, Status::Wrong, "{}", other.text());
    let on = format!("go on with it: tidemill restore {}; or drop", manifest.id);
    assert!(other.err.contains(&on), "{}", other.err);
    let words: Vec<&str> = command.split(' ').collect();
    let part = &objects(&desk.home().join("vault"), ".archive.gz")[0];
    flip_a_bit(part);
    let failed = desk.type_in(&words).await;
    assert_eq!(failed.status, Status::Failed, "{}", failed.text());
    let on = format!("is not whole; when that is mended, go on with it: tidemill restore {}", manifest.id);
    assert!(failed.err.contains(&on), "{}", failed.err);
    flip_a_bit(part);
    let gone_on = desk.type_in(&words).await;
    assert_eq!(gone_on.status, Status::Well, "{}", gone_on.text());
    assert!(gone_on.err.contains("this was begun before, and goes on"), "{}", gone_on.err);
    assert_eq!(documents(&desk, "earthquakes").await, before);
    assert_eq!(target.mark().await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_is_wrong_use() {
    let desk = orders();
    let early = desk.type_in(&["backup"]).await;
    assert!(
        early.status == Status::Wrong && early.err.contains("no pipeline has run there"),
        "{}",
        early.text()
    );
    desk.type_in(&["run", "orders"]).await;
    for typed in [
        ["backup", "list"].as_slice(),
        &["backup", "verify"],
        &["restore"],
        &["backup", "drill"],
    ] {
        let none = desk.type_in(typed).await;
        assert_eq!(none.status, Status::Wrong, "{typed:?} {}", none.text());
        assert!(none.err.ends_with("next: make one: tidemill backup\n"), "{typed:?} {}", none.err);
    }
    made(&desk).await;
    for typed in [
        ["backup", "verify", "nonsense"].as_slice(),
        &["backup", "verify", "01M869X26REPS9TQZ60A3DBEYN"],
        &["restore", "01M869X26REPS9TQZ60A3DBEYN"],
        &["restore", "--at", "2001-01-01"],
        &["restore", "--at", "yesterday"],
        &["restore", "--only", "customers"],
        &["backup", "--no-wait"],
        &["backup", "drill", "--no-wait"],
        &["backup", "--allow-empty", "list"],
    ] {
        let wrong = desk.type_in(typed).await;
        assert_eq!(
            (wrong.status, wrong.out.as_str()),
            (Status::Wrong, ""),
            "{typed:?} {}",
            wrong.text()
        );
    }
    let nonsense = desk.type_in(&["restore", "01M869X2"]).await;
    assert!(nonsense.err.contains("is no backup's id"), "{}", nonsense.err);
    let none = desk.type_in(&["restore", "--only", "customers", "--json"]).await;
    assert_eq!(none.lines()[0]["next"], "there is: orders", "{}", none.out);
}

#[tokio::test]
async fn a_database_without_documents_is_taken_for_a_mistake() {
    let desk = orders();
    for file in ["orders-1", "orders-2"] {
        desk.write(&format!("pipelines/{file}.ndjson"), "");
    }
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    let empty = desk.type_in(&["backup"]).await;
    assert!(
        empty.status == Status::Failed && empty.err.contains("--allow-empty"),
        "{}",
        empty.text()
    );
    for typed in [["backup", "--allow-empty"], ["backup", "verify"]] {
        let said = desk.type_in(&typed).await;
        assert_eq!(said.status, Status::Well, "{typed:?} {}", said.text());
    }
}

#[tokio::test]
async fn one_collection_of_several_is_restored_and_the_others_stay() {
    let desk = orders();
    desk.write(
        "pipelines/returns.yaml",
        &crate::lake::ORDERS.replace("orders", "returns").replace("reject_limit: 1\n", ""),
    );
    desk.write("pipelines/returns-1.ndjson", "{\"id\": 1, \"total\": 5}\n");
    desk.type_in(&["run", "orders"]).await;
    desk.type_in(&["run", "returns"]).await;
    let left_out = desk.type_in(&["backup", "--leave-out", "returns"]).await;
    assert!(left_out.out.contains("left out: returns"), "{}", left_out.text());
    made(&desk).await;
    let (orders, returns) = (documents(&desk, "orders").await, documents(&desk, "returns").await);
    let database = database(&desk, "documents.db");
    database.drop_namespace("orders").await.unwrap();
    database.drop_namespace("returns").await.unwrap();
    let one = desk.type_in(&["restore", "--only", "orders", "--yes"]).await;
    assert_eq!(one.status, Status::Well, "{}", one.text());
    assert_eq!(documents(&desk, "orders").await, orders);
    let gone = desk.type_in(&["documents", "returns"]).await;
    assert_eq!(gone.status, Status::Wrong, "{}", gone.text());
    assert_eq!(desk.type_in(&["restore", "--only", "returns", "--yes"]).await.status, Status::Well);
    assert_eq!(documents(&desk, "returns").await, returns);
}
