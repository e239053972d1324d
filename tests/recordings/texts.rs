//! JSONTestSuite through the whole chain: what is JSON is stored exactly, what is not is in `rejected/`.

use super::{home, recordings, recount};
use serde_json::Value;
use std::io::Write as _;
use tidemill_tests::rejected::Rejected;
use tidemill_tests::upstream::{Reply, Upstream};

/// A resource a text: `t0`, `t1`, …
fn pipeline(count: usize) -> String {
    let resource = |number| {
        format!(
            "
  - name: t{number}
    endpoint: {{path: {number}, data_selector: $}}
    record: {{identity: position, fields: {{value: {{from: $, type: json, nullable: true}}}}}}
    load: {{collection: t{number}, write_disposition: append}}"
        )
    };
    let resources: String = (0..count).map(resource).collect();
    format!("pipeline: texts\nreject_limit: 100%\nsource: {{rest_api: {{base_url: http://127.0.0.1/}}}}\nresources:{resources}")
}

#[test]
fn every_text_is_stored_exactly_or_rejected() {
    let folder = recordings().join("nasty/JSONTestSuite/test_parsing");
    let entries = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.starts_with("y_") || name.starts_with("n_")).collect();
    names.sort();
    let texts: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
    let count = texts.len();
    let upstream = Upstream::start(move |request| Reply::json(texts[request.path()[1..].parse::<usize>().unwrap()].clone()));
    let home = home();
    let file = home.pipeline("texts.yaml", &pipeline(count));
    let told = home.well(&["run", &file, "--base-url", &upstream.url(), "--json"]).resources();
    let uncounted: Vec<&Value> = told.values().filter(|resource| resource["clean"]["in"] != 1).collect();
    assert!(uncounted.is_empty(), "{uncounted:?}");
    let mut found = tempfile::NamedTempFile::new().unwrap();
    for (number, name) in names.iter().enumerate() {
        if told[&format!("t{number}")]["load"]["inserted"] == 1 {
            // The document as it was printed: what a JSON library of ours would make of its numbers does not matter.
            let line = home.well(&["documents", &format!("t{number}")]).out;
            let (_, value) = line.split_once("\"value\":").unwrap();
            let (value, _) = value.rsplit_once(",\"_tidemill\":").unwrap();
            writeln!(found, "{{\"name\": {name:?}, \"stored\": {value}}}").unwrap();
        }
    }
    for line in home.lines("rejected") {
        let rejected = Rejected::read(&line);
        let resource = rejected.capture.key.split('/').nth(2).unwrap();
        let name = &names[resource[1..].parse::<usize>().unwrap()];
        writeln!(found, "{{\"name\": {name:?}, \"reason\": {:?}}}", rejected.reason).unwrap();
    }
    let verdict: Value = serde_json::from_str(&recount("texts", &[found.path().to_str().unwrap()])).unwrap();
    assert_eq!(verdict["faults"], Value::Array(Vec::new()));
    assert_eq!(
        (verdict["texts"].as_u64(), verdict["refused"].as_u64() >= Some(188)),
        (Some(283), true),
        "{verdict}"
    );
}
