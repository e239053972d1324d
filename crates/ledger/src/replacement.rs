//! Replace: when a run has staged everything and its collection may take the place of the visible one.

use crate::{Fact, FactKey, Stage, conservation};
use lake::Part;
use pipeline::RejectLimit;
use std::collections::BTreeSet;

/// Whether a run's documents may take the place of the visible ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Not all is there.
    Wait(Missing),
    /// All is there: replace.
    Ready,
    /// All is there, and it must not be shown.
    Refused(Refused),
}

/// What a replacement waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Extraction has not said how many parts there are. Who handles the marker asks again.
    Marker,
    /// So many parts are not loaded. Who loads the last one asks again.
    Loads(u32),
    /// All is loaded, but `clean` has yet to record what it made of so many parts. No later load will ask again, so the asker must: it tries again.
    CleanFacts(u32),
}

/// Why a complete run is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Records that broke their contract and documents that the database would not take are together more than `reject_limit` allows.
    RejectsOverLimit { rejected: u64, records_in: u64 },
    /// Nothing came, and `allow_empty` is not set.
    Empty,
}

/// Judges a run by its facts under one definition. `parts_expected` is what the marker says; `None` while there is no marker. A dead part has no load
/// fact, so the replacement waits for it.
pub fn replacement(parts_expected: Option<u32>, facts: &[(FactKey, Fact)], limit: RejectLimit, allow_empty: bool) -> Replacement {
    let Some(expected) = parts_expected else {
        return Replacement::Wait(Missing::Marker);
    };
    match missing(expected, facts, Stage::Load) {
        0 => {}
        loads => return Replacement::Wait(Missing::Loads(loads)),
    }
    match missing(expected, facts, Stage::Clean) {
        0 => {}
        cleans => return Replacement::Wait(Missing::CleanFacts(cleans)),
    }
    let totals = conservation::totals(facts);
    let rejected = totals.clean.rejected.saturating_add(totals.load.refused);
    let records_in = totals.clean.records_in;
    if limit.exceeded_by(rejected, records_in) {
        Replacement::Refused(Refused::RejectsOverLimit { rejected, records_in })
    } else if totals.load.documents_in <= totals.load.refused && !allow_empty {
        Replacement::Refused(Refused::Empty)
    } else {
        Replacement::Ready
    }
}

/// How many of the parts 1 to `expected` have no fact of the stage.
fn missing(expected: u32, facts: &[(FactKey, Fact)], stage: Stage) -> u32 {
    let done: BTreeSet<u32> = facts
        .iter()
        .filter(|(key, _)| key.stage == stage)
        .filter_map(|(key, _)| match key.raw.part {
            Part::Number(number) => (1..=expected).contains(&number).then_some(number),
            Part::End => None,
        })
        .collect();
    expected.saturating_sub(u32::try_from(done.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::{CleanTally, LoadTally};
    use lake::{RawKey, RunId};
    use pipeline::Name;

    fn key(part: Part, stage: Stage) -> FactKey {
        FactKey {
            raw: RawKey {
                pipeline: Name::new("p").unwrap(),
                resource: Name::new("r").unwrap(),
                run: RunId::new(1, 2),
                part,
            },
            definition: "d".to_owned(),
            stage,
        }
    }

    fn cleaned(part: u32, out: u64, rejected: u64) -> (FactKey, Fact) {
        let tally = CleanTally {
            records_in: out + rejected,
            out,
            rejected,
            ..CleanTally::default()
        };
        (key(Part::Number(part), Stage::Clean), Fact::Clean(tally))
    }

    fn loaded(part: u32, inserted: u64, refused: u64) -> (FactKey, Fact) {
        let tally = LoadTally {
            documents_in: inserted + refused,
            inserted,
            refused,
            ..LoadTally::default()
        };
        (key(Part::Number(part), Stage::Load), Fact::Load(tally))
    }

    fn check(expected: Option<u32>, facts: &[(FactKey, Fact)], allow_empty: bool, replacement: Replacement) {
        assert_eq!(super::replacement(expected, facts, RejectLimit::Count(2), allow_empty), replacement);
    }

    #[test]
    fn it_waits_until_all_is_there() {
        let loads = |n| Replacement::Wait(Missing::Loads(n));
        check(
            None,
            &[cleaned(1, 5, 0), loaded(1, 5, 0)],
            false,
            Replacement::Wait(Missing::Marker),
        );
        check(Some(2), &[cleaned(1, 5, 0), loaded(1, 5, 0), cleaned(2, 5, 0)], false, loads(1));
        let twice_and_foreign = [loaded(1, 5, 0), loaded(1, 5, 0), loaded(3, 1, 0)];
        check(Some(2), &twice_and_foreign, false, loads(1));
        let marker = [loaded(1, 5, 0), (key(Part::End, Stage::Load), Fact::Load(LoadTally::default()))];
        check(Some(2), &marker, false, loads(1));
        check(
            Some(2),
            &[loaded(2, 5, 0), cleaned(1, 5, 0), loaded(1, 5, 0)],
            false,
            Replacement::Wait(Missing::CleanFacts(1)),
        );
        let all = [loaded(2, 5, 0), cleaned(1, 5, 0), loaded(1, 5, 0), cleaned(2, 5, 0)];
        check(Some(2), &all, false, Replacement::Ready);
    }

    #[test]
    fn rejects_and_refusals_over_the_limit_keep_the_visible_one() {
        check(Some(1), &[cleaned(1, 5, 2), loaded(1, 5, 0)], false, Replacement::Ready);
        let over = Replacement::Refused(Refused::RejectsOverLimit {
            rejected: 3,
            records_in: 8,
        });
        check(Some(1), &[cleaned(1, 5, 3), loaded(1, 5, 0)], false, over);
        let over = Replacement::Refused(Refused::RejectsOverLimit {
            rejected: 3,
            records_in: 7,
        });
        check(Some(1), &[cleaned(1, 5, 2), loaded(1, 4, 1)], false, over);
    }

    #[test]
    fn an_empty_run_needs_leave() {
        let empty = Replacement::Refused(Refused::Empty);
        check(Some(0), &[], false, empty);
        check(Some(0), &[], true, Replacement::Ready);
        check(Some(1), &[cleaned(1, 0, 2), loaded(1, 0, 0)], false, empty);
        check(Some(1), &[cleaned(1, 0, 2), loaded(1, 0, 0)], true, Replacement::Ready);
    }
}
