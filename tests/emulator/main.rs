//! The ring that needs the AWS emulator and a MongoDB server, both of which it starts: the real template, deployed by the real `sam deploy`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod backup;
mod deadline;
mod edited;
mod end_to_end;
mod idempotence;
mod incident;
mod least_privilege;
mod lint;
mod no_silent_loss;
mod rows;
mod simulator;
mod source_down;
mod stack;
mod ticks;
