//! Whole records: every fault at once, identity, unknown keys, filters, tombstones, duplicates, unnest.

use crate::{AT_MS, Out, capture, clean, clean_json, pipeline, raw_key, rest, value_shown};
use bson::{RawBsonRef, RawDocument};
use lake::Body;
use ledger::{Place, Rank};

fn noted(document: &RawDocument) -> &RawDocument {
    document.get_document("_tidemill").unwrap()
}

fn ids(out: &Out) -> Vec<String> {
    out.documents
        .iter()
        .map(|document| value_shown(document.get("_id").unwrap().unwrap()))
        .collect()
}

fn binary(document: &RawDocument, key: &str) -> Vec<u8> {
    match noted(document).get(key).unwrap() {
        Some(RawBsonRef::Binary(binary)) => binary.bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_says_where_it_comes_from() {
    let checked = rest("primary_key: [id]\nversion: v\nfields: {id: {type: long}, v: {type: timestamp, format: unix_s}}");
    let out = clean_json(&checked, r#"[{"id":1,"v":9},{"id":2,"v":8}]"#);
    let keys: Vec<_> = out.documents[1]
        .iter()
        .map(|element| element.unwrap().0.as_str().to_owned())
        .collect();
    assert_eq!(keys, ["_id", "id", "v", "_tidemill"]);
    let about = noted(&out.documents[1]);
    let keys: Vec<_> = about.iter().map(|element| element.unwrap().0.as_str().to_owned()).collect();
    assert_eq!(keys, ["run", "at", "version", "rank", "hash"]);
    assert_eq!(about.get_str("run").unwrap(), raw_key().run.to_string());
    assert_eq!(about.get_datetime("at").unwrap().timestamp_millis(), AT_MS);
    assert_eq!(about.get_i64("version").unwrap(), 8000);
    let place = Place {
        run: raw_key().run,
        part: 3,
        line: 1,
        item: 1,
    };
    assert_eq!(binary(&out.documents[1], "rank"), Rank::new(8000, 5, AT_MS, place).0);
    assert_eq!(binary(&out.documents[1], "hash").len(), 16);
}

#[test]
fn every_fault_of_a_record_is_told() {
    let checked = rest(
        "primary_key: [id]\nfields:\n  id: {type: int}\n  a: {type: int}\n  b: {type: date}\n  c: {type: list, of: {type: object, fields: {d: {type: bool}}}}",
    );
    let out = clean_json(
        &checked,
        r#"{"id":1,"a":"x","b":"1873-00-00","c":[{"d":true},{"d":9},{}],"secret":1}"#,
    );
    assert_eq!(
        out.faults(),
        ["a: not_a_number", "b: not_a_time", "c[1].d: not_a_bool", "c[2].d: missing"]
    );
    let reject = &out.rejects[0];
    assert_eq!(
        (&reject["reason"], &reject["field"], &reject["value"]),
        (&"not_a_number".into(), &"a".into(), &"x".into())
    );
    assert_eq!(reject["record"]["secret"], 1);
    assert_eq!(reject["capture"]["key"], raw_key().key().to_string());
    assert_eq!(reject["capture"]["line"], 1);
    assert_eq!(reject["capture"]["item"], 0);
    assert_eq!(reject["capture"]["url"], "https://example.org/a");
    assert_eq!(reject["faults"].as_array().unwrap().len(), 4);
}

#[test]
fn identity() {
    let body = r#"[{"a":1,"b":"x"},{"a":1,"b":"x"},{"a":2,"b":"x"}]"#;
    let fields = "fields: {a: {type: int}, b: {type: string}}";
    let check = |head: &str, expected: &[&str]| assert_eq!(ids(&clean_json(&rest(&format!("{head}\n{fields}")), body)), expected);
    check("primary_key: [a]", &["i32 1", "i32 2"]);
    check("primary_key: [b, a]", &[r#"{b: "x", a: i32 1}"#, r#"{b: "x", a: i32 2}"#]);
    let position = |item| format!("\"{}/3/1/{item}\"", raw_key().run);
    check("identity: position", &[&position(0), &position(1), &position(2)]);

    let out = clean_json(&rest(&format!("identity: content\n{fields}")), body);
    assert_eq!(out.tally.duplicates, 1);
    // The SHA-256 of `bson.encode({"a": 1, "b": "x"})`, so anybody can make the id again.
    let mut document = bson::RawDocumentBuf::new();
    document.append("a".try_into().map(|key: &bson::raw::CStr| key).unwrap(), 1i32);
    document.append("b".try_into().map(|key: &bson::raw::CStr| key).unwrap(), "x");
    use sha2::Digest as _;
    let digest: String = sha2::Sha256::digest(document.as_bytes())
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(ids(&out)[0], format!("\"{digest}\""));
}

#[test]
fn the_hash_is_over_what_counts_as_a_change() {
    let checked =
        rest("identity: position\nversion: v\nfields: {a: {type: int}, v: {type: int}, seen: {type: int, volatile: true}, b: {type: int}}");
    let out = clean_json(
        &checked,
        r#"[{"a":1,"v":1,"seen":1,"b":1},{"a":1,"v":2,"seen":3,"b":1},{"a":1,"v":1,"seen":1,"b":2}]"#,
    );
    let hashes: Vec<_> = out.documents.iter().map(|document| binary(document, "hash")).collect();
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

#[test]
fn unknown_keys() {
    let record = r#"{"id":1,"x":{"y":[1,"\u00e9"]},"z":null}"#;
    let with = |policy: &str| {
        rest(&format!(
            "primary_key: [id]\nunknown_fields: {policy}\nfields: {{id: {{type: int}}, deep: {{from: read.me, type: int, nullable: true}}}}"
        ))
    };
    assert_eq!(clean_json(&with("ignore"), record).fields(), ["id=i32 1 deep=null"]);
    assert_eq!(
        clean_json(&with("keep"), record).fields(),
        [r#"id=i32 1 deep=null x={y: [i32 1, "é"]} z=null"#]
    );
    assert_eq!(
        clean_json(&with("reject"), record).faults(),
        ["x: unknown_field", "z: unknown_field"]
    );
    assert_eq!(
        clean_json(&with("keep"), r#"{"id":1,"read":{"me":2,"other":3}}"#).fields(),
        ["id=i32 1 deep=i32 2"]
    );
    for (record, faults) in [
        (r#"{"id":1,"_id":2}"#, "_id: name_taken"),
        (r#"{"id":1,"deep":2}"#, "deep: name_taken"),
        (r#"{"id":1,"x":2,"\u0078":3}"#, "x: duplicate_key"),
        (r#"{"id":1,"a\u0000b":3}"#, "a\0b: nul_in_key"),
        (r#"{"id":1,"x":{"y":1,"y":1}}"#, "x: duplicate_key"),
    ] {
        assert_eq!(clean_json(&with("keep"), record).faults(), [faults], "{record}");
    }
}

#[test]
fn conditions() {
    let fields = "fields: {id: {type: int}, s: {type: string, nullable: true}, t: {type: timestamp, nullable: true}, d: {type: decimal, nullable: true}}";
    let records = [
        r#"{"id":1,"s":"a","t":"2020-01-01T00:00:00Z","d":1.50}"#,
        r#"{"id":2,"s":"b","t":"2021-01-01T00:00:00Z","d":2}"#,
        r#"{"id":3}"#,
    ];
    let check = |condition: &str, expected: &[&str]| {
        let kept = clean_json(
            &rest(&format!("primary_key: [id]\nfilter: [{{{condition}}}]\n{fields}")),
            &format!("[{}]", records.join(",")),
        );
        assert_eq!(ids(&kept), expected, "{condition}");
        assert_eq!(kept.tally.dropped as usize, 3 - expected.len());
        let marked = clean_json(
            &rest(&format!("primary_key: [id]\ndelete_when: [{{{condition}}}]\n{fields}")),
            &format!("[{}]", records.join(",")),
        );
        let deleted: Vec<_> = marked
            .documents
            .iter()
            .filter(|document| noted(document).get_bool("deleted").unwrap_or(false))
            .collect();
        assert_eq!((marked.documents.len(), deleted.len()), (3, expected.len()), "{condition}");
    };
    check("field: s, equals: a", &["i32 1"]);
    check("field: s, not_equals: a", &["i32 2", "i32 3"]);
    check("field: s, one_of: [a, b]", &["i32 1", "i32 2"]);
    check("field: s, is_null: true", &["i32 3"]);
    check("field: s, is_null: false", &["i32 1", "i32 2"]);
    check("field: t, less_than: '2021-01-01'", &["i32 1"]);
    check("field: t, at_least: '2021-01-01T01:00:00+01:00'", &["i32 2"]);
    check("field: d, at_most: 1.5", &["i32 1"]);
    check("field: d, more_than: '1.49'", &["i32 1", "i32 2"]);
    check("field: id, more_than: 3", &[]);
}

#[test]
fn duplicates_are_equal_to_the_latest_of_their_id() {
    let checked = rest("primary_key: [id]\nversion: v\nfields: {id: {type: int}, v: {type: int}, x: {type: string, volatile: true}}");
    let record = |x: &str| format!(r#"{{"id":1,"v":1,"x":"{x}"}}"#);
    let check = |xs: &[&str], out: u64, duplicates: u64| {
        let body = format!("[{}]", xs.iter().map(|x| record(x)).collect::<Vec<_>>().join(","));
        let tally = clean_json(&checked, &body).tally;
        assert_eq!((tally.out, tally.duplicates), (out, duplicates), "{xs:?}");
    };
    check(&["a", "a", "a"], 1, 2);
    check(&["a", "b", "a"], 3, 0);
    check(&["a", "b", "b", "a"], 3, 1);
    // The same record in two captures: with a version it is the same, without one the later capture is a later version.
    let (a, b) = (record("a"), record("a"));
    let captures = [capture(Body::Json(&a), None), capture(Body::Json(&b), None)];
    assert_eq!(clean(&checked, &captures).tally.duplicates, 1);
    let unversioned = rest("primary_key: [id]\nfields: {id: {type: int}}");
    assert_eq!(clean(&unversioned, &captures).tally.duplicates, 0);
}

#[test]
fn a_list_that_no_record_has_is_a_path_that_leads_nowhere() {
    let checked = rest("identity: position\nunnest: items\nfields: {n: {type: int}}");
    let check = |bodies: &[&str], faults: &[&str]| {
        let captures: Vec<_> = bodies.iter().map(|body| capture(Body::Json(body), None)).collect();
        assert_eq!(clean(&checked, &captures).faults(), faults, "{bodies:?}");
    };
    check(&[r#"[{"a":1},{"a":2}]"#, r#"[{"a":3}]"#], &["-: unnest_nowhere"]);
    check(&[r#"[{"a":1},{"items":[]}]"#], &[]);
    check(&[r#"[{"a":1}]"#, r#"[{"items":null}]"#], &[]);
    check(&["[]"], &[]);
}

#[test]
fn unnest() {
    let checked = rest(
        "identity: position\nunnest: a.items\nunknown_fields: reject\nfields: {n: {type: int}, id: {from: $parent.id, type: int}, all: {from: $parent.a.kind, type: string, nullable: true}}",
    );
    let check = |record: &str, fields: &[&str], faults: &[&str]| {
        let out = clean_json(&checked, record);
        assert_eq!(
            (out.fields(), out.faults()),
            (
                fields.iter().map(|s| s.to_string()).collect(),
                faults.iter().map(|s| s.to_string()).collect()
            ),
            "{record}"
        );
    };
    check(
        r#"{"id":7,"a":{"kind":"k","items":[{"n":1},{"n":2}]},"other":0}"#,
        &[r#"n=i32 1 id=i32 7 all="k""#, r#"n=i32 2 id=i32 7 all="k""#],
        &[],
    );
    check(r#"{"id":7,"a":{"items":[{"n":1,"m":1}]}}"#, &[], &["m: unknown_field"]);
    check(r#"{"id":7,"a":{"items":[]}}"#, &[], &[]);
    check(r#"{"id":7,"a":{"items":null}}"#, &[], &[]);
    check(r#"{"id":7}"#, &[], &["-: unnest_nowhere"]);
    check(r#"{"id":7,"a":{"items":{"n":1}}}"#, &[], &["-: unnest_not_a_list"]);
    check(
        r#"{"id":7,"a":{"items":[1,{"n":1}]}}"#,
        &["n=i32 1 id=i32 7 all=null"],
        &["-: not_an_object"],
    );
    check(r#"{"a":{"items":[{"n":1}]}}"#, &[], &["id: missing"]);
    check(r#"{"a":{"items":[{"n":1}],"items":[]}}"#, &[], &["-: duplicate_key"]);
    check(r#"[1]"#, &[], &["-: not_an_object"]);
    let texts = rest("identity: position\nunnest: tags\nfields: {tag: {from: $, type: string}}");
    assert_eq!(clean_json(&texts, r#"{"tags":["a","b"]}"#).fields(), [r#"tag="a""#, r#"tag="b""#]);
}

#[test]
fn records_that_are_no_objects() {
    let object = rest("identity: position\nfields: {a: {type: int}}");
    assert_eq!(clean_json(&object, r#"[1,null,"x",[2],{"a":1}]"#).faults(), ["-: not_an_object"; 4]);
    let whole = rest("identity: position\nfields: {a: {from: $, type: json, nullable: true}}");
    assert_eq!(clean_json(&whole, r#"[1,"x",[2]]"#).fields(), ["a=i32 1", r#"a="x""#, "a=[i32 2]"]);
    let lists = rest("identity: position\nfields: {a: {from: '[0]', type: int}, b: {from: '[1]', type: string, nullable: true}}");
    assert_eq!(
        clean_json(&lists, r#"[[1,"x"],[2]]"#).fields(),
        [r#"a=i32 1 b="x""#, "a=i32 2 b=null"]
    );
}

#[test]
fn a_sink_that_is_full_loses_nothing() {
    use clean::{Cleaner, Sink};
    struct Small(Vec<Vec<u8>>, usize);
    impl Sink for Small {
        fn clean(&mut self, document: &[u8]) {
            self.0.push(document.to_vec());
        }
        fn rejected(&mut self, line: &[u8]) {
            self.0.push(line.to_vec());
        }
        fn is_full(&self) -> bool {
            self.0.len() >= self.1
        }
    }
    let csv = pipeline(
        "source: {files: {}}",
        "file: {path: a.csv}",
        "identity: position\nfields: {a: {type: int}}",
    );
    let unnested = rest("identity: position\nunnest: l\nfields: {a: {type: int}}");
    let plain = rest("identity: content\nfields: {a: {type: int}}");
    for (checked, body) in [
        (&csv, Body::Text("a\n1\nx\n2\n3,4\n5\n".into())),
        (
            &unnested,
            Body::Json(r#"[{"l":[{"a":1},{"a":"x"}]},{"l":[]},{"l":[{"a":2},{"a":3},{"a":4}]}]"#),
        ),
        (&plain, Body::Json(r#"[{"a":1},{"a":1},{"a":"x"},{"a":2},5,{"a":1}]"#)),
    ] {
        let run = |limit: usize| {
            let mut cleaner = Cleaner::new(&checked.pipeline, &checked.pipeline.resources[0], &raw_key(), 1).unwrap();
            let (mut all, mut from) = (Vec::new(), Some(0));
            while let Some(item) = from {
                let mut small = Small(Vec::new(), limit);
                from = cleaner.capture(1, &capture(body.clone(), None), item, &mut small).unwrap();
                all.append(&mut small.0);
            }
            (all, cleaner.tally())
        };
        assert_eq!(run(1), run(usize::MAX));
        assert_eq!(run(2), run(usize::MAX));
    }
}

#[test]
fn volatile_fields_are_no_content() {
    let checked = rest(
        "identity: content\nunknown_fields: keep\nfields: {seen: {type: int, volatile: true}, a: {type: int}, at: {type: int, volatile: true}}",
    );
    let out = clean_json(
        &checked,
        r#"[{"a":1,"seen":1,"at":1,"x":1},{"a":1,"seen":2,"at":3,"x":1},{"a":2,"seen":1,"at":1,"x":1},{"a":1,"seen":1,"at":1,"x":2}]"#,
    );
    let ids = ids(&out);
    assert_eq!(ids.len(), 4);
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    assert_ne!(ids[0], ids[3]);
}

#[test]
fn kept_keys_are_content_too() {
    let checked = rest("identity: content\nunknown_fields: keep\nfields: {a: {type: int}}");
    let body = r#"[{"a":1,"x":1},{"a":1,"x":2},{"a":1,"x":1}]"#;
    let out = clean(&checked, &[capture(Body::Json(body), None)]);
    let ids: std::collections::BTreeSet<String> = out
        .documents
        .iter()
        .map(|document| document.get_str("_id").unwrap().to_owned())
        .collect();
    assert_eq!(
        (ids.len(), out.documents.len(), out.tally.duplicates),
        (2, 2, 1),
        "equal records are one, unequal ones are not"
    );
}
