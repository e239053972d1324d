//! The requests of a source, made from its section of the pipeline file: addresses, parameters, headers, credentials. Pure, but for the
//! values of variables.

use crate::error::Error;
use crate::http::Credential;
use crate::paging::Address;
use crate::redact::Redactor;
use crate::render::Renderer;
use indexmap::IndexMap;
use pipeline::{ApiKeyLocation, Auth, Template};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

/// What a request sends beside its address.
#[derive(Default)]
pub struct Sent {
    pub credential: Credential,
    pub headers: HeaderMap,
    pub secret_params: Vec<(String, SecretString)>,
    /// The parameters without a secret.
    pub params: Vec<(String, String)>,
}

impl Sent {
    /// `headers` and `params` of the source come first; those of the resource take their place.
    pub fn new(
        renderer: &mut Renderer,
        auth: Option<&Auth>,
        headers: &[&IndexMap<String, Template>],
        params: &[&IndexMap<String, Template>],
    ) -> Result<Sent, Error> {
        let mut sent = Sent::default();
        for (name, template) in headers.iter().flat_map(|map| map.iter()) {
            let place = format!("header `{name}`");
            let rendered = renderer.render(template, &place)?;
            let bad = |problem: &str| setup(&place, problem);
            let mut value = HeaderValue::from_str(&rendered.text).map_err(|_| bad("its value cannot be sent as a header"))?;
            value.set_sensitive(rendered.secret);
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("its name is not a header's"))?;
            sent.headers.insert(name, value);
        }
        for (name, template) in params.iter().flat_map(|map| map.iter()) {
            let rendered = renderer.render(template, &format!("parameter `{name}`"))?;
            sent.secret_params.retain(|(known, _)| known != name);
            sent.params.retain(|(known, _)| known != name);
            if rendered.secret {
                sent.secret_params.push((name.clone(), rendered.text.into()));
            } else {
                sent.params.push((name.clone(), rendered.text));
            }
        }
        if let Some(auth) = auth {
            sent.authenticate(renderer, auth)?;
        }
        Ok(sent)
    }

    fn authenticate(&mut self, renderer: &mut Renderer, auth: &Auth) -> Result<(), Error> {
        let mut secret = |template: &Template, place: &str| -> Result<SecretString, Error> {
            let text = renderer.render_credential(template, place)?.text;
            if HeaderValue::from_str(&text).is_err() {
                return Err(setup(
                    place,
                    "its value holds a line end or a control character, so it cannot be sent",
                ));
            }
            Ok(text.into())
        };
        match auth {
            Auth::Bearer { token } => self.credential = Credential::Bearer(secret(token, "auth.bearer.token")?),
            Auth::Basic { username, password } => {
                self.credential = Credential::Basic(secret(username, "auth.basic.username")?, secret(password, "auth.basic.password")?);
            }
            Auth::ApiKey { name, value, location } => {
                let key = secret(value, "auth.api_key.value")?;
                match location {
                    ApiKeyLocation::Header => self.credential = Credential::Header(name.clone(), key),
                    ApiKeyLocation::Query => self.secret_params.push((name.clone(), key)),
                }
            }
        }
        Ok(())
    }

    /// What must not be kept or shown.
    pub fn redactor(&self, renderer: Renderer) -> Redactor {
        let names = self.secret_params.iter().map(|(name, _)| name.clone()).collect();
        Redactor::new(renderer.into_secrets(), names)
    }
}

/// Reads the address of a source.
pub fn base(text: &str, place: &str) -> Result<Url, Error> {
    let expected = "expected an address such as `https://api.example.org/v1/`";
    // The text may hold a secret, so it is not shown.
    let mut url = Url::parse(text).map_err(|error| setup(place, &format!("{expected}: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(setup(place, expected));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(setup(place, "it carries a user or password; they belong under `auth: {basic: …}`"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// The address below `base` at `path`, with parameters: those given later take the place of earlier ones and of those in the addresses.
pub fn address(base: &Url, path: &str, params: &[(String, String)]) -> Result<Url, Error> {
    let mut url = base.clone();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    if !path.is_empty() {
        let joined = format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&joined);
        if !url.path().starts_with(base.path().trim_end_matches('/')) {
            return Err(setup("path", "it leads out of `base_url`"));
        }
    }
    let in_addresses = [base.query(), query];
    let given = in_addresses
        .iter()
        .flatten()
        .flat_map(|query| url::form_urlencoded::parse(query.as_bytes()));
    let mut pairs: Vec<(String, String)> = given.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    for (name, value) in params {
        match pairs.iter_mut().find(|(known, _)| known == name) {
            Some(pair) => pair.1.clone_from(value),
            None => pairs.push((name.clone(), value.clone())),
        }
    }
    url.set_query(None);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(url)
}

/// How the address of a next page is kept: relative to the first of `bases` that it is below.
pub fn kept_address(bases: &[Url], redactor: &Redactor, mut url: Url) -> Address {
    // Fails only for URLs that cannot carry a user anyway.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let url = redactor.without_secret_params(url);
    let below = |base: &Url| {
        url.as_str()
            .strip_prefix(start(base))
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    match bases.iter().find_map(below) {
        Some(rest) => Address::Below(rest.to_owned()),
        None => Address::Whole(url.into()),
    }
}

/// The address that was kept.
pub fn whole_address(base: &Url, kept: &Address) -> Option<Url> {
    match kept {
        Address::Below(rest) => Url::parse(&format!("{}{rest}", start(base))).ok(),
        Address::Whole(url) => Url::parse(url).ok(),
    }
}

/// What everything below an address starts with.
fn start(base: &Url) -> &str {
    base.as_str().split('?').next().unwrap_or_default().trim_end_matches('/')
}

fn setup(place: &str, problem: &str) -> Error {
    Error::Setup {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn addresses() {
        for (base_url, path, params, expected) in [
            ("https://h/v1/", "query", vec![("a", "1")], "https://h/v1/query?a=1"),
            ("https://h/v1", "/query", vec![], "https://h/v1/query"),
            ("https://h/v1", "", vec![], "https://h/v1"),
            ("https://h", "a b/ü", vec![("q", "x y&z")], "https://h/a%20b/%C3%BC?q=x+y%26z"),
            (
                "https://h/v1/?key=0",
                "q?a=1&b=2",
                vec![("a", "9"), ("c", "3")],
                "https://h/v1/q?key=0&a=9&b=2&c=3",
            ),
            ("https://h/v1/", "a/../b", vec![], "https://h/v1/b"),
        ] {
            let params: Vec<(String, String)> = params.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(
                address(&base(base_url, "base_url").unwrap(), path, &params).unwrap().as_str(),
                expected
            );
        }
        assert!(address(&base("https://h/v1/", "").unwrap(), "../v2", &[]).is_err());
        for bad in ["ftp://h/", "h/v1", "https://", "https://u:p@h/", "mailto:x@y"] {
            assert!(base(bad, "base_url").is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_next_pages() {
        let redactor = Redactor::new(["s3".into()], vec!["key".into()]);
        let bases = [
            Url::parse("http://127.0.0.1:4000/v1/").unwrap(),
            Url::parse("https://api.example.org/v1").unwrap(),
        ];
        for (url, expected) in [
            ("http://127.0.0.1:4000/v1/x?page=2&key=s3", Address::Below("/x?page=2".into())),
            ("https://api.example.org/v1/x#f", Address::Below("/x".into())),
            ("https://api.example.org/v1?page=2", Address::Below("?page=2".into())),
            ("https://api.example.org/v12", Address::Whole("https://api.example.org/v12".into())),
            ("https://u:p@other.example/x", Address::Whole("https://other.example/x".into())),
        ] {
            assert_eq!(kept_address(&bases, &redactor, Url::parse(url).unwrap()), expected);
        }
        let moved = Url::parse("http://127.0.0.1:5000/v1/").unwrap();
        assert_eq!(
            whole_address(&moved, &Address::Below("/x?page=2".into())).unwrap().as_str(),
            "http://127.0.0.1:5000/v1/x?page=2"
        );
    }
}
