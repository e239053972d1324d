//! The URI of the stack's MongoDB: in a secret, read with the caller's own right.

use super::CloudError;
use async_trait::async_trait;
use aws_config::SdkConfig;
use documents::mongodb::{Uri, UriError};
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
        Ok(with_database(fields.uri.trim(), fields.database.as_deref()).into())
    }
}

fn advice() -> &'static str {
    "see that it is there and that this identity may read it, or set `TIDEMILL_MONGODB_URI`"
}

/// The URI with the database in its path, unless it names one.
fn with_database(uri: &str, database: Option<&str>) -> String {
    let Some(database) = database.filter(|name| !name.is_empty()) else {
        return uri.to_owned();
    };
    let (address, options) = match uri.split_once('?') {
        Some((address, options)) => (address, format!("?{options}")),
        None => (uri, String::new()),
    };
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    match after_scheme.split_once('/') {
        Some((_, named)) if !named.is_empty() => uri.to_owned(),
        Some(_) => format!("{address}{database}{options}"),
        None => format!("{address}/{database}{options}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_the_uris_or_the_secrets() {
        let check = |uri: &str, expected: &str| assert_eq!(with_database(uri, Some("shop")), expected);
        check("mongodb://a:b@h:1,i:2", "mongodb://a:b@h:1,i:2/shop");
        check("mongodb://h/?tls=true", "mongodb://h/shop?tls=true");
        check("mongodb://h?tls=true", "mongodb://h/shop?tls=true");
        check("mongodb+srv://h/mine?tls=true", "mongodb+srv://h/mine?tls=true");
        assert_eq!(with_database("mongodb://h", None), "mongodb://h");
        assert_eq!(with_database("mongodb://h", Some("")), "mongodb://h");
    }
}
