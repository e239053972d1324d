//! What has been done and what is owed: runs, facts, cursors, leases. The rules are pure; `ledger` is the port that keeps them.

pub mod cursor;
pub mod fact;
pub mod lease;
pub mod port;
pub mod rank;
pub mod run;

pub use cursor::{Cursor, CursorValue};
pub use fact::{CleanTally, Fact, FactKey, LoadTally, Stage};
pub use lease::{Holder, Lease, LeaseOutcome, LeaseRequest};
pub use port::{Extracted, Ledger, LedgerError, RunFilter, Unfinished};
pub use rank::{Place, Rank};
pub use run::{Clock, Interrupted, Observer, ResourceId, Run, RunRecord, RunState, Step};
