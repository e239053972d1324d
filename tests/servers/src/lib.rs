//! Servers that tests need, each a process of its own that dies with the test process, however that ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod address;
pub mod aws;
mod keeper;
pub mod mongodb;
mod python;
pub mod way;
