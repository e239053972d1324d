//! The ring that needs nothing: laws, the simulator, the command, the rules of the code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backup_and_replay;
mod conservation;
mod deadline;
mod determinism;
mod idempotence;
mod invoked;
mod kill;
mod nasty;
mod no_silent_loss;
mod orders;
mod overtaken;
mod raw_first;
mod readmes;
mod simulator;
mod template;
mod tidy;
