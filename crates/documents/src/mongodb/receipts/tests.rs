//! What is read in the answers to commands about receipts.
#![allow(clippy::unwrap_used, reason = "tests")]

use bson::doc;

use super::*;

/// What may pass is tried again, what may not is said as it is; nothing of it is called damaged.
#[test]
fn a_delete_that_fails_says_what_the_server_says() {
    for (code, kind) in [
        (189, FaultKind::Passing),
        (91, FaultKind::Passing),
        (112, FaultKind::Passing),
        (13, FaultKind::Denied),
        (26, FaultKind::NamespaceNotFound),
        (121, FaultKind::Other),
        (1, FaultKind::Other),
        (424_242, FaultKind::Other),
    ] {
        let reply = doc! { "ok": 1, "n": 0, "writeErrors": [{ "index": 0, "code": code, "errmsg": "the server's words" }] };
        let error = reply::read(&reply).unwrap().errors.remove(0);
        let (found, _, words) = failed(error.meaning);
        assert_eq!(found, kind, "{code}");
        assert!(words.contains("the server's words"), "{code}: {words}");
    }
}
