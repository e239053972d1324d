//! One lease a resource: who may extract it now. Fenced by a token that only grows.

use crate::ResourceId;
use serde::{Deserialize, Serialize};

/// Who holds a lease, in words a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// For people: `process 4711 on laptop`.
    pub name: String,
    /// On a laptop: the process, so that a dead one's lease can be taken over at once.
    pub process: Option<u32>,
    /// Tells apart two processes that were given the same number: the process's start, as the system tells it.
    pub process_start: Option<String>,
}

/// A lease held: every write that moves the resource's state carries its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub resource: ResourceId,
    /// Greater than the token of every earlier lease of the resource.
    pub token: u64,
    pub expires_ms: i64,
}

/// A wish for a lease.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    pub holder: Holder,
    pub now_ms: i64,
    pub duration_ms: i64,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseOutcome {
    Taken(Lease),
    /// Somebody else is at it.
    Held {
        holder: Holder,
        expires_ms: i64,
    },
}
