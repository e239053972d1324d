//! How failures are told apart, and that none says what it should not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use super::*;

#[test]
fn the_servers_words_are_kept_as_far_as_they_hold_no_value() {
    let cases = [
        (
            (
                11000,
                "DuplicateKey",
                r#"E11000 duplicate key error collection: d.c index: by_mail dup key: { mail: "a@example.com" }"#,
            ),
            "E11000 duplicate key error collection: d.c index: by_mail dup key (11000 DuplicateKey)",
        ),
        (
            (
                13,
                "Unauthorized",
                r#"not authorized on shop to execute command { insert: "things", documents: [ { _id: 1 } ] }"#,
            ),
            "not authorized on shop to execute command (13 Unauthorized)",
        ),
        (
            (27, "IndexNotFound", "index not found with name [mine]"),
            "index not found with name (27 IndexNotFound)",
        ),
        ((1, "", "a\u{7}b\nc"), "ab (1)"),
        ((1, "InternalError", "{ all: 1 }"), "InternalError (1)"),
    ];
    for ((code, name, message), expected) in cases {
        assert_eq!(spoken(code, name, message), expected);
    }
    assert!(spoken(1, "", &"é".repeat(1000)).chars().count() < 220);
}

#[test]
fn what_passes_by_itself_is_known_by_its_code() {
    // Not writable primary, shutting down, a time-out of the majority, too many requests, a connection of the server's own.
    // Then what else has nothing to do with a command: writes blocked on the whole cluster, overload, moved chunks, index builds, a snapshot that is gone.
    for code in [
        10107, 91, 64, 462, 9001, 365, 371, 433, 449, 450, 402, 13388, 12587, 285, 239, 46841, 16500, 10_045_600,
    ] {
        assert_eq!(kind_of_code(code), FaultKind::Passing, "{code}");
    }
    for (code, kind) in [
        (13, FaultKind::Denied),
        (18, FaultKind::SignIn),
        (26, FaultKind::NamespaceNotFound),
        (121, FaultKind::Other),
        // A quota of Atlas's, or a role: no advice about roles.
        (8000, FaultKind::Other),
        // One document is too large for the cache: it will be again.
        (388, FaultKind::Other),
    ] {
        assert_eq!(kind_of_code(code), kind, "{code}");
    }
}

#[test]
fn why_there_is_no_connection_is_said_in_our_words() {
    let of = |kind| classify_io(&io::Error::new(kind, "mongodb://user:password@host"));
    for kind in [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::TimedOut,
        io::ErrorKind::Other,
        io::ErrorKind::OutOfMemory,
    ] {
        let (kind, text) = of(kind);
        assert_eq!(kind, FaultKind::Unreachable);
        assert!(!text.contains("password"), "{text}");
    }
    let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
    let (kind, text) = classify_io(&io::Error::new(io::ErrorKind::InvalidData, expired));
    assert_eq!(kind, FaultKind::Certificate);
    assert!(text.contains("expired"), "{text}");
}

#[test]
fn a_fault_says_for_itself_what_happens_next() {
    let place = || Place {
        server: "db.example.com:27017".to_owned(),
        database: "shop".to_owned(),
    };
    let named = |kind| Fault::new(kind, "why", place()).named("write", "things");
    for kind in [FaultKind::Unreachable, FaultKind::Passing, FaultKind::Renewed, FaultKind::NoUri] {
        assert!(named(kind).passes(), "{kind:?}");
    }
    for kind in [
        FaultKind::SignIn,
        FaultKind::Denied,
        FaultKind::Certificate,
        FaultKind::Uri,
        FaultKind::TooOld,
        FaultKind::Damaged,
        FaultKind::NotOurs,
        FaultKind::Other,
    ] {
        assert!(!named(kind).passes(), "{kind:?}");
    }
    let error: mongodb::error::Error = io::Error::from(io::ErrorKind::ConnectionReset).into();
    assert_eq!(Fault::of(&error, &place()).kind, FaultKind::Passing);
    let error: mongodb::error::Error = mongodb::error::ErrorKind::Io(Arc::new(io::ErrorKind::TimedOut.into())).into();
    assert!(Fault::of(&error, &place()).is_retryable());
}
