//! The value of a JSON string: its escapes resolved.

use super::{Raw, RawString};
use std::borrow::Cow;

/// A `\u` escape that is half of a surrogate pair: valid JSON (RFC 8259, section 8.2), but no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text holds half of a surrogate pair, which no text can hold")]
pub struct LoneSurrogate;

impl<'a> Raw<'a> {
    /// What stands between the quotes, for a string.
    #[inline]
    pub fn as_string(&self) -> RawString<'a> {
        let inner = self.text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(self.text);
        RawString {
            inner,
            escaped: self.escaped,
        }
    }
}

impl<'a> RawString<'a> {
    /// The value: borrowed where there is no escape.
    #[inline]
    pub fn value(&self) -> Result<Cow<'a, str>, LoneSurrogate> {
        if self.escaped {
            unescape(self.inner).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(self.inner))
        }
    }

    /// Whether the value is `text`.
    #[inline]
    pub fn is(&self, text: &str) -> bool {
        if self.escaped {
            unescape(self.inner).is_ok_and(|value| value == text)
        } else {
            self.inner == text
        }
    }
}

fn unescape(inner: &str) -> Result<String, LoneSurrogate> {
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        value.push_str(plain);
        let mut chars = escape.chars();
        let c = chars.next().unwrap_or('\\');
        rest = chars.as_str();
        match c {
            'b' => value.push('\u{8}'),
            'f' => value.push('\u{c}'),
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            'u' => {
                let high = hex(rest).ok_or(LoneSurrogate)?;
                rest = rest.get(4..).unwrap_or_default();
                if let Some(c) = char::from_u32(high) {
                    value.push(c);
                    continue;
                }
                let low = rest.strip_prefix("\\u").and_then(hex).ok_or(LoneSurrogate)?;
                rest = rest.get(6..).unwrap_or_default();
                if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
                    return Err(LoneSurrogate);
                }
                value.push(char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(LoneSurrogate)?);
            }
            other => value.push(other),
        }
    }
    value.push_str(rest);
    Ok(value)
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.get(..4)?, 16).ok()
}
