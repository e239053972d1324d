//! The port's suite, run against each ledger; the agreement of each with the model; and what is SQLite's and DynamoDB's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a measurement is printed"
)]

mod agreement;
mod dynamodb;
mod emulator;
mod given;
mod sqlite;
mod suite;
mod way;
