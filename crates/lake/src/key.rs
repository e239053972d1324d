//! The keys of the lake's objects. A key is made only of `[A-Za-z0-9/_.=-]`, so it is the same text in a URL, an event and a folder.

use pipeline::Name;
use std::fmt;
use ulid::Ulid;

/// A run's id: a ULID, whose time is the run's start. A scheduled run's id is derived from (pipeline, resource, scheduled time),
/// so that the same tick delivered twice is the same run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Ulid);

impl RunId {
    /// A run started by hand at `at_ms` (milliseconds since 1970), told apart from others by 80 `random` bits.
    pub fn new(at_ms: u64, random: u128) -> RunId {
        RunId(Ulid::from_parts(at_ms, random))
    }

    /// From its 26 characters.
    pub fn parse(text: &str) -> Result<RunId, KeyError> {
        Ulid::from_string(text)
            .map(RunId)
            .map_err(|_| KeyError::new(text, "expected a run's id: a ULID of 26 characters"))
    }

    /// The run's start, milliseconds since 1970.
    pub fn started_ms(self) -> u64 {
        self.0.timestamp_ms()
    }

    /// Its 16 bytes, in the order of time.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> RunId {
        RunId(Ulid::from_bytes(bytes))
    }

    /// The run's day in UTC, `YYYY-MM-DD`.
    pub fn date(self) -> String {
        let at = i64::try_from(self.started_ms())
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.unwrap_or(jiff::Timestamp::MAX).strftime("%Y-%m-%d").to_string()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The top folders of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    Raw,
    Clean,
    Rejected,
    Refused,
    Definitions,
}

impl Zone {
    pub fn as_str(self) -> &'static str {
        match self {
            Zone::Raw => "raw",
            Zone::Clean => "clean",
            Zone::Rejected => "rejected",
            Zone::Refused => "refused",
            Zone::Definitions => "definitions",
        }
    }
}

/// Which object of a run: parts are counted from 1; `End` is the marker that says how many there were (`replace` only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Number(u32),
    End,
}

/// The key of a raw object: `raw/{pipeline}/{resource}/dt={day}/{run}/{part}.jsonl.zst`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawKey {
    pub pipeline: Name,
    pub resource: Name,
    pub run: RunId,
    pub part: Part,
}

/// What `clean` made of a raw object under one definition: `clean/…`, `rejected/…` and `refused/…` share it, with `v={first 8 of the definition's hash}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CleanKey {
    pub raw: RawKey,
    /// The first 8 hexadecimal digits of the definition's hash.
    pub definition: String,
}

/// The key of a published pipeline file: `definitions/{pipeline}/{sha256}.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DefinitionKey {
    pub pipeline: Name,
    /// The SHA-256 of the file, 64 hexadecimal digits.
    pub hash: String,
}

/// Any key, as the store takes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A text that is not one of our keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is not a key of this lake: {expected}")]
pub struct KeyError {
    pub key: String,
    pub expected: &'static str,
}

impl KeyError {
    fn new(key: &str, expected: &'static str) -> KeyError {
        KeyError {
            key: key.to_owned(),
            expected,
        }
    }
}

impl Key {
    /// Checks that `text` holds only the characters of a key and no empty, `.` or `..` segment.
    pub fn parse(text: &str) -> Result<Key, KeyError> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"/_.=-".contains(&b);
        if !text.bytes().all(known) {
            return Err(KeyError::new(text, "expected only letters, digits and `/_.=-`"));
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(KeyError::new(text, "expected no empty, `.` or `..` segment"));
        }
        Ok(Key(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RawKey {
    /// The key as text.
    pub fn key(&self) -> Key {
        Key(format!("raw/{}/{}.jsonl.zst", self.folders(""), file_stem(self.part)))
    }

    /// The prefix of all raw objects of a resource.
    pub fn resource_prefix(pipeline: &Name, resource: &Name) -> String {
        format!("raw/{pipeline}/{resource}/")
    }

    /// Reads `raw/…`.
    pub fn parse(text: &str) -> Result<RawKey, KeyError> {
        let fail = || KeyError::new(text, "expected raw/{pipeline}/{resource}/dt={day}/{run}/{part}.jsonl.zst");
        let segments: Vec<&str> = text.split('/').collect();
        let ["raw", pipeline, resource, day, run, file] = segments.as_slice() else {
            return Err(fail());
        };
        let raw = raw_key(pipeline, resource, run, file.strip_suffix(".jsonl.zst")).ok_or_else(fail)?;
        if *day == format!("dt={}", raw.run.date()) && raw.key().as_str() == text {
            Ok(raw)
        } else {
            Err(fail())
        }
    }

    fn folders(&self, version: &str) -> String {
        format!("{}/{}/{version}dt={}/{}", self.pipeline, self.resource, self.run.date(), self.run)
    }
}

impl CleanKey {
    /// `clean/…bson.zst`
    pub fn clean(&self) -> Key {
        self.in_zone(Zone::Clean, "bson.zst")
    }

    /// `rejected/…jsonl.zst`
    pub fn rejected(&self) -> Key {
        self.in_zone(Zone::Rejected, "jsonl.zst")
    }

    /// `refused/…jsonl.zst`
    pub fn refused(&self) -> Key {
        self.in_zone(Zone::Refused, "jsonl.zst")
    }

    /// Reads `clean/…`, `rejected/…` or `refused/…`.
    pub fn parse(text: &str) -> Result<CleanKey, KeyError> {
        let fail = || {
            KeyError::new(
                text,
                "expected clean/{pipeline}/{resource}/v={definition}/dt={day}/{run}/{part}.bson.zst",
            )
        };
        let segments: Vec<&str> = text.split('/').collect();
        let [_, pipeline, resource, version, _, run, file] = segments.as_slice() else {
            return Err(fail());
        };
        let stem = file.split_once('.').map(|(stem, _)| stem);
        let raw = raw_key(pipeline, resource, run, stem).ok_or_else(fail)?;
        let definition = version
            .strip_prefix("v=")
            .filter(|v| v.len() == 8 && v.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or_else(fail)?;
        let key = CleanKey {
            raw,
            definition: definition.to_owned(),
        };
        let known = [key.clean(), key.rejected(), key.refused()];
        if known.iter().any(|k| k.as_str() == text) {
            Ok(key)
        } else {
            Err(fail())
        }
    }

    fn in_zone(&self, zone: Zone, extension: &str) -> Key {
        let folders = self.raw.folders(&format!("v={}/", self.definition));
        Key(format!("{}/{folders}/{}.{extension}", zone.as_str(), file_stem(self.raw.part)))
    }
}

impl DefinitionKey {
    pub fn key(&self) -> Key {
        Key(format!("definitions/{}/{}.yaml", self.pipeline, self.hash))
    }
}

fn file_stem(part: Part) -> String {
    match part {
        Part::Number(number) => format!("{number:06}"),
        Part::End => "end".to_owned(),
    }
}

fn raw_key(pipeline: &str, resource: &str, run: &str, stem: Option<&str>) -> Option<RawKey> {
    let part = match stem? {
        "end" => Part::End,
        digits => Part::Number(digits.parse().ok().filter(|n| *n > 0)?),
    };
    Some(RawKey {
        pipeline: Name::new(pipeline).ok()?,
        resource: Name::new(resource).ok()?,
        run: RunId::parse(run).ok()?,
        part,
    })
}

#[cfg(test)]
mod tests;
