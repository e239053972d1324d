//! The URI of the stack's MongoDB: in a secret, read with the caller's own right.

use super::CloudError;
use async_trait::async_trait;
use aws_config::SdkConfig;
use documents::mongodb::{Uri, UriError, with_database};
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};

/// Where the secret is, and what it held when it was read last.
pub(super) struct SecretUri {
    client: aws_sdk_secretsmanager::Client,
    secret: String,
    kept: Mutex<Option<SecretString>>,
}

/// The secret's text.
#[derive(Deserialize)]
struct Fields {
    uri: String,
    database: Option<String>,
}

impl SecretUri {
    pub fn new(config: &SdkConfig, secret: &str) -> SecretUri {
        SecretUri {
            client: aws_sdk_secretsmanager::Client::new(config),
            secret: secret.to_owned(),
            kept: Mutex::default(),
        }
    }

    async fn read(&self) -> Result<SecretString, UriError> {
        let answer = self.client.get_secret_value().secret_id(&self.secret).send().await;
        let answer = answer.map_err(|error| {
            let error = CloudError::aws("read the secret", &self.secret, &error);
            match &error {
                CloudError::Aws { code: Some(_), .. } => UriError::Unusable(format!("{error}: {}", advice())),
                _ => UriError::Unavailable(error.to_string()),
            }
        })?;
        let text = answer.secret_string.unwrap_or_default();
        let fields: Fields = serde_json::from_str(&text).map_err(|_| {
            // Nothing of the text, nor of what serde says of it: it quotes.
            let problem = "is not a JSON object with the text `uri` (and, if the URI names none, `database`)";
            UriError::Unusable(format!("the secret `{}` {problem}", self.secret))
        })?;
        let database = fields.database.filter(|name| !name.is_empty());
        Ok(match database {
            Some(database) => with_database(&fields.uri, &database).into(),
            None => fields.uri.trim().to_owned().into(),
        })
    }
}

fn advice() -> &'static str {
    "see that it is there and that this identity may read it, or set `TIDEMILL_MONGODB_URI`"
}

#[async_trait]
impl Uri for SecretUri {
    async fn uri(&self, renew: bool) -> Result<SecretString, UriError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept().clone().filter(|_| !renew);
        if let Some(uri) = before {
            return Ok(uri);
        }
        let uri = self.read().await?;
        *kept() = Some(uri.clone());
        Ok(uri)
    }
}
