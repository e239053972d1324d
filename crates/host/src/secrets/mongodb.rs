//! MongoDB's URI, kept in a secret: its field `uri`, completed by its field `database` where it names none.

use super::{Fields, SecretError, Secrets};
use async_trait::async_trait;
use documents::mongodb::{Uri, UriError, with_database};
use ledger::Next;
use secrecy::{ExposeSecret as _, SecretString};

const URI: &str = "uri";
const DATABASE: &str = "database";

/// The secret that holds the URI. Nothing is asked before the URI is.
#[derive(Clone, Debug)]
pub struct SecretUri {
    secrets: Secrets,
    name: String,
    advice: Option<&'static str>,
}

impl SecretUri {
    pub fn new(secrets: Secrets, name: impl Into<String>) -> SecretUri {
        SecretUri {
            secrets,
            name: name.into(),
            advice: None,
        }
    }

    /// What whoever reads it may do where the secret gives none.
    pub fn advising(self, advice: &'static str) -> SecretUri {
        SecretUri {
            advice: Some(advice),
            ..self
        }
    }

    async fn read(&self, renew: bool) -> Result<SecretString, SecretError> {
        if renew {
            self.secrets.refresh(&self.name).await?;
        }
        let fields = self.secrets.fields(&self.name).await?;
        uri_of(&fields).ok_or_else(|| self.secrets.no_field(&fields, &self.name, URI))
    }
}

#[async_trait]
impl Uri for SecretUri {
    async fn uri(&self, renew: bool) -> Result<SecretString, UriError> {
        self.read(renew).await.map_err(|error| match (error.next(), self.advice) {
            (Next::Retry, _) => UriError::Unavailable(error.to_string()),
            (Next::Reject | Next::Alarm, None) => UriError::Unusable(error.to_string()),
            (Next::Reject | Next::Alarm, Some(advice)) => UriError::Unusable(format!("{error}; {advice}")),
        })
    }
}

/// The URI of a secret's fields. An empty `database` is none.
pub fn uri_of(fields: &Fields) -> Option<SecretString> {
    let uri = fields.get(URI)?.expose_secret().trim();
    let database = fields.get(DATABASE).map_or("", |database| database.expose_secret());
    Some(match database {
        "" => uri.to_owned().into(),
        database => with_database(uri, database).into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_database_counts_where_the_uri_names_none() {
        for (text, expected) in [
            (r#"{"uri": " mongodb://h "}"#, Some("mongodb://h")),
            (r#"{"uri": "mongodb://h", "database": ""}"#, Some("mongodb://h")),
            (r#"{"uri": "mongodb://h", "database": "d"}"#, Some("mongodb://h/d")),
            (r#"{"uri": "mongodb://h/own", "database": "d"}"#, Some("mongodb://h/own")),
            (r#"{"database": "d"}"#, None),
        ] {
            let uri = uri_of(&Fields::parse(text).unwrap());
            assert_eq!(uri.as_ref().map(|uri| uri.expose_secret()), expected, "{text}");
        }
    }
}
