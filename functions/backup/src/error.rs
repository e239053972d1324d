//! What can go wrong with a backup, a restore or a drill, and what happens next.

use crate::archive::ArchiveError;
use documents::DocumentsError;
use lake::{KeyError, RunId, StoreError};
use ledger::{Interrupted, LedgerError, Next};

/// Why a backup was not taken, or not put back. Each says where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the vault")]
    Vault(#[from] StoreError),
    #[error("the ledger")]
    Ledger(#[from] LedgerError),
    #[error("the database")]
    Documents(#[from] DocumentsError),
    #[error("a key of the vault")]
    Key(#[from] KeyError),
    #[error("the archive could not be written: leave the collection out by name, if it can't be put right")]
    Archive(#[from] ArchiveError),

    #[error("there is no backup {wanted} in the vault: `tidemill backup list` shows those there are")]
    NotFound { wanted: String },
    #[error(
        "the backup {id} is damaged, and nothing of it is to be relied on: `{object}`: {problem}: choose another one (`tidemill backup list`)"
    )]
    Damaged { id: String, object: String, problem: String },
    #[error("the backup {id} is not whole: its part `{object}` is not in the vault: choose another one (`tidemill backup list`)")]
    MissingPart { id: String, object: String },
    #[error("the backup `{object}` is of the format {found}, and this program knows {known} at most: use a newer tidemill")]
    NewerFormat { object: String, found: u32, known: u32 },
    #[error(
        "`{object}` is not a backup that was written here: {problem}: somebody put it there; choose another one (`tidemill backup list`)"
    )]
    FromElsewhere { object: String, problem: String },

    #[error(
        "the database `{database}` has no documents: a backup of it would hide that something is wrong; if it is meant to be empty, say `--allow-empty`"
    )]
    Empty { database: String },
    #[error(
        "the collection `{collection}` was replaced by another or renamed while it was read: the backup begins anew when it is tried again"
    )]
    Changed { collection: String },
    #[error(
        "`{collection}` is a time-series collection, which this version can't back up: leave it out by name (`--leave-out {collection}`), and keep it another way"
    )]
    TimeSeries { collection: String },
    #[error(
        "the `_id` of a document of `{collection}` has {bytes} bytes, and at most {bytes_max} can be kept: leave the collection out by name (`--leave-out {collection}`)"
    )]
    LongKey {
        collection: String,
        bytes: usize,
        bytes_max: usize,
    },
    #[error(
        "a document of `{collection}` has no `_id`: it can't be read in order; leave the collection out by name (`--leave-out {collection}`)"
    )]
    NoKey { collection: String },
    #[error("another worker goes on with {id}")]
    Overtaken { id: RunId },

    #[error("another restore is at work in the database `{database}`: this one stopped; let the other come to its end")]
    RestoredByAnother { database: String },

    #[error("the backup {id} has no collection {names}: `tidemill backup verify {id}` shows those it has")]
    UnknownCollections { id: String, names: String },
    #[error(
        "the database `{database}` has {collections} already, and nothing was changed: restore into another name (`--into NAME`), or say that they are to be replaced (`--yes`)"
    )]
    NotEmpty { database: String, collections: String },
    #[error(
        "the database `{database}` is half restored, by {by}: restore the same again to go on with it, or say `--start-over` to throw away what is there of it"
    )]
    HalfRestored { database: String, by: String },
    #[error(
        "the mark of a restore in the database `{database}` is not one that this version knows ({problem}): use the tidemill that made it, or say `--start-over`"
    )]
    UnknownMark { database: String, problem: String },
    #[error(
        "of {documents} documents of the backup {id}, {put_back} are accounted for in the database `{database}`: this is a bug of Tidemill; the database is not whole, restore it again with `--start-over`"
    )]
    Unbalanced {
        id: String,
        database: String,
        documents: u64,
        put_back: u64,
    },
    #[error(
        "the backup {id} was restored into `{database}`, but `{collection}` is not what was backed up: {problem}: do not rely on this backup; take another one and look at the server"
    )]
    Unequal {
        id: String,
        database: String,
        collection: String,
        problem: String,
    },
    /// Nothing was changed yet. What can be taken up again answers so, instead.
    #[error("the time was up before all of the backup {id} was verified ({part} of {parts} parts): restore it where there is more time")]
    OutOfTime { id: String, part: u32, parts: u32 },
    #[error("could not write the archive: see that there is room where it is written to")]
    Write { source: std::io::Error },
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// What it is called in alarms and queries: for good.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Vault(_) => "Vault",
            Error::Ledger(_) => "Ledger",
            Error::Documents(_) => "Documents",
            Error::Key(_) => "Key",
            Error::Archive(_) => "Archive",
            Error::NotFound { .. } => "NotFound",
            Error::Damaged { .. } => "Damaged",
            Error::MissingPart { .. } => "MissingPart",
            Error::NewerFormat { .. } => "NewerFormat",
            Error::FromElsewhere { .. } => "FromElsewhere",
            Error::Empty { .. } => "EmptyDatabase",
            Error::Changed { .. } => "CollectionChanged",
            Error::TimeSeries { .. } => "TimeSeries",
            Error::LongKey { .. } => "LongKey",
            Error::NoKey { .. } => "NoKey",
            Error::Overtaken { .. } => "Overtaken",
            Error::RestoredByAnother { .. } => "RestoredByAnother",
            Error::UnknownCollections { .. } => "UnknownCollections",
            Error::NotEmpty { .. } => "NotEmpty",
            Error::HalfRestored { .. } => "HalfRestored",
            Error::UnknownMark { .. } => "UnknownMark",
            Error::Unbalanced { .. } => "Unbalanced",
            Error::Unequal { .. } => "Unequal",
            Error::OutOfTime { .. } => "OutOfTime",
            Error::Write { .. } => "Write",
            Error::Interrupted(_) => "Interrupted",
        }
    }

    /// What happens next.
    pub fn next(&self) -> Next {
        match self {
            Error::Vault(StoreError::Io { .. }) | Error::Ledger(LedgerError::Unavailable { .. }) => Next::Retry,
            // A server that is away or has too much to do; not one that does not let us in, or a setting that is wrong.
            Error::Documents(error) if error.passes() => Next::Retry,
            Error::Changed { .. }
            | Error::Overtaken { .. }
            | Error::RestoredByAnother { .. }
            | Error::OutOfTime { .. }
            | Error::Interrupted(_) => Next::Retry,
            Error::Vault(_) | Error::Ledger(_) | Error::Documents(_) | Error::Key(_) | Error::Archive(_) => Next::Alarm,
            Error::NotFound { .. }
            | Error::Damaged { .. }
            | Error::MissingPart { .. }
            | Error::NewerFormat { .. }
            | Error::FromElsewhere { .. }
            | Error::Empty { .. }
            | Error::TimeSeries { .. }
            | Error::LongKey { .. }
            | Error::NoKey { .. }
            | Error::UnknownCollections { .. }
            | Error::NotEmpty { .. }
            | Error::HalfRestored { .. }
            | Error::UnknownMark { .. }
            | Error::Unbalanced { .. }
            | Error::Unequal { .. }
            | Error::Write { .. } => Next::Alarm,
        }
    }

    /// The whole chain in one line, for the record of what failed.
    pub(crate) fn in_words(&self) -> String {
        chain(self)
    }
}

/// An error and its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    words
}
