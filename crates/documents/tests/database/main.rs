//! The suite of the port to a whole database, and the stores it is run against.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[macro_use]
mod suite;

#[cfg(feature = "mongodb")]
mod mongodb;
mod sqlite;
