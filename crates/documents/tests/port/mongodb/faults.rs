//! Loaders beside each other, on a server that fails here and there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use documents::{Documents, Model, Tally, WriteOutcome};
use fastrand::Rng;
use serde_json::{Value, json};
use servers::mongodb::{Options, Server};

use super::{killed_after, new, open};
use crate::suite::{Keys, Made, all, apply, merge, name, random, sum, write, write_bytes};

const LOADERS: usize = 8;
const OBJECTS: usize = 16;

/// The documents of an object. Ranks tell the object, as they do in the lake.
fn object(rng: &mut Rng, number: usize) -> Vec<Made> {
    (0..30)
        .map(|_| {
            let mut made = random(rng, Keys::OfOneType);
            made.rank = made.rank * OBJECTS as u64 + number as u64;
            made
        })
        .collect()
}

/// Each object in two batches.
fn batches(made: &[Made]) -> impl Iterator<Item = (u32, &[Made])> {
    (0..).zip(made.chunks(made.len() / 2))
}

/// All objects twice, shuffled, dealt to the loaders; some are killed, and what failed comes again, as from a queue.
async fn deal(database: &servers::mongodb::Database<'_>, seed: u64, kill: bool) {
    let mut rng = Rng::with_seed(seed);
    let objects: Arc<Vec<Vec<Made>>> = Arc::new((0..OBJECTS).map(|number| object(&mut rng, number)).collect());
    let mut deliveries: Vec<usize> = (0..OBJECTS).chain(0..OBJECTS).collect();
    rng.shuffle(&mut deliveries);
    let mut loaders = tokio::task::JoinSet::new();
    for mine in deliveries.chunks(deliveries.len() / LOADERS) {
        let (store, mine, objects, mut rng) = (open(database), mine.to_vec(), Arc::clone(&objects), rng.fork());
        loaders.spawn(async move {
            let mut answers = Vec::new();
            for number in mine {
                for (ordinal, made) in batches(&objects[number]) {
                    let documents: Vec<_> = made.iter().map(Made::bson).collect();
                    let object = format!("object-{number}");
                    let outcome = loop {
                        let target = merge("things");
                        let work = write_bytes(&store, &target, &object, ordinal, &documents);
                        let wakes = if kill && rng.bool() { rng.usize(1..60) } else { usize::MAX };
                        match killed_after(wakes, work).await {
                            None => {}
                            Some(Ok(outcome)) => break outcome,
                            Some(Err(error)) => assert!(error.passes(), "{error:?}"),
                        }
                    };
                    answers.push(((number, ordinal), outcome));
                }
            }
            answers
        });
    }
    let mut answers: BTreeMap<(usize, u32), WriteOutcome> = BTreeMap::new();
    while let Some(done) = loaders.join_next().await {
        for (batch, outcome) in done.unwrap() {
            let first = answers.entry(batch).or_insert_with(|| outcome.clone());
            assert_eq!(*first, outcome, "seed {seed}: {batch:?} was answered otherwise before");
        }
    }
    let mut model = Model::default();
    let mut documents = 0;
    for made in objects.iter() {
        apply(&mut model, &merge("things"), made);
        documents += made.len() as u64;
    }
    let store = open(database);
    let expected: Vec<_> = model.scan(&name("things")).map(ToOwned::to_owned).collect();
    assert_eq!(all(&store, "things").await, expected, "seed {seed}");
    let tallies: Vec<&Tally> = answers.values().map(|outcome| &outcome.tally).collect();
    assert_eq!(tallies.iter().map(|tally| sum(tally)).sum::<u64>(), documents, "seed {seed}");
    let inserted: u64 = tallies.iter().map(|tally| tally.inserted).sum();
    let keys = model.live(&name("things")).unwrap().len() as u64;
    assert_eq!(inserted, keys, "seed {seed}: each key is inserted once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_objects_twice_by_eight_loaders() {
    for seed in 0..4 {
        let (database, _) = new();
        deal(&database, seed, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaders_that_are_killed() {
    for seed in 0..4 {
        let (database, _) = new();
        deal(&database, seed, true).await;
    }
}

/// Different objects with the very same documents, as a source gives them that is asked twice: no key is counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_documents_of_different_objects() {
    let (database, store) = new();
    let mut rng = Rng::with_seed(7);
    let pool: Arc<Vec<Made>> = Arc::new((0..200).map(|_| random(&mut rng, Keys::OfOneType)).collect());
    let mut loaders = tokio::task::JoinSet::new();
    for loader in 0..4 {
        let (store, mut mine, mut rng) = (open(&database), pool.to_vec(), rng.fork());
        loaders.spawn(async move {
            rng.shuffle(&mut mine);
            let mut inserted = 0;
            for (at, made) in mine.chunks(10).enumerate() {
                let outcome = write(&store, &merge("things"), &format!("o{loader}-{at}"), made).await;
                assert_eq!(sum(&outcome.tally), 10);
                inserted += outcome.tally.inserted;
            }
            inserted
        });
    }
    let mut inserted = 0;
    while let Some(done) = loaders.join_next().await {
        inserted += done.unwrap();
    }
    let mut model = Model::default();
    apply(&mut model, &merge("things"), &pool);
    assert_eq!(inserted, model.live(&name("things")).unwrap().len() as u64);
    let expected: Vec<_> = model.scan(&name("things")).map(ToOwned::to_owned).collect();
    assert_eq!(all(&store, "things").await, expected);
}

/// So often a fault is armed: a server that always fails is another test's.
const ARMED_MAX: usize = 60;

/// What the server does to some commands: before it carries them out, or after (`writeConcernError`).
fn faults() -> Vec<Value> {
    let retryable = json!(["RetryableWriteError"]);
    vec![
        json!({"closeConnection": true}),
        json!({"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}),
        json!({"errorCode": 262, "errorLabels": []}),
        json!({"errorCode": 6, "errorLabels": retryable}),
        json!({"writeConcernError": {"code": 91, "errmsg": "shutting down"}, "errorLabels": retryable}),
        json!({"errorCode": 462, "errorLabels": ["SystemOverloadedError", "RetryableError", "NoWritesPerformed"]}),
    ]
}

/// The server that fails here and there belongs to one test, for its fail points are the whole server's.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_server_that_fails_here_and_there() {
    let server: &'static Server = Box::leak(Box::new(Server::start(Options::default())));
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let armed = std::thread::spawn(move || {
        let mut rng = Rng::with_seed(1);
        let mut armed = 0;
        while armed < ARMED_MAX && !stop.load(Ordering::Relaxed) {
            let mut data = faults()[armed % faults().len()].clone();
            data["failCommands"] = match data.get("writeConcernError") {
                Some(_) => json!(["insert", "update", "findAndModify"]),
                None => json!(["insert", "update", "find", "findAndModify"]),
            };
            server.fail_point(json!({"times": rng.u8(1..3)}), data);
            armed += 1;
        }
        server.fail_point_off();
        armed
    });
    let database = server.fresh_database();
    deal(&database, 10, true).await;
    done.store(true, Ordering::Relaxed);
    assert!(armed.join().unwrap() > faults().len(), "each fault must have been armed");
}

/// A primary that steps down, and one that shuts down, are waited for.
#[tokio::test]
async fn a_change_of_the_primary_is_waited_for() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let store = open(&database);
    for (at, code) in [10107, 189, 91].into_iter().enumerate() {
        for (round, command) in ["find", "findAndModify", "insert"].into_iter().enumerate() {
            let data = json!({"failCommands": [command], "errorCode": code, "errorLabels": ["RetryableWriteError"]});
            server.fail_point(json!({"times": 1}), data);
            let id = format!("{code} {command}");
            let tally = write(&store, &merge("things"), &format!("o{at}-{round}"), &[Made::new(id, 1, 1)])
                .await
                .tally;
            assert_eq!(tally.inserted, 1, "{code} {command}: {tally:?}");
        }
    }
}

/// What does not pass is said at once; later the same batch is loaded with its true numbers.
#[tokio::test]
async fn what_does_not_pass_is_an_error_and_nothing_is_lost() {
    let server = Server::start(Options::default());
    for command in ["find", "findAndModify", "insert", "update", "delete"] {
        let database = server.fresh_database();
        let store = open(&database);
        write(&store, &merge("things"), "o0", &[Made::new("b", 1, 1)]).await;
        server.fail_point(json!("alwaysOn"), json!({"failCommands": [command], "errorCode": 13}));
        let documents = [Made::new("a", 2, 2).bson(), Made::new("b", 2, 2).bson()];
        let result = write_bytes(&store, &merge("things"), "o1", 0, &documents).await;
        let error = match result {
            Err(error) => error,
            Ok(_) => store.settle("o1").await.unwrap_err(),
        };
        assert!(!error.passes(), "{command}: {error:?}");
        assert!(error.to_string().contains("may not do so"), "{command}: {error}");
        server.fail_point_off();
        let tally = write_bytes(&store, &merge("things"), "o1", 0, &documents).await.unwrap().tally;
        assert_eq!((tally.inserted, tally.updated), (1, 1), "{command}");
    }
}
