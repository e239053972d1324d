//! Options and indexes of every type go into the archive's text and come back as they were.

use backup::archive::{canonical, described, metadata, namespace};
use bson::oid::ObjectId;
use bson::raw::{CString, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, RawBsonRef, RawDocument, RawDocumentBuf, Regex, Timestamp, doc};
use documents::{Namespace, NamespaceKind};
use proptest::prelude::*;

fn collection(options: Document, indexes: Vec<Document>) -> Namespace {
    Namespace {
        name: "orders".to_owned(),
        kind: NamespaceKind::Collection,
        options,
        indexes,
        identity: Some((0..16).collect()),
        estimate: None,
    }
}

/// A value of every type of BSON, with the text that the specification of Extended JSON gives for it.
fn every_type() -> Vec<(Bson, &'static str)> {
    let regex = Regex {
        pattern: CString::try_from("^a\"b$").unwrap(),
        options: CString::try_from("im").unwrap(),
    };
    let binary = |subtype, bytes: &[u8]| {
        Bson::Binary(Binary {
            subtype,
            bytes: bytes.to_vec(),
        })
    };
    vec![
        (Bson::Double(1.0), r#"{"$numberDouble":"1.0"}"#),
        (Bson::Double(-0.0), r#"{"$numberDouble":"-0.0"}"#),
        (Bson::Double(5e-324), r#"{"$numberDouble":"5e-324"}"#),
        (Bson::Double(0.1), r#"{"$numberDouble":"0.1"}"#),
        (Bson::Double(f64::NAN), r#"{"$numberDouble":"NaN"}"#),
        (Bson::Double(f64::NEG_INFINITY), r#"{"$numberDouble":"-Infinity"}"#),
        (Bson::String("é\n\"\u{0}".to_owned()), r#""é\n\"\u0000""#),
        (Bson::Document(doc! { "b": 1, "a": {} }), r#"{"b":{"$numberInt":"1"},"a":{}}"#),
        (Bson::Array(vec![Bson::Null, Bson::Array(vec![])]), "[null,[]]"),
        (
            binary(BinarySubtype::Generic, b"abc"),
            r#"{"$binary":{"base64":"YWJj","subType":"00"}}"#,
        ),
        (
            binary(BinarySubtype::BinaryOld, b"abc"),
            r#"{"$binary":{"base64":"YWJj","subType":"02"}}"#,
        ),
        (
            binary(BinarySubtype::UserDefined(0xff), b""),
            r#"{"$binary":{"base64":"","subType":"ff"}}"#,
        ),
        (Bson::Undefined, r#"{"$undefined":true}"#),
        (
            Bson::ObjectId(ObjectId::from_bytes([0xab; 12])),
            r#"{"$oid":"abababababababababababab"}"#,
        ),
        (Bson::Boolean(true), "true"),
        (Bson::DateTime(DateTime::from_millis(-1)), r#"{"$date":{"$numberLong":"-1"}}"#),
        (
            Bson::DateTime(DateTime::from_millis(1_700_000_000_000)),
            r#"{"$date":{"$numberLong":"1700000000000"}}"#,
        ),
        (Bson::Null, "null"),
        (
            Bson::RegularExpression(regex),
            r#"{"$regularExpression":{"pattern":"^a\"b$","options":"im"}}"#,
        ),
        (
            db_pointer(),
            r#"{"$dbPointer":{"$ref":"shop.orders","$id":{"$oid":"abababababababababababab"}}}"#,
        ),
        (Bson::JavaScriptCode("f()".to_owned()), r#"{"$code":"f()"}"#),
        (Bson::Symbol("s".to_owned()), r#"{"$symbol":"s"}"#),
        (
            Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
                code: "f()".to_owned(),
                scope: doc! { "x": 1 },
            }),
            r#"{"$code":"f()","$scope":{"x":{"$numberInt":"1"}}}"#,
        ),
        (Bson::Int32(-7), r#"{"$numberInt":"-7"}"#),
        (
            Bson::Timestamp(Timestamp {
                time: u32::MAX,
                increment: 1,
            }),
            r#"{"$timestamp":{"t":4294967295,"i":1}}"#,
        ),
        (Bson::Int64(7), r#"{"$numberLong":"7"}"#),
        (
            Bson::Decimal128("1.20".parse::<Decimal128>().unwrap()),
            r#"{"$numberDecimal":"1.20"}"#,
        ),
        (Bson::MinKey, r#"{"$minKey":1}"#),
        (Bson::MaxKey, r#"{"$maxKey":1}"#),
    ]
}

/// The driver can only read one.
fn db_pointer() -> Bson {
    let bytes = [
        &[36_u8, 0, 0, 0, 12, b'p', 0, 12, 0, 0, 0],
        b"shop.orders\0".as_slice(),
        &[0xab; 12],
        &[0],
    ]
    .concat();
    Bson::try_from(RawDocument::from_bytes(&bytes).unwrap().get("p").unwrap().unwrap()).unwrap()
}

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

#[test]
fn every_type_is_written_as_specified_and_read_back() {
    for (value, text) in every_type() {
        let document = doc! { "v": value };
        let raw_document = raw(&document);
        let value: RawBsonRef<'_> = raw_document.get("v").unwrap().unwrap();
        assert_eq!(canonical(value).unwrap(), text);
        let text_of_all = metadata(&collection(document.clone(), vec![document.clone()])).unwrap();
        let read = namespace(&text_of_all).unwrap();
        assert_eq!(raw(&read.options).as_bytes(), raw_document.as_bytes(), "{text}");
        assert_eq!(raw(&read.indexes[0]).as_bytes(), raw_document.as_bytes(), "{text}");
    }
}

#[test]
fn the_text_is_what_mongodump_writes() {
    let indexes = vec![
        doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" },
        doc! { "v": 2, "key": { "z": 1, "a": -1.0 }, "name": "z_1_a_-1", "expireAfterSeconds": 9_i64 },
    ];
    let orders = collection(doc! { "capped": true, "size": 4096 }, indexes);
    assert_eq!(
        metadata(&orders).unwrap(),
        concat!(
            r#"{"options":{"capped":true,"size":{"$numberInt":"4096"}},"indexes":["#,
            r#"{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"},"#,
            r#"{"v":{"$numberInt":"2"},"key":{"z":{"$numberInt":"1"},"a":{"$numberDouble":"-1.0"}},"name":"z_1_a_-1","#,
            r#""expireAfterSeconds":{"$numberLong":"9"}}],"#,
            r#""uuid":"000102030405060708090a0b0c0d0e0f","collectionName":"orders","type":"collection"}"#
        )
    );
    assert_eq!(namespace(&metadata(&orders).unwrap()).unwrap(), orders);
    let view = Namespace {
        name: "seen".to_owned(),
        kind: NamespaceKind::View,
        options: doc! { "viewOn": "orders", "pipeline": [{ "$match": { "seen": { "$gte": 1 } } }] },
        indexes: vec![],
        identity: None,
        estimate: Some(u64::MAX),
    };
    let told = described(&view).unwrap();
    assert_eq!((told.name.as_str(), told.view, told.size), ("seen", true, i32::MAX));
    assert_eq!(namespace(&told.metadata).unwrap(), Namespace { estimate: None, ..view });
}

#[test]
fn what_would_not_come_back_the_same_is_refused() {
    // A document that looks like a value of another type; a not-a-number with a message of its own; a time series.
    let looks_like = collection(doc! { "a": { "$numberInt": "1" } }, vec![]);
    let number = collection(doc! { "a": f64::from_bits(f64::NAN.to_bits() | 1) }, vec![]);
    for refused in [looks_like, number] {
        assert!(
            metadata(&refused)
                .unwrap_err()
                .to_string()
                .starts_with("`orders`: its options and indexes can't be kept")
        );
    }
    let series = Namespace {
        kind: NamespaceKind::TimeSeries,
        ..collection(doc! {}, vec![])
    };
    assert!(metadata(&series).unwrap_err().to_string().ends_with("leave it out by name"));
    // A filter on a query operator is no such value.
    let filter = collection(
        doc! {},
        vec![doc! { "partialFilterExpression": { "a": { "$type": "string" }, "b": { "$date": 1, "$oid": 2 } } }],
    );
    assert_eq!(namespace(&metadata(&filter).unwrap()).unwrap(), filter);
}

#[test]
fn texts_that_are_not_ours_are_refused() {
    let nested = format!(
        r#"{{"options":{}1{},"indexes":[],"collectionName":"x","type":"view"}}"#,
        "{\"a\":".repeat(5000),
        "}".repeat(5000)
    );
    for wrong in [
        "",
        "[]",
        "{}",
        r#"{"options":{},"indexes":[],"collectionName":"","type":"collection"}"#,
        r#"{"options":{},"indexes":[],"collectionName":"x","type":"timeseries"}"#,
        r#"{"options":{},"indexes":[1],"collectionName":"x","type":"collection"}"#,
        r#"{"options":{"a":1},"indexes":[],"collectionName":"x","type":"collection"}"#,
        r#"{"options":{"a":{"$oid":"00"}},"indexes":[],"collectionName":"x","type":"collection"}"#,
        r#"{"options":{},"indexes":[],"collectionName":"x","type":"collection","more":1}"#,
        r#"{"options":{},"indexes":[],"uuid":"0","collectionName":"x","type":"collection"}"#,
        &nested,
    ] {
        assert!(namespace(wrong).is_err(), "{wrong}");
    }
}

fn value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        proptest::sample::select(every_type()).prop_map(|(value, _)| value),
        any::<f64>()
            .prop_filter("one not-a-number has a text", |number| !number.is_nan())
            .prop_map(Bson::Double),
        any::<i64>().prop_map(Bson::Int64),
        any::<String>().prop_map(Bson::String),
        any::<i64>().prop_map(|at| Bson::DateTime(DateTime::from_millis(at))),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Bson::Array),
            proptest::collection::vec(("[a-z.$]{0,6}", inner), 0..5).prop_map(|members| Bson::Document(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn options_come_back_byte_by_byte(values in proptest::collection::vec(("[a-z$]{1,9}", value()), 0..6)) {
        let options: Document = values.into_iter().collect();
        let told = collection(options.clone(), vec![options.clone()]);
        let read = namespace(&metadata(&told).unwrap()).unwrap();
        let (read_options, options) = (raw(&read.options), raw(&options));
        prop_assert_eq!(read_options.as_bytes(), options.as_bytes());
        let mut whole = RawDocumentBuf::new();
        whole.append(cstr!("v"), options);
        prop_assert!(canonical(whole.get("v").unwrap().unwrap()).is_ok());
    }
}
