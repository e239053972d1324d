//! What can go wrong while watching, and what happens next.

use crate::ports::PortError;
use lake::{DefinitionError, StoreError};
use ledger::{LedgerError, Next};

/// Why a tick did not see to all it should. Whatever was not done is done by the next: nothing is remembered as done before it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not watch: the ledger")]
    Ledger(#[from] LedgerError),
    #[error("could not watch: the lake")]
    Store(#[from] StoreError),
    #[error("could not watch: the definition of a pipeline")]
    Definition(#[from] DefinitionError),
    #[error("could not watch: a queue, the topic or the bus of events")]
    Port(#[from] PortError),
    /// The others were seen to.
    #[error("{count} of the things to look at could not be; the first, {what}")]
    Partly {
        count: usize,
        what: String,
        #[source]
        source: Box<Error>,
    },
}

impl Error {
    /// What happens next.
    pub fn next(&self) -> Next {
        match self {
            Error::Ledger(LedgerError::Unavailable { .. }) | Error::Store(StoreError::Io { .. }) => Next::Retry,
            Error::Definition(DefinitionError::Store {
                source: StoreError::Io { .. },
                ..
            }) => Next::Retry,
            Error::Port(error) if error.passes => Next::Retry,
            Error::Ledger(_) | Error::Store(_) | Error::Definition(_) | Error::Port(_) => Next::Alarm,
            Error::Partly { source, .. } => source.next(),
        }
    }

    /// A stable name of the kind, for alarms.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Ledger(_) => "Ledger",
            Error::Store(_) => "Lake",
            Error::Definition(_) => "Definition",
            Error::Port(_) => "Port",
            Error::Partly { .. } => "Partly",
        }
    }
}
