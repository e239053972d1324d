//! The command with MongoDB as its destination, looked at by pymongo; and a server that goes and comes back while it loads.

use crate::{earthquakes, home, indexes, loaded, loaded_in_all, validator};
use serde_json::json;
use servers::mongodb::{Options, Server, shared};
use tidemill_tests::command::wait;
use tidemill_tests::gate::{Gate, Side};

const EVENTS: u64 = 1_707;

#[test]
fn earthquakes_are_in_the_database_with_validator_and_indexes_and_a_second_run_changes_nothing() {
    let database = shared().fresh_database();
    let home = home(&database.uri());
    let first = loaded(&home.well(&["run", earthquakes(), "--recorded", "--json"]));
    assert_eq!((&first["in"], &first["inserted"]), (&json!(EVENTS), &json!(EVENTS)), "{first}");

    assert_eq!(database.command(json!({"count": "earthquakes"}))["n"], EVENTS);
    let one = &database.find("earthquakes", json!({}))[0];
    assert!(["automatic", "reviewed"].contains(&one["status"].as_str().unwrap()), "{one}");
    assert_eq!(one["location"]["type"], "Point");
    assert!(
        one["occurred_at"]["$date"].is_string() && one["_tidemill"]["rank"]["$binary"].is_object(),
        "{one}"
    );
    assert_eq!(
        indexes(&database, "earthquakes"),
        json!({"_id_": {"_id": 1}, "occurred_at_-1": {"occurred_at": -1}, "location_2dsphere": {"location": "2dsphere"}})
    );
    let schema = &validator(&database, "earthquakes")["$jsonSchema"];
    assert_eq!(schema["title"], "Tidemill: earthquakes/events");
    for field in ["_id", "_tidemill", "id", "magnitude", "occurred_at", "location", "sources"] {
        assert!(schema["properties"][field].is_object(), "{field}: {schema}");
    }
    // The collection defends itself against others too.
    let foreign = database.command(json!({"insert": "earthquakes", "documents": [{"_id": "x", "magnitude": "strong"}]}));
    assert_eq!(foreign["writeErrors"][0]["code"], 121, "{foreign}");

    let before = database.find("earthquakes", json!({}));
    let second = loaded(&home.well(&["run", earthquakes(), "--recorded", "--json"]));
    assert_eq!((&second["inserted"], &second["updated"]), (&json!(0), &json!(0)), "{second}");
    assert!(second["unchanged"].as_u64() > Some(0), "{second}");
    assert_eq!(database.find("earthquakes", json!({})).len(), before.len());
}

/// All is fetched anew by another home: the documents are there already, and nothing but ranks may change.
#[test]
fn another_home_finds_them_unchanged() {
    let database = shared().fresh_database();
    home(&database.uri()).well(&["run", earthquakes(), "--recorded"]);
    let again = loaded(&home(&database.uri()).well(&["run", earthquakes(), "--recorded", "--json"]));
    assert_eq!(
        (&again["in"], &again["unchanged"], &again["inserted"], &again["updated"]),
        (&json!(EVENTS), &json!(EVENTS), &json!(0), &json!(0)),
        "{again}"
    );
}

#[test]
fn documents_are_read_from_the_database() {
    let database = shared().fresh_database();
    let home = home(&database.uri());
    home.well(&["run", earthquakes(), "--recorded"]);
    let documents = home.documents("earthquakes");
    assert_eq!(documents.len() as u64, EVENTS);
    let of_database = database.find("earthquakes", json!({}));
    let ids = |documents: &[serde_json::Value]| documents.iter().map(|document| document["_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&documents), ids(&of_database));
}

#[test]
fn a_server_that_goes_and_comes_back_is_waited_for() {
    for side in [Side::Command, Side::Answer] {
        let server = Server::start(Options::default());
        let gate = Gate::start(&server.host());
        let database = server.fresh_database();
        let home = home(&gate.uri(database.name()));
        gate.hold_next("insert earthquakes", side);
        let mut run = home.start(&["run", earthquakes(), "--recorded", "--json"]);
        assert!(gate.wait_until_held(&mut run), "{side:?}: {:?}; {:?}", wait(run), gate.commands());
        server.kill();
        gate.cut();
        server.start_again();
        let told = wait(run);
        assert_eq!(told.code, Some(0), "{side:?}: {}{}", told.out, told.err);
        let load = loaded(&told);
        assert_eq!(
            (&load["in"], &load["inserted"]),
            (&json!(EVENTS), &json!(EVENTS)),
            "{side:?}: {load}"
        );
        assert_eq!(database.command(json!({"count": "earthquakes"}))["n"], EVENTS);
    }
}

#[test]
fn a_server_that_stays_away_is_told_of_and_the_next_run_goes_on() {
    let server = Server::start(Options::default());
    let gate = Gate::start(&server.host());
    let database = server.fresh_database();
    let uri = gate.uri(database.name()) + "&serverSelectionTimeoutMS=500";
    let home = home(&uri);
    gate.hold_next("insert earthquakes", Side::Answer);
    let mut run = home.start(&["run", earthquakes(), "--recorded", "--json"]);
    assert!(gate.wait_until_held(&mut run), "{:?}", wait(run));
    server.kill();
    gate.cut();
    let told = wait(run);
    assert_ne!(told.code, Some(0), "{}{}", told.out, told.err);
    assert!(told.err.contains("MongoDB at 127.0.0.1:"), "{}", told.err);
    // Nothing is lost: what was fetched and cleaned is there, and it is said that it waits.
    server.start_again();
    let told = home.well(&["run", earthquakes(), "--recorded", "--json"]);
    let all = loaded_in_all(&home);
    assert_eq!(all["inserted"], EVENTS, "{all}; {}{}", told.out, told.err);
    assert_eq!(database.command(json!({"count": "earthquakes"}))["n"], EVENTS);
}

/// A server that is not there at the start: it is told of at once or while loading, and what was fetched is kept.
#[test]
fn a_server_that_is_not_there_costs_nothing_but_time() {
    let server = Server::start(Options::default());
    let database = server.fresh_database();
    let home = home(&format!("{}?serverSelectionTimeoutMS=500", database.uri()));
    server.stop();
    let told = home.run(&["run", earthquakes(), "--recorded", "--json"]);
    assert_ne!(told.code, Some(0), "{}{}", told.out, told.err);
    assert!(told.err.contains(&server.host()), "{}", told.err);
    server.start_again();
    home.well(&["run", earthquakes(), "--recorded"]);
    assert_eq!(loaded_in_all(&home)["inserted"], EVENTS);
    assert_eq!(database.command(json!({"count": "earthquakes"}))["n"], EVENTS);
}
