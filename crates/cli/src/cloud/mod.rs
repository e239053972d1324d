//! A deployed stack, as the command line speaks to it: with the caller's own rights, under names that follow from the stack's.

pub mod apply;
pub mod backup;
pub mod checkup;
mod error;
pub mod follow;
mod lease;
pub mod names;
pub mod queues;
pub mod redrive;
pub mod replay;
mod schedules;
pub mod secrets;
mod stack;
mod vault;

pub use error::CloudError;
pub use lease::ApplyLease;
pub use names::Names;
pub use queues::Queues;
pub use schedules::Schedules;
pub use stack::{SpokenTo, Stack};
