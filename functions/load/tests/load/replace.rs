//! `replace`: a run's documents are seen all at once, when the last of it is there, and only if they should be.

use crate::desk::{Desk, documents, watch};
use lake::{CleanKey, Part};
use ledger::{Missing, Refused};
use load::{Error, Replacement};
use std::sync::Arc;

const REPLACE: &str = "{collection: c, write_disposition: replace}";

async fn desk() -> Desk {
    Desk::new("reject_limit: 1", REPLACE).await
}

async fn replacement(desk: &Desk, clean: &CleanKey) -> Replacement {
    desk.load(clean).await.unwrap().replacement.unwrap()
}

/// Loads a whole run of one part.
async fn whole(desk: &Desk, run: u64, ids: std::ops::Range<i64>, rejected: u64) -> Replacement {
    let part = desk.put(run, 1, &documents(run, ids), rejected).await;
    let marker = desk.put_marker(run, 1).await;
    replacement(desk, &part).await;
    replacement(desk, &marker).await
}

#[tokio::test]
async fn nothing_is_seen_until_the_last_part_is_there_whatever_comes_last() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let desk = desk().await;
        assert_eq!(whole(&desk, 1, 0..2, 0).await, Replacement::Visible);
        let first = desk.put(2, 1, &documents(2, 10..12), 0).await;
        let second = desk.put(2, 2, &documents(2, 12..14), 0).await;
        let steps = [first, second, desk.clean(2, Part::End)];
        for (done, place) in order.into_iter().enumerate() {
            if steps[place].raw.part == Part::End {
                desk.put_marker(2, 2).await;
            }
            let became = replacement(&desk, &steps[place]).await;
            if done < 2 {
                assert!(matches!(became, Replacement::Waiting(_)), "{order:?}: {became:?}");
                assert_eq!(desk.seen().await, [0, 1], "{order:?}");
            } else {
                assert_eq!(became, Replacement::Visible, "{order:?}");
            }
        }
        assert_eq!(desk.seen().await, [10, 11, 12, 13], "{order:?}");
        // Only then is the marker no longer owed.
        assert!(desk.loaded(&desk.clean(2, Part::End)).await.is_some());
        for step in &steps {
            assert_eq!(replacement(&desk, step).await, Replacement::Visible, "{order:?}, again");
        }
    }
}

#[tokio::test]
async fn without_a_marker_it_waits() {
    let desk = desk().await;
    let part = desk.put(1, 1, &documents(1, 0..2), 0).await;
    assert_eq!(replacement(&desk, &part).await, Replacement::Waiting(Missing::Marker));
    assert_eq!(desk.seen().await, [0; 0]);
    assert_eq!(desk.loaded(&desk.clean(1, Part::End)).await, None);
}

#[tokio::test]
async fn what_clean_has_not_recorded_yet_is_tried_again() {
    let desk = desk().await;
    let part = desk.put_object(1, 1, &documents(1, 0..2)).await;
    desk.put_marker(1, 1).await;
    let error = desk.load(&part).await.unwrap_err();
    assert!(matches!(error, Error::CleanFactsMissing { .. }), "{error}");
    assert_eq!((error.next(), desk.seen().await.len()), (ledger::Next::Retry, 0));
    desk.cleaned(&part, 2, 0).await;
    assert_eq!(replacement(&desk, &part).await, Replacement::Visible);
}

#[tokio::test]
async fn an_older_run_never_takes_the_place_of_a_newer() {
    let desk = desk().await;
    assert_eq!(whole(&desk, 2, 0..2, 0).await, Replacement::Visible);
    assert_eq!(whole(&desk, 1, 10..12, 0).await, Replacement::Older);
    assert_eq!(desk.seen().await, [0, 1]);
    let tally = desk.loaded(&desk.clean(1, Part::Number(1))).await.unwrap();
    assert_eq!((tally.documents_in, tally.superseded), (2, 2));
}

#[tokio::test]
async fn an_empty_run_keeps_what_was_there_unless_allowed() {
    let desk = desk().await;
    assert_eq!(whole(&desk, 1, 0..2, 0).await, Replacement::Visible);
    let marker = desk.put_marker(2, 0).await;
    assert_eq!(replacement(&desk, &marker).await, Replacement::Refused(Refused::Empty));
    assert_eq!(desk.seen().await, [0, 1]);
    assert!(desk.loaded(&marker).await.is_some(), "it is decided for good");

    let allowed = Desk::new("", "{collection: c, write_disposition: replace, allow_empty: true}").await;
    assert_eq!(whole(&allowed, 1, 0..2, 0).await, Replacement::Visible);
    let marker = allowed.put_marker(2, 0).await;
    assert_eq!(replacement(&allowed, &marker).await, Replacement::Visible);
    assert_eq!(allowed.seen().await, [0; 0]);
}

#[tokio::test]
async fn too_many_rejects_keep_what_was_there() {
    let desk = desk().await;
    assert_eq!(whole(&desk, 1, 0..2, 1).await, Replacement::Visible);
    let over = Refused::RejectsOverLimit {
        rejected: 2,
        records_in: 4,
    };
    assert_eq!(whole(&desk, 2, 10..12, 2).await, Replacement::Refused(over));
    assert_eq!(desk.seen().await, [0, 1]);
}

/// Once a newer run is seen, an older one needs no judgement: it would not be shown in any case.
#[tokio::test]
async fn an_older_run_is_not_held_against_its_rejects_or_its_emptiness() {
    let desk = desk().await;
    let empty = desk.put_marker(1, 0).await;
    assert_eq!(replacement(&desk, &empty).await, Replacement::Refused(Refused::Empty));
    let over = desk.put(2, 1, &documents(2, 10..12), 2).await;
    let over_marker = desk.put_marker(2, 1).await;
    desk.load(&over).await.unwrap();
    assert!(matches!(replacement(&desk, &over_marker).await, Replacement::Refused(_)));
    assert_eq!(whole(&desk, 3, 0..2, 0).await, Replacement::Visible);
    for old in [&empty, &over, &over_marker] {
        assert_eq!(replacement(&desk, old).await, Replacement::Older);
    }
    assert_eq!(desk.seen().await, [0, 1]);
}

#[tokio::test]
async fn a_swap_that_was_cut_short_is_made_by_the_next() {
    for stop_after in 0..4 {
        let desk = desk().await;
        assert_eq!(whole(&desk, 1, 0..2, 0).await, Replacement::Visible);
        let marker = desk.put_marker(2, 1).await;
        let part = desk.put(2, 1, &documents(2, 10..12), 0).await;
        // The batch, the fact, the receipts, the swap.
        let ended = desk.load_watched(&part, &Arc::new(watch(stop_after))).await;
        assert!(matches!(ended, Err(Error::Interrupted(_))), "{stop_after}: {ended:?}");
        assert_eq!(desk.loaded(&marker).await, None, "{stop_after}: still owed");
        assert_eq!(replacement(&desk, &part).await, Replacement::Visible, "{stop_after}");
        assert_eq!(desk.seen().await, [10, 11], "{stop_after}");
        assert_eq!(desk.loaded(&part).await.unwrap().inserted, 2, "{stop_after}");
    }
}

/// The ledger knows that all was loaded once, but into another store: a replay into this one must not show half of it.
#[tokio::test]
async fn what_is_loaded_again_in_order_is_seen_with_its_marker() {
    let mut desk = desk().await;
    let first = desk.put(2, 1, &documents(2, 10..12), 0).await;
    let second = desk.put(2, 2, &documents(2, 12..14), 0).await;
    let marker = desk.put_marker(2, 2).await;
    for object in [&first, &second, &marker] {
        desk.load(object).await.unwrap();
    }
    desk.use_other_documents();
    for part in [&first, &second] {
        let again = desk.load_again(part).await.replacement;
        assert_eq!(again, Some(Replacement::Waiting(Missing::Marker)));
        assert_eq!(desk.seen().await, [0; 0]);
    }
    assert_eq!(desk.load_again(&marker).await.replacement, Some(Replacement::Visible));
    assert_eq!(desk.seen().await, [10, 11, 12, 13]);
}
