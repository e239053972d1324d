//! From the source to the documents: runs, runs that fail, runs that are stopped, replays.

use crate::{Desk, Paper, Said};
use cli::{
    Status,
    local::{Home, Request, Runner, clock::SystemClock, holder, pipelines, secrets::Secrets},
    output::progress::Progress,
};
use ledger::{Holder, Interrupted, LeaseOutcome, LeaseRequest, Observer, ResourceId, Step};
use pipeline::Name;
use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Orders in files: two good ones, two that break the contract.
pub const ORDERS: &str = "\
pipeline: orders
reject_limit: 1
source: {files: {}}
resources:
  - name: orders
    file: {path: orders-*.ndjson}
    record:
      primary_key: [id]
      fields:
        id: {type: long}
        total: {type: decimal, min: 0}
    load: {collection: orders}
";

pub fn orders() -> Desk {
    let desk = Desk::empty();
    desk.write("pipelines/orders.yaml", ORDERS);
    desk.write(
        "pipelines/orders-1.ndjson",
        "{\"id\": 1, \"total\": 5}\n{\"id\": \"x\", \"total\": -1}\n",
    );
    desk.write("pipelines/orders-2.ndjson", "{\"id\": 2, \"total\": 7.50}\n");
    desk
}

fn numbers(said: &Said) -> serde_json::Value {
    let mut object = said.lines().remove(0);
    object["run"] = "RUN".into();
    object
}

#[tokio::test]
async fn the_example_runs_from_its_recording_and_a_second_run_changes_nothing() {
    let desk = Desk::repository();
    let first = desk.type_in(&["run", "earthquakes", "--recorded"]).await;
    insta::assert_snapshot!("first_run", first.masked());
    let second = desk.type_in(&["run", "earthquakes", "--recorded", "--json"]).await;
    assert_eq!((second.status, second.err.as_str(), second.lines().len()), (Status::Well, "", 1));
    let object = numbers(&second);
    let keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["pipeline", "resource", "run", "extract", "clean", "load"]);
    let fetched = object["clean"]["in"].as_u64().unwrap();
    assert!((1..100).contains(&fetched), "the lag covers {fetched}");
    let load =
        serde_json::json!({"in": fetched, "inserted": 0, "updated": 0, "unchanged": fetched, "stale": 0, "superseded": 0, "refused": 0});
    assert_eq!(object["load"], load);
    let documents = desk.type_in(&["documents", "earthquakes"]).await;
    assert_eq!(documents.lines().len(), 1707);
    let replay = desk.type_in(&["replay", "earthquakes", "--json"]).await;
    let replayed = &replay.lines()[0];
    assert_eq!(replayed["clean"]["in"], 1707 + fetched);
    assert_eq!(
        (&replayed["load"]["inserted"], &replayed["load"]["updated"]),
        (&0.into(), &0.into())
    );
    let none = desk.type_in(&["replay", "earthquakes", "--since", "9999-01-01", "--json"]).await;
    assert_eq!(none.lines()[0]["objects"], 0);
    // As `runs` tells the time at which the second began, which is a little after the one in its id.
    let runs = desk.type_in(&["runs", "earthquakes", "--json"]).await;
    let started = runs.lines()[0]["started"].as_str().unwrap().to_owned();
    let second = desk.type_in(&["replay", "earthquakes", "--since", &started, "--json"]).await;
    assert_eq!(second.lines()[0]["clean"]["in"], fetched);
}

#[tokio::test]
async fn rejects_are_shown_counted_and_bounded() {
    let desk = orders();
    let run = desk.type_in(&["run", "orders"]).await;
    insta::assert_snapshot!("run_with_a_reject", run.masked());
    insta::assert_snapshot!("rejects", desk.type_in(&["rejects", "orders"]).await.masked());
    insta::assert_snapshot!(
        "rejects_by_reason",
        desk.type_in(&["rejects", "orders", "--by", "reason"]).await.masked()
    );
    let json = desk.type_in(&["rejects", "orders", "--json"]).await;
    assert_eq!(json.lines().len(), 1);
    assert_eq!(json.lines()[0]["faults"].as_array().unwrap().len(), 2);
    // One more than the limit allows.
    desk.write("pipelines/orders-3.ndjson", "nonsense\n");
    let over = desk.type_in(&["run", "orders"]).await;
    assert_eq!(over.status, Status::Failed);
    assert!(
        over.err
            .contains("2 of 4 records were rejected, more than `reject_limit: 1` allows"),
        "{}",
        over.err
    );
}

#[tokio::test]
async fn a_contract_put_right_and_replayed_leaves_no_reject() {
    let desk = orders();
    desk.type_in(&["run", "orders"]).await;
    desk.write(
        "pipelines/orders.yaml",
        &ORDERS
            .replace("{type: long}", "{type: string}")
            .replace(", min: 0", "")
            // Another key, so another collection.
            .replace("collection: orders", "collection: orders_by_text"),
    );
    let replay = desk.type_in(&["replay", "orders"]).await;
    insta::assert_snapshot!("replay", replay.masked());
    insta::assert_snapshot!(desk.type_in(&["rejects", "orders"]).await.masked(), @r"
    no rejects under the newest definition
    --- err, exit 0
    ");
}

#[tokio::test]
async fn what_came_in_before_a_failure_is_loaded() {
    let desk = orders();
    let broken = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff];
    std::fs::write(desk.folder.join("pipelines/orders-9.ndjson"), broken).unwrap();
    let run = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(run.status, Status::Failed);
    let object = numbers(&run);
    assert!(object["error"].as_str().unwrap().contains("orders-9.ndjson"), "{object}");
    assert_eq!(object["clean"]["in"], 3);
    assert_eq!(object["load"]["inserted"], 2);
    assert!(object["extract"]["captures"].as_u64().unwrap() >= 2, "{object}");
}

#[tokio::test]
async fn a_resource_that_is_held_is_skipped_and_says_by_whom() {
    let desk = orders();
    let home = Home::create(&desk.home()).unwrap();
    let resource = ResourceId {
        pipeline: Name::new("orders").unwrap(),
        resource: Name::new("orders").unwrap(),
    };
    let request = LeaseRequest {
        holder: Holder {
            name: "process 7 on elsewhere".to_owned(),
            process: Some(7),
            process_start: Some("7".to_owned()),
        },
        now_ms: jiff::Timestamp::now().as_millisecond(),
        duration_ms: 60_000,
    };
    let lease = home.ledger.take_lease(&resource, &request, &|_| false).await.unwrap();
    assert!(matches!(lease, LeaseOutcome::Taken(_)));
    let json = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(json.status, Status::Failed);
    let skipped = &json.lines()[0]["skipped"];
    assert_eq!(skipped["holder"], request.holder.name);
    assert!(skipped["until"].as_str().unwrap().ends_with('Z'), "{skipped}");
    let text = desk.type_in(&["run", "orders"]).await;
    assert!(
        text.err.contains(&format!(
            "error: orders/orders was skipped: {} is at it, until",
            request.holder.name
        )),
        "{}",
        text.err
    );
}

#[tokio::test]
async fn an_empty_run_does_not_empty_a_collection_and_has_failed() {
    let desk = orders();
    desk.write(
        "pipelines/orders.yaml",
        &ORDERS.replace("{collection: orders}", "{collection: orders, write_disposition: replace}"),
    );
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    for file in ["orders-1.ndjson", "orders-2.ndjson"] {
        desk.write(&format!("pipelines/{file}"), "");
    }
    let empty = desk.type_in(&["run", "orders"]).await;
    assert_eq!(empty.status, Status::Failed);
    assert_eq!(empty.err.matches("`allow_empty` is not set").count(), 1, "{}", empty.err);
    assert_eq!(desk.type_in(&["documents", "orders"]).await.lines().len(), 2);
    desk.write("pipelines/orders-1.ndjson", "{\"id\": 3, \"total\": 1}\n");
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    let documents = desk.type_in(&["documents", "orders"]).await;
    assert_eq!(
        documents.lines().iter().map(|document| document["_id"].clone()).collect::<Vec<_>>(),
        [3]
    );
}

/// Stops the work at one step, as a kill would.
struct StopAt {
    step: usize,
    reached: AtomicUsize,
}

impl Observer for StopAt {
    fn reached(&self, _: &Step) -> Result<(), Interrupted> {
        match self.reached.fetch_add(1, Ordering::SeqCst) >= self.step {
            true => Err(Interrupted),
            false => Ok(()),
        }
    }
}

/// A process of this machine that is no more.
fn ended_process() -> Holder {
    let this = holder::this_process();
    let (own, ended) = (format!("process {} ", std::process::id()), format!("process {} ", u32::MAX));
    Holder {
        name: this.name.replace(&own, &ended),
        process: Some(u32::MAX),
        ..this
    }
}

/// Runs `orders` up to a step; whether it came to its end.
async fn run_until(desk: &Desk, step: usize) -> bool {
    let reached = AtomicUsize::new(0);
    run_watched(desk, Arc::new(StopAt { step, reached })).await
}

pub fn runner(desk: &Desk) -> Runner {
    let secrets = Secrets::new(&desk.environment, &desk.folder).unwrap();
    let home = Home::create(&desk.home()).unwrap();
    Runner::new(home, Arc::new(SystemClock), Arc::new(Progress::silent()), secrets)
}

/// Runs `orders` in a process that is no more afterwards; whether it came to its end.
pub async fn run_watched(desk: &Desk, observer: Arc<dyn Observer>) -> bool {
    let found = pipelines::find("orders", &desk.folder).unwrap();
    let mut runner = runner(desk);
    runner.holder = ended_process();
    runner.run.observer = observer;
    let request = Request {
        checked: found.checked,
        text: found.text,
        folder: found.folder,
        resource: None,
        base_url: None,
        pages_max: None,
    };
    runner.run(&request).await.is_ok()
}

#[tokio::test]
async fn a_run_that_was_stopped_anywhere_is_finished_by_the_next() {
    for disposition in ["merge", "replace"] {
        let mut stopped = 0;
        loop {
            let desk = orders();
            desk.write(
                "pipelines/orders.yaml",
                &ORDERS.replace(
                    "{collection: orders}",
                    &format!("{{collection: orders, write_disposition: {disposition}}}"),
                ),
            );
            let ended = run_until(&desk, stopped).await;
            let next = desk.type_in(&["run", "orders", "--json"]).await;
            assert_eq!(next.status, Status::Well, "stopped at step {stopped}: {}{}", next.out, next.err);
            let documents = desk.type_in(&["documents", "orders"]).await;
            let ids: Vec<_> = documents.lines().iter().map(|document| document["_id"].as_i64().unwrap()).collect();
            assert_eq!(ids, [1, 2], "stopped at step {stopped}");
            let object = numbers(&next);
            assert_eq!(object["clean"]["in"], 3, "stopped at step {stopped}: {object}");
            assert_eq!(object["load"]["in"], 2, "stopped at step {stopped}: {object}");
            let home = Home::open(&desk.home()).unwrap();
            assert_eq!(
                home.ledger.unfinished(&Name::new("orders").unwrap()).await.unwrap(),
                [],
                "stopped at step {stopped}"
            );
            if ended {
                break;
            }
            stopped += 1;
        }
        assert!(stopped > 10, "{disposition}: {stopped} steps");
    }
}

/// An output that nobody reads any more, as behind `| head`.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_is_no_failure() {
    let desk = orders();
    desk.type_in(&["run", "orders"]).await;
    let err = Paper::default();
    let mut context = desk.context(Closed, err.clone());
    let status = cli::run(["tidemill", "documents", "orders"].map(Into::into), &mut context).await;
    assert_eq!((status, err.text().as_str()), (Status::Well, ""));
}
