//! Where documents are kept: in the home's own store, or in a MongoDB database. Never anything of a URI but its hosts and its database.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The database when the URI names none.
const DATABASE: &str = "tidemill";

/// The port when a host names none.
const PORT: &str = ":27017";

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

/// A URI that does not say where its server is. Nothing of it is repeated: what stands at the wrong place may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriFault {
    #[error("it does not begin with `mongodb://` or `mongodb+srv://`")]
    Scheme,
    #[error("`@`, `/`, `?` or `:` stands in its user or password: write them as `%40`, `%2F`, `%3F`, `%3A`")]
    NotEncoded,
    #[error("it names no server: expected `mongodb://HOST:PORT/DATABASE`")]
    Host,
    #[error("its database is not a name: expected letters, digits, `_` and `-`")]
    Database,
}

impl Place {
    /// Where a URI leads to.
    pub fn of_uri(uri: &str) -> Result<Place, UriFault> {
        let uri = uri.trim();
        let srv = uri.strip_prefix("mongodb+srv://");
        let rest = srv.or_else(|| uri.strip_prefix("mongodb://")).ok_or(UriFault::Scheme)?;
        let authority_ends = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(authority_ends);
        let hosts = match authority.split_once('@') {
            Some((_, hosts)) => hosts,
            None => authority,
        };
        if hosts.contains('@') || behind.contains('@') {
            return Err(UriFault::NotEncoded);
        }
        let hosts: Vec<String> = hosts
            .split(',')
            .map(|host| full(host, srv.is_some()))
            .collect::<Option<_>>()
            .ok_or(UriFault::Host)?;
        let path = behind.strip_prefix('/').unwrap_or_default();
        let database = path.split('?').next().unwrap_or_default();
        if !database.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            return Err(UriFault::Database);
        }
        Ok(Place::Mongodb {
            hosts,
            database: if database.is_empty() { DATABASE } else { database }.to_owned(),
        })
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

/// A host with its port, in lower case; `None` when it is no host.
fn full(host: &str, srv: bool) -> Option<String> {
    let ours = |c: char| c.is_ascii_alphanumeric() || "._-%[]:".contains(c);
    if host.is_empty() || !host.chars().all(ours) {
        return None;
    }
    // A socket's path and an IPv6 address may hold what else separates a port.
    let address_ends = host.rfind(']').map_or(0, |end| end + 1);
    let socket = host.contains('%');
    match host.get(address_ends..)?.split_once(':') {
        Some((_, port)) => port.parse::<u16>().is_ok().then(|| host.to_ascii_lowercase()),
        None if srv || socket => Some(host.to_owned()),
        None => Some(host.to_ascii_lowercase() + PORT),
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

    #[test]
    fn a_uri_leads_somewhere_and_its_credentials_lead_nowhere() {
        let check = |uri: &str, expected: &str| assert_eq!(Place::of_uri(uri).unwrap().to_string(), expected);
        check("mongodb://localhost", "MongoDB at localhost:27017, database `tidemill`");
        check(" mongodb://LOCALHOST:7/\n", "MongoDB at localhost:7, database `tidemill`");
        check(
            "mongodb://ann:s3%40cret@a.example.org,b.example.org:27018/shop?tls=true",
            "MongoDB at a.example.org:27017, b.example.org:27018, database `shop`",
        );
        check(
            "mongodb+srv://ann:s3cret@cluster0.example.org/?w=1",
            "MongoDB at cluster0.example.org, database `tidemill`",
        );
        check("mongodb://[::1]:27018/x", "MongoDB at [::1]:27018, database `x`");
        check("mongodb://[::1]/x", "MongoDB at [::1]:27017, database `x`");
        check(
            "mongodb://%2Ftmp%2Fmongodb-27017.sock/x",
            "MongoDB at %2Ftmp%2Fmongodb-27017.sock, database `x`",
        );
    }

    #[test]
    fn what_leads_nowhere_is_not_repeated() {
        let check = |uri: &str, expected: UriFault| {
            assert_eq!(Place::of_uri(uri), Err(expected), "{uri}");
            assert!(!expected.to_string().contains("s3"));
        };
        check("localhost:27017", UriFault::Scheme);
        check("postgres://ann:s3cret@localhost", UriFault::Scheme);
        check("mongodb://ann:s3@cret@localhost/x", UriFault::NotEncoded);
        check("mongodb://ann:s3/cret@localhost/x", UriFault::NotEncoded);
        check("mongodb://ann:s3?cret@localhost/x", UriFault::NotEncoded);
        check("mongodb://ann:s3cret/x", UriFault::Host);
        check("mongodb://ann:s3cret@/x", UriFault::Host);
        check("mongodb://a,,b", UriFault::Host);
        check("mongodb://a/s3 cret", UriFault::Database);
    }

    #[test]
    fn a_replica_set_stays_itself() {
        let place = |uri: &str| Place::of_uri(uri).unwrap();
        assert!(place("mongodb://a,b/x").is(&place("mongodb://ann:s3@b:27017,c/x?tls=true")));
        assert!(!place("mongodb://a,b/x").is(&place("mongodb://a,b/y")));
        assert!(!place("mongodb://a/x").is(&place("mongodb://b/x")));
        assert!(!place("mongodb://a/x").is(&Place::Embedded));
        assert!(Place::Embedded.is(&Place::Embedded));
    }
}
