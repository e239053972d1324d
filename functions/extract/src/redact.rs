//! Secrets are taken out of every text that is kept or shown. Pure.

use memchr::memmem;
use std::ops::Range;
use url::Url;

/// What stands in a text where a secret stood.
const REDACTED: &str = "[redacted]";

/// The secrets of a run, and the query parameters that carry them. Its `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Redactor {
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
        let mut secrets: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
        secrets.sort();
        secrets.dedup();
        Redactor { secrets, secret_params }
    }

    /// A text without the secrets' values, in whatever of a URL's forms they stand there.
    pub fn text(&self, text: &str) -> String {
        let mut kept = String::with_capacity(text.len());
        let mut from = 0;
        for place in self.places(text) {
            kept.push_str(text.get(from..place.start).unwrap_or_default());
            kept.push_str(REDACTED);
            from = place.end;
        }
        kept.push_str(text.get(from..).unwrap_or_default());
        kept
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
        self.places(text).is_empty()
    }

    /// Where secrets stand, in order and apart from each other.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for reading in [Reading::plain(text), Reading::decoded(text, b'+'), Reading::decoded(text, b' ')] {
            for secret in &self.secrets {
                let places = memmem::find_iter(&reading.bytes, secret);
                found.extend(places.filter_map(|at| Some(*reading.starts.get(at)?..*reading.starts.get(at + secret.len())?)));
            }
        }
        found.sort_by_key(|place: &Range<usize>| place.start);
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for place in found {
            match apart.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => apart.push(place),
            }
        }
        apart
    }
}

/// A text as somebody reads it. Which characters of a value are escaped, in which case, and how a space is written differ from one writer of
/// URLs to the next, so a secret is looked for in what the text means, not among the forms that it might have.
struct Reading {
    bytes: Vec<u8>,
    /// Where each of the bytes starts in the text, and where the text ends.
    starts: Vec<usize>,
}

impl Reading {
    fn plain(text: &str) -> Reading {
        Reading {
            bytes: text.as_bytes().to_vec(),
            starts: (0..=text.len()).collect(),
        }
    }

    /// With `%2F` read as what it stands for, and `+` as `plus`.
    fn decoded(text: &str, plus: u8) -> Reading {
        let (mut bytes, mut starts) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
        let raw = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = raw.get(at) {
            starts.push(at);
            let escaped = raw.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(hex_byte);
            bytes.push(match byte {
                b'+' => plus,
                _ => escaped.unwrap_or(byte),
            });
            at += if escaped.is_some() { 3 } else { 1 };
        }
        starts.push(at);
        Reading { bytes, starts }
    }
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0, |value: u8, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u8::try_from(digit).ok()?)
    })
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

    /// Some characters escaped and others not, as our own URLs and other servers have it.
    #[test]
    fn mixed_forms() {
        let redactor = Redactor::new(["p@ss word".into(), "ab/c+d==".into(), "ü%41".into()], Vec::new());
        let path = Url::parse("https://h/p@ss word/x").unwrap();
        assert_eq!(path.as_str(), "https://h/p@ss%20word/x");
        for (text, expected) in [
            (path.as_str(), "https://h/[redacted]/x"),
            ("/x?a=p@ss+word&b=2", "/x?a=[redacted]&b=2"),
            ("/x?a=ab/c%2Bd%3D%3D&b=2", "/x?a=[redacted]&b=2"),
            ("/x?a=ab%2fc%2bd%3d%3d", "/x?a=[redacted]"),
            ("/%61b/c+d=%3D/x", "/[redacted]/x"),
            ("/ü%41/%C3%BC%2541/%c3%bc%41", "/[redacted]/[redacted]/%c3%bc%41"),
        ] {
            assert_eq!(redactor.text(text), expected);
            assert!(!redactor.is_free_of_secrets(text), "{text}");
        }
        for free in ["/x?a=ab/c+d%3", "100%", "%", "%2", "%zz%+4", "", "ü"] {
            assert_eq!(redactor.text(free), free);
            assert!(redactor.is_free_of_secrets(free), "{free}");
        }
    }

    proptest::proptest! {
        /// Whichever characters are escaped, the secret is seen.
        #[test]
        fn every_form(secret in ".{1,8}", escaped: u16, lower: bool) {
            let mut text = String::from("/x");
            for (n, c) in secret.chars().enumerate() {
                if c == '%' || escaped >> n & 1 == 1 {
                    let hex = c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
                    text.push_str(&if lower { hex.to_lowercase() } else { hex });
                } else {
                    text.push(c);
                }
            }
            proptest::prop_assert!(!Redactor::new([secret], Vec::new()).is_free_of_secrets(&text), "{}", text);
        }
    }
}
