//! What an earlier run left undone, or left otherwise than it is found.

use crate::{
    Desk,
    lake::{ORDERS, orders, run_watched, runner},
};
use cli::{Status, local::Home};
use ledger::{Interrupted, Observer, Stage, Step, Unfinished};
use pipeline::Name;
use std::{
    mem::{Discriminant, discriminant},
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
};

/// Stops the work when all of these steps are reached: whoever is at one waits for the others.
struct StopWhenAll {
    steps: Vec<Discriminant<Step>>,
    reached: Barrier,
}

impl StopWhenAll {
    fn of(steps: &[Step]) -> Arc<StopWhenAll> {
        Arc::new(StopWhenAll {
            steps: steps.iter().map(discriminant).collect(),
            reached: Barrier::new(steps.len()),
        })
    }
}

impl Observer for StopWhenAll {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        if !self.steps.contains(&discriminant(step)) {
            return Ok(());
        }
        self.reached.wait();
        Err(Interrupted)
    }
}

/// Orders in one file, so one object: one of two breaks the contract.
fn one_object(limit: u32) -> Desk {
    let desk = orders();
    desk.write(
        "pipelines/orders.yaml",
        &ORDERS.replace("reject_limit: 1", &format!("reject_limit: {limit}")),
    );
    std::fs::remove_file(desk.folder.join("pipelines/orders-2.ndjson")).unwrap();
    desk
}

async fn owed(desk: &Desk) -> Vec<Unfinished> {
    let home = Home::open(&desk.home()).unwrap();
    home.ledger.unfinished(&Name::new("orders").unwrap()).await.unwrap()
}

async fn newest_run(desk: &Desk) -> String {
    let runs = desk.type_in(&["runs", "--json"]).await;
    runs.lines()[0]["run"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_finished_of_an_earlier_run_is_judged() {
    let desk = one_object(0);
    assert!(!run_watched(&desk, StopWhenAll::of(&[Step::ExtractionEnded, Step::RejectedWritten])).await);
    let earlier = newest_run(&desk).await;
    desk.write("pipelines/orders-1.ndjson", "{\"id\": 3, \"total\": 1}\n");
    let next = desk.type_in(&["run", "orders"]).await;
    assert_eq!(next.status, Status::Failed, "{}{}", next.out, next.err);
    let judged = format!("run {earlier} was cut short, and is finished now: 1 of 2 records were rejected");
    assert!(next.err.contains(&judged), "{}", next.err);
    assert_eq!(owed(&desk).await, []);
    // Said once.
    let last = desk.type_in(&["run", "orders"]).await;
    assert_eq!((last.status, last.err.as_str()), (Status::Well, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn within_the_limit_an_earlier_run_is_no_failure() {
    let desk = one_object(1);
    assert!(!run_watched(&desk, StopWhenAll::of(&[Step::ExtractionEnded, Step::RejectedWritten])).await);
    let next = desk.type_in(&["run", "orders"]).await;
    assert_eq!((next.status, next.err.contains("error")), (Status::Well, false), "{}", next.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_clean_object_that_is_gone_is_made_again() {
    let desk = one_object(1);
    assert!(!run_watched(&desk, StopWhenAll::of(&[Step::ExtractionEnded, Step::RejectedWritten])).await);
    let raw = owed(&desk).await.remove(0).raw;
    let runner = runner(&desk);
    let workers = runner.workers(runner.home.store.clone());
    workers.clean(&clean::Input { raw, definition: None }).await.unwrap().unwrap();
    let earlier = newest_run(&desk).await;
    let clean = desk.home().join("lake/clean");
    std::fs::remove_dir_all(&clean).unwrap();
    assert_eq!(owed(&desk).await.first().map(|part| part.next), Some(Stage::Load));
    let next = desk.type_in(&["run", "orders"]).await;
    assert_eq!(next.status, Status::Well, "{}", next.err);
    assert_eq!(owed(&desk).await, []);
    let made_again = files(&clean).iter().any(|path| path.to_str().unwrap().contains(&earlier));
    assert!(made_again, "{:?}", files(&clean));
}

/// The ledger keeps the numbers of the first completion; a replay tells its own.
#[tokio::test]
async fn a_replay_tells_what_it_found_itself() {
    let (desk, other) = (one_object(1), one_object(1));
    other.write("pipelines/orders-1.ndjson", &"{\"id\": 1, \"total\": 1}\n".repeat(3));
    for desk in [&desk, &other] {
        assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    }
    let [raw, of_other] = [&desk, &other].map(|desk| files(&desk.home().join("lake/raw")).remove(0));
    std::fs::copy(of_other, raw).unwrap();
    let replay = desk.type_in(&["replay", "orders", "--json"]).await;
    let object = &replay.lines()[0];
    assert_eq!(
        (&object["clean"]["in"], &object["clean"]["rejected"], &object["clean"]["duplicates"]),
        (&3.into(), &0.into(), &2.into()),
        "{object}{}",
        replay.err
    );
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}
