//! `load` on a directory, SQLite as ledger and SQLite as store of documents.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod batches;
mod crash;
mod damage;
mod declared;
mod desk;
mod refused;
mod replace;
