//! Against what the `bson` crate writes and reads, and texts written by hand from the specification.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, JavaScriptCodeWithScope, RawDocumentBuf, Regex, Timestamp, doc};
use proptest::prelude::*;

use super::*;

fn written(document: &Document) -> String {
    relaxed(&RawDocumentBuf::try_from(document).unwrap()).unwrap()
}

/// Texts copied from, or written by, the specification's tables.
#[test]
fn as_specified() {
    let cases: Vec<(Bson, &str)> = vec![
        (Bson::Double(1.0), "1.0"),
        (Bson::Double(-0.0), "-0.0"),
        (Bson::Double(0.1), "0.1"),
        (Bson::Double(1e300), "1e+300"),
        (Bson::Double(f64::NAN), r#"{"$numberDouble":"NaN"}"#),
        (Bson::Double(f64::INFINITY), r#"{"$numberDouble":"Infinity"}"#),
        (Bson::Double(f64::NEG_INFINITY), r#"{"$numberDouble":"-Infinity"}"#),
        (Bson::Int32(i32::MIN), "-2147483648"),
        (Bson::Int64(i64::MAX), "9223372036854775807"),
        (
            Bson::Decimal128("0.10".parse::<Decimal128>().unwrap()),
            r#"{"$numberDecimal":"0.10"}"#,
        ),
        (Bson::Null, "null"),
        (Bson::Boolean(true), "true"),
        (Bson::String("a\"\\/\u{7f}\u{0}\n\té\u{1f}".into()), r#""a\"\\/"#.trim_end()),
        (Bson::DateTime(DateTime::from_millis(0)), r#"{"$date":"1970-01-01T00:00:00Z"}"#),
        (
            Bson::DateTime(DateTime::from_millis(1_356_351_330_501)),
            r#"{"$date":"2012-12-24T12:15:30.501Z"}"#,
        ),
        (
            Bson::DateTime(DateTime::from_millis(1_356_351_330_500)),
            r#"{"$date":"2012-12-24T12:15:30.500Z"}"#,
        ),
        (
            Bson::DateTime(DateTime::from_millis(951_782_400_007)),
            r#"{"$date":"2000-02-29T00:00:00.007Z"}"#,
        ),
        (
            Bson::DateTime(DateTime::from_millis(253_402_300_799_999)),
            r#"{"$date":"9999-12-31T23:59:59.999Z"}"#,
        ),
        (
            Bson::DateTime(DateTime::from_millis(253_402_300_800_000)),
            r#"{"$date":{"$numberLong":"253402300800000"}}"#,
        ),
        (Bson::DateTime(DateTime::from_millis(-1)), r#"{"$date":{"$numberLong":"-1"}}"#),
        (
            Bson::Binary(Binary {
                subtype: BinarySubtype::Generic,
                bytes: vec![255, 255],
            }),
            r#"{"$binary":{"base64":"//8=","subType":"00"}}"#,
        ),
        (
            Bson::Binary(Binary {
                subtype: BinarySubtype::BinaryOld,
                bytes: vec![255, 255],
            }),
            r#"{"$binary":{"base64":"//8=","subType":"02"}}"#,
        ),
        (
            Bson::Binary(Binary {
                subtype: BinarySubtype::UserDefined(0xab),
                bytes: vec![],
            }),
            r#"{"$binary":{"base64":"","subType":"ab"}}"#,
        ),
        (
            Bson::ObjectId("56e1fc72e0c917e9c4714161".parse::<ObjectId>().unwrap()),
            r#"{"$oid":"56e1fc72e0c917e9c4714161"}"#,
        ),
        (
            Bson::Timestamp(Timestamp {
                time: 4_000_000_000,
                increment: 1,
            }),
            r#"{"$timestamp":{"t":4000000000,"i":1}}"#,
        ),
        (
            Bson::RegularExpression(Regex {
                pattern: "a\"b".try_into().unwrap(),
                options: "im".try_into().unwrap(),
            }),
            r#"{"$regularExpression":{"pattern":"a\"b","options":"im"}}"#,
        ),
        (Bson::JavaScriptCode("f()".into()), r#"{"$code":"f()"}"#),
        (
            Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
                code: "f()".into(),
                scope: doc! {"a": 1},
            }),
            r#"{"$code":"f()","$scope":{"a":1}}"#,
        ),
        (Bson::Symbol("s".into()), r#"{"$symbol":"s"}"#),
        (Bson::Undefined, r#"{"$undefined":true}"#),
        (Bson::MinKey, r#"{"$minKey":1}"#),
        (Bson::MaxKey, r#"{"$maxKey":1}"#),
        (Bson::Array(vec![]), "[]"),
        (Bson::Array(vec![Bson::Int32(1), Bson::Null]), "[1,null]"),
        (Bson::Document(doc! {}), "{}"),
        (Bson::Document(doc! {"a\"": {}, "b": 2}), r#"{"a\"":{},"b":2}"#),
    ];
    for (value, expected) in cases {
        let text = written(&doc! {"v": value.clone()});
        if let Bson::String(string) = &value {
            assert_eq!(text, format!("{{\"v\":{}}}", serde_json::to_string(string).unwrap()));
        } else {
            assert_eq!(text, format!("{{\"v\":{expected}}}"), "{value:?}");
        }
    }
}

#[test]
fn a_pointer_of_old_databases() {
    let bytes = [b"\x20\0\0\0\x0cp\0\x04\0\0\0a.b\0".as_slice(), &[0x11; 12], b"\0"].concat();
    let bytes = [&(bytes.len() as i32).to_le_bytes(), &bytes[4..]].concat();
    let document = RawDocumentBuf::from_bytes(bytes).unwrap();
    assert_eq!(
        relaxed(&document).unwrap(),
        r#"{"p":{"$dbPointer":{"$ref":"a.b","$id":{"$oid":"111111111111111111111111"}}}}"#
    );
}

#[test]
fn too_deep_is_an_error_not_a_crash() {
    let nested = |levels: usize| {
        let mut document = doc! {};
        for _ in 0..levels {
            document = doc! {"a": document};
        }
        RawDocumentBuf::try_from(&document).unwrap()
    };
    assert!(relaxed(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(relaxed(&nested(DEPTH_MAX + 1)), Err(Unreadable::TooDeep));
}

#[test]
fn readable_hides_only_the_rank_and_the_hash() {
    let binary = |byte: u8| Binary {
        subtype: BinarySubtype::Generic,
        bytes: vec![byte; 3],
    };
    let document = doc! {"_id": 1, "b": binary(1), "_tidemill": {"run": "R", "rank": binary(2), "hash": binary(3), "deleted": true}};
    let mut writer = Writer::default();
    let readable = readable(&mut writer, &RawDocumentBuf::try_from(&document).unwrap()).unwrap();
    assert!(!readable.exact, "not what `_tidemill` of a clean document is");
    assert_eq!(
        readable.text,
        r#"{"_id":1,"b":{"$binary":{"base64":"AQEB","subType":"00"}},"_tidemill":{"run":"R","deleted":true}}"#
    );
}

fn scalar() -> impl Strategy<Value = Bson> {
    prop_oneof![
        any::<f64>()
            .prop_filter("NaN equals nothing", |value| !value.is_nan())
            .prop_map(Bson::Double),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        ".{0,40}".prop_map(Bson::String),
        "[\\x00-\\x7f]{0,40}".prop_map(Bson::String),
        any::<bool>().prop_map(Bson::Boolean),
        Just(Bson::Null),
        // The crate moves later dates back to the last millisecond of 9999; `as_specified` has them.
        (-300_000_000_000_000i64..253_402_300_800_000).prop_map(|ms| Bson::DateTime(DateTime::from_millis(ms))),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(subtype, bytes)| {
            let subtype = BinarySubtype::from(if subtype == 4 { 5 } else { subtype });
            Bson::Binary(Binary { subtype, bytes })
        }),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(ObjectId::from_bytes(bytes))),
        (-9_999_999_999i64..9_999_999_999, -20i32..20)
            .prop_map(|(digits, exponent)| Bson::Decimal128(format!("{digits}E{exponent}").parse().unwrap())),
    ]
}

fn documents() -> impl Strategy<Value = Document> {
    let value = scalar().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Bson::Array),
            prop::collection::vec(("[a-z\"é]{0,6}", inner), 0..6).prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    });
    prop::collection::vec(("[a-z_]{1,12}", value), 0..8).prop_map(|fields| fields.into_iter().collect())
}

/// The same value, whichever way its text was written: dates with or without trailing zeros of their milliseconds.
fn normal(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| match &value {
                Value::String(text) if name == "$date" => {
                    let date = DateTime::parse_rfc3339_str(text).unwrap();
                    (name, date.timestamp_millis().into())
                }
                _ => (name, normal(value)),
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn says_what_the_bson_crate_says(document in documents()) {
        let text = written(&document);
        let ours: serde_json::Value = serde_json::from_str(&text).unwrap();
        // As text and back, for serde_json does not read every double exactly (the next test does).
        let theirs = serde_json::from_str(&Bson::Document(document.clone()).into_relaxed_extjson().to_string()).unwrap();
        prop_assert_eq!(normal(ours), normal(theirs), "{}", text);
        prop_assert!(!text.contains('\n'));
    }

    #[test]
    fn doubles_read_back_the_same(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let text = written(&doc! {"v": value});
        let number = text.trim_start_matches("{\"v\":").trim_end_matches('}');
        prop_assert_eq!(number.parse::<f64>().unwrap().to_bits(), bits);
        prop_assert!(number.contains(['.', 'e']), "{} would be read as an integer", number);
    }

    /// Damaged bytes give an error or some text.
    #[test]
    fn damage_never_panics(document in documents(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = RawDocumentBuf::try_from(&document).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at.max(5));
            let length = bytes.len();
            bytes[..4].copy_from_slice(&(length as i32).to_le_bytes());
            bytes[length - 1] = 0;
        }
        if let Ok(damaged) = RawDocumentBuf::from_bytes(bytes)
            && let Ok(text) = relaxed(&damaged)
        {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }

    /// And texts that are not ours are refused, without a panic.
    #[test]
    fn readable_texts_are_read_back(document in documents(), deleted in any::<bool>(), at in any::<prop::sample::Index>(), byte in 0u8..128) {
        let document = clean(document, deleted);
        let mut writer = Writer::default();
        let readable = readable(&mut writer, &document).unwrap();
        let read = |text: &str| read::document(text, readable.longs, &[2; 48], &[3; 16]);
        prop_assert!(readable.exact);
        prop_assert_eq!(read(readable.text).unwrap(), document.as_bytes(), "{}", readable.text);
        let mut damaged = readable.text.as_bytes().to_vec();
        let at = at.index(damaged.len());
        if damaged[at].is_ascii() {
            damaged[at] = byte;
            // A changed letter makes another document, a changed bracket none.
            let _ = read(std::str::from_utf8(&damaged).unwrap());
        }
        if readable.text.is_char_boundary(at) {
            prop_assert!(read(&readable.text[..at]).is_err());
        }
    }
}

fn clean(mut document: Document, deleted: bool) -> RawDocumentBuf {
    let binary = |bytes: Vec<u8>| Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    };
    let at = DateTime::from_millis(1_550_000_000_000);
    let mut tidemill = doc! {"run": "R", "at": at, "version": 1i64, "rank": binary(vec![2; 48]), "hash": binary(vec![3; 16])};
    if deleted {
        tidemill.insert("deleted", true);
    }
    document.insert("_tidemill", tidemill);
    RawDocumentBuf::try_from(&document).unwrap()
}
