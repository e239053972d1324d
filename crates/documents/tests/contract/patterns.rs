//! Patterns stand in a validator only where every engine reads them alike, in a time that is bounded.

use crate::{contract, pipeline};

/// Whether the validator has the field's pattern.
fn is_rendered(pattern: &str) -> bool {
    let quoted = serde_json::to_string(pattern).unwrap();
    let record = format!("primary_key: [id]\nfields:\n  id: {{type: long}}\n  x: {{type: string, pattern: {quoted}}}");
    let validator = contract(&pipeline(&record, "")).validator;
    let fields = validator.get_document("$jsonSchema").unwrap().get_document("properties").unwrap();
    match fields.get_document("x").unwrap().get("pattern") {
        Some(rendered) => rendered.as_str() == Some(pattern),
        None => false,
    }
}

#[test]
fn plain_patterns_are_rendered() {
    for pattern in [
        "^[A-Z]{2}$",
        "^[a-z0-9_-]+$",
        "abc",
        "^(open|closed)$",
        "^a|b$",
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "^(?:[A-Z][0-9]?){2}$".replace('?', "").as_str(),
        r"^v[0-9]\.[0-9]+$",
        r"^[a-z\-.]{1,20}$",
        "^N[0-9]{1,5}[A-Z]?$",
        "^(ab)?c$",
    ] {
        assert!(is_rendered(pattern), "{pattern}");
    }
}

#[test]
fn what_engines_read_in_their_own_way_is_left_out() {
    for pattern in [
        r"^\d{4}$",
        r"^\w+$",
        r"\bword\b",
        "^.{2}$",
        "^[^a]$",
        "(?i)abc",
        "(?P<name>a)",
        "^ä$",
        r"^\p{L}+$",
        "^[[:alpha:]]$",
        "^[a&&b]$",
        "^[A-z]$",
        "a+?",
        "a++",
        "^a$b",
        "a^b",
        r"\x41",
        "^a{3,}b{2,}$",
    ] {
        assert!(!is_rendered(pattern), "{pattern}");
    }
}

/// A search that goes back and forth would end in an error of the server, and a good document be refused.
#[test]
fn what_some_engines_take_long_over_is_left_out() {
    for pattern in [
        "(a+)+$",
        "^(a*)*$",
        "^(a+b?)+$",
        "a+b",
        "^a*a*b$",
        "^x|a+b",
        "^(a{1,9}){9}$",
        "^a{1,1000}$",
    ] {
        assert!(!is_rendered(pattern), "{pattern}");
    }
}
