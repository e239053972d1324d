//! The suite of the port, and the stores it is run against.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
#![allow(clippy::cloned_ref_to_slice_refs, reason = "a list of one document is written as a list of more")]

#[macro_use]
mod suite;

#[cfg(feature = "mongodb")]
mod mongodb;
mod sqlite;
