//! Hops: a run that is handed over from one invocation to the next, how often, and what the next one must know. Pure, but for the note in the ledger.

use crate::settings::Settings;
use ledger::note::Change;
use ledger::{Ledger, LedgerError, RunRecord, Shelf, change_note};
use serde::{Deserialize, Serialize};

/// What a continuation must know of the source that is in no raw object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// When the next request may be made, milliseconds since 1970: `Retry-After`, back-off or the rate limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<i64>,
    /// How many requests for what is to be read next have failed one after another.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// When the last requests started, as far as a rate limit must remember them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts_ms: Vec<i64>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The note of a run that was handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Hops {
    hops: u32,
    /// The last of them that brought nothing, though they had not to wait.
    #[serde(default, skip_serializing_if = "is_zero")]
    barren: u32,
    #[serde(flatten)]
    carried: Carried,
}

/// Why a run is not handed over any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    #[error(
        "the run was handed over {hops} times, as often as it may be, and its source has not come to an end: ask for less at a time, or give `extract` a longer time-out"
    )]
    TooMany { hops: u32 },
    #[error(
        "nothing came within {hops} invocations one after another: one page, or the way to where a file was left, takes longer than the function's time-out; ask for smaller pages or files, or give `extract` a longer time-out"
    )]
    Barren { hops: u32 },
}

/// The note after one more hop; or why there must be none. A note that cannot be read counts as none: the budget is for accidents.
fn count(there: Option<&str>, brought: bool, carried: &Carried, settings: &Settings) -> Result<Hops, Spent> {
    let before: Hops = there.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let hops = before.hops.saturating_add(1);
    let barren = match (brought, carried.not_before_ms) {
        (true, _) => 0,
        (false, Some(_)) => before.barren,
        (false, None) => before.barren.saturating_add(1),
    };
    if hops > settings.hops_max {
        return Err(Spent::TooMany { hops: before.hops });
    }
    if barren > settings.barren_hops_max {
        return Err(Spent::Barren { hops: barren });
    }
    Ok(Hops {
        hops,
        barren,
        carried: carried.clone(),
    })
}

/// Notes in the ledger that the run is handed over, unless that was done too often.
pub async fn hand_over(
    ledger: &dyn Ledger,
    run: &RunRecord,
    brought: bool,
    carried: &Carried,
    settings: &Settings,
) -> Result<Result<(), Spent>, LedgerError> {
    let change = |there: Option<&str>| match count(there, brought, carried, settings) {
        Ok(hops) => match serde_json::to_string(&hops) {
            Ok(text) => (Change::Put(text), Ok(())),
            Err(_) => (Change::Keep, Ok(())),
        },
        Err(spent) => (Change::Keep, Err(spent)),
    };
    change_note(ledger, Shelf::Hops, &key(run), change).await
}

/// What the invocation before left, if there was one.
pub async fn carried(ledger: &dyn Ledger, run: &RunRecord) -> Result<Carried, LedgerError> {
    let note = ledger.note(Shelf::Hops, &key(run)).await?;
    let hops: Option<Hops> = note.and_then(|note| serde_json::from_str(&note.text).ok());
    Ok(hops.unwrap_or_default().carried)
}

/// Takes the note of a run that has ended away.
pub async fn forget(ledger: &dyn Ledger, run: &RunRecord) -> Result<(), LedgerError> {
    change_note(ledger, Shelf::Hops, &key(run), |_| (Change::Remove, ())).await
}

fn key(run: &RunRecord) -> String {
    format!("{}/{}", run.id, run.resource)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Counts hops from none on, each of which brought something or not, and waits or not; the note after them.
    fn after(hops: &[(bool, bool)]) -> Result<Hops, Spent> {
        let settings = Settings {
            hops_max: 6,
            barren_hops_max: 2,
            ..Settings::default()
        };
        let mut text: Option<String> = None;
        for (brought, waits) in hops {
            let carried = Carried {
                not_before_ms: waits.then_some(7),
                attempts: 3,
                starts_ms: vec![1, 2],
            };
            let hops = count(text.as_deref(), *brought, &carried, &settings)?;
            assert_eq!(hops.carried, carried);
            text = Some(serde_json::to_string(&hops).unwrap());
        }
        Ok(serde_json::from_str(&text.unwrap()).unwrap())
    }

    #[test]
    fn hops_are_counted_and_come_to_an_end() {
        let (brings, waits, barren) = ((true, false), (false, true), (false, false));
        assert_eq!(after(&[brings; 6]).map(|hops| (hops.hops, hops.barren)), Ok((6, 0)));
        assert_eq!(after(&[brings; 7]), Err(Spent::TooMany { hops: 6 }));
        assert_eq!(after(&[waits; 6]).map(|hops| (hops.hops, hops.barren)), Ok((6, 0)));
        assert_eq!(after(&[barren; 2]).map(|hops| (hops.hops, hops.barren)), Ok((2, 2)));
        assert_eq!(after(&[barren; 3]), Err(Spent::Barren { hops: 3 }));
        // A wait between says nothing of the source; a page does.
        assert_eq!(after(&[barren, waits, barren, waits, barren]), Err(Spent::Barren { hops: 3 }));
        assert_eq!(after(&[barren, barren, brings, barren]).map(|hops| hops.barren), Ok(1));
    }

    #[test]
    fn a_note_that_is_not_ours_counts_as_none() {
        let hops = count(Some("[]"), true, &Carried::default(), &Settings::default()).unwrap();
        assert_eq!(hops.hops, 1);
    }
}
