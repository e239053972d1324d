//! Whatever a document is made of, its very bytes come back.

use bson::{Decimal128, RawArray, RawBsonRef, RawDocument, RawDocumentBuf};
use documents::Documents;
use fastrand::Rng;

use super::{merge, name, write_bytes};

/// What is put into documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variety {
    /// Whatever BSON can say.
    Anything,
    /// Not what some server takes and does not give back, or does not take: names that occur twice or begin with `$`, years beyond 9999, the types that were
    /// given up long ago, numbers that are not in their usual form, `_id` after another field.
    #[cfg_attr(not(feature = "mongodb"), allow(dead_code, reason = "only the suite of the servers has it"))]
    OfServers,
}

/// Each document is written twice, the second time with a higher rank and other values.
pub async fn the_very_bytes_come_back(store: &dyn Documents, seed: u64, variety: Variety) {
    let mut rng = Rng::with_seed(seed);
    for round in 0..2 {
        let mut some = |number| {
            loop {
                let document = clean(&mut rng, number, round);
                if variety == Variety::Anything || all_servers_keep(&document) {
                    return document;
                }
            }
        };
        let written: Vec<RawDocumentBuf> = (0..200).map(&mut some).collect();
        let outcome = write_bytes(store, &merge("things"), &format!("o{round}"), 0, &written)
            .await
            .unwrap();
        assert_eq!(outcome.tally.inserted + outcome.tally.updated, 200, "seed {seed}: {outcome:?}");
        for document in &written {
            let id: RawBsonRef<'_> = document.get("_id").unwrap().unwrap();
            let found = store.get(&name("things"), id, true).await.unwrap().unwrap();
            assert_eq!(found.as_bytes(), document.as_bytes(), "seed {seed}: {document:?}");
        }
        for found in store.scan(&name("things"), None, usize::MAX).await.unwrap() {
            assert!(written.contains(&found), "seed {seed}: {found:?}");
        }
    }
}

fn all_servers_keep(document: &RawDocument) -> bool {
    let mut names = std::collections::BTreeSet::new();
    document.into_iter().all(|element| {
        let (name, value) = element.unwrap();
        names.insert(name.as_str().to_owned()) && !name.as_str().starts_with('$') && is_kept(value)
    })
}

fn is_kept(value: RawBsonRef<'_>) -> bool {
    const YEAR_1_MS: i64 = -62_135_596_800_000;
    const YEAR_10000_MS: i64 = 253_402_300_800_000;
    match value {
        RawBsonRef::Document(document) => all_servers_keep(document),
        RawBsonRef::Array(array) => is_numbered(array) && array.into_iter().all(|value| is_kept(value.unwrap())),
        RawBsonRef::DateTime(date) => (YEAR_1_MS..YEAR_10000_MS).contains(&date.timestamp_millis()),
        RawBsonRef::Double(number) => !number.is_nan() || number.to_bits() == f64::NAN.to_bits(),
        RawBsonRef::Decimal128(number) => number.to_string().parse::<Decimal128>().unwrap().bytes() == number.bytes(),
        RawBsonRef::Undefined
        | RawBsonRef::DbPointer(_)
        | RawBsonRef::Symbol(_)
        | RawBsonRef::JavaScriptCode(_)
        | RawBsonRef::JavaScriptCodeWithScope(_) => false,
        _ => true,
    }
}

fn is_numbered(array: &RawArray) -> bool {
    let document = RawDocument::from_bytes(array.as_bytes()).unwrap();
    let mut names = document.into_iter().map(|element| element.unwrap().0.as_str().to_owned());
    (0..).zip(&mut names).all(|(index, name)| format!("{index}") == name)
}

/// A document that is clean enough to be taken. Each number is another key.
fn clean(rng: &mut Rng, number: i32, round: u8) -> RawDocumentBuf {
    let mut elements = if number % 2 == 0 {
        element(0x02, "_id", &string(&format!("key \"{number}\"")))
    } else {
        let parts = [element(0x12, "n", &i64::from(number).to_le_bytes()), element(0x0a, "", &[])];
        element(0x03, "_id", &document(&parts.concat()))
    };
    let stamp = element(0x03, "_tidemill", &tidemill(rng, round));
    let fields = some_elements(rng, 3);
    if rng.u8(0..8) == 0 {
        elements.extend([stamp, fields].concat());
    } else {
        elements.extend([fields, stamp].concat());
    }
    RawDocumentBuf::from_bytes(document(&elements)).unwrap()
}

/// Most are in the usual form; all have a rank and a hash.
fn tidemill(rng: &mut Rng, round: u8) -> Vec<u8> {
    let rank_type = if rng.u8(0..12) == 0 { 5 } else { 0 };
    let mut parts = vec![
        element(0x02, "run", &string("01D3YJ5ZK8Q4W9V6T2N1M0RBAC")),
        element(0x09, "at", &rng.i64(..).to_le_bytes()),
        element(0x12, "version", &integer(rng).to_le_bytes()),
        element(0x05, "rank", &binary(rank_type, &[round; 48])),
        element(0x05, "hash", &binary(0, &rng.u128(..).to_le_bytes())),
    ];
    if rng.u8(0..4) == 0 {
        parts.push(element(0x08, "deleted", &[rng.u8(0..2)]));
    }
    match rng.u8(0..24) {
        0 => rng.shuffle(&mut parts),
        1 => drop(parts.remove(rng.usize(0..3))),
        2 => parts.push(element(0x0a, "more", &[])),
        3 => parts.push(element(0x05, "deleted", &binary(0, &[1]))),
        4 => parts[0] = element(0x05, "run", &binary(0, &[7; 16])),
        5 => parts[2] = element(0x10, "version", &rng.i32(..).to_le_bytes()),
        6 => parts[1] = element(0x03, "at", &document(&element(0x12, "version", &[1, 0, 0, 0, 0, 0, 0, 0]))),
        7 => parts.insert(3, element(0x12, "version", &[1, 0, 0, 0, 0, 0, 0, 0])),
        _ => {}
    }
    document(&parts.concat())
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "c d",
    "",
    "0",
    "é\u{1f600}",
    "a\"\\b",
    "\u{1}\n\r\t\u{8}\u{c}\u{7f}",
    "version",
    "rank",
    "a$",
    "one.two",
];
const ODD_NAMES: &[&str] = &["$date", "$oid", "$numberLong", "$", "$ref"];

fn some_elements(rng: &mut Rng, levels: u8) -> Vec<u8> {
    let mut elements = Vec::new();
    for _ in 0..rng.u8(0..6) {
        let names = if rng.u8(0..60) == 0 { ODD_NAMES } else { NAMES };
        let name = names[rng.usize(0..names.len())];
        push_some(&mut elements, rng, name, levels);
    }
    elements
}

fn some_items(rng: &mut Rng, levels: u8) -> Vec<u8> {
    let mut elements = Vec::new();
    for index in 0..rng.u8(0..14) {
        let odd = rng.u8(0..200) == 0;
        push_some(&mut elements, rng, &if odd { "1x".to_owned() } else { index.to_string() }, levels);
    }
    elements
}

fn push_some(out: &mut Vec<u8>, rng: &mut Rng, name: &str, levels: u8) {
    let kind = match rng.u8(0..100) {
        // The types whose texts are not read back.
        0 => [0x06, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x11, 0x7f, 0xff][rng.usize(0..9)],
        1..20 => 0x10,
        20..40 => 0x12,
        _ => [0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x09, 0x0a, 0x13][rng.usize(0..10)],
    };
    let value = value(rng, kind, levels.saturating_sub(1));
    push(out, kind, name, &value);
}

fn value(rng: &mut Rng, kind: u8, levels: u8) -> Vec<u8> {
    let pick = |rng: &mut Rng, values: &[i64]| values[rng.usize(0..values.len())];
    match kind {
        0x01 => double(rng).to_le_bytes().to_vec(),
        0x02 | 0x0d | 0x0e => string(&text(rng)),
        0x03 if levels > 0 => document(&some_elements(rng, levels)),
        0x04 if levels > 0 => document(&some_items(rng, levels)),
        0x03 | 0x04 => document(&[]),
        0x05 => {
            let bytes: Vec<u8> = (0..rng.usize(0..9)).map(|_| rng.u8(..)).collect();
            match rng.u8(0..5) {
                0 => binary(2, &[&(bytes.len() as u32).to_le_bytes(), bytes.as_slice()].concat()),
                subtype => binary([0, 4, 5, 0x80][usize::from(subtype) - 1], &bytes),
            }
        }
        0x07 => (0..12).map(|_| rng.u8(..)).collect(),
        0x08 => vec![rng.u8(0..2)],
        0x09 => {
            let year_10000 = 253_402_300_800_000;
            let edges = [
                0,
                -1,
                year_10000 - 1,
                year_10000,
                i64::MIN,
                i64::MAX,
                rng.i64(-year_10000..year_10000),
            ];
            pick(rng, &edges).to_le_bytes().to_vec()
        }
        0x0b => [b"a\"b\0".as_slice(), b"im\0"].concat(),
        0x0c => [string("a.b").as_slice(), &[7; 12]].concat(),
        0x0f => {
            let inner = [string("f()"), document(&element(0x0a, "x", &[]))].concat();
            [&(inner.len() as u32 + 4).to_le_bytes(), inner.as_slice()].concat()
        }
        0x10 => (integer(rng) as i32).to_le_bytes().to_vec(),
        0x11 => rng.u64(..).to_le_bytes().to_vec(),
        0x12 => integer(rng).to_le_bytes().to_vec(),
        0x13 => match rng.u8(0..4) {
            0 => rng.u128(..).to_le_bytes().to_vec(),
            _ => {
                const VALUES: [&str; 9] = ["0", "-0", "0.10", "1E+3", "-1E-6176", "9.9E+6144", "NaN", "Infinity", "-Infinity"];
                VALUES[rng.usize(0..9)].parse::<Decimal128>().unwrap().bytes().to_vec()
            }
        },
        _ => Vec::new(),
    }
}

fn double(rng: &mut Rng) -> f64 {
    let values = [0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 1e17, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    match rng.u8(0..20) {
        0 => f64::from_bits(0x7ff8_0000_0000_0001),
        1 => -f64::NAN,
        2..10 => f64::from_bits(rng.u64(..)),
        _ => values[rng.usize(0..values.len())],
    }
}

/// Of all sizes, on both sides of what 32 bits hold.
fn integer(rng: &mut Rng) -> i64 {
    let edge = 1 << 31;
    let values = [0, 1, -1, edge - 1, edge, -edge, -edge - 1, i64::MIN, i64::MAX, rng.i64(..)];
    values[rng.usize(0..values.len())]
}

fn text(rng: &mut Rng) -> String {
    const PIECES: &[&str] = &[
        "plain",
        "\"",
        "\\",
        "\0",
        "\n",
        "\u{1f}",
        "\u{7f}",
        "é",
        "\u{1f600}",
        "/",
        "{\"$oid\":\"x\"}",
        "]",
        ",",
    ];
    (0..rng.u8(0..6)).map(|_| PIECES[rng.usize(0..PIECES.len())]).collect()
}

fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, kind, name, value);
    out
}

fn push(out: &mut Vec<u8>, kind: u8, name: &str, value: &[u8]) {
    out.push(kind);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(value);
}

fn document(elements: &[u8]) -> Vec<u8> {
    let length = elements.len() as u32 + 5;
    [&length.to_le_bytes(), elements, &[0]].concat()
}

fn string(text: &str) -> Vec<u8> {
    let length = text.len() as u32 + 1;
    [&length.to_le_bytes(), text.as_bytes(), &[0]].concat()
}

fn binary(subtype: u8, bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes(), [subtype].as_slice(), bytes].concat()
}
