//! What a connection string may say, and how its faults are told.

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
    let Settings {
        options, place, secrets, ..
    } = read("mongodb://localhost").await;
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
    // Who waits under overload is one only.
    assert_eq!(options.max_adaptive_retries, Some(0));
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
    let Settings { secrets, users, .. } = read("mongodb://someone:pass%2Fword@localhost/").await;
    let shown = |hidden: &[SecretString]| -> Vec<String> { hidden.iter().map(|text| text.expose_secret().to_owned()).collect() };
    assert_eq!(shown(&secrets), ["pass%2Fword", "pass/word"]);
    assert_eq!(shown(&users), ["someone", "someone"]);
}

#[test]
fn what_is_percent_encoded_is_decoded() {
    assert_eq!(decode("a%20b%2f%C3%A9").as_deref(), Some("a b/é"));
    for wrong in ["%", "%4", "%zz", "%ff"] {
        assert_eq!(decode(wrong), None, "{wrong}");
    }
}

fn whereabouts(uri: &str) -> Result<Whereabouts, UriError> {
    Whereabouts::of(&SecretString::from(uri))
}

#[test]
fn a_uri_leads_somewhere_and_its_credentials_lead_nowhere() {
    let check = |uri: &str, expected: &str| {
        let Whereabouts { hosts, database } = whereabouts(uri).unwrap();
        assert_eq!(format!("{} {database}", hosts.join(",")), expected);
    };
    check("mongodb://localhost", "localhost:27017 tidemill");
    check(" mongodb://LOCALHOST:7/\n", "localhost:7 tidemill");
    check(
        "mongodb://ann:s3%40cret@a.example.org,b.example.org:27018/shop?tls=true",
        "a.example.org:27017,b.example.org:27018 shop",
    );
    check(
        "mongodb+srv://ann:s3cret@Cluster0.example.org/?w=1",
        "cluster0.example.org tidemill",
    );
    check("mongodb://[::1]:27018/x", "[::1]:27018 x");
    check("mongodb://[::1]/x", "[::1]:27017 x");
    check("mongodb://%2FTmp%2Fmongodb-27017.sock/x", "/Tmp/mongodb-27017.sock x");
}

#[test]
fn what_leads_nowhere_is_not_repeated() {
    let check = |uri: &str, expected: &str| {
        let said = whereabouts(uri).unwrap_err().to_string();
        assert!(said.contains(expected) && !said.contains("s3"), "{uri}: {said}");
    };
    check("localhost:27017", "must begin with");
    check("postgres://ann:s3cret@localhost", "must begin with");
    for uri in ["ann:s3@cret@localhost/x", "ann:s3/cret@localhost/x", "ann:s3?cret@localhost/x"] {
        check(&format!("mongodb://{uri}"), "percent-encoded");
    }
    check("mongodb://ann:s3cret/x", "a port is not a number");
    check("mongodb://ann:s3cret@/x", "names no host");
    check("mongodb://a,,b", "a host has characters that no host has");
    check("mongodb://a/s3 cret", "user, password, database");
}

#[test]
fn the_uris_own_database_goes_first() {
    for (uri, expected) in [
        ("mongodb://h/shop", "mongodb://h/shop"),
        ("mongodb://h/shop?w=1", "mongodb://h/shop?w=1"),
        ("mongodb://h", "mongodb://h/other"),
        (" mongodb://u:p%2F@h:1,i:2/ \n", "mongodb://u:p%2F@h:1,i:2/other?authSource=admin"),
        ("mongodb://u:p@h/?", "mongodb://u:p@h/other?authSource=admin"),
        ("mongodb://u:p@h/?w=1", "mongodb://u:p@h/other?w=1&authSource=admin"),
        (
            "mongodb://u:p@h/?authMechanism=SCRAM-SHA-256",
            "mongodb://u:p@h/other?authMechanism=SCRAM-SHA-256&authSource=admin",
        ),
        ("mongodb://u:p@h/?AUTHSOURCE=x", "mongodb://u:p@h/other?AUTHSOURCE=x"),
        (
            "mongodb://u@h/?authMechanism=MONGODB-X509",
            "mongodb://u@h/other?authMechanism=MONGODB-X509",
        ),
        ("mongodb://h/?w=1&authSource=a", "mongodb://h/other?w=1&authSource=a"),
        ("mongodb+srv://h?w=1", "mongodb+srv://h/other?w=1"),
        ("nonsense", "nonsense"),
    ] {
        assert_eq!(with_database(uri, "other"), expected);
    }
}
