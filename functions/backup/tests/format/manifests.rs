//! A manifest is read only if it is whole, of its key, of a format that is known, and adds up.

use super::{read, small};
use backup::hash::sha256_hex;
use backup::keys;
use backup::manifest::{Collection, Consistency, FORMAT, LeftOut, Manifest, ManifestError, Part, Range};
use backup::retention::{Class, Retention};
use lake::{Key, RunId};

const BEGAN_MS: i64 = 1_790_000_000_000;

fn id() -> RunId {
    RunId::new(BEGAN_MS as u64, 7)
}

fn key() -> Key {
    keys::manifest(Class::Weekly, id()).unwrap()
}

/// The manifest of `small`, all of it in one part.
fn manifest() -> Manifest {
    let (content, parts) = (small(), small().write(1 << 20));
    let collections = content.sums().into_iter().map(|(name, sums)| Collection {
        view: content.views.contains(&name),
        name,
        metadata: "{}".to_owned(),
        documents: sums.documents,
        bytes: sums.bytes,
        hash: sums.hash.to_hex(),
        crc64: sums.crc64.to_hex(),
    });
    let ranges = [("first", 5), ("second", 4), ("second", 5)].map(|(collection, documents)| Range {
        collection: collection.to_owned(),
        first: "{\"$numberInt\":\"0\"}".to_owned(),
        last: "{\"$numberInt\":\"4\"}".to_owned(),
        documents,
        began_ms: BEGAN_MS,
        ended_ms: BEGAN_MS + 1,
    });
    let unsealed = Manifest {
        format: FORMAT,
        id: id().to_string(),
        class: Class::Weekly,
        database: "shop".to_owned(),
        server_version: "8.0.4".to_owned(),
        tool: "tidemill 0.1.0".to_owned(),
        began_ms: BEGAN_MS,
        ended_ms: BEGAN_MS + 5,
        locked_until_ms: Retention::default().locked_until_ms(Class::Weekly, BEGAN_MS),
        consistency: Consistency {
            read_concern: "majority".to_owned(),
            snapshot: false,
        },
        collections: collections.collect(),
        left_out: vec![LeftOut {
            name: "tidemill.receipts".to_owned(),
            why: "of the moment".to_owned(),
        }],
        parts: vec![Part {
            key: keys::part(Class::Weekly, id(), 1, 0xfeed).unwrap().as_str().to_owned(),
            size: parts[0].len() as u64,
            sha256: sha256_hex(&parts[0]),
            ranges: ranges.to_vec(),
        }],
        checksum: String::new(),
    };
    unsealed.sealed().unwrap()
}

/// Written by who knows how to make a checksum, but not what a manifest must be.
fn forged(mut manifest: Manifest) -> Vec<u8> {
    manifest.checksum = String::new();
    manifest.checksum = sha256_hex(&manifest.to_bytes().unwrap());
    manifest.to_bytes().unwrap()
}

#[test]
fn it_comes_back_as_it_was_and_fits_its_archive() {
    let manifest = manifest();
    let bytes = manifest.to_bytes().unwrap();
    assert_eq!(Manifest::parse(&key(), &bytes).unwrap(), manifest);
    assert_eq!((manifest.documents(), manifest.packed_bytes()), (14, manifest.parts[0].size));
    let (_, sums) = read(&small().write(1 << 20), 100).unwrap();
    manifest.compare(&sums).unwrap();
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let bytes = manifest().to_bytes().unwrap();
    for at in 0..bytes.len() {
        assert!(Manifest::parse(&key(), &bytes[..at]).is_err(), "{at} bytes");
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(Manifest::parse(&key(), &damaged).is_err(), "byte {at}, bit {bit}");
        }
    }
    let with_a_space = [bytes.as_slice(), b" "].concat();
    assert!(matches!(Manifest::parse(&key(), &with_a_space), Err(ManifestError::Checksum)));
}

#[test]
fn one_of_a_newer_format_asks_for_a_newer_program() {
    let newer = br#"{"format": 2, "sealed": {"by": "what is not known yet"}}"#;
    let error = Manifest::parse(&key(), newer).unwrap_err();
    assert!(matches!(error, ManifestError::Newer { format: 2 }));
    assert_eq!(
        error.to_string(),
        "it is of format 2, and this version reads format 1: use a newer tidemill"
    );
    let older = br#"{"format": 0}"#;
    assert!(matches!(
        Manifest::parse(&key(), older),
        Err(ManifestError::UnknownFormat { format: 0 })
    ));
    assert!(matches!(Manifest::parse(&key(), b"{}"), Err(ManifestError::Json(_))));
}

#[test]
fn one_from_elsewhere_is_refused() {
    let bytes = manifest().to_bytes().unwrap();
    for key in [
        keys::manifest(Class::Daily, id()).unwrap(),
        keys::manifest(Class::Weekly, RunId::new(BEGAN_MS as u64, 8)).unwrap(),
    ] {
        assert!(matches!(Manifest::parse(&key, &bytes), Err(ManifestError::Elsewhere { .. })));
    }
    let not_a_manifest = Key::parse("manifests/weekly/x.json").unwrap();
    assert!(matches!(Manifest::parse(&not_a_manifest, &bytes), Err(ManifestError::Key)));
}

#[test]
fn one_that_does_not_add_up_is_refused_though_its_checksum_is_right() {
    type Change = fn(&mut Manifest);
    let wrongs: [(&str, Change); 20] = [
        ("its documents", |m| m.collections[1].documents += 1),
        ("a range's documents", |m| m.parts[0].ranges[0].documents += 1),
        ("an empty range", |m| m.parts[0].ranges[0].documents = 0),
        ("a range of no collection", |m| m.parts[0].ranges[0].collection = "third".to_owned()),
        ("a range of a view", |m| m.parts[0].ranges[0].collection = "seen".to_owned()),
        ("a collection twice", |m| m.collections.push(m.collections[0].clone())),
        ("a collection left out", |m| m.left_out[0].name = "first".to_owned()),
        ("left out twice", |m| m.left_out.push(m.left_out[0].clone())),
        ("no parts", |m| m.parts.clear()),
        ("a part twice", |m| {
            m.parts.push(Part {
                ranges: vec![],
                ..m.parts[0].clone()
            });
        }),
        ("a part of another class", |m| {
            m.parts[0].key = keys::part(Class::Daily, id(), 1, 1).unwrap().as_str().to_owned()
        }),
        ("a part of another backup", |m| {
            m.parts[0].key = keys::part(Class::Weekly, RunId::new(1, 1), 1, 1).unwrap().as_str().to_owned();
        }),
        ("a part out of its turn", |m| {
            m.parts[0].key = keys::part(Class::Weekly, id(), 2, 1).unwrap().as_str().to_owned()
        }),
        ("a part that is no part", |m| m.parts[0].key = "../x".to_owned()),
        ("a part's hash", |m| m.parts[0].sha256.truncate(10)),
        ("a part's size", |m| m.parts[0].size = 0),
        ("a collection's hash", |m| m.collections[1].hash.clear()),
        ("a view with documents", |m| m.collections[1].view = true),
        ("an empty one with bytes", |m| m.collections[0].bytes = 7),
        ("its times", |m| m.ended_ms = 0),
    ];
    for (what, change) in wrongs {
        let mut wrong = manifest();
        change(&mut wrong);
        let error = Manifest::parse(&key(), &forged(wrong.clone())).unwrap_err();
        let expected = matches!(error, ManifestError::Inconsistent { .. } | ManifestError::DocumentsDontAddUp { .. });
        assert!(expected, "{what}: {error}");
        assert!(wrong.sealed().is_err(), "{what}");
    }
    let text = String::from_utf8(manifest().to_bytes().unwrap()).unwrap();
    let unknown = text.replacen("{\n", "{\n  \"more\": 1,\n", 1);
    assert!(matches!(Manifest::parse(&key(), unknown.as_bytes()), Err(ManifestError::Json(_))));
}

#[test]
fn an_archive_that_is_another_is_found() {
    let manifest = manifest();
    let mut other = small();
    other.collections.get_mut("first").unwrap().swap(0, 1);
    // The same documents in another order: only the CRC differs.
    let error = manifest.compare(&other.sums()).unwrap_err();
    assert!(error.to_string().starts_with("`first`: the CRC of its documents is "), "{error}");
    other.collections.get_mut("first").unwrap().pop();
    let error = manifest.compare(&other.sums()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`first`: the number of documents is 4 in the archive, and 5 by the manifest"
    );
    other.collections.remove("first");
    assert!(matches!(manifest.compare(&other.sums()), Err(ManifestError::Missing { .. })));
    let mut more = small();
    more.views.push("more".to_owned());
    assert!(matches!(manifest.compare(&more.sums()), Err(ManifestError::NotInManifest { .. })));
}
