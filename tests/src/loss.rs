//! A source of two days, and the home that loads it: backed up after the first, its documents lost after the second.

use crate::command::{Home, Told};
use crate::upstream::{Reply, Request, Upstream};
use lake::RunId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many of the rows are on a page.
const PAGE: usize = 100;

/// Every write disposition, tombstones, and a `replace`.
const PIPELINE: &str = "
pipeline: lost
source: {rest_api: {base_url: http://127.0.0.1/}}
resources:
  - name: merged
    endpoint: &endpoint {path: rows, paginator: {page_number: {}}, data_selector: \"$.rows[*]\"}
    record: &record
      primary_key: [id]
      version: updated
      delete_when: [{field: state, equals: deleted}]
      fields:
        id:      {type: int}
        updated: {type: timestamp, format: unix_ms}
        state:   {type: string}
        text:    {type: string}
    load: {collection: merged, indexes: [{keys: {updated: -1}}]}
  - name: replaced
    endpoint: *endpoint
    record: {primary_key: [id], fields: {id: {type: int}, text: {type: string}}}
    load: {collection: replaced, write_disposition: replace}
  - name: by_content
    endpoint: *endpoint
    record: {identity: content, fields: {id: {type: int}, text: {type: string}}}
    load: {collection: by_content, write_disposition: append}
  - name: by_position
    endpoint: *endpoint
    record: {identity: position, fields: {id: {type: int}, text: {type: string}}}
    load: {collection: by_position, write_disposition: append}
";

/// The collections that the pipeline loads.
pub const COLLECTIONS: [&str; 4] = ["by_content", "by_position", "merged", "replaced"];

/// What stands between yesterday's backup and what was lost today.
pub struct TwoDays {
    pub home: Home,
    upstream: Upstream,
    day: Arc<AtomicUsize>,
}

impl TwoDays {
    /// `rows`: how many there are on the first day.
    pub fn new(home: Home, rows: usize) -> TwoDays {
        let day = Arc::new(AtomicUsize::new(1));
        let of_source = day.clone();
        let upstream = Upstream::start(move |request| page(request, rows, of_source.load(Ordering::Acquire)));
        std::fs::create_dir(home.folder().join("pipelines")).unwrap();
        home.pipeline("pipelines/lost.yaml", PIPELINE);
        TwoDays { home, upstream, day }
    }

    /// Everything is fetched and loaded, as the source has it on this day. What became of the documents, by the resource.
    pub fn run(&self, day: usize) -> BTreeMap<String, Value> {
        self.day.store(day, Ordering::Release);
        let told = self.home.well(&["run", "lost", "--base-url", &self.upstream.url(), "--json"]);
        let resources = told.resources();
        resources.into_iter().map(|(name, told)| (name, told["load"].clone())).collect()
    }

    /// A backup: its id, and the hash of each collection, by its name.
    pub fn back_up(&self) -> (String, BTreeMap<String, String>) {
        let made = last_line(&self.home.well(&["backup", "--json"]));
        let collections = made["collections"].as_array().unwrap().iter();
        let hash = |one: &Value| (text(&one["collection"]), text(&one["hash"]));
        (text(&made["backup"]), collections.map(hash).collect())
    }

    /// Puts a backup back, by its id. The commands that it says are to be typed next.
    pub fn restore(&self, backup: &str) -> Vec<String> {
        let told = last_line(&self.home.well(&["restore", backup, "--yes", "--json"]));
        told["next"].as_array().unwrap().iter().map(text).collect()
    }

    /// Types a command as it was printed, but for the home, which every command of a test is told by.
    pub fn type_printed(&self, command: &str) {
        let words: Vec<&str> = command.split(" --home ").next().unwrap().split(' ').collect();
        assert_eq!(words[0], "tidemill", "{command}");
        self.home.well(&words[1..]);
    }

    /// The moment of the first run of the second day, as it can be typed. A run's id has it; what the ledger calls its start is some milliseconds later.
    pub fn today_since(&self) -> String {
        let told = self.home.well(&["runs", "--json"]);
        let id = |line: &str| RunId::parse(&text(&serde_json::from_str::<Value>(line).unwrap()["run"])).unwrap();
        let mut runs: Vec<RunId> = told.out.lines().map(id).collect();
        assert_eq!(runs.len(), 2 * COLLECTIONS.len(), "a run a resource and day: {}", told.out);
        runs.sort();
        let started_ms = runs[COLLECTIONS.len()].started_ms().try_into().unwrap();
        bson::DateTime::from_millis(started_ms).try_to_rfc3339_string().unwrap()
    }
}

/// The rows of a day. On the second one in three has changed, one in ten is deleted, and a quarter more have come.
fn page(request: &Request, rows: usize, day: usize) -> Reply {
    let first = (request.number_param("page").unwrap() - 1) * PAGE;
    let all = if day == 1 { rows } else { rows + rows / 4 };
    let row = |n: usize| {
        let changed = usize::from(day == 2 && n.is_multiple_of(3));
        let state = if day == 2 && n.is_multiple_of(10) { "deleted" } else { "there" };
        json!({"id": n, "updated": 1_700_000_000_000_u64 + (n + 1000 * (changed + usize::from(state == "deleted"))) as u64, "state": state, "text": format!("row {n}, {changed}")})
    };
    let rows: Vec<Value> = (first..all.min(first + PAGE).max(first)).map(row).collect();
    Reply::json(json!({"rows": rows}).to_string())
}

fn last_line(told: &Told) -> Value {
    serde_json::from_str(told.out.lines().last().unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
