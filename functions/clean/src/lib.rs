//! `clean`: one raw object → one clean object, and what broke the contract → one rejected object.
//!
//! A pure function of (raw object, definition): the same bytes out, under the same key. `handle` is the I/O around [`Cleaner`].

mod bson_writer;
mod cleaner;
mod condition;
mod contract;
mod csv;
mod encoding;
mod error;
mod explain;
mod fault;
mod identity;
mod output;
mod parents;
mod plan;
mod readable;
mod record;
mod reject;
mod select;
pub mod settings;
mod trie;
mod value;
mod walk;

pub use cleaner::{Cleaner, Sink};
pub use contract::ContractError;
pub use error::Error;
pub use explain::{Ending, ExplainError, Explanation, FieldExplanation, RuleStep, explain};
pub use fault::{Fault, Faults, Reason};

pub(crate) use cleaner::Origin;

use lake::{Capture, CleanKey, CleanMetadata, Definitions, ObjectReader, Part, RawKey, RawMetadata, Store, StoreError};
use ledger::{CleanTally, Fact, FactKey, Ledger, LedgerError, Run, Stage, Step};
use output::Output;
use pipeline::Checked;
use std::sync::Arc;

/// Which object is cleaned, under which definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub raw: RawKey,
    /// A replay's definition: its hash (64 hexadecimal digits) and generation. Without it, the one that the raw object was fetched under.
    pub definition: Option<(String, u32)>,
}

/// What `clean` works with.
pub struct Services {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub definitions: Arc<Definitions>,
}

/// What became of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The key under which `clean/` and, if anything was rejected, `rejected/` have it.
    pub clean: CleanKey,
    /// The numbers that the ledger keeps: the first completion's.
    pub tally: CleanTally,
    /// The numbers of this attempt: the same, as long as `clean` is deterministic.
    pub this_attempt: CleanTally,
}

/// Cleans one raw object.
pub async fn handle(input: &Input, run: &Run, services: &Services) -> Result<Outcome, Error> {
    let (key, store) = (input.raw.key(), services.store.as_ref());
    let read = |source| Error::Read {
        key: key.to_string(),
        source,
    };
    let mut reader = ObjectReader::open(store, &key).await.map_err(read)?;
    let metadata = RawMetadata::from_metadata(&key, reader.metadata()).map_err(read)?;
    let of_raw = || (metadata.definition.clone(), metadata.generation);
    let (definition, generation) = input.definition.clone().unwrap_or_else(of_raw);
    let checked = services.definitions.get(&input.raw.pipeline, &definition).await;
    let checked = checked.map_err(|source| Error::Definition {
        key: key.to_string(),
        source,
    })?;
    let mut cleaner = cleaner(&input.raw, &checked, generation)?;

    let clean = CleanKey {
        raw: input.raw.clone(),
        definition: checked.hash.short().to_owned(),
    };
    let about = CleanMetadata {
        definition: definition.clone(),
        generation,
        parts: metadata.parts,
    };
    let mut output = Output::create(store, &clean, &about).await?;
    if input.raw.part == Part::End {
        // The marker holds no captures, and its numbers are no part's.
        output.finish_clean().await?;
        return Ok(Outcome {
            clean,
            tally: CleanTally::default(),
            this_attempt: CleanTally::default(),
        });
    }
    captures(&key, run, &mut reader, &mut cleaner, &mut output).await?;
    let tally = cleaner.tally();
    if !tally.balances() {
        return Err(Error::Unbalanced {
            key: key.to_string(),
            tally,
        });
    }

    let stopped = |source| Error::Interrupted {
        key: key.to_string(),
        source,
    };
    // Rejects first: once the clean object is there, the object counts as cleaned.
    if output.finish_rejected().await? {
        run.reached(Step::RejectedWritten).map_err(stopped)?;
    }
    output.finish_clean().await?;
    run.reached(Step::CleanWritten { records: tally.out }).map_err(stopped)?;
    let fact = FactKey {
        raw: input.raw.clone(),
        definition,
        stage: Stage::Clean,
    };
    let kept = record_fact(&fact, tally, run, services).await?;
    run.reached(Step::CleanFactRecorded).map_err(stopped)?;
    Ok(Outcome {
        clean,
        tally: kept,
        this_attempt: tally,
    })
}

/// A cleaner of the raw object's resource.
fn cleaner(raw: &RawKey, checked: &Checked, generation: u32) -> Result<Cleaner, Error> {
    let definition = || checked.hash.short().to_owned();
    let resource = checked.pipeline.resources.iter().find(|resource| resource.name == raw.resource);
    let resource = resource.ok_or_else(|| Error::NoResource {
        key: raw.key().to_string(),
        definition: definition(),
        resource: raw.resource.to_string(),
    })?;
    Cleaner::new(&checked.pipeline, resource, raw, generation).map_err(|source| Error::Contract {
        definition: definition(),
        source,
    })
}

/// Records what became of the object; returns what the ledger keeps, which is what came first.
async fn record_fact(key: &FactKey, tally: CleanTally, run: &Run, services: &Services) -> Result<CleanTally, Error> {
    let failed = |source| Error::Ledger {
        key: key.raw.key().to_string(),
        source,
    };
    match services.ledger.record_fact(key, &Fact::Clean(tally), run.clock.now_ms()).await {
        Ok(Fact::Clean(kept)) => Ok(kept),
        Ok(Fact::Load(_)) => {
            let problem = "the fact of the stage clean is one of the stage load".to_owned();
            Err(failed(LedgerError::Damaged {
                place: key.raw.key().to_string(),
                problem,
            }))
        }
        Err(source) => Err(failed(source)),
    }
}

/// Line by line, from the raw object to the outputs.
async fn captures(
    key: &lake::Key,
    run: &Run,
    reader: &mut ObjectReader,
    cleaner: &mut Cleaner,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let damaged = |line, problem| Error::Damaged {
        key: key.to_string(),
        line,
        problem,
    };
    let mut number = 0;
    while let Some(line) = reader.next_line().await.map_err(|source: StoreError| Error::Read {
        key: key.to_string(),
        source,
    })? {
        number += 1;
        let text = std::str::from_utf8(line).map_err(|error| damaged(number, error.to_string()))?;
        let capture = Capture::parse_head(text).map_err(|error| damaged(number, error.to_string()))?;
        let mut from = Some(0);
        while let Some(item) = from {
            from = cleaner
                .capture(number, &capture, item, &mut output.waiting)
                .map_err(|fault| damaged(number, fault.to_string()))?;
            output.write().await?;
            if run.is_out_of_time() {
                return Err(Error::OutOfTime { key: key.to_string() });
            }
        }
    }
    cleaner.finish(&mut output.waiting);
    output.write().await
}
