//! Captures: what came over the wire, a line of JSON each. `zstdcat`, DuckDB and Athena read them.
//!
//! `{"at": ms, "url": …, "status": …, "content_type": …, "piece": …, "form": …, "body": …}`, in this order; what is not known
//! is left out.
//!
//! `form` is `json`, `text` or `base64`, and tells what the body alone can't: a reply may itself be a JSON string, which is not
//! the same as text, or the JSON object `{"base64": "…"}`, which is not the same as bytes.

use crate::json::{self, Fault, Kind, Scanner};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;
use std::str::FromStr;

/// A text that takes more bytes than this with its escapes is kept as base64 where that is shorter, so that no escapes, which may make
/// six bytes of one, make a line longer than can be read. Shorter texts stay texts: those who look into the lake can read them.
const ESCAPED_BYTES_MAX: usize = 16 << 20;

/// How deep a JSON body may nest and still be kept as JSON; a deeper one is kept as text.
pub const DEPTH_MAX: u32 = 128;

/// One capture: a reply of an HTTP API, or a piece of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture<'a> {
    /// When it was received, milliseconds since 1970.
    pub at_ms: i64,
    /// Where it came from, secrets redacted.
    pub url: Cow<'a, str>,
    /// The HTTP status; 0 for a local file.
    pub status: u16,
    pub content_type: Option<Cow<'a, str>>,
    /// Set when the body is one piece of a longer file.
    pub piece: Option<Piece<'a>>,
    pub body: Body<'a>,
}

/// Where a piece of a file stands, so that it can be read alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece<'a> {
    /// The byte (after decompression) at which the piece starts.
    pub offset: u64,
    /// The file's header line, for a piece that does not start with it (CSV).
    pub header: Option<Cow<'a, str>>,
}

/// The body of a capture.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// A JSON value as it came: its numbers and duplicate keys untouched, only line breaks outside strings and white space around it removed.
    Json(&'a str),
    /// Text that is not JSON, or JSON that is broken or nests deeper than [`DEPTH_MAX`].
    Text(Cow<'a, str>),
    /// Bytes that are not UTF-8, or a long text that would be longer still with its escapes.
    Bytes(Vec<u8>),
}

/// A line that is not a capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is not a capture: {problem}")]
pub struct CaptureError {
    pub problem: String,
}

impl From<Fault> for CaptureError {
    fn from(fault: Fault) -> CaptureError {
        CaptureError {
            problem: fault.to_string(),
        }
    }
}

/// What a capture says beside its body.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureHead<'a> {
    /// When it was received, milliseconds since 1970.
    pub at_ms: i64,
    /// Where it came from, secrets redacted.
    pub url: &'a str,
    /// The HTTP status; 0 for a local file.
    pub status: u16,
    pub content_type: Option<&'a str>,
    pub piece: Option<Piece<'a>>,
}

/// How a body is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// The caller has read all of it with the [`Scanner`]: UTF-8, valid JSON, at most [`DEPTH_MAX`] deep.
    Json {
        /// Whether the scanner saw line breaks outside strings; without any, the body is copied as it is.
        line_breaks: bool,
    },
    /// Text that is kept as a string, even where it is JSON.
    Text,
    /// To be found out here: JSON, else text, else bytes.
    Auto,
}

/// Appends a capture as one line, its `\n` included.
pub fn write_capture(line: &mut Vec<u8>, head: &CaptureHead<'_>, body: &[u8], form: BodyForm) {
    line.reserve(body.len() + body.len() / 16 + head.url.len() + 128);
    line.extend_from_slice(format!("{{\"at\":{},\"url\":", head.at_ms).as_bytes());
    json::write_string(line, head.url);
    line.extend_from_slice(format!(",\"status\":{}", head.status).as_bytes());
    if let Some(content_type) = head.content_type {
        line.extend_from_slice(b",\"content_type\":");
        json::write_string(line, content_type);
    }
    if let Some(piece) = &head.piece {
        line.extend_from_slice(format!(",\"piece\":{{\"offset\":{}", piece.offset).as_bytes());
        if let Some(header) = &piece.header {
            line.extend_from_slice(b",\"header\":");
            json::write_string(line, header);
        }
        line.push(b'}');
    }
    write_body(line, body, form);
    line.extend_from_slice(b"}\n");
}

fn write_body(line: &mut Vec<u8>, body: &[u8], form: BodyForm) {
    if let BodyForm::Json { line_breaks } = form {
        return write_json(line, body, line_breaks);
    }
    let text = std::str::from_utf8(body).ok();
    let json = text.filter(|_| form == BodyForm::Auto).and_then(json_line_breaks);
    match (json, text.filter(|text| !is_shorter_as_base64(text))) {
        (Some(line_breaks), _) => write_json(line, body, line_breaks),
        (None, Some(text)) => {
            line.extend_from_slice(b",\"form\":\"text\",\"body\":");
            json::write_string(line, text);
        }
        (None, None) => {
            line.extend_from_slice(b",\"form\":\"base64\",\"body\":{\"base64\":\"");
            line.extend_from_slice(BASE64.encode(body).as_bytes());
            line.extend_from_slice(b"\"}");
        }
    }
}

/// Whether a text belongs into a line as base64: it is long, and would be longer still with its escapes.
pub fn is_shorter_as_base64(text: &str) -> bool {
    // No byte is escaped with more than six.
    if text.len() <= ESCAPED_BYTES_MAX / 6 {
        return false;
    }
    let escaped: usize = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..=0x1f => 6,
            _ => 1,
        })
        .sum();
    escaped > ESCAPED_BYTES_MAX && escaped > text.len().div_ceil(3) * 4
}

fn write_json(line: &mut Vec<u8>, body: &[u8], line_breaks: bool) {
    line.extend_from_slice(b",\"form\":\"json\",\"body\":");
    if !line_breaks {
        return line.extend_from_slice(body);
    }
    // No string of valid JSON holds a line break that is not escaped, and no two tokens are parted by nothing else: all can go.
    let mut rest = body;
    while let Some((before, after)) = memchr::memchr2(b'\n', b'\r', rest).and_then(|at| rest.split_at_checked(at)) {
        line.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
    }
    line.extend_from_slice(rest);
}

/// Whether `text` can be kept as JSON, and then whether it holds line breaks outside strings.
fn json_line_breaks(text: &str) -> Option<bool> {
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    scanner.skip_value().ok()?;
    scanner.end().ok()?;
    Some(scanner.saw_line_break())
}

impl<'a> Capture<'a> {
    /// Reads a line (without its `\n`), all of it checked.
    pub fn parse(line: &'a str) -> Result<Capture<'a>, CaptureError> {
        read(line, true)
    }

    /// Reads a line, but leaves a JSON body unread: [`Body::Json`] is then what stands where the body should. Whoever takes it must
    /// read it with a [`Scanner`] to its end, as `clean` does anyway; so a large body is passed over once, not twice.
    pub fn parse_head(line: &'a str) -> Result<Capture<'a>, CaptureError> {
        read(line, false)
    }
}

/// The envelope's keys as they are read.
#[derive(Default)]
struct Fields<'a> {
    at_ms: Option<i64>,
    url: Option<Cow<'a, str>>,
    status: Option<u16>,
    content_type: Option<Cow<'a, str>>,
    piece: Option<Piece<'a>>,
    form: Option<Cow<'a, str>>,
    body: Option<Body<'a>>,
}

fn read(line: &str, check_body: bool) -> Result<Capture<'_>, CaptureError> {
    let mut scanner = Scanner::new(line, DEPTH_MAX + 1);
    let mut fields = Fields::default();
    let mut first = true;
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key(&mut first)? {
        match key.inner {
            "at" => fields.at_ms = Some(number(&mut scanner, "at")?),
            "url" => fields.url = Some(string(&mut scanner, "url")?),
            "status" => fields.status = Some(number(&mut scanner, "status")?),
            "content_type" => fields.content_type = optional_string(&mut scanner, "content_type")?,
            "piece" => fields.piece = Some(piece(&mut scanner)?),
            "form" => fields.form = Some(string(&mut scanner, "form")?),
            "body" if !check_body && fields.form.as_deref() == Some("json") => {
                let rest = line.get(scanner.offset()..).unwrap_or_default().trim_end_matches(is_space);
                let body = rest.strip_suffix('}').ok_or_else(|| problem("expected `}` at its end"))?;
                fields.body = Some(Body::Json(body.trim_matches(is_space)));
                return fields.capture();
            }
            "body" => fields.body = Some(body(&mut scanner, fields.form.as_deref())?),
            other => return Err(problem(format!("`{}` is not a key of a capture", excerpt(other)))),
        }
    }
    scanner.end()?;
    fields.capture()
}

impl<'a> Fields<'a> {
    fn capture(self) -> Result<Capture<'a>, CaptureError> {
        let missing = |key: &'static str| move || problem(format!("`{key}` is missing"));
        Ok(Capture {
            at_ms: self.at_ms.ok_or_else(missing("at"))?,
            url: self.url.ok_or_else(missing("url"))?,
            status: self.status.ok_or_else(missing("status"))?,
            content_type: self.content_type,
            piece: self.piece,
            body: self.body.ok_or_else(missing("body"))?,
        })
    }
}

fn body<'a>(scanner: &mut Scanner<'a>, form: Option<&str>) -> Result<Body<'a>, CaptureError> {
    match form {
        Some("json") => Ok(Body::Json(scanner.skip_value()?.text)),
        Some("text") => Ok(Body::Text(string(scanner, "body")?)),
        Some("base64") => {
            let mut first = true;
            scanner.begin_object()?;
            if !scanner.next_key(&mut first)?.is_some_and(|key| key.is("base64")) {
                return Err(problem("expected `base64` in `body`"));
            }
            let text = string(scanner, "base64")?;
            let bytes = BASE64
                .decode(text.as_bytes())
                .map_err(|error| problem(format!("`base64`: {error}")))?;
            match scanner.next_key(&mut first)? {
                None => Ok(Body::Bytes(bytes)),
                Some(_) => Err(problem("expected only `base64` in `body`")),
            }
        }
        Some(other) => Err(problem(format!("`form`: expected json, text or base64, not `{}`", excerpt(other)))),
        None => Err(problem("expected `form` before `body`")),
    }
}

fn piece<'a>(scanner: &mut Scanner<'a>) -> Result<Piece<'a>, CaptureError> {
    let (mut offset, mut header, mut first) = (None, None, true);
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key(&mut first)? {
        match key.inner {
            "offset" => offset = Some(number(scanner, "offset")?),
            "header" => header = optional_string(scanner, "header")?,
            other => return Err(problem(format!("`{}` is not a key of `piece`", excerpt(other)))),
        }
    }
    let offset = offset.ok_or_else(|| problem("`offset` is missing in `piece`"))?;
    Ok(Piece { offset, header })
}

fn number<T: FromStr>(scanner: &mut Scanner<'_>, key: &str) -> Result<T, CaptureError> {
    let value = scanner.skip_value()?;
    let number = if value.kind == Kind::Number {
        value.text.parse().ok()
    } else {
        None
    };
    number.ok_or_else(|| problem(format!("`{key}`: expected a whole number in its range")))
}

fn string<'a>(scanner: &mut Scanner<'a>, key: &str) -> Result<Cow<'a, str>, CaptureError> {
    optional_string(scanner, key)?.ok_or_else(|| problem(format!("`{key}`: expected a string")))
}

fn optional_string<'a>(scanner: &mut Scanner<'a>, key: &str) -> Result<Option<Cow<'a, str>>, CaptureError> {
    let value = scanner.skip_value()?;
    match value.kind {
        Kind::Null => Ok(None),
        Kind::String => match value.as_string().value() {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(problem(format!("`{key}`: {error}"))),
        },
        _ => Err(problem(format!("`{key}`: expected a string"))),
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn problem(problem: impl Into<String>) -> CaptureError {
    CaptureError { problem: problem.into() }
}

/// The start of a key or word that should not be there: enough to find it, too short to carry a record into a log.
fn excerpt(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests;
