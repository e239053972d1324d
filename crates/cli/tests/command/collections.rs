//! Who may write a collection: one resource, and with one key.

use crate::{
    Desk,
    lake::{ORDERS, orders},
};
use cli::Status;

#[tokio::test]
async fn another_pipeline_may_not_write_the_collection() {
    let desk = orders();
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    desk.write("pipelines/returns.yaml", &ORDERS.replace("pipeline: orders", "pipeline: returns"));
    insta::assert_snapshot!(desk.type_in(&["run", "returns"]).await.masked(), @r"
    --- err, exit 2
    error: the collection `orders` is written by `orders/orders`: if `returns/orders` wrote it too, each would overwrite what the other brings
    next: give this resource a `collection:` of its own
    ");
    let replay = desk.type_in(&["replay", "returns"]).await;
    assert_eq!(replay.status, Status::Wrong, "{}", replay.err);
    // Nothing was fetched, and it is not the newest of anything.
    let runs = desk.type_in(&["runs", "--json"]).await;
    assert_eq!(runs.lines().len(), 1, "{}", runs.out);
    assert!(!desk.home().join("lake/raw/returns").exists());
    assert!(!desk.home().join("lake/definitions/returns").exists());
    // A trial writes nothing there.
    let trial = desk.type_in(&["try", "returns"]).await;
    assert_eq!(trial.status, Status::Well, "{}", trial.err);
}

#[tokio::test]
async fn another_key_or_version_needs_another_collection_and_a_replay_fills_it() {
    let desk = orders();
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    let edits = [
        ("primary_key: [id]", "primary_key: [id, total]"),
        ("primary_key: [id]", "identity: content"),
        ("primary_key: [id]", "primary_key: [id]\n      version: id"),
        ("id: {type: long}", "id: {type: string}"),
    ];
    for (from, to) in edits {
        desk.write("pipelines/orders.yaml", &ORDERS.replace(from, to));
        for command in ["run", "replay"] {
            let said = desk.type_in(&[command, "orders"]).await;
            assert_eq!((said.status, said.out.as_str()), (Status::Wrong, ""), "{to}: {}", said.err);
            assert!(
                said.err.contains("`orders` was begun with primary_key [id (number)]"),
                "{}",
                said.err
            );
        }
    }
    insta::assert_snapshot!(desk.type_in(&["run", "orders", "--home", "home"]).await.masked(), @r"
    --- err, exit 2
    error: the collection `orders` was begun with primary_key [id (number)], but the pipeline file says primary_key [id (text)]: the new documents would not find the old ones
    next: put the file right; or, if the change is meant, give the resource another `collection:` and fill it from raw/: tidemill replay orders --home home
    ");
    let (from, to) = edits[3];
    let moved = ORDERS.replace(from, to).replace("collection: orders", "collection: orders_2");
    desk.write("pipelines/orders.yaml", &moved);
    assert_eq!(desk.type_in(&["replay", "orders"]).await.status, Status::Well);
    let documents = desk.type_in(&["documents", "orders_2"]).await;
    assert_eq!(documents.lines().len(), 2);
    // What may change without harm.
    desk.write("pipelines/orders.yaml", &moved.replace(", min: 0", ", max: 1000"));
    assert_ne!(desk.type_in(&["run", "orders"]).await.status, Status::Wrong);
}

fn lose(desk: &Desk, database: &str) {
    for file in ["", "-wal", "-shm"] {
        let path = desk.home().join(format!("{database}{file}"));
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[tokio::test]
async fn a_lake_without_its_ledger_is_replayed() {
    let desk = orders();
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    lose(&desk, "ledger.db");
    lose(&desk, "documents.db");
    let replay = desk.type_in(&["replay", "orders", "--json"]).await;
    assert_eq!(replay.status, Status::Well, "{}", replay.err);
    let object = &replay.lines()[0];
    assert_eq!((&object["clean"]["in"], &object["load"]["inserted"]), (&3.into(), &2.into()));
    assert_eq!(desk.type_in(&["documents", "orders"]).await.lines().len(), 2);
    // Where there is no lake, there is nothing.
    let nothing = Desk::empty();
    nothing.write("pipelines/orders.yaml", ORDERS);
    let said = nothing.type_in(&["replay", "orders"]).await;
    assert!(
        said.status == Status::Wrong && said.err.contains("no pipeline has run there"),
        "{}",
        said.err
    );
}

/// The generations count on from those in the lake, or a newer contract would rank below an older.
#[tokio::test]
async fn without_its_ledger_a_newer_contract_still_wins() {
    let desk = orders();
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    desk.write("pipelines/orders.yaml", &ORDERS.replace("min: 0", "min: 0.5"));
    assert_eq!(desk.type_in(&["replay", "orders"]).await.status, Status::Well);
    lose(&desk, "ledger.db");
    let same = desk.type_in(&["replay", "orders", "--json"]).await;
    assert_eq!(same.lines()[0]["load"]["unchanged"], 2, "{}", same.out);
    lose(&desk, "ledger.db");
    desk.write(
        "pipelines/orders.yaml",
        &ORDERS.replace("{type: decimal, min: 0}", "{type: string}"),
    );
    let replay = desk.type_in(&["replay", "orders", "--json"]).await;
    assert_eq!(replay.lines()[0]["load"]["updated"], 2, "{}{}", replay.out, replay.err);
    let documents = desk.type_in(&["documents", "orders"]).await;
    assert!(documents.lines()[0]["total"].is_string(), "{}", documents.out);
}
