//! `extract` against real HTTP on loopback, real files, the directory store and the SQLite ledger.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod failures;
mod files;
mod home;
mod incremental;
mod lake_troubles;
mod paginators;
mod redirects;
mod resume;
mod runs;
mod secrets;
mod upstream;
