//! JSONTestSuite through the whole chain: what is JSON is stored exactly, what is not is in `rejected/`.

use super::{home, pipeline, recordings, recount};
use serde_json::Value;
use std::io::Write as _;
use tidemill_tests::upstream::{Reply, Upstream};

#[test]
fn every_text_is_stored_exactly_or_rejected() {
    let folder = recordings().join("nasty/JSONTestSuite/test_parsing");
    let entries = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.starts_with("y_") || name.starts_with("n_")).collect();
    names.sort();
    let texts: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
    let upstream = Upstream::start(move |request| {
        let number: usize = request.path().rsplit('/').next().unwrap().parse().unwrap();
        let reply = Reply::json(texts[number].clone());
        match number + 1 < texts.len() {
            true => reply.header("link", &format!("</texts/{}>; rel=\"next\"", number + 1)),
            false => reply,
        }
    });
    let home = home();
    let told = home
        .well(&["run", &pipeline("texts"), "--base-url", &upstream.url(), "--json"])
        .resources();
    assert_eq!(told["texts"]["clean"]["in"], names.len(), "{told:?}");
    let mut found = tempfile::NamedTempFile::new().unwrap();
    // Documents as they were printed: what a JSON library of ours would make of the numbers does not matter.
    for line in home.well(&["documents", "texts"]).out.lines() {
        let document: Value = serde_json::from_str(line).unwrap();
        // `_id` is run/part/line/item: a line of the one part is a reply.
        let place = document["_id"]
            .as_str()
            .unwrap()
            .split('/')
            .nth(2)
            .unwrap()
            .parse::<usize>()
            .unwrap();
        let (_, value) = line.split_once("\"value\":").unwrap();
        let (value, _) = value.rsplit_once(",\"_tidemill\":").unwrap();
        writeln!(found, "{{\"name\": {:?}, \"stored\": {value}}}", names[place - 1]).unwrap();
    }
    for line in home.lines("rejected") {
        let reject: Value = serde_json::from_str(&line).unwrap();
        let place = reject["capture"]["line"].as_u64().unwrap() as usize;
        writeln!(found, "{{\"name\": {:?}, \"reason\": {}}}", names[place - 1], reject["reason"]).unwrap();
    }
    let verdict: Value = serde_json::from_str(&recount("texts", &[found.path().to_str().unwrap()])).unwrap();
    assert_eq!(verdict["faults"], Value::Array(Vec::new()));
    assert_eq!(
        (verdict["texts"].as_u64(), verdict["refused"].as_u64() >= Some(188)),
        (Some(283), true),
        "{verdict}"
    );
}
