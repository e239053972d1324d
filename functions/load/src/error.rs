//! What can go wrong while loading, and what happens next.

use documents::DocumentsError;
use lake::{DefinitionError, StoreError};
use ledger::{Interrupted, LedgerError, LoadTally, Next};

/// Why a clean object was not loaded. Nothing is lost: it stays in `clean/`, and can be loaded again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not load: the lake")]
    Store(#[from] StoreError),
    #[error("could not load: the ledger")]
    Ledger(#[from] LedgerError),
    #[error("could not load: the store of documents")]
    Documents(#[from] DocumentsError),
    #[error("could not load: the pipeline's definition")]
    Definition(#[from] DefinitionError),
    #[error("`{object}` holds a document that is not BSON: it is damaged; clean its raw object again with `tidemill replay`")]
    NotBson {
        object: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("`{object}` is of the resource `{resource}`, which its own definition does not have: it is damaged")]
    UnknownResource { object: String, resource: String },
    /// Law 4: a batch that does not add up fails.
    #[error("the numbers of `{object}` do not add up ({tally:?}): this is a bug of Tidemill; nothing was recorded")]
    Unbalanced { object: String, tally: LoadTally },
    #[error("the ledger keeps a fact of another stage for `{object}`: it is damaged")]
    WrongFact { object: String },
    /// The object came before what `clean` recorded of it.
    #[error("`{object}` completes its run, but `clean` has not recorded all of it yet: try again")]
    CleanFactsMissing { object: String },
    /// The batches that were written stay, and count as they did when the object is loaded again.
    #[error("the time of this invocation was up before all of `{object}` was loaded; the next attempt goes on after the last batch")]
    OutOfTime { object: String },
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// What it is called in alarms and queries: for good.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Store(_) => "Lake",
            Error::Ledger(_) => "Ledger",
            Error::Documents(_) => "Documents",
            Error::Definition(_) => "Definition",
            Error::NotBson { .. } => "NotBson",
            Error::UnknownResource { .. } => "UnknownResource",
            Error::Unbalanced { .. } => "Unbalanced",
            Error::WrongFact { .. } => "WrongFact",
            Error::CleanFactsMissing { .. } => "CleanFactsMissing",
            Error::OutOfTime { .. } => "OutOfTime",
            Error::Interrupted(_) => "Interrupted",
        }
    }

    /// What happens next.
    pub fn next(&self) -> Next {
        match self {
            Error::Store(StoreError::Io { .. }) | Error::OutOfTime { .. } | Error::Interrupted(_) | Error::CleanFactsMissing { .. } => {
                Next::Retry
            }
            Error::Ledger(LedgerError::Unavailable { .. }) => Next::Retry,
            // A server that is away or has too much to do; not one that does not let us in, or a setting that is wrong.
            Error::Documents(error) if error.passes() => Next::Retry,
            Error::Definition(DefinitionError::Store {
                source: StoreError::Io { .. },
                ..
            }) => Next::Retry,
            Error::Ledger(LedgerError::LeaseLost { .. }) => Next::Alarm,
            Error::Store(_) | Error::Ledger(_) | Error::Documents(_) | Error::Definition(_) => Next::Alarm,
            Error::NotBson { .. } | Error::UnknownResource { .. } | Error::Unbalanced { .. } | Error::WrongFact { .. } => Next::Alarm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_somebody_must_put_right_is_told() {
        let (server, problem) = (|| "db.example.org".to_owned(), || "why".to_owned());
        let (action, collection) = ("write", || "orders".to_owned());
        let retry = [
            DocumentsError::Unreachable {
                action,
                collection: collection(),
                server: server(),
                problem: problem(),
            },
            DocumentsError::Unavailable {
                action,
                collection: collection(),
                source: "too much to do".into(),
            },
        ];
        let alarm = [
            DocumentsError::SignIn {
                server: server(),
                problem: problem(),
            },
            DocumentsError::Denied {
                action,
                collection: collection(),
                database: "shop".to_owned(),
                server: server(),
                problem: problem(),
            },
            DocumentsError::Certificate {
                server: server(),
                problem: problem(),
            },
            DocumentsError::Uri { problem: problem() },
            DocumentsError::Unsupported {
                server: server(),
                problem: problem(),
            },
        ];
        for error in retry {
            assert_eq!(Error::from(error).next(), Next::Retry);
        }
        for error in alarm {
            assert_eq!(Error::from(error).next(), Next::Alarm);
        }
    }
}
