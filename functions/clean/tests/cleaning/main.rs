//! `clean` from outside: captures in, documents and rejects out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod conservation;
mod determinism;
mod explained;
mod handling;
mod nasty;
mod readme;
mod records;
mod rules;
mod sources;
mod types;

use bson::RawDocumentBuf;
use clean::{Cleaner, Sink};
use lake::{Body, Capture, Part, Piece, RawKey, RunId};
use ledger::CleanTally;
use pipeline::Checked;
use serde_json::Value;
use std::borrow::Cow;

pub const AT_MS: i64 = 1_700_000_000_123;

/// What came out of a cleaner.
#[derive(Debug, Default)]
pub struct Out {
    pub documents: Vec<RawDocumentBuf>,
    pub rejects: Vec<Value>,
    pub tally: CleanTally,
}

impl Sink for Out {
    fn clean(&mut self, document: &[u8]) {
        let document = RawDocumentBuf::from_bytes(document.to_vec()).unwrap();
        // Every element is well-formed, to the last one.
        bson::Document::try_from(&*document).unwrap();
        self.documents.push(document);
    }
    fn rejected(&mut self, line: &[u8]) {
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        self.rejects.push(serde_json::from_slice(line).unwrap());
    }
}

impl Out {
    /// The reasons of all faults of all rejects, with their fields.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.rejects.iter().flat_map(|reject| reject["faults"].as_array().unwrap());
        let named = faults.map(|fault| format!("{}: {}", fault["field"].as_str().unwrap_or("-"), fault["reason"].as_str().unwrap()));
        named.collect()
    }

    /// The documents' fields, without what Tidemill notes, as relaxed extended JSON.
    pub fn fields(&self) -> Vec<String> {
        self.documents.iter().map(|document| shown(document)).collect()
    }
}

/// A document without `_id` and `_tidemill`, shown compactly.
pub fn shown(document: &bson::RawDocument) -> String {
    let fields = document
        .iter()
        .map(|element| element.unwrap())
        .filter(|(key, _)| key.as_str() != "_id" && key.as_str() != "_tidemill");
    let fields: Vec<String> = fields
        .map(|(key, value)| format!("{}={}", key.as_str(), value_shown(value)))
        .collect();
    fields.join(" ")
}

/// A BSON value with its type.
pub fn value_shown(value: bson::RawBsonRef<'_>) -> String {
    use bson::RawBsonRef as B;
    match value {
        B::String(text) => format!("{text:?}"),
        B::Int32(n) => format!("i32 {n}"),
        B::Int64(n) => format!("i64 {n}"),
        B::Double(n) => format!("f64 {n:?}"),
        B::Decimal128(n) => format!("dec {n}"),
        B::Boolean(b) => b.to_string(),
        B::DateTime(at) => format!("ms {}", at.timestamp_millis()),
        B::Null => "null".into(),
        B::Array(items) => format!(
            "[{}]",
            items
                .into_iter()
                .map(|item| value_shown(item.unwrap()))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        B::Document(document) => {
            let fields = document.iter().map(|element| element.unwrap());
            format!(
                "{{{}}}",
                fields
                    .map(|(key, value)| format!("{}: {}", key.as_str(), value_shown(value)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        other => format!("{other:?}"),
    }
}

/// A pipeline around a record's YAML (indented by nothing), for a REST source.
pub fn rest(record: &str) -> Checked {
    pipeline(
        "source: {rest_api: {base_url: 'https://example.org/'}}",
        "endpoint: {path: a}",
        record,
    )
}

pub fn pipeline(source: &str, resource: &str, record: &str) -> Checked {
    // What is named by its place can only be appended.
    let disposition = if record.contains("identity: position") { "append" } else { "merge" };
    let record: String = record.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "pipeline: p\n{source}\nresources:\n  - name: r\n    {resource}\n    record:\n{record}    load: {{collection: c, write_disposition: {disposition}}}\n"
    );
    pipeline::check("p.yaml", &text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

pub fn raw_key() -> RawKey {
    let name = |text| pipeline::Name::new(text).unwrap();
    RawKey {
        pipeline: name("p"),
        resource: name("r"),
        run: RunId::new(1_700_000_000_000, 7),
        part: Part::Number(3),
    }
}

pub fn capture<'a>(body: Body<'a>, piece: Option<Piece<'a>>) -> Capture<'a> {
    Capture {
        at_ms: AT_MS,
        url: Cow::Borrowed("https://example.org/a"),
        status: 200,
        content_type: None,
        piece,
        body,
    }
}

/// Cleans captures, a line each.
pub fn clean(checked: &Checked, captures: &[Capture<'_>]) -> Out {
    cleaned(checked, captures, true)
}

/// As [`clean`], less what only the end of an object shows: for what is compared record by record.
pub fn clean_records(checked: &Checked, captures: &[Capture<'_>]) -> Out {
    cleaned(checked, captures, false)
}

fn cleaned(checked: &Checked, captures: &[Capture<'_>], ended: bool) -> Out {
    let mut cleaner = Cleaner::new(&checked.pipeline, &checked.pipeline.resources[0], &raw_key(), 5).unwrap();
    let mut out = Out::default();
    for (place, capture) in captures.iter().enumerate() {
        let rest = cleaner.capture(place as u32 + 1, capture, 0, &mut out).unwrap();
        assert_eq!(rest, None);
    }
    if ended {
        cleaner.finish(&mut out);
    }
    out.tally = cleaner.tally();
    let tally = out.tally;
    assert!(tally.balances(), "{tally:?}");
    assert_eq!((tally.out, tally.rejected), (out.documents.len() as u64, out.rejects.len() as u64));
    out
}

/// Cleans one JSON body.
pub fn clean_json(checked: &Checked, body: &str) -> Out {
    clean(checked, &[capture(Body::Json(body), None)])
}
