//! Each type: what it takes, exactly, and what it refuses, with its reason.

use crate::{clean_json, rest};
use bson::{Bson, RawBsonRef};
use pipeline::Checked;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// The field's YAML, the value as JSON, what comes out: the value with its type, or `! reason`.
fn check(cases: &[(&str, &str, &str)]) {
    for (field, value, expected) in cases {
        let checked = rest(&format!("identity: position\nfields: {{f: {field}}}"));
        let out = clean_json(&checked, &format!(r#"[{{"f":{value}}}]"#));
        let found = match (out.fields().first(), out.faults().first()) {
            (Some(fields), None) => fields.strip_prefix("f=").unwrap().to_owned(),
            (None, Some(fault)) => format!("! {}", fault.strip_prefix("f").unwrap().trim_start_matches(": ")),
            other => panic!("{other:?}"),
        };
        assert_eq!(&found, expected, "{field} of {value}");
    }
}

#[test]
fn text_is_kept_exactly() {
    let string = "{type: string}";
    check(&[
        (string, r#""plain""#, r#""plain""#),
        (string, r#""a\"b\\\/\n\t\u00e9\ud83d\ude00""#, "\"a\\\"b\\\\/\\n\\té😀\""),
        (string, r#""a\u0000b""#, r#""a\0b""#),
        (string, r#""\ud800""#, "! lone_surrogate"),
        (string, r#""\udc00\ud800""#, "! lone_surrogate"),
        (string, "1.50", r#""1.50""#),
        (string, "-0", r#""-0""#),
        (string, "true", r#""true""#),
        (string, "{}", "! wrong_type"),
        (string, "[]", "! wrong_type"),
        (string, "null", "! null"),
    ]);
}

#[test]
fn whole_numbers() {
    let (int, long) = ("{type: int}", "{type: long}");
    check(&[
        (int, "5", "i32 5"),
        (int, "5.0", "i32 5"),
        (int, "5e0", "i32 5"),
        (int, "500e-2", "i32 5"),
        (int, "0.5e1", "i32 5"),
        (int, "-0", "i32 0"),
        (int, "0e999999999999999999999", "i32 0"),
        (int, "\"5\"", "i32 5"),
        (int, "\"+007\"", "i32 7"),
        (int, "\" 5\"", "! not_a_number"),
        (int, "\"\"", "! not_a_number"),
        (int, "\"5x\"", "! not_a_number"),
        (int, "5.5", "! not_a_whole_number"),
        (int, "1e-999999999999999999999", "! not_a_whole_number"),
        (int, "true", "! wrong_type"),
        (int, "2147483647", "i32 2147483647"),
        (int, "-2147483648", "i32 -2147483648"),
        (int, "2147483648", "! out_of_range"),
        (int, "1e999999999999999999999", "! out_of_range"),
        (long, "9223372036854775807", "i64 9223372036854775807"),
        (long, "-9223372036854775808", "i64 -9223372036854775808"),
        (long, "9223372036854775808", "! out_of_range"),
        (long, "92233720368547758070e-1", "i64 9223372036854775807"),
        (long, "1234567890123456789012345678901234567890", "! out_of_range"),
        (long, "9007199254740993", "i64 9007199254740993"),
        (long, "1.000000000000000000000000000000000000000000000000000", "i64 1"),
    ]);
}

#[test]
fn doubles_are_the_nearest() {
    let double = "{type: double}";
    check(&[
        (double, "0.1", "f64 0.1"),
        (double, "-0", "f64 -0.0"),
        (double, "9007199254740993", "f64 9007199254740992.0"),
        (double, "1e-400", "f64 0.0"),
        (double, "1e400", "! out_of_range"),
        (double, "\"1.5\"", "f64 1.5"),
        (double, "\"nan\"", "! not_a_number"),
        (double, "\"inf\"", "! not_a_number"),
        (double, "\"0x10\"", "! not_a_number"),
        (double, "false", "! wrong_type"),
    ]);
}

#[test]
fn decimals_keep_every_digit() {
    let decimal = "{type: decimal}";
    check(&[
        (decimal, "1.50", "dec 1.50"),
        (decimal, "\"-0.00\"", "dec -0.00"),
        (
            decimal,
            "1234567890123456789012345678901234",
            "dec 1234567890123456789012345678901234",
        ),
        (
            decimal,
            "0.1234567890123456789012345678901234",
            "dec 0.1234567890123456789012345678901234",
        ),
        (decimal, "12345678901234567890123456789012345", "! too_many_digits"),
        (decimal, "123456789012345678901234567890123450", "! too_many_digits"),
        (
            decimal,
            "12345678901234567890123456789012340",
            "dec 1.234567890123456789012345678901234E+34",
        ),
        (
            decimal,
            "1.00000000000000000000000000000000000000000000000000",
            "dec 1.000000000000000000000000000000000",
        ),
        (decimal, "1e6144", "dec 1.000000000000000000000000000000000E+6144"),
        (decimal, "1e6145", "! out_of_range"),
        (decimal, "1e-6176", "dec 1E-6176"),
        (decimal, "1e-6177", "! out_of_range"),
        (decimal, "10e-6177", "dec 1E-6176"),
        (decimal, "0e99999999", "dec 0E+6111"),
        (decimal, "\"1,5\"", "! not_a_number"),
    ]);
}

#[test]
fn truth() {
    let bool = "{type: bool}";
    check(&[
        (bool, "true", "true"),
        (bool, "0", "false"),
        (bool, "\"1\"", "true"),
        (bool, "\"false\"", "false"),
        (bool, "\"yes\"", "! not_a_bool"),
        (bool, "2", "! not_a_bool"),
        (bool, "1.0", "! not_a_bool"),
        (bool, "[]", "! wrong_type"),
    ]);
}

#[test]
fn times() {
    let (iso, oslo) = ("{type: timestamp}", "{type: timestamp, time_zone: Europe/Oslo}");
    let (s, ms) = ("{type: timestamp, format: unix_s}", "{type: timestamp, format: unix_ms}");
    check(&[
        (iso, "\"1970-01-01T00:00:01Z\"", "ms 1000"),
        (iso, "\"1970-01-01T00:00:00.9999999Z\"", "ms 999"),
        (iso, "\"1969-12-31T23:59:59.9999Z\"", "ms -1"),
        (iso, "\"1970-01-01T01:00:00+01:00\"", "ms 0"),
        (iso, "\"19700101T010000+01\"", "ms 0"),
        (iso, "\"1970-01-01\"", "ms 0"),
        (iso, "\"1970-01-01 00:01\"", "ms 60000"),
        (iso, "\"2024-02-29T00:00:00Z\"", "ms 1709164800000"),
        (iso, "\"2023-02-29T00:00:00Z\"", "! not_a_time"),
        (iso, "\"1873-00-00\"", "! not_a_time"),
        (iso, "\"2016-12-31T23:59:60Z\"", "! not_a_time"),
        (iso, "\"1970-01-01T24:00:00Z\"", "! not_a_time"),
        (iso, "\"1970-01-01T00:00:00+99:00\"", "! not_a_time"),
        (iso, "\"1970-01-01T00:00:00Zx\"", "! not_a_time"),
        (iso, "0", "! wrong_type"),
        (iso, "\"0000-01-01T00:00:00Z\"", "ms -62167219200000"),
        (oslo, "\"1970-07-01T01:00:00\"", "ms 15638400000"),
        (oslo, "\"2024-03-31T02:30:00\"", "! no_such_time"),
        (oslo, "\"2024-10-27T02:30:00\"", "! ambiguous_time"),
        (oslo, "\"2024-10-27T02:30:00Z\"", "ms 1729996200000"),
        (s, "1.5", "ms 1500"),
        (s, "-0.0001", "ms -1"),
        (s, "\"1518000000.123999\"", "ms 1518000000123"),
        (s, "1e999", "! out_of_range"),
        (s, "99999999999999", "! out_of_range"),
        (s, "\"x\"", "! not_a_number"),
        (s, "true", "! wrong_type"),
        (ms, "1518000000123", "ms 1518000000123"),
        (ms, "-0.5", "ms -1"),
    ]);
}

#[test]
fn dates_and_patterns() {
    let (date, german) = (
        "{type: date}",
        "{type: timestamp, format: '%d.%m.%Y %H:%M:%S', time_zone: Europe/Oslo}",
    );
    check(&[
        (date, "\"1970-01-02\"", "ms 86400000"),
        (date, "\"1970-01-02T23:00:00-05:00\"", "ms 86400000"),
        (date, "\"0000-00-00\"", "! not_a_time"),
        ("{type: date, format: '%Y%m%d'}", "19700102", "ms 86400000"),
        ("{type: date, format: '%d/%m/%Y %z'}", "\"02/01/1970 +0900\"", "ms 86400000"),
        ("{type: date, format: unix_s}", "-1", "ms -86400000"),
        (german, "\"01.07.1970 01:00:00\"", "ms 15638400000"),
        (german, "\"31.03.2024 02:30:00\"", "! no_such_time"),
        (german, "\"31.12.2016 23:59:60\"", "! not_a_time"),
        (german, "\"31.12.2016 23:59:59\"", "ms 1483225199000"),
        (german, "\"31.13.2016 23:59:59\"", "! not_a_time"),
        ("{type: timestamp, format: '%Y-%m-%d'}", "\"1970-01-02\"", "ms 86400000"),
        (
            "{type: timestamp, format: '%Y-%m-%dT%H:%M:%S%z'}",
            "\"1970-01-01T02:00:00+0200\"",
            "ms 0",
        ),
    ]);
}

#[test]
fn points() {
    let (point, kept) = ("{type: geo_point}", r#"{type: "Point", coordinates: [f64 10.5, f64 59.0]}"#);
    check(&[
        (point, r#"{"type":"Point","coordinates":[10.5,59]}"#, kept),
        (point, r#"{"coordinates":[10.5,59,-3.2],"type":"Point"}"#, kept),
        (point, "[10.5, 59.0]", kept),
        (point, r#"{"lon":10.5,"lat":"59","alt":7}"#, kept),
        (point, "[10.5]", "! not_a_point"),
        (point, "[1,2,3,4]", "! not_a_point"),
        (point, "[181,0]", "! out_of_range"),
        (point, "[0,-90.1]", "! out_of_range"),
        (point, r#"{"type":"LineString","coordinates":[10.5,59]}"#, "! not_a_point"),
        (point, r#"{"type":"Point","coordinates":null}"#, "! not_a_point"),
        (point, r#"{"lat":1,"lat":2,"lon":3}"#, "! duplicate_key"),
        (point, r#"{"lat":1}"#, "! not_a_point"),
        (point, "\"10,59\"", "! wrong_type"),
    ]);
}

#[test]
fn lists_and_objects() {
    let ints = "{type: list, of: int, max_length: 3}";
    let split = "{type: list, of: string, split: ',', drop_empty: true}";
    let objects = "{type: list, of: {type: object, fields: {a: {type: int}, b: {from: c.d, type: string, nullable: true}}}}";
    check(&[
        (ints, "[1,\"2\",3.0]", "[i32 1, i32 2, i32 3]"),
        (ints, "[]", "[]"),
        (ints, "[1,2,3,4]", "! too_long"),
        (ints, "[1,null]", "! [1]: null"),
        (ints, "[1,\"x\"]", "! [1]: not_a_number"),
        (ints, "1", "! wrong_type"),
        (split, "\",us,ci,\"", r#"["us", "ci"]"#),
        (split, "\"\"", "[]"),
        (split, "[\"a\",\"\",null]", r#"["a"]"#),
        (split, "7", r#"["7"]"#),
        (
            "{type: list, of: {type: int, nullable: true}, drop_empty: true}",
            "[1,null,2]",
            "[i32 1, i32 2]",
        ),
        (
            "{type: list, of: {type: string, trim: true, empty_as_null: true, nullable: true}, drop_empty: true}",
            "[\" a \",\"  \"]",
            r#"["a"]"#,
        ),
        (
            objects,
            r#"[{"a":1,"c":{"d":"x"}},{"a":2}]"#,
            r#"[{a: i32 1, b: "x"}, {a: i32 2, b: null}]"#,
        ),
        (objects, r#"[{"a":1},{"a":"x","c":{"d":[]}}]"#, "! [1].a: not_a_number"),
        (objects, r#"[[]]"#, "! [0]: wrong_type"),
        (objects, r#"[{"a":1,"a":1}]"#, "! [0].a: duplicate_key"),
        (
            "{type: list, of: {type: list, of: int}}",
            "[[1],[],[2,3]]",
            "[[i32 1], [], [i32 2, i32 3]]",
        ),
    ]);
    let eleven: Vec<String> = (0..111).map(|n| n.to_string()).collect();
    let expected: Vec<String> = (0..111).map(|n| format!("i32 {n}")).collect();
    check(&[(
        "{type: list, of: int}",
        &format!("[{}]", eleven.join(",")),
        &format!("[{}]", expected.join(", ")),
    )]);
}

#[test]
fn any_json_is_kept_as_it_is() {
    let json = "{type: json, nullable: true}";
    check(&[
        (json, "null", "null"),
        (json, "2147483648", "i64 2147483648"),
        (json, "9223372036854775808", "dec 9223372036854775808"),
        (json, "-9223372036854775808", "i64 -9223372036854775808"),
        (json, "12345678901234567890123456789012345", "! too_many_digits"),
        (json, "-0", "f64 -0.0"),
        (json, "0.1", "f64 0.1"),
        (json, "1e5", "f64 100000.0"),
        (json, "1.10", "f64 1.1"),
        (
            json,
            "0.1000000000000000055511151231257827",
            "dec 0.1000000000000000055511151231257827",
        ),
        (json, "123.456789012345678901", "dec 123.456789012345678901"),
        (json, "1e400", "dec 1E+400"),
        (json, "1e99999", "! out_of_range"),
        (json, r#"{"":1,"$a.b":{"c":[true,null]}}"#, r#"{: i32 1, $a.b: {c: [true, null]}}"#),
        (json, r#"{"a":1,"\u0061":2}"#, "! duplicate_key"),
        (json, r#"{"a\u0000":1}"#, "! nul_in_key"),
        (json, r#"{"\ud800":1}"#, "! lone_surrogate"),
        (json, r#"["\ud800"]"#, "! lone_surrogate"),
    ]);
    let nested = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let kept = |levels| format!("{}i32 1{}", "[".repeat(levels), "]".repeat(levels));
    check(&[
        (json, &nested(99), &kept(99)),
        (json, &nested(100), "! too_deep"),
        (json, &nested(120), "! too_deep"),
    ]);
    let many: String = (0..40).map(|n| format!("\"k{n}\":0,")).collect();
    check(&[
        (json, &format!("{{{many}\"k39\":1}}"), "! duplicate_key"),
        (json, &format!("{{{many}\"k3\":1}}"), "! duplicate_key"),
    ]);
}

fn one(field: &str, value: &str) -> Option<Bson> {
    static CHECKED: LazyLock<Mutex<HashMap<String, Arc<Checked>>>> = LazyLock::new(Mutex::default);
    let contract = || Arc::new(rest(&format!("identity: position\nfields: {{f: {field}}}")));
    let checked = CHECKED.lock().unwrap().entry(field.to_owned()).or_insert_with(contract).clone();
    let out = clean_json(&checked, &format!(r#"[{{"f":{value}}}]"#));
    let value: RawBsonRef<'_> = out.documents.first()?.get("f").unwrap()?;
    Some(value.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn integers_come_back(number: i64, text: bool) {
        let written = if text { format!("\"{number}\"") } else { number.to_string() };
        prop_assert_eq!(one("{type: long}", &written), Some(Bson::Int64(number)));
        let json = i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32);
        prop_assert_eq!(one("{type: json}", &number.to_string()), Some(json));
    }

    #[test]
    fn decimals_come_back(negative: bool, digits in "[1-9][0-9]{0,33}", places in 0usize..40) {
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if fraction.is_empty() { "" } else { "." };
        let text = format!("{}{whole}{point}{fraction}", if negative { "-" } else { "" });
        let Some(Bson::Decimal128(ours)) = one("{type: decimal}", &text) else { panic!("{text}") };
        // bson's own reader of the same text, which is exact within 34 digits.
        prop_assert_eq!(ours.bytes(), text.parse::<bson::Decimal128>().unwrap().bytes(), "{}", text);
    }

    #[test]
    fn doubles_come_back(bits: u64) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        for field in ["{type: double}", "{type: json}"] {
            let Some(Bson::Double(found)) = one(field, &format!("{number:e}")) else { panic!("{number:e}") };
            prop_assert_eq!(found.to_bits(), number.to_bits());
        }
    }

    #[test]
    fn texts_come_back(text: String) {
        let written = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(one("{type: string}", &written), Some(Bson::String(text)));
    }
}
