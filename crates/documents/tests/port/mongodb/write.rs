//! What is written, and what the server would not take.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, RawDocumentBuf, Timestamp, doc};
use documents::{Documents, Tally};
use serde_json::json;

use super::{killed_after, new, open as open_store};
use crate::suite::{Made, all, get, merge, name, write, write_bytes};

fn with(made: &Made, field: &str, value: impl Into<Bson>) -> RawDocumentBuf {
    let mut document = bson::Document::try_from(made.bson()).unwrap();
    document.insert(field, value.into());
    RawDocumentBuf::try_from(&document).unwrap()
}

/// A value of each type that every server keeps.
#[tokio::test]
async fn every_type_comes_back() {
    let (_database, store) = new();
    let regex = bson::Regex {
        pattern: bson::raw::cstr!("a.b").to_owned(),
        options: bson::raw::cstr!("im").to_owned(),
    };
    let values: Vec<Bson> = vec![
        Bson::Double(-0.0),
        Bson::Double(5e-324),
        Bson::Double(f64::INFINITY),
        Bson::String("é\0\u{1f600}".to_owned()),
        Bson::Document(doc! { "a": { "b": [] }, "": 1 }),
        Bson::Array(vec![1.into(), "x".into(), Bson::Null]),
        Bson::Binary(Binary {
            subtype: BinarySubtype::Uuid,
            bytes: vec![7; 16],
        }),
        Bson::Binary(Binary {
            subtype: BinarySubtype::UserDefined(0x90),
            bytes: vec![],
        }),
        Bson::ObjectId(bson::oid::ObjectId::from_bytes([9; 12])),
        Bson::Boolean(false),
        Bson::DateTime(DateTime::from_millis(-1)),
        Bson::Null,
        Bson::RegularExpression(regex),
        Bson::JavaScriptCode("f()".to_owned()),
        Bson::Int32(i32::MIN),
        Bson::Timestamp(Timestamp {
            time: 4_000_000_000,
            increment: 1,
        }),
        Bson::Int64(1),
        Bson::Int64(i64::MAX),
        Bson::Decimal128("0.10".parse().unwrap()),
        Bson::Decimal128("-9.999999999999999999999999999999999E+6144".parse().unwrap()),
        Bson::MinKey,
        Bson::MaxKey,
    ];
    let documents: Vec<RawDocumentBuf> = values
        .into_iter()
        .enumerate()
        .map(|(at, value)| with(&Made::new(at as i32, 1, 1), "value", value))
        .collect();
    let outcome = write_bytes(&store, &merge("things"), "o1", 0, &documents).await.unwrap();
    assert_eq!(outcome.tally.inserted, documents.len() as u64, "{outcome:?}");
    assert_eq!(all(&store, "things").await, documents);
}

#[tokio::test]
async fn a_validator_refuses_one_and_takes_the_others() {
    let (database, store) = new();
    let schema = json!({"bsonType": "object", "title": "theirs", "required": ["kind"], "properties": {"kind": {"enum": ["a", "b"]}, "size": {"bsonType": "int"}}});
    database.command(json!({"create": "things", "validator": {"$jsonSchema": schema}}));
    let kinds = ["a", "secret", "b"];
    let mut documents: Vec<RawDocumentBuf> = (0..3).map(|at| with(&Made::new(at, 1, 1), "kind", kinds[at as usize])).collect();
    documents.push(Made::new(3, 1, 1).bson());
    let outcome = write_bytes(&store, &merge("things"), "o1", 0, &documents).await.unwrap();
    let expected = Tally {
        inserted: 2,
        refused: 2,
        ..Tally::default()
    };
    assert_eq!(outcome.tally, expected);
    let refusals: Vec<(usize, &str)> = outcome
        .refusals
        .iter()
        .map(|refusal| (refusal.index, refusal.message.as_str()))
        .collect();
    assert_eq!(
        refusals,
        [
            (1, "the validator does not take it: `kind`: enum (value was not found in enum)"),
            (3, "the validator does not take it: `kind` is missing"),
        ]
    );
    // The same batch is answered by its receipt; another that updates is refused as an insert is.
    assert_eq!(write_bytes(&store, &merge("things"), "o1", 0, &documents).await.unwrap(), outcome);
    let newer: Vec<RawDocumentBuf> = [("a", 0), ("c", 2)]
        .into_iter()
        .map(|(kind, id)| with(&Made::new(id, 2, 2), "kind", kind))
        .collect();
    let outcome = write_bytes(&store, &merge("things"), "o2", 0, &newer).await.unwrap();
    assert_eq!(
        (outcome.tally.updated, outcome.tally.refused, outcome.refusals[0].index),
        (1, 1, 1),
        "{outcome:?}"
    );
    assert_eq!(all(&store, "things").await, [newer[0].clone(), documents[2].clone()]);
}

#[tokio::test]
async fn a_unique_index_refuses_one_and_takes_the_others() {
    let (database, store) = new();
    database.command(json!({"createIndexes": "things", "indexes": [{"key": {"email": 1}, "name": "their-email", "unique": true}]}));
    let of = |id: i32, rank: u64, email: &str| with(&Made::new(id, rank, rank as u8), "email", email);
    let first = [of(1, 1, "a@x"), of(2, 1, "b@x"), of(3, 1, "a@x")];
    let outcome = write_bytes(&store, &merge("things"), "o1", 0, &first).await.unwrap();
    assert_eq!((outcome.tally.inserted, outcome.tally.refused), (2, 1), "{outcome:?}");
    assert_eq!(outcome.refusals[0].index, 2);
    assert!(outcome.refusals[0].message.contains("their-email"), "{outcome:?}");
    assert!(!outcome.refusals[0].message.contains("a@x"), "{outcome:?}");
}

/// In whichever order they come: what the batch says together is what the server has in the end.
#[tokio::test]
async fn a_unique_value_moves_from_document_to_document() {
    let (database, store) = new();
    database.command(json!({"createIndexes": "things", "indexes": [{"key": {"email": 1}, "name": "email_1", "unique": true}]}));
    let of = |id: i32, rank: u64, email: &str| with(&Made::new(id, rank, rank as u8), "email", email);
    for (rank, emails) in [(1, ["a", "b", "c"]), (2, ["b", "c", "d"]), (3, ["a", "b", "c"])] {
        let batch: Vec<_> = (1..).zip(emails).map(|(id, email)| of(id, rank, email)).collect();
        let outcome = write_bytes(&store, &merge("things"), &format!("o{rank}"), 0, &batch).await.unwrap();
        assert_eq!(outcome.tally.inserted + outcome.tally.updated, 3, "{outcome:?}");
        assert_eq!(all(&store, "things").await, batch);
    }
    // A place that stays taken is told, without the value.
    let outcome = write_bytes(&store, &merge("things"), "o4", 0, &[of(4, 4, "a"), of(5, 4, "e")])
        .await
        .unwrap();
    assert_eq!((outcome.tally.inserted, outcome.tally.refused), (1, 1), "{outcome:?}");
    assert_eq!(
        outcome.refusals[0].message,
        "another document has the same `email`, which the index `email_1` wants to be unique (11000)"
    );
}

/// However many documents a value is passed on over, first up, then down.
#[tokio::test]
async fn unique_values_move_over_many_documents() {
    let (database, store) = new();
    database.command(json!({"createIndexes": "things", "indexes": [{"key": {"place": 1}, "name": "place_1", "unique": true}]}));
    for (rank, shift) in [(1, 0), (2, 1), (3, 0)] {
        let of = |id: i32| with(&Made::new(id, rank, rank as u8), "place", id + shift);
        let batch: Vec<_> = (0..30).map(of).collect();
        let outcome = write_bytes(&store, &merge("things"), &format!("o{rank}"), 0, &batch).await.unwrap();
        assert_eq!(outcome.tally.inserted + outcome.tally.updated, 30, "{outcome:?}");
        assert_eq!(all(&store, "things").await, batch);
    }
    // Neither order will do: what moves up and what moves down alternate, each in a chain of its own across the other.
    let order: Vec<i32> = (0..15).flat_map(|at| [at, 29 - at]).collect();
    let mut batch = Vec::new();
    for id in 0..30 {
        let at = order.iter().position(|one| *one == id).unwrap();
        batch.push(with(&Made::new(id, 4, 4), "place", order.get(at + 1).copied().unwrap_or(99)));
    }
    let outcome = write_bytes(&store, &merge("things"), "o4", 0, &batch).await.unwrap();
    assert_eq!(outcome.tally.updated, 30, "{outcome:?}");
    assert_eq!(all(&store, "things").await, batch);
}

#[tokio::test]
async fn keys_that_no_server_takes_are_refused() {
    let (_database, store) = new();
    let batch = [
        Made::new(Bson::Array(vec![1.into()]), 1, 1),
        Made::new("fine", 1, 1),
        Made::new(doc! { "$a": 1 }, 1, 1),
    ];
    let outcome = write(&store, &merge("things"), "o1", &batch).await;
    assert_eq!((outcome.tally.inserted, outcome.tally.refused), (1, 2), "{outcome:?}");
    assert_eq!(all(&store, "things").await, [batch[1].bson()]);
    // Of nothing but such the collection is made still.
    let outcome = write(&store, &merge("others"), "o2", &batch[..1]).await;
    assert_eq!(outcome.tally.refused, 1);
    assert_eq!(store.count(&name("others")).await.unwrap(), Some(0));
}

#[tokio::test]
async fn what_tidemill_did_not_write_is_left_alone() {
    let (database, store) = new();
    database.command(json!({"insert": "things", "documents": [{"_id": 1, "theirs": true}]}));
    let outcome = write(&store, &merge("things"), "o1", &[Made::new(1, 1, 1), Made::new(2, 1, 1)]).await;
    assert_eq!((outcome.tally.inserted, outcome.tally.refused), (1, 1), "{outcome:?}");
    assert!(outcome.refusals[0].message.contains("did not write"), "{outcome:?}");
    assert_eq!(database.find("things", json!({"_id": 1})), [json!({"_id": 1, "theirs": true})]);
}

/// Many documents, new and then newer: one command each.
#[tokio::test]
async fn a_full_batch() {
    let (_database, store) = new();
    let made = |rank: u64| -> Vec<Made> { (0..2_000).map(|id| Made::new(id, rank, rank as u8)).collect() };
    assert_eq!(write(&store, &merge("things"), "o1", &made(1)).await.tally.inserted, 2_000);
    let (newer, mut expected) = (made(2), Tally::default());
    expected.updated = 2_000;
    assert_eq!(write(&store, &merge("things"), "o2", &newer).await.tally, expected);
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(2_000));
    assert_eq!(get(&store, "things", 1_999, false).await, Some(newer[1_999].bson()));
}

#[tokio::test]
async fn receipts_go_when_the_object_is_settled() {
    let (database, store) = new();
    for object in ["o1", "o1-1", "o10", "o2"] {
        write(&store, &merge("things"), object, &[Made::new(object, 1, 1)]).await;
    }
    store.settle("o1").await.unwrap();
    let left: Vec<String> = database
        .find("tidemill.receipts", json!({}))
        .iter()
        .map(|receipt| receipt["_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(left, ["o1-1:0000000000", "o10:0000000000", "o2:0000000000"]);
}

/// A process that dies between recording a fact and settling the object leaves receipts that nobody asks for again.
#[tokio::test]
async fn receipts_that_were_left_behind_go_in_the_end() {
    let (database, store) = new();
    for object in ["left", "recent", "settled"] {
        write(&store, &merge("things"), object, &[Made::new(object, 1, 1)]).await;
    }
    let aged = database.command(json!({
        "update": "tidemill.receipts",
        "updates": [{"q": {"_id": {"$regex": "^left:"}}, "u": {"$set": {"at": {"$date": "2020-01-01T00:00:00Z"}}}}],
    }));
    assert_eq!(aged["nModified"], 1);
    store.settle("settled").await.unwrap();
    let left = database.find("tidemill.receipts", json!({}));
    let left: Vec<&str> = left.iter().map(|receipt| receipt["_id"].as_str().unwrap()).collect();
    assert_eq!(left, ["recent:0000000000"]);
}

/// For an index with a collation two keys may be one: the server takes neither the second, nor shows the first under it.
#[tokio::test]
async fn a_key_that_is_taken_unseen_is_refused() {
    let (database, store) = new();
    let (first, second) = ([Made::new("A", 1, 1)], [Made::new("a", 2, 2), Made::new("b", 2, 2)]);
    write(&store, &merge("things"), "o1", &first).await;
    let index = json!({"key": {"_id": 1}, "name": "theirs", "unique": true, "collation": {"locale": "en", "strength": 2}});
    database.command(json!({"createIndexes": "things", "indexes": [index]}));
    let outcome = write(&store, &merge("things"), "o2", &second).await;
    assert_eq!((outcome.tally.inserted, outcome.tally.refused), (1, 1), "{outcome:?}");
    assert!(outcome.refusals[0].message.contains("collation"), "{outcome:?}");
    assert_eq!(all(&store, "things").await, [first[0].bson(), second[1].bson()]);
}

/// Batches that update look for open receipts; those that were answered don't make this slower.
#[tokio::test]
async fn open_receipts_are_found_by_an_index() {
    let (database, store) = new();
    for rank in 1..4 {
        write(&store, &merge("things"), &format!("o{rank}"), &[Made::new(1, rank, rank as u8)]).await;
    }
    let indexes = database.command(json!({"listIndexes": "tidemill.receipts"}));
    let indexes = indexes["cursor"]["firstBatch"].as_array().unwrap().clone();
    let open = indexes.iter().find(|index| index["key"] == json!({"open": 1})).unwrap();
    assert_eq!(open["sparse"], true);
    assert_eq!(database.find("tidemill.receipts", json!({})).len(), 3);
    assert!(database.find("tidemill.receipts", json!({"open": {"$exists": true}})).is_empty());
    // One whose loader dies is open.
    for wakes in 1..500 {
        drop(
            killed_after(
                wakes,
                write(&open_store(&database), &merge("things"), "dying", &[Made::new(2, 9, 9)]),
            )
            .await,
        );
        let planned = database.find("tidemill.receipts", json!({"_id": "dying:0000000000"}));
        if let [receipt] = &planned[..] {
            assert_eq!(receipt["open"], "things");
            return;
        }
    }
    panic!("it is never killed after its plan");
}
