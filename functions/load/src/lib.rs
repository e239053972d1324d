//! `clean/` to the store of documents; what the store would not take to `refused/`.

mod batch;
pub mod embedded;
mod error;
mod refused;
mod replacement;
pub mod settings;

pub use error::Error;
pub use replacement::Replacement;

use batch::Batches;
use documents::{Batch, Contract, Documents, Target, Version, WriteOutcome};
use lake::{CleanKey, CleanMetadata, Definitions, ObjectReader, Part, Store};
use ledger::{Fact, FactKey, Ledger, LoadTally, Missing, ResourceId, Run, Stage, Step};
use pipeline::{Checked, Resource, WriteDisposition};
use refused::Refused;
use std::sync::Arc;

/// A clean object to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub clean: CleanKey,
    /// Whether a run's objects are loaded again in their order, its marker last. Then only the marker makes the run's documents what readers see: the ledger
    /// knows that all its parts were loaded once, not whether they are in this store.
    pub again_in_order: bool,
}

/// What `load` works with, built once.
#[derive(Clone)]
pub struct Services {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub documents: Arc<dyn Documents>,
    pub definitions: Arc<Definitions>,
}

/// What became of a clean object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The numbers the ledger keeps: those of the first completion.
    pub tally: LoadTally,
    /// The numbers of this very attempt: a replay's, for instance.
    pub this_attempt: LoadTally,
    /// For `replace`: whether the run's documents are what readers see now.
    pub replacement: Option<Replacement>,
}

/// One clean object on its way into its collection.
struct Work<'a> {
    run: &'a Run,
    services: &'a Services,
    clean: &'a CleanKey,
    /// The object's key, as text.
    object: String,
    definition: Arc<Checked>,
    metadata: CleanMetadata,
    target: Target,
    /// What the collection must be.
    contract: Contract,
    allow_empty: bool,
}

/// Loads one clean object. Safe to do any number of times, in any order, beside others.
///
/// # Errors
/// [`Error`] says which object, what happened, and by [`Error::next`] whether trying again helps.
pub async fn handle(input: &Input, run: &Run, services: &Services) -> Result<Outcome, Error> {
    let key = input.clean.clean();
    let object = key.to_string();
    let mut reader = ObjectReader::open(services.store.as_ref(), &key).await?;
    let metadata = CleanMetadata::from_metadata(&key, reader.metadata())?;
    let definition = services.definitions.get(&input.clean.raw.pipeline, &metadata.definition).await?;
    let resource = resource(&definition, input, &object)?;
    let version = (resource.load.write_disposition == WriteDisposition::Replace).then(|| Version {
        run: input.clean.raw.run.to_bytes(),
        generation: metadata.generation,
    });
    let target = Target {
        collection: resource.load.collection.clone(),
        version,
    };
    let owner = format!("{}/{}", input.clean.raw.pipeline, resource.name);
    let contract = Contract::of(resource, &owner);
    let allow_empty = resource.load.allow_empty;
    let work = Work {
        run,
        services,
        clean: &input.clean,
        object,
        definition: definition.clone(),
        metadata,
        target,
        contract,
        allow_empty,
    };
    let (tally, this_attempt) = match input.clean.raw.part {
        Part::End => Default::default(),
        Part::Number(_) => work.load(&mut reader).await?,
    };
    let replacement = match input.again_in_order && work.target.version.is_some() && input.clean.raw.part != Part::End {
        true => Some(Replacement::Waiting(Missing::Marker)),
        false => work.replace_if_complete().await?,
    };
    Ok(Outcome {
        tally,
        this_attempt,
        replacement,
    })
}

fn resource<'a>(definition: &'a Checked, input: &Input, object: &str) -> Result<&'a Resource, Error> {
    let name = &input.clean.raw.resource;
    let found = definition.pipeline.resources.iter().find(|resource| resource.name == *name);
    found.ok_or_else(|| Error::UnknownResource {
        object: object.to_owned(),
        resource: name.to_string(),
    })
}

impl Work<'_> {
    /// Writes all documents, then the fact. Answers with the numbers the ledger keeps, and those of this attempt.
    async fn load(&self, reader: &mut ObjectReader) -> Result<(LoadTally, LoadTally), Error> {
        let mut tally = LoadTally::default();
        let mut refused = Refused::new(self.services.store.as_ref(), self.clean);
        let mut batches = Batches::default();
        while batches.fill(reader).await? {
            // Between batches: the next attempt passes over those that were written, by their receipts.
            if batches.ordinal() > 0 && self.run.is_out_of_time() {
                let object = self.object.clone();
                return Err(Error::OutOfTime { object });
            }
            if batches.ordinal() == 0 {
                self.declare().await?;
            }
            let documents = batches.documents(&self.object)?;
            let batch = Batch {
                object: &self.object,
                ordinal: batches.ordinal(),
                documents: &documents,
            };
            let outcome = self.services.documents.write(&self.target, &batch).await?;
            add(&mut tally, documents.len() as u64, &outcome);
            refused.add(&documents, &outcome.refusals).await?;
            self.run.reached(Step::BatchLoaded {
                documents: documents.len() as u64,
            })?;
        }
        if refused.finish().await? {
            self.run.reached(Step::RefusedWritten)?;
        }
        if !tally.balances() {
            return Err(Error::Unbalanced {
                object: self.object.clone(),
                tally,
            });
        }
        let key = FactKey {
            raw: self.clean.raw.clone(),
            definition: self.metadata.definition.clone(),
            stage: Stage::Load,
        };
        let kept = self
            .services
            .ledger
            .record_fact(&key, &Fact::Load(tally), self.run.clock.now_ms())
            .await?;
        self.run.reached(Step::LoadFactRecorded)?;
        self.services.documents.settle(&self.object).await?;
        self.run.reached(Step::ReceiptsSettled)?;
        match kept {
            Fact::Load(kept) => Ok((kept, tally)),
            Fact::Clean(_) => Err(Error::WrongFact {
                object: self.object.clone(),
            }),
        }
    }

    /// The collection may be missing, or its validator not know this definition's documents yet: before the first of them, and before a version is shown.
    async fn declare(&self) -> Result<(), Error> {
        Ok(self.services.documents.declare(&self.target, &self.contract).await?)
    }

    fn resource_id(&self) -> ResourceId {
        ResourceId {
            pipeline: self.clean.raw.pipeline.clone(),
            resource: self.clean.raw.resource.clone(),
        }
    }
}

fn add(tally: &mut LoadTally, documents: u64, outcome: &WriteOutcome) {
    let of = outcome.tally;
    *tally += LoadTally {
        documents_in: documents,
        inserted: of.inserted,
        updated: of.updated,
        unchanged: of.unchanged,
        stale: of.stale,
        superseded: of.superseded,
        refused: of.refused,
    };
}
