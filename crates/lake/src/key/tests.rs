//! Keys are read back as they were written, and nothing else is read as one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;

fn raw(started_ms: u64, random: u128, part: Part) -> RawKey {
    RawKey {
        pipeline: Name::new("earthquakes").unwrap(),
        resource: Name::new("events").unwrap(),
        run: RunId::new(started_ms, random),
        part,
    }
}

#[test]
fn keys_look_like_this() {
    let key = raw(1_518_000_000_000, 7, Part::Number(12));
    let run = "01C5QXKK000000000000000007";
    assert_eq!(key.run.to_string(), run);
    assert_eq!(
        key.key().as_str(),
        format!("raw/earthquakes/events/dt=2018-02-07/{run}/000012.jsonl.zst")
    );
    assert!(
        key.key()
            .as_str()
            .starts_with(&RawKey::resource_prefix(&key.pipeline, &key.resource))
    );
    let end = raw(1_518_000_000_000, 7, Part::End);
    assert_eq!(
        end.key().as_str(),
        format!("raw/earthquakes/events/dt=2018-02-07/{run}/end.jsonl.zst")
    );
    assert!(key.key() < end.key(), "the marker comes last in a list");
    let clean = CleanKey {
        raw: key,
        definition: "0123abcd".to_owned(),
    };
    let folders = format!("earthquakes/events/v=0123abcd/dt=2018-02-07/{run}/000012");
    assert_eq!(clean.clean().as_str(), format!("clean/{folders}.bson.zst"));
    assert_eq!(clean.rejected().as_str(), format!("rejected/{folders}.jsonl.zst"));
    assert_eq!(clean.refused().as_str(), format!("refused/{folders}.jsonl.zst"));
    let definition = DefinitionKey {
        pipeline: Name::new("earthquakes").unwrap(),
        hash: "ab".repeat(32),
    };
    assert_eq!(
        definition.key().as_str(),
        format!("definitions/earthquakes/{}.yaml", "ab".repeat(32))
    );
}

#[test]
fn what_is_no_key_of_ours_is_refused() {
    for text in [
        "", "/", "a//b", "a/", "/a", "a/./b", "../a", "a/..", "a b", "a\\b", "é", "a\0", "a:b", "a%3Db",
    ] {
        assert!(Key::parse(text).is_err(), "{text:?}");
    }
    let good = raw(1_518_000_000_000, 7, Part::Number(12)).key().to_string();
    assert!(RawKey::parse(&good).is_ok());
    for (from, to) in [
        ("raw/", "clean/"),
        ("raw/", "raw//"),
        ("2018-02-07", "2018-02-08"),
        ("dt=", ""),
        ("000012", "12"),
        ("000012", "000000"),
        ("000012", "+00012"),
        ("000012", "0000012"),
        ("000012", "99999999999"),
        (".zst", ""),
        ("01C5", "01c5"),
        ("01C5", "81C5"),
        ("01C5", "01C"),
        ("events", "ev ents"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert!(RawKey::parse(&bad).is_err(), "{bad}");
        assert!(CleanKey::parse(&bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn keys_come_back(started_ms in 0_u64..=253_402_207_200_000, random: u128, number in 1_u32.., end: bool, definition in "[0-9a-f]{8}") {
        let random = random & ((1 << 80) - 1);
        let key = raw(started_ms, random, if end { Part::End } else { Part::Number(number) });
        prop_assert_eq!(key.run.started_ms(), started_ms);
        prop_assert_eq!(RunId::from_bytes(key.run.to_bytes()), key.run);
        prop_assert_eq!(RunId::parse(&key.run.to_string()).unwrap(), key.run);
        prop_assert_eq!(RawKey::parse(key.key().as_str()).unwrap(), key.clone());
        prop_assert!(Key::parse(key.key().as_str()).is_ok());
        let clean = CleanKey { raw: key, definition };
        for text in [clean.clean(), clean.rejected(), clean.refused()] {
            prop_assert_eq!(CleanKey::parse(text.as_str()).unwrap(), clean.clone());
            prop_assert!(Key::parse(text.as_str()).is_ok());
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}|(raw|clean)(/[a-z0-9=-]{0,9}){5,7}\\.zst") {
        _ = RawKey::parse(&text);
        _ = CleanKey::parse(&text);
        _ = Key::parse(&text);
        _ = RunId::parse(&text);
    }
}
