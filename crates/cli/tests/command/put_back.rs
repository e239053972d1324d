//! A pipeline file that is edited and put back: the old text is the newest again, and a definition of its own.

use crate::{Desk, lake::orders};
use cli::Status;
use std::collections::BTreeSet;

/// What stands in the documents under `total`, and whether that is a text.
async fn totals(desk: &Desk) -> Vec<String> {
    let documents = desk.type_in(&["documents", "orders"]).await;
    documents.lines().iter().map(|document| document["total"].to_string()).collect()
}

fn published(desk: &Desk) -> BTreeSet<String> {
    let folder = desk.home().join("lake/definitions/orders");
    let names = std::fs::read_dir(folder).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn edited_and_put_back(disposition: &str) {
    let desk = orders();
    let original = crate::lake::ORDERS.replace(
        "{collection: orders}",
        &format!("{{collection: orders, write_disposition: {disposition}}}"),
    );
    let edited = original.replace("total: {type: decimal, min: 0}", "total: {type: string}");
    desk.write("pipelines/orders.yaml", &original);
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    let before = totals(&desk).await;
    desk.write("pipelines/orders.yaml", &edited);
    assert_eq!(desk.type_in(&["replay", "orders"]).await.status, Status::Well);
    assert_eq!(totals(&desk).await, [r#""5""#, r#""7.50""#], "{disposition}");

    desk.write("pipelines/orders.yaml", &original);
    let replay = desk.type_in(&["replay", "orders"]).await;
    assert_eq!(replay.status, Status::Well, "{}", replay.err);
    assert_eq!(totals(&desk).await, before, "{disposition}: the older text is the newest again");
    assert_eq!(published(&desk).len(), 3, "a definition each time the newest one changed");
    // No object of the first generation was made anew under the third: each definition has its own keys.
    let versions = std::fs::read_dir(desk.home().join("lake/clean/orders/orders")).unwrap().count();
    assert_eq!(versions, 3);

    // The same again is the same definition.
    assert_eq!(desk.type_in(&["replay", "orders"]).await.status, Status::Well);
    assert_eq!((published(&desk).len(), totals(&desk).await), (3, before));
}

#[tokio::test]
async fn an_older_text_put_back_is_a_definition_of_its_own() {
    edited_and_put_back("merge").await;
    edited_and_put_back("replace").await;
}
