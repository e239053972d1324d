//! A laptop's documents, moved into a MongoDB by way of a backup.

use crate::{Desk, lake::orders};
use cli::Status;
use serde_json::{Value, json};
use servers::mongodb::shared;

async fn type_well(desk: &Desk, typed: &[&str]) -> crate::Said {
    let said = desk.type_in(typed).await;
    assert_eq!(said.status, Status::Well, "{typed:?} {}", said.text());
    said
}

#[tokio::test]
async fn the_archive_of_a_laptop_is_restored_into_mongodb() {
    let mut desk = orders();
    type_well(&desk, &["run", "orders"]).await;
    type_well(&desk, &["backup"]).await;
    let at_home = type_well(&desk, &["documents", "orders"]).await.out;
    let database = shared().fresh_database();
    desk.environment.insert("TIDEMILL_MONGODB_URI".to_owned(), database.uri());
    // There is nothing in the way, and it is another database: nobody is asked.
    let moved = type_well(&desk, &["restore", "--json"]).await;
    let report = &moved.lines()[0];
    let orders = report["collections"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["collection"] == "orders")
        .unwrap();
    assert_eq!((&orders["documents"], &orders["dropped"]), (&json!(2), &json!(false)), "{report}");
    assert_eq!(
        (report["restored"].as_u64() >= Some(2), &report["already_there"]),
        (true, &json!(0)),
        "{report}"
    );
    assert_eq!(type_well(&desk, &["documents", "orders"]).await.out, at_home);
    let ids: Vec<Value> = database
        .find("orders", json!({}))
        .iter()
        .map(|document| document["_id"].clone())
        .collect();
    assert_eq!(ids, [1, 2]);
    // Loaders go on there, by rank: what was restored is known to them.
    let replayed = type_well(&desk, &["replay", "orders", "--json"]).await;
    let load = &replayed.lines()[0]["load"];
    assert_eq!((&load["inserted"], &load["updated"]), (&json!(0), &json!(0)), "{load}");

    // And a backup of that comes back over what was changed.
    type_well(&desk, &["backup"]).await;
    database.command(json!({"delete": "orders", "deletes": [{"q": {"_id": 1}, "limit": 1}]}));
    let refused = desk.type_in(&["restore"]).await;
    assert!(
        refused.status == Status::Wrong && refused.err.contains("say --yes"),
        "{}",
        refused.text()
    );
    type_well(&desk, &["restore", "--yes"]).await;
    assert_eq!(type_well(&desk, &["documents", "orders"]).await.out, at_home);
    type_well(&desk, &["doctor"]).await;
    type_well(&desk, &["backup", "drill"]).await;
}
