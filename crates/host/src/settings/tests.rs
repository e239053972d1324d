//! Settings are read together, and their faults told together.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const COLOUR: Key = Key::optional("TIDEMILL_COLOUR", "the colour | hue");

fn reader(pairs: &[(&str, &str)]) -> Reader {
    Reader::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn good_settings_are_read() {
    let mut reader = reader(&[
        ("TIDEMILL_STACK", "dev"),
        ("TIDEMILL_LAKE_BUCKET", "dev-lake"),
        ("TIDEMILL_LEDGER_TABLE", "dev-ledger"),
        ("TIDEMILL_LOG", "warn"),
        ("TIDEMILL_HOPS_MAX", "7"),
    ]);
    let common = Common::read(&mut reader);
    assert_eq!(reader.number("TIDEMILL_HOPS_MAX", "hops", 3, 1..=9), 7);
    assert_eq!(reader.number("TIDEMILL_OTHER", "other", 3, 1..=9), 3);
    assert_eq!(reader.optional("TIDEMILL_NONE", "none"), None);
    let expected = Common {
        stack: "dev".into(),
        lake_bucket: "dev-lake".into(),
        ledger_table: "dev-ledger".into(),
        log: LogLevel::Warn,
    };
    assert_eq!(common, expected);
    assert_eq!(reader.asked().get(..4), Some(&Common::KEYS[..]));
    reader.finish().unwrap();
}

#[test]
fn all_faults_are_told_together() {
    let long = "x".repeat(61);
    let mut reader = reader(&[
        ("TIDEMILL_STACK", ""),
        ("TIDEMILL_LEDGER_TABLE", "dev-ledger"),
        ("TIDEMILL_LOG", "loud"),
        ("TIDEMILL_HOPS_MAX", "0"),
        ("TIDEMILL_COLOUR", &long),
    ]);
    Common::read(&mut reader);
    assert_eq!(reader.number("TIDEMILL_HOPS_MAX", "how often a run may go on", 3, 1..=9), 3);
    assert_eq!(reader.choice(COLOUR, &["red", "blue"], "red"), "red");
    reader.refuse(STACK, "lower-case letters");
    let expected = format!(
        "the function's settings are wrong; they are set in infra/template.yaml, under the function's Environment:
  TIDEMILL_STACK is not set, expected a value (the stack's name, after which all it has is called)
  TIDEMILL_LAKE_BUCKET is not set, expected a value (the bucket of the lake)
  TIDEMILL_LOG is `loud`, expected one of error, warn, info, debug (how much is logged: `error`, `warn`, `info` or `debug`; `info` unless set)
  TIDEMILL_HOPS_MAX is `0`, expected a whole number from 1 to 9 (how often a run may go on)
  TIDEMILL_COLOUR is `{}…`, expected one of red, blue (the colour | hue)
  TIDEMILL_STACK is not set, expected lower-case letters (the stack's name, after which all it has is called)",
        "x".repeat(60)
    );
    assert_eq!(reader.finish().unwrap_err().to_string(), expected);
}

#[test]
fn a_number_is_whole_and_within_its_bounds() {
    for (text, good) in [
        ("1", true),
        ("9", true),
        ("10", false),
        ("-1", false),
        ("1.5", false),
        ("nine", false),
        (" 5", false),
    ] {
        let mut reader = reader(&[("TIDEMILL_N", text)]);
        reader.number("TIDEMILL_N", "n", 3, 1..=9);
        assert_eq!(reader.finish().is_ok(), good, "{text}");
    }
}

#[test]
fn the_table_is_markdown() {
    let expected = "| variable | | what it is for |\n|---|---|---|\n| `TIDEMILL_LAKE_BUCKET` | required | the bucket of the lake |\n\
                    | `TIDEMILL_COLOUR` | optional | the colour \\| hue |\n";
    assert_eq!(table(&[LAKE_BUCKET, COLOUR]), expected);
}
