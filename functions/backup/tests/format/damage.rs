//! Whatever happens to the bytes: an error, and never a panic.

use super::{Content, DATABASE, read, small};
use backup::archive::{ArchiveError, Reader};
use backup::gzip::{GzipError, PartWriter};
use proptest::prelude::*;

/// Packs what is not an archive as it should be.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut part = PartWriter::new(bytes.len());
    part.push(bytes).unwrap();
    part.finish().unwrap()
}

fn unpacked(content: &Content) -> Vec<u8> {
    let mut all = Vec::with_capacity(1 << 20);
    let parts = content.write(1 << 20).concat();
    backup::gzip::Unpacker::default().unpack(&mut parts.as_slice(), &mut all).unwrap();
    all
}

/// What an archive of these bytes is refused with.
fn error(bytes: &[u8]) -> String {
    read(&[packed(bytes)], 100).unwrap_err().to_string()
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let content = small();
    let parts = content.write(1 << 20);
    let (mut found, mut bits) = (0, 0);
    for at in 0..parts[0].len() {
        for bit in 0..8 {
            let mut damaged = parts.clone();
            damaged[0][at] ^= 1 << bit;
            bits += 1;
            match read(&damaged, 1000) {
                Err(_) => found += 1,
                // A gzip member's header says things that change nothing, its last byte before the check is filled up, and what comes twice can be copied from
                // either place. These bits it is the manifest's SHA-256 of the part that finds.
                Ok((read, sums)) => assert!(read == content && sums == content.sums(), "byte {at}, bit {bit}"),
            }
        }
    }
    assert!(found > bits * 9 / 10, "{found} of {bits}");
}

#[test]
fn every_truncation_is_found() {
    let parts = small().write(500);
    assert!(parts.len() > 3);
    for (number, part) in parts.iter().enumerate() {
        for length in 0..part.len() {
            let mut truncated = parts.clone();
            truncated[number].truncate(length);
            let error = read(&truncated, 100).unwrap_err();
            let expected = if length == 0 {
                matches!(error, ArchiveError::Gzip(GzipError::Empty))
            } else {
                matches!(error, ArchiveError::Gzip(GzipError::Truncated { at, .. }) if at == length as u64)
            };
            assert!(expected, "part {number} of {length} bytes: {error:?}");
        }
        let mut missing = parts.clone();
        missing.remove(number);
        assert!(read(&missing, 100).is_err(), "without part {number}");
    }
    let nothing = read(&[], 100).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "at byte 0: the bytes end where the archive's magic number was expected"
    );
}

#[test]
fn a_truncation_before_packing_is_found_too() {
    let all = unpacked(&small());
    for length in 0..all.len() {
        assert!(read(&[packed(&all[..length])], 100).is_err(), "{length} bytes");
    }
    assert!(read(&[packed(&all)], 100).is_ok());
}

#[test]
fn parts_that_come_twice_or_out_of_their_turn_give_no_other_documents() {
    let content = small();
    let parts = content.write(500);
    for first in 0..parts.len() {
        let mut twice = parts.clone();
        twice.insert(first, parts[first].clone());
        assert!(read(&twice, 100).is_err(), "part {first} twice");
        for second in 0..first {
            let mut exchanged = parts.clone();
            exchanged.swap(first, second);
            // Parts of different collections may change places: an archive may have its segments in any order. It is their keys that say it.
            if let Ok((found, _)) = read(&exchanged, 100) {
                assert_eq!(found, content, "parts {first} and {second}");
            }
        }
    }
}

#[test]
fn what_follows_the_archive_is_found() {
    let mut parts = small().write(1 << 20);
    parts[0].extend_from_slice(b"garbage");
    let ArchiveError::Gzip(GzipError::NotGzip { at }) = read(&parts, 100).unwrap_err() else {
        panic!("not that error");
    };
    assert_eq!(at, parts[0].len() as u64 - 7);
    let mut parts = small().write(1 << 20);
    // The beginning of a member that never ends.
    parts[0].extend_from_slice(&[0x1f, 0x8b]);
    assert!(matches!(read(&parts, 100), Err(ArchiveError::Gzip(GzipError::Truncated { .. }))));
}

#[test]
fn a_fault_of_structure_says_where_and_what_was_expected() {
    let all = unpacked(&small());
    let with = |at: usize, bytes: &[u8]| {
        let mut all = all.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    };
    let header_end = 4 + usize::from(all[4]);
    assert_eq!(
        error(b"not an archive"),
        "at byte 0: expected the first four bytes of an archive, 6de29981, and found 6e6f7420"
    );
    assert_eq!(
        error(&with(4, &i32::MAX.to_le_bytes())),
        "at byte 4: the archive's header says it has 2147483647 bytes; at least 5 and at most 16793600 are allowed"
    );
    assert_eq!(
        error(&with(header_end, &(-2_i32).to_le_bytes())),
        format!("at byte {header_end}: a namespace's description says it has -2 bytes; at least 5 and at most 16793600 are allowed")
    );
    assert_eq!(
        error(&with(4, &[0xff; 4])),
        "at byte 4: expected the archive's header, and found a terminator"
    );
    assert_eq!(
        error(&with(header_end - 1, &[1])),
        format!("at byte {}: expected the zero that ends a document, and found 01", header_end - 1)
    );
    let version = all.windows(4).position(|window| window == b"0.1\0").unwrap();
    assert_eq!(
        error(&with(version, b"0.2\0")),
        "at byte 4: expected an archive of version 0.1, and found version \"0.2\""
    );
    let wrong_type = all.windows(5).position(|window| window == b"\x10size").unwrap();
    assert!(
        error(&with(wrong_type, b"\x01size"))
            .contains("expected a namespace's description: {db, collection, metadata, size, type}, and found")
    );
    let other_database = all.windows(6).rposition(|window| window == b"\x05\0\0\0sh").unwrap();
    assert!(
        error(&with(other_database + 4, b"SH")).ends_with("expected a namespace of the archive's one database, and found database `SHop`")
    );
}

#[test]
fn collections_that_are_not_what_was_described_are_found() {
    let mut document = small();
    document.collections.get_mut("first").unwrap().truncate(1);
    let all = unpacked(&document);
    let tail = all.windows(6).rposition(|window| window == b"first\0").unwrap();
    // The last place that names it is its end: its CRC is 16 bytes on, after `\x08EOF\0\x01\x12CRC\0`.
    let mut crc = all.clone();
    crc[tail + 6 + 6 + 5] ^= 1;
    assert!(error(&crc).starts_with("`first`: its 1 documents have the CRC "), "{}", error(&crc));
    let mut unknown = all.clone();
    unknown[tail..tail + 5].copy_from_slice(b"fifth");
    assert!(error(&unknown).ends_with("`fifth` is not among the namespaces that the archive described at its beginning"));
    // An end that comes a second time.
    let end = all.len() - (all.len() - tail) + 6 + 6 + 5 + 8 + 1 + 4;
    let start = all[..tail].windows(4).rposition(|window| window == b"\x02db\0").unwrap() - 4;
    let mut twice = all[..end].to_vec();
    twice.extend_from_slice(&all[start..]);
    assert!(error(&twice).ends_with("`first` goes on after its end"), "{}", error(&twice));
    // Without it, the archive is not at its end.
    let mut without = all[..start].to_vec();
    without.extend_from_slice(&all[end..]);
    assert_eq!(error(&without), "`first` is not ended: the archive stops before its last document");
}

#[test]
fn a_gzip_bomb_is_read_in_steps() {
    // A hundred megabytes of zeros, a tenth of one packed: the fourth byte ends it, and no more is unpacked than fits a step.
    let mut part = PartWriter::new(1 << 20);
    for _ in 0..100 {
        part.push(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = part.finish().unwrap();
    let mut rest = bomb.as_slice();
    assert!(Reader::of_archive().next(&mut rest).is_err());
    assert!(
        bomb.len() - rest.len() < 2000,
        "{} bytes of {} were unpacked",
        bomb.len() - rest.len(),
        bomb.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1..50_usize) {
        prop_assert!(read(std::slice::from_ref(&bytes), piece).is_err());
        prop_assert!(read(&[packed(&bytes)], piece).is_err());
        let mut reader = Reader::of_part(DATABASE);
        let mut rest = bytes.as_slice();
        while let Ok(Some(_)) = reader.next(&mut rest) {}
    }

    /// A change before packing is found by the CRC, the structure, or a description that says otherwise than what was written.
    #[test]
    fn changed_bytes_are_never_a_panic_and_never_other_documents(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let content = small();
        let mut all = unpacked(&content);
        let at = at.index(all.len());
        all[at] = byte;
        if let Ok((found, _)) = read(&[packed(&all)], 1 + cut.index(300)) {
            prop_assert_eq!(found.collections, content.collections);
        }
    }
}
