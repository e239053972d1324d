//! Conservation: the sums over a run's facts, and whether what came in is all accounted for.

use crate::{CleanTally, Fact, FactKey, LoadTally};

/// What became of everything of a run under one definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub clean: CleanTally,
    pub load: LoadTally,
    /// Parts with a clean fact.
    pub parts_cleaned: u64,
    /// Parts with a load fact.
    pub parts_loaded: u64,
}

impl Totals {
    /// Whether both equations hold, and everything that `clean` let through has reached `load`: true of a run that is finished.
    pub fn is_conserved(&self) -> bool {
        self.clean.balances() && self.load.balances() && self.clean.out == self.load.documents_in
    }
}

/// Adds up facts.
pub fn totals<'a>(facts: impl IntoIterator<Item = &'a (FactKey, Fact)>) -> Totals {
    let mut totals = Totals::default();
    for (_, fact) in facts {
        match fact {
            Fact::Clean(tally) => {
                totals.clean += *tally;
                totals.parts_cleaned += 1;
            }
            Fact::Load(tally) => {
                totals.load += *tally;
                totals.parts_loaded += 1;
            }
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_lacks_a_record_is_seen() {
        let clean = CleanTally {
            records_in: 7,
            out: 3,
            rejected: 2,
            dropped: 1,
            duplicates: 1,
        };
        let load = LoadTally {
            documents_in: 3,
            inserted: 1,
            unchanged: 1,
            refused: 1,
            ..LoadTally::default()
        };
        let conserved = |clean, load| {
            Totals {
                clean,
                load,
                ..Totals::default()
            }
            .is_conserved()
        };
        assert!(conserved(clean, load));
        assert!(!conserved(CleanTally { dropped: 0, ..clean }, load));
        assert!(!conserved(clean, LoadTally { refused: 0, ..load }));
        // Each adds up, but a document was lost between them.
        assert!(!conserved(
            clean,
            LoadTally {
                documents_in: 2,
                inserted: 0,
                ..load
            }
        ));
    }

    #[test]
    fn numbers_that_wrap_round_do_not_add_up() {
        let wrapped = CleanTally {
            records_in: 1,
            out: u64::MAX,
            rejected: 2,
            ..CleanTally::default()
        };
        assert!(!wrapped.balances());
    }
}
