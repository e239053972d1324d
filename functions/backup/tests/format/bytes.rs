//! The archive of two collections and a view, byte by byte, put together by hand from the public description (mongodb/mongo-tools, `common/archive/spec.md`).

use super::DATABASE;
use backup::archive::{Described, Prelude, Writer};
use backup::gzip::Unpacker;
use backup::hash::Sums;
use bson::{RawDocument, RawDocumentBuf};

/// A document of these elements: its length, they, a zero.
fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let elements = elements.concat();
    let length = i32::try_from(4 + elements.len() + 1).unwrap();
    [&length.to_le_bytes(), elements.as_slice(), &[0]].concat()
}

fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0], value].concat()
}

fn string(name: &str, text: &str) -> Vec<u8> {
    let length = i32::try_from(text.len() + 1).unwrap();
    element(2, name, &[&length.to_le_bytes(), text.as_bytes(), &[0]].concat())
}

fn boolean(name: &str, value: bool) -> Vec<u8> {
    element(8, name, &[u8::from(value)])
}

fn int32(name: &str, value: i32) -> Vec<u8> {
    element(16, name, &value.to_le_bytes())
}

fn int64(name: &str, value: u64) -> Vec<u8> {
    element(18, name, &value.to_le_bytes())
}

/// CRC-64/XZ, bit by bit, from its parameters: polynomial 42f0e1eba9ea3693 reflected, all ones at the start, inverted at the end.
fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = u64::MAX;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1)
                ^ if crc & 1 == 1 {
                    0x42f0_e1eb_a9ea_3693_u64.reverse_bits()
                } else {
                    0
                };
        }
    }
    !crc
}

fn described(name: &str, metadata: &str, size: i32, kind: &str) -> Vec<u8> {
    document(&[
        string("db", DATABASE),
        string("collection", name),
        string("metadata", metadata),
        int32("size", size),
        string("type", kind),
    ])
}

fn header(collection: &str, eof: bool, crc: u64) -> Vec<u8> {
    document(&[
        string("db", DATABASE),
        string("collection", collection),
        boolean("EOF", eof),
        int64("CRC", crc),
    ])
}

#[test]
fn the_archive_is_byte_by_byte_what_the_description_says() {
    assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
    let terminator = vec![0xff, 0xff, 0xff, 0xff];
    let [one, two, three] = [1, 2, 3].map(|id| document(&[int32("_id", id)]));
    let named = document(&[string("_id", "a"), boolean("ok", true)]);
    let expected = [
        vec![0x6d, 0xe2, 0x99, 0x81],
        document(&[
            int32("concurrent_collections", 1),
            string("version", "0.1"),
            string("server_version", "8.0.4"),
            string("tool_version", "tidemill 0.1.0"),
        ]),
        described("orders", "{\"of\":\"orders\"}", 26, "collection"),
        described("people", "{}", 0, "collection"),
        described("recent", "{}", 0, "view"),
        terminator.clone(),
        header("orders", false, 0),
        one.clone(),
        two.clone(),
        terminator.clone(),
        header("people", false, 0),
        named.clone(),
        terminator.clone(),
        header("people", true, crc64(&named)),
        terminator.clone(),
        // Here a second part begins.
        header("orders", false, 0),
        three.clone(),
        terminator.clone(),
        header("orders", true, crc64(&[one.as_slice(), &two, &three].concat())),
        terminator.clone(),
        header("recent", true, 0),
        terminator,
    ]
    .concat();

    let namespace = |name: &str, view, metadata: &str, size| Described {
        name: name.to_owned(),
        view,
        metadata: metadata.to_owned(),
        size,
    };
    let raw = |bytes: &[u8]| RawDocumentBuf::from_bytes(bytes.to_vec()).unwrap();
    let crc = |documents: &[&[u8]]| {
        let mut sums = Sums::default();
        documents
            .iter()
            .for_each(|bytes| sums.add(RawDocument::from_bytes(*bytes).unwrap()));
        sums.crc64
    };
    let mut first = Writer::new(DATABASE, 1 << 20);
    let prelude = Prelude {
        database: DATABASE.to_owned(),
        server_version: "8.0.4".to_owned(),
        tool_version: "tidemill 0.1.0".to_owned(),
        namespaces: vec![
            namespace("orders", false, "{\"of\":\"orders\"}", 26),
            namespace("people", false, "{}", 0),
            namespace("recent", true, "{}", 0),
        ],
    };
    first.prelude(&prelude).unwrap();
    first.document("orders", &raw(&one)).unwrap();
    first.document("orders", &raw(&two)).unwrap();
    first.document("people", &raw(&named)).unwrap();
    first.end("people", crc(&[&named])).unwrap();
    let mut second = Writer::new(DATABASE, 1 << 20);
    second.document("orders", &raw(&three)).unwrap();
    second.end("orders", crc(&[&one, &two, &three])).unwrap();
    second.end("recent", crc(&[])).unwrap();

    let parts = [first.finish().unwrap(), second.finish().unwrap()];
    // A gzip member each (RFC 1952): magic, deflate, no flags, no time.
    for part in &parts {
        assert_eq!(part[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }
    let mut found = Vec::with_capacity(expected.len() + 1);
    let mut unpacker = Unpacker::default();
    unpacker.unpack(&mut parts.concat().as_slice(), &mut found).unwrap();
    unpacker.end().unwrap();
    assert_eq!(found, expected);
}
