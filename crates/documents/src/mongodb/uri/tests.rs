#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use mongodb::options::{Acknowledgment, Compressor, ReadConcernLevel};

use super::*;

async fn read(uri: &str) -> Settings {
    match settings(&SecretString::from(uri)).await {
        Ok(settings) => settings,
        Err(fault) => panic!("{}", fault.text),
    }
}

#[tokio::test]
async fn what_a_uri_leaves_out_is_filled_in() {
    let Settings { options, place, secrets } = read("mongodb://localhost").await;
    assert_eq!(
        place,
        Place {
            server: "localhost:27017".to_owned(),
            database: "tidemill".to_owned()
        }
    );
    assert_eq!(options.app_name.as_deref(), Some("tidemill"));
    assert_eq!(options.max_pool_size, Some(4));
    assert_eq!(options.connect_timeout, Some(CONNECT_MAX));
    assert_eq!(options.server_selection_timeout, Some(SELECTION_MAX));
    assert_eq!(options.compressors, None);
    assert!(secrets.is_empty());
}

#[tokio::test]
async fn what_must_hold_holds_whatever_the_uri_says() {
    let weak = "w=1&readConcernLevel=local&readPreference=secondary&retryWrites=false&retryReads=false&maxPoolSize=50&minPoolSize=3";
    let Settings { options, place, .. } = read(&format!("mongodb://localhost:1,127.0.0.1:2/shop?{weak}\n")).await;
    assert_eq!(place.server, "localhost:1, 127.0.0.1:2");
    assert_eq!(place.database, "shop");
    let write = options.write_concern.unwrap();
    assert_eq!((write.w, write.w_timeout), (Some(Acknowledgment::Majority), Some(MAJORITY_MAX)));
    assert_eq!(options.read_concern.unwrap().level, ReadConcernLevel::Majority);
    assert_eq!(
        options.selection_criteria,
        Some(SelectionCriteria::ReadPreference(ReadPreference::Primary))
    );
    assert_eq!((options.retry_writes, options.retry_reads), (Some(true), Some(true)));
    assert_eq!((options.max_pool_size, options.min_pool_size), (Some(4), None));
}

#[tokio::test]
async fn what_a_uri_may_choose_it_chooses() {
    let chosen = "appName=shop&maxPoolSize=2&connectTimeoutMS=100&serverSelectionTimeoutMS=200&compressors=zstd";
    let Settings { options, .. } = read(&format!("mongodb://localhost/?{chosen}")).await;
    assert_eq!(options.app_name.as_deref(), Some("shop"));
    assert_eq!(options.max_pool_size, Some(2));
    assert_eq!(options.connect_timeout, Some(Duration::from_millis(100)));
    assert_eq!(options.server_selection_timeout, Some(Duration::from_millis(200)));
    assert_eq!(options.compressors, Some(vec![Compressor::Zstd { level: None }]));
}

#[tokio::test]
async fn what_no_text_may_hold_is_known_as_written_and_as_meant() {
    let Settings { secrets, .. } = read("mongodb://someone:pass%2Fword@localhost/").await;
    let secrets: Vec<&str> = secrets.iter().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["pass%2Fword", "pass/word", "someone", "someone"]);
}

#[test]
fn what_is_percent_encoded_is_decoded() {
    assert_eq!(decode("a%20b%2f%C3%A9").as_deref(), Some("a b/é"));
    for wrong in ["%", "%4", "%zz", "%ff"] {
        assert_eq!(decode(wrong), None, "{wrong}");
    }
}
