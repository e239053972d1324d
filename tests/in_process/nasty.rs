//! Input that breaks things, through the whole chain: stored exactly, or rejected with a reason; never a panic, never a silent change.

use crate::orders;
use bson::{Bson, RawDocument, doc};
use pipeline::Name;
use serde_json::Value;
use std::fmt::Write as _;
use tidemill_tests::chain::{Chain, StopAt, block_on};
use tidemill_tests::upstream::{Reply, Upstream};

/// What must become of a reply.
enum Must {
    Store(Bson),
    Reject,
    /// Either: but if it is stored, then as this.
    StoreOrReject(Bson),
}

/// A resource a reply: `r0`, `r1`, …
fn reply_pipeline(count: usize) -> String {
    let resource = |number| {
        format!(
            "
  - name: r{number}
    endpoint: {{path: {number}, data_selector: $}}
    record: {{identity: position, fields: {{value: {{from: $, type: json, nullable: true}}}}}}
    load: {{collection: r{number}, write_disposition: append}}"
        )
    };
    let resources: String = (0..count).map(resource).collect();
    format!("pipeline: laws\nreject_limit: 100%\nsource: {{rest_api: {{base_url: http://127.0.0.1/}}}}\nresources:{resources}")
}

fn replies() -> Vec<(&'static str, Vec<u8>, Must)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let decimal = |digits: &str| Bson::Decimal128(digits.parse().unwrap());
    let long = "é\u{1f30a}x".repeat(100_000);
    vec![
        ("100,000 open brackets", b"[".repeat(100_000), Must::Reject),
        (
            "100,000 nested lists",
            [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
            Must::Reject,
        ),
        ("100,000 open objects", b"{\"a\":".repeat(100_000), Must::Reject),
        ("nothing", text(""), Must::Reject),
        ("white space", text(" \n\t "), Must::Reject),
        ("two values", text("1 2"), Must::Reject),
        ("a comma too many", text("[1,]"), Must::Reject),
        ("not a number", text("NaN"), Must::Reject),
        ("bytes that are not UTF-8", vec![b'"', 0xff, 0xfe, b'"'], Must::Reject),
        ("a raw control character", vec![b'"', 1, b'"'], Must::Reject),
        ("a lone surrogate", text(r#""\ud800""#), Must::Reject),
        ("surrogates the wrong way round", text(r#"{"a":"\udc00\ud800"}"#), Must::Reject),
        ("a lone surrogate in a key", text(r#"{"\udead":1}"#), Must::Reject),
        ("a zero byte in a key", text(r#"{"a\u0000b":1}"#), Must::Reject),
        ("a zero byte in a text", text(r#""a\u0000b""#), Must::Store("a\0b".into())),
        ("a pair of surrogates", text(r#""\ud83c\udf0a""#), Must::Store("🌊".into())),
        (
            "a byte order mark",
            text("\u{feff}{\"a\":1}"),
            Must::StoreOrReject(doc! {"a": 1}.into()),
        ),
        ("null", text("null"), Must::Store(Bson::Null)),
        ("a text of 700 KB", format!("\"{long}\"").into_bytes(), Must::Store(long.into())),
        (
            "the greatest 64-bit integer",
            text("9223372036854775807"),
            Must::Store(Bson::Int64(i64::MAX)),
        ),
        (
            "the least 64-bit integer",
            text("-9223372036854775808"),
            Must::Store(Bson::Int64(i64::MIN)),
        ),
        (
            "one beyond",
            text("9223372036854775808"),
            Must::Store(decimal("9223372036854775808")),
        ),
        (
            "34 digits",
            text("1234567890123456789012345678901234"),
            Must::Store(decimal("1234567890123456789012345678901234")),
        ),
        ("35 digits", text("12345678901234567890123456789012345"), Must::Reject),
        ("beyond any exponent", text("1e99999"), Must::Reject),
        ("a tenth", text("0.1"), Must::Store(Bson::Double(0.1))),
        ("an empty key", text(r#"{"":1}"#), Must::Store(doc! {"": 1}.into())),
        (
            "keys with dots and dollars",
            text(r#"{"a.b":1,"$c":{"$d":2}}"#),
            Must::StoreOrReject(doc! {"a.b": 1, "$c": {"$d": 2}}.into()),
        ),
        (
            "lines and spaces between",
            text("{\r\n\t\"a\" : [ 1 ,\n2 ]\r\n}\n"),
            Must::Store(doc! {"a": [1, 2]}.into()),
        ),
        (
            "our own envelope",
            text(r#"{"base64":"AAAA"}"#),
            Must::Store(doc! {"base64": "AAAA"}.into()),
        ),
        ("JSON within JSON", text(r#""{\"a\":1}""#), Must::Store("{\"a\":1}".into())),
    ]
}

#[test]
fn replies_are_stored_exactly_or_rejected() {
    block_on(async {
        let cases = replies();
        let bodies: Vec<Vec<u8>> = cases.iter().map(|(_, body, _)| body.clone()).collect();
        let upstream = Upstream::start(move |request| Reply::json(bodies[request.path()[1..].parse::<usize>().unwrap()].clone()));
        let chain = Chain::new();
        let published = chain.publish(&reply_pipeline(cases.len())).await;
        chain.tick_well(&published, &upstream.url(), 1).await;
        let mut faults = String::new();
        for (number, (what, _, must)) in cases.iter().enumerate() {
            let stored = chain.seen(&format!("r{number}")).await.first().map(|bytes| stored_value(bytes));
            let rejected = chain.rejected(&format!("r{number}/")).await.pop().map(|rejected| rejected.reason);
            let right = match (must, &stored, &rejected) {
                (Must::Store(value) | Must::StoreOrReject(value), Some(stored), None) => value == stored,
                (Must::Reject | Must::StoreOrReject(_), None, Some(_)) => true,
                _ => false,
            };
            if !right {
                let stored = stored.map(|value| format!("{value:?}").chars().take(80).collect::<String>());
                let _ = writeln!(faults, "{what}: stored {stored:?}, rejected {:?}", rejected);
            }
        }
        assert!(faults.is_empty(), "{faults}");
    });
}

/// What was made of a reply.
fn stored_value(bytes: &[u8]) -> Bson {
    RawDocument::from_bytes(bytes)
        .unwrap()
        .get("value")
        .unwrap()
        .unwrap()
        .try_into()
        .unwrap()
}

#[test]
fn keys_that_come_twice_are_never_halved_in_silence() {
    block_on(async {
        let upstream = Upstream::start(|_| Reply::json(r#"{"a":1,"a":2}"#));
        let chain = Chain::new();
        let published = chain.publish(&reply_pipeline(1)).await;
        chain.tick_well(&published, &upstream.url(), 1).await;
        let stored = chain.seen("r0").await;
        if let Some(document) = stored.first() {
            let value = RawDocument::from_bytes(document).unwrap().get_document("value").unwrap();
            assert_eq!(value.iter().count(), 2, "one of the two members is gone: {value:?}");
        } else {
            assert_eq!(chain.rejected("").await.len(), 1);
        }
    });
}

/// A resource a file; every column is a text.
fn csv_pipeline(files: &[(String, Vec<String>)]) -> String {
    let mut text = String::from("pipeline: laws\nreject_limit: 100%\nsource: {files: {root: .}}\nresources:\n");
    for (name, columns) in files {
        let _ = write!(
            text,
            "  - name: {name}\n    file: {{path: {name}.csv}}\n    record:\n      identity: position\n      fields:\n"
        );
        for (number, column) in columns.iter().enumerate() {
            let _ = writeln!(text, "        c{number}: {{from: {:?}, type: string}}", format!("[{column:?}]"));
        }
        let _ = writeln!(text, "    load: {{collection: {name}, write_disposition: append}}");
    }
    text
}

#[test]
fn csv_spectrum_is_read_as_it_says() {
    let folder = format!("{}/data/csv-spectrum", env!("CARGO_MANIFEST_DIR"));
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(format!("{folder}/csvs")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(format!("{folder}/json/{name}.json")).unwrap();
        let mut rows: Value = serde_json::from_str(&text).unwrap();
        if name == "location_coordinates" {
            // The set's own answer is one object, not a list, and its telephone number is not that of the file.
            rows["Contact Phone Number"] = "2095257564".into();
            rows = Value::Array(vec![rows]);
        }
        let rows: Vec<Vec<(String, String)>> = rows.as_array().unwrap().iter().map(members).collect();
        cases.push((name, rows));
    }
    assert_eq!(cases.len(), 12);
    let columns = |rows: &[Vec<(String, String)>]| rows[0].iter().map(|(column, _)| column.clone()).collect();
    let files: Vec<(String, Vec<String>)> = cases.iter().map(|(name, rows)| (name.clone(), columns(rows))).collect();
    block_on(async {
        let chain = Chain::new();
        let published = chain.publish(&csv_pipeline(&files)).await;
        chain.tick_well(&published, &format!("{folder}/csvs"), 1).await;
        for (name, rows) in &cases {
            assert_eq!(chain.rejected(&format!("{name}/")).await.len(), 0, "{name}");
            let expected: Vec<Vec<String>> = rows
                .iter()
                .map(|row| row.iter().map(|(_, value)| value.clone()).collect())
                .collect();
            assert_eq!(texts(&chain, name).await, expected, "{name}");
        }
    });
}

/// An object's members, in their order in the text, which serde_json does not keep: the files name their columns in the order of the alphabet or not.
fn members(row: &Value) -> Vec<(String, String)> {
    row.as_object()
        .unwrap()
        .iter()
        .map(|(column, value)| (column.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// The texts of a collection's documents, in the order of their fields.
async fn texts(chain: &Chain, collection: &str) -> Vec<Vec<String>> {
    let documents = chain.seen(collection).await;
    let fields = |document: &Vec<u8>| {
        let document = bson::Document::try_from(RawDocument::from_bytes(document).unwrap()).unwrap();
        document
            .into_iter()
            .filter(|(name, _)| name.starts_with('c'))
            .map(|(_, value)| value.as_str().unwrap().to_owned())
            .collect()
    };
    documents.iter().map(fields).collect()
}

#[test]
fn broken_csv_is_never_a_panic_and_never_lost() {
    let long = "x".repeat(700_000);
    // The text, how many documents, how many rejects.
    let cases: Vec<(&str, Vec<u8>, usize, usize)> = vec![
        ("a row too short and one too long", b"a,b\n1\n2,3,4\n5,6\n".to_vec(), 1, 2),
        ("a byte order mark", "\u{feff}a,b\n1,2\n".as_bytes().to_vec(), 1, 0),
        ("no line break at the end", b"a,b\n1,2".to_vec(), 1, 0),
        ("carriage returns", b"a,b\r\n1,2\r\n\r\n3,4\r\n".to_vec(), 2, 0),
        ("only a header", b"a,b\n".to_vec(), 0, 0),
        ("nothing at all", b"".to_vec(), 0, 0),
        ("bytes that are not UTF-8", b"a,b\n\xff,2\n3,4\n".to_vec(), 1, 1),
        ("a zero byte", b"a,b\n\0,2\n".to_vec(), 1, 0),
        ("a line of 700 KB", format!("a,b\n{long},2\n3,4\n").into_bytes(), 2, 0),
    ];
    for (what, text, documents, rejects) in cases {
        block_on(async {
            let chain = Chain::new();
            std::fs::write(chain.folder().join("rows.csv"), text).unwrap();
            let published = chain
                .publish(&csv_pipeline(&[("rows".to_owned(), vec!["a".to_owned(), "b".to_owned()])]))
                .await;
            chain
                .extract(
                    &published,
                    &Name::new("rows").unwrap(),
                    chain.folder().to_str().unwrap(),
                    1,
                    StopAt::never(),
                )
                .await
                .unwrap();
            chain.process(&published, StopAt::never()).await.unwrap();
            let found = (chain.seen("rows").await.len(), chain.rejected("").await.len());
            assert_eq!(
                found,
                (documents, rejects),
                "{what}: documents and rejects: {:?}",
                chain.rejected("").await
            );
        });
    }
}

#[test]
fn the_orders_pipeline_is_one_that_users_may_write() {
    assert!(pipeline::check("orders.yaml", &orders::pipeline()).is_ok());
}
