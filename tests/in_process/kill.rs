//! `kill -9` of the real process at any moment, then the same command again: the end is that of an undisturbed run. And two processes at once.

use fastrand::Rng;
use serde_json::{Value, json};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use tidemill_tests::command::{Home, wait};
use tidemill_tests::upstream::{Reply, Request, Upstream};

const PAGES: usize = 12;
const PAGE_RECORDS: usize = 100;
const KILLS: u64 = 24;

const PIPELINE: &str = "
pipeline: killed
source: {rest_api: {base_url: http://127.0.0.1/}}
resources:
  - name: merged
    endpoint: &endpoint
      path: rows
      params: {since: \"{incremental.start_value}\"}
      paginator: {page_number: {}}
      data_selector: $.rows[*]
      incremental: {cursor_path: updated, type: unix_ms, initial_value: 0}
    record: &record
      primary_key: [id]
      version: updated
      fields:
        id:      {type: int}
        updated: {type: timestamp, format: unix_ms}
        text:    {type: string}
    load: {collection: merged}
  - name: replaced
    endpoint: {path: rows, paginator: {page_number: {}}, data_selector: \"$.rows[*]\"}
    record: *record
    load: {collection: replaced, write_disposition: replace}
  - name: by_content
    endpoint: *endpoint
    record: {identity: content, fields: {id: {type: int}, text: {type: string}}}
    load: {collection: by_content, write_disposition: append}
";

fn home() -> Home {
    Home::new(env!("CARGO_BIN_EXE_tidemill-under-test"))
}

/// Rows of which each key comes several times, later versions earlier than older ones.
fn rows(request: &Request) -> Reply {
    let page = request.number_param("page").unwrap();
    let since = request.number_param("since").unwrap_or(0);
    let first = (page - 1) * PAGE_RECORDS;
    let numbers = first..(first + PAGE_RECORDS).min(PAGES * PAGE_RECORDS).max(first);
    let row =
        |n: usize| json!({"id": n % 250, "updated": 1_700_000_000_000 + n * 7919 % 1200, "text": format!("row {n} {}", "x".repeat(200))});
    let rows: Vec<Value> = numbers
        .map(row)
        .filter(|row| row["updated"].as_u64() >= Some(since as u64))
        .collect();
    Reply::json(json!({"rows": rows}).to_string())
}

/// What readers see of all collections, without where it came from.
fn seen(home: &Home) -> Vec<Value> {
    let mut documents: Vec<Value> = ["merged", "replaced", "by_content"]
        .iter()
        .flat_map(|collection| home.documents(collection))
        .collect();
    for document in &mut documents {
        document
            .as_object_mut()
            .unwrap()
            .remove("_tidemill")
            .expect("every document says where it comes from");
    }
    documents
}

#[test]
fn a_kill_at_any_moment_and_the_same_command_again() {
    let upstream = Upstream::start(rows);
    let undisturbed = home();
    let file = undisturbed.pipeline("killed.yaml", PIPELINE);
    undisturbed.well(&["run", &file, "--base-url", &upstream.url()]);
    let expected = seen(&undisturbed);
    assert_eq!(expected.len(), 250 + 250 + PAGES * PAGE_RECORDS);
    let requests_of_a_run = upstream.count() as u64;
    let mut killed = 0;
    for seed in 0..KILLS {
        let mut rng = Rng::with_seed(seed);
        let home = home();
        let file = home.pipeline("killed.yaml", PIPELINE);
        let arguments = ["run", file.as_str(), "--base-url", &upstream.url()];
        for _ in 0..rng.u32(1..=3) {
            // On a busy machine a look takes long, and the process may have ended: so every other kill comes at once.
            let looks = if rng.bool() { 0 } else { rng.u32(0..20_000) };
            let child = home.start(&arguments);
            killed += usize::from(kill_at(child, &upstream, rng.u64(0..=requests_of_a_run), looks));
        }
        home.well(&arguments);
        let found = seen(&home);
        assert_eq!(found.len(), expected.len(), "seed {seed}");
        assert!(
            found == expected,
            "seed {seed}: {:?}",
            found.iter().zip(&expected).find(|(found, expected)| found != expected)
        );
        let runs = home.well(&["runs", "--json"]).out;
        assert!(!runs.contains("\"extracting\""), "seed {seed}: a run was left behind: {runs}");
    }
    assert!(
        killed as u64 > KILLS / 2,
        "only {killed} processes were still alive when they were killed"
    );
}

/// Kills a process once it has sent so many requests and so many looks at it later; `false` if it ended before.
fn kill_at(mut child: Child, upstream: &Upstream, requests: u64, looks: u32) -> bool {
    let before = upstream.count() as u64;
    let mut looks_left = looks;
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if upstream.count() as u64 - before >= requests {
            match looks_left.checked_sub(1) {
                Some(left) => looks_left = left,
                None => break,
            }
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    wait(child).code.is_none()
}

#[test]
fn of_two_processes_one_works_and_the_other_names_it() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let at_the_gate = gate.clone();
    let upstream = Upstream::start(move |request| {
        let open = at_the_gate.0.lock().unwrap();
        drop(at_the_gate.1.wait_while(open, |open| !*open).unwrap());
        rows(request)
    });
    let home = home();
    let file = home.pipeline("killed.yaml", PIPELINE);
    let arguments = ["run", file.as_str(), "--base-url", &upstream.url(), "--resource", "merged"];
    let mut first = home.start(&arguments);
    while upstream.count() == 0 {
        assert!(
            first.try_wait().unwrap().is_none(),
            "the first process ended before its first request"
        );
        std::thread::yield_now();
    }
    let second = home.run(&arguments);
    let holder = first.id().to_string();
    assert!(
        second.code != Some(0) && (second.out + &second.err).contains(&holder),
        "the second should name process {holder}"
    );
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let first = wait(first);
    assert_eq!(first.code, Some(0), "{}{}", first.out, first.err);
    assert_eq!(home.documents("merged").len(), 250);
}
