//! One lease a resource: who may extract it now. Fenced by a token that only grows. The rules are pure; the ledger keeps what they say.

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

/// What the ledger keeps of a resource's lease. It is kept after the lease is given back, for no token may be used twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLease {
    /// The newest token given out.
    pub token: u64,
    /// `None` once it was given back.
    pub held: Option<Held>,
}

/// Who holds a stored lease, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub holder: Holder,
    /// The first moment at which another may take it.
    pub expires_ms: i64,
}

/// What to do about a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Store it under this token.
    Take { token: u64, expires_ms: i64 },
    /// Leave it with its holder.
    Leave { holder: Holder, expires_ms: i64 },
}

/// Who gets the lease: the one who asks, when it is free, has expired, its holder is dead, or the same holder asks again (with a new token, so that
/// what the holder began before is fenced off too).
pub fn decide(stored: Option<&StoredLease>, request: &LeaseRequest, holder_is_dead: bool) -> Decision {
    match stored.and_then(|stored| stored.held.as_ref()) {
        Some(held) if is_kept(held, request) && !holder_is_dead => Decision::Leave {
            holder: held.holder.clone(),
            expires_ms: held.expires_ms,
        },
        _ => Decision::Take {
            token: stored.map_or(0, |stored| stored.token).saturating_add(1),
            expires_ms: request.now_ms.saturating_add(request.duration_ms),
        },
    }
}

/// The holder whose death would decide: nobody when the lease can be had anyway.
pub fn in_the_way<'a>(stored: Option<&'a StoredLease>, request: &LeaseRequest) -> Option<&'a Holder> {
    let held = stored?.held.as_ref()?;
    is_kept(held, request).then_some(&held.holder)
}

/// Whether `lease` still lets its holder write to `resource`: it has the newest token and was not given back. An expired lease that nobody else took
/// still does: no other worker can have written since.
pub fn is_ours(stored: Option<&StoredLease>, lease: &Lease, resource: &ResourceId) -> bool {
    let newest = stored.is_some_and(|stored| stored.token == lease.token && stored.held.is_some());
    newest && lease.resource == *resource
}

/// Not expired, and another's.
fn is_kept(held: &Held, request: &LeaseRequest) -> bool {
    request.now_ms < held.expires_ms && held.holder != request.holder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str) -> Holder {
        Holder {
            name: name.to_owned(),
            process: None,
            process_start: None,
        }
    }

    fn stored(held: Option<(&str, i64)>) -> StoredLease {
        StoredLease {
            token: 7,
            held: held.map(|(name, expires_ms)| Held {
                holder: holder(name),
                expires_ms,
            }),
        }
    }

    fn check(stored: Option<StoredLease>, dead: bool, expected: Decision) {
        let request = LeaseRequest {
            holder: holder("a"),
            now_ms: 100,
            duration_ms: 10,
        };
        assert_eq!(decide(stored.as_ref(), &request, dead), expected, "{stored:?}, dead: {dead}");
    }

    #[test]
    fn a_lease_is_taken_when_nobody_alive_holds_it() {
        let take = |token| Decision::Take { token, expires_ms: 110 };
        let leave = |expires_ms| Decision::Leave {
            holder: holder("b"),
            expires_ms,
        };
        check(None, false, take(1));
        check(Some(stored(None)), false, take(8));
        check(Some(stored(Some(("b", 100)))), false, take(8));
        check(Some(stored(Some(("b", 101)))), false, leave(101));
        check(Some(stored(Some(("b", 101)))), true, take(8));
        check(Some(stored(Some(("a", 101)))), false, take(8));
    }

    #[test]
    fn only_the_newest_token_that_was_not_given_back_writes() {
        let name = |text| pipeline::Name::new(text).unwrap_or_else(|e| unreachable!("{e}"));
        let resource = |resource| ResourceId {
            pipeline: name("p"),
            resource: name(resource),
        };
        let lease = |token| Lease {
            resource: resource("r"),
            token,
            expires_ms: 0,
        };
        let held = stored(Some(("b", 0)));
        assert!(is_ours(Some(&held), &lease(7), &resource("r")));
        assert!(!is_ours(Some(&held), &lease(6), &resource("r")));
        assert!(!is_ours(Some(&held), &lease(7), &resource("other")));
        assert!(!is_ours(Some(&stored(None)), &lease(7), &resource("r")));
        assert!(!is_ours(None, &lease(7), &resource("r")));
    }
}
