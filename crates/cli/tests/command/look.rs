//! Looking at what is there: documents, runs, explanations; and `try`, which leaves nothing.

use crate::Desk;
use cli::Status;

#[tokio::test]
async fn a_document_is_traced_to_its_raw_line() {
    let desk = Desk::repository();
    desk.type_in(&["run", "earthquakes", "--recorded"]).await;
    let text = desk.type_in(&["explain", "earthquakes", "ci37868143"]).await;
    assert_eq!(text.status, Status::Well, "{}", text.err);
    let table = &text.out[text.out.find("field  ").unwrap()..];
    insta::assert_snapshot!("explain_table", table);
    let json = desk.type_in(&["explain", "earthquakes", "ci37868143", "--json"]).await;
    let object = &json.lines()[0];
    assert_eq!(object["document"]["magnitude"], 2.0);
    assert_eq!(object["record"]["properties"]["mag"], 2);
    let key = object["raw"]["key"].as_str().unwrap();
    assert!(desk.home().join("lake").join(key).is_file(), "{key}");
    let absent = desk.type_in(&["explain", "earthquakes", "nothing"]).await;
    insta::assert_snapshot!(absent.masked(), @r"
    --- err, exit 1
    error: there is no document with the key `nothing` of `events`
    next: it may have been rejected, or refused by the store: tidemill rejects earthquakes
    ");
}

/// The first command of who finds the database gone.
#[tokio::test]
async fn documents_that_are_gone_are_missed() {
    let desk = Desk::repository();
    desk.type_in(&["run", "earthquakes", "--recorded"]).await;
    assert_eq!(desk.type_in(&["doctor", "earthquakes"]).await.status, Status::Well);
    for file in ["documents.db", "documents.db-wal", "documents.db-shm"] {
        drop(std::fs::remove_file(desk.home().join(file)));
    }
    let said = desk.type_in(&["doctor", "earthquakes"]).await;
    assert_eq!(said.status, Status::Failed, "{}", said.out);
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("documents were loaded into it, and it is gone"), "{told}");
    assert!(
        told.contains("tidemill restore") && told.contains("tidemill replay earthquakes"),
        "{told}"
    );
}

#[tokio::test]
async fn a_key_of_several_fields_is_written_as_json() {
    let desk = Desk::repository();
    desk.type_in(&["run", "flights", "--recorded", "--resource", "weather"]).await;
    let key = r#"{"origin": "EWR", "observed_at": "2013-01-01T06:00:00Z"}"#;
    let found = desk.type_in(&["explain", "flights", key, "--json"]).await;
    assert_eq!(found.lines()[0]["document"]["temperature_f"], 39.02, "{}", found.err);
    let wrong = desk.type_in(&["explain", "flights", "EWR", "--resource", "weather"]).await;
    assert_eq!(wrong.status, Status::Wrong);
    assert!(
        wrong.err.contains("write it as {\"origin\": …, \"observed_at\": …}"),
        "{}",
        wrong.err
    );
}

#[tokio::test]
async fn documents_come_in_the_order_of_their_keys_and_as_many_as_wished_for() {
    let desk = Desk::repository();
    desk.type_in(&["run", "flights", "--recorded", "--resource", "planes"]).await;
    let all = desk.type_in(&["documents", "planes"]).await;
    let keys: Vec<String> = all
        .lines()
        .iter()
        .map(|document| document["_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 3322);
    assert!(keys.is_sorted());
    for limit in [0, 1, 500, 501] {
        let some = desk.type_in(&["documents", "planes", "--limit", &limit.to_string()]).await;
        let first: String = all.out.split_inclusive('\n').take(limit).collect();
        assert_eq!(some.out, first);
    }
    let misspelt = desk.type_in(&["documents", "plane"]).await;
    insta::assert_snapshot!(misspelt.masked(), @r"
    --- err, exit 2
    error: there is no collection `plane`
    next: there is: planes
    ");
}

#[tokio::test]
async fn runs_are_listed_with_their_numbers() {
    let desk = Desk::repository();
    desk.type_in(&["run", "flights", "--recorded", "--resource", "airlines"]).await;
    let table = desk.type_in(&["runs"]).await;
    insta::assert_snapshot!("runs", table.masked());
    let json = desk.type_in(&["runs", "flights", "--json"]).await;
    let object = &json.lines()[0];
    assert_eq!((&object["state"], &object["load"]["inserted"]), (&"extracted".into(), &16.into()));
    let none = desk.type_in(&["runs", "nothing"]).await;
    assert_eq!(none.status, Status::Wrong);
}

#[tokio::test]
async fn a_trial_shows_a_page_and_leaves_nothing() {
    let desk = Desk::repository();
    let text = desk
        .type_in(&["try", "flights", "--recorded", "--resource", "airlines", "--limit", "2"])
        .await;
    assert_eq!(text.status, Status::Well, "{}", text.err);
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(lines[0], "airlines: 2 of 16 documents");
    assert!(
        lines[1].starts_with(r#"{"_id":"9E","carrier":"9E","name":"Endeavor Air Inc.""#),
        "{}",
        lines[1]
    );
    assert!(text.out.contains("nothing was kept"), "{}", text.out);
    let json = desk.type_in(&["try", "earthquakes", "--recorded", "--json", "--limit", "1"]).await;
    let object = &json.lines()[0];
    assert_eq!(
        (&object["extract"]["captures"], object["documents"].as_array().unwrap().len()),
        (&1.into(), 1)
    );
    assert!(!desk.home().exists());
}

#[tokio::test]
async fn the_schema_is_json() {
    let said = Desk::empty().type_in(&["schema"]).await;
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["title"], "A Tidemill pipeline");
}
