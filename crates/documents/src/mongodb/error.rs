//! What the driver and the server say of a failure, put into our own words. Nothing of theirs passes unread: their texts may hold a command or the URI.

use std::error::Error as StdError;
use std::io;

use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::client::Place;
use super::reply::no_majority;
use crate::DocumentsError;

/// Why a call failed, before action and collection are named.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub kind: FaultKind,
    pub code: Option<i32>,
    /// Short, and fit to be shown.
    pub text: String,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// No server answers.
    Unreachable,
    /// The server answered, or began to, and the same may succeed in a moment.
    Passing,
    /// The user's credentials were refused, and there are new ones now: the same may succeed at once.
    Renewed,
    SignIn,
    Denied,
    Certificate,
    Uri,
    NoUri,
    TooOld,
    NamespaceNotFound,
    NamespaceExists,
    /// A unique index has the value already, `_id`'s or another.
    Duplicate,
    /// The server has no such command, option or kind of index.
    Unknown,
    /// What is stored is not what we wrote.
    Damaged,
    /// The collection is somebody else's, or not one that documents can be kept in.
    NotOurs,
    /// Whatever else the server says.
    Other,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, text: impl Into<String>, place: Place) -> Fault {
        Fault {
            kind,
            code: None,
            text: text.into(),
            place,
        }
    }

    pub(super) fn damaged(problem: String) -> Fault {
        Fault::new(FaultKind::Damaged, problem, Place::default())
    }

    pub(super) fn not_ours(problem: String) -> Fault {
        Fault::new(FaultKind::NotOurs, problem, Place::default())
    }

    /// Whether the same call may succeed if it is made again soon.
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self.kind, FaultKind::Unreachable | FaultKind::Passing | FaultKind::Renewed)
    }

    /// Whether the server gave up because of `maxTimeMS`.
    pub(super) fn is_time_up(&self) -> bool {
        /// `MaxTimeMSExpired`.
        const CODE: i32 = 50;
        self.code == Some(CODE)
    }

    pub(super) fn named(self, action: &'static str, collection: &str) -> DocumentsError {
        let Fault { kind, text, place, .. } = self;
        let Place { server, database } = place;
        let collection = collection.to_owned();
        match kind {
            FaultKind::Unreachable => DocumentsError::Unreachable {
                action,
                collection,
                server,
                problem: text,
            },
            FaultKind::Passing | FaultKind::Renewed => DocumentsError::Unavailable {
                action,
                collection,
                source: format!("MongoDB at {server}: {text}").into(),
            },
            FaultKind::SignIn => DocumentsError::SignIn { server, problem: text },
            FaultKind::Denied => DocumentsError::Denied {
                action,
                collection,
                database,
                server,
                problem: text,
            },
            FaultKind::Certificate => DocumentsError::Certificate { server, problem: text },
            FaultKind::Uri => DocumentsError::Uri { problem: text },
            FaultKind::NoUri => DocumentsError::NoUri { source: text.into() },
            FaultKind::TooOld => DocumentsError::Unsupported { server, problem: text },
            FaultKind::Damaged => DocumentsError::Damaged { collection, problem: text },
            FaultKind::NotOurs => DocumentsError::NotOurCollection { collection, problem: text },
            FaultKind::NamespaceNotFound | FaultKind::NamespaceExists | FaultKind::Duplicate | FaultKind::Unknown | FaultKind::Other => {
                DocumentsError::Refused {
                    action,
                    collection,
                    database,
                    server,
                    said: text,
                }
            }
        }
    }

    /// Reads a driver's error.
    pub(super) fn of(error: &Error, place: &Place) -> Fault {
        // A command that failed may have done something that is not on a majority of the servers: which of the two holds, the next look tells.
        let undone = error.server_response().and_then(|reply| bson::Document::try_from(reply).ok());
        if let Some((code, text)) = undone.as_ref().and_then(no_majority) {
            return Fault {
                code: Some(code),
                ..Fault::new(FaultKind::Passing, text, place.clone())
            };
        }
        let (kind, code, text) = classify(error);
        let passing = kind == FaultKind::Other && PASSING_LABELS.iter().any(|label| error.contains_label(label));
        let kind = if passing { FaultKind::Passing } else { kind };
        Fault {
            kind,
            code,
            text,
            place: place.clone(),
        }
    }
}

const PASSING_LABELS: [&str; 4] = [
    "RetryableWriteError",
    "SystemOverloadedError",
    "RetryableError",
    "NoWritesPerformed",
];

fn classify(error: &Error) -> (FaultKind, Option<i32>, String) {
    let plain = |kind, text: &str| (kind, None, text.to_owned());
    match error.kind.as_ref() {
        ErrorKind::Command(said) => {
            let text = spoken(said.code, &said.code_name, &said.message);
            (kind_of_code(said.code), Some(said.code), text)
        }
        ErrorKind::Write(WriteFailure::WriteError(said)) => {
            let text = spoken(said.code, said.code_name.as_deref().unwrap_or_default(), &said.message);
            (kind_of_code(said.code), Some(said.code), text)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(said)) => {
            let text = spoken(said.code, &said.code_name, "the write is not on a majority of the servers yet");
            (FaultKind::Passing, Some(said.code), text)
        }
        // The driver's words come from its own short list, or are the server's (`SCRAM failure: …`).
        ErrorKind::Authentication { message, .. } => (kind_of_refusal(error, message), None, shorten(message)),
        ErrorKind::Io(cause) => {
            let (kind, text) = classify_io(cause);
            // Of an established connection: the next one may stand.
            let kind = if kind == FaultKind::Unreachable { FaultKind::Passing } else { kind };
            (kind, None, text)
        }
        ErrorKind::ConnectionPoolCleared { .. } => plain(FaultKind::Passing, "the connection was given up, as another failed"),
        ErrorKind::ServerSelection { .. } => plain(FaultKind::Unreachable, "no server can take the command"),
        ErrorKind::DnsResolve { .. } => plain(FaultKind::Unreachable, "DNS does not know the host"),
        ErrorKind::InvalidTlsConfig { .. } => plain(
            FaultKind::Uri,
            "a file that `tlsCAFile` or `tlsCertificateKeyFile` names can't be used: each must be PEM, the second with certificate and private key",
        ),
        ErrorKind::IncompatibleServer { .. } => plain(FaultKind::TooOld, TOO_OLD),
        ErrorKind::InvalidArgument { .. } => plain(FaultKind::Other, "the driver does not take the command"),
        ErrorKind::InvalidResponse { .. } | ErrorKind::Bson(_) => {
            plain(FaultKind::Other, "the answer is not one that the driver understands")
        }
        ErrorKind::SessionsNotSupported => plain(FaultKind::TooOld, "it has no sessions"),
        _ => plain(FaultKind::Other, "the driver failed"),
    }
}

/// The driver says of every failure in the middle of signing in that the user is not let in: also of a server that is going down, and when the cloud does not
/// give Tidemill's own credentials just now.
fn kind_of_refusal(error: &Error, message: &str) -> FaultKind {
    let said = error.source().and_then(|source| source.downcast_ref::<Box<Error>>());
    let code = match said.map(|said| said.kind.as_ref()) {
        Some(ErrorKind::Command(said)) => Some(said.code),
        _ => None,
    };
    let passes = code.is_some_and(|code| kind_of_code(code) == FaultKind::Passing)
        || ["failure: invalid server response", "failure: internal error"]
            .iter()
            .any(|words| message.ends_with(words))
        || message.contains("failure: failed to get creds");
    if passes { FaultKind::Passing } else { FaultKind::SignIn }
}

const TOO_OLD: &str = "its version is one that the driver does not speak to: MongoDB 4.4 or newer is needed";

/// Why a connection did not come about, or broke.
pub(super) fn classify_io(cause: &io::Error) -> (FaultKind, String) {
    if let Some(problem) = certificate_problem(cause) {
        return (FaultKind::Certificate, problem.to_owned());
    }
    let text = match cause.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused",
        io::ErrorKind::TimedOut => "it took too long",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => "the connection was cut",
        io::ErrorKind::UnexpectedEof => "the connection was closed",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to its network",
        io::ErrorKind::InvalidData => "the connection does not speak TLS as expected",
        io::ErrorKind::NotFound => "a file is not there",
        // Of a name that can't be resolved the standard library says no kind.
        io::ErrorKind::Other | io::ErrorKind::InvalidInput => "its name could not be resolved, or the connection failed",
        _ => "the connection failed",
    };
    (FaultKind::Unreachable, text.to_owned())
}

/// What is wrong with the server's certificate, if that is why there is no connection.
fn certificate_problem(cause: &io::Error) -> Option<&'static str> {
    use rustls::CertificateError::{self, *};
    let tls = cause
        .get_ref()
        .and_then(|inner| (inner as &(dyn StdError + 'static)).downcast_ref::<rustls::Error>())?;
    let certificate: &CertificateError = match tls {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        rustls::Error::AlertReceived(_) => {
            return Some("the server broke off the handshake of TLS: it may ask for a certificate of Tidemill's (`tlsCertificateKeyFile`)");
        }
        _ => return None,
    };
    Some(match certificate {
        Expired | ExpiredContext { .. } => "it has expired: renew it on the server",
        NotValidYet | NotValidYetContext { .. } => "it is not valid yet: look at the clocks of the server and of this machine",
        UnknownIssuer => "no known authority issued it: name the file of your authority with `tlsCAFile` in the URI",
        NotValidForName | NotValidForNameContext { .. } => "it is for another host name: use the name that it is for in the URI",
        Revoked => "it was revoked: renew it on the server",
        _ => "it does not stand up to examination",
    })
}

/// What passes by itself, or when the server is less busy, by the names of the server's `error_codes.yml`.
#[rustfmt::skip]
const PASSING_CODES: &[i32] = &[
    // HostUnreachable, HostNotFound, NetworkTimeout, ShutdownInProgress, PrimarySteppedDown, NetworkInterfaceExceededTimeLimit, ConnectionPoolExpired,
    // ConnectionError, SocketException, LegacyNotPrimary, NotWritablePrimary, InterruptedAtShutdown, Interrupted, InterruptedDueToReplStateChange,
    // NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary, ConfigServerUnreachable.
    6, 7, 89, 91, 189, 202, 317, 384, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436, 56846,
    // LockTimeout, LockBusy, MaxTimeMSExpired, WriteConcernFailed (a time-out), WriteConflict, ConflictingOperationInProgress, ExceededTimeLimit, ObjectIsBusy.
    24, 46, 50, 64, 112, 117, 262, 314,
    // CursorNotFound, QueryPlanKilled, CursorKilled.
    43, 175, 237,
    // FailedToSatisfyReadPreference, ReadConcernMajorityNotAvailableYet, DatabaseDropPending, ElectionInProgress.
    133, 134, 215, 216,
    // StaleEpoch, StaleShardVersion, StaleDbVersion, StaleConfig.
    63, 150, 249, 13388,
    // SnapshotTooOld, SnapshotUnavailable, StaleChunkHistory, MigrationConflict.
    239, 246, 250, 272,
    // IndexBuildAborted, IndexBuildAlreadyInProgress, BackgroundOperationInProgressForDatabase, BackgroundOperationInProgressForNamespace.
    276, 285, 12586, 12587,
    // ClientDisconnect, TransactionExceededLifetimeLimitSeconds, InterruptedDueToStorageChange, ClientMarkedKilled.
    279, 290, 355, 46841,
    // RetryableTransactionInProgress, TemporarilyUnavailable, UserWritesBlocked (all of the cluster's).
    363, 365, 371,
    // ResourceExhausted, MigrationBlockingOperationCoordinatorCleaningUp, PooledConnectionAcquisitionExceededTimeLimit, UpdatesStillPending.
    402, 406, 407, 412,
    // AdmissionQueueOverflow, RateLimitExceeded, PooledConnectionAcquisitionRejected, InterruptedDueToReshardingCriticalSection, IngressRequestRateLimitExceeded.
    433, 449, 450, 453, 462,
    // BackupCursorOpenConflictWithCheckpoint, RetriableRemoteCommandFailure, InterruptedDueToFCVChange.
    50915, 91331, 10045600,
    // Too many requests, as Cosmos DB says it.
    16500,
];

/// The codes are those of the server's `error_codes.yml`.
pub(super) fn kind_of_code(code: i32) -> FaultKind {
    match code {
        code if PASSING_CODES.contains(&code) => FaultKind::Passing,
        11 | 18 | 391 => FaultKind::SignIn,
        13 => FaultKind::Denied,
        26 => FaultKind::NamespaceNotFound,
        48 => FaultKind::NamespaceExists,
        11000 | 11001 | 12582 => FaultKind::Duplicate,
        // CommandNotFound, UnknownOption fields (IDL), CommandNotSupported, NotImplemented.
        59 | 115 | 238 | 40415 => FaultKind::Unknown,
        // 8000 is how Atlas says no, of roles as of quotas: its words say which.
        _ => FaultKind::Other,
    }
}

/// The server's words, as far as they can't be a command or a document: both begin with a brace.
pub(super) fn spoken(code: i32, name: &str, message: &str) -> String {
    let message = shorten(message);
    match (name.is_empty(), message.is_empty()) {
        (true, _) => format!("{message} ({code})"),
        (false, true) => format!("{name} ({code})"),
        (false, false) => format!("{message} ({code} {name})"),
    }
}

fn shorten(message: &str) -> String {
    const MOST: usize = 200;
    let plain = message.split(['{', '[', '\n']).next().unwrap_or_default();
    let plain: String = plain.chars().filter(|character| !character.is_control()).take(MOST).collect();
    plain.trim_end_matches([' ', ':', ',']).to_owned()
}

#[cfg(test)]
mod tests;
