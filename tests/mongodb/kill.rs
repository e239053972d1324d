//! `kill -9` of the real process at every command it sends to the server, before the server has it and before the answer is back; then the same command
//! again: the end is that of an undisturbed run, and the numbers are true.

use crate::{earthquakes, home, loaded_in_all};
use serde_json::{Value, json};
use servers::mongodb::{Database, Options, Server};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidemill_tests::command::{Home, wait};
use tidemill_tests::gate::{Gate, Side};
use tidemill_tests::upstream::{Reply, Upstream};

const EVENTS: u64 = 1_707;

#[test]
fn a_kill_at_any_command_and_earthquakes_again() {
    let server = Server::start(Options::default());
    let gate = Gate::start(&server.host());
    let arguments = ["run", earthquakes(), "--recorded"];
    let undisturbed = server.fresh_database();
    home(&gate.uri(undisturbed.name())).well(&arguments);
    let expected = content(&undisturbed, "earthquakes");
    let commands = gate.commands();
    assert!(commands.iter().any(|command| command == "insert earthquakes"), "{commands:?}");
    for (place, name) in commands.iter().enumerate() {
        for side in sides(place, name) {
            let database = server.fresh_database();
            let home = home(&gate.uri(database.name()));
            let killed = kill_at(&home, &gate, &arguments, place, side);
            home.well(&arguments);
            let told = format!("killed: {killed}, at {name} ({place}), {side:?}");
            assert!(content(&database, "earthquakes") == expected, "{told}");
            let all = loaded_in_all(&home);
            assert_eq!((&all["inserted"], &all["updated"]), (&json!(EVENTS), &json!(0)), "{told}: {all}");
            nothing_is_left(&database, name, 1, &told);
        }
    }
}

/// Both for the documents themselves; in turn for the others.
fn sides(place: usize, command: &str) -> Vec<Side> {
    match (command.starts_with("insert "), place % 2) {
        (true, _) => vec![Side::Command, Side::Answer],
        (false, 0) => vec![Side::Command],
        (false, _) => vec![Side::Answer],
    }
}

const PIPELINE: &str = "
pipeline: killed
source: {rest_api: {base_url: http://127.0.0.1/}}
resources:
  - name: merged
    endpoint: &endpoint
      path: rows
      paginator: {page_number: {}}
      data_selector: $.rows[*]
    record: &record
      primary_key: [id]
      version: updated
      fields:
        id:      {type: int}
        updated: {type: timestamp, format: unix_ms}
        text:    {type: string}
    load: {collection: merged}
  - name: replaced
    endpoint: *endpoint
    record: *record
    load: {collection: replaced, write_disposition: replace}
";

/// What the source holds at a tick: of each row the version of that tick, newer than all before, and each page is a row further on.
fn rows_at(tick: usize, page: usize) -> Vec<Value> {
    let ids = if page > 3 { 0..0 } else { page * 10 + tick..page * 10 + tick + 10 };
    let row = |id: usize| json!({"id": id, "updated": 1_700_000_000_000 + tick as u64 + (id % 3) as u64, "text": format!("row {id} of tick {tick}")});
    ids.map(row).collect()
}

/// Ticks which update and replace, each killed at another command, and again while it makes that good; all on one home.
#[test]
fn kills_while_it_updates_and_replaces() {
    let server = Server::start(Options::default());
    let gate = Gate::start(&server.host());
    let database = server.fresh_database();
    let home = home(&gate.uri(database.name()));
    let tick = Arc::new(AtomicUsize::new(0));
    let at = tick.clone();
    let upstream = Upstream::start(move |request| {
        let rows = rows_at(at.load(Ordering::Acquire), request.number_param("page").unwrap());
        Reply::json(json!({"rows": rows}).to_string())
    });
    let file = home.pipeline("killed.yaml", PIPELINE);
    let arguments = ["run", &file, "--base-url", &upstream.url()];
    home.well(&arguments);
    let first = gate.commands().len();
    tick.store(1, Ordering::Release);
    home.well(&arguments);
    let commands = gate.commands()[first..].to_vec();
    for name in ["insert merged", "update merged", "renameCollection "] {
        assert!(
            commands.iter().any(|command| command.starts_with(name)),
            "{name} is not among {commands:?}"
        );
    }
    let mut killed = 0;
    for (place, command) in commands.iter().enumerate() {
        tick.store(place + 2, Ordering::Release);
        let side = if place % 2 == 0 { Side::Command } else { Side::Answer };
        killed += usize::from(kill_at(&home, &gate, &arguments, place, side));
        killed += usize::from(kill_at(&home, &gate, &arguments, place % 4, Side::Answer));
        home.well(&arguments);
        let told = format!("killed at {command} ({place}), {side:?}");
        assert!(texts(&database, "merged") == texts_of(0..=place + 2), "{told}");
        assert!(texts(&database, "replaced") == texts_of(place + 2..=place + 2), "{told}");
    }
    assert!(
        killed >= commands.len(),
        "only {killed} processes were killed at one of {commands:?}"
    );
    nothing_is_left(&database, "delete tidemill.receipts", commands.len(), "after all kills");
}

/// What pymongo sees of the rows: their texts, by their keys.
fn texts(database: &Database<'_>, collection: &str) -> BTreeMap<u64, String> {
    by_key(database.find(collection, json!({})))
}

/// What there should be after these ticks.
fn texts_of(ticks: RangeInclusive<usize>) -> BTreeMap<u64, String> {
    by_key(ticks.flat_map(|tick| (1..=3).flat_map(move |page| rows_at(tick, page))))
}

fn by_key(rows: impl IntoIterator<Item = Value>) -> BTreeMap<u64, String> {
    let pair = |row: Value| (row["id"].as_u64().unwrap(), row["text"].as_str().unwrap().to_owned());
    rows.into_iter().map(pair).collect()
}

/// Starts the command and kills it at the command to the server that comes after so many others. `false` when it ended before.
fn kill_at(home: &Home, gate: &Gate, arguments: &[&str], others: usize, side: Side) -> bool {
    gate.hold_after(others, side);
    let mut process = home.start(arguments);
    let held = gate.wait_until_held(&mut process);
    if held {
        process.kill().unwrap();
    }
    let told = wait(process);
    assert!(held || told.code == Some(0), "{}{}", told.out, told.err);
    gate.cut();
    held
}

/// What pymongo sees of a collection, without where it came from.
fn content(database: &Database<'_>, collection: &str) -> Vec<Value> {
    let mut documents = database.find(collection, json!({}));
    for document in &mut documents {
        let from = document.as_object_mut().unwrap().remove("_tidemill");
        from.expect("every document says where it comes from");
    }
    documents
}

/// Neither receipts nor versions that were built and not shown. A receipt stays behind where a process was killed just when it was to go: the work was done
/// and recorded, and nobody comes by again.
fn nothing_is_left(database: &Database<'_>, killed_at: &str, kills: usize, told: &str) {
    let receipts = database.find("tidemill.receipts", json!({})).len();
    let may_be_left = if killed_at == "delete tidemill.receipts" { kills } else { 0 };
    assert!(receipts <= may_be_left, "{told}: {receipts} receipts");
    let reply = database.command(json!({"listCollections": 1, "nameOnly": true}));
    let names: Vec<&str> = reply["cursor"]["firstBatch"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["name"].as_str().unwrap())
        .collect();
    let left = names
        .iter()
        .any(|name| name.starts_with("tidemill.staged.") || name.starts_with("tidemill.ready."));
    assert!(!left, "{told}: {names:?}");
}
