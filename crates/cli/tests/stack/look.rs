//! What was run is looked at over the cloud's adapters by the same commands as at home.

use crate::desk::Desk;
use cli::{
    local::{Home, Place, Places, Request, Runner, clock::SystemClock, pipelines, secrets::Secrets},
    output::progress::Progress,
};
use documents::{Documents, MongoDocuments, mongodb::Fixed};
use lake::Key;
use servers::mongodb::{Database, shared};
use std::{collections::BTreeMap, sync::Arc};

/// Runs `orders` by functions in this process, on what the stack keeps.
async fn run(desk: &Desk, database: &Database<'_>) {
    let documents: Arc<dyn Documents> = Arc::new(MongoDocuments::new(Arc::new(Fixed::new(database.uri().into()))));
    let ports = desk.ports(documents.clone());
    let home = Home {
        folder: desk.folder(),
        store: ports.store,
        ledger: ports.ledger,
        documents: ports.documents,
        definitions: ports.definitions,
        place: Place::of_uri(&database.uri().into()).unwrap(),
        places: Places::of_home(&desk.folder()),
    };
    let secrets = Secrets::new(&BTreeMap::new(), &desk.folder()).unwrap();
    let runner = Runner::new(home, Arc::new(SystemClock), Arc::new(Progress::silent()), secrets);
    let found = pipelines::find("orders", &desk.folder()).unwrap();
    let request = Request {
        checked: found.checked,
        text: found.text,
        folder: desk.folder(),
        resource: None,
        base_url: None,
        pages_max: None,
    };
    let reports = runner.run(&request).await.unwrap();
    assert!(reports[0].error.is_none() && reports[0].problems.is_empty(), "{reports:?}");
    documents.close().await;
}

async fn desk_with_a_run(database: &Database<'_>) -> Desk {
    let mut desk = Desk::new();
    desk.mongodb = Some(database.uri());
    desk.pipeline("orders", "rate(1 hour)");
    desk.write("orders.csv", "id,total\na1,10.5\na2,-3\na3,7\n");
    let applied = desk.type_in(&["apply"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.out.contains("+ collection"), "{applied:?}");
    run(&desk, database).await;
    desk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_that_look_are_the_same_as_at_home() {
    let database = shared().fresh_database();
    let desk = desk_with_a_run(&database).await;
    let again = desk.type_in(&["apply"]);
    assert!(again.out.contains("nothing to change"), "{again:?}");
    let runs = desk.type_in(&["runs", "--json"]);
    let [run] = runs.json().try_into().unwrap();
    assert_eq!((&run["clean"]["in"], &run["clean"]["rejected"], &run["load"]["inserted"]), (&3.into(), &1.into(), &2.into()));
    let rejects = desk.type_in(&["rejects", "orders", "--by", "reason"]);
    assert!(rejects.code == 0 && rejects.out.contains("total"), "{rejects:?}");
    let documents = desk.type_in(&["documents", "orders"]);
    assert_eq!(documents.out.lines().count(), 2, "{documents:?}");
    let explained = desk.type_in(&["explain", "orders", "a1"]);
    let expected = format!("aws s3 cp s3://{}/raw/orders/orders/", desk.names.lake());
    assert!(explained.code == 0 && explained.out.contains(&expected), "{explained:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_what_has_expired_says_so() {
    let database = shared().fresh_database();
    let desk = desk_with_a_run(&database).await;
    let nothing = desk.type_in(&["replay", "orders", "--since", "2999-01-01"]);
    assert_eq!(nothing.code, 0, "{nothing:?}");
    let documents: Arc<dyn Documents> = Arc::new(MongoDocuments::new(Arc::new(Fixed::new(database.uri().into()))));
    let store = desk.ports(documents).store;
    for key in store.list("raw/", None, 10).await.unwrap() {
        // As the bucket's lifecycle does.
        store.delete(&Key::parse(key.as_str()).unwrap()).await.unwrap();
    }
    let said = desk.type_in(&["replay", "orders"]);
    assert!(said.code == 1 && said.err.contains("raw/ of orders/orders has expired"), "{said:?}");
}
