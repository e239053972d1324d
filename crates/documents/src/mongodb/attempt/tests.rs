//! Attempts, step by step.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, RawDocument, RawDocumentBuf, doc};

use super::*;
use crate::Batch;

fn document(id: impl Into<Bson>, rank: u8, hash: u8) -> RawDocumentBuf {
    let binary = |bytes: Vec<u8>| Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    };
    let document = doc! { "_id": id.into(), "_tidemill": { "rank": binary(vec![rank; 48]), "hash": binary(vec![hash; 16]) } };
    RawDocumentBuf::try_from(&document).unwrap()
}

/// What happens to an attempt at documents of the keys 0, 1, 2…, each of rank 5 and hash 5.
fn check(documents: usize, act: impl FnOnce(&mut Attempt<'_, '_>)) {
    let documents: Vec<RawDocumentBuf> = (0..documents).map(|id| document(id as i32, 5, 5)).collect();
    of(&documents, act);
}

fn of(documents: &[RawDocumentBuf], act: impl FnOnce(&mut Attempt<'_, '_>)) {
    let documents: Vec<&RawDocument> = documents.iter().map(AsRef::as_ref).collect();
    let batch = Batch {
        object: "o",
        ordinal: 0,
        documents: &documents,
    };
    let prepared = Prepared::new(&batch).unwrap();
    act(&mut Attempt::new(&prepared).unwrap());
}

fn look(attempt: &mut Attempt<'_, '_>, stored: &[RawDocumentBuf]) {
    attempt.begin();
    for stored in stored {
        attempt.saw(stored.as_bytes()).unwrap();
    }
}

fn plan(steps: &str, landed: &[usize]) -> Plan {
    Plan {
        steps: steps.as_bytes().to_vec(),
        landed: landed.iter().copied().collect(),
    }
}

fn proposal(attempt: &Attempt<'_, '_>, held: &Plan) -> String {
    String::from_utf8(attempt.propose(held)).unwrap()
}

fn tally(attempt: &Attempt<'_, '_>) -> [u64; 6] {
    let tally = attempt.outcome().tally;
    [
        tally.inserted,
        tally.updated,
        tally.unchanged,
        tally.stale,
        tally.superseded,
        tally.refused,
    ]
}

#[test]
fn each_is_judged_by_what_is_stored() {
    check(5, |attempt| {
        let stored = [
            document(1, 4, 1),
            document(2, 4, 5),
            document(3, 5, 5),
            document(4, 6, 1),
            document(9, 1, 1),
        ];
        look(attempt, &stored);
        assert_eq!(proposal(attempt, &Plan::default()), "iua=s");
        attempt.decide(&plan("iua=s", &[]));
        assert_eq!((attempt.inserts(), attempt.replacements()), (vec![0], vec![1, 2]));
        assert_eq!(attempt.seen(1)[5..], [4; 48]);
        for at in [0, 1, 2] {
            attempt.written(at);
        }
        assert!(attempt.open().is_empty());
        assert_eq!(tally(attempt), [1, 1, 2, 1, 0, 0]);
    });
}

/// Without doubt, a document of ours that is there is another's: an object of the same content.
#[test]
fn an_equal_one_is_not_ours_without_doubt() {
    check(1, |attempt| {
        look(attempt, &[]);
        attempt.decide(&plan("i", &[]));
        look(attempt, &[document(0, 5, 5)]);
        assert_eq!(proposal(attempt, &plan("i", &[])), "=");
        attempt.decide(&plan("=", &[]));
        assert_eq!(tally(attempt), [0, 0, 1, 0, 0, 0]);
    });
}

#[test]
fn in_doubt_it_was_written_as_planned() {
    for (step, expected) in [
        ("i", [1, 0, 0, 0, 0, 0]),
        ("u", [0, 1, 0, 0, 0, 0]),
        ("a", [0, 0, 1, 0, 0, 0]),
        ("=", [0, 0, 1, 0, 0, 0]),
    ] {
        check(1, |attempt| {
            attempt.doubt_all();
            look(attempt, &[document(0, 5, 5)]);
            assert_eq!(proposal(attempt, &plan(step, &[])), step);
            attempt.decide(&plan(step, &[]));
            assert_eq!(tally(attempt), expected, "{step}");
        });
    }
}

/// It was overtaken: only who wrote in its place can tell that it was there.
#[test]
fn overtaken_in_doubt_it_was_there_only_if_it_was_seen() {
    for (landed, doubt, expected) in [
        (&[0][..], true, [1, 0, 0, 0, 0, 0]),
        (&[], true, [0, 0, 0, 1, 0, 0]),
        // This attempt knows that it wrote nothing.
        (&[0], false, [0, 0, 0, 1, 0, 0]),
    ] {
        check(1, |attempt| {
            if doubt {
                attempt.doubt(&[0]);
            }
            look(attempt, &[document(0, 9, 1)]);
            let held = plan("i", landed);
            let steps = attempt.propose(&held);
            attempt.decide(&Plan { steps, ..held });
            assert_eq!(tally(attempt), expected, "{landed:?} {doubt}");
        });
    }
}

#[test]
fn in_another_collection_all_is_judged_again() {
    check(2, |attempt| {
        look(attempt, &[document(1, 6, 1)]);
        attempt.decide(&plan("is", &[]));
        attempt.written(0);
        attempt.reopen();
        // One came along, the other is not there.
        look(attempt, &[document(0, 5, 5)]);
        assert_eq!(proposal(attempt, &plan("is", &[])), "ii");
        attempt.decide(&plan("ii", &[]));
        assert_eq!(attempt.inserts(), [1]);
        attempt.written(1);
        assert_eq!(tally(attempt), [2, 0, 0, 0, 0, 0]);
    });
}

#[test]
fn what_tidemill_did_not_write_is_left_alone() {
    check(2, |attempt| {
        let foreign = RawDocumentBuf::try_from(&doc! { "_id": 1 }).unwrap();
        look(attempt, &[foreign]);
        attempt.decide(&plan("if", &[]));
        attempt.written(0);
        assert_eq!(tally(attempt), [1, 0, 0, 0, 0, 1]);
        assert!(attempt.outcome().refusals[0].message.contains("did not write"));
    });
}

#[test]
fn keys_that_no_server_takes_are_refused() {
    let regex = Bson::RegularExpression(bson::Regex {
        pattern: bson::raw::cstr!("a").to_owned(),
        options: bson::raw::cstr!("").to_owned(),
    });
    let mut operator = bson::Document::new();
    operator.insert("$set", 1);
    for field in bson::Document::try_from(document(7, 5, 5)).unwrap() {
        operator.insert(field.0, field.1);
    }
    let documents = [
        document(Bson::Array(vec![1.into()]), 5, 5),
        document(regex, 5, 5),
        document(Bson::Undefined, 5, 5),
        document(doc! { "a": 1, "$b": 1 }, 5, 5),
        document(doc! { "a": { "$b": 1 } }, 5, 5),
        RawDocumentBuf::try_from(&operator).unwrap(),
        document("fine", 5, 5),
    ];
    of(&documents, |attempt| {
        let refused: Vec<usize> = attempt.outcome().refusals.iter().map(|refusal| refusal.index).collect();
        assert_eq!(refused, [0, 1, 2, 3, 5]);
        assert_eq!(attempt.open().len(), 2);
        // Refused once is refused.
        look(attempt, &[]);
        let entry = attempt.open()[0];
        attempt.refuse(entry, "first".to_owned());
        attempt.refuse(entry, "second".to_owned());
        attempt.written(entry);
        assert_eq!(attempt.outcome().tally.refused, 6);
    });
}

#[test]
fn fingerprints_tell_key_and_rank() {
    check(2, |attempt| {
        let prints = attempt.prints();
        assert_eq!(prints.len(), 16);
        assert_ne!(prints[..8], prints[8..]);
        look(attempt, &[document(0, 5, 1), document(1, 4, 1)]);
        assert_eq!(attempt.seen_print(0).unwrap().to_le_bytes(), prints[..8]);
        assert_ne!(attempt.seen_print(1).unwrap().to_le_bytes(), prints[8..]);
    });
    // Receipts that are stored must be understood by later versions. These are of another implementation of XXH3.
    assert_eq!(print(b"a", b""), 0x5789_64e5_2438_5cb8);
    assert_eq!(print(b"foo", b"bar"), 0x0e5b_0403_52e6_e467);
}

#[test]
fn a_key_that_is_taken_again_and_again_is_noticed_unless_it_is_seen() {
    check(2, |attempt| {
        for round in 0..TAKEN_MAX {
            assert_eq!(attempt.unseen(), [0usize; 0], "{round}");
            attempt.taken(0);
            attempt.taken(1);
        }
        assert_eq!(attempt.unseen(), [0, 1]);
        look(attempt, &[document(1, 1, 1)]);
        assert_eq!(attempt.unseen(), [0]);
        attempt.refuse(0, "taken".to_owned());
        assert_eq!(attempt.unseen(), [0usize; 0]);
    });
}

#[test]
fn words_of_refusals_fit_into_a_document() {
    let many = 20_000;
    check(many, |attempt| {
        for at in 0..many {
            attempt.refuse(at, "é".repeat(400));
        }
        let outcome = attempt.outcome();
        assert_eq!((outcome.refusals.len(), outcome.tally.refused), (many, many as u64));
        let bytes: usize = outcome.refusals.iter().map(|refusal| refusal.message.len()).sum();
        assert!(bytes <= REFUSALS_BYTES_MAX + many * 30, "{bytes}");
        let first = &outcome.refusals[0].message;
        assert!(first.len() <= REFUSAL_BYTES_MAX && first.ends_with("é…"), "{first}");
        assert!(outcome.refusals.iter().all(|refusal| !refusal.message.is_empty()));
    });
}
