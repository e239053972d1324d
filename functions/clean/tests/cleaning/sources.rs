//! Where the records of a capture are: selectors, CSV, NDJSON, and captures that are not what they should be.

use crate::{Out, capture, clean, pipeline, rest};
use clean::Cleaner;
use lake::{Body, Piece};
use pipeline::Checked;

fn selected(selector: &str) -> Checked {
    let endpoint = format!("endpoint: {{path: a, data_selector: '{selector}'}}");
    pipeline(
        "source: {rest_api: {base_url: 'https://example.org/'}}",
        &endpoint,
        "identity: position\nfields: {a: {type: int}}",
    )
}

fn file(file: &str) -> Checked {
    pipeline(
        "source: {files: {}}",
        &format!("file: {{{file}}}"),
        "identity: position\nfields: {a: {type: string}, b: {type: string, nullable: true}}",
    )
}

fn outcome(out: &Out) -> String {
    format!("{} | {}", out.fields().join("; "), out.faults().join(", "))
}

#[test]
fn selectors() {
    for (selector, body, expected) in [
        ("$.x[*]", r#"{"x":[{"a":1},{"a":2}],"y":0}"#, "a=i32 1; a=i32 2 | "),
        ("$.x", r#"{"x":[{"a":1}]}"#, "a=i32 1 | "),
        ("$.x", r#"{"x":{"a":1}}"#, "a=i32 1 | "),
        (
            "$.x.y[*].z[*]",
            r#"{"x":{"y":[{"z":[{"a":1}]},{"z":[]},{"z":[{"a":2}]}]}}"#,
            "a=i32 1; a=i32 2 | ",
        ),
        (
            "$.x.y[*].z[*]",
            r#"{"x":{"y":[{"z":[{"a":1}]},{}]}}"#,
            "a=i32 1 | -: selector_missing",
        ),
        ("$.x[1]", r#"{"x":[0,{"a":1}]}"#, "a=i32 1 | "),
        ("$.x[1]", r#"{"x":[0]}"#, " | -: selector_missing"),
        ("$.x[*]", r#"{"x":[]}"#, " | "),
        ("$.x[*]", r#"{"x":null}"#, " | "),
        ("$.x[*]", r#"{"error":"no"}"#, " | -: selector_missing"),
        ("$.x[*]", r#"{"x":{"a":1}}"#, " | -: selector_missing"),
        ("$.x[*]", r#""oops""#, " | -: selector_missing"),
        ("$.x.y[*]", r#"{"x":null}"#, " | -: selector_missing"),
        ("$.x[*]", r#"{"x":[{"a":1}],"x":[{"a":2}]}"#, "a=i32 1 | -: duplicate_key"),
        ("$[*]", r#"[{"a":1}]"#, "a=i32 1 | "),
    ] {
        let out = clean(&selected(selector), &[capture(Body::Json(body), None)]);
        assert_eq!(outcome(&out), expected, "{selector} of {body}");
    }
    let out = clean(
        &selected("$.x[*]"),
        &[capture(Body::Json(r#"[{"a":1}]"#), Some(Piece { offset: 9, header: None }))],
    );
    assert_eq!(outcome(&out), "a=i32 1 | ", "the items of a piece are the records");
}

#[test]
fn replies_that_are_not_json() {
    let checked = rest("identity: position\nfields: {a: {type: int}}");
    let check = |body: Body<'_>, message: &str| {
        let out = clean(&checked, &[capture(body, None)]);
        assert_eq!(out.faults(), ["-: not_json"]);
        let found = out.rejects[0]["message"].as_str().unwrap().to_owned();
        assert!(found.contains(message), "{found}");
    };
    check(Body::Text("<html>".into()), "at line 1, column 1");
    check(Body::Text("{\n \"é\": x}".into()), "at line 2, column 7");
    check(Body::Text("".into()), "expected a value");
    check(Body::Text("[".repeat(100_000).into()), "less nesting");
    check(Body::Bytes(vec![0xc3, 0x28]), "bytes that are not UTF-8");
    check(Body::Bytes(utf16("[]")), "looks like UTF-16");
    let out = clean(&checked, &[capture(Body::Text(" {\"a\": 1}\n".into()), None)]);
    assert_eq!(outcome(&out), "a=i32 1 | ", "text that is JSON after all");
    let out = clean(&checked, &[capture(Body::Bytes(b"[{\"a\": 1}]".to_vec()), None)]);
    assert_eq!(outcome(&out), "a=i32 1 | ", "a long text is kept as bytes");
    let mut cleaner = Cleaner::new(&checked.pipeline, &checked.pipeline.resources[0], &crate::raw_key(), 1).unwrap();
    for broken in [r#"[{"a":1}"#, r#"[{"a":1}] x"#, ""] {
        let damaged = cleaner.capture(1, &capture(Body::Json(broken), None), 0, &mut Out::default());
        assert!(damaged.is_err(), "what says it is JSON must be");
    }
}

#[test]
fn ndjson() {
    let checked = file("path: a.ndjson");
    let check = |body: Body<'_>, expected: &str| assert_eq!(outcome(&clean(&checked, &[capture(body, None)])), expected);
    check(
        Body::Text("{\"a\":1}\n\n  \r\n{\"a\":\"x\"}\r\n".into()),
        r#"a="1" b=null; a="x" b=null | "#,
    );
    check(Body::Json("{\"a\":1}"), r#"a="1" b=null | "#);
    check(
        Body::Text("{\"a\":1}\n{oops\n{\"a\":2} 3\n{\"a\":4}".into()),
        r#"a="1" b=null; a="4" b=null | -: not_json, -: not_json"#,
    );
    check(Body::Text("\u{feff}{\"a\":1}".into()), r#"a="1" b=null | "#);
    check(
        Body::Bytes(b"{\"a\":1}\n\xff\n{\"a\":2}".to_vec()),
        r#"a="1" b=null; a="2" b=null | -: not_utf8"#,
    );
    let out = clean(&checked, &[capture(Body::Bytes(b"\xff\x00".to_vec()), None)]);
    assert_eq!(out.rejects[0]["record"]["base64"], "/wA=");
}

#[test]
fn csv() {
    let check = |dialect: &str, body: &str, expected: &str| {
        let out = clean(&file(&format!("path: a.csv{dialect}")), &[capture(Body::Text(body.into()), None)]);
        assert_eq!(outcome(&out), expected, "{body:?}");
    };
    check("", "a,b\n1,x\r\n\"q\"\"\n\",y\n", r#"a="1" b="x"; a="q\"\n" b="y" | "#);
    check("", "\u{feff}a,b\n1,x", r#"a="1" b="x" | "#);
    check("", "b,c,a\n1,2,3\n", r#"a="3" b="1" | "#);
    check(
        "",
        "a,b\n1\n2,x,y\n3,z\n",
        r#"a="3" b="z" | -: wrong_column_count, -: wrong_column_count"#,
    );
    check("", "a,b,a\n1,2,3\n", " | a: duplicate_key");
    check("", "b\nx\n", " | a: missing");
    check("", "a,b\n1,\"x\n2,y\n", " | -: unclosed_quote");
    check("", "a,b\n1,\"x", " | -: unclosed_quote");
    check("", "a,b\n5\" pipe,x", r#"a="5\" pipe" b="x" | "#);
    check("", "a,b\n\"5\" tall\",x\n1,\"y\"\n", r#"a="1" b="y" | -: malformed_quote"#);
    check("", "a,b\n1,\"y\" \r\n2,\"\"\"\"\r\n", r#"a="2" b="\"" | -: malformed_quote"#);
    check("", "a,b\n\"\",\"p,\"\"q\"\"\r\n\"\r\n", r#"a="" b="p,\"q\"\r\n" | "#);
    check("", "a,b\n1,x \"y\" z\n\n\"2\",y\n", r#"a="1" b="x \"y\" z"; a="2" b="y" | "#);
    check(
        ", format: {csv: {comment: '#', header: false, columns: [a, b]}}",
        "\u{feff}\"1\",x\n# say, \"no\" here\n\n#\"\n\"2\",y\n#\n\"3\"z,y\n",
        r#"a="1" b="x"; a="2" b="y" | -: malformed_quote"#,
    );
    check("", "", " | ");
    check("", "a,b\n", " | ");
    check(
        ", format: {csv: {delimiter: ';', quote: \"'\", comment: '#'}}",
        "#no\na;b\n'1;2';x\n#no\n3;y\n",
        r#"a="1;2" b="x"; a="3" b="y" | "#,
    );
    check(", format: {csv: {header: false, columns: [b, a]}}", "1,2\n", r#"a="2" b="1" | "#);
    check(", format: {csv: {columns: [b, a]}}", "x,y\n1,2\n", r#"a="2" b="1" | "#);
    let piece = Piece {
        offset: 70,
        header: Some("b,a".into()),
    };
    let out = clean(&file("path: a.csv"), &[capture(Body::Text("1,2\n".into()), Some(piece))]);
    assert_eq!(outcome(&out), r#"a="2" b="1" | "#);
    let out = clean(
        &file("path: a.csv"),
        &[capture(Body::Bytes(b"a,b\n1,x\n\xff,y\n2,\xc3\n3,z\n".to_vec()), None)],
    );
    assert_eq!(outcome(&out), r#"a="1" b="x"; a="3" b="z" | -: not_utf8, -: not_utf8"#);
    let wide = format!("a,b\n{},{}\n", "x".repeat(700_000), "y");
    assert_eq!(clean(&file("path: a.csv"), &[capture(Body::Text(wide.into()), None)]).tally.out, 1);
}

fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// Without a row nothing would show that it is not the file that was meant.
#[test]
fn a_header_alone() {
    let message = |file: &Checked, body: &str| {
        let out = clean(file, &[capture(Body::Text(body.into()), Some(Piece { offset: 0, header: None }))]);
        assert!(out.tally.balances());
        out.rejects.first().map(|reject| {
            assert_eq!((out.rejects.len(), &reject["reason"]), (1, &"wrong_header".into()), "{body}");
            assert_eq!(reject["record"], body.trim());
            reject["message"].as_str().unwrap().to_owned()
        })
    };
    let plain = file("path: a.csv");
    let wrong = Some("the header has no column `a`, and no row follows: is it the file that was meant?");
    for (body, expected) in [
        ("<html>login</html>", wrong),
        ("wrong,cols\n", wrong),
        ("a\n", None),
        ("b,a\r\n", None),
        ("", None),
    ] {
        assert_eq!(message(&plain, body).as_deref(), expected, "{body}");
    }
    let named = file("path: a.csv, format: {csv: {columns: [a, b, c]}}");
    assert_eq!(message(&named, "x,y,z\n"), None);
    assert!(
        message(&named, "<html>\n")
            .unwrap()
            .starts_with("the header has another number of columns (1) than `columns` names (3)")
    );
    let optional = pipeline(
        "source: {files: {}}",
        "file: {path: a.csv}",
        "identity: position\nfields: {a: {type: string, nullable: true}, b: {type: string, default: x}, row: {from: $, type: json}}",
    );
    assert_eq!(message(&optional, "wrong\n"), None);
    let out = clean(&plain, &[capture(Body::Text("wrong,cols\n1,2\n".into()), None)]);
    assert_eq!(outcome(&out), " | a: missing", "each row says it");
}

#[test]
fn utf16_is_told() {
    let check = |file: &Checked, body: Vec<u8>, piece: Piece<'_>| {
        let body = String::from_utf8(body).map_or_else(|error| Body::Bytes(error.into_bytes()), |text| Body::Text(text.into()));
        let out = clean(file, &[capture(body, Some(piece))]);
        assert_eq!(outcome(&out), " | -: not_utf8");
        assert!(out.rejects[0]["message"].as_str().unwrap().contains("looks like UTF-16"));
    };
    let start = || Piece { offset: 0, header: None };
    check(&file("path: a.csv"), utf16("a,b\n1,x\n2,y\n"), start());
    check(&file("path: a.ndjson"), utf16("{\"a\":\"1\"}\n{\"a\":\"2\"}\n"), start());
    // A later piece has only the header to tell by.
    let later = Piece {
        offset: 90,
        header: Some("\u{fffd}\u{fffd}a\0,\0b\0".into()),
    };
    check(&file("path: a.csv"), utf16("3,z\n").split_off(2), later);
}

#[test]
fn what_to_look_at() {
    let message = |checked: &Checked, body: Body<'_>| {
        let out = clean(checked, &[capture(body, None)]);
        out.rejects[0]["message"].as_str().unwrap().to_owned()
    };
    let csv = |body: &str| message(&file("path: a.csv"), Body::Text(body.to_owned().into()));
    assert_eq!(
        csv("a;b\n1;2,5\n"),
        "expected 1 value, as there is one column, found 2: look at `delimiter`"
    );
    assert_eq!(
        csv("a,b\n1;2\n"),
        "expected 2 values, as there are columns, found 1: look at `delimiter`"
    );
    assert_eq!(csv("a,b\n1,2,3\n"), "expected 2 values, as there are columns, found 3");
    let of = |body| message(&selected("$.x[*]"), Body::Json(body));
    assert!(of(r#"{"x":{"k1":{"a":1}}}"#).contains("found an object: objects keyed by ids can't be walked yet"));
    assert_eq!(of(r#"{"x":5}"#), "the `data_selector` expects a list here");
}

/// A rejected record must not make a line that nobody can read.
#[test]
fn a_long_record_of_escapes() {
    #[derive(Default)]
    struct Line(Vec<u8>);
    impl clean::Sink for Line {
        fn clean(&mut self, _: &[u8]) {}
        fn rejected(&mut self, line: &[u8]) {
            self.0.extend_from_slice(line);
        }
    }
    let mut line = Line::default();
    let checked = rest("identity: position\nfields: {a: {type: int}}");
    let mut cleaner = Cleaner::new(&checked.pipeline, &checked.pipeline.resources[0], &crate::raw_key(), 1).unwrap();
    let body = Body::Text("\u{1}".repeat(12 << 20).into());
    cleaner.capture(1, &capture(body, None), 0, &mut line).unwrap();
    assert!(line.0.len() < lake::zst::LINE_BYTES_MAX / 3, "{} bytes", line.0.len());
    assert!(memchr::memmem::find(&line.0, b"\"record\":{\"base64\":\"").is_some());
}

#[test]
fn unknown_columns() {
    let keep = pipeline(
        "source: {files: {}}",
        "file: {path: a.csv}",
        "identity: position\nunknown_fields: keep\nfields: {a: {type: int}}",
    );
    let check = |body: &str, expected: &str| assert_eq!(outcome(&clean(&keep, &[capture(Body::Text(body.into()), None)])), expected);
    check("a,b,c\n1,x,\n", r#"a=i32 1 b="x" c="" | "#);
    check("a,b,b\n1,x,y\n", " | b: duplicate_key");
    check("a,_id\n1,x\n", " | _id: name_taken");
}

#[test]
fn a_field_that_reads_a_whole_row() {
    let whole = pipeline(
        "source: {files: {}}",
        "file: {path: a.csv}",
        "identity: position\nfields: {name: {type: string}, at: {from: $, type: geo_point}, row: {from: $, type: json}}",
    );
    let out = clean(
        &whole,
        &[capture(Body::Text("name,lat,lon\n\"a \"\"b\"\"\",41.5,-80\nx,91,0\n".into()), None)],
    );
    let expected = r#"name="a \"b\"" at={type: "Point", coordinates: [f64 -80.0, f64 41.5]} row={name: "a \"b\"", lat: "41.5", lon: "-80"} | at: out_of_range"#;
    assert_eq!(outcome(&out), expected);
}
