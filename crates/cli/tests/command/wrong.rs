//! Wrong use, wrong pipelines, work that fails: what is said, and the exit code.

use crate::Desk;
use cli::Status;

const FIVE_MISTAKES: &str = "\
pipeline: Orders
source:
  rest_api:
    base_url: https://api.example.com/
    rate_limit: {requests: 60, per: 1 minute}
resources:
  - name: orders
    endpont: {path: orders}
    record:
      primary_key: [idd]
      fields:
        id: {type: strng}
    load: {collection: orders}
";

#[tokio::test]
async fn a_file_with_five_mistakes_gets_five_messages() {
    let desk = Desk::empty();
    desk.write("pipelines/orders.yaml", FIVE_MISTAKES);
    let check = desk.type_in(&["check", "orders"]).await;
    insta::assert_snapshot!("five_mistakes", check.text());
    let json = desk.type_in(&["check", "orders", "--json"]).await;
    assert_eq!(json.status, Status::Wrong);
    let places: Vec<_> = json.lines()[0]["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["line"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [1, 5, 8, 10, 12]);
    // A run of it does nothing.
    let run = desk.type_in(&["run", "orders"]).await;
    assert_eq!((run.status, run.out.as_str()), (Status::Wrong, ""));
    assert!(!desk.home().exists());
}

#[tokio::test]
async fn two_files_that_write_one_collection_are_refused_together() {
    let desk = Desk::empty();
    desk.type_in(&["init", "orders"]).await;
    desk.type_in(&["init", "returns"]).await;
    insta::assert_snapshot!(desk.type_in(&["check", "orders", "returns"]).await.masked(), @r"
    pipelines/orders.yaml: no fault; pipeline orders, resource items
    --- err, exit 2
    error: pipelines/orders.yaml and pipelines/returns.yaml both write the collection `items`: give each its own
    ");
    let json = desk.type_in(&["check", "orders", "returns", "--json"]).await;
    assert_eq!(
        (json.status, json.lines()[1]["clashes"].as_array().unwrap().len()),
        (Status::Wrong, 1)
    );
    let twice = desk.type_in(&["check", "orders", "pipelines/orders.yaml"]).await;
    assert_eq!(twice.status, Status::Well, "{}", twice.err);
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_is() {
    let repository = Desk::repository();
    insta::assert_snapshot!(repository.type_in(&["run", "earthquaks"]).await.masked(), @r"
    --- err, exit 2
    error: there is no pipeline `earthquaks`; did you mean `earthquakes`?
    next: `pipelines/` holds: earthquakes, flights
    ");
    insta::assert_snapshot!(repository.type_in(&["run", "earthquakes", "--recorded", "--resource", "evnts"]).await.masked(), @r"
    --- err, exit 2
    error: the pipeline has no resource `evnts`; it has `events`
    ");
    let empty = Desk::empty();
    insta::assert_snapshot!(empty.type_in(&["run", "orders"]).await.masked(), @r"
    --- err, exit 2
    error: there is no pipeline `orders`
    next: give the path of a pipeline file, or write one in `pipelines/`: tidemill init NAME
    ");
    for command in [["runs", "--home", "nothing"], ["documents", "orders", "--home=nothing"]] {
        let said = empty.type_in(&command).await;
        assert_eq!(said.status, Status::Wrong);
        assert!(said.err.contains("no pipeline has run there"), "{}", said.err);
    }
}

#[tokio::test]
async fn a_starting_file_is_written_once_and_has_no_fault() {
    let desk = Desk::empty();
    insta::assert_snapshot!(desk.type_in(&["init", "orders"]).await.masked(), @r"
    wrote pipelines/orders.yaml
    next: edit it, then: tidemill check orders && tidemill try orders
    --- err, exit 0
    ");
    insta::assert_snapshot!(desk.type_in(&["check", "orders"]).await.masked(), @r"
    pipelines/orders.yaml: no fault; pipeline orders, resource items
    --- err, exit 0
    ");
    desk.write("pipelines/orders.yaml", "mine");
    insta::assert_snapshot!(desk.type_in(&["init", "orders"]).await.masked(), @r"
    --- err, exit 2
    error: there is a pipeline `orders` already: pipelines/orders.yaml
    next: edit it and see: tidemill check pipelines/orders.yaml
    ");
    assert_eq!(std::fs::read_to_string(desk.folder.join("pipelines/orders.yaml")).unwrap(), "mine");
    let name = desk.type_in(&["init", "My Orders"]).await;
    assert_eq!(name.status, Status::Wrong);
    assert!(name.err.contains("is not a name"), "{}", name.err);
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named_and_one_that_is_there_is_never_shown() {
    let mut desk = Desk::empty();
    desk.write(
        "pipelines/orders.yaml",
        "pipeline: orders\nsource: {files: {root: '${secret:my-shop#folder}'}}\nresources:\n  - name: orders\n    file: {path: o.ndjson}\n    record: {identity: content, fields: {id: {type: long}}}\n    load: {collection: orders}\n",
    );
    let missing = desk.type_in(&["run", "orders"]).await;
    assert_eq!(missing.status, Status::Failed);
    assert!(
        missing.err.contains("TIDEMILL_SECRET_MY_SHOP") && missing.err.contains("`.env`"),
        "{}",
        missing.err
    );
    desk.write(".env", "TIDEMILL_SECRET_MY_SHOP={\"folder\": \"https://user:t0p@shop.invalid/\"}\n");
    let file = desk.type_in(&["run", "orders"]).await;
    desk.environment
        .insert("TIDEMILL_SECRET_MY_SHOP".to_owned(), "t0p, and not JSON".to_owned());
    let variable = desk.type_in(&["run", "orders", "--json"]).await;
    for said in [file, variable] {
        assert_eq!(said.status, Status::Failed);
        assert!(!said.err.contains("t0p") && !said.out.contains("t0p"), "{}{}", said.out, said.err);
    }
}

#[tokio::test]
async fn what_there_is_only_in_the_cloud_asks_for_a_stack() {
    let desk = Desk::repository();
    for typed in [
        ["apply", "earthquakes"].as_slice(),
        &["redrive", "01M869X26REPS9TQZ60A3DBEYN"],
        &["run", "earthquakes", "--no-wait"],
    ] {
        let said = desk.type_in(typed).await;
        assert_eq!(said.status, Status::Wrong, "{typed:?}");
        assert!(
            said.err.contains("none is named") && said.err.contains("--stack NAME"),
            "{}",
            said.err
        );
    }
}

#[cfg(not(feature = "aws"))]
#[tokio::test]
async fn a_build_without_aws_says_how_to_build_it_in() {
    let desk = Desk::repository();
    for typed in [
        ["apply"].as_slice(),
        &["run", "earthquakes"],
        &["runs"],
        &["doctor"],
        &["replay", "earthquakes"],
    ] {
        let said = desk.type_in(&[typed, &["--stack", "dev"]].concat()).await;
        assert_eq!(said.status, Status::Wrong, "{typed:?}");
        assert!(said.err.contains("cargo run --release --features aws"), "{}", said.err);
    }
}
