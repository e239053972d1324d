//! A source of rows in pages, and a pipeline that moves them: small enough to know beforehand what must come of it.

use crate::stack::Stack;
use ledger::{Fact, LoadTally, RunRecord};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tidemill_tests::chain::Published;
use tidemill_tests::upstream::{Reply, Request, Upstream};

/// Rows of a page.
pub const ROWS: u64 = 10;

/// Longer than any test waits: a latch that nobody opens must not keep a process for ever.
const LATCH: std::time::Duration = std::time::Duration::from_secs(300);

/// A source, and what it holds now.
pub struct Source {
    pub upstream: Upstream,
    /// Every tick, each row has another text and a later version.
    tick: Arc<AtomicU64>,
    latch: Arc<Latch>,
    pages: u64,
}

/// What one request waits at.
#[derive(Default)]
struct Latch {
    /// The page whose requests wait.
    held: Mutex<Option<u64>>,
    opened: Condvar,
}

impl Source {
    /// So many pages, at tick 1.
    pub fn start(pages: u64) -> Source {
        Source::answering(pages, Some)
    }

    /// `on_the_way` may answer otherwise, or not at once.
    pub fn answering(pages: u64, on_the_way: impl Fn(Reply) -> Option<Reply> + Send + Sync + 'static) -> Source {
        let tick = Arc::new(AtomicU64::new(1));
        let latch = Arc::new(Latch::default());
        let (now, waits) = (tick.clone(), latch.clone());
        let upstream = Upstream::start(move |request| {
            let page = page(request);
            waits.pass(page);
            let ids = if page > pages { 0..0 } else { (page - 1) * ROWS..page * ROWS };
            let rows: Vec<Value> = ids.map(|id| row(id, now.load(Ordering::Acquire))).collect();
            on_the_way(Reply::json(json!({"rows": rows}).to_string())).unwrap_or_else(|| Reply::new(503, ""))
        });
        Source {
            upstream,
            tick,
            latch,
            pages,
        }
    }

    pub fn set_tick(&self, tick: u64) {
        self.tick.store(tick, Ordering::Release);
    }

    /// Requests for this page are not answered until [`Source::release`].
    pub fn hold(&self, page: u64) {
        *self.latch.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
    }

    pub fn release(&self) {
        *self.latch.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.latch.opened.notify_all();
    }

    /// How many requests for a page came so far.
    pub fn asked(&self, of_page: u64) -> usize {
        self.upstream.requests().iter().filter(|request| page(request) == of_page).count()
    }

    /// What must be in the collection: each row as it is at this tick.
    pub fn texts(&self, tick: u64) -> BTreeMap<u64, String> {
        (0..self.pages * ROWS).map(|id| (id, text(id, tick))).collect()
    }
}

impl Latch {
    fn pass(&self, page: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while *held == Some(page) {
            let (again, waited) = self.opened.wait_timeout(held, LATCH).unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return;
            }
            held = again;
        }
    }
}

/// The first page is 1.
fn page(request: &Request) -> u64 {
    request.number_param("page").unwrap() as u64
}

fn row(id: u64, tick: u64) -> Value {
    json!({"id": id, "updated": 1_700_000_000_000 + tick, "text": text(id, tick), "tick": tick})
}

fn text(id: u64, tick: u64) -> String {
    format!("row {id} of tick {tick}")
}

/// The pipeline of a test, and the collection it fills, have this name.
pub fn pipeline(name: &str, source: &Source) -> String {
    format!(
        "
pipeline: {name}
source: {{rest_api: {{base_url: \"{}\"}}}}
resources:
  - name: rows
    endpoint: {{path: rows, paginator: {{page_number: {{initial_page: 1}}}}, data_selector: \"$.rows[*]\"}}
    record:
      primary_key: [id]
      version: updated
      unknown_fields: ignore
      fields:
        id:      {{type: long}}
        updated: {{type: timestamp, format: unix_ms}}
        text:    {{type: string}}
    load: {{collection: {name}}}
",
        source.upstream.url()
    )
}

/// Asks for a tick, as the schedule of the pipeline does. Ticks are a minute apart.
pub fn tick(stack: &Stack, name: &str, number: u64) {
    let at = format!("2026-01-01T00:{number:02}:00Z");
    let message = json!({"pipeline": name, "resource": "rows", "scheduled_at": at, "requested_by": "schedule"});
    stack.send("extract", &message);
}

/// The texts in the collection, as pymongo sees them.
pub fn texts(stack: &Stack, name: &str) -> BTreeMap<u64, String> {
    let documents = stack.database.find(name, json!({}));
    let text = |document: &Value| (document["id"].as_u64().unwrap(), document["text"].as_str().unwrap().to_owned());
    documents.iter().map(text).collect()
}

/// The runs of a pipeline, the newest first.
pub fn runs(stack: &Stack, name: &str) -> Vec<RunRecord> {
    let filter = ledger::RunFilter {
        pipeline: Some(pipeline::Name::new(name).unwrap()),
        ..ledger::RunFilter::default()
    };
    stack.wait(stack.ledger.runs(&filter)).unwrap()
}

/// What load made of all runs of a pipeline, added up over their facts.
pub fn loaded(stack: &Stack, published: &Published) -> LoadTally {
    let mut sum = LoadTally::default();
    let name = published.checked.pipeline.pipeline.as_str();
    for run in runs(stack, name) {
        let facts = stack
            .wait(stack.ledger.facts(run.id, &run.resource, published.checked.hash.as_str()))
            .unwrap();
        for (_, fact) in facts {
            if let Fact::Load(tally) = fact {
                sum.documents_in += tally.documents_in;
                sum.inserted += tally.inserted;
                sum.updated += tally.updated;
                sum.unchanged += tally.unchanged;
                sum.stale += tally.stale;
                sum.superseded += tally.superseded;
                sum.refused += tally.refused;
            }
        }
    }
    sum
}
