//! Whether a redirect may be followed, and what may go with it. Pure.

use crate::address::is_public;
use std::net::IpAddr;
use url::{Host, Url};

/// The most redirects of one request.
pub const HOPS_MAX: u32 = 10;

/// A request that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub url: Url,
    /// Whether the pipeline's credentials and headers go with it.
    pub credentials: bool,
}

/// Why a redirect or an address is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("more than {HOPS_MAX} redirects, one after another")]
    TooMany,
    #[error("a place without a good address")]
    NoLocation,
    #[error("an address that holds a secret where it cannot be taken out, so it cannot be kept")]
    Secret,
    #[error("an address that is neither http nor https")]
    Scheme,
    #[error("an address with http, named by one with https, of a source that is asked with credentials or headers")]
    Downgrade,
    /// Another host must not choose what is asked in our name.
    #[error(
        "a next page at the source itself, named by a reply from another scheme, host or port: it would be asked for with the credentials or headers; set `base_url` to where the replies come from"
    )]
    Foreign,
    /// Server-side request forgery: a reply must not send us into the network that we run in.
    #[error("an address that is not public, and not the one that `base_url` names")]
    NotPublic,
}

/// The hop that `location` asks for, after `hops` redirects from `from`. `home` is the pipeline's own address: credentials go only to its
/// scheme, host and port, and never again once a request of the chain went without them; only its host may be one that is not public.
pub fn follow(home: &Url, from: &Hop, location: Option<&str>, hops: u32) -> Result<Hop, Refusal> {
    if hops >= HOPS_MAX {
        return Err(Refusal::TooMany);
    }
    let mut url = location.and_then(|l| from.url.join(l).ok()).ok_or(Refusal::NoLocation)?;
    url.set_fragment(None);
    if from.credentials && is_downgrade(&from.url, &url) {
        return Err(Refusal::Downgrade);
    }
    allowed(home, &url)?;
    Ok(Hop {
        credentials: from.credentials && url.origin() == home.origin(),
        url,
    })
}

/// The address of a next page that `reply` (where the reply came from) names as `reference`. One with http at the host that was just asked
/// with https is asked there with https too: behind a proxy that ends TLS, a source knows no better.
pub fn next_page(reply: &Url, reference: &str) -> Result<Url, Refusal> {
    let mut url = reply.join(reference).map_err(|_| Refusal::NoLocation)?;
    let same_port = url.port().is_none() || url.port() == reply.port_or_known_default();
    if is_downgrade(reply, &url) && url.host() == reply.host() && same_port {
        let raised = url.set_scheme("https").and_then(|()| url.set_port(reply.port()));
        raised.map_err(|()| Refusal::Scheme)?;
    }
    Ok(url)
}

/// Whether a next page may be asked for at `url`, as `reply` says. `private` is whether anything of the pipeline's goes with requests to `home`.
pub fn next_allowed(home: &Url, reply: &Url, url: &Url, private: bool) -> Result<(), Refusal> {
    if private && is_downgrade(reply, url) {
        return Err(Refusal::Downgrade);
    }
    if private && url.origin() == home.origin() && reply.origin() != home.origin() {
        return Err(Refusal::Foreign);
    }
    allowed(home, url)
}

fn is_downgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() == "http"
}

/// Whether a URL may be asked at all. A name is checked when it is resolved.
pub fn allowed(home: &Url, url: &Url) -> Result<(), Refusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::Scheme);
    }
    let literal = match url.host() {
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(Refusal::Scheme),
    };
    if is_public(literal) || url.host() == home.host() {
        Ok(())
    } else {
        Err(Refusal::NotPublic)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn check(home: &str, from: (&str, bool), location: &str) -> Result<(String, bool), Refusal> {
        let from = Hop {
            url: url(from.0),
            credentials: from.1,
        };
        follow(&url(home), &from, Some(location), 0).map(|hop| (hop.url.to_string(), hop.credentials))
    }

    #[test]
    fn redirects() {
        let home = "https://api.example.org/v1/";
        let here = ("https://api.example.org/v1/a", true);
        let to = |url: &str, credentials| Ok((url.to_owned(), credentials));
        for (from, location, expected) in [
            (here, "/v2/a?x=1", to("https://api.example.org/v2/a?x=1", true)),
            (here, "b#f", to("https://api.example.org/v1/b", true)),
            (here, "https://cdn.example.org/b", to("https://cdn.example.org/b", false)),
            (here, "https://api.example.org:8443/b", to("https://api.example.org:8443/b", false)),
            (here, "https://api.example.org:443/b", to("https://api.example.org/b", true)),
            (here, "http://api.example.org/b", Err(Refusal::Downgrade)),
            (
                ("https://cdn.example.org/b", false),
                "http://cdn.example.org/b",
                to("http://cdn.example.org/b", false),
            ),
            (
                ("https://cdn.example.org/b", false),
                "https://api.example.org/b",
                to("https://api.example.org/b", false),
            ),
            (here, "file:///etc/passwd", Err(Refusal::Scheme)),
            (here, "data:text/plain,x", Err(Refusal::Scheme)),
            (here, "https://169.254.169.254/latest", Err(Refusal::NotPublic)),
            (here, "https://127.0.0.1/", Err(Refusal::NotPublic)),
            (here, "https://2130706433/", Err(Refusal::NotPublic)),
            (here, "https://0x7f.1/", Err(Refusal::NotPublic)),
            (here, "https://[::ffff:10.0.0.1]/", Err(Refusal::NotPublic)),
            (here, "https://8.8.8.8/", to("https://8.8.8.8/", false)),
            (here, "https://", Err(Refusal::NoLocation)),
        ] {
            assert_eq!(check(home, from, location), expected, "{location}");
        }
    }

    #[test]
    fn next_pages() {
        let home = "https://api.example.org/v1/";
        let other = "https://cdn.example.org/a";
        let to = |url: &str| Ok(url.to_owned());
        for (reply, reference, public, private) in [
            (home, "/v1/?p=2", to("https://api.example.org/v1/?p=2"), None),
            (home, "http://api.example.org/v1/?p=2", to("https://api.example.org/v1/?p=2"), None),
            (home, "http://api.example.org:443/", to("https://api.example.org/"), None),
            (
                home,
                "http://api.example.org:8080/",
                to("http://api.example.org:8080/"),
                Some(Refusal::Downgrade),
            ),
            (home, "http://other.example/", to("http://other.example/"), Some(Refusal::Downgrade)),
            (home, "https://cdn.example.org/b", to("https://cdn.example.org/b"), None),
            (other, "/b", to("https://cdn.example.org/b"), None),
            (
                other,
                "https://api.example.org/v1/admin",
                to("https://api.example.org/v1/admin"),
                Some(Refusal::Foreign),
            ),
            ("https://h:8443/a", "http://h/b", to("https://h:8443/b"), None),
            ("https://h:8443/a", "http://h:8443/b", to("https://h:8443/b"), None),
            ("http://h/a", "http://h/b", to("http://h/b"), None),
            (home, "https://127.0.0.1/", Err(Refusal::NotPublic), None),
            (home, "file:///etc/passwd", Err(Refusal::Scheme), None),
            (home, "http://", Err(Refusal::NoLocation), None),
        ] {
            let (home, reply) = (url(home), url(reply));
            let next = |private| {
                let next = next_page(&reply, reference)?;
                next_allowed(&home, &reply, &next, private).map(|()| next.to_string())
            };
            assert_eq!(next(false), public, "{reference}");
            assert_eq!(next(true), private.map_or(public, Err), "{reference}");
        }
    }

    #[test]
    fn a_private_home_is_only_itself() {
        let home = "http://127.0.0.1:8080/";
        let here = ("http://127.0.0.1:8080/a", true);
        assert_eq!(check(home, here, "/b"), Ok(("http://127.0.0.1:8080/b".into(), true)));
        assert_eq!(
            check(home, here, "http://127.0.0.1:9090/b"),
            Ok(("http://127.0.0.1:9090/b".into(), false))
        );
        assert_eq!(check(home, here, "http://127.0.0.2:8080/b"), Err(Refusal::NotPublic));
    }

    #[test]
    fn a_chain_ends() {
        let hop = Hop {
            url: url("https://a.example/"),
            credentials: false,
        };
        assert!(follow(&hop.url, &hop, Some("/"), HOPS_MAX - 1).is_ok());
        assert_eq!(follow(&hop.url, &hop, Some("/"), HOPS_MAX), Err(Refusal::TooMany));
        assert_eq!(follow(&hop.url, &hop, None, 0), Err(Refusal::NoLocation));
    }
}
