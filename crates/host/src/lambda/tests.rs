//! The reserve of the deadline, and what becomes of a panic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::boundary::guarded;
use super::door::deadline_ms;
use super::*;

#[test]
fn the_reserve_is_ten_seconds_or_a_fifth() {
    for (left_ms, reserve_ms) in [
        (900_000, 10_000),
        (50_000, 10_000),
        (49_999, 9_999),
        (10_000, 2_000),
        (5, 1),
        (4, 0),
        (0, 0),
        (-7, 0),
    ] {
        assert_eq!(deadline_ms(1_000, 1_000 + left_ms), 1_000 + left_ms - reserve_ms, "{left_ms}");
    }
    assert_eq!(deadline_ms(i64::MIN, i64::MAX), i64::MAX - RESERVE_MS);
}

/// As `cargo lambda watch` 1.9 sends it.
#[test]
fn a_length_in_the_place_of_an_end_is_taken_for_one() {
    let now_ms = 1_795_514_400_000;
    assert_eq!(deadline_ms(now_ms, 600_000), now_ms + 600_000 - RESERVE_MS);
    // None at all: the work is handed over at once, as it would be with one that has passed.
    assert!(deadline_ms(now_ms, 0) <= now_ms);
}

#[tokio::test]
async fn a_panic_is_a_failure_whatever_it_carries() {
    let chain = |payload: Box<dyn std::any::Any + Send>| async move {
        let work = async move { std::panic::resume_unwind(payload) };
        guarded::<()>(work).await.unwrap_err().chain
    };
    assert_eq!(chain(Box::new("text")).await, "panicked: text");
    assert_eq!(chain(Box::new("string".to_owned())).await, "panicked: string");
    assert_eq!(chain(Box::new(7)).await, "panicked: no message");
    assert_eq!(guarded(async { Ok(1) }).await, Ok(1));
}

#[test]
fn a_chain_tells_every_cause_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Inner);
    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;
    assert_eq!(Failure::new("Outer", Next::Retry, &Outer(Inner)).chain, "outer: inner");
}
