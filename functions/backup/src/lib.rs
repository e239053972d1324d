//! A whole database to the vault, and back: archives that `mongorestore` reads, with a manifest that says what is in them.
//!
//! `archive`, `gzip`, `hash`, `keys`, `manifest` and `retention` are pure.

pub mod keys;
pub mod manifest;
pub mod retention;
