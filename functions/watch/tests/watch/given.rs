//! A stack in a folder: its pipelines, runs made by hand, and ports that remember what was sent.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lake::{CleanKey, Definitions, DirectoryStore, Part, RawKey, RawMetadata, RunId, Store};
use ledger::incident::{Incident, Kind};
use ledger::{
    Applied, CleanTally, Clock, Extracted, Fact, FactKey, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LoadTally, ResourceId, Run,
    RunRecord, RunState, SqliteLedger, Stage, Unwatched, run_id_for_tick,
};
use pipeline::{Checked, Name};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use watch::words::Commands;
use watch::{
    DeadQueue, Error, Event, Events, Letter, Letters, Limits, Notify, Outcome, PortError, Promised, Queues, Services, Subject, Tick, Work,
};

/// Milliseconds of a time on the day of the tests.
pub fn at(time: &str) -> i64 {
    format!("2026-11-24T{time}:00Z").parse::<Timestamp>().unwrap().as_millisecond()
}

pub const MINUTE: i64 = 60_000;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn resource(text: &str) -> ResourceId {
    ResourceId {
        pipeline: name("shop"),
        resource: name(text),
    }
}

/// `orders` every hour, `items` after it, `stock` replaced, `report` after both.
pub const SHOP: &str = "pipeline: shop
schedule: cron(0 * * * ? *)
reject_limit: 1%
source: {rest_api: {base_url: \"https://api.example.org/\"}}
resources:
  - name: orders
    endpoint: {path: orders}
    record: {primary_key: [id], fields: {id: {type: long}}}
    load: {collection: orders}
  - name: items
    after: [orders]
    endpoint: {path: items}
    record: {primary_key: [id], fields: {id: {type: long}}}
    load: {collection: items}
  - name: stock
    after: [items]
    endpoint: {path: stock}
    record: {primary_key: [id], fields: {id: {type: long}}}
    load: {collection: stock, write_disposition: replace}
  - name: report
    after: [orders, items]
    endpoint: {path: report}
    record: {primary_key: [id], fields: {id: {type: long}}}
    load: {collection: report}
";

#[derive(Default)]
pub struct World {
    pub letters: BTreeMap<DeadQueue, Letters>,
    pub sent: Vec<Work>,
    pub told: Vec<(String, String)>,
    pub events: Vec<Event>,
    /// Nobody can be told.
    pub topic_is_down: bool,
    /// How often the topic was asked.
    pub asked: usize,
    /// Nothing can be queued but this much more.
    pub room: Option<usize>,
    /// No event can be put.
    pub bus_is_down: bool,
    /// Events about this run can't be put.
    pub refused_run: Option<RunId>,
}

/// The ports, over what the test looks at.
#[derive(Clone, Default)]
pub struct Ports(pub Arc<Mutex<World>>);

#[async_trait]
impl Queues for Ports {
    async fn dead_letters(&self, queue: DeadQueue, limit: usize) -> Result<Letters, PortError> {
        let mut letters = self.0.lock().unwrap().letters.get(&queue).cloned().unwrap_or_default();
        letters.more |= letters.letters.len() > limit;
        letters.letters.truncate(limit);
        Ok(letters)
    }

    async fn send(&self, work: &Work) -> Result<(), PortError> {
        let mut world = self.0.lock().unwrap();
        match &mut world.room {
            Some(0) => return Err(down("send to the queue")),
            Some(room) => *room -= 1,
            None => {}
        }
        world.sent.push(work.clone());
        Ok(())
    }
}

#[async_trait]
impl Notify for Ports {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), PortError> {
        let mut world = self.0.lock().unwrap();
        world.asked += 1;
        if world.topic_is_down {
            return Err(down("publish on the topic"));
        }
        world.told.push((subject.to_owned(), text.to_owned()));
        Ok(())
    }
}

#[async_trait]
impl Events for Ports {
    async fn put(&self, event: &Event) -> Result<(), PortError> {
        let mut world = self.0.lock().unwrap();
        if world.bus_is_down || world.refused_run.is_some_and(|run| event.detail["run"] == run.to_string()) {
            return Err(down("put the event"));
        }
        world.events.push(event.clone());
        Ok(())
    }
}

fn down(action: &'static str) -> PortError {
    PortError {
        action,
        name: "t".to_owned(),
        problem: "it is down".to_owned(),
        passes: true,
    }
}

#[derive(Default)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub struct Stack {
    _folder: TempDir,
    pub ports: Ports,
    pub services: Services,
    pub run: Run,
    clock: Arc<TestClock>,
    pub checked: Arc<Checked>,
}

impl Stack {
    /// The pipeline applied at half past nine.
    pub async fn new() -> Stack {
        let folder = TempDir::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::open(folder.path().join("lake")).unwrap());
        let ledger = Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap());
        let ports = Ports::default();
        let clock = Arc::new(TestClock::default());
        let services = Services {
            definitions: Arc::new(Definitions::new(store.clone())),
            store,
            ledger,
            queues: Arc::new(ports.clone()),
            notify: Arc::new(ports.clone()),
            events: Arc::new(ports.clone()),
            commands: Commands {
                stack: Some("dev".to_owned()),
            },
            promised: Promised::default(),
            limits: Limits::default(),
        };
        let run = Run {
            clock: clock.clone(),
            observer: Arc::new(Unwatched),
            deadline_ms: None,
        };
        let checked = Arc::new(pipeline::check("shop.yaml", SHOP).unwrap());
        let stack = Stack {
            _folder: folder,
            ports,
            services,
            run,
            clock,
            checked,
        };
        stack.apply(SHOP, "09:30", false).await;
        stack
    }

    pub fn ledger(&self) -> &dyn Ledger {
        self.services.ledger.as_ref()
    }

    pub async fn apply(&self, text: &str, time: &str, removed: bool) {
        let checked = Arc::new(pipeline::check("pipeline.yaml", text).unwrap());
        let pipeline = checked.pipeline.pipeline.clone();
        let definition = checked.hash.to_string();
        let generation = self.ledger().apply_definition(&pipeline, &definition).await.unwrap();
        self.services.definitions.publish(checked, text).await.unwrap();
        let applied = Applied {
            file: format!("pipelines/{pipeline}.yaml"),
            pipeline,
            definition,
            generation,
            removed,
            applied_ms: at(time),
        };
        ledger::put_applied(self.ledger(), &applied).await.unwrap();
    }

    pub fn set_clock(&self, now_ms: i64) {
        self.clock.0.store(now_ms, Ordering::SeqCst);
    }

    /// A tick that sees to everything.
    pub async fn tick(&self, time: &str) -> Outcome {
        self.try_tick(time).await.unwrap()
    }

    pub async fn try_tick(&self, time: &str) -> Result<Outcome, Error> {
        self.try_tick_at(at(time)).await
    }

    pub async fn try_tick_at(&self, now_ms: i64) -> Result<Outcome, Error> {
        self.set_clock(now_ms);
        watch::handle(&Tick, &self.run, &self.services).await
    }

    async fn lease(&self, resource: &ResourceId) -> Lease {
        let request = LeaseRequest {
            holder: Holder {
                name: "test".to_owned(),
                process: None,
                process_start: None,
            },
            now_ms: 0,
            duration_ms: 1,
        };
        match self.ledger().take_lease(resource, &request, &|_| false).await.unwrap() {
            LeaseOutcome::Taken(lease) => lease,
            LeaseOutcome::Held { holder, .. } => panic!("held by {holder:?}"),
        }
    }

    fn record(&self, id: &ResourceId, time: &str, state: RunState) -> RunRecord {
        RunRecord {
            id: run_id_for_tick(id, at(time)),
            resource: id.clone(),
            definition: self.checked.hash.to_string(),
            generation: 1,
            source: "source".to_owned(),
            cursor_before: None,
            started_ms: at(time),
            ended_ms: None,
            state,
            parts: 0,
            captures: 0,
            bytes: 0,
        }
    }

    pub async fn begin(&self, of: &str, time: &str) -> RunRecord {
        let id = resource(of);
        let record = self.record(&id, time, RunState::Extracting);
        self.ledger().begin_run(&self.lease(&id).await, &record).await.unwrap()
    }

    pub async fn skip(&self, of: &str, time: &str) {
        let skipped = RunState::Skipped { holder: "x".to_owned() };
        let record = self.record(&resource(of), time, skipped);
        self.ledger().record_skipped(&record).await.unwrap();
    }

    pub async fn fail(&self, run: &RunRecord, time: &str, message: &str) {
        let lease = self.lease(&run.resource).await;
        self.ledger().fail_extraction(&lease, run.id, at(time), message).await.unwrap();
    }

    /// An intent, and its raw object that was captured at `time`.
    pub async fn part(&self, run: &RunRecord, part: Part, time: &str) -> RawKey {
        let raw = self.intent(run, part).await;
        let metadata = RawMetadata {
            definition: run.definition.clone(),
            generation: 1,
            captures: 1,
            bytes: 1,
            at_ms: at(time),
            state: None,
            parts: None,
        };
        let (key, metadata) = (raw.key(), metadata.to_metadata());
        let put = self.services.store.put_new(&key, &metadata, Bytes::from_static(b"x"));
        put.await.unwrap();
        raw
    }

    pub async fn intent(&self, run: &RunRecord, part: Part) -> RawKey {
        let raw = raw(run, part);
        let lease = self.lease(&run.resource).await;
        self.ledger().record_intent(&lease, &raw, &run.definition, 1).await.unwrap();
        raw
    }

    pub async fn end(&self, run: &RunRecord, parts: u32, time: &str) {
        let extracted = Extracted {
            run: run.id,
            ended_ms: at(time),
            parts,
            captures: parts.into(),
            bytes: 1,
            cursor: None,
        };
        self.ledger()
            .end_extraction(&self.lease(&run.resource).await, &extracted)
            .await
            .unwrap();
    }

    pub async fn clean(&self, raw: &RawKey, records_in: u64, rejected: u64) {
        let tally = CleanTally {
            records_in,
            out: records_in - rejected,
            rejected,
            ..CleanTally::default()
        };
        self.fact(raw, Fact::Clean(tally)).await;
    }

    pub async fn load(&self, raw: &RawKey, inserted: u64) {
        let tally = LoadTally {
            documents_in: inserted,
            inserted,
            ..LoadTally::default()
        };
        self.fact(raw, Fact::Load(tally)).await;
    }

    async fn fact(&self, raw: &RawKey, fact: Fact) {
        let key = FactKey {
            raw: raw.clone(),
            definition: self.checked.hash.to_string(),
            stage: match fact {
                Fact::Clean(_) => Stage::Clean,
                Fact::Load(_) => Stage::Load,
            },
        };
        self.ledger().record_fact(&key, &fact, 0).await.unwrap();
    }

    /// A run of one part that goes well, with so many records of which some are rejected.
    pub async fn complete(&self, of: &str, time: &str, records: u64, rejected: u64) -> RunRecord {
        let run = self.begin(of, time).await;
        let raw = self.part(&run, Part::Number(1), time).await;
        self.end(&run, 1, time).await;
        self.clean(&raw, records, rejected).await;
        self.load(&raw, records - rejected).await;
        run
    }

    pub async fn open_incidents(&self) -> Vec<Incident> {
        ledger::incident::incidents(self.ledger(), true, 100).await.unwrap()
    }

    /// The only open incident.
    pub async fn only(&self, kind: Kind) -> Incident {
        let mut open = self.open_incidents().await;
        assert_eq!(open.iter().map(|incident| incident.kind).collect::<Vec<_>>(), [kind]);
        open.remove(0)
    }

    pub async fn nothing_is_open(&self) {
        assert_eq!(self.open_incidents().await, []);
    }

    pub fn told(&self) -> Vec<String> {
        self.ports
            .0
            .lock()
            .unwrap()
            .told
            .iter()
            .map(|(subject, _)| subject.clone())
            .collect()
    }

    pub fn events(&self) -> Vec<String> {
        self.ports
            .0
            .lock()
            .unwrap()
            .events
            .iter()
            .map(|event| event.kind.to_owned())
            .collect()
    }

    /// What was sent since this was asked last.
    pub fn sent(&self) -> Vec<Work> {
        std::mem::take(&mut self.ports.0.lock().unwrap().sent)
    }

    pub fn put_letters(&self, queue: DeadQueue, letters: Vec<Letter>, more: bool) {
        self.ports.0.lock().unwrap().letters.insert(queue, Letters { letters, more });
    }

    pub fn clean_key(&self, raw: &RawKey) -> CleanKey {
        CleanKey {
            raw: raw.clone(),
            definition: self.checked.hash.short().to_owned(),
        }
    }
}

pub fn raw(run: &RunRecord, part: Part) -> RawKey {
    RawKey {
        pipeline: run.resource.pipeline.clone(),
        resource: run.resource.resource.clone(),
        run: run.id,
        part,
    }
}

pub fn letter(id: &str, time: &str, subject: Option<Subject>) -> Letter {
    Letter {
        id: id.to_owned(),
        sent_ms: at(time),
        subjects: subject.map(|subject| vec![subject]),
    }
}

pub fn started(resource: &str, run: RunId) -> Work {
    Work::Extract {
        resource: self::resource(resource),
        run,
    }
}
