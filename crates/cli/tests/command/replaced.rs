//! What is said of `replace` runs that readers do not see, and of runs that failed.

use crate::{
    Desk, Said,
    lake::{ORDERS, orders},
};
use cli::Status;

fn replace() -> String {
    ORDERS.replace("{collection: orders}", "{collection: orders, write_disposition: replace}")
}

fn states(runs: &Said) -> Vec<String> {
    runs.lines().iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect()
}

fn source(desk: &Desk, text: &str) {
    desk.write("pipelines/orders-1.ndjson", text);
    desk.write("pipelines/orders-2.ndjson", "");
}

#[tokio::test]
async fn runs_say_what_readers_see() {
    let desk = orders();
    desk.write("pipelines/orders.yaml", &replace());
    desk.type_in(&["run", "orders"]).await;
    source(&desk, "");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Failed);
    let runs = desk.type_in(&["runs", "--json"]).await;
    assert_eq!(states(&runs), ["not shown", "visible"]);
    let why = runs.lines()[0]["error"].as_str().unwrap().to_owned();
    assert_eq!(why, "the run brought no document, and `allow_empty` is not set");
    source(&desk, "{\"id\": 3, \"total\": 1}\n");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    let runs = desk.type_in(&["runs", "--json"]).await;
    assert_eq!(states(&runs), ["visible", "superseded", "superseded"]);
}

/// The empty run is not shown, and would not be in any case.
#[tokio::test]
async fn a_replay_is_not_held_against_runs_that_newer_ones_replaced() {
    let desk = orders();
    desk.write("pipelines/orders.yaml", &replace());
    source(&desk, "");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Failed);
    source(&desk, "{\"id\": 3, \"total\": 1}\n");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    // Into the same collection, and into one where the empty run comes first.
    for collection in ["orders", "orders_2"] {
        let text = replace().replace("collection: orders", &format!("collection: {collection}"));
        desk.write("pipelines/orders.yaml", &text.replace(", min: 0", ""));
        let replay = desk.type_in(&["replay", "orders"]).await;
        assert_eq!((replay.status, replay.err.as_str()), (Status::Well, ""), "{collection}");
        assert_eq!(desk.type_in(&["documents", collection]).await.lines().len(), 1);
    }
    // The newest is judged, though.
    source(&desk, "");
    desk.type_in(&["run", "orders"]).await;
    let replay = desk.type_in(&["replay", "orders"]).await;
    assert_eq!(replay.status, Status::Failed);
    assert_eq!(replay.err.matches("`allow_empty` is not set").count(), 1, "{}", replay.err);
}

#[tokio::test]
async fn a_failed_run_says_what_came_in_before() {
    let desk = orders();
    let broken = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff];
    std::fs::write(desk.folder.join("pipelines/orders-9.ndjson"), broken).unwrap();
    let run = desk.type_in(&["run", "orders", "--json"]).await;
    let runs = desk.type_in(&["runs", "--json"]).await;
    assert_eq!(states(&runs), ["failed"]);
    let extract = &run.lines()[0]["extract"];
    assert!(extract["captures"].as_u64().unwrap() >= 2, "{extract}");
    assert_eq!(&runs.lines()[0]["extract"], extract);
}

/// What was fetched for `merge` has no end marker, so it can't become what readers see.
#[tokio::test]
async fn a_replay_into_replace_that_is_never_shown_has_failed() {
    let desk = orders();
    source(&desk, "{\"id\": 3, \"total\": 1}\n");
    // Two runs: only the newest could be shown.
    for _ in 0..2 {
        assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    }
    desk.write("pipelines/orders.yaml", &replace());
    let replay = desk.type_in(&["replay", "orders"]).await;
    assert_eq!(replay.status, Status::Failed, "{}", replay.out);
    assert_eq!(replay.err.matches("has no end marker").count(), 1, "{}", replay.err);
    let runs = desk.type_in(&["runs", "--json"]).await;
    let newest = format!(
        "readers do not see the documents of run {}",
        runs.lines()[0]["run"].as_str().unwrap()
    );
    assert!(replay.err.contains(&newest), "{}", replay.err);
    // As it says: after a run that is shown, the old ones are superseded.
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    let replay = desk.type_in(&["replay", "orders"]).await;
    assert_eq!((replay.status, replay.err.as_str()), (Status::Well, ""));
}
