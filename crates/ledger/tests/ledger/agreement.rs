//! Every ledger answers every sequence of calls as the model does.

use crate::emulator::Table;
use crate::given::*;
use lake::Part;
use ledger::{
    CleanTally, Cursor, Extracted, Fact, Lease, LeaseOutcome, Ledger, LoadTally, Model, ResourceId, RunFilter, RunState, Stage,
    fact::FactKey,
};
use proptest::prelude::*;
use std::fmt::Debug;
use std::sync::Mutex;

/// Few, for every call is a request or more.
const DYNAMODB_CASES: u32 = 16;

/// A call, on a world small enough that calls meet: two pipelines of two resources, three runs, three parts, two definitions, three holders.
#[derive(Clone, Debug)]
enum Call {
    Apply {
        pipeline: u8,
        definition: u8,
    },
    Claim {
        collection: u8,
        resource: u8,
        key: u8,
    },
    Take {
        resource: u8,
        holder: u8,
        now_ms: i64,
        dead: u8,
    },
    Renew {
        lease: usize,
        expires_ms: i64,
    },
    Release {
        lease: usize,
    },
    Begin {
        lease: usize,
        run: u64,
        definition: u8,
        source: u8,
    },
    Skip {
        resource: u8,
        run: u64,
    },
    Intend {
        lease: usize,
        run: u64,
        part: u8,
        definition: u8,
    },
    End {
        lease: usize,
        run: u64,
        cursor: Option<i64>,
    },
    Fail {
        lease: usize,
        run: u64,
    },
    Record {
        resource: u8,
        run: u64,
        part: u8,
        definition: u8,
        load: bool,
        tally: u64,
        fault: bool,
    },
}

fn call() -> impl Strategy<Value = Call> {
    // Mostly one resource and one definition, and mostly the newest lease: else most calls would be refused.
    let lease = || prop_oneof![6 => Just(0), 1 => 0..8usize];
    let resource = || prop_oneof![3 => Just(0), 1 => 0..4u8];
    let definition = || prop_oneof![3 => Just(0), 1 => Just(1u8)];
    let (run, part) = (|| 0..3u64, || 0..3u8);
    prop_oneof![
        1 => (0..2u8, 0..2u8).prop_map(|(pipeline, definition)| Call::Apply { pipeline, definition }),
        1 => (0..2u8, resource(), 0..2u8).prop_map(|(collection, resource, key)| Call::Claim { collection, resource, key }),
        3 => (resource(), 0..3u8, 0..200_000i64, 0..4u8)
            .prop_map(|(resource, holder, now_ms, dead)| Call::Take { resource, holder, now_ms, dead }),
        1 => (lease(), any::<i64>()).prop_map(|(lease, expires_ms)| Call::Renew { lease, expires_ms }),
        1 => lease().prop_map(|lease| Call::Release { lease }),
        4 => (lease(), run(), definition(), 0..2u8)
            .prop_map(|(lease, run, definition, source)| Call::Begin { lease, run, definition, source }),
        1 => (0..4u8, run()).prop_map(|(resource, run)| Call::Skip { resource, run }),
        4 => (lease(), run(), part(), definition())
            .prop_map(|(lease, run, part, definition)| Call::Intend { lease, run, part, definition }),
        2 => (lease(), run(), any::<Option<i64>>()).prop_map(|(lease, run, cursor)| Call::End { lease, run, cursor }),
        1 => (lease(), run()).prop_map(|(lease, run)| Call::Fail { lease, run }),
        5 => (resource(), run(), part(), definition(), any::<bool>(), 0..5u64, prop::bool::weighted(0.1)).prop_map(
            |(resource, run, part, definition, load, tally, fault)| Call::Record { resource, run, part, definition, load, tally, fault }
        ),
    ]
}

fn resource_of(number: u8) -> ResourceId {
    let (pipeline, name) = [("p", "a"), ("p", "b"), ("p-2", "a"), ("p-2", "b")][usize::from(number)];
    resource(pipeline, name)
}

fn part_of(number: u8) -> Part {
    [Part::Number(1), Part::Number(2), Part::End][usize::from(number)]
}

/// An answer as text: errors have no equality of their own.
fn told(answer: impl Debug) -> String {
    format!("{answer:?}")
}

/// Does one call. `leases` are those taken so far, counted from the newest; a call without one uses a lease that nobody was ever given.
async fn perform(ledger: &dyn Ledger, call: &Call, leases: &mut Vec<Lease>) -> String {
    let nobodys = Lease {
        resource: resource_of(0),
        token: 0,
        expires_ms: 0,
    };
    let held = |index: usize| {
        leases
            .iter()
            .rev()
            .nth(index % leases.len().max(1))
            .cloned()
            .unwrap_or(nobodys.clone())
    };
    match *call {
        Call::Apply { pipeline, definition } => {
            let pipeline = resource_of(pipeline * 2).pipeline;
            told(ledger.apply_definition(&pipeline, &crate::given::definition(definition)).await)
        }
        Call::Claim { collection, resource, key } => {
            let mut claim = claim(&resource_of(resource), &format!("key {key}"));
            claim.collection = name(["quakes", "flights"][usize::from(collection)]);
            told(ledger.claim_collection(&claim).await)
        }
        Call::Take {
            resource,
            holder,
            now_ms,
            dead,
        } => {
            let names = ["a", "b", "c", "nobody"];
            let request = request(names[usize::from(holder)], now_ms);
            let is_dead = |held: &ledger::Holder| held.name == names[usize::from(dead)];
            let outcome = ledger.take_lease(&resource_of(resource), &request, &is_dead).await;
            if let Ok(LeaseOutcome::Taken(lease)) = &outcome {
                leases.push(lease.clone());
            }
            told(outcome)
        }
        Call::Renew { lease, expires_ms } => told(ledger.renew_lease(&held(lease), expires_ms).await),
        Call::Release { lease } => told(ledger.release_lease(&held(lease)).await),
        Call::Begin {
            lease,
            run,
            definition,
            source,
        } => {
            let lease = held(lease);
            let mut record = crate::given::run(run, &lease.resource);
            record.definition = crate::given::definition(definition);
            record.source = format!("source {source}");
            told(ledger.begin_run(&lease, &record).await)
        }
        Call::Skip { resource, run } => {
            let mut record = crate::given::run(run, &resource_of(resource));
            record.state = RunState::Skipped { holder: "b".to_owned() };
            record.ended_ms = Some(3);
            told(ledger.record_skipped(&record).await)
        }
        Call::Intend {
            lease,
            run,
            part,
            definition,
        } => {
            let lease = held(lease);
            let raw = raw(run, &lease.resource, part_of(part));
            let hash = crate::given::definition(definition);
            told(ledger.record_intent(&lease, &raw, &hash, u32::from(definition)).await)
        }
        Call::End { lease, run, cursor } => {
            let extracted = Extracted {
                run: run_id(run),
                ended_ms: 4,
                parts: 5,
                captures: 6,
                bytes: 7,
                cursor: cursor.map(|value| Cursor { value }),
            };
            told(ledger.end_extraction(&held(lease), &extracted).await)
        }
        Call::Fail { lease, run } => told(ledger.fail_extraction(&held(lease), run_id(run), 5, "why").await),
        Call::Record { .. } => record(ledger, call).await,
    }
}

async fn record(ledger: &dyn Ledger, call: &Call) -> String {
    let Call::Record {
        resource,
        run,
        part,
        definition,
        load,
        tally,
        fault,
    } = *call
    else {
        unreachable!()
    };
    let key = FactKey {
        raw: raw(run, &resource_of(resource), part_of(part)),
        definition: crate::given::definition(definition),
        stage: if load { Stage::Load } else { Stage::Clean },
    };
    let came_in = tally + u64::from(fault);
    let fact = if load {
        Fact::Load(LoadTally {
            documents_in: came_in,
            stale: tally,
            ..LoadTally::default()
        })
    } else {
        Fact::Clean(CleanTally {
            records_in: came_in,
            duplicates: tally,
            ..CleanTally::default()
        })
    };
    told(ledger.record_fact(&key, &fact, 1).await)
}

/// Everything that can be asked, as text.
async fn state(ledger: &dyn Ledger) -> Vec<String> {
    let mut state = vec![told(ledger.runs(&RunFilter::default()).await)];
    for number in 0..4 {
        let resource = resource_of(number);
        state.push(told(ledger.newest_definition(&resource.pipeline).await));
        state.push(told(ledger.unfinished(&resource.pipeline).await));
        state.push(told(ledger.run_to_resume(&resource).await));
        let filter = RunFilter {
            pipeline: Some(resource.pipeline.clone()),
            resource: Some(resource.resource.clone()),
            limit: Some(2),
        };
        state.push(told(ledger.runs(&filter).await));
        for source in 0..2 {
            state.push(told(ledger.cursor(&resource, &format!("source {source}")).await));
        }
        for run in 0..3 {
            state.push(told(ledger.run(run_id(run), &resource).await));
            state.push(told(ledger.intents(run_id(run), &resource).await));
            for number in 0..2 {
                state.push(told(ledger.facts(run_id(run), &resource, &definition(number)).await));
            }
            let key = fact_key(&raw(run, &resource, Part::Number(1)), Stage::Load);
            state.push(told(ledger.fact(&key).await));
        }
    }
    state
}

/// Does the calls on the model and on another ledger, which is opened anew after so many of them.
async fn agree<L: Ledger>(calls: &[Call], reopened_after: usize, open: impl Fn() -> L) -> Result<(), TestCaseError> {
    let model = Mutex::new(Model::default());
    let mut other = open();
    let (mut of_model, mut of_other) = (Vec::new(), Vec::new());
    for (number, call) in calls.iter().enumerate() {
        let expected = perform(&model, call, &mut of_model).await;
        let answered = perform(&other, call, &mut of_other).await;
        prop_assert_eq!(answered, expected, "call {}: {:?}", number, call);
        if number == reopened_after {
            drop(other);
            other = open();
        }
    }
    prop_assert_eq!(state(&other).await, state(&model).await);
    Ok(())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn sqlite_answers_as_the_model_does(calls in prop::collection::vec(call(), 1..60), reopened_after in 0..60usize) {
        let folder = tempfile::tempdir().unwrap();
        runtime().block_on(agree(&calls, reopened_after, || open(folder.path())))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(DYNAMODB_CASES) })]

    #[test]
    fn dynamodb_answers_as_the_model_does(calls in prop::collection::vec(call(), 20..60), reopened_after in 0..60usize) {
        runtime().block_on(async {
            let table = Table::new().await;
            agree(&calls, reopened_after, || table.ledger()).await
        })?;
    }
}
