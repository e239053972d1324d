//! A program that shares nothing with this one reads what it wrote.

use super::{Content, small};
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn a_reader_of_its_own_finds_the_same() {
    let mut content = small();
    let many = (0..3000_i32).map(|id| bson::rawdoc! { "_id": id, "text": "tide ".repeat(id as usize % 50), "in": { "a": [id, 2.5] } });
    content.collections.insert("many".to_owned(), many.collect());
    let parts = content.write(10_000);
    assert!(parts.len() > 3, "{} parts", parts.len());
    assert_eq!(found_independently(&parts.concat()), expected(&content));
}

fn expected(content: &Content) -> Value {
    let sums = content.sums();
    let of = |(name, sums): (&String, &backup::hash::Sums)| {
        let found = json!({
            "view": content.views.contains(name),
            "documents": sums.documents,
            "bytes": sums.bytes,
            "hash": sums.hash.to_hex(),
            "crc64": sums.crc64.to_hex(),
        });
        (name.clone(), found)
    };
    Value::Object(sums.iter().map(of).collect())
}

/// What the independent reader says of an archive.
fn found_independently(archive: &[u8]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.gz");
    std::fs::write(&file, archive).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format/independent.py");
    let output = Command::new("python3").arg(script).arg(&file).output().expect("python3 is needed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
