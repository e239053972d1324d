//! Secrets are taken out of every text that is kept or shown. Pure.

use url::Url;

/// What stands in a text where a secret stood.
const REDACTED: &str = "[redacted]";

/// The secrets of a run, and the query parameters that carry them. Its `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The values and their forms in a URL; the longest first, so that none hides in a longer one.
    secrets: Vec<String>,
    secret_params: Vec<String>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// `secret_params` are the query parameters that hold one.
    pub fn new(values: impl IntoIterator<Item = String>, secret_params: Vec<String>) -> Redactor {
        let mut secrets = Vec::new();
        for value in values.into_iter().filter(|value| !value.is_empty()) {
            secrets.push(url::form_urlencoded::byte_serialize(value.as_bytes()).collect());
            secrets.push(percent_encoded(&value));
            secrets.push(value);
        }
        secrets.sort_by(|a: &String, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Redactor { secrets, secret_params }
    }

    /// A text without the secrets' values.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret) {
                text = text.replace(secret, REDACTED);
            }
        }
        text
    }

    /// A URL as it may be kept: no user or password, no secret.
    pub fn url(&self, url: &Url) -> String {
        let mut url = url.clone();
        // Fails only for URLs that cannot carry a user anyway.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        self.text(self.without_secret_params(url).as_str())
    }

    /// The URL without the parameters that hold a secret.
    pub fn without_secret_params(&self, mut url: Url) -> Url {
        let is_secret = |pair: &str| {
            url::form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| self.secret_params.iter().any(|param| *param == name))
        };
        let Some(query) = url.query().filter(|query| query.split('&').any(is_secret)) else {
            return url;
        };
        let kept = query.split('&').filter(|pair| !is_secret(pair)).collect::<Vec<_>>().join("&");
        url.set_query(if kept.is_empty() { None } else { Some(&kept) });
        url
    }

    /// Whether a text holds none of the secrets.
    pub fn is_free_of_secrets(&self, text: &str) -> bool {
        !self.secrets.iter().any(|secret| text.contains(secret))
    }
}

/// With `%20` for a space and only the unreserved characters of RFC 3986 as they are: the other usual form.
fn percent_encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn urls() {
        let redactor = Redactor::new(["s3cr et/+".into(), "s3c".into()], vec!["api key".into()]);
        for (url, expected) in [
            ("https://h/p?a=1", "https://h/p?a=1"),
            ("https://user:pw@h/p", "https://h/p"),
            ("https://h/p?a=1&api+key=x&b=%20", "https://h/p?a=1&b=%20"),
            ("https://h/p?api%20key=x", "https://h/p"),
            (
                "https://h/s3cr%20et%2F%2B/x?q=s3cr+et%2F%2B&r=s3c1",
                "https://h/[redacted]/x?q=[redacted]&r=[redacted]1",
            ),
        ] {
            assert_eq!(redactor.url(&Url::parse(url).unwrap()), expected);
        }
        assert_eq!(format!("{redactor:?}"), "Redactor");
        assert_eq!(redactor.text("a s3cr et/+ b"), "a [redacted] b");
    }
}
