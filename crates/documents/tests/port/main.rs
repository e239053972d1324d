//! The suite of the port, and the stores it is run against.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod sqlite;
mod suite;
