//! The port's suite, run against each ledger; the agreement of SQLite with the model; and what is SQLite's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a measurement is printed"
)]

mod agreement;
mod given;
mod sqlite;
mod suite;
