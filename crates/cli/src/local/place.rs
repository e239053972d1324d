//! Where documents are kept: in the home's own store, or in a MongoDB database. Never anything of a URI but its hosts and its database.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A place of documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `documents.db` in the home.
    Embedded,
    Mongodb {
        hosts: Vec<String>,
        database: String,
    },
}

impl Place {
    /// Where a URI leads to. Nothing of the URI stands in the error.
    #[cfg(feature = "mongodb")]
    pub fn of_uri(uri: &secrecy::SecretString) -> Result<Place, documents::mongodb::UriError> {
        let documents::mongodb::Whereabouts { hosts, database } = documents::mongodb::Whereabouts::of(uri)?;
        Ok(Place::Mongodb { hosts, database })
    }

    /// Whether both are one place. A replica set that gained or lost a member is the same: one host in common is enough.
    pub fn is(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::Embedded, Place::Embedded) => true,
            (
                Place::Mongodb { hosts, database },
                Place::Mongodb {
                    hosts: others,
                    database: other,
                },
            ) => database == other && hosts.iter().any(|host| others.contains(host)),
            (Place::Embedded, Place::Mongodb { .. }) | (Place::Mongodb { .. }, Place::Embedded) => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Embedded => f.write_str("the home's own store"),
            Place::Mongodb { hosts, database } => write!(f, "MongoDB at {}, database `{database}`", hosts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[cfg(feature = "mongodb")]
    #[test]
    fn a_uri_leads_somewhere_and_its_credentials_lead_nowhere() {
        let of = |uri: &str| Place::of_uri(&uri.into());
        let shown = of("mongodb://ann:s3%40cret@A.example.org,b.example.org:27018/shop?tls=true")
            .unwrap()
            .to_string();
        assert_eq!(shown, "MongoDB at a.example.org:27017, b.example.org:27018, database `shop`");
        let error = of("mongodb://ann:s3@cret@localhost/x").unwrap_err().to_string();
        assert!(!error.contains("s3") && !error.contains("cret"), "{error}");
    }

    #[test]
    fn a_replica_set_stays_itself() {
        let place = |hosts: &[&str], database: &str| Place::Mongodb {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            database: database.to_owned(),
        };
        let here = place(&["a:27017", "b:27017"], "x");
        assert!(here.is(&place(&["b:27017", "c:27017"], "x")));
        assert!(!here.is(&place(&["a:27017", "b:27017"], "y")));
        assert!(!here.is(&place(&["c:27017"], "x")));
        assert!(!here.is(&Place::Embedded));
        assert!(Place::Embedded.is(&Place::Embedded));
    }
}
