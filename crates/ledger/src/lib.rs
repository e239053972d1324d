//! What has been done and what is owed: runs, facts, cursors, leases. The rules are pure; `ledger` is the port that keeps them.

pub mod applied;
pub mod backup;
pub mod collection;
pub mod conservation;
pub mod cursor;
pub mod definition;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod fact;
pub mod hops;
pub mod incident;
pub mod lease;
pub mod model;
pub mod next;
pub mod note;
pub mod port;
pub mod rank;
pub mod replacement;
pub mod run;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod tick;

pub use applied::{Applied, applied, each_applied, put_applied};
pub use backup::{BackupRecord, BackupState, DrillRecord, DrillState};
pub use collection::CollectionClaim;
pub use conservation::Totals;
pub use cursor::{Cursor, CursorValue};
#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoLedger;
pub use fact::{CleanTally, Fact, FactKey, LoadTally, Stage};
pub use incident::{Incident, IncidentId, Seen, Sighting};
pub use lease::{Held, Holder, Lease, LeaseOutcome, LeaseRequest};
pub use model::Model;
pub use next::Next;
pub use note::{Note, Shelf, change_note};
pub use port::{Extracted, Ledger, LedgerError, RunFilter, Unfinished};
pub use rank::{Place, Rank};
pub use replacement::{Missing, Refused, Replacement, replacement};
pub use run::{Clock, Interrupted, Observer, ResourceId, Run, RunRecord, RunState, Step, Unwatched};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteLedger;
pub use tick::{run_id_after, run_id_for_task, run_id_for_tick};
