//! Each collection has one resource that writes it, and one way to name and order its documents: the first claim is kept for good.

use ledger::{CollectionClaim, Ledger, LedgerError, ResourceId};
use pipeline::{Checked, Name, Resource};

/// A resource that may not write the collection it names.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error(
        "the collection `{collection}` is written by `{owner}`: if `{resource}` wrote it too, each would overwrite what the other brings"
    )]
    Taken {
        collection: Name,
        owner: Box<ResourceId>,
        resource: Box<ResourceId>,
    },
    #[error(
        "the collection `{collection}` was begun with {kept}, but the pipeline file says {now}: the new documents would not find the old ones"
    )]
    Key { collection: Name, kept: String, now: String },
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
}

/// Claims the collections for their resources. Asked before anything is published or fetched: a file that may not write makes no difference.
///
/// # Errors
/// [`ClaimError`] for the first resource that may not write its collection.
pub async fn claim(ledger: &dyn Ledger, checked: &Checked, resources: &[&Resource]) -> Result<(), ClaimError> {
    for resource in resources {
        let claim = CollectionClaim::of(&checked.pipeline, resource);
        let kept = ledger.claim_collection(&claim).await?;
        if let Some(odds) = at_odds(claim, kept) {
            return Err(odds);
        }
    }
    Ok(())
}

/// Why a resource may not write a collection, when another claim is kept than its own.
pub fn at_odds(claim: CollectionClaim, kept: CollectionClaim) -> Option<ClaimError> {
    if kept.owner != claim.owner {
        return Some(ClaimError::Taken {
            collection: claim.collection,
            owner: Box::new(kept.owner),
            resource: Box::new(claim.owner),
        });
    }
    (kept.key != claim.key).then_some(ClaimError::Key {
        collection: claim.collection,
        kept: kept.key,
        now: claim.key,
    })
}
