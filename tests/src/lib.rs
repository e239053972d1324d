//! What the rings of tests stand on: a faulty upstream, a home in a temporary folder, the chain in one process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

pub mod chain;
pub mod command;
pub mod folder;
pub mod rejected;
pub mod upstream;
