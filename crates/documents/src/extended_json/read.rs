//! From a readable text back to the bytes it was made of. It reads what `readable` writes and calls exact, not Extended JSON at large.

use base64::{Engine, prelude::BASE64_STANDARD};
use bson::Decimal128;
use bson::oid::ObjectId;

use super::longs::LongsRead;
use super::{BINARY_OLD, YEAR_10000};
use crate::element::{DEPTH_MAX, kind};

/// The text was not made by us, or is no longer what it was.
type Damage = &'static str;

const NOT_OURS: Damage = "its text is not what was written";

/// The document that was written as `text`, with what the text leaves out.
pub(crate) fn document(text: &str, longs: &[u8], rank: &[u8], hash: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut reader = Reader {
        rest: text.as_bytes(),
        longs: LongsRead::new(longs),
        stamp: [("rank", rank), ("hash", hash)],
        out: Vec::with_capacity(text.len()),
    };
    reader.document(DEPTH_MAX + 1, Place::Top)?;
    if reader.rest.is_empty() { Ok(reader.out) } else { Err(NOT_OURS) }
}

struct Reader<'a> {
    rest: &'a [u8],
    longs: LongsRead<'a>,
    stamp: [(&'static str, &'a [u8]); 2],
    out: Vec<u8>,
}

/// Which document is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// The `_tidemill` of the top one: the rank and the hash come after its version.
    Tidemill,
    Within,
}

impl<'a> Reader<'a> {
    fn document(&mut self, levels: usize, place: Place) -> Result<(), Damage> {
        let levels = levels.checked_sub(1).ok_or(NOT_OURS)?;
        let start = self.open();
        self.expect(b"{")?;
        let mut ended = self.take(b"}");
        while !ended {
            let kind_at = self.out.len();
            self.out.push(0);
            self.string()?;
            self.out.push(0);
            self.expect(b":")?;
            let name = self.out.get(kind_at + 1..).unwrap_or_default();
            let (tidemill, version) = (name == b"_tidemill\0", name == b"version\0");
            let kind = if place == Place::Top && tidemill {
                self.document(levels, Place::Tidemill)?;
                kind::DOCUMENT
            } else {
                self.value(levels)?
            };
            self.set_kind(kind_at, kind);
            if place == Place::Tidemill && version {
                self.put_stamp();
            }
            ended = self.next_or_end(b"}")?;
        }
        self.close(start);
        Ok(())
    }

    fn array(&mut self, levels: usize) -> Result<(), Damage> {
        let levels = levels.checked_sub(1).ok_or(NOT_OURS)?;
        let start = self.open();
        self.expect(b"[")?;
        let mut ended = self.take(b"]");
        let mut index = 0;
        while !ended {
            let kind_at = self.out.len();
            self.out.push(0);
            self.out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
            self.out.push(0);
            index += 1;
            let kind = self.value(levels)?;
            self.set_kind(kind_at, kind);
            ended = self.next_or_end(b"]")?;
        }
        self.close(start);
        Ok(())
    }

    /// Puts a value; the answer is its type.
    fn value(&mut self, levels: usize) -> Result<u8, Damage> {
        let (first, second) = (self.rest.first(), self.rest.get(2));
        match first {
            Some(b'"') => {
                let start = self.open();
                self.string()?;
                self.out.push(0);
                self.close_after(start, 4);
                Ok(kind::STRING)
            }
            Some(b'{') if second == Some(&b'$') => self.wrapped(),
            Some(b'{') => self.document(levels, Place::Within).map(|()| kind::DOCUMENT),
            Some(b'[') => self.array(levels).map(|()| kind::ARRAY),
            _ if self.take(b"null") => Ok(kind::NULL),
            _ if self.take(b"true") => Ok(self.put(kind::BOOLEAN, &[1])),
            _ if self.take(b"false") => Ok(self.put(kind::BOOLEAN, &[0])),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Result<u8, Damage> {
        let end = self
            .rest
            .iter()
            .position(|byte| matches!(byte, b',' | b'}' | b']'))
            .ok_or(NOT_OURS)?;
        let text = ascii(self.advance(end)?)?;
        if text.contains(['.', 'e']) {
            let value: f64 = text.parse().map_err(|_| NOT_OURS)?;
            return Ok(self.put(kind::DOUBLE, &value.to_le_bytes()));
        }
        let value: i64 = text.parse().map_err(|_| NOT_OURS)?;
        Ok(match i32::try_from(value) {
            Ok(value) if !self.longs.next() => self.put(kind::INT32, &value.to_le_bytes()),
            _ => self.put(kind::INT64, &value.to_le_bytes()),
        })
    }

    /// A value that JSON has no type for.
    fn wrapped(&mut self) -> Result<u8, Damage> {
        if self.take(br#"{"$date":{"$numberLong":""#) {
            let value: i64 = self.until(b"\"}}")?.parse().map_err(|_| NOT_OURS)?;
            Ok(self.put(kind::DATE, &value.to_le_bytes()))
        } else if self.take(br#"{"$date":""#) {
            let value = date(self.until(b"\"}")?).filter(|value| (0..YEAR_10000).contains(value));
            Ok(self.put(kind::DATE, &value.ok_or(NOT_OURS)?.to_le_bytes()))
        } else if self.take(br#"{"$numberDecimal":""#) {
            let value: Decimal128 = self.until(b"\"}")?.parse().map_err(|_| NOT_OURS)?;
            Ok(self.put(kind::DECIMAL128, &value.bytes()))
        } else if self.take(br#"{"$oid":""#) {
            let value: ObjectId = self.until(b"\"}")?.parse().map_err(|_| NOT_OURS)?;
            Ok(self.put(kind::OBJECT_ID, &value.bytes()))
        } else if self.take(br#"{"$numberDouble":""#) {
            let value: f64 = match self.until(b"\"}")? {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => return Err(NOT_OURS),
            };
            Ok(self.put(kind::DOUBLE, &value.to_le_bytes()))
        } else {
            self.expect(br#"{"$binary":{"base64":""#)?;
            let bytes = BASE64_STANDARD.decode(self.until(br#"","subType":""#)?).map_err(|_| NOT_OURS)?;
            let subtype = u8::from_str_radix(self.until(b"\"}}")?, 16).map_err(|_| NOT_OURS)?;
            self.put_binary(subtype, &bytes);
            Ok(kind::BINARY)
        }
    }

    /// Puts the text of a string or a name, without a length or an end.
    fn string(&mut self) -> Result<(), Damage> {
        self.expect(b"\"")?;
        loop {
            let plain = memchr::memchr2(b'"', b'\\', self.rest).ok_or(NOT_OURS)?;
            let text = self.advance(plain)?;
            self.out.extend_from_slice(text);
            if self.take(b"\"") {
                return Ok(());
            }
            let byte = match self.advance(2)? {
                b"\\n" => b'\n',
                b"\\r" => b'\r',
                b"\\t" => b'\t',
                b"\\b" => 8,
                b"\\f" => 12,
                b"\\u" => u8::from_str_radix(ascii(self.advance(4)?)?, 16).map_err(|_| NOT_OURS)?,
                [_, escaped] => *escaped,
                _ => return Err(NOT_OURS),
            };
            self.out.push(byte);
        }
    }

    fn put(&mut self, kind: u8, value: &[u8]) -> u8 {
        self.out.extend_from_slice(value);
        kind
    }

    fn put_binary(&mut self, subtype: u8, bytes: &[u8]) {
        let inner = if subtype == BINARY_OLD { 4 } else { 0 };
        self.out.extend_from_slice(&length(bytes.len() + inner));
        self.out.push(subtype);
        if subtype == BINARY_OLD {
            self.out.extend_from_slice(&length(bytes.len()));
        }
        self.out.extend_from_slice(bytes);
    }

    fn put_stamp(&mut self) {
        for (name, bytes) in self.stamp {
            self.out.push(kind::BINARY);
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(0);
            self.put_binary(0, bytes);
        }
    }

    /// Leaves room for a length.
    fn open(&mut self) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        start
    }

    /// Ends a document or array.
    fn close(&mut self, start: usize) {
        self.out.push(0);
        self.close_after(start, 0);
    }

    /// Writes the length, less the `uncounted` bytes, to where room was left for it.
    fn close_after(&mut self, start: usize, uncounted: usize) {
        let length = length(self.out.len().saturating_sub(start + uncounted));
        if let Some(place) = self.out.get_mut(start..start + 4) {
            place.copy_from_slice(&length);
        }
    }

    fn set_kind(&mut self, at: usize, kind: u8) {
        if let Some(place) = self.out.get_mut(at) {
            *place = kind;
        }
    }

    fn take(&mut self, expected: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, expected: &[u8]) -> Result<(), Damage> {
        if self.take(expected) { Ok(()) } else { Err(NOT_OURS) }
    }

    /// `false` at a comma.
    fn next_or_end(&mut self, end: &[u8]) -> Result<bool, Damage> {
        if self.take(b",") {
            return Ok(false);
        }
        self.expect(end).map(|()| true)
    }

    fn advance(&mut self, bytes: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(NOT_OURS)?;
        self.rest = rest;
        Ok(taken)
    }

    /// What comes before the next quotation mark, with which `end` begins.
    fn until(&mut self, end: &[u8]) -> Result<&'a str, Damage> {
        let text = self.advance(memchr::memchr(b'"', self.rest).ok_or(NOT_OURS)?)?;
        self.expect(end)?;
        ascii(text)
    }
}

fn ascii(text: &[u8]) -> Result<&str, Damage> {
    std::str::from_utf8(text).map_err(|_| NOT_OURS)
}

/// No document is longer than 16 MB.
fn length(bytes: usize) -> [u8; 4] {
    (bytes as u32).to_le_bytes()
}

/// Milliseconds since 1970 of `2019-02-12T19:33:20Z`, with `.123` if need be.
fn date(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let milliseconds = match text.len() {
        20 => 0,
        24 => number(20, 23)?,
        _ => return None,
    };
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = days * 86_400 + number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    Some(seconds * 1000 + milliseconds)
}

/// The day since 1970-01-01, by the proleptic Gregorian calendar (the algorithm is Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}
