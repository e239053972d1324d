//! Replies as servers give them.
#![allow(clippy::unwrap_used, reason = "tests")]

use bson::doc;

use super::*;

fn meaning(error: Document) -> Meaning {
    let mut error = error;
    error.insert("index", 3);
    let mut reply = read(&doc! { "ok": 1.0, "n": 2, "writeErrors": [error] }).unwrap();
    assert_eq!((reply.found, reply.errors.len()), (2, 1));
    let error = reply.errors.pop().unwrap();
    assert_eq!(error.statement, 3);
    error.meaning
}

#[test]
fn all_well() {
    assert_eq!(
        read(&doc! { "ok": 1, "n": 5i64, "nModified": 5 }),
        Ok(Reply {
            found: 5,
            errors: Vec::new()
        })
    );
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for reply in [
        doc! { "ok": 1 },
        doc! { "ok": 1, "n": -1 },
        doc! { "ok": 1, "n": "1" },
        doc! { "ok": 1, "n": 1, "writeErrors": 1 },
        doc! { "ok": 1, "n": 1, "writeErrors": [1] },
        doc! { "ok": 1, "n": 1, "writeErrors": [{ "code": 1 }] },
    ] {
        assert!(read(&reply).is_err(), "{reply}");
    }
}

#[test]
fn what_is_not_on_a_majority_is_said() {
    assert_eq!(no_majority(&doc! { "ok": 1, "n": 1 }), None);
    let reply = no_majority(
        &doc! { "ok": 1, "n": 1, "writeConcernError": { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for {replication: 1}" } },
    );
    let (code, words) = reply.unwrap();
    assert_eq!(code, 64);
    assert_eq!(words, "the write is not on a majority of the servers yet (64 WriteConcernFailed)");
}

#[test]
fn a_key_that_is_taken() {
    let duplicate = |index: &str| format!("E11000 duplicate key error collection: db.things index: {index} dup key: {{ : \"secret\" }}");
    assert_eq!(
        meaning(doc! { "code": 11000, "keyPattern": { "_id": 1 }, "errmsg": "whatever" }),
        Meaning::Taken
    );
    assert_eq!(meaning(doc! { "code": 11000, "errmsg": duplicate("_id_") }), Meaning::Taken);
    for (pattern, fields) in [(doc! { "email": 1 }, "`email`"), (doc! { "_id": 1, "email": 1 }, "`_id`, `email`")] {
        let error = doc! { "code": 11000, "keyPattern": pattern, "errmsg": duplicate("email_1") };
        let words = format!("another document has the same {fields}, which the index `email_1` wants to be unique (11000)");
        assert_eq!(meaning(error), Meaning::Occupied(words));
    }
    let Meaning::Occupied(words) = meaning(doc! { "code": 11000, "errmsg": duplicate("my_id_1") }) else {
        unreachable!("not of `_id`");
    };
    assert!(!words.contains("secret"), "{words}");
}

#[test]
fn what_is_no_documents_fault() {
    assert!(matches!(
        meaning(doc! { "code": 10107, "errmsg": "not primary" }),
        Meaning::Again(10107, _)
    ));
    assert!(matches!(
        meaning(doc! { "code": 112, "errmsg": "conflict" }),
        Meaning::Again(112, _)
    ));
    assert!(matches!(
        meaning(doc! { "code": 14031, "errmsg": "disk" }),
        Meaning::Trouble(_, 14031, _)
    ));
    assert!(matches!(
        meaning(doc! { "code": 13, "errmsg": "no" }),
        Meaning::Trouble(FaultKind::Denied, 13, _)
    ));
}

#[test]
fn a_validator_is_explained() {
    // As MongoDB 7 words it.
    let explained = doc! {
        "failingDocumentId": 1,
        "details": {
            "operatorName": "$or",
            "clausesNotSatisfied": [{ "index": 0, "details": {
                "operatorName": "$jsonSchema",
                "title": "Tidemill: earthquakes/events",
                "schemaRulesNotSatisfied": [
                    { "operatorName": "additionalProperties", "specifiedAs": { "additionalProperties": false }, "additionalProperties": ["extra"] },
                    { "operatorName": "properties", "propertiesNotSatisfied": [
                        { "propertyName": "magnitude", "details": [
                            { "operatorName": "bsonType", "specifiedAs": { "bsonType": "double" }, "reason": "type did not match", "consideredValue": "secret", "consideredType": "string" },
                        ] },
                        { "propertyName": "place", "details": [
                            { "operatorName": "properties", "propertiesNotSatisfied": [
                                { "propertyName": "country", "details": [
                                    { "operatorName": "enum", "specifiedAs": { "enum": ["NO"] }, "reason": "value was not found in enum", "consideredValue": "XX" },
                                ] },
                            ] },
                            { "operatorName": "required", "specifiedAs": { "required": ["city"] }, "missingProperties": ["city"] },
                        ] },
                    ] },
                ],
            } }],
        },
    };
    let error = doc! { "code": 121, "errmsg": "Document failed validation", "errInfo": explained };
    assert_eq!(
        meaning(error),
        Meaning::Refused(
            "the validator does not take it: `extra` is not in the contract; `magnitude`: bsonType (type did not match, it is string); \
             `place.country`: enum (value was not found in enum); `place.city` is missing"
                .to_owned()
        )
    );
    assert_eq!(
        meaning(doc! { "code": 121, "codeName": "DocumentValidationFailure", "errmsg": "Document failed validation" }),
        Meaning::Refused("Document failed validation (121 DocumentValidationFailure)".to_owned())
    );
}

#[test]
fn only_what_is_known_to_be_of_the_document_refuses_it() {
    let of = |code: i32| meaning(doc! { "code": code, "errmsg": "why" });
    // BadValue, depth, a name of a field, size, geo keys, parallel arrays.
    for code in [2, 15, 56, 10334, 16755, 171] {
        assert_eq!(of(code), Meaning::Refused(format!("why ({code})")));
    }
    for code in [365, 371, 433, 402, 46841, 13388, 239, 12587, 16500] {
        assert_eq!(of(code), Meaning::Again(code, format!("why ({code})")));
    }
    assert_eq!(of(8000), Meaning::Trouble(FaultKind::Other, 8000, "why (8000)".to_owned()));
    // Of what nobody has heard of.
    for code in [0, 388, 7_654_321] {
        assert_eq!(of(code), Meaning::Unclear(code, format!("why ({code})")));
    }
}
