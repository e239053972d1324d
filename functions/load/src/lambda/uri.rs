//! MongoDB's URI, kept in a secret: its field `uri`, completed by its field `database` where it names none.

use async_trait::async_trait;
use documents::mongodb::{Uri, UriError};
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

/// The URI with a database: its own, or else this one. What is no URI stays as it is, for the driver to tell.
///
/// A database in a URI is also where a password is looked up, unless `authSource` says otherwise: without one that is `admin`, and must stay so.
fn with_database(uri: &str, database: &str) -> String {
    let uri = uri.trim();
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let (before, mut options) = match rest.split_once('?') {
        Some((before, options)) => (before, format!("?{options}")),
        None => (rest, String::new()),
    };
    if before.contains('@') && !says_where_users_are(&options) {
        options.push_str(if options.len() > 1 { "&" } else { "?" });
        options = options.replacen("??", "?", 1) + "authSource=admin";
    }
    // A user's name and password hold no `/` as it is.
    match before.split_once('/') {
        Some((_, named)) if !named.is_empty() => uri.to_owned(),
        Some((hosts, _)) => format!("{scheme}://{hosts}/{database}{options}"),
        None => format!("{scheme}://{before}/{database}{options}"),
    }
}

/// Whether the options name the database of the users, or a mechanism that has one of its own.
fn says_where_users_are(options: &str) -> bool {
    options.trim_start_matches('?').split('&').any(|option| {
        let option = option.to_ascii_lowercase();
        let mechanism = option.strip_prefix("authmechanism=");
        option.starts_with("authsource=") || mechanism.is_some_and(|mechanism| !mechanism.starts_with("scram"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uris_own_database_goes_first() {
        for (uri, expected) in [
            ("mongodb://h/shop", "mongodb://h/shop"),
            ("mongodb://h/shop?w=1", "mongodb://h/shop?w=1"),
            ("mongodb://h", "mongodb://h/other"),
            (" mongodb://u:p%2F@h:1,i:2/ \n", "mongodb://u:p%2F@h:1,i:2/other?authSource=admin"),
            ("mongodb://u:p@h/?", "mongodb://u:p@h/other?authSource=admin"),
            ("mongodb://u:p@h/?w=1", "mongodb://u:p@h/other?w=1&authSource=admin"),
            (
                "mongodb://u:p@h/?authMechanism=SCRAM-SHA-256",
                "mongodb://u:p@h/other?authMechanism=SCRAM-SHA-256&authSource=admin",
            ),
            ("mongodb://u:p@h/?AUTHSOURCE=x", "mongodb://u:p@h/other?AUTHSOURCE=x"),
            (
                "mongodb://u@h/?authMechanism=MONGODB-X509",
                "mongodb://u@h/other?authMechanism=MONGODB-X509",
            ),
            ("mongodb://h/?w=1&authSource=a", "mongodb://h/other?w=1&authSource=a"),
            ("mongodb+srv://h?w=1", "mongodb+srv://h/other?w=1"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(with_database(uri, "other"), expected);
        }
    }
}
