//! Relaxed Extended JSON v2 (the MongoDB specification of that name), straight from the bytes of a BSON document; and back, for the texts that we keep.
#![cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only the embedded store reads texts back"))]

mod longs;
pub(crate) mod read;

use base64::{Engine, prelude::BASE64_STANDARD};
use bson::{Decimal128, RawBsonRef, RawDocument};

use self::longs::Longs;
use crate::element::{
    DEPTH_MAX, Element, Elements, Unreadable, binary, code_with_scope, fixed, kind, take_cstring, take_string, with_element,
};
use crate::prepare::TIDEMILL;

/// A document as one line of text.
pub fn relaxed(document: &RawDocument) -> Result<String, Unreadable> {
    let mut writer = Writer::default();
    writer.out.reserve(document.as_bytes().len() * 2);
    writer.document(document.as_bytes(), DEPTH_MAX + 1)?;
    utf8(writer.out)
}

/// One value (an `_id`, say) as text.
pub fn relaxed_value(value: RawBsonRef<'_>) -> Result<String, Unreadable> {
    let mut writer = Writer::default();
    with_element(value, |element| writer.value(element, DEPTH_MAX))?;
    utf8(writer.out)
}

/// A clean document as text for people, and what it takes to make the document's bytes from it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readable<'o> {
    /// As [`relaxed`], less the rank and the hash in its `_tidemill`.
    pub text: &'o str,
    /// See [`longs`]: empty for most.
    pub longs: &'o [u8],
    /// Does [`read::document`] give the very bytes, with the rank and the hash?
    pub exact: bool,
}

/// Replaces what `writer` holds by a clean document.
pub(crate) fn readable<'o>(writer: &'o mut Writer, document: &RawDocument) -> Result<Readable<'o>, Unreadable> {
    writer.clear();
    let mut stamps = 0;
    writer.members(document.as_bytes(), DEPTH_MAX + 1, |writer, element, levels| {
        let named = element.name == TIDEMILL;
        stamps += usize::from(named);
        if named && element.kind == kind::DOCUMENT {
            writer.tidemill(element.value, levels)
        } else {
            writer.value(element, levels)
        }
    })?;
    Ok(Readable {
        text: std::str::from_utf8(&writer.out).map_err(|_| NOT_UTF8)?,
        longs: writer.longs.bits(),
        exact: !writer.lossy && stamps == 1,
    })
}

/// Strings are copied as they are, and the whole is looked at once: between two of them there is a quotation mark, so that no two wrongs make a right.
fn utf8(out: Vec<u8>) -> Result<String, Unreadable> {
    String::from_utf8(out).map_err(|_| NOT_UTF8)
}

const NOT_UTF8: Unreadable = Unreadable::Malformed("a string is not UTF-8");

/// The text so far. Its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    longs: Longs,
    /// Was anything written that [`read`] would not read as it was?
    lossy: bool,
}

/// What `_tidemill` of a clean document has, in this order. The last may be missing.
const STAMP: [&[u8]; 6] = [b"run", b"at", b"version", b"rank", b"hash", b"deleted"];

impl Writer {
    fn clear(&mut self) {
        self.out.clear();
        self.longs.clear();
        self.lossy = false;
    }

    fn document(&mut self, document: &[u8], levels: usize) -> Result<(), Unreadable> {
        self.members(document, levels, Writer::value)
    }

    #[inline]
    fn members(
        &mut self,
        document: &[u8],
        levels: usize,
        mut push: impl FnMut(&mut Writer, Element<'_>, usize) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        let levels = levels.checked_sub(1).ok_or(Unreadable::TooDeep)?;
        let mut elements = Elements::new(document)?;
        let mut before = b'{';
        while let Some(element) = elements.next()? {
            self.out.push(before);
            before = b',';
            self.name(element.name);
            push(self, element, levels)?;
        }
        self.end(before, b"{}");
        Ok(())
    }

    /// `_tidemill`, less what is binary.
    fn tidemill(&mut self, document: &[u8], levels: usize) -> Result<(), Unreadable> {
        let levels = levels.checked_sub(1).ok_or(Unreadable::TooDeep)?;
        let mut elements = Elements::new(document)?;
        let (mut before, mut standard) = (b'{', STAMP.iter());
        while let Some(element) = elements.next()? {
            let hidden = element.kind == kind::BINARY;
            let generic = element.value.get(4) == Some(&0);
            let as_usual = standard.next() == Some(&element.name) && hidden == matches!(element.name, b"rank" | b"hash");
            self.lossy |= !as_usual || hidden && !generic;
            if !hidden {
                self.out.push(before);
                before = b',';
                self.name(element.name);
                self.value(element, levels)?;
            }
        }
        self.lossy |= standard.len() > 1;
        self.end(before, b"{}");
        Ok(())
    }

    fn array(&mut self, array: &[u8], levels: usize) -> Result<(), Unreadable> {
        let levels = levels.checked_sub(1).ok_or(Unreadable::TooDeep)?;
        let mut elements = Elements::new(array)?;
        let (mut before, mut index) = (b'[', 0);
        while let Some(element) = elements.next()? {
            self.lossy |= itoa::Buffer::new().format(index).as_bytes() != element.name;
            index += 1;
            self.out.push(before);
            before = b',';
            self.value(element, levels)?;
        }
        self.end(before, b"[]");
        Ok(())
    }

    /// Closes a list; `before` is its opening bracket still when it has no items.
    fn end(&mut self, before: u8, [open, close]: &[u8; 2]) {
        if before == *open {
            self.out.push(before);
        }
        self.out.push(*close);
    }

    /// A name that begins with `$` could be taken for a wrapper.
    #[inline]
    fn name(&mut self, name: &[u8]) {
        self.lossy |= name.first() == Some(&b'$');
        push_string(&mut self.out, name);
        self.out.push(b':');
    }

    #[inline]
    fn value(&mut self, element: Element<'_>, levels: usize) -> Result<(), Unreadable> {
        let (value, out) = (element.value, &mut self.out);
        match element.kind {
            kind::STRING => push_string(out, take_string(value)?.0),
            kind::INT32 => {
                push_integer(out, i32::from_le_bytes(fixed(value)?).into());
                self.longs.push(false);
            }
            kind::INT64 => {
                let value = i64::from_le_bytes(fixed(value)?);
                push_integer(out, value);
                if i32::try_from(value).is_ok() {
                    self.longs.push(true);
                }
            }
            kind::DOUBLE => {
                let value = f64::from_le_bytes(fixed(value)?);
                push_double(out, value);
                self.lossy |= value.is_nan() && value.to_bits() != f64::NAN.to_bits();
            }
            kind::NULL => out.extend_from_slice(b"null"),
            kind::BOOLEAN => out.extend_from_slice(match value {
                [0] => b"false",
                [1] => b"true",
                _ => return Err(Unreadable::Malformed("a boolean is neither 0 nor 1")),
            }),
            kind::DATE => push_date(out, i64::from_le_bytes(fixed(value)?)),
            kind::DOCUMENT => self.document(value, levels)?,
            kind::ARRAY => self.array(value, levels)?,
            kind::BINARY => push_binary(out, value)?,
            kind::OBJECT_ID => wrap(out, "$oid", |out| push_hex(out, value)),
            kind::DECIMAL128 => {
                let decimal = Decimal128::from_bytes(fixed(value)?);
                let text = decimal.to_string();
                wrap(out, "$numberDecimal", |out| push_string(out, text.as_bytes()));
                // Some values have several encodings.
                self.lossy |= !text.parse::<Decimal128>().is_ok_and(|read| read.bytes() == decimal.bytes());
            }
            _ => {
                self.lossy = true;
                self.rare(element, levels)?;
            }
        }
        Ok(())
    }

    /// The types that no contract makes.
    fn rare(&mut self, Element { kind, value, .. }: Element<'_>, levels: usize) -> Result<(), Unreadable> {
        let out = &mut self.out;
        match kind {
            kind::TIMESTAMP => {
                let bits = u64::from_le_bytes(fixed(value)?);
                out.extend_from_slice(br#"{"$timestamp":{"t":"#);
                push_integer(out, (bits >> 32) as i64);
                out.extend_from_slice(br#","i":"#);
                push_integer(out, i64::from(bits as u32));
                out.extend_from_slice(b"}}");
            }
            kind::REGEX => {
                let (pattern, rest) = take_cstring(value)?;
                let options = take_cstring(rest)?.0;
                out.extend_from_slice(br#"{"$regularExpression":{"pattern":"#);
                push_string(out, pattern);
                out.extend_from_slice(br#","options":"#);
                push_string(out, options);
                out.extend_from_slice(b"}}");
            }
            kind::SYMBOL | kind::CODE => {
                let value = take_string(value)?.0;
                let name = if kind == kind::CODE { "$code" } else { "$symbol" };
                wrap(out, name, |out| push_string(out, value));
            }
            kind::CODE_WITH_SCOPE => {
                let (code, scope) = code_with_scope(value)?;
                out.extend_from_slice(br#"{"$code":"#);
                push_string(out, code);
                out.extend_from_slice(br#","$scope":"#);
                self.document(scope, levels)?;
                self.out.push(b'}');
            }
            kind::DB_POINTER => {
                let (namespace, id) = take_string(value)?;
                out.extend_from_slice(br#"{"$dbPointer":{"$ref":"#);
                push_string(out, namespace);
                out.extend_from_slice(br#","$id":{"$oid":"#);
                push_hex(out, id);
                out.extend_from_slice(b"}}}");
            }
            kind::UNDEFINED => out.extend_from_slice(br#"{"$undefined":true}"#),
            kind::MIN_KEY => out.extend_from_slice(br#"{"$minKey":1}"#),
            kind::MAX_KEY => out.extend_from_slice(br#"{"$maxKey":1}"#),
            _ => return Err(Unreadable::Malformed("an unknown type of value")),
        }
        Ok(())
    }
}

/// `{"name":…}`
fn wrap(out: &mut Vec<u8>, name: &str, inner: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    inner(out);
    out.push(b'}');
}

#[inline]
fn push_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The shortest digits that read back as the same double, never without a point or an exponent.
fn push_double(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        let name = if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        wrap(out, "$numberDouble", |out| push_string(out, name.as_bytes()));
    }
}

/// The first millisecond after the year 9999.
const YEAR_10000: i64 = 253_402_300_800_000;

/// With milliseconds if there are any, for the years 1970 to 9999; else the number.
fn push_date(out: &mut Vec<u8>, milliseconds: i64) {
    if !(0..YEAR_10000).contains(&milliseconds) {
        out.extend_from_slice(br#"{"$date":{"$numberLong":""#);
        push_integer(out, milliseconds);
        return out.extend_from_slice(b"\"}}");
    }
    let (days, of_day) = (milliseconds / 86_400_000, milliseconds % 86_400_000);
    let (year, month, day) = civil(days);
    let digit = |value: i64, unit: i64| b'0' + (value / unit % 10) as u8;
    let (hour, minute, second, milli) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60, of_day % 1000);
    out.extend_from_slice(br#"{"$date":""#);
    #[rustfmt::skip]
    out.extend_from_slice(&[
        digit(year, 1000), digit(year, 100), digit(year, 10), digit(year, 1), b'-',
        digit(month, 10), digit(month, 1), b'-',
        digit(day, 10), digit(day, 1), b'T',
        digit(hour, 10), digit(hour, 1), b':',
        digit(minute, 10), digit(minute, 1), b':',
        digit(second, 10), digit(second, 1),
    ]);
    if milli != 0 {
        out.extend_from_slice(&[b'.', digit(milli, 100), digit(milli, 10), digit(milli, 1)]);
    }
    out.extend_from_slice(b"Z\"}");
}

/// Year, month and day of a day since 1970-01-01, by the proleptic Gregorian calendar (the algorithm is Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march_0000 = days + 719_468;
    let (era, day_of_era) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The subtype that holds its length a second time.
const BINARY_OLD: u8 = 2;

fn push_binary(out: &mut Vec<u8>, value: &[u8]) -> Result<(), Unreadable> {
    let (subtype, mut bytes) = binary(value)?;
    if subtype == BINARY_OLD {
        bytes = match bytes.split_first_chunk::<4>() {
            Some((length, rest)) if u32::from_le_bytes(*length) as usize == rest.len() => rest,
            _ => return Err(Unreadable::Malformed("the inner length of an old binary value is wrong")),
        };
    }
    out.extend_from_slice(br#"{"$binary":{"base64":""#);
    out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(br#"","subType":"#);
    push_hex(out, &[subtype]);
    out.extend_from_slice(b"}}");
    Ok(())
}

/// Quoted hex digits.
fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.push(hex_digit(half));
        }
    }
    out.push(b'"');
}

fn hex_digit(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'a' + half - 10 }
}

/// A JSON string; what need not be escaped is not.
#[inline]
fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some((plain, [escaped, after @ ..])) = plain_length(rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        push_escape(out, *escaped);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// How many bytes come before the first that must be escaped, if one must.
#[inline]
fn plain_length(text: &[u8]) -> Option<usize> {
    let escapes = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Eight at a time: is any of them, after the exclusive or, zero, or below 32?
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut start = 0;
    let mut words = text.chunks_exact(8);
    for word in &mut words {
        let bits = word.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let low = bits.wrapping_sub(ONES * 0x20) & !bits;
        let any = (low | zero(bits ^ (ONES * u64::from(b'"'))) | zero(bits ^ (ONES * u64::from(b'\\')))) & HIGH != 0;
        if any && let Some(at) = word.iter().position(|&byte| escapes(byte)) {
            return Some(start + at);
        }
        start += 8;
    }
    words.remainder().iter().position(|&byte| escapes(byte)).map(|at| start + at)
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        _ => {
            out.extend_from_slice(b"\\u00");
            for half in [byte >> 4, byte & 15] {
                out.push(hex_digit(half));
            }
        }
    }
}

#[cfg(test)]
mod tests;
