//! Documents: how a write is judged (pure), and the port to the store that keeps them.

pub mod judge;
pub mod port;

pub use judge::{Stamp, Verdict, judge};
pub use port::{Batch, Documents, DocumentsError, Refusal, Replaced, Tally, Target, Version, WriteOutcome};
