//! Law 4: every record that comes in is out, rejected, dropped or a duplicate; and nothing from outside panics.

use crate::{capture, clean, pipeline, rest};
use lake::{Body, Piece};
use pipeline::Checked;
use proptest::prelude::*;
use std::sync::LazyLock;

/// JSON of any shape that a record may have, around keys that the contract knows.
pub fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?(e-?[0-9]{1,3})?",
        ".{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u[0-9a-f]{4}|\\\\n|[a-z]){0,4}\"",
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let key = prop::sample::select(vec!["id", "a", "b", "l", "c", "\\u0061", "x\\u0000", ""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key, inner), 0..6).prop_map(|entries| format!(
                "{{{}}}",
                entries.iter().map(|(k, v)| format!("\"{k}\": {v}")).collect::<Vec<_>>().join(", ")
            )),
        ]
    })
}

/// Contracts that together use every part of the language.
pub static CONTRACTS: LazyLock<Vec<Checked>> = LazyLock::new(|| {
    let fields = "fields:\n  id: {type: int}\n  a: {type: json, nullable: true}\n  b: {from: l.b, type: timestamp, nullable: true, invalid_as_null: true}\n  c: {type: list, of: {type: object, fields: {a: {type: string, nullable: true}}}, nullable: true}";
    let simple = "fields: {id: {type: string, nullable: true}, p: {from: l, type: geo_point, nullable: true, invalid_as_null: true}}";
    vec![
        rest(&format!("primary_key: [id]\nfilter: [{{field: id, more_than: 0}}]\n{fields}")),
        rest(&format!("identity: content\nunknown_fields: keep\n{simple}")),
        rest(&format!("identity: position\nunnest: l\nunknown_fields: reject\n{simple}")),
        rest("identity: content\nfields: {all: {from: $, type: json, nullable: true}}"),
        pipeline(
            "source: {files: {}}",
            "file: {path: a.ndjson}",
            &format!("identity: content\n{simple}"),
        ),
        pipeline(
            "source: {files: {}}",
            "file: {path: a.csv}",
            &format!("identity: content\nunknown_fields: keep\n{simple}"),
        ),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn records_add_up(bodies in prop::collection::vec(json(), 1..4)) {
        for checked in CONTRACTS.iter() {
            // `clean` asserts the equation.
            let captures: Vec<_> = bodies.iter().map(|body| capture(Body::Json(body), None)).collect();
            clean(checked, &captures);
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "([\\[\\]{}\",:\\\\0-9eE+.\n\r-]|\\PC){0,80}", header in prop::option::of("[a-c,\"]{0,9}")) {
        for checked in CONTRACTS.iter() {
            let piece = header.as_ref().map(|header| Piece { offset: 5, header: Some(header.into()) });
            clean(checked, &[capture(Body::Text(text.as_str().into()), piece.clone()), capture(Body::Bytes(bytes.clone()), piece)]);
        }
    }
}
