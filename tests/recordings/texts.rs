//! JSONTestSuite through the whole chain: what is JSON is stored exactly, what is not is in `rejected/`.

use super::{home, recordings, recount};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use tidemill_tests::command::Home;
use tidemill_tests::rejected::Rejected;
use tidemill_tests::upstream::{Reply, Upstream};

/// A resource a text: `t0`, `t1`, …
fn pipeline(count: usize) -> String {
    let resource = |number| {
        format!(
            "
  - name: t{number}
    endpoint: {{path: {number}}}
    record: {{identity: position, fields: {{value: {{from: $, type: json, nullable: true}}}}}}
    load: {{collection: t{number}, write_disposition: append}}"
        )
    };
    let resources: String = (0..count).map(resource).collect();
    format!("pipeline: texts\nreject_limit: 100%\nsource: {{rest_api: {{base_url: http://127.0.0.1/}}}}\nresources:{resources}")
}

/// What is stored of a text: its value, or, for a list, whose items are the records, the list of them. The documents are taken as they were
/// printed: what a JSON library of ours would make of their numbers does not matter.
fn stored(home: &Home, collection: &str, is_list: bool) -> String {
    let printed = home.well(&["documents", collection]).out;
    let values = printed.lines().map(|line| {
        let document: Value = serde_json::from_str(line).unwrap();
        let item: usize = document["_id"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
        let (value, _) = line.split_once("\"value\":").unwrap().1.rsplit_once(",\"_tidemill\":").unwrap();
        (item, value)
    });
    let values: BTreeMap<usize, &str> = values.collect();
    let values: Vec<&str> = values.into_values().collect();
    if is_list {
        format!("[{}]", values.join(","))
    } else {
        values.concat()
    }
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
    let is_list: Vec<bool> = texts.iter().map(|text| text.trim_ascii_start().starts_with(b"[")).collect();
    let upstream = Upstream::start(move |request| Reply::json(texts[request.path()[1..].parse::<usize>().unwrap()].clone()));
    let home = home();
    let file = home.pipeline("texts.yaml", &pipeline(count));
    let told = home.well(&["run", &file, "--base-url", &upstream.url(), "--json"]).resources();
    let mut found = tempfile::NamedTempFile::new().unwrap();
    for (number, name) in names.iter().enumerate() {
        let tally = &told[&format!("t{number}")]["clean"];
        if tally["rejected"] == 0 {
            // A list without items makes no document, and no collection.
            let stored = if tally["in"] == 0 {
                "[]".to_owned()
            } else {
                stored(&home, &format!("t{number}"), is_list[number])
            };
            writeln!(found, "{{\"name\": {name:?}, \"stored\": {stored}}}").unwrap();
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
