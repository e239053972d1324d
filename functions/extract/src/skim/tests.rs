//! Tables and properties of the one pass over a reply.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;

fn plan(yaml: serde_json::Value) -> Plan {
    Plan::new(&serde_json::from_value(yaml).unwrap())
}

/// What is found: records, cursor, total, next, has_more.
type Found<'a> = (u64, Option<i64>, Option<u64>, Option<&'a str>, Option<bool>);

fn found<'a>(skimmed: &'a Skimmed<'_>) -> Found<'a> {
    (
        skimmed.records,
        skimmed.cursor,
        skimmed.total,
        skimmed.next.as_deref(),
        skimmed.has_more,
    )
}

#[test]
fn records_are_counted() {
    for (selector, text, expected) in [
        (None, "[1, {}, null]", 3),
        (None, "[]", 0),
        (None, "{}", 1),
        (None, "5", 1),
        (None, "null", 0),
        (Some("$"), "[1]", 1),
        (Some("$[*]"), "[[1,2],[3]]", 2),
        (Some("$[*][*]"), "[[1,2],[3],{}, []]", 3),
        (Some("a"), r#"{"a":[1,2]}"#, 2),
        (Some("a"), r#"{"a":{"a":[1]}}"#, 1),
        (Some("a"), r#"{"a":null}"#, 0),
        (Some("a"), r#"{"b":[1]}"#, 0),
        (Some("a[*]"), r#"{"a":[1,2], "b":[1]}"#, 2),
        (Some("a[*]"), r#"{"a":{"x":1}}"#, 0),
        (Some("a[*].b[*]"), r#"{"a":[{"b":[1]},{"b":[]},{"c":[1]},{"b":[{"b":[1]},2]}]}"#, 3),
        (Some("a[1]"), r#"{"a":[[1,2],[3,4,5]]}"#, 3),
        (Some("a[*].b"), r#"{"a":[{"b":1},{"b":[2,3]},{}]}"#, 3),
        (Some(r#"["\u0061.b"][*]"#), r#"{"\u0061.b":[1]}"#, 1),
    ] {
        let plan = match selector {
            Some(selector) => plan(serde_json::json!({"data_selector": selector})),
            None => plan(serde_json::json!({})),
        };
        let skimmed = plan.skim(text).unwrap();
        assert_eq!(
            (skimmed.records, skimmed.hash.is_some()),
            (expected, expected > 0),
            "{selector:?} {text}"
        );
    }
}

#[test]
fn a_selector_that_leads_nowhere() {
    for (selector, text, selected) in [
        ("a[*]", r#"{"a":[]}"#, true),
        ("a[*]", r#"{"a":null}"#, true),
        ("a", r#"{"a":null}"#, true),
        ("a[*]", r#"{"error":"x"}"#, false),
        ("a[*]", r#"{"a":{"b":1}}"#, false),
        ("a[*]", r#"{"a":"x"}"#, false),
        ("a.b[*]", r#"{"a":null}"#, false),
        ("a[*].b[*]", r#"{"a":[{}]}"#, true),
        ("$[*]", r#"{"error":"x"}"#, false),
        ("$", r#"{"error":"x"}"#, true),
    ] {
        let plan = plan(serde_json::json!({"data_selector": selector}));
        assert_eq!(plan.skim(text).unwrap().selected, selected, "{selector} {text}");
    }
}

#[test]
fn what_the_paginator_asks_for() {
    let incremental = serde_json::json!({"cursor_path": "p.at", "type": "unix_ms", "initial_value": 0});
    let plan_of = |paginator: serde_json::Value, selector: Option<&str>| {
        let mut endpoint = serde_json::json!({"paginator": paginator, "incremental": incremental});
        if let Some(selector) = selector {
            endpoint["data_selector"] = selector.into();
        }
        plan(endpoint)
    };
    let offset = plan_of(
        serde_json::json!({"offset": {"limit": 1, "total_path": "meta.count"}}),
        Some("$.f[*]"),
    );
    let cursor = plan_of(
        serde_json::json!({"cursor": {"cursor_path": "next", "cursor_param": "c", "has_more_path": "more"}}),
        Some("d"),
    );
    let url = plan_of(serde_json::json!({"next_url": {"next_url_path": "links.next"}}), None);
    let last = plan_of(serde_json::json!({"cursor": {"cursor_path": "[1].id", "cursor_param": "c"}}), None);
    for (plan, text, expected) in [
        (
            &offset,
            r#"{"f":[{"p":{"at":3}},{"p":{"at":9}},{"p":5}],"meta":{"count":12}}"#,
            (3, Some(9), Some(12), None, None),
        ),
        (&offset, r#"{"meta":{"count":"12"},"f":[]}"#, (0, None, Some(12), None, None)),
        (&offset, r#"{"p":{"at":99},"f":[]}"#, (0, None, None, None, None)),
        (
            &cursor,
            r#"{"d":[{"p":{"at":"7"}}],"next":"a\u00e9","more":true}"#,
            (1, Some(7), None, Some("aé"), Some(true)),
        ),
        (
            &cursor,
            r#"{"d":{"p":{"at":7}},"next":17,"more":false}"#,
            (1, Some(7), None, Some("17"), Some(false)),
        ),
        (&cursor, r#"{"next":""}"#, (0, None, None, None, None)),
        (&cursor, r#"{"next":null,"more":null}"#, (0, None, None, None, None)),
        (&cursor, r#"{"next":"a","next":"b"}"#, (0, None, None, Some("b"), None)),
        (
            &url,
            r#"{"p":{"at":1},"links":{"next":"/x"}}"#,
            (1, Some(1), None, Some("/x"), None),
        ),
        (
            &last,
            r#"[{"id":1,"p":{"at":5}},{"id":2,"p":{"at":4}}]"#,
            (2, Some(5), None, Some("2"), None),
        ),
    ] {
        assert_eq!(found(&plan.skim(text).unwrap()), expected, "{text}");
    }
    for (text, expected) in [
        (r#"{"more":"true"}"#, Some(true)),
        (r#"{"more":"True"}"#, Some(true)),
        (r#"{"more":1}"#, Some(true)),
        (r#"{"more":"false"}"#, Some(false)),
        (r#"{"more":0}"#, Some(false)),
        (r#"{"more":"0"}"#, Some(false)),
    ] {
        let skimmed = cursor.skim(text).unwrap();
        assert_eq!(
            (skimmed.has_more, skimmed.wrong, skimmed.has_next_key),
            (expected, None, false),
            "{text}"
        );
    }
    assert!(cursor.skim(r#"{"next":null}"#).unwrap().has_next_key);
    for (plan, text, key) in [
        (&offset, r#"{"meta":{"count":-1}}"#, "total_path"),
        (&cursor, r#"{"next":{}}"#, "cursor_path"),
        (&cursor, r#"{"more":"yes"}"#, "has_more_path"),
        (&url, r#"{"links":{"next":7}}"#, "next_url_path"),
    ] {
        assert_eq!(plan.skim(text).unwrap().wrong.unwrap().key, key);
    }
}

#[test]
fn cursors_that_are_none() {
    let plan = plan(serde_json::json!({"incremental": {"cursor_path": "n", "type": "int", "initial_value": 0}}));
    for (text, expected) in [
        (r#"[{"n":null},{}]"#, (None, true, false)),
        (r#"[{"m":1}]"#, (None, false, false)),
        (r#"[{"n":9223372036854775807}]"#, (Some(i64::MAX), false, false)),
        (r#"[{"n":1},{"n":9223372036854775808}]"#, (Some(1), false, true)),
        (r#"[{"n":"9223372036854775808"}]"#, (None, false, true)),
    ] {
        let skimmed = plan.skim(text).unwrap();
        let wrong = skimmed.wrong.is_some_and(|wrong| wrong.key == "incremental.cursor_path");
        assert_eq!((skimmed.cursor, skimmed.cursor_is_null, wrong), expected, "{text}");
    }
}

#[test]
fn a_page_is_known_by_its_records() {
    let plan = plan(serde_json::json!({"data_selector": "$.f[*]"}));
    let hash = |text: &str| plan.skim(text).unwrap().hash;
    assert_eq!(hash(r#"{"at":1,"f":[1,2]}"#), hash(r#"{"at":2,"f":[1,2]}"#));
    assert_ne!(hash(r#"{"at":1,"f":[1,2]}"#), hash(r#"{"at":1,"f":[1,3]}"#));
}

#[test]
fn line_breaks_and_what_is_not_json() {
    let plan = plan(serde_json::json!({"data_selector": "$.f[*]"}));
    assert!(!plan.skim(r#"{"f": ["a\n"]}"#).unwrap().line_breaks);
    assert!(plan.skim("{\"f\":\n [1]}").unwrap().line_breaks);
    for text in ["", "{", "{} x", "{\"f\":[1,]}", "\u{feff}{}", "nul", &"[".repeat(100_000)] {
        assert!(plan.skim(text).is_err());
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a-c]{0,2}".prop_map(Into::into)
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The records of a value by way of a tree: what the pass must find.
fn selected<'v>(value: &'v serde_json::Value, steps: &[Step]) -> Vec<&'v serde_json::Value> {
    match steps.split_first() {
        None => vec![value],
        Some((Step::Key(key), rest)) => value.get(key.as_str()).map(|v| selected(v, rest)).unwrap_or_default(),
        Some((Step::Index(index), rest)) => value.get(*index).map(|v| selected(v, rest)).unwrap_or_default(),
        Some((Step::Each, rest)) => value.as_array().into_iter().flatten().flat_map(|v| selected(v, rest)).collect(),
    }
}

proptest! {
    #[test]
    fn as_a_tree_would(value in any_json(), pretty in any::<bool>(), selector in prop::sample::select(vec!["$[*]", "a[*]", "a.b[*]", "$[*].a[*]", "$[0].a", "a"])) {
        let path = Path::parse(selector).unwrap();
        let endpoint = serde_json::json!({"data_selector": selector, "incremental": {"cursor_path": "c", "type": "int", "initial_value": 0}});
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let mut records = selected(&value, &path.steps);
        if path.steps.last() != Some(&Step::Each) {
            records = records.into_iter().flat_map(|v| match v {
                serde_json::Value::Array(items) => items.iter().collect(),
                serde_json::Value::Null => Vec::new(),
                other => vec![other],
            }).collect();
        }
        let cursor = records.iter().filter_map(|r| r.get("c")?.as_i64()).max();
        let skimmed_plan = plan(endpoint);
        let skimmed = skimmed_plan.skim(&text).unwrap();
        prop_assert_eq!(skimmed.records, records.len() as u64);
        prop_assert_eq!(skimmed.cursor, cursor);
    }

    #[test]
    fn nothing_panics(text in r#"[\[\]{}:,"a\\ 0-9.eE+-]{0,40}"#) {
        let _ = plan(serde_json::json!({"data_selector": "a[*]", "paginator": {"cursor": {"cursor_path": "a[0]", "cursor_param": "c"}}})).skim(&text);
    }
}
