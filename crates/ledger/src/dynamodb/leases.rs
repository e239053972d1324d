//! Leases: who may extract a resource, and the fence that every write for it passes.
//!
//! The item of a lease also holds the set of the resource's runs that are extracting, so that the fence of a run's beginning and end keeps the set too.

use super::fault::Fault;
use super::items::{self, Item, Row};
use super::key::Key;
use super::table::Table;
use super::write::{Expression, Outcome, Write};
use crate::lease::{self, Decision, Held, Holder, StoredLease};
use crate::{Lease, LeaseOutcome, LeaseRequest, LedgerError, ResourceId};
use lake::RunId;

/// More takers of one lease at the same moment than there are.
const TRIES_MAX: u32 = 50;

type IsDead<'a> = &'a (dyn for<'b> Fn(&'b Holder) -> bool + Sync);

pub(super) async fn take(table: &Table, resource: &ResourceId, request: &LeaseRequest, is_dead: IsDead<'_>) -> Result<LeaseOutcome, Fault> {
    let key = Key::lease(resource);
    // Tells what this call wrote from what another of the same holder did, should an answer be lost.
    let wish = format!("{:032x}", fastrand::u128(..));
    let mut there = table.get(&key).await?;
    for _ in 0..TRIES_MAX {
        let stored = there.as_ref().map(items::read_lease).transpose()?;
        let dead = lease::in_the_way(stored.as_ref(), request).is_some_and(is_dead);
        let (token, expires_ms) = match lease::decide(stored.as_ref(), request, dead) {
            Decision::Leave { holder, expires_ms } => return Ok(LeaseOutcome::Held { holder, expires_ms }),
            Decision::Take { token, expires_ms } => (token, expires_ms),
        };
        let write = Write::Change {
            key: key.clone(),
            change: taking(&request.holder, token, expires_ms, &wish),
            condition: still_to_be_had(stored.as_ref(), request),
        };
        let taken = Ok(LeaseOutcome::Taken(Lease {
            resource: resource.clone(),
            token,
            expires_ms,
        }));
        there = match table.write(&write).await? {
            Outcome::Written => return taken,
            Outcome::Refused { there: Some(item), .. } if Row::of(&item).text_if("wish")?.as_ref() == Some(&wish) => return taken,
            Outcome::Refused { there: Some(item), .. } => Some(item),
            Outcome::Refused { there: None, .. } => table.get(&key).await?,
        };
    }
    Err(Fault::Unavailable("others were faster at every attempt".into()))
}

fn taking(holder: &Holder, token: u64, expires_ms: i64, wish: &str) -> Expression {
    Expression::new("SET #token = :token, #holder = :holder, #expires_ms = :expires_ms, #wish = :wish")
        .with(":token", items::number(token))
        .with(":holder", items::holder(holder))
        .with(":expires_ms", items::number(expires_ms))
        .with(":wish", items::text(wish))
}

/// That the lease can still be had for the reason for which it could. The holder may renew it meanwhile, so its expiry is looked at in the condition;
/// while the token is the same, so is the holder.
fn still_to_be_had(stored: Option<&StoredLease>, request: &LeaseRequest) -> Expression {
    let Some(stored) = stored else {
        return Expression::new("attribute_not_exists(#token)");
    };
    let condition = match &stored.held {
        Some(held) if request.now_ms < held.expires_ms => Expression::new("#token = :seen"),
        _ => Expression::new("#token = :seen AND (attribute_not_exists(#holder) OR #expires_ms <= :now)")
            .with(":now", items::number(request.now_ms)),
    };
    condition.with(":seen", items::number(stored.token))
}

pub(super) async fn renew(table: &Table, lease: &Lease, expires_ms: i64) -> Result<Lease, Fault> {
    let write = Write::Change {
        key: Key::lease(&lease.resource),
        change: Expression::new("SET #expires_ms = :expires_ms").with(":expires_ms", items::number(expires_ms)),
        condition: ours(lease),
    };
    match table.write(&write).await? {
        Outcome::Written => Ok(Lease {
            expires_ms,
            ..lease.clone()
        }),
        Outcome::Refused { .. } => Err(lost(lease, &lease.resource)),
    }
}

pub(super) async fn release(table: &Table, lease: &Lease) -> Result<(), Fault> {
    let write = Write::Change {
        key: Key::lease(&lease.resource),
        change: Expression::new("REMOVE #holder"),
        condition: ours(lease),
    };
    // Refused: it is ours no more, or was given back by an attempt whose answer was lost.
    table.write(&write).await.map(drop)
}

pub(super) async fn held(table: &Table, resource: &ResourceId) -> Result<Option<Held>, Fault> {
    let stored = stored(table, resource).await?;
    Ok(stored.and_then(|stored| stored.held))
}

/// The resource's runs that are extracting, the newest first.
pub(super) async fn extracting(table: &Table, resource: &ResourceId) -> Result<Vec<RunId>, Fault> {
    let item: Option<Item> = table.get(&Key::lease(resource)).await?;
    item.as_ref().map_or_else(|| Ok(Vec::new()), items::read_extracting)
}

/// That the lease is ours, as [`lease::is_ours`] says: looked at by DynamoDB in the moment of a write.
fn ours(lease: &Lease) -> Expression {
    Expression::new("#token = :token AND attribute_exists(#holder)").with(":token", items::number(lease.token))
}

/// The fence, as a part of a transaction that writes for the resource.
pub(super) fn fence(lease: &Lease) -> Write {
    Write::Check {
        key: Key::lease(&lease.resource),
        condition: ours(lease),
    }
}

/// The fence of a transaction by which a run begins.
pub(super) fn fence_and_add(lease: &Lease, run: RunId) -> Write {
    fence_and_change(lease, run, "ADD #extracting :run")
}

/// The fence of a transaction by which a run ends.
pub(super) fn fence_and_take_away(lease: &Lease, run: RunId) -> Write {
    fence_and_change(lease, run, "DELETE #extracting :run")
}

fn fence_and_change(lease: &Lease, run: RunId, change: &'static str) -> Write {
    Write::Change {
        key: Key::lease(&lease.resource),
        change: Expression::new(change).with(":run", items::texts([run.to_string()])),
        condition: ours(lease),
    }
}

/// Fails unless the lease is ours. What was read before is then what a holder of the lease saw: a lease that is lost never comes back.
pub(super) async fn confirm(table: &Table, lease: &Lease) -> Result<(), Fault> {
    let stored = stored(table, &lease.resource).await?;
    if lease::is_ours(stored.as_ref(), lease, &lease.resource) {
        return Ok(());
    }
    Err(lost(lease, &lease.resource))
}

/// Fails when the lease is another resource's.
pub(super) fn must_be_of(lease: &Lease, resource: &ResourceId) -> Result<(), Fault> {
    if lease.resource == *resource {
        return Ok(());
    }
    Err(lost(lease, resource))
}

pub(super) fn lost(lease: &Lease, resource: &ResourceId) -> Fault {
    LedgerError::LeaseLost {
        resource: resource.clone(),
        token: lease.token,
    }
    .into()
}

async fn stored(table: &Table, resource: &ResourceId) -> Result<Option<StoredLease>, Fault> {
    let item = table.get(&Key::lease(resource)).await?;
    item.as_ref().map(items::read_lease).transpose()
}
