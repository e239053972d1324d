//! What goes wrong inside a call, before it is told what the call was for; and what an error of the SDK means.

use crate::LedgerError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;
use std::error::Error;

/// DynamoDB's own words are told up to here.
const MESSAGE_CHARS_MAX: usize = 400;

/// The codes that are about who asks, not about what.
const CREDENTIALS: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
    "ExpiredTokenException",
    "InvalidClientTokenId",
];

/// The codes of what may go well another time. The SDK has tried again already.
const PASSING: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TransactionInProgressException",
    "TransactionConflictException",
    "TransactionCanceledException",
    "ReplicatedWriteConflictException",
    "InternalServerError",
    "ServiceUnavailable",
];

#[derive(Debug)]
pub(super) enum Fault {
    Ledger(LedgerError),
    /// Trying again does not help: what is wrong, and what to do about it.
    Denied(String),
    Unavailable(Box<dyn Error + Send + Sync>),
}

impl Fault {
    pub(super) fn told(self, action: &'static str, table: &str) -> LedgerError {
        match self {
            Fault::Ledger(error) => error,
            Fault::Denied(problem) => LedgerError::Denied {
                action,
                table: table.to_owned(),
                problem,
            },
            Fault::Unavailable(problem) => LedgerError::Unavailable {
                action,
                source: format!("the table `{table}`: {problem}").into(),
            },
        }
    }

    /// What an error of the SDK means. Only its words are kept: its parts hold headers.
    pub(super) fn of<E>(error: &SdkError<E>, region: &str) -> Fault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let Some(response) = error.raw_response() else {
            return before_sending(error).unwrap_or_else(|| Fault::Unavailable(chain(error).into()));
        };
        let code = error.code().unwrap_or_default();
        let (status, message) = (response.status().as_u16(), error.message().unwrap_or_default());
        match (of_answer(status, code, message, region), error.request_id()) {
            (Fault::Unavailable(problem), Some(id)) => Fault::Unavailable(format!("{problem} (request {id})").into()),
            (fault, _) => fault,
        }
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Fault {
        Fault::Ledger(error)
    }
}

/// What an answer that is not a success means. `code` and `message`: of its body, empty where it has none.
fn of_answer(status: u16, code: &str, message: &str, region: &str) -> Fault {
    let said = said(status, code, message);
    match (status, code) {
        (_, "ResourceNotFoundException") => Fault::Denied(format!(
            "there is no such table, or it lacks the index `runs`: correct its name, the account or the region ({region}), or deploy the \
             stack that creates it. {said}"
        )),
        _ if CREDENTIALS.contains(&code) => Fault::Denied(format!(
            "the credentials are wrong, or valid no more, or this machine's clock is wrong: sign in again (`aws sso login`), or correct \
             AWS_PROFILE or the keys. {said}"
        )),
        _ if code.starts_with("AccessDenied") || code == "NotAuthorized" => Fault::Denied(format!(
            "the identity in use may not: allow the action named here in its role's policy; if it is, look for a denial in a permissions \
             boundary or in the policy of the table's KMS key. {said}"
        )),
        _ if PASSING.contains(&code) => Fault::Unavailable(said.into()),
        // A failure within a success (what was answered could not be read), too many requests, or a server at fault.
        (..=299 | 408 | 429 | 500.., _) => Fault::Unavailable(said.into()),
        (_, "ValidationException") => Fault::Denied(format!(
            "DynamoDB does not take the request. Is it a table of Tidemill, with the keys `pk` and `sk` and the index `runs`? {said}"
        )),
        _ => Fault::Denied(format!("DynamoDB does not take the request. {said}")),
    }
}

fn said(status: u16, code: &str, message: &str) -> String {
    let code = if code.is_empty() { "without a code" } else { code };
    let message: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS_MAX)
        .collect();
    match message.as_str() {
        "" => format!("DynamoDB answered {status} {code}"),
        message => format!("DynamoDB answered {status} {code}: {message}"),
    }
}

/// What keeps a request from being sent at all, and no later try will cure.
fn before_sending<E: Error + 'static>(error: &SdkError<E>) -> Option<Fault> {
    if matches!(error, SdkError::ConstructionFailure(_)) {
        let chain = chain(error);
        return Some(Fault::Denied(format!("the request cannot be made, look at `AWS_REGION` ({chain})")));
    }
    let missing = sources(error).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
        )
    });
    missing.then(|| {
        Fault::Denied(format!(
            "there are no credentials, or their settings are wrong: sign in (`aws sso login`), or set AWS_PROFILE ({})",
            chain(error)
        ))
    })
}

/// An error and all it came from, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    #[track_caller]
    fn check(status: u16, code: &str, denied: Option<&str>) {
        match (of_answer(status, code, "why\nso", "eu-west-1"), denied) {
            (Fault::Denied(problem), Some(expected)) => {
                assert!(problem.contains(expected) && problem.contains("why so"), "{problem}");
            }
            (Fault::Unavailable(problem), None) => assert!(problem.to_string().contains(&status.to_string()), "{problem}"),
            (fault, _) => panic!("{status} {code}: {fault:?}"),
        }
    }

    #[test]
    fn what_trying_again_does_not_cure_says_what_to_do() {
        check(400, "ResourceNotFoundException", Some("the region (eu-west-1)"));
        check(400, "AccessDeniedException", Some("in its role's policy"));
        check(400, "ExpiredTokenException", Some("aws sso login"));
        check(400, "ValidationException", Some("the keys `pk` and `sk`"));
        check(400, "SomethingNew", Some("does not take the request"));
    }

    #[test]
    fn what_passes_is_tried_again() {
        for code in PASSING {
            check(400, code, None);
        }
        check(500, "", None);
        check(503, "SomethingNew", None);
        // An answer that broke off.
        check(200, "", None);
    }
}
