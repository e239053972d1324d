//! Whatever documents, whatever the size of parts and of the pieces they are read in: what comes back is what was written.

use super::{Content, DATABASE, read, small, take};
use backup::archive::{DOCUMENT_BYTES_MAX, Reader, Writer};
use backup::gzip::{HELD_BYTES_MAX, PartWriter, Unpacker};
use bson::raw::cstr;
use bson::{Binary, RawDocumentBuf, spec::BinarySubtype};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Some of one letter, which pack well, some of random bytes, which don't.
fn document() -> impl Strategy<Value = RawDocumentBuf> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        (any::<u8>(), 0..20_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    (any::<i64>(), bytes).prop_map(|(id, bytes)| {
        let subtype = BinarySubtype::Generic;
        bson::rawdoc! { "_id": id, "bytes": Binary { subtype, bytes } }
    })
}

fn content() -> impl Strategy<Value = Content> {
    let collection = ("[a-z.]{1,12}", proptest::collection::vec(document(), 0..20));
    (
        proptest::collection::vec(collection, 0..5),
        proptest::collection::vec("[A-Z]{1,5}", 0..3),
    )
        .prop_map(|(collections, mut views)| {
            views.sort();
            views.dedup();
            Content {
                views,
                collections: collections.into_iter().collect(),
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_read_is_what_was_written(content in content(), part_bytes_max in 1..40_000_usize, piece_bytes in 1..5000_usize) {
        let parts = content.write(part_bytes_max);
        let (found, sums) = read(&parts, piece_bytes).unwrap();
        prop_assert_eq!(&found, &content);
        prop_assert_eq!(&sums, &content.sums());
        // A part that holds one thing only may be longer.
        let longest = content.collections.values().flatten().map(|document| document.as_bytes().len()).max().unwrap_or(0);
        for part in &parts {
            prop_assert!(part.len() <= part_bytes_max.max(longest + 4000), "{} bytes", part.len());
        }
        // Put one after another they are one archive, of one part.
        prop_assert_eq!(read(&[parts.concat()], piece_bytes).unwrap(), (found, sums));
    }

    #[test]
    fn a_part_can_be_read_alone(content in content(), part_bytes_max in 1..20_000_usize) {
        let parts = content.write(part_bytes_max);
        // All but the first one, each by a reader of its own.
        let mut found = Content { views: content.views.clone(), collections: BTreeMap::new() };
        let mut first = Reader::of_archive();
        let mut packed = parts[0].as_slice();
        while let Some(event) = first.next(&mut packed).unwrap() {
            found.views.clear();
            take(&mut found, event);
        }
        for part in &parts[1..] {
            let mut reader = Reader::of_part(DATABASE);
            let mut packed = part.as_slice();
            while let Some(event) = reader.next(&mut packed).unwrap() {
                take(&mut found, event);
            }
            reader.end_part().unwrap();
        }
        prop_assert_eq!(found.collections, content.collections);
    }

    #[test]
    fn a_part_is_never_longer_than_its_limit(seed in any::<u64>(), sizes in proptest::collection::vec(1..200_000_usize, 1..40), bytes_max in 1..2_000_000_usize) {
        let mut random = fastrand(seed);
        let (mut writer, mut all) = (PartWriter::new(bytes_max), Vec::new());
        for size in sizes {
            if !writer.has_room(size) {
                break;
            }
            let bytes: Vec<u8> = (0..size).map(|_| random()).collect();
            writer.push(&bytes).unwrap();
            all.extend(bytes);
        }
        prop_assert_eq!(writer.unpacked_bytes(), all.len() as u64);
        let before = writer.packed_bytes();
        let packed = writer.finish().unwrap();
        prop_assert!(packed.len() - before <= HELD_BYTES_MAX, "{} were held", packed.len() - before);
        prop_assert!(packed.len() <= bytes_max || all.len() > bytes_max * 9 / 10 || bytes_max < 100, "{} of {bytes_max}", packed.len());
        let mut unpacked = Vec::with_capacity(all.len() + 1);
        let mut unpacker = Unpacker::default();
        unpacker.unpack(&mut packed.as_slice(), &mut unpacked).unwrap();
        unpacker.end().unwrap();
        prop_assert!(unpacked == all);
    }
}

/// Bytes that can't be packed.
fn fastrand(seed: u64) -> impl FnMut() -> u8 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    }
}

#[test]
fn the_longest_document_goes_through_and_a_longer_one_does_not() {
    let of = |length: usize| {
        let mut document = RawDocumentBuf::new();
        // Twelve bytes are not the text's.
        document.append(cstr!("s"), "x".repeat(length - 13));
        assert_eq!(document.as_bytes().len(), length);
        document
    };
    let mut content = small();
    content
        .collections
        .insert("long".to_owned(), vec![of(DOCUMENT_BYTES_MAX), of(14), of(DOCUMENT_BYTES_MAX)]);
    for piece_bytes in [1000, usize::MAX] {
        assert_eq!(read(&content.write(1 << 20), piece_bytes).unwrap().0, content);
    }
    let error = Writer::new(DATABASE, 1 << 20)
        .document("long", &of(DOCUMENT_BYTES_MAX + 1))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "at byte 0: a document says it has 16793601 bytes; at least 5 and at most 16793600 are allowed"
    );
}
