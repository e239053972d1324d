//! Secrets of AWS Secrets Manager: a secret is a JSON object, a value one of its fields. Kept for a while, read again when they were refused.

#[cfg(feature = "mongodb")]
pub mod mongodb;
mod parse;

use crate::sdk::problem;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
pub use parse::Fields;
use secrecy::SecretString;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a secret is used before it is read again: so long a rotated one may go unseen where nothing refuses the old one.
pub const KEPT: Duration = Duration::from_secs(10 * 60);
/// A secret is not read again more often than this, however often it is refused.
pub const REFRESHED_EVERY: Duration = Duration::from_secs(60);

/// The secrets of a stack. Clones share what they keep.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
    prefix: String,
    /// A lock a secret: one call in flight for each, and none waits for another's.
    kept: Arc<Mutex<HashMap<String, Arc<Mutex<Slot>>>>>,
}

#[derive(Default)]
struct Slot {
    read: Option<(Instant, Arc<Fields>)>,
}

impl Secrets {
    /// `${secret:NAME#field}` is the field `field` of the secret called `prefix` + `NAME`.
    pub fn new(config: &SdkConfig, prefix: impl Into<String>) -> Secrets {
        Secrets {
            client: Client::new(config),
            prefix: prefix.into(),
            kept: Arc::default(),
        }
    }

    /// The value of a field.
    pub async fn value(&self, name: &str, field: &str) -> Result<SecretString, SecretError> {
        let fields = self.fields(name).await?;
        fields.get(field).cloned().ok_or_else(|| self.no_field(&fields, name, field))
    }

    /// All fields of one reading.
    pub async fn fields(&self, name: &str) -> Result<Arc<Fields>, SecretError> {
        let slot = self.slot(name).await;
        let mut slot = slot.lock().await;
        if let Some((at, fields)) = &slot.read
            && at.elapsed() < KEPT
        {
            return Ok(fields.clone());
        }
        let fields = Arc::new(self.read(name).await?);
        slot.read = Some((Instant::now(), fields.clone()));
        Ok(fields)
    }

    /// Reads the secret again: after somebody refused its value. Whether it was read: not if that was less than [`REFRESHED_EVERY`] ago.
    pub async fn refresh(&self, name: &str) -> Result<bool, SecretError> {
        let slot = self.slot(name).await;
        let mut slot = slot.lock().await;
        if slot.read.as_ref().is_some_and(|(at, _)| at.elapsed() < REFRESHED_EVERY) {
            return Ok(false);
        }
        let fields = self.read(name).await?;
        slot.read = Some((Instant::now(), Arc::new(fields)));
        Ok(true)
    }

    async fn slot(&self, name: &str) -> Arc<Mutex<Slot>> {
        self.kept.lock().await.entry(name.to_owned()).or_default().clone()
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn no_field(&self, fields: &Fields, name: &str, field: &str) -> SecretError {
        SecretError::NoField {
            secret: self.full_name(name),
            field: field.to_owned(),
            fields: fields.names(),
        }
    }

    async fn read(&self, name: &str) -> Result<Fields, SecretError> {
        let secret = self.full_name(name);
        let output = match self.client.get_secret_value().secret_id(&secret).send().await {
            Ok(output) => output,
            Err(error) => {
                return Err(match error.code() {
                    Some("ResourceNotFoundException") => SecretError::Missing { secret },
                    Some("AccessDeniedException" | "DecryptionFailure") => SecretError::Denied {
                        secret,
                        problem: problem(&error),
                    },
                    // Among others: it is marked for deletion.
                    Some("InvalidRequestException" | "InvalidParameterException") => SecretError::Unusable {
                        secret,
                        problem: problem(&error),
                    },
                    _ => SecretError::Unreachable {
                        secret,
                        problem: problem(&error),
                    },
                });
            }
        };
        match output.secret_string() {
            Some(text) => Fields::parse(text).map_err(|problem| SecretError::NotFields { secret, problem }),
            None => Err(SecretError::Binary { secret }),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Why there is no value. Names only, never a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "there is no secret `{secret}` in Secrets Manager: create it with `aws secretsmanager create-secret --name {secret} --secret-string file://FILE`"
    )]
    Missing { secret: String },
    #[error(
        "the secret `{secret}` may not be read ({problem}): a function's role reads only secrets of its stack, and whoever reads one needs the key it is encrypted with"
    )]
    Denied { secret: String, problem: String },
    #[error("the secret `{secret}` can't be used ({problem})")]
    Unusable { secret: String, problem: String },
    #[error("the secret `{secret}` could not be read ({problem})")]
    Unreachable { secret: String, problem: String },
    #[error("the secret `{secret}` is binary, expected a JSON object of texts, like {{\"field\": \"value\"}}")]
    Binary { secret: String },
    #[error("the secret `{secret}` {problem}, expected a JSON object of texts, like {{\"field\": \"value\"}}")]
    NotFields { secret: String, problem: String },
    #[error("the secret `{secret}` has no field `{field}`; it has: {fields}")]
    NoField { secret: String, field: String, fields: String },
}

impl SecretError {
    /// Whether trying again may go well without anybody's doing.
    pub fn next(&self) -> ledger::Next {
        match self {
            SecretError::Unreachable { .. } => ledger::Next::Retry,
            SecretError::Missing { .. }
            | SecretError::Denied { .. }
            | SecretError::Unusable { .. }
            | SecretError::Binary { .. }
            | SecretError::NotFields { .. }
            | SecretError::NoField { .. } => ledger::Next::Alarm,
        }
    }
}
