//! Extraction in simulated time: two workers a resource, one of which dies, or stalls past its lease and comes back.

use super::history::{Capture, History, PlannedRun};
use super::model::RawObjects;
use fastrand::Rng;
use lake::{Metadata, Part, RawKey, Store, Written};
use ledger::{Cursor, Extracted, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LedgerError, RunRecord, RunState, cursor};
use pipeline::CursorType;
use std::collections::BTreeMap;
use std::sync::Arc;

const LEASE_MS: i64 = 1_000;

/// What extraction left behind, and what the model says of it.
#[derive(Default)]
pub struct Lake {
    pub raw: RawObjects,
    /// Where the raw objects are put too.
    store: Option<Arc<dyn Store>>,
    /// How many parts the runs had that ended well.
    pub ended: BTreeMap<lake::RunId, u32>,
    /// By the hash of the source.
    pub cursors: BTreeMap<String, i64>,
}

/// Where a worker of a run stands. One step is one call that moves state.
struct Worker {
    lease: Lease,
    begun: bool,
    part: u32,
    /// The part's intent is recorded, what was fetched for it is in its memory.
    fetched: Option<Vec<Capture>>,
}

/// Who is interrupted, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    Dies,
    /// Comes back when the other has made so many steps.
    Stalls(u32),
}

impl Lake {
    /// If-None-Match: what is there stays.
    async fn put(&mut self, raw: &RawKey, part: u32, captures: Vec<Capture>) {
        let place = (raw.run, part);
        if let Some(store) = &self.store {
            let written = store.put_new(&raw.key(), &Metadata::new(), object(&captures).into()).await.unwrap();
            let there = self.raw.contains_key(&place);
            assert_eq!(written, if there { Written::AlreadyThere } else { Written::Created });
        }
        self.raw.entry(place).or_insert(captures);
    }

    /// The store holds the raw objects, each as it was put first, and nothing else.
    pub async fn store_equals(&self, history: &History) {
        let Some(store) = &self.store else { return };
        let keys = self.raw.keys().map(|(run, part)| history.raw_key(*run, Part::Number(*part)).key());
        let there = store.list("raw/", None, usize::MAX).await.unwrap();
        assert_eq!(there, keys.collect::<Vec<_>>());
        for (key, captures) in there.iter().zip(self.raw.values()) {
            let mut body = store.get(key).await.unwrap().body;
            let mut bytes = Vec::new();
            while let Some(chunk) = body.next().await.unwrap() {
                bytes.extend_from_slice(&chunk);
            }
            assert!(bytes == object(captures), "{key} is not as it was put first");
        }
    }
}

/// Some bytes, others for other captures.
fn object(captures: &[Capture]) -> Vec<u8> {
    format!("{captures:?}").into()
}

pub async fn extract(history: &History, ledger: &dyn Ledger, rng: &mut Rng, store: Option<Arc<dyn Store>>) -> Lake {
    let mut lake = Lake { store, ..Lake::default() };
    let mut now_ms = history.runs[0].started_ms;
    for run in &history.runs {
        now_ms = now_ms.max(run.started_ms);
        one_run(history, ledger, rng, &mut lake, run, &mut now_ms).await;
    }
    lake
}

async fn one_run(history: &History, ledger: &dyn Ledger, rng: &mut Rng, lake: &mut Lake, run: &PlannedRun, now_ms: &mut i64) {
    let trouble = match rng.u8(0..4) {
        0 => Trouble::Dies,
        1 => Trouble::Stalls(rng.u32(0..12)),
        _ => Trouble::None,
    };
    let mut first = Worker::new(taken(history, ledger, "first", *now_ms, false).await);
    let held = wish(history, ledger, "second", *now_ms + rng.i64(0..LEASE_MS), false).await;
    assert!(
        matches!(&held, LeaseOutcome::Held { holder, .. } if holder.name == "first"),
        "{held:?}"
    );
    let mut steps = if trouble == Trouble::None { u32::MAX } else { rng.u32(0..12) };
    let mut done = false;
    while steps > 0 && !done {
        done = first.step(history, ledger, rng, lake, run).await.unwrap();
        steps -= 1;
    }
    if done {
        return ledger.release_lease(&first.lease).await.unwrap();
    }
    // Nobody else may have it before its time, unless its holder is known to be dead.
    let dead = trouble == Trouble::Dies && rng.bool();
    *now_ms += if dead { 1 } else { LEASE_MS };
    let mut second = Worker::new(taken(history, ledger, "second", *now_ms, dead).await);
    second.resume(history, ledger, lake, run).await;
    let mut back = match trouble {
        Trouble::Stalls(after) => after,
        Trouble::None | Trouble::Dies => u32::MAX,
    };
    let mut done = false;
    while !done {
        if back == 0 {
            first.comes_back(history, ledger, rng, lake, run).await;
        }
        back = back.saturating_sub(1);
        done = second.step(history, ledger, rng, lake, run).await.unwrap();
    }
    if back < u32::MAX - 100 && back > 0 {
        first.comes_back(history, ledger, rng, lake, run).await;
    }
    ledger.release_lease(&first.lease).await.unwrap();
    assert_eq!(
        ledger.renew_lease(&second.lease, *now_ms + LEASE_MS).await.unwrap().token,
        second.lease.token
    );
    ledger.release_lease(&second.lease).await.unwrap();
}

impl Worker {
    fn new(lease: Lease) -> Worker {
        Worker {
            lease,
            begun: false,
            part: 1,
            fetched: None,
        }
    }

    /// Does the next thing; `true` when the run has ended.
    async fn step(
        &mut self,
        history: &History,
        ledger: &dyn Ledger,
        rng: &mut Rng,
        lake: &mut Lake,
        run: &PlannedRun,
    ) -> Result<bool, LedgerError> {
        let definition = history.definition(run.generation);
        if !self.begun {
            let record = record(history, run);
            let stored = ledger.begin_run(&self.lease, &record).await?;
            assert_eq!(
                (stored.id, stored.generation, stored.state),
                (record.id, record.generation, record.state)
            );
            self.begun = true;
        } else if let Some(fetched) = self.fetched.take() {
            lake.put(&history.raw_key(run.id, Part::Number(self.part)), self.part, fetched)
                .await;
            self.part += 1;
        } else if self.part <= run.parts {
            let key = history.raw_key(run.id, Part::Number(self.part));
            ledger.record_intent(&self.lease, &key, &definition.hash, run.generation).await?;
            self.fetched = Some(history.fetch(rng, run));
        } else if run.fails {
            ledger
                .fail_extraction(&self.lease, run.id, run.started_ms, "the source broke")
                .await?;
            return Ok(true);
        } else {
            self.end(history, ledger, lake, run).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn end(&self, history: &History, ledger: &dyn Ledger, lake: &mut Lake, run: &PlannedRun) -> Result<(), LedgerError> {
        let source = &history.definition(run.generation).source;
        let stored = ledger.cursor(&history.resource, source).await?;
        let extracted = Extracted {
            run: run.id,
            ended_ms: run.started_ms,
            parts: run.parts,
            captures: 0,
            bytes: 0,
            cursor: run
                .candidate
                .map(|candidate| cursor::commit(stored, candidate, run.started_ms, CursorType::UnixMs)),
        };
        ledger.end_extraction(&self.lease, &extracted).await?;
        lake.ended.insert(run.id, run.parts);
        if let Some(candidate) = run.candidate {
            let value = candidate.min(run.started_ms);
            let cursor = lake.cursors.entry(source.clone()).or_insert(value);
            *cursor = value.max(*cursor);
        }
        Ok(())
    }

    /// Finds out from the ledger and the lake how far the run had come.
    async fn resume(&mut self, history: &History, ledger: &dyn Ledger, lake: &Lake, run: &PlannedRun) {
        let found = ledger.run_to_resume(&history.resource).await.unwrap();
        let Some(found) = found else { return };
        assert_eq!(found.id, run.id);
        let intents = ledger.intents(run.id, &history.resource).await.unwrap();
        let there = intents
            .iter()
            .filter(|key| matches!(key.part, Part::Number(part) if lake.raw.contains_key(&(run.id, part))))
            .count() as u32;
        assert!(
            intents.len() as u32 - there <= 1,
            "an intent is recorded right before its object: {intents:?}"
        );
        self.part = there + 1;
    }

    /// One who was overtaken: what it has fetched may still be put, for that is what another would have put; the ledger refuses everything else.
    async fn comes_back(&mut self, history: &History, ledger: &dyn Ledger, rng: &mut Rng, lake: &mut Lake, run: &PlannedRun) {
        if self.fetched.is_some() {
            self.step(history, ledger, rng, lake, run).await.unwrap();
        }
        let lost = |result: Result<bool, LedgerError>| {
            assert!(
                matches!(&result, Err(LedgerError::LeaseLost { token, .. }) if *token == self.lease.token),
                "{result:?}"
            )
        };
        lost(ledger.renew_lease(&self.lease, i64::MAX).await.map(|_| true));
        lost(ledger.begin_run(&self.lease, &record(history, run)).await.map(|_| true));
        lost(
            ledger
                .record_intent(&self.lease, &history.raw_key(run.id, Part::Number(9)), "d", 1)
                .await
                .map(|()| true),
        );
        lost(ledger.fail_extraction(&self.lease, run.id, 0, "overtaken").await.map(|()| true));
        let far = Extracted {
            run: run.id,
            ended_ms: 0,
            parts: 9,
            captures: 9,
            bytes: 9,
            cursor: Some(Cursor { value: i64::MAX }),
        };
        lost(ledger.end_extraction(&self.lease, &far).await.map(|()| true));
    }
}

fn record(history: &History, run: &PlannedRun) -> RunRecord {
    let definition = history.definition(run.generation);
    RunRecord {
        id: run.id,
        resource: history.resource.clone(),
        definition: definition.hash.clone(),
        generation: run.generation,
        source: definition.source.clone(),
        cursor_before: None,
        started_ms: run.started_ms,
        ended_ms: None,
        state: RunState::Extracting,
        parts: 0,
        captures: 0,
        bytes: 0,
    }
}

async fn taken(history: &History, ledger: &dyn Ledger, name: &str, now_ms: i64, dead: bool) -> Lease {
    match wish(history, ledger, name, now_ms, dead).await {
        LeaseOutcome::Taken(lease) => lease,
        held @ LeaseOutcome::Held { .. } => panic!("{name} should get the lease: {held:?}"),
    }
}

async fn wish(history: &History, ledger: &dyn Ledger, name: &str, now_ms: i64, dead: bool) -> LeaseOutcome {
    let holder = Holder {
        name: name.to_owned(),
        process: None,
        process_start: None,
    };
    let request = LeaseRequest {
        holder,
        now_ms,
        duration_ms: LEASE_MS,
    };
    ledger.take_lease(&history.resource, &request, &move |_| dead).await.unwrap()
}
