//! Two runs of one pipeline at once, and what `runs` tells of a run that is not at its end.

use crate::{
    Desk,
    lake::{ORDERS, orders, run_watched},
};
use cli::Status;
use ledger::{Interrupted, Observer, Step};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

/// Holds a run back where its first object is about to be loaded, and its extraction may be over.
struct HoldBack {
    is_there: SyncSender<()>,
    go_on: std::sync::Mutex<Receiver<()>>,
    held: AtomicBool,
}

impl Observer for HoldBack {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        if matches!(step, Step::RejectedWritten) && !self.held.swap(true, Ordering::SeqCst) {
            self.is_there.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_second_run_of_a_pipeline_leaves_the_first_alone() {
    let desk = Arc::new(orders());
    let (is_there, arrived) = sync_channel(1);
    let (release, go_on) = sync_channel(1);
    let hold = Arc::new(HoldBack {
        is_there,
        go_on: go_on.into(),
        held: AtomicBool::new(false),
    });
    let first = tokio::spawn({
        let desk = desk.clone();
        async move { run_watched(&desk, hold).await }
    });
    tokio::task::spawn_blocking(move || arrived.recv().unwrap()).await.unwrap();
    let second = desk.type_in(&["run", "orders"]).await;
    assert_eq!(second.status, Status::Failed, "{}", second.text());
    assert!(!second.err.contains("going on with"), "{}", second.err);
    let skipped = format!("error: orders/orders was skipped: process {} on ", u32::MAX);
    assert!(
        second.err.starts_with(&skipped) && second.err.ends_with(" is at it\n"),
        "{}",
        second.err
    );
    // Nor was anything published or fetched in its name.
    let runs = desk.type_in(&["runs", "--json"]).await;
    let told: Vec<_> = runs
        .lines()
        .iter()
        .map(|run| (run["state"].clone(), run["waiting"].clone()))
        .collect();
    assert_eq!(told.len(), 2, "{}", runs.out);
    assert_eq!(told[0], ("skipped".into(), 0.into()));
    assert!(told[1].1.as_u64().unwrap() > 0, "{}", runs.out);
    // Nor does a replay go over what the run is at.
    let replay = desk.type_in(&["replay", "orders"]).await;
    assert_eq!(replay.status, Status::Failed, "{}", replay.text());
    assert!(
        replay.err.contains("is at work on `orders`: wait until that has ended"),
        "{}",
        replay.err
    );
    // While a run is at it, nothing is left undone.
    let doctor = desk.type_in(&["doctor", "orders"]).await;
    assert_eq!(doctor.status, Status::Well, "{}", doctor.out);
    release.send(()).unwrap();
    assert!(first.await.unwrap());
    assert_eq!(desk.type_in(&["documents", "orders"]).await.lines().len(), 2);
    // The lock went with the run.
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
}

#[tokio::test]
async fn runs_of_two_pipelines_do_not_wait_for_each_other() {
    let desk = orders();
    desk.write(
        "pipelines/returns.yaml",
        &ORDERS
            .replace("pipeline: orders", "pipeline: returns")
            .replace("{collection: orders}", "{collection: returns}"),
    );
    let (orders, returns) = tokio::join!(desk.type_in(&["run", "orders"]), desk.type_in(&["run", "returns"]));
    assert_eq!(
        (orders.status, returns.status),
        (Status::Well, Status::Well),
        "{}{}",
        orders.err,
        returns.err
    );
}

/// Stops the work when the first object was cleaned.
struct StopBeforeLoading;

impl Observer for StopBeforeLoading {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        match step {
            Step::RejectedWritten => Err(Interrupted),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_run_that_is_not_at_its_end_does_not_look_like_one_that_is() {
    let desk = orders();
    desk.write(
        "pipelines/orders-2.ndjson",
        "{\"id\": 2, \"total\": 7}\n{\"id\": 2, \"total\": 7}\n",
    );
    assert!(!run_watched(&desk, Arc::new(StopBeforeLoading)).await);
    let stopped = desk.type_in(&["runs", "--json"]).await;
    assert!(stopped.lines()[0]["waiting"].as_u64().unwrap() > 0, "{}", stopped.out);
    let table = desk.type_in(&["runs"]).await;
    assert!(table.out.contains("  waiting\n"), "{}", table.out);
    let doctor = desk.type_in(&["doctor", "orders"]).await;
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.out);
    assert!(
        doctor.out.contains("1 object of `orders` is to be cleaned or loaded yet") && doctor.out.contains("next: tidemill run orders\n"),
        "{}",
        doctor.out
    );
    // At its end, the row adds up: 4 = 2 out + 1 rejected + 1 duplicate.
    desk.type_in(&["run", "orders"]).await;
    let table = desk.type_in(&["runs"]).await;
    assert!(!table.out.contains("waiting") && table.out.contains("duplicates"), "{}", table.out);
    // More than the limit allows.
    desk.write("pipelines/orders-3.ndjson", "nonsense\nnonsense\n");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Failed);
    let over = desk.type_in(&["runs", "--json"]).await;
    assert_eq!(over.lines()[0]["state"], "over limit", "{}", over.out);
}

#[tokio::test]
async fn where_nothing_was_loaded_no_documents_are_proposed() {
    let desk = orders();
    desk.write("pipelines/orders-1.ndjson", "{\"id\": \"x\", \"total\": -1}\n");
    std::fs::remove_file(desk.folder.join("pipelines/orders-2.ndjson")).unwrap();
    let run = desk.type_in(&["run", "orders"]).await;
    assert_eq!(run.status, Status::Well, "{}", run.err);
    assert!(run.out.ends_with("next: tidemill rejects orders --by reason\n"), "{}", run.out);
    assert!(!run.out.contains("tidemill documents"), "{}", run.out);
}

#[tokio::test]
async fn with_json_an_error_is_a_line_too() {
    let desk = Desk::empty();
    let unknown = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(unknown.status, Status::Wrong);
    let object = &unknown.lines()[0];
    assert_eq!(object["error"], "there is no pipeline `orders`");
    assert!(object["next"].as_str().unwrap().contains("tidemill init NAME"), "{object}");
    assert!(unknown.err.starts_with("error: there is no pipeline"), "{}", unknown.err);
    let usage = desk.type_in(&["runs", "--json", "--limit", "some"]).await;
    assert!(usage.lines()[0]["error"].as_str().unwrap().contains("'some'"), "{}", usage.out);
    assert_eq!(desk.type_in(&["run", "orders"]).await.out, "");
}

#[tokio::test]
async fn the_home_may_stand_in_the_file_and_what_was_meant_is_said() {
    let mut desk = orders();
    desk.environment.clear();
    desk.write(
        ".env",
        "\u{feff}TIDEMILL_HOME=elsewhere # of the team\nTIDEMILL_MONGO_URI=mongodb://u:s3cret@h/x\n",
    );
    let run = desk.type_in(&["run", "orders"]).await;
    assert_eq!(run.status, Status::Well, "{}", run.err);
    assert!(desk.folder.join("elsewhere/lake").is_dir());
    assert_eq!(
        run.err,
        "note: `TIDEMILL_MONGO_URI` means nothing to Tidemill: did you mean `TIDEMILL_MONGODB_URI`?\n"
    );
    desk.write(".env", "TIDEMILL_HOME=a\nTIDEMILL_HOME=b\n");
    let twice = desk.type_in(&["runs"]).await;
    assert_eq!(twice.status, Status::Wrong);
    assert!(
        twice.err.contains("`TIDEMILL_HOME` stands twice in `.env`, in lines 1 and 2"),
        "{}",
        twice.err
    );
}

#[tokio::test]
async fn the_doctor_tells_what_a_run_would_refuse() {
    let desk = orders();
    desk.type_in(&["run", "orders"]).await;
    assert_eq!(desk.type_in(&["doctor"]).await.status, Status::Well);
    desk.write(
        "pipelines/orders.yaml",
        &ORDERS.replace("primary_key: [id]", "primary_key: [total]"),
    );
    let run = desk.type_in(&["run", "pipelines/orders.yaml"]).await;
    let doctor = desk.type_in(&["doctor", "pipelines/orders.yaml"]).await;
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.out);
    let told = run.err.replace("error: ", "wrong: ");
    assert!(told.contains("next: ") && doctor.out.ends_with(&told), "{}{}", doctor.out, run.err);
}

#[tokio::test]
async fn the_doctor_tells_when_readers_do_not_see_the_newest_run() {
    let desk = orders();
    let replace = "{collection: orders, write_disposition: replace}";
    desk.write("pipelines/orders.yaml", &ORDERS.replace("{collection: orders}", replace));
    desk.type_in(&["run", "orders"]).await;
    assert_eq!(desk.type_in(&["doctor"]).await.status, Status::Well);
    desk.write("pipelines/orders-3.ndjson", "nonsense\nnonsense\n");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Failed);
    let doctor = desk.type_in(&["doctor"]).await;
    assert_eq!(doctor.status, Status::Failed, "{}", doctor.out);
    assert!(
        doctor.out.contains("is not what readers see: 3 of 5 records were rejected"),
        "{}",
        doctor.out
    );
}
