//! Law 2: the same bytes out for the same bytes in.

use crate::conservation::{CONTRACTS, json};
use crate::{capture, clean, clean_records};
use lake::Body;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn twice_is_the_same(bodies in prop::collection::vec(json(), 1..5)) {
        for checked in CONTRACTS.iter() {
            let captures: Vec<_> = bodies.iter().map(|body| capture(Body::Json(body), None)).collect();
            let (once, again) = (clean(checked, &captures), clean(checked, &captures));
            prop_assert_eq!(&once.documents, &again.documents);
            prop_assert_eq!(&once.rejects, &again.rejects);
        }
    }

    /// What is remembered of the records before makes the next quicker, never different.
    #[test]
    fn the_order_of_keys_is_of_no_account(bodies in prop::collection::vec(json(), 2..6)) {
        for checked in CONTRACTS.iter().take(4) {
            let body = format!("[{}]", bodies.join(","));
            let together = clean_records(checked, &[capture(Body::Json(&body), None)]);
            // Alone, each is read by a cleaner that has seen nothing.
            let alone = bodies.iter().map(|body| format!("[{body}]")).map(|body| clean_records(checked, &[capture(Body::Json(&body), None)]));
            let alone: Vec<_> = alone.map(|out| out.tally).collect();
            let sum = |count: fn(&ledger::CleanTally) -> u64| alone.iter().map(count).sum::<u64>();
            prop_assert_eq!(together.tally.records_in, sum(|tally| tally.records_in));
            prop_assert_eq!(together.tally.rejected, sum(|tally| tally.rejected));
            prop_assert_eq!(together.tally.out + together.tally.duplicates, sum(|tally| tally.out + tally.duplicates));
        }
    }
}
