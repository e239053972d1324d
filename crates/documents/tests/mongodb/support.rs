//! What the tests have in common.

use std::sync::{Arc, OnceLock};

use documents::mongodb::{Fixed, MongoDocuments};
use documents::{Documents, DocumentsError};
use pipeline::Name;
use secrecy::SecretString;
use serde_json::json;
use servers::mongodb::{Options, Server, User};

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn open(uri: &str) -> MongoDocuments {
    MongoDocuments::new(Arc::new(Fixed::new(SecretString::from(uri))))
}

/// The URI with one more option.
pub fn with(uri: &str, option: &str) -> String {
    let sign = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{sign}{option}")
}

/// What comes of the simplest call that needs a server and a user.
pub async fn call(store: &MongoDocuments) -> Result<Option<u64>, DocumentsError> {
    store.count(&name("things")).await
}

pub async fn failure(uri: &str) -> DocumentsError {
    call(&open(uri)).await.unwrap_err()
}

pub const ADMIN: (&str, &str) = ("chief", "chief's own");
/// May only read the database `shop`.
pub const READER: (&str, &str) = ("reader", "reads/all:day@home");
/// May do in the database `shop` what the role `readWrite` allows.
pub const WRITER: (&str, &str) = ("writer", "writes");
pub const DATABASE: &str = "shop";

/// A server that everybody must sign in to.
pub fn guarded() -> &'static Server {
    static GUARDED: OnceLock<Server> = OnceLock::new();
    GUARDED.get_or_init(|| {
        let user = |(name, password): (&str, &str), role: &str| User {
            database: "admin".to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
            roles: json!([{"role": role, "db": DATABASE}]),
        };
        Server::start(Options {
            auth: Some((ADMIN.0.to_owned(), ADMIN.1.to_owned())),
            users: vec![user(READER, "read"), user(WRITER, "readWrite")],
            ..Options::default()
        })
    })
}
