//! The rules of a field, in their order: before the type, the default, the bounds.

use crate::{clean_json, rest};

/// The field's YAML, the record, the document's fields or the faults.
fn check(cases: &[(&str, &str, &str)]) {
    for (field, record, expected) in cases {
        let checked = rest(&format!("identity: position\nfields: {{f: {field}}}"));
        let out = clean_json(&checked, &format!("[{record}]"));
        let found = if out.rejects.is_empty() {
            out.fields().join("; ")
        } else {
            out.faults().join(", ")
        };
        assert_eq!(&found, expected, "{field} of {record}");
    }
}

#[test]
fn missing_null_and_default() {
    check(&[
        ("{type: int}", "{}", "f: missing"),
        ("{type: int}", r#"{"f":null}"#, "f: null"),
        ("{type: int, nullable: true}", "{}", "f=null"),
        ("{type: int, default: 7}", "{}", "f=i32 7"),
        ("{type: int, default: 7}", r#"{"f":null}"#, "f=i32 7"),
        ("{type: timestamp, default: '1970-01-02'}", "{}", "f=ms 86400000"),
        ("{type: decimal, default: '1.50'}", "{}", "f=dec 1.50"),
        (
            "{from: 'a.b[1].c', type: int, nullable: true}",
            r#"{"a":{"b":[{},{"c":5}]}}"#,
            "f=i32 5",
        ),
        ("{from: 'a.b[1].c', type: int, nullable: true}", r#"{"a":{"b":[]}}"#, "f=null"),
        ("{from: 'a.b', type: int}", r#"{"a":null}"#, "f: missing"),
        ("{from: 'a.b', type: int}", r#"{"a":{"b":1},"a":{"b":2}}"#, "f: duplicate_key"),
        ("{type: int}", r#"{"f":1,"\u0066":2}"#, "f: duplicate_key"),
        ("{type: int}", r#"{"f":1,"g":1,"g":2}"#, "f=i32 1"),
        ("{from: '[\"odd.key\"]', type: int}", r#"{"odd.key":1}"#, "f=i32 1"),
        ("{type: int, nullable: true, invalid_as_null: true}", r#"{"f":"x"}"#, "f=null"),
        ("{type: int, default: 1, invalid_as_null: true}", r#"{"f":[]}"#, "f=i32 1"),
        (
            "{type: int, nullable: true, invalid_as_null: true, max: 5}",
            r#"{"f":6}"#,
            "f: above_max",
        ),
        (
            "{type: date, nullable: true, invalid_as_null: true}",
            r#"{"f":"0000-00-00"}"#,
            "f=null",
        ),
        (
            "{type: list, of: int, nullable: true, invalid_as_null: true}",
            r#"{"f":[1,"x"]}"#,
            "f=null",
        ),
        (
            "{type: string, nullable: true, invalid_as_null: true}",
            r#"{"f":"\ud800"}"#,
            "f=null",
        ),
    ]);
}

#[test]
fn before_the_type() {
    check(&[
        ("{type: string, trim: true}", r#"{"f":"\u00a0 a b\t"}"#, r#"f="a b""#),
        ("{type: int, trim: true}", r#"{"f":" 5 "}"#, "f=i32 5"),
        (
            "{type: int, trim: true, empty_as_null: true, nullable: true}",
            r#"{"f":"  "}"#,
            "f=null",
        ),
        ("{type: int, empty_as_null: true}", r#"{"f":""}"#, "f: null"),
        ("{type: int, null_values: [NA, -999], nullable: true}", r#"{"f":"NA"}"#, "f=null"),
        ("{type: int, null_values: [NA, -999], nullable: true}", r#"{"f":-999}"#, "f=null"),
        ("{type: double, null_values: [-999.0], nullable: true}", r#"{"f":-999.0}"#, "f=null"),
        (
            "{type: double, null_values: [-999.0], nullable: true}",
            r#"{"f":"-999.00"}"#,
            "f=null",
        ),
        (
            "{type: double, null_values: [-999.5], nullable: true}",
            r#"{"f":-9.995E2}"#,
            "f=null",
        ),
        ("{type: int, null_values: [1000], nullable: true}", r#"{"f":1e3}"#, "f=null"),
        ("{type: int, null_values: [1000], nullable: true}", r#"{"f":1001}"#, "f=i32 1001"),
        (
            "{type: double, null_values: [-999], nullable: true}",
            r#"{"f":-999.1}"#,
            "f=f64 -999.1",
        ),
        // What is written as a text is compared as one.
        ("{type: double, null_values: ['-999']}", r#"{"f":-999.0}"#, "f=f64 -999.0"),
        (
            "{type: string, null_values: [999], nullable: true}",
            r#"{"f":"00999"}"#,
            r#"f="00999""#,
        ),
        ("{type: string, null_values: [1], nullable: true}", r#"{"f":true}"#, r#"f="true""#),
        // As doubles, both would be the same.
        (
            "{type: long, null_values: [9007199254740993], nullable: true}",
            r#"{"f":9007199254740992}"#,
            "f=i64 9007199254740992",
        ),
        (
            "{type: long, null_values: [9007199254740993], nullable: true}",
            r#"{"f":9007199254740993}"#,
            "f=null",
        ),
        ("{type: string, map: {M: male, F: female}}", r#"{"f":"M"}"#, r#"f="male""#),
        ("{type: string, map: {M: male, F: female}}", r#"{"f":"X"}"#, r#"f="X""#),
        ("{type: string, map: {'1': one, 'true': yes!}}", r#"{"f":1}"#, r#"f="one""#),
        ("{type: bool, map: {Y: true, N: false}}", r#"{"f":"N"}"#, "f=false"),
        ("{type: int, map: {none: 0}, min: 0}", r#"{"f":"none"}"#, "f=i32 0"),
        (
            "{type: int, trim: true, null_values: [x], default: 3, nullable: true}",
            r#"{"f":" x "}"#,
            "f=i32 3",
        ),
    ]);
}

#[test]
fn bounds() {
    check(&[
        ("{type: int, min: 1, max: 5}", r#"{"f":0}"#, "f: below_min"),
        ("{type: int, min: 1, max: 5}", r#"{"f":5}"#, "f=i32 5"),
        ("{type: double, max: 0.5}", r#"{"f":0.50001}"#, "f: above_max"),
        ("{type: decimal, max: '0.10'}", r#"{"f":0.1}"#, "f=dec 0.1"),
        (
            "{type: decimal, min: -1, max: '0.10'}",
            r#"{"f":0.1000000000000000000001}"#,
            "f: above_max",
        ),
        ("{type: decimal, min: -1}", r#"{"f":-1.0000000000000000001}"#, "f: below_min"),
        ("{type: decimal, min: 0}", r#"{"f":-0}"#, "f=dec -0"),
        (
            "{type: timestamp, min: '2000-01-01'}",
            r#"{"f":"1999-12-31T23:59:59Z"}"#,
            "f: below_min",
        ),
        ("{type: date, max: '2000-01-01'}", r#"{"f":"2000-01-02"}"#, "f: above_max"),
        ("{type: string, min_length: 2}", r#"{"f":"é"}"#, "f: too_short"),
        ("{type: string, max_length: 2}", r#"{"f":"éé"}"#, r#"f="éé""#),
        ("{type: string, max_length: 2}", r#"{"f":"abc"}"#, "f: too_long"),
        ("{type: string, pattern: '^[a-z]+$'}", r#"{"f":"aB"}"#, "f: pattern"),
        ("{type: string, one_of: [a, b]}", r#"{"f":"c"}"#, "f: not_one_of"),
        ("{type: decimal, one_of: [1.5]}", r#"{"f":1.50}"#, "f=dec 1.50"),
        ("{type: list, of: int, min_length: 1}", r#"{"f":[]}"#, "f: too_short"),
    ]);
}
