//! Hops: work that is handed over from one invocation to the next, how often, and what the next one must know. Pure, but for the note in the ledger.

use crate::note::Change;
use crate::{Ledger, LedgerError, Shelf, change_note};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How often a work may be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub hops_max: u32,
    /// How many in a row may bring nothing.
    pub barren_hops_max: u32,
}

/// What an invocation came to that hands its work over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// It brought something.
    Brought,
    /// It brought nothing, since it had to wait: that says nothing of the next one.
    Waited,
    /// It brought nothing, and had not to wait.
    Barren,
}

/// Why a work is not handed over any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It was handed over as often as it may be.
    TooMany { hops: u32 },
    /// So many invocations in a row brought nothing.
    Barren { hops: u32 },
}

/// The note of a work that was handed over, with what the next invocation must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Hops<C> {
    hops: u32,
    /// The last of them that brought nothing, though they had not to wait.
    #[serde(default, skip_serializing_if = "is_zero")]
    barren: u32,
    #[serde(flatten)]
    carried: C,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The note after one more hop; or why there must be none. A note that cannot be read counts as none: the budget is for accidents.
fn count<C: Clone + Default + DeserializeOwned>(there: Option<&str>, hop: Hop, carried: &C, budget: &Budget) -> Result<Hops<C>, Spent> {
    let before: Hops<C> = there.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let hops = before.hops.saturating_add(1);
    let barren = match hop {
        Hop::Brought => 0,
        Hop::Waited => before.barren,
        Hop::Barren => before.barren.saturating_add(1),
    };
    if hops > budget.hops_max {
        return Err(Spent::TooMany { hops: before.hops });
    }
    if barren > budget.barren_hops_max {
        return Err(Spent::Barren { hops: barren });
    }
    Ok(Hops {
        hops,
        barren,
        carried: carried.clone(),
    })
}

/// Notes in the ledger that the work is handed over, unless that was done too often.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn hand_over<C: Clone + Default + Serialize + DeserializeOwned + Sync>(
    ledger: &dyn Ledger,
    key: &str,
    hop: Hop,
    carried: &C,
    budget: &Budget,
) -> Result<Result<(), Spent>, LedgerError> {
    let change = |there: Option<&str>| match count(there, hop, carried, budget) {
        Ok(hops) => match serde_json::to_string(&hops) {
            Ok(text) => (Change::Put(text), Ok(())),
            Err(_) => (Change::Keep, Ok(())),
        },
        Err(spent) => (Change::Keep, Err(spent)),
    };
    change_note(ledger, Shelf::Hops, key, change).await
}

/// What the invocation before left, if there was one.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn carried<C: Default + DeserializeOwned>(ledger: &dyn Ledger, key: &str) -> Result<C, LedgerError> {
    let note = ledger.note(Shelf::Hops, key).await?;
    let hops: Option<Hops<C>> = note.and_then(|note| serde_json::from_str(&note.text).ok());
    Ok(hops.unwrap_or_default().carried)
}

/// Takes the note of a work that has ended away.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn forget(ledger: &dyn Ledger, key: &str) -> Result<(), LedgerError> {
    change_note(ledger, Shelf::Hops, key, |_| (Change::Remove, ())).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    struct Carried {
        parts: u32,
    }

    const BUDGET: Budget = Budget {
        hops_max: 6,
        barren_hops_max: 2,
    };

    /// Counts hops from none on; the note after them.
    fn after(hops: &[Hop]) -> Result<Hops<Carried>, Spent> {
        let mut text: Option<String> = None;
        for hop in hops {
            let carried = Carried { parts: 3 };
            let hops = count(text.as_deref(), *hop, &carried, &BUDGET)?;
            assert_eq!(hops.carried, carried);
            text = Some(serde_json::to_string(&hops).unwrap());
        }
        Ok(serde_json::from_str(&text.unwrap()).unwrap())
    }

    #[test]
    fn hops_are_counted_and_come_to_an_end() {
        use Hop::{Barren, Brought, Waited};
        assert_eq!(after(&[Brought; 6]).map(|hops| (hops.hops, hops.barren)), Ok((6, 0)));
        assert_eq!(after(&[Brought; 7]), Err(Spent::TooMany { hops: 6 }));
        assert_eq!(after(&[Waited; 6]).map(|hops| (hops.hops, hops.barren)), Ok((6, 0)));
        assert_eq!(after(&[Barren; 2]).map(|hops| (hops.hops, hops.barren)), Ok((2, 2)));
        assert_eq!(after(&[Barren; 3]), Err(Spent::Barren { hops: 3 }));
        // A wait between says nothing of the source; a page does.
        assert_eq!(after(&[Barren, Waited, Barren, Waited, Barren]), Err(Spent::Barren { hops: 3 }));
        assert_eq!(after(&[Barren, Barren, Brought, Barren]).map(|hops| hops.barren), Ok(1));
    }

    #[test]
    fn a_note_that_is_not_ours_counts_as_none() {
        let hops = count(Some("[]"), Hop::Brought, &Carried::default(), &BUDGET).unwrap();
        assert_eq!(hops.hops, 1);
    }
}
