//! How long something is tried, by the clock that a test moves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tokio::time::advance;

use super::super::client::Place;
use super::super::error::FaultKind;
use super::*;

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "why", Place::default())
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_so_many_times() {
    let mut patience = Patience::new();
    for _ in 1..TRIES_MAX {
        patience.after(fault(FaultKind::Passing)).await.unwrap();
    }
    assert!(patience.after(fault(FaultKind::Passing)).await.is_err());
    assert!(Patience::new().after(fault(FaultKind::Denied)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn time_runs_out_for_failures_and_for_rounds() {
    let mut patience = Patience::new();
    advance(TOTAL_MAX).await;
    assert!(patience.after(fault(FaultKind::Passing)).await.is_err());
    let mut patience = Patience::new();
    assert!(patience.again().await);
    advance(TOTAL_MAX).await;
    assert!(!patience.again().await);
}

#[tokio::test(start_paused = true)]
async fn progress_begins_the_clock_and_the_counts_anew() {
    let mut patience = Patience::new();
    for _ in 0..2 * ROUNDS_MAX {
        advance(TOTAL_MAX).await;
        patience.progressed();
        assert!(patience.again().await);
    }
    advance(TOTAL_MAX).await;
    assert!(!patience.again().await);
}

#[tokio::test(start_paused = true)]
async fn rounds_come_to_an_end() {
    let mut patience = Patience::new();
    let mut rounds = 1;
    while patience.again().await {
        rounds += 1;
    }
    assert_eq!(rounds, ROUNDS_MAX);
}
