//! What is rendered is what `bson` makes of the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, RawDocumentBuf, doc};
use proptest::prelude::*;

use super::*;
use crate::element::Elements;

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

fn first(document: &RawDocumentBuf) -> Element<'_> {
    Elements::new(document.as_bytes()).unwrap().next().unwrap().unwrap()
}

fn an_id() -> impl Strategy<Value = Bson> {
    prop_oneof![
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |value| !value.is_nan())
            .prop_map(Bson::Double),
        ".{0,40}".prop_map(Bson::String),
        Just(Bson::Null),
        any::<bool>().prop_map(Bson::Boolean),
        ("[a-z]{1,5}", any::<i32>()).prop_map(|(name, value)| Bson::Document(doc! { name: value })),
    ]
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

/// A document, and a rank that was seen in its place.
fn some() -> impl Strategy<Value = Vec<(Bson, String, Vec<u8>)>> {
    proptest::collection::vec((an_id(), ".{0,300}", proptest::collection::vec(any::<u8>(), 0..60)), 0..30)
}

fn concern() -> Document {
    doc! { "w": "majority", "wtimeout": 20_000 }
}

proptest! {
    #[test]
    fn commands_are_those_of_bson(some in some()) {
        let ids: Vec<Bson> = some.iter().map(|(id, ..)| id.clone()).collect();
        let documents: Vec<Document> = some.iter().map(|(id, text, _)| doc! { "_id": id.clone(), "text": text }).collect();
        let ranks: Vec<Binary> = some.iter().map(|(.., rank)| binary(rank.clone())).collect();
        let raw_documents: Vec<RawDocumentBuf> = documents.iter().map(raw).collect();
        let raw_ranks: Vec<RawDocumentBuf> = ranks.iter().map(|rank| raw(&doc! { "": rank.clone() })).collect();

        let rendered = find_stamps("things", raw_documents.iter().map(first), "majority").unwrap();
        let expected = doc! {
            "find": "things",
            "filter": { "_id": { "$in": ids.clone() } },
            "projection": { "_id": 1, "_tidemill.rank": 1, "_tidemill.hash": 1, "_tidemill.deleted": 1 },
            "batchSize": ids.len() as i32 + 1,
            "readConcern": { "level": "majority" },
        };
        prop_assert_eq!(rendered, raw(&expected));

        let rendered = insert("things", raw_documents.iter().map(|document| document.as_bytes())).unwrap();
        let expected = doc! { "insert": "things", "ordered": false, "writeConcern": concern(), "documents": documents.clone() };
        prop_assert_eq!(rendered, raw(&expected));

        let statements: Vec<Replacement<'_>> = raw_documents
            .iter()
            .zip(&raw_ranks)
            .map(|(document, rank)| Replacement { id: first(document), seen: first(rank).value, document: document.as_bytes() })
            .collect();
        let rendered = update("things", statements.iter().copied()).unwrap();
        let with = |at: usize| doc! { "_id": ids[at].clone(), "_tidemill.rank": ranks[at].clone() };
        let updates: Vec<Document> = (0..ids.len()).map(|at| doc! { "q": with(at), "u": documents[at].clone() }).collect();
        let expected = doc! { "update": "things", "ordered": false, "writeConcern": concern(), "updates": updates };
        prop_assert!(rendered.as_bytes().len() <= 256 + statements.iter().map(Replacement::bytes).sum::<usize>(), "its length was foretold");
        prop_assert_eq!(rendered, raw(&expected));

        let rendered = delete("things", statements.iter().map(|statement| (statement.id, statement.seen))).unwrap();
        let deletes: Vec<Document> = (0..ids.len()).map(|at| doc! { "q": with(at), "limit": 1 }).collect();
        let expected = doc! { "delete": "things", "ordered": false, "writeConcern": concern(), "deletes": deletes };
        prop_assert_eq!(rendered, raw(&expected));
    }

    #[test]
    fn cuts_hold_all_in_order_and_none_is_too_long(lengths in proptest::collection::vec(0usize..9 << 20, 0..40)) {
        let cuts = cut(lengths.iter().copied());
        let mut next = 0;
        for (at, range) in cuts.iter().enumerate() {
            prop_assert_eq!(range.start, next);
            next = range.end;
            let bytes: usize = lengths[range.clone()].iter().sum();
            prop_assert!(range.len() == 1 || bytes <= COMMAND_BYTES_MAX - 1024);
            // The first of the next would not have fitted.
            if let Some(following) = cuts.get(at + 1) {
                prop_assert!(bytes + lengths[following.start] > COMMAND_BYTES_MAX - 1024);
            }
        }
        prop_assert_eq!(next, lengths.len());
    }
}

#[test]
fn cuts_have_a_largest_number_of_statements() {
    let cuts = cut(std::iter::repeat_n(1, STATEMENTS_MAX + 5));
    assert_eq!(cuts, [0..STATEMENTS_MAX, STATEMENTS_MAX..STATEMENTS_MAX + 5]);
}

#[test]
fn the_largest_document_has_room() {
    let empty = raw(&doc! { "_id": 1, "text": "" }).as_bytes().len();
    let largest = raw(&doc! { "_id": 1, "text": "x".repeat(16 * 1024 * 1024 - empty) });
    let command = insert(&"c".repeat(200), [largest.as_bytes()].into_iter()).unwrap();
    assert!(command.as_bytes().len() <= COMMAND_BYTES_MAX);
}
