//! The bucket: the client, its time-outs and retries, and what an error of the SDK means.

use super::refusal::{self, Place, Refusal};
use crate::{Key, Metadata, StoreError};
use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::InterceptorContext;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, RequestChecksumCalculation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::{RequestId, RequestIdExt};
use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::time::Duration;

pub(super) const PRECONDITION_FAILED: u16 = 412;
const CONFLICT: u16 = 409;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One try of a request that carries no body, to the answer's head.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// One try of a request with a body: 32 MB over a line of 2 Mbit/s. One that stalls is given up sooner by the SDK.
const BODY_TIMEOUT: Duration = Duration::from_secs(150);

pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    region: String,
}

/// What was asked of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Write,
    Delete,
    List,
}

impl Call {
    pub(super) fn action(self) -> &'static str {
        match self {
            Call::Read => "read",
            Call::Write => "write",
            Call::Delete => "delete",
            Call::List => "list",
        }
    }
}

impl Bucket {
    pub(super) fn new(config: &SdkConfig, name: &str) -> Bucket {
        let mut timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        if let Some(said) = config.timeout_config() {
            let mut said = said.clone();
            said.take_defaults_from(&timeouts);
            timeouts = said;
        }
        let client = Client::from_conf(
            Builder::from(config)
                .behavior_version(config.behavior_version().unwrap_or_else(BehaviorVersion::latest))
                .timeout_config(timeouts)
                .retry_classifier(Conflict)
                .build(),
        );
        Bucket {
            client,
            name: name.to_owned(),
            region: config.region().map_or_else(|| "?".to_owned(), ToString::to_string),
        }
    }

    /// What an error of the SDK means to a user of the store. `key`: the prefix, for a list.
    pub(super) fn failed<E>(&self, call: Call, key: &str, error: &SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let place = Place {
            call,
            key,
            bucket: &self.name,
            region: &self.region,
        };
        let refusal = match error.raw_response() {
            Some(response) => {
                let message = match error {
                    // What the answer's body was, if not S3's words.
                    SdkError::ResponseError(_) => chain(error),
                    _ => error.message().unwrap_or_default().to_owned(),
                };
                let (status, region) = (response.status().as_u16(), response.headers().get("x-amz-bucket-region"));
                refusal::of_answer(&place, status, error.code().unwrap_or_default(), &message, region)
            }
            None => before_sending(error).unwrap_or_else(|| Refusal::Retry(chain(error))),
        };
        match refusal {
            Refusal::NotFound => StoreError::NotFound { key: key.to_owned() },
            Refusal::Denied(problem) => StoreError::Denied {
                action: call.action(),
                key: key.to_owned(),
                bucket: self.name.as_str().into(),
                problem: problem.into(),
            },
            Refusal::Retry(problem) => self.broken(call, key, &format!("{problem}{}", request_of(error))),
        }
    }

    /// The error that trying again may cure.
    pub(super) fn broken(&self, call: Call, key: &str, problem: &str) -> StoreError {
        StoreError::Io {
            action: call.action(),
            key: key.to_owned(),
            source: io::Error::other(format!("the bucket `{}`: {problem}", self.name)),
        }
    }
}

/// S3 answers 409 when two writers are at one key at the same moment: to be asked again.
#[derive(Debug)]
struct Conflict;

impl ClassifyRetry for Conflict {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            Some(response) if response.status().as_u16() == CONFLICT => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "S3 conflict"
    }
}

/// The time-outs of a request that carries a body; and its checksum, without which S3 refuses one with a lock, whatever the environment says.
pub(super) fn patient() -> Builder {
    Builder::new()
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(BODY_TIMEOUT).build())
        .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
}

/// The status that S3 answered with, if it did.
pub(super) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

pub(super) fn sent_metadata(metadata: &Metadata) -> Option<HashMap<String, String>> {
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
}

/// The metadata of an answer. `missing`: how many entries S3 keeps that HTTP cannot carry.
pub(super) fn metadata(key: &Key, told: Option<HashMap<String, String>>, missing: Option<i32>) -> Result<Metadata, StoreError> {
    match missing {
        Some(missing) if missing > 0 => Err(StoreError::Damaged {
            key: key.to_string(),
            problem: format!("{missing} entries of its metadata are not text: another program wrote them"),
        }),
        _ => Ok(told.unwrap_or_default().into_iter().collect()),
    }
}

/// An error and all it came from, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What keeps a request from being sent at all, and no later try will cure.
fn before_sending<E: Error + 'static>(error: &SdkError<E>) -> Option<Refusal> {
    if matches!(error, SdkError::ConstructionFailure(_)) {
        return Some(Refusal::Denied(format!(
            "the request cannot be made, look at `AWS_REGION` and the name of the bucket ({})",
            chain(error)
        )));
    }
    let missing = sources(error).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
        )
    });
    missing.then(|| {
        Refusal::Denied(format!(
            "there are no credentials, or their settings are wrong: sign in (`aws sso login`), or set AWS_PROFILE ({})",
            chain(error)
        ))
    })
}

/// What AWS asks for when one asks them.
fn request_of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    match (error.request_id(), error.extended_request_id()) {
        (Some(id), Some(extended)) => format!(" (request {id}, {extended})"),
        (Some(id), None) => format!(" (request {id})"),
        _ => String::new(),
    }
}
