//! One configuration for all AWS clients of a process, and what is told of a call that failed.

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use std::error::Error;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the request to the first byte of its answer. The lake and the ledger have bounds of their own beside it.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Region, credentials and end points as the environment says; HTTPS by rustls with ring.
pub async fn config() -> SdkConfig {
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .timeout_config(timeouts.build())
        .load()
        .await
}

/// Why a call failed: the service's code and words, or what happened on the way. Never a header or a body, which the SDK's own texts hold: an answer that
/// could not be read may be a secret's.
pub fn problem<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let SdkError::ServiceError(service) = error {
        let code = service.err().code().unwrap_or("an error without a code");
        return match service.err().message() {
            Some(message) => format!("{code}: {message}"),
            None => code.to_owned(),
        };
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_secretsmanager::error::ErrorMetadata;
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

    type Failed = SdkError<GetSecretValueError, &'static str>;

    #[test]
    fn a_problem_tells_the_services_words_and_nothing_of_the_answer() {
        let denied = ErrorMetadata::builder().code("AccessDeniedException").message("not you").build();
        let denied: Failed = SdkError::service_error(GetSecretValueError::generic(denied), "t0p in a body");
        assert_eq!(problem(&denied), "AccessDeniedException: not you");
        let unread: Failed = SdkError::response_error("it ends too early", "t0p in a body");
        assert_eq!(problem(&unread), "response error: it ends too early");
    }
}
