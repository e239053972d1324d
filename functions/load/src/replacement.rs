//! `replace`: whoever completes the count of a run's parts makes its documents what readers see.

use crate::{Error, Work};
use documents::{Replaced, Version};
use lake::{Part, RawKey, RawMetadata};
use ledger::{Fact, FactKey, LoadTally, Missing, Refused, Stage, Step, replacement};
use std::cmp::Ordering;

/// Whether a `replace` run's documents are what readers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Parts are missing yet: whoever loads the last one replaces.
    Waiting(Missing),
    /// They are.
    Visible,
    /// A newer run's are.
    Older,
    /// They will not be: what was there before stays.
    Refused(Refused),
}

impl Work<'_> {
    /// Replaces the collection's documents, if this is a `replace` resource and its run is complete. The marker's fact is written when that is
    /// decided for good, so that a run whose replacement was cut short is found among the unfinished.
    pub(crate) async fn replace_if_complete(&self) -> Result<Option<Replacement>, Error> {
        let Some(version) = self.target.version else { return Ok(None) };
        let decided = self.decide(version).await?;
        match decided {
            Replacement::Waiting(Missing::CleanFacts(_)) => {
                return Err(Error::CleanFactsMissing {
                    object: self.object.clone(),
                });
            }
            Replacement::Waiting(_) => return Ok(Some(decided)),
            Replacement::Visible => self.run.reached(Step::Replaced)?,
            Replacement::Older | Replacement::Refused(_) => {}
        }
        let key = FactKey {
            raw: self.marker(),
            definition: self.metadata.definition.clone(),
            stage: Stage::Load,
        };
        self.services
            .ledger
            .record_fact(&key, &Fact::Load(LoadTally::default()), self.run.clock.now_ms())
            .await?;
        Ok(Some(decided))
    }

    async fn decide(&self, version: Version) -> Result<Replacement, Error> {
        let facts = self
            .services
            .ledger
            .facts(self.clean.raw.run, &self.resource_id(), &self.metadata.definition)
            .await?;
        let limit = self.definition.pipeline.reject_limit;
        Ok(match replacement(self.parts().await?, &facts, limit, self.allow_empty) {
            ledger::Replacement::Wait(missing) => Replacement::Waiting(missing),
            ledger::Replacement::Refused(refused) => self.refused(version, refused).await?,
            ledger::Replacement::Ready => self.show(version).await?,
        })
    }

    /// Makes the run's documents what readers see. A run without documents has staged nothing, and its collection is as declared all the same.
    async fn show(&self, version: Version) -> Result<Replacement, Error> {
        self.declare().await?;
        let replaced = self.services.documents.replace(&self.target.collection, version).await?;
        Ok(match replaced {
            Replaced::Visible => Replacement::Visible,
            Replaced::Older => Replacement::Older,
        })
    }

    /// A run that must not be shown. One that is shown already, or that something newer took the place of, needs no judgement.
    async fn refused(&self, version: Version, refused: Refused) -> Result<Replacement, Error> {
        let visible = self.services.documents.visible(&self.target.collection).await?;
        Ok(match visible.map(|visible| visible.cmp(&version)) {
            Some(Ordering::Greater) => Replacement::Older,
            Some(Ordering::Equal) => Replacement::Visible,
            Some(Ordering::Less) | None => Replacement::Refused(refused),
        })
    }

    /// How many parts the run has, once its marker is there.
    async fn parts(&self) -> Result<Option<u32>, Error> {
        if self.metadata.parts.is_some() {
            return Ok(self.metadata.parts);
        }
        let marker = self.marker().key();
        let Some(metadata) = self.services.store.head(&marker).await? else {
            return Ok(None);
        };
        Ok(RawMetadata::from_metadata(&marker, &metadata)?.parts)
    }

    fn marker(&self) -> RawKey {
        RawKey {
            part: Part::End,
            ..self.clean.raw.clone()
        }
    }
}
