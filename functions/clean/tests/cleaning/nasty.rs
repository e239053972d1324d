//! Texts made to break readers: what JSON accepts is kept exactly or rejected with its reason, what it refuses is rejected.

use crate::{Out, capture, clean, pipeline, rest};
use lake::Body;

/// Texts as the suite of JSON parsers has them, and what `type: json` keeps of them.
const ACCEPTED: &[(&str, &str)] = &[
    ("[[]   ]", "[[]]"),
    ("[\"\"]", "[\"\"]"),
    ("[123.456e-789]", "dec 1.23456E-787"),
    ("[0e+1]", "[f64 0.0]"),
    ("[-0]", "[f64 -0.0]"),
    ("[1E22]", "[f64 1e22]"),
    ("[123123e100000]", "! out_of_range"),
    ("[100000000000000000000]", "[dec 100000000000000000000]"),
    ("[\"\\u0060\\u012a\\u12AB\"]", "[\"`Īካ\"]"),
    ("[\"\\uD801\\udc37\"]", "[\"𐐷\"]"),
    ("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]", "[\"😹💍\"]"),
    ("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\\"\\\\/\\u{8}\\u{c}\\n\\r\\t\"]"),
    ("[\"\\u0000\"]", "[\"\\0\"]"),
    ("[\"\\uDBFF\\uDFFE\"]", "[\"\\u{10fffe}\"]"),
    ("[\"\\uD800\"]", "! lone_surrogate"),
    ("[\"\u{7f}\"]", "[\"\\u{7f}\"]"),
    ("{\"\":0}", "{: i32 0}"),
    ("{\"foo\\u0000bar\": 42}", "! nul_in_key"),
    ("{\"a\":\"b\",\"a\":\"c\"}", "! duplicate_key"),
    ("{\"min\": -1.0e+28, \"max\": 1.0e+28}", "{min: f64 -1e28, max: f64 1e28}"),
    (" [] ", "[]"),
    ("\"asd\"", "\"asd\""),
    ("-0.1", "f64 -0.1"),
    ("true", "true"),
];

const REFUSED: &[&str] = &[
    "[1 true]",
    "[a\u{e5}]",
    "[\"\": 1]",
    "[\"\"],",
    "[,1]",
    "[1,,2]",
    "[\"x\"]]",
    "[\"\",]",
    "[\"x\"",
    "[x",
    "[3[4]]",
    "[1:2]",
    "[,]",
    "[-]",
    "[   , \"\"]",
    "[\"a\",\n4\n,1,",
    "[1,]",
    "[*]",
    "[\"\u{b}a\"\\f]",
    "[fals]",
    "[nul]",
    "[++1234]",
    "[+1]",
    "[-01]",
    "[-1.0.]",
    "[-2.]",
    "[-NaN]",
    "[.-1]",
    "[.2e-3]",
    "[0.1.2]",
    "[0.3e+]",
    "[0E]",
    "[0e+]",
    "[1.0e-]",
    "[1 000.0]",
    "[1eE2]",
    "[2.e+3]",
    "[Inf]",
    "[NaN]",
    "[\u{ff11}]",
    "[1+2]",
    "[0x1]",
    "[012]",
    "{\"x\", null}",
    "{\"x\"::\"b\"}",
    "{key: 'v'}",
    "{\"a\":\"a\" 123}",
    "{\"a\" b}",
    "{:\"b\"}",
    "{1:1}",
    "{\"id\":0,}",
    "{\"a\":\"b\"}/**/",
    "{\"a\":\"b\",,}",
    "{'a':0}",
    "[\"\\uD800\\u\"]",
    "[\"\\u00A\"]",
    "[\"\\a\"]",
    "[\"\\\u{1f300}\"]",
    "[\"a\0a\"]",
    "[\"new\nline\"]",
    "[\"\ttab\"]",
    "\"\\UA66D\"",
    "<.>",
    "[<null>]",
    "[1]x",
    "[True]",
    "1]",
    "{}}",
    "{\"a\":true} \"x\"",
    "[",
    "{",
    "\"",
    "",
    " ",
    "\u{feff}",
    "[\u{2060}]",
    "[\u{c}]",
    "\u{feff}{}",
];

fn outcome(out: &Out) -> String {
    match (out.fields().first(), out.faults().first()) {
        (Some(fields), None) => fields.strip_prefix("f=").unwrap().to_owned(),
        (None, Some(fault)) => format!("! {}", fault.split_once(": ").unwrap().1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn accepted_texts_are_kept_or_told() {
    let checked = rest("identity: position\nfields: {f: {type: json, nullable: true}}");
    for (text, expected) in ACCEPTED {
        let out = clean(&checked, &[capture(Body::Json(&format!("[{{\"f\":{text}}}]")), None)]);
        let expected = if expected.starts_with("dec") {
            format!("[{expected}]")
        } else {
            (*expected).to_owned()
        };
        assert_eq!(outcome(&out), expected, "{text}");
        // The record in `rejected/` is the text as it came: as JSON, or as text where common readers would refuse it.
        if let Some(reject) = out.rejects.first() {
            let record = format!("{{\"f\":{text}}}");
            assert!(
                reject["record"].as_str() == Some(&record)
                    || reject["record"] == serde_json::from_str::<serde_json::Value>(&record).unwrap()
            );
        }
    }
}

#[test]
fn refused_texts_are_rejected() {
    let reply = rest("identity: position\nfields: {f: {from: $, type: json}}");
    let lines = pipeline(
        "source: {files: {}}",
        "file: {path: a.ndjson}",
        "identity: position\nfields: {f: {from: $, type: json}}",
    );
    for text in REFUSED {
        let out = clean(&reply, &[capture(Body::Text((*text).into()), None)]);
        assert_eq!((out.tally.records_in, out.tally.rejected), (1, 1), "{text:?}");
        assert_eq!(out.rejects[0]["record"].as_str(), Some(*text));
        assert_eq!(out.rejects[0]["reason"], "not_json");
        if !text.contains('\n') && !text.trim().is_empty() && !text.starts_with('\u{feff}') {
            let out = clean(&lines, &[capture(Body::Text(format!("1\n{text}\n2\n").into()), None)]);
            assert_eq!((out.tally.out, out.tally.rejected), (2, 1), "{text:?}");
        }
    }
}

#[test]
fn naughty_keys_are_kept() {
    let keep = rest("identity: position\nunknown_fields: keep\nfields: {f: {type: int}}");
    for key in [
        "",
        "$",
        "$set",
        "a.b",
        ".",
        "__proto__",
        "constructor",
        "\u{202e}rtl",
        "é",
        "e\u{301}",
        "Ω≈ç√∫",
        "💩",
        "a\nb",
        "'; DROP TABLE x",
        " ",
        "\u{feff}",
        "%s",
        "F",
    ] {
        let record = format!(r#"{{"f":1,{}:true}}"#, serde_json::to_string(key).unwrap());
        let out = clean(&keep, &[capture(Body::Json(&record), None)]);
        assert_eq!(out.documents[0].get(key).unwrap(), Some(bson::RawBsonRef::Boolean(true)), "{key:?}");
    }
}

#[test]
fn long_lines_and_deep_values() {
    let checked = rest("identity: position\nfields: {f: {type: string}}");
    let long = "é\\n".repeat(350_000);
    let out = clean(&checked, &[capture(Body::Json(&format!("[{{\"f\":\"{long}\"}}]")), None)]);
    assert_eq!(out.documents[0].get_str("f").unwrap(), "é\n".repeat(350_000));
    let deep = format!("[{{\"g\":{}{},\"f\":\"x\"}}]", "[".repeat(126), "]".repeat(126));
    assert_eq!(
        clean(&checked, &[capture(Body::Json(&deep), None)]).fields(),
        ["f=\"x\""],
        "what no field reads may be as deep as a body may"
    );
}
