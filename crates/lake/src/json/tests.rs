//! The scanner accepts what serde_json accepts and reads what it reads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;
use serde::de::IgnoredAny;

fn skip(text: &str, depth_max: u32) -> Result<Raw<'_>, Fault> {
    let mut scanner = Scanner::new(text, depth_max);
    let value = scanner.skip_value()?;
    scanner.end()?;
    Ok(value)
}

/// Reads all of a value by stepping into everything.
fn step(scanner: &mut Scanner<'_>) -> Result<(), Fault> {
    let mut first = true;
    match scanner.peek()? {
        Kind::Object => {
            scanner.begin_object()?;
            while scanner.next_key(&mut first)?.is_some() {
                step(scanner)?;
            }
        }
        Kind::List => {
            scanner.begin_list()?;
            while scanner.next_item(&mut first)? {
                step(scanner)?;
            }
        }
        _ => _ = scanner.skip_value()?,
    }
    Ok(())
}

/// How deep a valid text nests.
fn depth(text: &str) -> u32 {
    let (mut open, mut deepest, mut in_string, mut after_backslash) = (0, 0, false, false);
    for b in text.bytes() {
        match b {
            _ if after_backslash => after_backslash = false,
            b'\\' => after_backslash = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => open += 1,
            b']' | b'}' if !in_string => open -= 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// Both ways of reading agree with serde_json (whose check has no limit of depth).
fn check(text: &str, depth_max: u32) {
    let valid = serde_json::from_str::<IgnoredAny>(text).is_ok() && depth(text) <= depth_max;
    let skipped = skip(text, depth_max);
    assert_eq!(skipped.is_ok(), valid, "{text:?}: {skipped:?}");
    let mut scanner = Scanner::new(text, depth_max);
    let stepped = step(&mut scanner).and_then(|()| scanner.end());
    assert_eq!(stepped.is_ok(), valid, "{text:?}: {stepped:?}");
    if let Ok(value) = skipped {
        assert_eq!(value.text, text.trim_matches([' ', '\t', '\n', '\r']));
        assert_eq!(scanner.saw_line_break(), text.contains(['\n', '\r']));
        assert_eq!(scanner.offset(), text.len());
        assert!(value.kind != Kind::String || value.escaped == text.contains('\\'));
    }
}

#[test]
fn texts_of_every_kind() {
    for text in [
        "",
        " ",
        "null",
        " null\n",
        "nul",
        "nulll",
        "NULL",
        "true",
        "tru",
        "false",
        "falsy",
        "{}",
        "[]",
        "[ ]",
        "{ }",
        "[\n]",
        "[1]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "[1",
        "[",
        "]",
        "{",
        "}",
        "[}",
        "{]",
        "[1}",
        "{\"a\":1]",
        "{\"a\":1}",
        "{\"a\" :\t1 , \"a\":2}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"::1}",
        "[[[[]]],{\"a\":[{}]}]",
        "0",
        "-0",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.5",
        "1.e1",
        "1e5",
        "1E+5",
        "1e-05",
        "1e",
        "1e+",
        "1.5.5",
        "1e5e5",
        "0x1",
        "1_0",
        "12345678",
        "123456789",
        "Infinity",
        "NaN",
        "-Infinity",
        "1e99999",
        "1 ",
        "1\u{a0}",
        "\u{feff}1",
        "\"\"",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\\"\"",
        "\"\\",
        "\"\\a\"",
        "\"\\'\"",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\\uD800\"",
        "\"\\uDC00\\uD800\"",
        "\"\\u0000\"",
        "\"\0\"",
        "\"\u{1f}\"",
        "\"\u{7f}\"",
        "\"\n\"",
        "\"\t\"",
        "\"é\u{1f30d}\u{2028}\"",
        "'a'",
        "\"a\" \"b\"",
        "1 2",
        "// a\n1",
        "1 /* a */",
        "[1]x",
        "\u{c}1",
        "\u{b}1",
        "\"12345678\"",
        "\"1234567\\\\\"",
        "\"12345678\u{1}\"",
        "\"\\\\\\\\\\\\\\\\\"",
        "[\"a\",\n1.0e-7 , {\"b\\\\\":[true,false , null]}]",
        "[1,\0]",
        "\0",
        "[\"\u{80}\"]",
    ] {
        check(text, 128);
        for (end, _) in text.char_indices() {
            check(&text[..end], 128);
        }
    }
}

#[test]
fn nesting_has_a_limit_and_no_recursion() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[", "]}]")] {
        for repeat in [1, 2, 42, 43, 127, 128, 129, 130] {
            let text = format!("{}1{}", open.repeat(repeat), close.repeat(repeat));
            for depth_max in [0, 1, 127, 128, 129] {
                check(&text, depth_max);
            }
            check(&text[..text.len() - 1], 128);
            check(&text.replace("1]", "1}"), 128);
            check(&text.replace("1}", "1]"), 128);
        }
    }
    assert_eq!(skip(&"[".repeat(130), u32::MAX).unwrap_err().expected, "less nesting");
    assert_eq!(skip(&"[".repeat(100_000), 128).unwrap_err().offset, 128);
    assert_eq!(skip(&"[{\"a\":".repeat(50_000), 128).unwrap_err().expected, "less nesting");
}

#[test]
fn a_fault_says_where_and_what() {
    for (text, message) in [
        ("{\"a\": tru}", "expected `true`, `false` or `null` at byte 6"),
        ("[1 2]", "expected `,` or `]` at byte 3"),
        ("{\"a\" 1}", "expected `:` at byte 5"),
        ("\"a\u{1}\"", "expected no control character in a string at byte 2"),
        ("1 2", "expected nothing after the value at byte 2"),
        ("-", "expected a digit at byte 1"),
        ("", "expected a value at byte 0"),
    ] {
        assert_eq!(skip(text, 128).unwrap_err().to_string(), message);
    }
}

#[test]
fn values_are_stepped_into() {
    let text = r#" { "a\u0062" : [ 1.50 , "x\n" ] , "c" : {} } "#;
    let mut scanner = Scanner::new(text, 128);
    let (mut keys, mut items) = (true, true);
    scanner.begin_object().unwrap();
    let key = scanner.next_key(&mut keys).unwrap().unwrap();
    assert_eq!((key.inner, &*key.value().unwrap()), (r"a\u0062", "ab"));
    assert!(key.is("ab") && !key.is(r"a\u0062"));
    scanner.begin_list().unwrap();
    assert!(scanner.next_item(&mut items).unwrap());
    assert_eq!(scanner.skip_value().unwrap().text, "1.50");
    assert!(scanner.next_item(&mut items).unwrap());
    assert_eq!(scanner.skip_value().unwrap().as_string().value().unwrap(), "x\n");
    assert!(!scanner.next_item(&mut items).unwrap());
    assert!(scanner.next_key(&mut keys).unwrap().unwrap().is("c"));
    assert_eq!(scanner.peek().unwrap(), Kind::Object);
    assert_eq!(scanner.skip_value().unwrap().text, "{}");
    assert_eq!(scanner.next_key(&mut keys).unwrap(), None);
    scanner.end().unwrap();
}

#[test]
fn integers_are_exact_or_none() {
    for (text, value) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("-0.000e-7", Some(0)),
        ("0e99999999999999999999", Some(0)),
        ("7.0", Some(7)),
        ("1e3", Some(1_000)),
        ("-1.5E+1", Some(-15)),
        ("70e-1", Some(7)),
        ("0.001e3", Some(1)),
        ("0.01e1", None),
        ("1.5", None),
        ("1e-1", None),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775807.000", Some(i64::MAX)),
        ("9.223372036854775807e18", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("100000000000000000000000e-22", Some(10)),
        ("123456789012345678901234567890", None),
        ("1e18", Some(1_000_000_000_000_000_000)),
        ("1e19", None),
        ("1e99999999999999999999", None),
        ("1e-99999999999999999999", None),
    ] {
        assert_eq!(skip(text, 1).unwrap().as_i64(), value, "{text}");
    }
    for no_number in ["", "-", ".", "e1", "1e", "1.2.3", "+1", "0x1", "1e1.5", " 1", "--1"] {
        assert_eq!(exact_i64(no_number), None, "{no_number:?}");
    }
    assert_eq!(skip("\"7\"", 1).unwrap().as_i64(), None);
    assert_eq!(skip("\"7\"", 1).unwrap().as_f64(), None);
    assert_eq!(skip("1e400", 1).unwrap().as_f64(), None);
    assert_eq!(skip("-2.5", 1).unwrap().as_f64(), Some(-2.5));
    let long = format!("1{}e-5000", "0".repeat(5_000));
    assert_eq!(exact_i64(&long), Some(1));
}

/// By moving the point within the text.
fn by_moving_the_point(number: &str) -> Option<i64> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let pad = "0".repeat(200);
    let point = 200 + whole.len() as i64 + exponent.parse::<i64>().unwrap();
    let digits = format!("{pad}{whole}{part}{pad}");
    let (whole, part) = digits.split_at(point as usize);
    if part.bytes().any(|b| b != b'0') {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    format!("{sign}{}", if whole.is_empty() { "0" } else { whole }).parse().ok()
}

fn json() -> impl Strategy<Value = String> {
    let space = "[ \t\n\r]{0,2}";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        "\"([^\"\\\\\\x00-\\x1f]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,20}\"",
    ];
    let leaf = (space, leaf, space).prop_map(|(a, leaf, b)| a + &leaf + &b);
    leaf.prop_recursive(6, 40, 6, |inner| {
        let key = "[ \n]{0,1}\"([a-z]{0,9}|\\\\n)\"[ \n]{0,1}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key, inner), 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!(" {{{}}}\n", entries.join(","))
            }),
        ]
    })
}

#[test]
fn a_lead_that_was_seen_is_passed_at_once_and_nothing_else_is() {
    let mut scanner = Scanner::new(r#"{"a": 1, "b": "x\n"}"#, 8);
    scanner.begin_object().unwrap();
    for other in [r#""a": 2"#, r#", "a": "#, r#""b": "#] {
        assert!(!scanner.accept(other));
    }
    assert!(scanner.accept(r#""a": "#));
    assert_eq!(scanner.skip_span().unwrap(), (Kind::Number, 6, false));
    assert!(scanner.accept(r#", "b": "#));
    assert_eq!(scanner.skip_span().unwrap(), (Kind::String, 14, true));
    assert!(!scanner.accept(r#", "c": "#));
    assert_eq!(scanner.next_key(&mut false).unwrap(), None);
    assert_eq!(scanner.end(), Ok(()));
    assert!(!scanner.accept("x"), "there is no more text");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn valid_texts_are_accepted(text in json()) {
        prop_assert!(skip(&text, 128).is_ok());
        check(&text, 128);
        check(&text, 2);
    }

    #[test]
    fn changed_texts_are_judged_as_serde_json_does(
        text in json(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, "[\\[\\]{}:,\"\\\\ \n0-9eE.+\\-tfnu\\x00\\x1f\\x7fé]"), 1..4),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, change, new) in changes {
            let at = at.index(chars.len() + 1);
            let new = new.chars().next().unwrap();
            match change {
                0 => chars.insert(at, new),
                1 if at < chars.len() => chars[at] = new,
                2 if at < chars.len() => _ = chars.remove(at),
                _ => chars.truncate(at),
            }
        }
        check(&chars.into_iter().collect::<String>(), 128);
    }

    #[test]
    fn noise_is_judged_as_serde_json_does(text in "[\\[\\]{}:,\"\\\\ \n01eE.\\-tu]{0,14}") {
        check(&text, 128);
    }

    #[test]
    fn a_string_has_the_value_serde_json_reads(
        inner in "([^\"\\\\\\x00-\\x1f]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}|\\\\ud83[c-f]\\\\ud[cdf][0-9a-f]{2}){0,20}",
    ) {
        let text = format!("\"{inner}\"");
        let ours = skip(&text, 1).unwrap().as_string().value().ok();
        let theirs = serde_json::from_str::<String>(&text).ok();
        prop_assert_eq!(ours.as_deref(), theirs.as_deref());
        if let Some(value) = theirs {
            prop_assert!(skip(&text, 1).unwrap().as_string().is(&value));
        }
    }

    #[test]
    fn a_written_string_is_read_back(text in "(\\PC|[\\x00-\\x1f\"\\\\]){0,30}") {
        let mut out = Vec::new();
        write_string(&mut out, &text);
        let out = String::from_utf8(out).unwrap();
        prop_assert_eq!(skip(&out, 1).unwrap().as_string().value().unwrap(), text.as_str());
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }

    #[test]
    fn integers_are_those_found_by_moving_the_point(
        text in "-?(0|[1-9]|[1-9][0-9]{0,3}0{0,20}|[1-9][0-9]{15,20})(\\.(0{0,9}[0-9]{0,2}0{0,3}[0-9]))?([eE][+-]?[0-9]{1,2})?",
    ) {
        prop_assert_eq!(exact_i64(&text), by_moving_the_point(&text), "{}", text);
    }
}
