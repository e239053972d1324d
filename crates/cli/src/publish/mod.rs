//! The pipeline file becomes the pipeline's newest definition, on a laptop and in the cloud alike.
//!
//! What `clean` makes has one key for one (raw object, definition), so a definition must have one generation for good: it stands in every rank. A file that
//! is put back to an older text is the newest again, and needs a generation of its own; so it becomes a definition of its own too, by a comment at its end.

mod claims;
mod generations;

pub use claims::{ClaimError, at_odds, claim};

use crate::ports::Ports;
use lake::{DefinitionError, DefinitionKey, StoreError};
use ledger::{Ledger, LedgerError, ResourceId, Unfinished};
use pipeline::{Checked, DefinitionHash, Name};
use std::sync::Arc;

/// A definition as it was published.
pub struct Published {
    pub checked: Arc<Checked>,
    pub generation: u32,
}

/// What a file becomes when it is published.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub checked: Arc<Checked>,
    /// The file's text, with the comment that tells a return from the text that was there before.
    pub text: String,
    /// The generation it has, when it is the newest definition already.
    pub newest: Option<u32>,
    /// Its text is in the lake.
    pub stored: bool,
}

impl Resolved {
    /// Whether nothing is left to do.
    pub fn is_published(&self) -> bool {
        self.newest.is_some() && self.stored
    }
}

/// A file that can't be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("could not publish the pipeline file")]
    Definition(#[from] DefinitionError),
    #[error("the file of `{pipeline}` was put back to an older text too often: change a comment in it")]
    TooManyReturns { pipeline: Name },
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    #[error("the lake failed")]
    Store(#[from] StoreError),
}

/// How often one text may come back: far more often than anybody changes his mind.
const RETURNS_MAX: u32 = 10_000;

/// Makes the file the pipeline's newest definition.
///
/// # Errors
/// [`PublishError`] says which of lake and ledger failed. What was done until then is done when this is called again.
pub async fn publish(ports: &Ports, checked: &Checked, text: &str) -> Result<Published, PublishError> {
    generations::recover(ports, &checked.pipeline.pipeline).await?;
    let Resolved { checked, text, .. } = resolve(ports, checked, text).await?;
    // It is applied before it is published: what is there was applied once.
    let generation = ports
        .ledger
        .apply_definition(&checked.pipeline.pipeline, checked.hash.as_str())
        .await?;
    ports.definitions.publish(checked.clone(), &text).await?;
    Ok(Published { checked, generation })
}

/// What the file would become; nothing is changed. It is the newest definition, or one that is new.
///
/// # Errors
/// As [`publish`].
pub async fn resolve(ports: &Ports, checked: &Checked, text: &str) -> Result<Resolved, PublishError> {
    let pipeline = &checked.pipeline.pipeline;
    let newest = ports.ledger.newest_definition(pipeline).await?;
    let mut text = text.to_owned();
    for return_of in 1..=RETURNS_MAX {
        let hash = DefinitionHash::of(&text);
        let key = DefinitionKey {
            pipeline: pipeline.clone(),
            hash: hash.to_string(),
        };
        let stored = ports.store.head(&key.key()).await?.is_some();
        let known = newest.as_ref().filter(|(newest, _)| newest == hash.as_str());
        if known.is_some() || !stored {
            let newest = known.map(|(_, generation)| *generation);
            let pipeline = checked.pipeline.clone();
            let checked = Arc::new(Checked { pipeline, hash });
            return Ok(Resolved {
                checked,
                text,
                newest,
                stored,
            });
        }
        text.push_str(&format!("\n# This text was replaced by another, and put back: {return_of}\n"));
    }
    Err(PublishError::TooManyReturns {
        pipeline: pipeline.clone(),
    })
}

/// How many objects of older definitions are still to come to a resource's collection: as long as there are any, its validator stays relaxed.
pub async fn older(ledger: &dyn Ledger, owner: &ResourceId, newest: &str, unfinished: &[Unfinished]) -> Result<u64, LedgerError> {
    let parts = unfinished
        .iter()
        .filter(|part| part.raw.resource == owner.resource && part.definition != newest);
    let resumed = ledger.run_to_resume(owner).await?;
    let run = resumed.is_some_and(|run| run.definition != newest);
    Ok(parts.count() as u64 + u64::from(run))
}
