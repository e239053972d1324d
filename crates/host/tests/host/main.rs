//! What `host` promises: the events it understands, the secrets it keeps, the invocations it answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod events;
mod from_outside;
#[cfg(feature = "lambda")]
mod lambda;
mod secrets;
mod server;
