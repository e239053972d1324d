//! What `tidemill doctor` is told.

use bson::doc;
use documents::{Change, Contract, Documents, Target};
use servers::mongodb::shared;

use super::support::{ADMIN, DATABASE, WRITER, guarded, name, open};

#[tokio::test]
async fn an_open_server_is_told_of() {
    let database = shared().fresh_database();
    let store = open(&database.uri());
    let contract = Contract {
        collection: name("things"),
        owner: "shop/things".to_owned(),
        validator: doc! { "$jsonSchema": { "title": "Tidemill: shop/things" } },
        indexes: Vec::new(),
    };
    let examination = store.examine(std::slice::from_ref(&contract)).await.unwrap();
    assert_eq!(examination.database, database.name());
    assert!(
        examination.version.starts_with(|digit: char| digit.is_ascii_digit()),
        "{examination:?}"
    );
    assert!(examination.clock_ahead_ms.unwrap().abs() < 60_000, "{examination:?}");
    let [collection] = examination.collections.as_slice() else {
        panic!("{examination:?}")
    };
    assert_eq!(
        (collection.collection.as_str(), collection.owner.as_str()),
        ("things", "shop/things")
    );
    let plan = collection.plan.as_ref().unwrap();
    assert!(matches!(plan.as_slice(), [Change::CreateCollection { .. }]), "{plan:?}");
    // It only looked.
    assert_eq!(store.collections().await.unwrap(), Vec::<String>::new());

    let target = Target {
        collection: name("things"),
        version: None,
    };
    store.declare(&target, &contract).await.unwrap();
    let examination = store.examine(&[contract]).await.unwrap();
    assert_eq!(examination.collections[0].plan.as_ref().unwrap().len(), 0);
}

#[tokio::test]
async fn a_user_is_told_of() {
    let server = guarded();
    let examination = open(&server.uri_as(WRITER.0, WRITER.1, DATABASE)).examine(&[]).await.unwrap();
    assert_eq!(examination.server, server.host());
    assert_eq!(examination.users, [format!("{}@admin", WRITER.0)]);
    assert_eq!(examination.roles, [format!("readWrite@{DATABASE}")]);
    assert_eq!(examination.mechanism.as_deref(), Some("SCRAM"));
    assert!(!examination.tls);
    // What the server does not tell is not guessed.
    let told = examination
        .permissions
        .iter()
        .filter(|permission| permission.granted == Some(true))
        .count();
    let unknown = examination
        .permissions
        .iter()
        .filter(|permission| permission.granted.is_none())
        .count();
    assert!(told >= 3 || unknown == examination.permissions.len(), "{examination:?}");
    let said = format!("{examination:?}");
    assert!(!said.contains(ADMIN.1) && !said.contains("mongodb://"), "{said}");
}
