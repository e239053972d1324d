//! What is generated from the language's types is fresh: the reference and the JSON Schema.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{env, fs, path::PathBuf};

/// Compares a generated file with what the types say now; with `UPDATE=1` it writes it.
fn check_fresh(path: &str, expected: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&file, expected).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is not what the types say: run `UPDATE=1 cargo test -p pipeline --test fresh` and commit it"
    );
}

#[test]
fn the_reference_is_fresh() {
    check_fresh("pipelines/README.md", &pipeline::reference());
}

#[test]
fn the_schema_is_fresh() {
    let schema = serde_json::to_string_pretty(&pipeline::schema()).unwrap() + "\n";
    check_fresh("docs/pipeline.schema.json", &schema);
}

/// The example that a newcomer copies from the reference must be right.
#[test]
fn the_example_of_the_reference_checks() {
    let reference = pipeline::reference();
    let example = reference
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    if let Err(faults) = pipeline::check("example.yaml", example) {
        panic!("{faults}");
    }
    assert_eq!(example.lines().count(), 15);
}

/// Every link of the reference leads to one of its headings.
#[test]
fn the_links_of_the_reference_lead_somewhere() {
    let reference = pipeline::reference();
    let slug = |heading: &str| -> String {
        let kept = heading
            .to_lowercase()
            .replace(|c: char| !c.is_alphanumeric() && !"-_ ".contains(c), "");
        kept.trim().replace(' ', "-")
    };
    let anchors: Vec<String> = reference.lines().filter(|line| line.starts_with('#')).map(slug).collect();
    let links: Vec<&str> = reference.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 50, "only {} links", links.len());
    for link in links {
        assert!(anchors.iter().any(|anchor| anchor == link), "no heading for #{link}");
    }
}
