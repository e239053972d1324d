//! `kill -9` of the real process at every command it sends to the server, before the server has it and before the answer is back; then the same command
//! again: the end is that of an undisturbed run, and the numbers are true.

use crate::{earthquakes, home, loaded_in_all};
use serde_json::{Value, json};
use servers::mongodb::{Database, Options, Server};
use tidemill_tests::command::{Home, wait};
use tidemill_tests::gate::{Gate, Side};
use tidemill_tests::upstream::{Reply, Request, Upstream};

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
            nothing_is_left(&database, name, &told);
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

/// Rows of which later ticks bring newer versions, and other keys.
fn rows(request: &Request, tick: usize) -> Reply {
    let page = request.number_param("page").unwrap();
    let ids = if page > 3 { 0..0 } else { page * 10 + tick..page * 10 + tick + 10 };
    let row = |id: usize| json!({"id": id, "updated": 1_700_000_000_000 + tick as u64 + (id % 3) as u64, "text": format!("row {id} of tick {tick}")});
    Reply::json(json!({"rows": ids.map(row).collect::<Vec<Value>>()}).to_string())
}

/// A second tick, which updates and replaces, is killed at every command, three times on each home.
#[test]
fn kills_while_it_updates_and_replaces() {
    let server = Server::start(Options::default());
    let gate = Gate::start(&server.host());
    let ticks = [1, 2].map(|tick| Upstream::start(move |request| rows(request, tick)));
    let tick = |home: &Home, number: usize| {
        let file = home.pipeline("killed.yaml", PIPELINE);
        ["run".to_owned(), file, "--base-url".to_owned(), ticks[number].url()]
    };
    let well = |home: &Home, number: usize| {
        let arguments = tick(home, number);
        home.well(&arguments.each_ref().map(String::as_str));
    };
    let undisturbed = server.fresh_database();
    let at_home = home(&gate.uri(undisturbed.name()));
    well(&at_home, 0);
    let first = gate.commands().len();
    well(&at_home, 1);
    let commands = gate.commands()[first..].to_vec();
    for name in ["insert merged", "update merged", "renameCollection "] {
        assert!(
            commands.iter().any(|command| command.starts_with(name)),
            "{name} is not among {commands:?}"
        );
    }
    let expected = ["merged", "replaced"].map(|collection| content(&undisturbed, collection));
    let mut killed = 0;
    for start in 0..commands.len() {
        let database = server.fresh_database();
        let home = home(&gate.uri(database.name()));
        well(&home, 0);
        let arguments = tick(&home, 1);
        let arguments = arguments.each_ref().map(String::as_str);
        let side = if start % 2 == 0 { Side::Command } else { Side::Answer };
        killed += usize::from(kill_at(&home, &gate, &arguments, start, side));
        // Again, at the start of what the first kill left to do.
        killed += usize::from(kill_at(&home, &gate, &arguments, start % 4, Side::Answer));
        well(&home, 1);
        let found = ["merged", "replaced"].map(|collection| content(&database, collection));
        let told = format!("killed at {} ({start}), {side:?}", commands[start]);
        assert!(found == expected, "{told}");
        nothing_is_left(&database, &commands[start], &told);
    }
    assert!(
        killed >= commands.len(),
        "only {killed} processes were killed at one of {commands:?}"
    );
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
fn nothing_is_left(database: &Database<'_>, killed_at: &str, told: &str) {
    let receipts = database.find("tidemill.receipts", json!({})).len();
    let may_be_left = usize::from(killed_at == "delete tidemill.receipts");
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
