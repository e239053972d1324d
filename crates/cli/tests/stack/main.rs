//! The command on a stack in the emulator: a process each, with the environment of an AWS account, as people type it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod apply;
mod backup;
mod desk;
mod incidents;
mod look;
mod run;
