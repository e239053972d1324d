//! Who the command is to the server: a wrong password, a user who may not, a certificate that nobody signed. A clear error, and never the secret.

use crate::{earthquakes, home};
use serde_json::json;
use servers::mongodb::{Options, Server, User};
use tidemill_tests::command::Told;

const PASSWORD: &str = "s3cr3t/p@ss:word";

/// Every way in which the password could be written.
const SECRETS: &[&str] = &["s3cr3t", "p@ss:word", "p%40ss%3Aword"];

fn server() -> Server {
    Server::start(Options {
        auth: Some(("keeper".to_owned(), PASSWORD.to_owned())),
        users: vec![
            User {
                database: "admin".to_owned(),
                name: "loader".to_owned(),
                password: PASSWORD.to_owned(),
                roles: json!([{"role": "readWrite", "db": "d"}, {"role": "dbAdmin", "db": "d"}]),
            },
            User {
                database: "admin".to_owned(),
                name: "reader".to_owned(),
                password: PASSWORD.to_owned(),
                roles: json!([{"role": "read", "db": "d"}]),
            },
        ],
        ..Options::default()
    })
}

fn says_nothing_secret(told: &Told) {
    for secret in SECRETS {
        assert!(
            !told.out.contains(secret) && !told.err.contains(secret),
            "{secret}: {}{}",
            told.out,
            told.err
        );
    }
}

#[test]
fn who_may_is_let_in_and_who_may_not_is_told_so() {
    let server = server();
    let cases = [
        (server.uri_as("loader", PASSWORD, "d"), 0, ""),
        // A wrong password, which is a secret too: it may be the right one of another system.
        (server.uri_as("loader", &format!("{PASSWORD}2"), "d"), 1, "does not let Tidemill in"),
        (server.uri_as("nobody", PASSWORD, "d"), 1, "does not let Tidemill in"),
        (server.uri_as("reader", PASSWORD, "d"), 1, "the user may not do so"),
        (server.uri_as("loader", PASSWORD, "another"), 1, "the user may not do so"),
    ];
    for (uri, code, words) in cases {
        for json in [&["--json"][..], &[]] {
            let home = home(&uri);
            let told = home.run(&[&["run", earthquakes(), "--recorded"], json].concat());
            says_nothing_secret(&told);
            assert_eq!(told.code, Some(code), "{words}: {}{}", told.out, told.err);
            assert!(told.err.contains(words), "{words}: {}{}", told.out, told.err);
            let look = home.run(&["doctor", "--json"]);
            says_nothing_secret(&look);
        }
    }
    assert_eq!(server.command("d", json!({"count": "earthquakes"}))["n"], 1_707);
}

#[test]
fn what_was_fetched_while_it_was_shut_out_is_loaded_when_it_is_let_in() {
    let server = server();
    let uri = |password: &str| server.uri_as("loader", password, "d");
    let home = home_by_file(&uri("wrong"));
    let told = home.run(&["run", earthquakes(), "--recorded"]);
    assert_eq!(told.code, Some(1), "{}{}", told.out, told.err);
    // The same home, the password put right in `.env`.
    std::fs::write(home.folder().join(".env"), env_file(&uri(PASSWORD))).unwrap();
    home.well(&["run", earthquakes(), "--recorded"]);
    assert_eq!(server.command("d", json!({"count": "earthquakes"}))["n"], 1_707);
    assert_eq!(crate::loaded_in_all(&home)["inserted"], 1_707);
}

fn home_by_file(uri: &str) -> tidemill_tests::command::Home {
    let home = tidemill_tests::command::Home::new(env!("CARGO_BIN_EXE_tidemill-under-test"));
    std::fs::write(home.folder().join(".env"), env_file(uri)).unwrap();
    home
}

fn env_file(uri: &str) -> String {
    format!("{}={uri}\n", crate::VARIABLE)
}
