//! What stops the cleaning of an object. Bad data never does: it is rejected.

use crate::contract::ContractError;
use lake::StoreError;
use lake::definitions::DefinitionError;
use ledger::{CleanTally, Interrupted, LedgerError, Next};

/// Why an object was not cleaned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not read the raw object `{key}`")]
    Read { key: String, source: StoreError },
    #[error("could not write `{key}`")]
    Write { key: String, source: StoreError },
    /// The line is not a capture, or its body not what it says.
    #[error("the raw object `{key}` is damaged on line {line}: {problem}")]
    Damaged { key: String, line: u32, problem: String },
    #[error("could not have the definition of `{key}`")]
    Definition { key: String, source: DefinitionError },
    #[error("the definition {definition} has no resource `{resource}`, which the raw object `{key}` is of")]
    NoResource { key: String, definition: String, resource: String },
    #[error("the definition {definition} cannot be used")]
    Contract { definition: String, source: ContractError },
    #[error("the records of `{key}` do not add up: {tally:?}")]
    Unbalanced { key: String, tally: CleanTally },
    #[error("could not record what became of `{key}`")]
    Ledger { key: String, source: LedgerError },
    /// Nothing of it is seen. It is cleaned from its start when it is tried again.
    #[error(
        "the time of this invocation was up before `{key}` was cleaned; if this comes again, give `clean` a longer time-out or more memory"
    )]
    OutOfTime { key: String },
    #[error("cleaning `{key}` was stopped")]
    Interrupted { key: String, source: Interrupted },
}

impl Error {
    /// What it is called in alarms and queries: for good.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Read { .. } => "Read",
            Error::Write { .. } => "Write",
            Error::Damaged { .. } => "Damaged",
            Error::Definition { .. } => "Definition",
            Error::NoResource { .. } => "NoResource",
            Error::Contract { .. } => "Contract",
            Error::Unbalanced { .. } => "Unbalanced",
            Error::Ledger { .. } => "Ledger",
            Error::OutOfTime { .. } => "OutOfTime",
            Error::Interrupted { .. } => "Interrupted",
        }
    }

    /// What happens next.
    pub fn next(&self) -> Next {
        match self {
            Error::Read { source, .. } | Error::Write { source, .. } => store(source),
            Error::Definition {
                source: DefinitionError::Store { source, .. },
                ..
            } => store(source),
            Error::Definition {
                source: DefinitionError::Refused { .. } | DefinitionError::Damaged { .. },
                ..
            } => Next::Alarm,
            Error::Damaged { .. } | Error::NoResource { .. } | Error::Contract { .. } | Error::Unbalanced { .. } => Next::Alarm,
            Error::Ledger { source, .. } => match source {
                LedgerError::Unavailable { .. } => Next::Retry,
                LedgerError::LeaseLost { .. }
                | LedgerError::CannotEnd { .. }
                | LedgerError::Denied { .. }
                | LedgerError::NotAFact { .. }
                | LedgerError::Newer { .. }
                | LedgerError::Damaged { .. } => Next::Alarm,
            },
            Error::OutOfTime { .. } | Error::Interrupted { .. } => Next::Retry,
        }
    }
}

fn store(error: &StoreError) -> Next {
    match error {
        StoreError::Io { .. } => Next::Retry,
        StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::Metadata { .. } | StoreError::Denied { .. } => Next::Alarm,
    }
}
