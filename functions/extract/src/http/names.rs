//! From a host's name to its addresses, without those that a name must not lead to.

use crate::address::is_public;
use crate::redirect::Refusal;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where names are looked up.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// As the operating system does.
    #[default]
    System,
    /// In this table only.
    Fixed(BTreeMap<String, Vec<IpAddr>>),
}

/// The resolver of a client: only the host that the pipeline names may have an address that is not public.
pub(super) struct Guarded {
    pub names: Arc<Names>,
    pub home: Option<String>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.names.clone();
        let any_address = self.home.as_deref().is_some_and(|home| home.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let mut found: Vec<SocketAddr> = match &*names {
                Names::System => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
                Names::Fixed(table) => {
                    let addresses = table.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
                    addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect()
                }
            };
            if found.is_empty() {
                return Err("the name has no address".into());
            }
            if !any_address {
                found.retain(|address| is_public(address.ip()));
            }
            if found.is_empty() {
                return Err(Refusal::NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    async fn resolved(home: &str, name: &str) -> Result<Vec<String>, String> {
        let table = [
            ("inner.example", vec!["127.0.0.1"]),
            ("mixed.example", vec!["10.0.0.1", "1.1.1.1", "::1"]),
            ("none.example", vec![]),
        ];
        let table = table
            .into_iter()
            .map(|(name, all)| (name.to_owned(), all.iter().map(|a| a.parse().unwrap()).collect()));
        let guarded = Guarded {
            names: Arc::new(Names::Fixed(table.collect())),
            home: Some(home.to_owned()),
        };
        let found = guarded.resolve(name.parse().unwrap()).await.map_err(|error| error.to_string())?;
        Ok(found.map(|address| address.ip().to_string()).collect())
    }

    #[tokio::test]
    async fn only_the_pipelines_own_host_may_be_private() {
        assert_eq!(resolved("INNER.example", "inner.example").await.unwrap(), ["127.0.0.1"]);
        assert_eq!(resolved("other.example", "mixed.example").await.unwrap(), ["1.1.1.1"]);
        assert_eq!(
            resolved("other.example", "inner.example").await.unwrap_err(),
            Refusal::NotPublic.to_string()
        );
        assert_eq!(
            resolved("none.example", "none.example").await.unwrap_err(),
            "the name has no address"
        );
    }
}
