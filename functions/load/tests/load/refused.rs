//! What the store would not take is in `refused/`, with its words and its place in `raw/`.

use crate::desk::{Desk, document, documents};
use ledger::LoadTally;

#[tokio::test]
async fn a_document_that_is_too_large_is_set_aside_and_the_others_are_written() {
    let desk = Desk::new("", "{collection: c}").await;
    let of = [document(1, 1, "a"), document(1, 2, &"z".repeat(17_000_000)), document(1, 3, "c")];
    let clean = desk.put(1, 1, &of, 0).await;
    let outcome = desk.load(&clean).await.unwrap();
    let expected = LoadTally {
        documents_in: 3,
        inserted: 2,
        refused: 1,
        ..LoadTally::default()
    };
    assert_eq!((outcome.tally, desk.loaded(&clean).await), (expected, Some(expected)));
    assert_eq!(desk.seen().await, [1, 3]);
    let lines = desk.refused(&clean).await.unwrap();
    let [line] = lines.as_slice() else {
        panic!("{} lines", lines.len())
    };
    assert_eq!(
        (&line["reason"], &line["field"], &line["value"]),
        (&"refused".into(), &"_id".into(), &2.into())
    );
    assert!(line["message"].as_str().unwrap().contains("17000"), "{}", line["message"]);
    assert_eq!(line["document"]["v"].as_str().unwrap().len(), 17_000_000);
    let capture = serde_json::json!({"key": clean.raw.key().as_str(), "line": 7, "item": 2});
    assert_eq!(line["capture"], capture);
}

/// What is written must be read again: escapes make of one byte six.
#[tokio::test]
async fn a_document_that_makes_too_long_a_line_is_named_without_its_content() {
    let desk = Desk::new("", "{collection: c}").await;
    let of = [document(1, 1, &"\u{1}".repeat(17_000_000)), document(1, 2, "b")];
    let clean = desk.put(1, 1, &of, 0).await;
    assert_eq!(desk.load(&clean).await.unwrap().tally.refused, 1);
    let lines = desk.refused(&clean).await.unwrap();
    let [line] = lines.as_slice() else {
        panic!("{} lines", lines.len())
    };
    assert_eq!((&line["value"], line["document"].is_null()), (&1.into(), true));
    assert!(line["message"].as_str().unwrap().contains("see it in raw/"), "{}", line["message"]);
}

#[tokio::test]
async fn nothing_refused_leaves_no_object() {
    let desk = Desk::new("", "{collection: c}").await;
    let clean = desk.put(1, 1, &documents(1, 0..3), 0).await;
    desk.load(&clean).await.unwrap();
    assert_eq!(desk.refused(&clean).await, None);
}
