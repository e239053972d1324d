//! The port `Store`: one suite for every implementation, and what is particular to each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cutter;
mod directory;
mod emulator;
mod s3;
mod streams;
mod suite;
