//! What goes wrong between the command line and AWS, with what to do about it.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use ledger::LedgerError;
use std::error::Error;

/// An error of a stack's.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    #[error("`{stack}` is not the name of a stack: {expected}")]
    StackName { stack: String, expected: &'static str },
    #[error("no region is set")]
    NoRegion,
    #[error("AWS does not say who this is")]
    NoIdentity,
    #[error("could not {action} `{what}`: {said}")]
    Aws {
        action: &'static str,
        what: String,
        /// The service's code, where it answered: `AccessDenied`.
        code: Option<String>,
        said: String,
    },
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    #[error("{holder} is applying to this stack, since {since}")]
    Busy { holder: String, since: String },
    #[error("this apply took too long and was overtaken by another: nothing more was done")]
    Overtaken,
    #[error("could not use the URI of MongoDB")]
    Mongodb(#[from] documents::mongodb::UriError),
}

impl CloudError {
    /// What a call of the SDK came to. Only the service's own words: a request may hold more than may be shown.
    pub fn aws<E>(action: &'static str, what: impl Into<String>, error: &SdkError<E>) -> CloudError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let service = error.as_service_error();
        let code = service.and_then(|error| error.code()).map(str::to_owned);
        let said = match (service, &code) {
            (Some(error), Some(code)) => format!("{} ({code})", error.message().unwrap_or("it does not say why")),
            _ => crate::chain(error),
        };
        CloudError::Aws {
            action,
            what: what.into(),
            code,
            said,
        }
    }

    /// Whether the service says that there is no such thing.
    pub fn is_missing(&self) -> bool {
        let missing = [
            "ResourceNotFoundException",
            "AWS.SimpleQueueService.NonExistentQueue",
            "QueueDoesNotExist",
            "NoSuchBucket",
            "NotFound",
        ];
        self.code().is_some_and(|code| missing.contains(&code))
    }

    /// Whether something is set wrongly, rather than failed.
    pub fn is_wrong_use(&self) -> bool {
        matches!(
            self,
            CloudError::StackName { .. } | CloudError::NoRegion | CloudError::NoIdentity | CloudError::Mongodb(_)
        )
    }

    /// What to do now.
    pub fn next(&self) -> Option<String> {
        match self {
            CloudError::StackName { .. } => Some("name the stack as `sam deploy` does: --stack NAME, or `TIDEMILL_STACK`".to_owned()),
            CloudError::NoRegion => Some("set `AWS_REGION`, or `region` in the AWS profile".to_owned()),
            CloudError::NoIdentity => {
                Some("sign in: `aws sso login`, or set the AWS credentials; then `aws sts get-caller-identity`".to_owned())
            }
            CloudError::Aws { .. } if self.is_missing() => {
                Some("see that the stack is deployed in this account and region (`sam deploy`), and that its name is right".to_owned())
            }
            CloudError::Aws { code: Some(code), .. } if code.contains("Denied") || code.contains("NotAuthorized") => Some(
                "this identity lacks the permission: allow it in its policy; `tidemill doctor` tells what else it can't reach".to_owned(),
            ),
            CloudError::Aws { code: Some(code), .. } if code.contains("Token") || code.contains("Signature") => {
                Some("the credentials are not valid (any more): sign in again, and see that the clock is right".to_owned())
            }
            CloudError::Aws { code: None, .. } => {
                Some("see that AWS can be reached from here, and that credentials are set: `aws sts get-caller-identity`".to_owned())
            }
            CloudError::Busy { .. } => {
                Some("wait until that has ended (at most a minute, if it was killed), then type this again".to_owned())
            }
            CloudError::Overtaken => Some("type this again: it goes on where this stopped".to_owned()),
            CloudError::Mongodb(_) => Some("put the secret right, or set `TIDEMILL_MONGODB_URI`".to_owned()),
            CloudError::Aws { .. } | CloudError::Ledger(_) => None,
        }
    }

    fn code(&self) -> Option<&str> {
        match self {
            CloudError::Aws { code, .. } => code.as_deref(),
            _ => None,
        }
    }
}
