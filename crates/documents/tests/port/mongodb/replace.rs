//! Replacements that meet.

use documents::{Documents, MongoDocuments, Replaced, Version};
use serde_json::{Value, json};
use servers::mongodb::{Database, Options, Server};

use super::{killed_after, new, open};
use crate::suite::{Made, all, merge, name, staged, version, write};

fn made(ids: std::ops::Range<i32>, rank: u64) -> Vec<Made> {
    ids.map(|id| Made::new(id, rank, rank as u8)).collect()
}

async fn assert_holds(store: &MongoDocuments, expected: &[Made], what: &str) {
    let expected: Vec<_> = expected.iter().map(Made::bson).collect();
    let found = all(store, "things").await;
    let ids: Vec<_> = found.iter().map(|document| document.get("_id").unwrap().unwrap()).collect();
    assert!(found == expected, "{what}: {ids:?}");
}

fn collections(database: &Database<'_>) -> Vec<String> {
    let reply = database.command(json!({"listCollections": 1, "nameOnly": true}));
    let batch = reply["cursor"]["firstBatch"].as_array().unwrap().iter();
    let mut names: Vec<String> = batch.map(|found: &Value| found["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Several processes make several versions visible, each is killed somewhere, and others go on: the newest stays, whole.
///
/// One after the other: the test server, unlike MongoDB, lets two rename one collection at once, and the second then drops what the first put there.
#[tokio::test]
async fn several_that_are_killed_end_with_the_newest() {
    for seed in 0..6 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (database, store) = new();
        let versions = [version(1, 1), version(2, 1), version(2, 2)];
        for (at, version) in versions.into_iter().enumerate() {
            write(
                &store,
                &staged("things", version),
                &format!("o{at}"),
                &made(0..(at as i32 + 2), at as u64),
            )
            .await;
        }
        for _ in 0..20 {
            let (dying, version) = (open(&database), versions[rng.usize(0..3)]);
            let replaced = killed_after(rng.usize(1..80), dying.replace(&name("things"), version)).await;
            let replaced = replaced.transpose().unwrap();
            assert!(replaced != Some(Replaced::Older) || version < versions[2], "seed {seed}");
        }
        for version in versions {
            store.replace(&name("things"), version).await.unwrap();
        }
        assert_eq!(store.visible(&name("things")).await.unwrap(), Some(versions[2]));
        assert_holds(&store, &made(0..4, 2), &format!("seed {seed}")).await;
        assert_eq!(
            collections(&database),
            ["things", "tidemill.collections", "tidemill.receipts"],
            "seed {seed}"
        );
    }
}

/// A part of the visible version comes late, and its documents reach the newer version that took the collection's place meanwhile: they are taken out.
///
/// Not by writing while another renames: what is written to the test server during a rename comes and goes.
#[tokio::test]
async fn late_parts_do_not_stay_in_a_newer_version() {
    let (v1, v2) = (version(1, 1), version(2, 1));
    let mut misled = 0;
    for wakes in (1..60).step_by(2) {
        let (database, store) = new();
        write(&store, &staged("things", v1), "o1", &made(0..3, 1)).await;
        store.replace(&name("things"), v1).await.unwrap();
        write(&store, &staged("things", v2), "o2", &made(0..2, 50)).await;
        let (dying, late, target) = (open(&database), made(100..105, 2), staged("things", v1));
        let died = killed_after(wakes, write(&dying, &target, "late", &late)).await.is_none();
        let planned = !database
            .find("tidemill.receipts", json!({"_id": "late:0000000000", "outcome": null}))
            .is_empty();
        store.replace(&name("things"), v2).await.unwrap();
        if died && planned {
            // It was about to write, and does so now.
            let document: Value = serde_json::from_str(&documents::extended_json::relaxed(&late[0].bson()).unwrap()).unwrap();
            database.command(json!({"insert": "things", "documents": [document]}));
            misled += 1;
        }
        let tally = write(&store, &target, "late", &late).await.tally;
        assert_eq!(tally.superseded + tally.inserted, 5, "{wakes}: {tally:?}");
        assert_holds(&store, &made(0..2, 50), &format!("{wakes}")).await;
    }
    assert!(misled > 0, "none was killed between its plan and its end");
}

/// As a batch that is delivered twice leaves it, when the first replacer died at the worst moment.
#[tokio::test]
async fn of_several_that_are_ready_the_whole_one_is_taken() {
    for (full, partial) in [("1", "2"), ("2", "1")] {
        let (database, store) = new();
        let v1 = version(1, 1);
        write(&store, &staged("things", v1), "o1", &made(0..5, 1)).await;
        let [staged_name] = &collections(&database)
            .into_iter()
            .filter(|name| name.contains("staged"))
            .collect::<Vec<_>>()[..]
        else {
            panic!("one collection is staged");
        };
        let ready = |nonce: &str| format!("{}.{nonce}", staged_name.replace("staged", "ready"));
        let full_name = |name: &str| format!("{}.{name}", database.name());
        let rename = json!({"renameCollection": full_name(staged_name), "to": full_name(&ready(full))});
        servers::mongodb::shared().command("admin", rename);
        store.settle("o1").await.unwrap();
        write(&store, &staged("things", v1), "o1", &made(0..2, 1)).await;
        let rename = json!({"renameCollection": full_name(staged_name), "to": full_name(&ready(partial))});
        servers::mongodb::shared().command("admin", rename);
        store.settle("o1").await.unwrap();
        write(&store, &staged("things", v1), "o1", &made(3..4, 1)).await;

        assert_eq!(store.replace(&name("things"), v1).await.unwrap(), Replaced::Visible);
        assert_holds(&store, &made(0..5, 1), full).await;
        assert_eq!(collections(&database), ["things", "tidemill.collections", "tidemill.receipts"]);
    }
}

#[tokio::test]
async fn an_empty_version_keeps_the_indexes() {
    let (database, store) = new();
    write(&store, &merge("things"), "o1", &made(0..3, 1)).await;
    database.command(json!({"createIndexes": "things", "indexes": [{"key": {"text": 1}, "name": "theirs", "unique": false}]}));
    let v1 = Version {
        run: [0xff; 16],
        generation: u32::MAX,
    };
    assert_eq!(store.replace(&name("things"), v1).await.unwrap(), Replaced::Visible);
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(0));
    assert_eq!(store.visible(&name("things")).await.unwrap(), Some(v1));
    let indexes = database.command(json!({"listIndexes": "things"}));
    assert!(indexes.to_string().contains("theirs"), "{indexes}");
}

/// Versions that are newer than the one that becomes visible, and those of a neighbour whose name begins as this one's, are left alone.
#[tokio::test]
async fn only_older_versions_are_dropped() {
    let (database, store) = new();
    for run in 1..5 {
        write(
            &store,
            &staged("things", version(run, 1)),
            &format!("o{run}"),
            &made(0..1, u64::from(run)),
        )
        .await;
        write(&store, &staged("things-too", version(run, 1)), &format!("p{run}"), &made(0..1, 1)).await;
    }
    store.replace(&name("things"), version(3, 1)).await.unwrap();
    let names = collections(&database);
    let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!(
        (
            of("tidemill.staged.things."),
            of("tidemill.staged.things-too."),
            of("tidemill.ready.")
        ),
        (1, 4, 0),
        "{names:?}"
    );
    assert_holds(&store, &made(0..1, 3), "the third").await;
}

/// Renames as another process would.
fn rename(server: &Server, database: &Database<'_>, from: &str, to: &str) {
    let full = |name: &str| format!("{}.{name}", database.name());
    server.command("admin", json!({"renameCollection": full(from), "to": full(to), "dropTarget": true}));
}

/// Makes of what is staged a ready collection, and begins to make that visible; the process ends as soon as it has said so. Answers with both names.
async fn leave_a_swap(server: &Server, database: &Database<'_>, version: Version) -> (String, String) {
    let names = collections(database);
    let staged_name = names.into_iter().find(|name| name.starts_with("tidemill.staged.")).unwrap();
    let ready = format!("{}.1", staged_name.replace("staged", "ready"));
    rename(server, database, &staged_name, &ready);
    server.fail_point(json!({"times": 1}), json!({"failCommands": ["renameCollection"], "errorCode": 13}));
    open(database).replace(&name("things"), version).await.unwrap_err();
    assert_eq!(database.find("tidemill.collections", json!({"swap.from": ready})).len(), 1);
    (staged_name, ready)
}

/// The server that was the primary knew of a ready collection, and made it undone: the documents are staged still, though `swap` names what is ready.
#[tokio::test]
async fn a_swap_of_what_was_undone_loses_nothing() {
    let server = Server::start(Options::default());
    for first in [true, false] {
        let database = server.fresh_database();
        let store = open(&database);
        let (v1, v2) = (version(1, 1), version(2, 1));
        if !first {
            write(&store, &staged("things", v1), "o1", &made(0..3, 1)).await;
            store.replace(&name("things"), v1).await.unwrap();
        }
        write(&store, &staged("things", v2), "o2", &made(0..5, 2)).await;
        let (staged_name, ready) = leave_a_swap(&server, &database, v2).await;
        rename(&server, &database, &ready, &staged_name);
        assert_eq!(store.replace(&name("things"), v2).await.unwrap(), Replaced::Visible);
        assert_holds(&store, &made(0..5, 2), "the second").await;
        assert_eq!(store.visible(&name("things")).await.unwrap(), Some(v2));
        assert_eq!(collections(&database), ["things", "tidemill.collections", "tidemill.receipts"]);
    }
}

/// The same, met by one who asks for the older version: what readers see is what was there before.
#[tokio::test]
async fn an_undone_swap_is_taken_back() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let store = open(&database);
    let (v1, v2) = (version(1, 1), version(2, 1));
    write(&store, &staged("things", v1), "o1", &made(0..3, 1)).await;
    store.replace(&name("things"), v1).await.unwrap();
    write(&store, &staged("things", v2), "o2", &made(0..5, 2)).await;
    let (staged_name, ready) = leave_a_swap(&server, &database, v2).await;
    rename(&server, &database, &ready, &staged_name);
    assert_eq!(store.replace(&name("things"), v1).await.unwrap(), Replaced::Visible);
    assert_eq!(store.visible(&name("things")).await.unwrap(), Some(v1));
    assert_holds(&store, &made(0..3, 1), "the first").await;
    assert!(collections(&database).contains(&staged_name));
}

/// A swap that another carried out, and could not note any more.
#[tokio::test]
async fn a_swap_that_was_carried_out_is_noted() {
    let server = Server::start(Options::default());
    for first in [true, false] {
        let database = server.fresh_database();
        let store = open(&database);
        let (v1, v2) = (version(1, 1), version(2, 1));
        if !first {
            write(&store, &staged("things", v1), "o1", &made(0..3, 1)).await;
            store.replace(&name("things"), v1).await.unwrap();
        }
        write(&store, &staged("things", v2), "o2", &made(0..5, 2)).await;
        let (_, ready) = leave_a_swap(&server, &database, v2).await;
        rename(&server, &database, &ready, "things");
        assert_eq!(store.replace(&name("things"), v2).await.unwrap(), Replaced::Visible);
        assert_holds(&store, &made(0..5, 2), "the second").await;
        assert_eq!(database.find("tidemill.collections", json!({"swap": null})).len(), 1);
    }
}

/// What is merged after a swap was left behind is not dropped by it.
#[tokio::test]
async fn a_swap_that_was_left_behind_comes_before_a_merge() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let store = open(&database);
    let v1 = version(1, 1);
    write(&store, &staged("things", v1), "o1", &made(0..3, 1)).await;
    leave_a_swap(&server, &database, v1).await;
    write(&open(&database), &merge("things"), "o2", &made(5..7, 2)).await;
    assert_eq!(store.replace(&name("things"), v1).await.unwrap(), Replaced::Visible);
    let mut expected = made(0..3, 1);
    expected.extend(made(5..7, 2));
    assert_holds(&store, &expected, "both").await;
}

/// What is not Tidemill's is not dropped, and no version is called visible that is not.
#[tokio::test]
async fn what_others_made_is_not_replaced() {
    let validator = json!({"$jsonSchema": {"title": "theirs", "required": ["kind"]}});
    let theirs = [
        (
            json!({"insert": "things", "documents": [{"_id": 1, "theirs": true}]}),
            "did not write",
        ),
        (json!({"create": "things", "viewOn": "others", "pipeline": []}), "a view"),
        (
            json!({"create": "things", "validator": validator, "validationAction": "warn"}),
            "a validator",
        ),
    ];
    for (command, expected) in theirs {
        let (database, store) = new();
        database.command(command);
        let v1 = version(1, 1);
        write(&store, &staged("things", v1), "o1", &made(0..3, 1)).await;
        let error = store.replace(&name("things"), v1).await.unwrap_err();
        assert!(!error.passes(), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(expected) && text.contains("`things`") && text.contains("move it away"),
            "{text}"
        );
        assert_eq!(store.visible(&name("things")).await.unwrap(), None, "{expected}");
        database.command(json!({"drop": "things"}));
        assert_eq!(store.replace(&name("things"), v1).await.unwrap(), Replaced::Visible, "{expected}");
        assert_holds(&store, &made(0..3, 1), expected).await;
    }
}
