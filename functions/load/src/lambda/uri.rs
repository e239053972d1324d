//! MongoDB's URI, kept in a secret: its field `uri`, completed by its field `database` where it names none.

use async_trait::async_trait;
use documents::mongodb::{Uri, UriError, with_database};
use host::secrets::{SecretError, Secrets};
use ledger::Next;
use secrecy::{ExposeSecret as _, SecretString};

const URI: &str = "uri";
const DATABASE: &str = "database";

/// The secret that holds the URI.
#[derive(Clone, Debug)]
pub struct UriSecret {
    secrets: Secrets,
    name: String,
}

impl UriSecret {
    pub fn new(secrets: Secrets, name: String) -> UriSecret {
        UriSecret { secrets, name }
    }

    async fn read(&self, renew: bool) -> Result<SecretString, SecretError> {
        if renew {
            self.secrets.refresh(&self.name).await?;
        }
        let uri = self.secrets.value(&self.name, URI).await?;
        match self.secrets.value(&self.name, DATABASE).await {
            Ok(database) => Ok(with_database(uri.expose_secret(), database.expose_secret()).into()),
            Err(SecretError::NoField { .. }) => Ok(uri),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Uri for UriSecret {
    async fn uri(&self, renew: bool) -> Result<SecretString, UriError> {
        self.read(renew).await.map_err(|error| match error.next() {
            Next::Retry => UriError::Unavailable(error.to_string()),
            Next::Reject | Next::Alarm => UriError::Unusable(error.to_string()),
        })
    }
}
