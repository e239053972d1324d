//! The pipeline file becomes the pipeline's newest definition.
//!
//! What `clean` makes has one key for one (raw object, definition), so a definition must have one generation for good: it stands in every rank. A file that
//! is put back to an older text is the newest again, and needs a generation of its own; so it becomes a definition of its own too, by a comment at its end.

use super::{Runner, RunnerError};
use lake::DefinitionKey;
use pipeline::{Checked, DefinitionHash};
use std::sync::Arc;

/// A definition as it was published.
pub struct Published {
    pub checked: Arc<Checked>,
    pub generation: u32,
}

/// How often one text may come back: far more often than anybody changes his mind.
const RETURNS_MAX: u32 = 10_000;

impl Runner {
    /// Makes the file the pipeline's newest definition.
    pub async fn publish(&self, checked: &Arc<Checked>, text: &str) -> Result<Published, RunnerError> {
        let pipeline = &checked.pipeline.pipeline;
        self.recover_generations(pipeline).await?;
        let newest = self.home.ledger.newest_definition(pipeline).await?;
        let newest = newest.as_ref().map(|(definition, _)| definition.as_str());
        let mut text = text.to_owned();
        for return_of in 1..=RETURNS_MAX {
            let hash = DefinitionHash::of(&text);
            let key = DefinitionKey {
                pipeline: pipeline.clone(),
                hash: hash.to_string(),
            };
            // The newest, or one that is new. It is applied before it is published: what is there was applied once.
            if newest == Some(hash.as_str()) || self.home.store.head(&key.key()).await?.is_none() {
                let pipeline = checked.pipeline.clone();
                let checked = Arc::new(Checked { pipeline, hash });
                let generation = self.home.ledger.apply_definition(&key.pipeline, &key.hash).await?;
                self.home.definitions.publish(checked.clone(), &text).await?;
                return Ok(Published { checked, generation });
            }
            text.push_str(&format!("\n# This text was replaced by another, and put back: {return_of}\n"));
        }
        Err(RunnerError::TooManyReturns {
            pipeline: pipeline.clone(),
        })
    }
}
