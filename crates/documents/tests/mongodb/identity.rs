//! Who may come in, and what is said to those who may not; a server that goes and comes back; credentials that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bson::doc;
use documents::mongodb::{MongoDocuments, Uri, UriError};
use documents::{Contract, Documents, DocumentsError, Target};
use secrecy::SecretString;
use serde_json::{Value, json};
use servers::mongodb::{Options, Server};

use super::support::{DATABASE, READER, WRITER, call, failure, guarded, name, open, with};

#[tokio::test]
async fn a_password_of_special_characters_lets_in() {
    let server = guarded();
    assert_eq!(call(&open(&server.uri_as(READER.0, READER.1, DATABASE))).await.unwrap(), None);
}

#[tokio::test]
async fn who_is_not_known_is_told_so() {
    let server = guarded();
    for (user, password) in [(READER.0, "wrong password"), ("nobody", "wrong password")] {
        let error = failure(&server.uri_as(user, password, DATABASE)).await;
        let DocumentsError::SignIn { server: at, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*at, server.host());
        assert!(!error.passes());
        let said = format!("{error} {error:?}");
        assert!(!said.contains("wrong password") && !said.contains(user), "{said}");
    }
    // Without a user at all.
    let error = failure(&format!("mongodb://{}/{DATABASE}", server.host())).await;
    assert!(
        matches!(error, DocumentsError::Denied { .. } | DocumentsError::SignIn { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_a_user_may_not_do_is_said_with_action_and_collection() {
    let store = open(&guarded().uri_as(READER.0, READER.1, DATABASE));
    let contract = Contract {
        collection: name("things"),
        owner: "shop/things".to_owned(),
        validator: doc! {},
        indexes: Vec::new(),
    };
    let target = Target {
        collection: name("things"),
        version: None,
    };
    let error = store.declare(&target, &contract).await.unwrap_err();
    let DocumentsError::Denied { collection, database, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((collection.as_str(), database.as_str()), ("things", DATABASE));
    assert!(error.to_string().contains("readWrite"), "{error}");
    assert!(!error.passes());
}

#[tokio::test]
async fn tls_is_required_except_to_this_machine() {
    let remote = ["db.example.com", "10.0.0.1:27017", "127.0.0.1,db.example.com"];
    for host in remote {
        let error = failure(&format!("mongodb://{host}/x")).await;
        let DocumentsError::Uri { problem } = &error else {
            panic!("{error:?}")
        };
        assert!(problem.contains("tls=true"), "{error}");
        for option in ["tlsInsecure=true", "tlsAllowInvalidCertificates=true"] {
            let error = failure(&format!("mongodb://{host}/x?tls=true&{option}")).await;
            let DocumentsError::Uri { problem } = &error else {
                panic!("{error:?}")
            };
            assert!(problem.contains("tlsCAFile"), "{error}");
        }
    }
    let here = [
        "127.0.0.1:1",
        "127.3.2.1:1",
        "[::1]:1",
        "localhost:1",
        "LOCALHOST:1",
        "%2Ftmp%2Fthere-is-none.sock",
    ];
    for host in here {
        let error = failure(&format!("mongodb://{host}/?serverSelectionTimeoutMS=100")).await;
        assert!(matches!(error, DocumentsError::Unreachable { .. }), "{host}: {error:?}");
        assert!(error.passes());
    }
}

#[tokio::test]
async fn a_server_that_went_is_missed_and_one_that_is_back_is_used() {
    let server = Server::start(Options::default());
    let store = open(&with(&server.uri_of("x"), "serverSelectionTimeoutMS=1000"));
    assert_eq!(call(&store).await.unwrap(), None);
    server.kill();
    let error = call(&store).await.unwrap_err();
    assert!(error.passes(), "{error:?}");
    let error = call(&store).await.unwrap_err();
    let DocumentsError::Unreachable { server: at, problem, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*at, server.host());
    assert!(problem.contains("refused"), "{error}");
    server.start_again();
    let back = open(&with(&server.uri_of("x"), "serverSelectionTimeoutMS=10000"));
    assert_eq!(call(&back).await.unwrap(), None);
    // The old one finds the server within the time that it looks for it.
    let found = call(&store).await;
    assert!(found.is_ok(), "{found:?}");
}

/// A secret that is changed while it is in use.
struct Rotating {
    uris: Vec<String>,
    /// Which of them is known; the next is read when the present one was refused.
    known: AtomicUsize,
    asked: AtomicUsize,
}

impl Rotating {
    fn new(uris: &[String]) -> Arc<Rotating> {
        Arc::new(Rotating {
            uris: uris.to_vec(),
            known: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Uri for Rotating {
    async fn uri(&self, renew: bool) -> Result<SecretString, UriError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let next = self.known.load(Ordering::SeqCst) + usize::from(renew);
        let known = next.min(self.uris.len() - 1);
        self.known.store(known, Ordering::SeqCst);
        Ok(SecretString::from(self.uris[known].as_str()))
    }
}

#[tokio::test]
async fn new_credentials_are_used_without_a_restart() {
    let server = guarded();
    // After a refusal the driver waits for its next look at the server.
    let uri = |password| with(&server.uri_as(WRITER.0, password, DATABASE), "heartbeatFrequencyMS=500");
    let (old, new) = (uri("the password of yesterday"), uri(WRITER.1));
    let rotating = Rotating::new(&[old.clone(), new]);
    let store = MongoDocuments::new(rotating.clone());
    // Several at once are all refused, and one of them fetches the new ones.
    let (a, b, c) = tokio::join!(call(&store), call(&store), call(&store));
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (None, None, None));
    assert_eq!(rotating.asked.load(Ordering::SeqCst), 2);
    assert_eq!(call(&store).await.unwrap(), None);
    assert_eq!(rotating.asked.load(Ordering::SeqCst), 2);

    // There are no new ones: that is said, and they are asked for again at the next call only.
    let stuck = Rotating::new(&[old]);
    let store = MongoDocuments::new(stuck.clone());
    assert!(matches!(call(&store).await, Err(DocumentsError::SignIn { .. })));
    assert_eq!(stuck.asked.load(Ordering::SeqCst), 2);
    assert!(matches!(call(&store).await, Err(DocumentsError::SignIn { .. })));
    assert_eq!(stuck.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_server_that_fails_in_the_middle_of_signing_in_has_refused_nobody() {
    let server = guarded();
    let sign_in = |code: i32, mode: Value| {
        let app = format!("fails-with-{code}");
        let data = json!({"failCommands": ["saslStart", "saslContinue"], "errorCode": code, "appName": app});
        server.fail_point(mode, data);
        let uri = server.uri_as(WRITER.0, WRITER.1, DATABASE);
        with(
            &uri,
            &format!("appName={app}&heartbeatFrequencyMS=500&serverSelectionTimeoutMS=3000"),
        )
    };
    // A user who was just made is not known everywhere at once.
    let late = sign_in(18, json!({"times": 1}));
    assert_eq!(call(&open(&late)).await.unwrap(), None);
    // It is going down.
    let going = sign_in(91, json!("alwaysOn"));
    let error = failure(&going).await;
    assert!(error.passes(), "{error:?}");
    server.fail_point_off();
    assert_eq!(call(&open(&going)).await.unwrap(), None);
}

struct Missing(fn() -> UriError);

#[async_trait]
impl Uri for Missing {
    async fn uri(&self, _: bool) -> Result<SecretString, UriError> {
        Err((self.0)())
    }
}

#[tokio::test]
async fn where_the_uri_is_kept_may_not_answer() {
    let unavailable = Missing(|| UriError::Unavailable("the keeper of secrets is away".to_owned()));
    let error = call(&MongoDocuments::new(Arc::new(unavailable))).await.unwrap_err();
    assert!(matches!(error, DocumentsError::NoUri { .. }) && error.passes(), "{error:?}");
    let unusable = Missing(|| UriError::Unusable("`TIDEMILL_MONGODB_URI` is not set".to_owned()));
    let error = call(&MongoDocuments::new(Arc::new(unusable))).await.unwrap_err();
    assert!(matches!(error, DocumentsError::Uri { .. }) && !error.passes(), "{error:?}");
    assert!(error.to_string().contains("TIDEMILL_MONGODB_URI"), "{error}");
}
