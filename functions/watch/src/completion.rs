//! Completion: whether everything of a run has reached its end state, and how it came out. Pure.

use lake::RawKey;
use ledger::{Fact, FactKey, Refused, Replacement, RunRecord, RunState, Stage, Totals, conservation, replacement};
use pipeline::{RejectLimit, Resource, WriteDisposition};
use std::collections::BTreeSet;

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It is being extracted, or was not extracted well: it completes never, or later.
    NotExtracted,
    /// So many objects have not reached their end state.
    Waiting {
        objects: u64,
    },
    Complete {
        totals: Totals,
        verdict: Verdict,
    },
}

/// How a complete run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Well,
    /// More was set aside than the pipeline allows.
    OverLimit {
        set_aside: u64,
        records_in: u64,
    },
    /// It was to replace what readers see, and must not.
    NotShown(Refused),
}

/// Judges a run by its intents and its facts under its own definition.
pub fn judge(run: &RunRecord, intents: &[RawKey], facts: &[(FactKey, Fact)], limit: RejectLimit, resource: &Resource) -> Completion {
    if run.state != RunState::Extracted {
        return Completion::NotExtracted;
    }
    let loaded: BTreeSet<&RawKey> = facts
        .iter()
        .filter(|(key, _)| key.stage == Stage::Load)
        .map(|(key, _)| &key.raw)
        .collect();
    let waiting = intents.iter().filter(|raw| !loaded.contains(raw)).count();
    if waiting > 0 {
        return Completion::Waiting { objects: waiting as u64 };
    }
    let totals = conservation::totals(facts);
    let verdict = match resource.load.write_disposition {
        WriteDisposition::Replace => match replacement(Some(run.parts), facts, limit, resource.load.allow_empty) {
            Replacement::Refused(refused) => Verdict::NotShown(refused),
            Replacement::Ready => Verdict::Well,
            // The marker's own fact is there, so only facts of `clean` can be missing: they come.
            Replacement::Wait(_) => return Completion::Waiting { objects: 1 },
        },
        WriteDisposition::Append | WriteDisposition::Merge => {
            let set_aside = totals.clean.rejected.saturating_add(totals.load.refused);
            let records_in = totals.clean.records_in;
            match limit.exceeded_by(set_aside, records_in) {
                true => Verdict::OverLimit { set_aside, records_in },
                false => Verdict::Well,
            }
        }
    };
    Completion::Complete { totals, verdict }
}
