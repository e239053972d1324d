//! Clean objects that are not what they should be: an error with the key, nothing recorded.

use crate::desk::{Desk, document, documents};
use lake::{CleanKey, CleanMetadata, Metadata};
use ledger::Next;

/// Loads, and answers with the error and its causes.
async fn failure(desk: &Desk, clean: &CleanKey) -> String {
    let error = desk.load(clean).await.unwrap_err();
    assert_eq!(error.next(), Next::Alarm, "{error}");
    assert_eq!(desk.loaded(clean).await, None);
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn good(desk: &Desk) -> Metadata {
    let metadata = CleanMetadata {
        definition: desk.definition.hash.to_string(),
        generation: 1,
        parts: None,
    };
    metadata.to_metadata()
}

#[tokio::test]
async fn bytes_that_are_no_documents() {
    let desk = Desk::new("", "{collection: c}").await;
    let whole = document(1, 1, "a").to_vec().unwrap();
    let mut bent = whole.clone();
    // The type of the first element.
    bent[4] = 0x7e;
    let cases: [(&[u8], &str); 4] = [
        (&whole[..whole.len() - 1], "ends within a document"),
        (&[1, 0], "ends within a document's length"),
        (&[0xff; 16], "a document says it is"),
        (&bent, "not a clean document"),
    ];
    for (part, (bytes, expected)) in cases.into_iter().enumerate() {
        let clean = desk.clean(1, lake::Part::Number(part as u32 + 1));
        desk.put_bytes(&clean, good(&desk), bytes).await;
        let text = failure(&desk, &clean).await;
        assert!(text.contains(expected) && text.contains(clean.clean().as_str()), "{text}");
    }
    assert_eq!(desk.seen().await, [0; 0]);
}

#[tokio::test]
async fn an_object_that_is_not_compressed_or_not_there() {
    let desk = Desk::new("", "{collection: c}").await;
    let clean = desk.put(1, 1, &documents(1, 0..3), 0).await;
    let absent = desk.clean(2, lake::Part::Number(1));
    let text = failure(&desk, &absent).await;
    assert!(
        text.contains("there is no object") && text.contains(absent.clean().as_str()),
        "{text}"
    );
    let file = desk.file(clean.clean().as_str());
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let text = failure(&desk, &clean).await;
    assert!(text.contains(clean.clean().as_str()), "{text}");
}

#[tokio::test]
async fn metadata_that_says_nothing_or_something_else() {
    let desk = Desk::new("", "{collection: c}").await;
    let clean = desk.clean(1, lake::Part::Number(1));
    desk.put_bytes(&clean, Metadata::new(), b"").await;
    let text = failure(&desk, &clean).await;
    assert!(text.contains("no good `definition`"), "{text}");
    let mut unknown = good(&desk);
    unknown.insert("definition".to_owned(), "0".repeat(64));
    desk.put_bytes(&clean, unknown, b"").await;
    let text = failure(&desk, &clean).await;
    assert!(text.contains("could not read the definition"), "{text}");
    let mut foreign = desk.clean(1, lake::Part::Number(1));
    foreign.raw.resource = crate::desk::name("other");
    desk.put_bytes(&foreign, good(&desk), b"").await;
    let text = failure(&desk, &foreign).await;
    assert!(text.contains("`other`"), "{text}");
}
