//! What the tests start from: names, runs, keys, facts.

use lake::{Part, RawKey, RunId};
use ledger::{
    CleanTally, CollectionClaim, Fact, FactKey, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LoadTally, ResourceId, RunRecord,
    RunState, SqliteLedger, Stage,
};
use pipeline::Name;
use std::path::Path;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn resource(pipeline: &str, resource: &str) -> ResourceId {
    ResourceId {
        pipeline: name(pipeline),
        resource: name(resource),
    }
}

/// The resource that most tests work on.
pub fn events() -> ResourceId {
    resource("earthquakes", "events")
}

/// A run's id: the greater the number, the newer.
pub fn run_id(number: u64) -> RunId {
    RunId::new(1_518_000_000_000 + number, 0)
}

pub fn definition(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

pub fn run(number: u64, resource: &ResourceId) -> RunRecord {
    RunRecord {
        id: run_id(number),
        resource: resource.clone(),
        definition: definition(1),
        generation: 1,
        source: "source".to_owned(),
        cursor_before: Some(-5),
        started_ms: 1_518_000_000_000,
        ended_ms: None,
        state: RunState::Extracting,
        parts: 0,
        captures: 0,
        bytes: 0,
    }
}

pub fn raw(run: u64, resource: &ResourceId, part: Part) -> RawKey {
    RawKey {
        pipeline: resource.pipeline.clone(),
        resource: resource.resource.clone(),
        run: run_id(run),
        part,
    }
}

/// A claim on the collection `quakes`.
pub fn claim(owner: &ResourceId, key: &str) -> CollectionClaim {
    CollectionClaim {
        collection: name("quakes"),
        owner: owner.clone(),
        key: key.to_owned(),
    }
}

pub fn fact_key(raw: &RawKey, stage: Stage) -> FactKey {
    FactKey {
        raw: raw.clone(),
        definition: definition(1),
        stage,
    }
}

pub fn cleaned(out: u64) -> Fact {
    Fact::Clean(CleanTally {
        records_in: out + 1,
        out,
        rejected: 1,
        ..CleanTally::default()
    })
}

pub fn loaded(inserted: u64) -> Fact {
    Fact::Load(LoadTally {
        documents_in: inserted,
        inserted,
        ..LoadTally::default()
    })
}

pub fn holder(name: &str) -> Holder {
    Holder {
        name: name.to_owned(),
        process: Some(4711),
        process_start: Some("1234".to_owned()),
    }
}

pub fn request(name: &str, now_ms: i64) -> LeaseRequest {
    LeaseRequest {
        holder: holder(name),
        now_ms,
        duration_ms: 60_000,
    }
}

pub fn nobody_is_dead(_: &Holder) -> bool {
    false
}

/// Takes a lease that must be free.
pub async fn lease(ledger: &dyn Ledger, resource: &ResourceId, name: &str, now_ms: i64) -> Lease {
    match ledger.take_lease(resource, &request(name, now_ms), &nobody_is_dead).await.unwrap() {
        LeaseOutcome::Taken(lease) => lease,
        LeaseOutcome::Held { holder, .. } => panic!("held by {holder:?}"),
    }
}

pub fn open(folder: &Path) -> SqliteLedger {
    SqliteLedger::open(&folder.join("ledger.db")).unwrap()
}
