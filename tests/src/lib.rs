//! What the rings of tests stand on: a faulty upstream, a home in a temporary folder, the chain in one process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says to people how to run it alone"
)]

pub mod chain;
pub mod command;
pub mod folder;
pub mod gate;
pub mod lambda_function;
pub mod loss;
pub mod rejected;
pub mod simulator;
pub mod upstream;
