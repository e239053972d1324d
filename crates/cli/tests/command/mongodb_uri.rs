//! A `TIDEMILL_MONGODB_URI` that can't be used: said at once, with exit code 2, and nothing of it repeated but host and database.

use crate::{
    Desk,
    lake::{ORDERS, orders},
};
use cli::Status;

async fn check(uri: &str, said: &str) {
    for (place, typed) in [
        ("environment", ["run", "orders"].as_slice()),
        ("file", &["run", "orders", "--json"]),
        ("environment", &["doctor", "orders"]),
    ] {
        let mut desk = orders();
        match place {
            "file" => desk.write(".env", &format!("TIDEMILL_MONGODB_URI=\"{uri}\"\n")),
            _ => drop(desk.environment.insert("TIDEMILL_MONGODB_URI".to_owned(), uri.to_owned())),
        }
        let typed = desk.type_in(typed).await;
        let text = typed.text();
        assert_eq!(typed.status, Status::Wrong, "{text}");
        assert!(text.contains(said), "{text}");
        assert!(text.contains("next: ") || text.contains("\"next\":"), "{text}");
        for secret in ["ann", "s3", "cret"] {
            assert!(!text.contains(secret), "{text}");
        }
        // Nothing was begun.
        assert!(!desk.home().join("lake/raw").exists());
    }
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn a_uri_that_cannot_be_used_is_wrong_use() {
    check("postgres://ann:s3cret@localhost", "begin with `mongodb://`").await;
    check("mongodb://ann:s3/cret@localhost", "`%40`").await;
    check("mongodb://ann:s3cret@", "it names no host").await;
    check("mongodb://ann:s3cret@db.example.org/shop", "without TLS").await;
    check(
        "mongodb://ann:s3cret@localhost/shop?connectTimeoutMS=soon",
        "has a value that it can't have",
    )
    .await;
}

#[cfg(not(feature = "mongodb"))]
#[tokio::test]
async fn a_command_without_mongodb_says_so() {
    check("mongodb://ann:s3cret@localhost", "was built without MongoDB").await;
}

/// The home's own store: the doctor has nothing to hold against it.
#[tokio::test]
async fn the_doctor_knows_a_home_without_mongodb() {
    let desk = orders();
    let before = desk.type_in(&["doctor"]).await;
    assert_eq!(before.status, Status::Well, "{}", before.text());
    assert!(before.out.contains("nothing has run here yet"), "{}", before.out);
    assert!(!desk.home().exists());
    desk.type_in(&["run", "orders"]).await;
    let after = desk.type_in(&["doctor", "--json"]).await;
    let object = &after.lines()[0];
    assert_eq!(object["well"], true);
    assert_eq!(object["documents"]["store"], "embedded");
    assert_eq!(object["collections"][0]["documents"], 2);
    assert_eq!(object["collections"][0]["differs"], serde_json::Value::Null);
    // A file with faults is wrong, and the others are looked at all the same.
    desk.write("pipelines/orders.yaml", &ORDERS.replace("type: long", "type: lng"));
    let faulty = desk.type_in(&["doctor"]).await;
    assert_eq!(faulty.status, Status::Failed);
    assert!(
        faulty
            .out
            .contains("wrong: pipelines/orders.yaml has a fault\nnext: tidemill check orders\n"),
        "{}",
        faulty.out
    );
    let unknown = desk.type_in(&["doctor", "odrers"]).await;
    assert_eq!(unknown.status, Status::Wrong);
    assert!(unknown.err.contains("did you mean `orders`?"), "{}", unknown.err);
}

#[tokio::test]
async fn a_home_keeps_its_documents_when_the_variable_is_empty() {
    let mut desk = orders();
    desk.environment.insert("TIDEMILL_MONGODB_URI".to_owned(), String::new());
    assert_eq!(desk.type_in(&["run", "orders"]).await.status, Status::Well);
    assert_eq!(Desk::empty().type_in(&["doctor"]).await.status, Status::Well);
    assert!(desk.home().join("documents.db").is_file());
}
