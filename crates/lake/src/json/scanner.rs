//! A pull scanner: values are passed over or stepped into; whatever is passed over is checked to the last byte.

use std::fmt;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    List,
    Object,
}

/// A value as it stands in the text: quotes and brackets included, no white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// For a string: whether it holds a backslash. Without one, what is between the quotes is the value.
    pub escaped: bool,
}

/// What stands between the quotes of a string or key, escapes untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawString<'a> {
    pub inner: &'a str,
    pub escaped: bool,
}

/// Where a text stops being JSON, or nests deeper than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The byte at which reading stopped.
    pub offset: usize,
    pub expected: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.offset)
    }
}

impl std::error::Error for Fault {}

/// Reads one JSON text from the left.
///
/// ```
/// use lake::json::Scanner;
/// let mut scanner = Scanner::new(r#"{"a": [1, 2.50]}"#, 128);
/// scanner.begin_object()?;
/// let mut first = true;
/// while let Some(key) = scanner.next_key(&mut first)? {
///     assert_eq!(key.inner, "a");
///     assert_eq!(scanner.skip_value()?.text, "[1, 2.50]");
/// }
/// scanner.end()?;
/// # Ok::<(), lake::json::Fault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    depth_max: u32,
    line_break: bool,
}

/// What the stack of bits in [`Scanner::container`] can hold: the innermost level and 128 around it.
const DEPTH_LIMIT: u32 = 129;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

impl<'a> Scanner<'a> {
    /// A scanner of `text` that refuses more than `depth_max` open brackets (129 at most: a body of 128 inside its envelope).
    pub fn new(text: &'a str, depth_max: u32) -> Scanner<'a> {
        Scanner {
            text,
            at: 0,
            depth: 0,
            depth_max: depth_max.min(DEPTH_LIMIT),
            line_break: false,
        }
    }

    /// The byte reached.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Whether a line break outside strings was passed.
    pub fn saw_line_break(&self) -> bool {
        self.line_break
    }

    /// The kind of the next value, by its first byte; the value is not read.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, Fault> {
        match self.space() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::List),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.fault("a value")),
        }
    }

    /// Passes over the next value, checking all of it.
    #[inline]
    pub fn skip_value(&mut self) -> Result<Raw<'a>, Fault> {
        let (kind, start, escaped) = self.skip_span()?;
        Ok(Raw {
            kind,
            text: self.since(start),
            escaped,
        })
    }

    /// As [`Scanner::skip_value`]: the value's kind, the byte at which it starts (it ends at [`Scanner::offset`]), whether it is a string with escapes.
    #[inline(always)]
    pub fn skip_span(&mut self) -> Result<(Kind, usize, bool), Fault> {
        let kind = self.peek()?;
        let start = self.at;
        let mut escaped = false;
        match kind {
            Kind::String => escaped = self.skip_string()?,
            Kind::Number => self.number()?,
            Kind::Object | Kind::List => self.container(kind == Kind::Object)?,
            Kind::True => self.word("true")?,
            Kind::False => self.word("false")?,
            Kind::Null => self.word("null")?,
        }
        Ok((kind, start, escaped))
    }

    /// Steps into an object: then [`Scanner::next_key`].
    #[inline]
    pub fn begin_object(&mut self) -> Result<(), Fault> {
        self.open(b'{', "an object")
    }

    /// Steps into a list: then [`Scanner::next_item`].
    #[inline]
    pub fn begin_list(&mut self) -> Result<(), Fault> {
        self.open(b'[', "a list")
    }

    /// The next key of the object stepped into, its value next; `None` after the closing brace. `first` is `true` at the first call.
    #[inline]
    pub fn next_key(&mut self, first: &mut bool) -> Result<Option<RawString<'a>>, Fault> {
        if !self.next_in(first, b'}', "`,` or `}`")? {
            return Ok(None);
        }
        if self.space() != Some(b'"') {
            return Err(self.fault("a key in quotes"));
        }
        let key = self.string()?;
        self.colon()?;
        Ok(Some(key))
    }

    /// Passes over `lead` if the text goes on with exactly it. For objects that are alike: `lead` must be what [`Scanner::next_key`] passed at
    /// the same place of another one (and the white space before the value), without a line break. Then it is read without being read again.
    #[inline]
    pub fn accept(&mut self, lead: &str) -> bool {
        let follows = self.text.as_bytes().get(self.at..self.at + lead.len()) == Some(lead.as_bytes());
        if follows {
            self.at += lead.len();
        }
        follows
    }

    /// Whether another item of the list stepped into follows, which is next; `false` after the closing bracket.
    #[inline]
    pub fn next_item(&mut self, first: &mut bool) -> Result<bool, Fault> {
        self.next_in(first, b']', "`,` or `]`")
    }

    /// Checks that only white space is left.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.space() {
            None => Ok(()),
            Some(_) => Err(self.fault("nothing after the value")),
        }
    }

    #[inline]
    fn open(&mut self, bracket: u8, expected: &'static str) -> Result<(), Fault> {
        if self.space() != Some(bracket) {
            return Err(self.fault(expected));
        }
        if self.depth == self.depth_max {
            return Err(self.fault("less nesting"));
        }
        self.at += 1;
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn next_in(&mut self, first: &mut bool, close: u8, expected: &'static str) -> Result<bool, Fault> {
        let fresh = std::mem::replace(first, false);
        match self.space() {
            Some(b) if b == close => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            Some(_) if fresh => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.fault(expected)),
        }
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Fault> {
        if self.space() != Some(b':') {
            return Err(self.fault("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over an object or list. A stack of bits, one a level, says which of the two each level is.
    fn container(&mut self, object: bool) -> Result<(), Fault> {
        let outside = self.depth;
        let mut levels: u128 = 0;
        let mut in_object = object;
        self.open(if object { b'{' } else { b'[' }, "a value")?;
        let mut first = true;
        loop {
            let (close, expected) = if in_object { (b'}', "`,` or `}`") } else { (b']', "`,` or `]`") };
            if !self.next_in(&mut first, close, expected)? {
                if self.depth == outside {
                    return Ok(());
                }
                in_object = levels & 1 == 1;
                levels >>= 1;
                continue;
            }
            if in_object {
                if self.space() != Some(b'"') {
                    return Err(self.fault("a key in quotes"));
                }
                self.skip_string()?;
                self.colon()?;
            }
            match self.peek()? {
                kind @ (Kind::Object | Kind::List) => {
                    levels = levels << 1 | u128::from(in_object);
                    in_object = kind == Kind::Object;
                    self.open(if in_object { b'{' } else { b'[' }, "a value")?;
                    first = true;
                }
                Kind::String => _ = self.skip_string()?,
                Kind::Number => self.number()?,
                Kind::True => self.word("true")?,
                Kind::False => self.word("false")?,
                Kind::Null => self.word("null")?,
            }
        }
    }

    /// Reads a string whose opening quote is next.
    #[inline]
    fn string(&mut self) -> Result<RawString<'a>, Fault> {
        let start = self.at + 1;
        let escaped = self.skip_string()?;
        let inner = self.text.get(start..self.at - 1).unwrap_or_default();
        Ok(RawString { inner, escaped })
    }

    /// Passes over a string whose opening quote is next, and says whether it holds a backslash.
    #[inline]
    fn skip_string(&mut self) -> Result<bool, Fault> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(bytes.get(self.at..).unwrap_or_default());
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.fault("no control character in a string")),
                None => return Err(self.fault("the closing quote of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = bytes.get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(self.fault("four hexadecimal digits after `\\u`"));
                }
                self.at += 6;
            }
            _ => return Err(self.fault("a known escape after `\\`")),
        }
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Result<(), Fault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.fault("a digit")),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += length;
        if length == 0 { Err(self.fault("a digit")) } else { Ok(()) }
    }

    #[inline]
    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        if self.text.as_bytes().get(self.at..self.at + word.len()) == Some(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.fault("`true`, `false` or `null`"))
        }
    }

    /// Passes over white space and returns the byte after it, which is not passed.
    #[inline]
    fn space(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b'\n') => self.line_break = true,
                Some(b'\r') => self.line_break = true,
                Some(b' ' | b'\t') => {}
                other => return other,
            }
            self.at += 1;
        }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[cold]
    fn fault(&self, expected: &'static str) -> Fault {
        Fault { offset: self.at, expected }
    }
}

/// How many bytes at the start of `bytes` are no quote, no backslash and no control character.
#[inline]
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut length = 0;
    for eight in eights {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return length + (special.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + rest.iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..=0x1f)).count()
}

/// A high bit for each of eight bytes that is a quote, a backslash or below 0x20; exact for the lowest one set.
#[inline]
fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let zero_in = |w: u64| w.wrapping_sub(ONES) & !w;
    ((word.wrapping_sub(ONES * 0x20) & !word) | zero_in(quote) | zero_in(backslash)) & HIGHS
}
