//! What stops an extraction, and what happens next. A message names the place (secrets redacted), what was expected and what to do; never a
//! header or a part of a reply.

use crate::hops::Spent;
use crate::paging::PagingError;
use crate::redirect::Refusal;
use crate::skim::Wrong;
use lake::StoreError;
use ledger::{Interrupted, LedgerError, Next};
use std::time::Duration;

/// What stops an extraction.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Not an error of a run: `handle` makes a continuation of it.
    #[error("the time of this invocation is up")]
    OutOfTime,
    #[error(transparent)]
    HopsSpent(#[from] Spent),
    #[error("run {run} of {resource} is to be gone on with, but the ledger does not know it")]
    UnknownRun { run: String, resource: String },
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    #[error("the lake failed")]
    Store(#[from] StoreError),
    #[error("could not compress a raw object")]
    Compress(#[source] std::io::Error),
    /// The paging state of an object that is to be resumed.
    #[error("the paging state kept with {key} cannot be read: another version wrote it, or it is damaged; the next run starts afresh")]
    State {
        key: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    #[error("the definition of the run to be resumed cannot be had; the next run starts afresh")]
    Definition(#[source] lake::DefinitionError),
    #[error("run {run} has failed before; a new run is needed")]
    AlreadyFailed { run: String },
    /// What a killed process left unsaid.
    #[error("{message}")]
    FailedBefore { message: String },
    #[error("{place}: {problem}")]
    Setup { place: String, problem: String },
    #[error("GET {url}")]
    Fetch {
        url: String,
        #[source]
        source: FetchError,
    },
    #[error("cannot go on after {url}")]
    Paging {
        url: String,
        #[source]
        source: PagingError,
    },
    #[error("cannot go on after {url}: its reply is not what `endpoint` describes")]
    Reply {
        url: String,
        #[source]
        source: Wrong,
    },
    #[error("cannot go on after {url}: its reply is not JSON, so there is no next page to be found in it; it is kept in `raw/`")]
    NotJson { url: String },
    #[error("{url} makes a line of {} in the lake, at most {} can be read back: set `reply_size_max` to 40MB or less, and ask for smaller pages", pipeline::ByteSize(*.bytes), pipeline::ByteSize(lake::zst::LINE_BYTES_MAX as u64))]
    LongCapture { url: String, bytes: u64 },
    #[error(
        "no record ({records} came) has a value of its `type` at `incremental.cursor_path` (`{path}`), so the cursor stays where it was and the next run would read them all again: correct the path or the `type`; what came in is kept"
    )]
    NoCursor { path: String, records: u64 },
    #[error(
        "no file matches {pattern}, looked for from `root`, which is {root}: correct `file.path`, or `root` (itself relative to the pipeline file)"
    )]
    NoFile { pattern: String, root: String },
    #[error(
        "could not open {file}, looked for from `root`, which is {root}: correct `file.path`, or `root` (itself relative to the pipeline file)"
    )]
    Open {
        file: String,
        root: String,
        #[source]
        source: std::io::Error,
    },
    #[error("could not {action} {file}")]
    File {
        action: &'static str,
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{file} cannot be read further: {problem}")]
    Content { file: String, problem: String },
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the source answered {status}, expected 200: {}", advice(*status))]
    Status { status: u16 },
    #[error("the connection failed")]
    Transport(#[source] reqwest::Error),
    #[error("no {what} within {}", pipeline::Span(*.limit))]
    TimedOut { what: &'static str, limit: Duration },
    #[error("the reply is larger than {} after decompression: ask for smaller pages, or set `reply_size_max` higher", pipeline::ByteSize(*.bytes_max))]
    TooLarge { bytes_max: u64 },
    #[error("the reply is compressed as {name}, which was not asked for; expected gzip, br, zstd or nothing")]
    Encoding { name: String },
    #[error("the reply cannot be decompressed")]
    Decode(#[source] std::io::Error),
    #[error("the source sends us to where we must not go: {0}")]
    Refused(Refusal),
    #[error("the source asks to wait for {} (`Retry-After`), longer than `backoff_max`: run again later, or set `backoff_max` higher", pipeline::Span(*.wait))]
    TooLong { wait: Duration },
    #[error("{attempts} requests failed one after another: the source is not well, run again later")]
    Exhausted {
        attempts: u32,
        #[source]
        last: Box<FetchError>,
    },
    #[error("could not set up HTTP")]
    Client(#[source] reqwest::Error),
    #[error("no TLS provider is installed in this process")]
    NoTlsProvider,
}

impl Error {
    /// What happens next.
    pub fn next(&self) -> Next {
        match self {
            Error::Store(StoreError::Denied { .. }) | Error::Ledger(LedgerError::Denied { .. }) => Next::Alarm,
            Error::Interrupted(_) | Error::OutOfTime | Error::Ledger(_) | Error::Store(_) => Next::Retry,
            Error::Fetch { source, .. } => source.next(),
            Error::File { .. } | Error::Open { .. } | Error::State { .. } | Error::Definition(_) => Next::Retry,
            Error::Compress(_)
            | Error::AlreadyFailed { .. }
            | Error::HopsSpent(_)
            | Error::UnknownRun { .. }
            | Error::FailedBefore { .. }
            | Error::Setup { .. }
            | Error::Paging { .. }
            | Error::Reply { .. }
            | Error::NotJson { .. }
            | Error::NoFile { .. }
            | Error::LongCapture { .. }
            | Error::NoCursor { .. }
            | Error::Content { .. } => Next::Alarm,
        }
    }

    /// What it is called in alarms and queries: for good.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Interrupted(_) => "Interrupted",
            Error::OutOfTime => "OutOfTime",
            Error::HopsSpent(_) => "HopsSpent",
            Error::UnknownRun { .. } => "UnknownRun",
            Error::Ledger(_) => "Ledger",
            Error::Store(_) => "Lake",
            Error::Compress(_) => "Compress",
            Error::State { .. } => "State",
            Error::Definition(_) => "Definition",
            Error::AlreadyFailed { .. } | Error::FailedBefore { .. } => "FailedBefore",
            Error::Setup { .. } => "Setup",
            Error::Fetch { .. } => "Fetch",
            Error::Paging { .. } => "Paging",
            Error::Reply { .. } => "Reply",
            Error::NotJson { .. } => "NotJson",
            Error::LongCapture { .. } => "LongCapture",
            Error::NoCursor { .. } => "NoCursor",
            Error::NoFile { .. } => "NoFile",
            Error::Open { .. } | Error::File { .. } => "File",
            Error::Content { .. } => "Content",
        }
    }

    /// Whether the source did not let us in: what is kept of its secrets may be out of date.
    pub fn is_refused(&self) -> bool {
        matches!(
            self,
            Error::Fetch {
                source: FetchError::Status { status: 401 | 403 },
                ..
            }
        )
    }

    /// Whether it ends the run. If not, the run stays open and is resumed: by whoever took the lease over, or by the next tick.
    pub fn ends_run(&self) -> bool {
        !matches!(
            self,
            Error::Interrupted(_)
                | Error::OutOfTime
                | Error::UnknownRun { .. }
                | Error::Ledger(_)
                | Error::Store(_)
                | Error::Compress(_)
                | Error::AlreadyFailed { .. }
        )
    }

    /// Whether the run it belongs to may be recorded as failed. If not, the run is open, whatever became of an earlier one: the message must come again.
    pub fn may_be_recorded(&self) -> bool {
        self.ends_run() || matches!(self, Error::AlreadyFailed { .. })
    }

    /// The whole chain in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl FetchError {
    fn next(&self) -> Next {
        match self {
            FetchError::Transport(_) | FetchError::TimedOut { .. } | FetchError::TooLong { .. } | FetchError::Exhausted { .. } => {
                Next::Retry
            }
            FetchError::Status { status } if *status >= 500 || matches!(status, 408 | 425 | 429) => Next::Retry,
            FetchError::Status { .. }
            | FetchError::TooLarge { .. }
            | FetchError::Encoding { .. }
            | FetchError::Decode(_)
            | FetchError::Refused(_)
            | FetchError::Client(_)
            | FetchError::NoTlsProvider => Next::Alarm,
        }
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        304 => "nothing has changed, it says, which we did not ask: look at `headers` (`If-None-Match`, `If-Modified-Since`)",
        300..=399 => "a redirect that cannot be followed",
        400 | 422 => "look at `params`, it did not understand the request",
        401 | 403 => "look at `auth`, it did not let us in",
        404 | 410 => "look at `base_url` and `path`, there is nothing",
        408 | 425 | 429 | 500..=599 => "the source is not well, run again later",
        _ => "look at the request that the pipeline describes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An earlier run may have been ended on the way, and be recorded: a message whose own run is open is not done by that.
    #[test]
    fn a_lake_or_ledger_that_fails_leaves_the_run_open() {
        let key = || "raw/p/r/x".to_owned();
        let denied = StoreError::Denied {
            action: "write",
            key: key(),
            bucket: "lake".into(),
            problem: "no".into(),
        };
        assert!(!Error::from(denied).may_be_recorded());
        assert!(!Error::OutOfTime.may_be_recorded());
        assert!(Error::AlreadyFailed { run: "r".to_owned() }.may_be_recorded());
        assert!(Error::from(Spent::Barren { hops: 1 }).may_be_recorded());
        assert!(Error::State { key: key(), source: None }.may_be_recorded());
    }
}
