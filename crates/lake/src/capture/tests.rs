//! A capture is read back as it was written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;

fn head(url: &str) -> CaptureHead<'_> {
    CaptureHead {
        at_ms: 1_700_000_000_123,
        url,
        status: 200,
        content_type: None,
        piece: None,
    }
}

fn line(body: &[u8], form: BodyForm) -> String {
    let mut line = Vec::new();
    write_capture(&mut line, &head("https://example.org/"), body, form);
    assert_eq!(line.pop(), Some(b'\n'));
    String::from_utf8(line).unwrap()
}

/// Writes `body`, reads it back both ways, and compares with `expected`.
fn check(body: &[u8], form: BodyForm, expected: &Body<'_>) {
    let line = line(body, form);
    assert!(!line.contains('\n'), "{line}");
    assert_eq!(&Capture::parse(&line).unwrap().body, expected, "{line}");
    assert_eq!(&Capture::parse_head(&line).unwrap().body, expected, "{line}");
    serde_json::from_str::<serde::de::IgnoredAny>(&line).unwrap();
}

fn auto(body: &str, expected: &Body<'_>) {
    check(body.as_bytes(), BodyForm::Auto, expected);
}

#[test]
fn a_line_looks_like_this() {
    let head = CaptureHead {
        content_type: Some("text/csv"),
        piece: Some(Piece {
            offset: 7,
            header: Some("a,b".into()),
        }),
        ..head("file:///a.csv")
    };
    let mut line = Vec::new();
    write_capture(&mut line, &head, b"1,\"2\"\n", BodyForm::Text);
    let text = r#"{"at":1700000000123,"url":"file:///a.csv","status":200,"content_type":"text/csv","piece":{"offset":7,"header":"a,b"},"form":"text","body":"1,\"2\"\n"}"#;
    assert_eq!(std::str::from_utf8(&line).unwrap(), format!("{text}\n"));
    let read = Capture::parse(text).unwrap();
    assert_eq!(read.piece, head.piece);
    assert_eq!(
        (read.at_ms, &*read.url, read.content_type.as_deref()),
        (head.at_ms, head.url, head.content_type)
    );
}

#[test]
fn the_form_is_found_out() {
    auto(r#"{"a":1.0,"a":1e400}"#, &Body::Json(r#"{"a":1.0,"a":1e400}"#));
    auto("{\"a\":\r\n [1,\n2]}\n", &Body::Json(r#"{"a": [1,2]}"#));
    auto(" 17 ", &Body::Json("17"));
    auto(r#"{"base64":"AAAA"}"#, &Body::Json(r#"{"base64":"AAAA"}"#));
    auto(r#""text""#, &Body::Json(r#""text""#));
    auto("text", &Body::Text("text".into()));
    auto("", &Body::Text("".into()));
    auto("{\"a\":1", &Body::Text("{\"a\":1".into()));
    auto("[1][2]", &Body::Text("[1][2]".into()));
    auto("\u{feff}{}", &Body::Text("\u{feff}{}".into()));
    check(&[0xff, 0, 10], BodyForm::Auto, &Body::Bytes(vec![0xff, 0, 10]));
    check(&[0xff], BodyForm::Text, &Body::Bytes(vec![0xff]));
    check(b"{}", BodyForm::Text, &Body::Text("{}".into()));
}

#[test]
fn the_deepest_json_is_kept_and_a_deeper_one_is_text() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    auto(&nested(128), &Body::Json(&nested(128)));
    auto(&nested(129), &Body::Text(nested(129).into()));
    auto(&nested(100_000), &Body::Text(nested(100_000).into()));
}

/// Six bytes for one would make a line that nobody can read.
#[test]
fn a_long_text_of_escapes_is_kept_as_bytes() {
    let controls = "\u{1}".repeat(12 << 20);
    auto(&controls, &Body::Bytes(controls.clone().into_bytes()));
    assert!(line(controls.as_bytes(), BodyForm::Auto).len() < crate::zst::LINE_BYTES_MAX / 3);
    check(controls.as_bytes(), BodyForm::Text, &Body::Bytes(controls.clone().into_bytes()));
    let quoted = "\"a\",\"b\"\n".repeat(100_000);
    check(quoted.as_bytes(), BodyForm::Text, &Body::Text(quoted.as_str().into()));
    let plain = "a".repeat(20 << 20);
    check(plain.as_bytes(), BodyForm::Text, &Body::Text(plain.as_str().into()));
    let json = format!("[\"{}\"]", "\\u0001".repeat(4 << 20));
    auto(&json, &Body::Json(&json));
}

#[test]
fn what_is_no_capture_is_an_error() {
    let good = line(b"{}", BodyForm::Auto);
    assert!(Capture::parse(&good).is_ok());
    for (from, to) in [
        ("\"at\":1700000000123", "\"at\":1.5"),
        ("\"at\":1700000000123", "\"at\":\"1\""),
        ("\"at\":1700000000123,", ""),
        ("\"status\":200", "\"status\":70000"),
        ("\"status\":200", "\"status\":-1"),
        ("\"form\":\"json\",", ""),
        ("\"form\":\"json\"", "\"form\":\"xml\""),
        ("\"form\":\"json\"", "\"form\":\"text\""),
        ("\"form\":\"json\"", "\"form\":\"base64\""),
        ("\"form\"", "\"unknown\":1,\"form\""),
        ("\"body\":{}", "\"body\":{]"),
        ("\"body\":{}", "\"no\":{}"),
        ("\"url\":\"", "\"url\":\"\\ud800"),
        ("{}}", "{}} x"),
        ("{}}", "{}"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert!(Capture::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_faulty_body_of_a_head_is_seen_by_whoever_reads_it() {
    let bad = line(b"{}", BodyForm::Auto).replace("{}}", "1,\"x\":2}");
    assert!(Capture::parse(&bad).is_err());
    let Body::Json(text) = Capture::parse_head(&bad).unwrap().body else {
        unreachable!("its form is json")
    };
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    scanner.skip_value().unwrap();
    assert!(scanner.end().is_err());
}

proptest! {
    #[test]
    fn any_bytes_come_back(body in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "\\PC{0,40}|[\\x00-\\x7f\"\\\\]{0,40}".prop_map(String::into_bytes),
        "[\\[\\]{}:,\"0-9 \n\r\\\\ae]{0,12}".prop_map(String::into_bytes),
    ]) {
        let line = line(&body, BodyForm::Auto);
        prop_assert!(!line.contains('\n'));
        let came_back = match Capture::parse(&line).unwrap().body {
            Body::Json(text) => text.as_bytes().to_vec(),
            Body::Text(text) => text.as_bytes().to_vec(),
            Body::Bytes(bytes) => bytes,
        };
        let text = std::str::from_utf8(&body).ok();
        if text.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()) {
            let value = String::from_utf8(body).unwrap().replace(['\n', '\r'], "");
            prop_assert_eq!(came_back, value.trim().as_bytes());
        } else {
            prop_assert_eq!(came_back, body);
        }
    }

    #[test]
    fn any_head_comes_back(
        at_ms: i64, status: u16, url in "\\PC{0,20}", content_type in prop::option::of("[\\x00-\\x7f]{0,9}"),
        piece in prop::option::of((any::<u64>(), prop::option::of("\\PC{0,9}"))),
    ) {
        let head = CaptureHead {
            at_ms,
            url: &url,
            status,
            content_type: content_type.as_deref(),
            piece: piece.map(|(offset, header)| Piece { offset, header: header.map(Cow::Owned) }),
        };
        let mut line = Vec::new();
        write_capture(&mut line, &head, b"[]", BodyForm::Json { line_breaks: false });
        let line = String::from_utf8(line).unwrap();
        let read = Capture::parse(line.trim_end_matches('\n')).unwrap();
        prop_assert_eq!((read.at_ms, &*read.url, read.status), (at_ms, &*url, status));
        prop_assert_eq!((read.content_type.as_deref(), read.piece), (head.content_type, head.piece));
    }

    #[test]
    fn no_line_panics(line in "\\PC{0,60}") {
        let _ = Capture::parse(&line);
        let _ = Capture::parse_head(&line);
    }
}
