//! Whole ticks over an embedded lake and ledger, and the judgements by themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backups;
mod dead;
mod freshness;
mod given;
mod no_silent_loss;
mod readme;
mod reconcile;
mod runs;
mod telling;
mod vault;
mod words;
