//! What a continuation of a run must know, and when a run is handed over no more; counted in the ledger, by `ledger::hops`.

use crate::settings::Settings;
use ledger::hops::{self, Budget, Hop};
use ledger::{Ledger, LedgerError, RunRecord};
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

impl From<hops::Spent> for Spent {
    fn from(spent: hops::Spent) -> Spent {
        match spent {
            hops::Spent::TooMany { hops } => Spent::TooMany { hops },
            hops::Spent::Barren { hops } => Spent::Barren { hops },
        }
    }
}

/// What an invocation came to.
fn hop(brought: bool, carried: &Carried) -> Hop {
    match (brought, carried.not_before_ms) {
        (true, _) => Hop::Brought,
        (false, Some(_)) => Hop::Waited,
        (false, None) => Hop::Barren,
    }
}

/// Notes in the ledger that the run is handed over, unless that was done too often.
pub async fn hand_over(
    ledger: &dyn Ledger,
    run: &RunRecord,
    brought: bool,
    carried: &Carried,
    settings: &Settings,
) -> Result<Result<(), Spent>, LedgerError> {
    let budget = Budget {
        hops_max: settings.hops_max,
        barren_hops_max: settings.barren_hops_max,
    };
    let handed_over = hops::hand_over(ledger, &key(run), hop(brought, carried), carried, &budget).await?;
    Ok(handed_over.map_err(Spent::from))
}

/// What the invocation before left, if there was one.
pub async fn carried(ledger: &dyn Ledger, run: &RunRecord) -> Result<Carried, LedgerError> {
    hops::carried(ledger, &key(run)).await
}

/// Takes the note of a run that has ended away.
pub async fn forget(ledger: &dyn Ledger, run: &RunRecord) -> Result<(), LedgerError> {
    hops::forget(ledger, &key(run)).await
}

fn key(run: &RunRecord) -> String {
    format!("{}/{}", run.id, run.resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source of a run that must wait says nothing of itself.
    #[test]
    fn a_wait_is_not_held_against_the_source() {
        let (waits, free) = (Some(7), None);
        for (brought, not_before_ms, expected) in [
            (true, free, Hop::Brought),
            (true, waits, Hop::Brought),
            (false, waits, Hop::Waited),
            (false, free, Hop::Barren),
        ] {
            let carried = Carried {
                not_before_ms,
                ..Carried::default()
            };
            assert_eq!(hop(brought, &carried), expected, "{brought} {not_before_ms:?}");
        }
    }
}
