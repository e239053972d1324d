//! Tables and properties of cutting.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use pipeline::{Csv, JsonFile, Ndjson, Path};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

fn settings(piece_bytes: usize) -> Settings {
    Settings {
        piece_bytes,
        record_bytes_max: 200,
        ..Settings::default()
    }
}

/// A capture: its body, the byte after it, the byte it starts at, its header.
type Made = (String, u64, Option<u64>, Option<String>);

fn mark(text: &[u8], offset: u64) -> Mark {
    let hash = xxh3_64(&text[..offset as usize]);
    Mark { offset, hash }
}

fn cuts(format: &FileFormat, text: &[u8], chunk: usize, piece: usize, whole: u64, from: u64) -> Result<Vec<Made>, Fault> {
    cuts_from(format, text, chunk, piece, whole, mark(text, from))
}

fn cuts_from(format: &FileFormat, text: &[u8], chunk: usize, piece: usize, whole: u64, from: Mark) -> Result<Vec<Made>, Fault> {
    let (mut cutter, mut bytes, mut made) = (Cutter::new(format, &settings(piece), whole, from), Vec::new(), Vec::new());
    let chunks: Vec<&[u8]> = text.chunks(chunk).collect();
    for step in 0..=chunks.len() {
        bytes.extend_from_slice(chunks.get(step).copied().unwrap_or_default());
        while let Some(cut) = cutter.next(&mut bytes, step >= chunks.len())? {
            let body = cut.made.clone().unwrap_or_else(|| bytes[cut.body.clone()].to_vec());
            let (offset, header) = cut.piece.clone().map(|piece| (piece.offset, piece.header)).unzip();
            made.push((String::from_utf8(body).unwrap(), cut.end, offset, header.flatten()));
            cutter.taken(&mut bytes, &cut);
            assert_eq!(cutter.mark(), mark(text, cut.end));
        }
    }
    Ok(made)
}

fn csv(header: bool) -> FileFormat {
    FileFormat::Csv(Csv { header, ..Csv::default() })
}

#[test]
fn csv_pieces() {
    let text = "\u{feff}a,\"b\nc\"\r\n1,\"x\ny\"\r\n2,z\r\n\r\n3,\"\"\"\n\"\n4,5";
    let made = cuts(&csv(true), text.as_bytes(), 1, 1, 0, 0).unwrap();
    assert_eq!(made.iter().map(|made| made.0.as_str()).collect::<String>(), text);
    assert_eq!(made[0].0, "\u{feff}a,\"b\nc\"\r\n");
    assert_eq!((made[0].2, &made[0].3), (Some(0), &None));
    assert!(made[1..].iter().all(|made| made.3.as_deref() == Some("a,\"b\nc\"")));
    assert_eq!(made.last().unwrap().0, "4,5");
    assert!(made.iter().any(|made| made.0 == "3,\"\"\"\n\"\n"));

    let commented = FileFormat::Csv(Csv {
        comment: Some('#'),
        ..Csv::default()
    });
    let made = cuts(&commented, b"# it's \"odd\n\na,b\n1,2\n#\"\n3,4\n", 2, 1, 0, 0).unwrap();
    assert_eq!(made[0].0, "# it's \"odd\n\na,b\n");
    assert!(made[1..].iter().all(|made| made.3.as_deref() == Some("a,b")));
    assert_eq!(cuts(&csv(true), b"", 1, 1, 0, 0).unwrap(), []);
    assert_eq!(cuts(&csv(true), b"a,b", 1, 1, 0, 0).unwrap(), [("a,b".into(), 3, Some(0), None)]);
    assert_eq!(cuts(&csv(false), b"1\n2\n", 4, 1, 0, 0).unwrap().len(), 2);
}

#[test]
fn records_that_are_too_long() {
    let open = format!("a\n\"{}", "x\n".repeat(150));
    assert!(matches!(
        cuts(&csv(true), open.as_bytes(), 50, 10, 0, 0),
        Err(Fault::LongRecord { offset: 0, .. })
    ));
    let line = format!("1\n{}\n", "2".repeat(400));
    assert!(matches!(
        cuts(&FileFormat::Ndjson(Ndjson {}), line.as_bytes(), 50, 1, 0, 0),
        Err(Fault::LongRecord { .. })
    ));
    let item = format!("[1,\"{}\"]", "2".repeat(400));
    assert!(matches!(
        cuts(&json("$[*]"), item.as_bytes(), 50, 10, 4, 0),
        Err(Fault::LongRecord { .. })
    ));
}

fn json(selector: &str) -> FileFormat {
    FileFormat::Json(JsonFile {
        data_selector: Some(Path::parse(selector).unwrap()),
    })
}

#[test]
fn json_documents() {
    let small = cuts(&json("a[*]"), b" {\"a\": [1]} ", 3, 1, 100, 0).unwrap();
    assert_eq!(small, [(" {\"a\": [1]} ".into(), 12, None, None)]);
    let bodies = |selector, text: &str, piece| {
        cuts(&json(selector), text.as_bytes(), 3, piece, 2, 0).map(|made| made.into_iter().map(|made| made.0).collect::<Vec<_>>())
    };
    let text = r#"{"x": [[9], "]", {"a": [8]}], "\u0061": {"y": 1.5, "b": [1, {"c": "}],\""}, [2, [3]] , null ]}, "z": {}}"#;
    assert_eq!(bodies("a.b[*]", text, 1000).unwrap(), [r#"[1,{"c": "}],\""},[2, [3]],null]"#]);
    assert_eq!(
        bodies("a.b", text, 1).unwrap(),
        ["[1]", r#"[{"c": "}],\""}]"#, "[[2, [3]]]", "[null]"]
    );
    assert_eq!(bodies("x[0][*]", text, 1).unwrap(), ["[9]"]);
    assert_eq!(bodies("x[2].a[*]", text, 1).unwrap(), ["[8]"]);
    assert_eq!(bodies("$", "[1 ,2]", 1).unwrap(), ["[1]", "[2]"]);
    assert_eq!(bodies("a[*]", "\u{feff}{\"a\": [1]}", 1).unwrap(), ["[1]"]);
    assert_eq!(bodies("$", "\u{feff}[1 ,2]", 1).unwrap(), ["[1]", "[2]"]);
    for none in [r#"{"a": []}"#, r#"{"a": null}"#] {
        assert_eq!(bodies("a[*]", none, 1).unwrap(), Vec::<String>::new());
    }
    for (selector, text) in [
        ("a[*]", r#"{"a": {"b": 1}}"#),
        ("a[*]", r#"{"a": [1, 2"#),
        ("a[*]", r#"{"a": [1, 2]"#),
        ("a[*]", r#"{"a" [1]}"#),
        ("a[*]", r#"{"a": [1]} x"#),
        ("a[*]", r#"{"a": [1,]}"#),
        ("a[*]", r#"{"a": [1}}"#),
        ("a[*].b[*]", r#"{"a": [1]}"#),
    ] {
        assert!(matches!(bodies(selector, text, 1000), Err(Fault::Json { .. })), "{selector} {text}");
    }
    assert_eq!(cuts(&json("a[*]"), b"", 1, 1, 100, 0), Err(Fault::EmptyJson));
}

/// A selector that leads nowhere is a fault, never a file without records.
#[test]
fn a_list_that_is_not_there() {
    for (selector, text) in [
        ("none[*]", r#"{"a": [1]}"#),
        ("a[*]", r#"{"A": [1]}"#),
        ("a[*]", r#"{"b": {"a": [1]}}"#),
        ("a.b[*]", r#"{"a": null}"#),
        ("a.b[*]", r#"{"a": [{"b": [1]}]}"#),
        ("a[1][*]", r#"{"a": [[1]]}"#),
        ("a[*]", r#"["a", [1]]"#),
        ("a[*]", r#""a""#),
    ] {
        let fault = cuts(&json(selector), text.as_bytes(), 3, 1, 2, 0).unwrap_err();
        let expected = Fault::Json {
            offset: text.len() as u64,
            expected: "a list at `data_selector`",
        };
        assert_eq!(fault, expected, "{selector} {text}");
    }
}

#[test]
fn another_file_in_the_place_of_the_one_that_was_begun() {
    let items = r#"{"data": [1, 22, 333, 4444], "end": {}}"#;
    for (format, old, new, shorter) in [
        (csv(true), "a\n1\n2\n3\n", "a\n7\n2\n3\n4\n", "a\n1\n"),
        (FileFormat::Ndjson(Ndjson {}), "1\n2\n3\n", "1\n7\n3\n4\n", "1\n2"),
        (
            json("data[*]"),
            items,
            r#"{"data": [7, 22, 333, 4444, 5], "end": {}}"#,
            r#"{"data": [1, 22]}"#,
        ),
    ] {
        let end = cuts(&format, old.as_bytes(), 3, 1, 1, 0).unwrap().iter().rev().nth(1).unwrap().1;
        let from = mark(old.as_bytes(), end);
        for chunk in [1, 4, 1000] {
            let go_on = |text: &str| cuts_from(&format, text.as_bytes(), chunk, 1, 1, from);
            assert_eq!(go_on(old).unwrap().len(), 1, "{old}");
            for text in [new, shorter] {
                assert_eq!(go_on(text), Err(Fault::Changed), "{text}");
            }
        }
    }
}

/// The records of a text as `csv-core` reads them.
fn records(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut reader, mut text, mut records) = (csv_core::Reader::new(), text, Vec::new());
    let (mut out, mut ends) = ([0; 4096], [0; 256]);
    loop {
        let (result, read, _, fields) = reader.read_record(text, &mut out, &mut ends);
        text = &text[read..];
        match result {
            csv_core::ReadRecordResult::Record => {
                let starts = [0].into_iter().chain(ends[..fields].iter().copied());
                records.push(starts.zip(&ends[..fields]).map(|(start, end)| out[start..*end].to_vec()).collect());
            }
            csv_core::ReadRecordResult::End => return records,
            csv_core::ReadRecordResult::InputEmpty => {}
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    /// Cut anywhere, the pieces hold the same records as the whole, and a worker that goes on after any piece makes the same ones.
    #[test]
    fn csv_is_cut_at_records(text in r#"(["a,\r\n]|""|\r\n){0,80}"#, chunk in 1usize..20, piece in 1usize..20) {
        let whole = records(text.as_bytes());
        let made = cuts(&csv(false), text.as_bytes(), chunk, piece, 0, 0).unwrap();
        prop_assert_eq!(&made, &cuts(&csv(false), text.as_bytes(), 1000, piece, 0, 0).unwrap());
        prop_assert_eq!(made.iter().map(|made| made.0.as_str()).collect::<String>(), text.clone());
        let apart: Vec<_> = made.iter().flat_map(|made| records(made.0.as_bytes())).collect();
        prop_assert_eq!(apart, whole);
        let with_header = cuts(&csv(true), text.as_bytes(), chunk, piece, 0, 0).unwrap();
        for (at, one) in with_header.iter().enumerate() {
            prop_assert_eq!(&cuts(&csv(true), text.as_bytes(), chunk, piece, 0, one.1).unwrap(), &with_header[at + 1..].to_vec());
        }
    }

    #[test]
    fn lines_are_cut_at_lines(text in "[a\n]{0,80}", chunk in 1usize..20, piece in 1usize..20) {
        let format = FileFormat::Ndjson(Ndjson {});
        let made = cuts(&format, text.as_bytes(), chunk, piece, 0, 0).unwrap();
        prop_assert_eq!(made.iter().map(|made| made.0.as_str()).collect::<String>(), text.clone());
        for one in made.iter().rev().skip(1) {
            prop_assert!(one.0.ends_with('\n'));
            let rest = cuts(&format, text.as_bytes(), chunk, piece, 0, one.1).unwrap();
            prop_assert_eq!(rest.iter().map(|made| made.0.as_str()).collect::<String>(), text[one.1 as usize..].to_owned());
        }
        prop_assert_eq!(made, cuts(&format, text.as_bytes(), 1000, piece, 0, 0).unwrap());
    }

    /// A document split item by item holds the same items, whatever the chunks, and so does one that is gone on with.
    #[test]
    fn json_is_cut_at_items(items in prop::collection::vec(any_item(), 0..12), chunk in 1usize..20, piece in 1usize..60, pretty in any::<bool>()) {
        let document = serde_json::json!({"before": [{"data": [0]}], "data": items, "after": {"data": []}});
        let text = if pretty { serde_json::to_string_pretty(&document).unwrap() } else { document.to_string() };
        let items_of = |made: &[Made]| made.iter().flat_map(|made| serde_json::from_str::<Vec<serde_json::Value>>(&made.0).unwrap()).collect::<Vec<_>>();
        let made = cuts(&json("data[*]"), text.as_bytes(), chunk, piece, 1, 0).unwrap();
        prop_assert_eq!(&items_of(&made), &items);
        for (at, one) in made.iter().enumerate() {
            let rest = cuts(&json("data[*]"), text.as_bytes(), chunk, piece, 1, one.1).unwrap();
            prop_assert_eq!(items_of(&rest), items_of(&made[at + 1..]));
        }
    }

    #[test]
    fn nothing_panics(text in r#"[\[\]{}:,"a\\ 0-9\n]{0,60}"#, chunk in 1usize..9) {
        let _ = cuts(&json("a[0][*]"), text.as_bytes(), chunk, 1, 1, 0);
        let _ = cuts(&csv(true), text.as_bytes(), chunk, 1, 1, 0);
    }
}

fn any_item() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i32>().prop_map(Into::into),
        r#"[a"\\\]},]{0,4}"#.prop_map(Into::into)
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map("[a\\]\"]", inner, 0..3).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
