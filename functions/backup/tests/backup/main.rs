//! Backup, restore and drill on real vaults in folders, with databases in memory and in SQLite files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod crash;
mod damage;
mod deadline;
mod desk;
mod drills;
mod embedded;
mod memory_database;
mod restores;
mod round_trip;
mod taking;
mod whole;
mod writing;
