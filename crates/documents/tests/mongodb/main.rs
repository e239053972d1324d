//! What is MongoDB's alone: who may come in, what is said when something is wrong, and collections made as their contracts say. On a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod certificates;
mod declare;
mod declare_indexes;
mod declare_turns;
mod examine;
mod hygiene;
mod identity;
mod interruptions;
mod read;
mod support;
mod unclear;
