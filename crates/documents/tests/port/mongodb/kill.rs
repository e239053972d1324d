//! A loader is killed wherever it can be: between any two commands, and while one is on its way.

use std::collections::BTreeSet;

use documents::{Documents, Replaced, Tally};
use serde_json::json;

use super::{killed_after, new, open};
use crate::suite::{Made, all, merge, name, staged, sum, version, write};

/// How often the whole work is woken, about; to be sure the tests go on until it is done in one go.
const WAKES_MAX: usize = 2_000;

fn add(tallies: &[Tally]) -> Tally {
    let mut all = Tally::default();
    for tally in tallies {
        all.inserted += tally.inserted;
        all.updated += tally.updated;
        all.unchanged += tally.unchanged;
        all.stale += tally.stale;
    }
    all
}

/// One object's loading is killed, another's overtakes it and comes after it here and there, then the first is loaded again.
#[tokio::test]
async fn each_key_is_inserted_once() {
    let old: Vec<Made> = (0..4).map(|id| Made::new(id, 10, 1)).collect();
    let killed: Vec<Made> = (2..12).map(|id| Made::new(id, 21, 2)).collect();
    // Some are newer than those of the killed one, some older, some of its keys are left out.
    let other: Vec<Made> = (3..14)
        .filter(|id| id % 5 != 0)
        .map(|id| Made::new(id, if id % 2 == 0 { 32 } else { 12 }, 3))
        .collect();
    let keys: BTreeSet<i32> = (0..14).collect();
    let (mut done, mut landed) = (false, 0);
    for wakes in (1..WAKES_MAX).step_by(2) {
        let (database, store) = new();
        let things = merge("things");
        let first = write(&store, &things, "old", &old).await.tally;
        let dying = open(&database);
        let died = killed_after(wakes, write(&dying, &things, "killed", &killed)).await.is_none();
        let overtaking = write(&store, &things, "other", &other).await.tally;
        let again = write(&store, &things, "killed", &killed).await.tally;
        for (tally, made) in [(&first, &old), (&overtaking, &other), (&again, &killed)] {
            assert_eq!(sum(tally), made.len() as u64, "{wakes}: {tally:?}");
        }
        let sums = add(&[first, overtaking, again]);
        assert_eq!(sums.inserted, keys.len() as u64, "{wakes}: {first:?} {overtaking:?} {again:?}");
        let ranks: Vec<u64> = all(&store, "things").await.iter().map(rank_of).collect();
        let expected: Vec<u64> = keys
            .iter()
            .map(|id| {
                let all = old.iter().chain(&killed).chain(&other);
                all.filter(|made| made.id == (*id).into()).map(|made| made.rank).max().unwrap()
            })
            .collect();
        assert_eq!(ranks, expected, "{wakes}");
        landed += usize::from(died && again.inserted > 3);
        if !died {
            done = true;
            break;
        }
    }
    assert!(done, "the work needs more than {WAKES_MAX} wakes");
    assert!(landed > 0, "none was killed after its documents were written, so nothing is proved");
}

fn rank_of(document: &bson::RawDocumentBuf) -> u64 {
    let tidemill = document.get_document("_tidemill").unwrap();
    tidemill.get_i64("version").unwrap() as u64
}

/// A replacement is killed; then another finishes it. Readers see all of the old or all of the new, and the user's index is on both.
#[tokio::test]
async fn a_replacement_is_finished_by_another() {
    let things = name("things");
    let (v1, v2, v3) = (version(1, 1), version(2, 1), version(2, 2));
    let (old, new_ones): (Vec<Made>, Vec<Made>) = (
        (0..3).map(|id| Made::new(id, 1, 1)).collect(),
        (0..5).map(|id| Made::new(id, 2, 2)).collect(),
    );
    let (mut done, mut seen) = (false, [false; 2]);
    for wakes in (1..WAKES_MAX).step_by(3) {
        let (database, store) = new();
        write(&store, &staged("things", v1), "o1", &old).await;
        store.replace(&things, v1).await.unwrap();
        database.command(json!({"createIndexes": "things", "indexes": [{"key": {"text": 1}, "name": "theirs"}]}));
        write(&store, &staged("things", v2), "o2", &new_ones).await;
        let dying = open(&database);
        let died = killed_after(wakes, dying.replace(&things, v2)).await.is_none();
        let found = all(&store, "things").await;
        let is_new = found.len() == new_ones.len();
        assert!(is_new || found.len() == old.len(), "{wakes}: {found:?}");
        seen[usize::from(is_new)] = true;
        // A batch that is delivered twice does no harm, wherever it finds its version.
        write(&store, &staged("things", v2), "o2", &new_ones[..2]).await;
        let late = write(&store, &staged("things", v1), "late", &[Made::new("late", 9, 9)]).await.tally;
        let answer = if wakes % 2 == 0 {
            store.replace(&things, v2).await.unwrap()
        } else {
            write(&store, &staged("things", v3), "o3", &new_ones).await;
            store.replace(&things, v3).await.unwrap()
        };
        assert_eq!(answer, Replaced::Visible);
        let found = all(&store, "things").await;
        assert_eq!(found, new_ones.iter().map(Made::bson).collect::<Vec<_>>(), "{wakes}: {late:?}");
        assert!(late.inserted + late.superseded == 1, "{wakes}: {late:?}");
        let indexes = database.command(json!({"listIndexes": "things"}));
        assert!(indexes.to_string().contains("theirs"), "{wakes}: {indexes}");
        let names = database.command(json!({"listCollections": 1, "nameOnly": true}));
        let left = ["tidemill.staged", "tidemill.ready"]
            .iter()
            .any(|ours| names.to_string().contains(ours));
        assert!(!left, "{wakes}: {names}");
        if !died {
            done = true;
            break;
        }
    }
    assert!(done, "the work needs more than {WAKES_MAX} wakes");
    assert_eq!(seen, [true; 2], "both must be met");
}
