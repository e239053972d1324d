//! A whole database to the vault, and back: archives that `mongorestore` reads, with a manifest that says what is in them.
//!
//! `archive`, `gzip`, `hash`, `keys`, `manifest` and `retention` are pure.

pub mod archive;
mod choose;
mod drill;
pub mod embedded;
mod error;
mod export;
pub mod gzip;
pub mod hash;
mod id;
pub mod keys;
pub mod manifest;
mod restore;
pub mod retention;
mod services;
pub mod settings;
mod stored;
mod take;
mod verify;

pub use choose::{Listed, Wanted, choose, list};
pub use drill::{Drilled, drill};
pub use error::Error;
pub use export::export;
pub use restore::{HalfRestored, Report, Restored, Wish, restore};
pub use services::{PART_BYTES_MAX, Policy, Progress, Services, Unseen};
pub use take::{Request, Taken, take};
pub use verify::{Verified, VerifiedCollection, verify};
