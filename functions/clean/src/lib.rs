//! `clean`: one raw object → one clean object, and what broke the contract → one rejected object.
//!
//! A pure function of (raw object, definition): the same bytes out, under the same key. `handle` is the I/O around [`Cleaner`].

mod bson_writer;
mod cleaner;
mod condition;
mod contract;
mod csv;
mod error;
mod explain;
mod fault;
mod identity;
mod output;
mod plan;
mod readable;
mod record;
mod reject;
mod select;
mod trie;
mod value;
mod walk;

pub use cleaner::{Cleaner, Sink};
pub use contract::ContractError;
pub use error::Error;
pub use explain::{Ending, ExplainError, Explanation, FieldExplanation, RuleStep, explain};
pub use fault::{Fault, Faults, Reason};

pub(crate) use cleaner::Origin;

use lake::{
    Capture, CleanKey, CleanMetadata, Definitions, ObjectReader, ObjectWriter, Part, RawKey, RawMetadata, Store, StoreError, ZSTD_LEVEL,
};
use ledger::{CleanTally, Fact, FactKey, Ledger, Run, Stage, Step};
use output::Output;
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
    let key = input.raw.key();
    let read = |source| Error::Read {
        key: key.to_string(),
        source,
    };
    let mut reader = ObjectReader::open(services.store.as_ref(), &key).await.map_err(read)?;
    let metadata = RawMetadata::from_metadata(&key, reader.metadata()).map_err(read)?;
    let (definition, generation) = input
        .definition
        .clone()
        .unwrap_or_else(|| (metadata.definition.clone(), metadata.generation));
    let checked = services.definitions.get(&input.raw.pipeline, &definition).await;
    let checked = checked.map_err(|source| Error::Definition {
        key: key.to_string(),
        source,
    })?;
    let resource = checked
        .pipeline
        .resources
        .iter()
        .find(|resource| resource.name == input.raw.resource);
    let resource = resource.ok_or_else(|| Error::NoResource {
        key: key.to_string(),
        definition: checked.hash.short().to_owned(),
        resource: input.raw.resource.to_string(),
    })?;
    let contract = |source| Error::Contract {
        definition: checked.hash.short().to_owned(),
        source,
    };
    let mut cleaner = Cleaner::new(&checked.pipeline, resource, &input.raw, generation).map_err(contract)?;

    let clean = CleanKey {
        raw: input.raw.clone(),
        definition: checked.hash.short().to_owned(),
    };
    let about = CleanMetadata {
        definition: definition.clone(),
        generation,
        parts: metadata.parts,
    };
    if input.raw.part == Part::End {
        let marker = ObjectWriter::create(services.store.as_ref(), &clean.clean(), &about.to_metadata(), ZSTD_LEVEL).await;
        output::finish(&clean.clean(), marker).await?;
        let nothing = CleanTally::default();
        return Ok(Outcome {
            clean,
            tally: nothing,
            this_attempt: nothing,
        });
    }

    let mut output = Output::create(services.store.as_ref(), &clean, &about).await?;
    captures(&key, &mut reader, &mut cleaner, &mut output).await?;
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
    let kept = services.ledger.record_fact(&fact, &Fact::Clean(tally), run.clock.now_ms()).await;
    let kept = kept.map_err(|source| Error::Ledger {
        key: key.to_string(),
        source,
    })?;
    run.reached(Step::CleanFactRecorded).map_err(stopped)?;
    let Fact::Clean(kept) = kept else {
        let problem = "the fact of stage clean is one of another stage".to_owned();
        let source = ledger::LedgerError::Damaged {
            place: key.to_string(),
            problem,
        };
        return Err(Error::Ledger {
            key: key.to_string(),
            source,
        });
    };
    Ok(Outcome {
        clean,
        tally: kept,
        this_attempt: tally,
    })
}

/// Line by line, from the raw object to the outputs.
async fn captures(key: &lake::Key, reader: &mut ObjectReader, cleaner: &mut Cleaner, output: &mut Output<'_>) -> Result<(), Error> {
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
        }
    }
    Ok(())
}
