//! What `clean` takes, the validator takes; what it never makes, the validator refuses.

use std::borrow::Cow;

use bson::{Bson, Document, RawDocument, doc};
use clean::{Cleaner, Sink};
use lake::{Body, Capture, Part, RawKey, RunId};
use pipeline::{Checked, Name};

use crate::schema::judge;
use crate::{contract, pipeline};

#[derive(Default)]
struct Out {
    documents: Vec<Document>,
    rejected: usize,
}

impl Sink for Out {
    fn clean(&mut self, document: &[u8]) {
        let document = RawDocument::from_bytes(document).unwrap();
        self.documents.push(Document::try_from(document).unwrap());
    }
    fn rejected(&mut self, _line: &[u8]) {
        self.rejected += 1;
    }
}

/// The documents of a JSON list of records.
fn clean(checked: &Checked, records: &str) -> Out {
    let name = |text| Name::new(text).unwrap();
    let raw = RawKey {
        pipeline: name("p"),
        resource: name("r"),
        run: RunId::new(1_700_000_000_000, 7),
        part: Part::Number(3),
    };
    let capture = Capture {
        at_ms: 1_700_000_000_123,
        url: Cow::Borrowed("https://example.org/a"),
        status: 200,
        content_type: None,
        body: Body::Json(records),
        piece: None,
    };
    let mut cleaner = Cleaner::new(&checked.pipeline, &checked.pipeline.resources[0], &raw, 5).unwrap();
    let mut out = Out::default();
    cleaner.capture(1, &capture, 0, &mut out).unwrap();
    cleaner.finish(&mut out);
    out
}

/// Cleans the records, and holds every document against the validator.
fn all_pass(record: &str, records: &str) -> (Checked, Vec<Document>) {
    let checked = pipeline(record, "");
    let out = clean(&checked, records);
    let validator = contract(&checked).validator;
    for document in &out.documents {
        judge(&validator, document).unwrap_or_else(|at| panic!("{at}\n{record}\n{document}\n{validator}"));
    }
    (checked, out.documents)
}

/// Values of every kind of JSON.
const VALUES: [&str; 44] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "7",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "0.5",
    "-0.0",
    "1.5",
    "1.50",
    "1e2",
    "1e-7",
    "1e300",
    "0.1234567890123456789012345678901234",
    r#""""#,
    r#"" ""#,
    r#""a""#,
    r#""ab""#,
    r#""äöü""#,
    r#""😀😀""#,
    r#""a\n""#,
    r#""A-1""#,
    r#""12""#,
    r#""1.5""#,
    r#""true""#,
    r#""2018-01-31""#,
    r#""2018-01-31T12:34:56.789Z""#,
    r#""9999-12-31T23:59:59.999999Z""#,
    "[]",
    "[1]",
    "[1, 2.5]",
    "[null, \"\", \"a\"]",
    "[-180, 90]",
    "[\"12\", \"a\"]",
    "{}",
    r#"{"lat": 90, "lon": -180}"#,
    r#"{"type": "Point", "coordinates": [1, 2, 3], "a": 1, "b": null}"#,
    r#"{"a": 1, "b": {"c": [1, {"d": 1e400}]}}"#,
];

/// Every type with every rule that it takes.
const FIELDS: [&str; 42] = [
    "type: string",
    "type: string, nullable: true, empty_as_null: true, trim: true",
    "type: string, default: '', min_length: 2, max_length: 3",
    "type: string, min_length: 1, max_length: 2",
    "type: string, nullable: true, pattern: '^[A-Z]-[0-9]+$'",
    "type: string, pattern: '^.{2}$', default: nothing",
    "type: string, pattern: '^a', default: b",
    "type: string, one_of: [a, ab, '12'], nullable: true",
    "type: string, one_of: [a, ab], default: ab, invalid_as_null: true",
    "type: string, map: {a: b, '1': one}, null_values: [ab, 7]",
    "type: int",
    "type: int, min: 0, max: 7, nullable: true",
    "type: int, one_of: [0, 1, 7], nullable: true, invalid_as_null: true",
    "type: int, default: 3",
    "type: long",
    "type: long, min: -1, max: 9223372036854775807",
    "type: long, one_of: [1, 1, 2147483648]",
    "type: double",
    "type: double, min: -0.5, max: 1e300, nullable: true",
    "type: double, one_of: [0, 0.0, 1.5, 100], nullable: true",
    "type: decimal",
    "type: decimal, min: -1, max: '1.50'",
    "type: decimal, min: 0.0000001, nullable: true",
    "type: decimal, one_of: ['1.5', '1.50', 7, 0], nullable: true",
    "type: bool",
    "type: bool, one_of: [true], default: true",
    "type: timestamp",
    "type: timestamp, format: unix_ms, nullable: true, invalid_as_null: true",
    "type: timestamp, min: 2000-01-01T00:00:00Z, max: 2020-01-01T00:00:00Z, one_of: ['2018-01-31', '2018-01-31T12:34:56.789Z']",
    "type: date, default: 1970-01-01",
    "type: date, min: 2000-01-01, nullable: true, one_of: ['2018-01-31']",
    "type: geo_point",
    "type: geo_point, nullable: true, invalid_as_null: true",
    "type: json",
    "type: json, nullable: true",
    "type: object, fields: {a: {type: int, nullable: true}, b: {type: json, nullable: true}}",
    "type: object, nullable: true, invalid_as_null: true, fields: {lat: {type: double, max: 90}, lon: {type: string, default: x}}",
    "type: list, of: json, min_length: 1, max_length: 2",
    "type: list, of: int, nullable: true, split: ',', drop_empty: true",
    "type: list, of: {type: string, nullable: true, min_length: 1}, drop_empty: true",
    "type: list, of: {type: double, min: 0, invalid_as_null: true, nullable: true}, max_length: 3",
    "type: list, nullable: true, of: {type: object, fields: {p: {type: geo_point, nullable: true}}}",
];

#[test]
fn whatever_clean_makes_of_whatever_passes() {
    for field in FIELDS {
        let record = format!("primary_key: [id]\nfields:\n  id: {{type: long}}\n  x: {{{field}}}");
        let values = VALUES
            .iter()
            .enumerate()
            .map(|(id, value)| format!("{{\"id\": {id}, \"x\": {value}}}"));
        let records: Vec<String> = values.chain(["{\"id\": 1000}".to_owned()]).collect();
        let (_, documents) = all_pass(&record, &format!("[{}]", records.join(",")));
        assert!(!documents.is_empty(), "nothing came out of {field}");
    }
}

#[test]
fn what_clean_never_makes_is_refused() {
    let record = "primary_key: [id]
fields:
  id: {type: long}
  name: {type: string, max_length: 5, pattern: '^[a-z]+$'}
  size: {type: double, min: 0, nullable: true}
  kind: {type: string, one_of: [a, b]}
  place: {type: geo_point}
  parts: {type: list, of: {type: object, fields: {n: {type: int}}}, max_length: 2}
  price: {type: decimal, max: 100}";
    let one = r#"[{"id": 1, "name": "abc", "size": 1, "kind": "a", "place": [1, 2], "parts": [{"n": 1}], "price": 99.9}]"#;
    let (checked, documents) = all_pass(record, one);
    let validator = contract(&checked).validator;
    let good = documents.first().unwrap();
    let refused = |name: &str, value: Bson, at: &str| {
        let mut bad = good.clone();
        bad.insert(name, value);
        assert_eq!(judge(&validator, &bad), Err(at.to_owned()));
    };
    refused("id", "1".into(), ".id: bsonType");
    refused("name", "abcdef".into(), ".name: maxLength");
    refused("name", "ABC".into(), ".name: pattern");
    refused("name", Bson::Null, ".name: bsonType");
    refused("size", (-0.5).into(), ".size: minimum");
    refused("size", 1.into(), ".size: bsonType");
    refused("kind", "c".into(), ".kind: enum");
    refused(
        "place",
        doc! {"type": "Point", "coordinates": [181.0, 0.0]}.into(),
        ".place.coordinates[0]: maximum",
    );
    refused(
        "place",
        doc! {"type": "Point", "coordinates": [181.0]}.into(),
        ".place.coordinates: minItems",
    );
    refused(
        "parts",
        vec![doc! {"n": 1}, doc! {"n": 1}, doc! {"n": 1}].into(),
        ".parts: maxItems",
    );
    refused("parts", vec![doc! {"n": 1, "m": 1}].into(), ".parts[0]: additionalProperties");
    refused("parts", vec![doc! {}].into(), ".parts[0]: required");
    refused("price", "100.1".parse::<bson::Decimal128>().unwrap().into(), ".price: maximum");
    refused("_tidemill", doc! {"run": "x"}.into(), "._tidemill: required");
    refused("_id", "1".into(), "._id: bsonType");
    refused("extra", 1.into(), ": additionalProperties");
    for name in good.keys() {
        let mut bad = good.clone();
        bad.remove(name);
        assert_eq!(judge(&validator, &bad), Err(": required".to_owned()), "without {name}");
    }
}

#[test]
fn every_identity_passes() {
    let fields = "fields:
  id: {type: long}
  code: {type: string}
  day: {type: date}
  on: {type: bool}
  size: {type: decimal}";
    let records = r#"[{"id": 1, "code": "a", "day": "2018-01-31", "on": true, "size": 1.50}]"#;
    let keys = ["id", "code", "day", "on", "size", "code, day", "size, on, id"];
    for key in keys.map(|key| format!("primary_key: [{key}]")) {
        assert_eq!(all_pass(&format!("{key}\n{fields}"), records).1.len(), 1);
    }
    for identity in ["identity: content", "identity: position"] {
        assert_eq!(all_pass(&format!("{identity}\n{fields}"), records).1.len(), 1);
    }
}

#[test]
fn tombstones_pass() {
    let record = "primary_key: [id]
delete_when: [{field: state, equals: gone}]
fields: {id: {type: long}, state: {type: string}}";
    let (_, documents) = all_pass(record, r#"[{"id": 1, "state": "gone"}, {"id": 2, "state": "here"}]"#);
    let deleted = |document: &Document| document.get_document("_tidemill").unwrap().get_bool("deleted").unwrap_or(false);
    assert_eq!(documents.iter().map(deleted).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn kept_keys_pass_and_others_are_refused() {
    let fields = "fields: {id: {type: long}}";
    for (unknown, kept) in [("keep", true), ("ignore", false), ("reject", false)] {
        let records = if kept {
            r#"[{"id": 1, "more": {"a": [null]}}]"#
        } else {
            r#"[{"id": 1}]"#
        };
        let (checked, documents) = all_pass(&format!("primary_key: [id]\nunknown_fields: {unknown}\n{fields}"), records);
        let mut more = documents.first().unwrap().clone();
        assert_eq!(more.contains_key("more"), kept);
        more.insert("still more", 1);
        assert_eq!(judge(&contract(&checked).validator, &more).is_ok(), kept);
    }
}

/// A number's type in `_id` is the one it was first written with.
#[test]
fn an_id_of_another_number_type_passes() {
    let (checked, documents) = all_pass("primary_key: [id]\nfields: {id: {type: long}}", r#"[{"id": 1}]"#);
    let mut document = documents.first().unwrap().clone();
    document.insert("_id", 1_i32);
    assert_eq!(judge(&contract(&checked).validator, &document), Ok(()));
}

#[test]
fn deep_contracts_have_rules_to_a_bounded_depth() {
    let mut field = "{type: int}".to_owned();
    for _ in 0..20 {
        field = format!("{{type: list, of: {field}}}");
    }
    let record = format!("primary_key: [id]\nfields:\n  id: {{type: long}}\n  f: {field}");
    let value = format!("{}1{}", "[".repeat(20), "]".repeat(20));
    let (checked, documents) = all_pass(&record, &format!("[{{\"id\": 1, \"f\": {value}}}]"));
    assert_eq!(documents.len(), 1);
    let levels = contract(&checked).validator.to_string().matches("items").count();
    assert_eq!(levels, 12);
}

#[test]
fn a_validator_carries_its_owner() {
    let checked = pipeline("primary_key: [id]\nfields: {id: {type: long}}", "");
    let validator = contract(&checked).validator;
    let schema = validator.get_document("$jsonSchema").unwrap();
    assert_eq!(schema.get_str("title").unwrap(), "Tidemill: p/r");
}
