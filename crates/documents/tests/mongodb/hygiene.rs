//! Nothing of a URI is in any text.

use std::error::Error;

use documents::DocumentsError;
use documents::mongodb::Fixed;
use proptest::prelude::*;
use secrecy::SecretString;

use super::support::{DATABASE, call, failure, guarded, name, open};

const CANARY: &str = "Canary7Xq";

/// Everything that an error can say.
fn said(error: &DocumentsError) -> String {
    let mut said = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        said.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    said
}

#[tokio::test]
async fn what_is_wrong_with_a_uri_is_said_by_its_part() {
    let cases = [
        ("", "empty"),
        ("CANARY", "mongodb://"),
        ("http://u:CANARY@localhost/", "mongodb://"),
        ("mongodb://", "no host"),
        ("mongodb://u:CANARY@/x", "no host"),
        ("mongodb://u:CANARY@a@localhost/x", "percent-encoded"),
        ("mongodb://u:CANARY/a@localhost/x", "percent-encoded"),
        ("mongodb://u:CANARY?a@localhost/x", "percent-encoded"),
        ("mongodb://u:CANARY:a@localhost/x", "percent-encoded"),
        ("mongodb://u:CANARY%zz@localhost/x", "percent-encoded"),
        ("mongodb://CANARY%4:p@localhost/x", "percent-encoded"),
        ("mongodb://localhost/x?appName=CANARY@home", "percent-encoded"),
        ("mongodb://u:CANARY", "port"),
        ("mongodb://u:CANARY/x", "port"),
        ("mongodb://u:CANARY@localhost:port/x", "port"),
        ("mongodb://u:CANARY@local_host!/x", "host"),
        ("mongodb+srv://u:CANARY@a.example.com,b.example.com/x", "one host"),
        ("mongodb+srv://u:CANARY@a.example.com:27017/x", "one host"),
        ("mongodb://u:CANARY@localhost/x?retryWrites=CANARY", "`retryWrites`"),
        ("mongodb://u:CANARY@localhost/x?TLS=CANARY", "`tls`"),
        ("mongodb://u:CANARY@localhost/x?connectTimeoutMS=CANARY", "`connectTimeoutMS`"),
        ("mongodb://u:CANARY@localhost/x?CANARY", "options"),
        ("mongodb://u:CANARY@localhost/x?authMechanism=CANARY", "`authMechanism` must"),
        ("mongodb://u:CANARY@localhost/x?authMechanism=GSSAPI", "`authMechanism` must"),
        ("mongodb://u:CANARY@localhost/x?authMechanism=MONGODB-X509", "X.509"),
        ("mongodb://u@localhost/x?authMechanism=SCRAM-SHA-256", "password"),
        ("mongodb://u:CANARY@localhost/CANARY%20a", "database"),
        ("mongodb://u:CANARY@db.example.com/x", "tls=true"),
    ];
    for (uri, words) in cases {
        let uri = uri.replace("CANARY", CANARY);
        let error = failure(&uri).await;
        let DocumentsError::Uri { problem } = &error else {
            panic!("{uri}: {error:?}")
        };
        assert!(problem.contains(words), "{uri}: {problem}");
        assert!(!said(&error).contains(CANARY), "{uri}: {error:?}");
    }
}

#[cfg(not(feature = "mongodb-aws"))]
#[tokio::test]
async fn a_build_without_aws_says_so() {
    let error = failure("mongodb://localhost/x?authMechanism=MONGODB-AWS&authSource=%24external").await;
    assert!(error.to_string().contains("--features mongodb-aws"), "{error}");
}

#[tokio::test]
async fn an_alien_answer_says_nothing_of_the_uri() {
    let server = guarded();
    for option in [
        "",
        "authMechanism=SCRAM-SHA-1",
        "authMechanism=SCRAM-SHA-256",
        "authSource=elsewhere",
    ] {
        let uri = format!("mongodb://{CANARY}user:{CANARY}pass@{}/{DATABASE}?{option}", server.host());
        let store = open(&uri);
        let error = call(&store).await.unwrap_err();
        assert!(matches!(error, DocumentsError::SignIn { .. }), "{error:?}");
        assert!(!said(&error).contains(CANARY), "{error:?}");
        assert!(!format!("{store:?}").contains(CANARY));
    }
    let fixed = Fixed::new(SecretString::from(format!("mongodb://u:{CANARY}@localhost")));
    assert!(!format!("{fixed:?} {fixed:#?}").contains(CANARY));
}

fn piece() -> impl Strategy<Value = String> {
    let parts = [
        "/",
        "?",
        "#",
        "@",
        ":",
        "%",
        "%40",
        "&",
        "=",
        ",",
        "[",
        "]",
        ".",
        " ",
        "$",
        "\u{e9}",
        "\n",
        "a",
        "7",
        "tls=true",
        "authMechanism=",
    ];
    proptest::collection::vec(proptest::sample::select(parts.to_vec()), 0..4).prop_map(|parts| parts.concat())
}

/// The canary at the password's place, beside what a password must not have.
fn uris() -> impl Strategy<Value = String> {
    let scheme = proptest::sample::select(vec!["mongodb://", "mongodb+srv://", "mongodb:/", ""]);
    let hosts = proptest::sample::select(vec![
        "@127.0.0.1:1",
        "@localhost:1",
        "@db.example.invalid",
        "@",
        "127.0.0.1:1",
        "@127.0.0.1:x",
    ]);
    let rest = proptest::sample::select(vec![
        "",
        "/",
        "/x",
        "/x?tls=true",
        "/x?ssl=9",
        "/?authMechanism=MONGODB-X509",
        "/?w=majority&compressors=zstd",
    ]);
    (scheme, piece(), piece(), piece(), hosts, rest)
        .prop_map(|(scheme, user, before, after, hosts, rest)| format!("{scheme}u{user}:{before}{CANARY}{after}{hosts}{rest}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_text_holds_a_password(uri in uris()) {
        let sign = if uri.contains('?') { '&' } else { '?' };
        // What can be connected to is given up at once.
        let uri = format!("{uri}{sign}serverSelectionTimeoutMS=1");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(async {
            let store = open(&uri);
            documents::Documents::get(&store, &name("things"), bson::RawBsonRef::Int32(1), true).await.unwrap_err()
        });
        prop_assert!(!said(&error).contains(CANARY), "{:?}", error);
    }
}
