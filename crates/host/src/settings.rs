//! The settings of a function: read once from a map that is passed in, all faults told together. Pure, but for `environment`, which a start asks.
//!
//! No setting is a secret: a function is told the *names* of its secrets, so a fault may show the value it found.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;

/// The stack's name: what its queues, buckets and functions are called after.
pub const STACK: Key = Key::required("TIDEMILL_STACK", "the stack's name, after which all it has is called");
/// The bucket of the lake.
pub const LAKE_BUCKET: Key = Key::required("TIDEMILL_LAKE_BUCKET", "the bucket of the lake");
/// The table of the ledger.
pub const LEDGER_TABLE: Key = Key::required("TIDEMILL_LEDGER_TABLE", "the DynamoDB table of the ledger");
/// How much is logged.
pub const LOG: Key = Key::optional(
    "TIDEMILL_LOG",
    "how much is logged: `error`, `warn`, `info` or `debug`; `info` unless set",
);
/// The folder of the embedded adapters.
pub const HOME: Key = Key::optional(
    "TIDEMILL_HOME",
    "a folder: its lake, ledger and documents are used, and nothing of AWS; then no other setting is needed",
);

/// The process's environment, as far as it is text.
pub fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

/// The characters of a found value that a fault shows.
const SHOWN_CHARS_MAX: usize = 60;

/// A variable of the environment, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: &'static str,
    pub about: &'static str,
    /// Whether the function starts without it.
    pub required: bool,
}

impl Key {
    pub const fn required(name: &'static str, about: &'static str) -> Key {
        Key {
            name,
            about,
            required: true,
        }
    }

    pub const fn optional(name: &'static str, about: &'static str) -> Key {
        Key {
            name,
            about,
            required: false,
        }
    }
}

/// The rows of a README's table of settings.
pub fn table(keys: &[Key]) -> String {
    let mut text = "| variable | | what it is for |\n|---|---|---|\n".to_owned();
    for key in keys {
        let needed = if key.required { "required" } else { "optional" };
        text.push_str(&format!("| `{}` | {needed} | {} |\n", key.name, key.about.replace('|', "\\|")));
    }
    text
}

/// Reads settings from a map and remembers what was asked for and what was wrong.
#[derive(Debug, Default)]
pub struct Reader {
    map: BTreeMap<String, String>,
    asked: Vec<Key>,
    faults: Vec<Fault>,
}

impl Reader {
    /// An empty value counts as not set: a template can't leave a variable out.
    pub fn new(map: impl IntoIterator<Item = (String, String)>) -> Reader {
        Reader {
            map: map.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            asked: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The value; where it is not set, a fault is recorded and the answer is empty.
    pub fn required(&mut self, name: &'static str, about: &'static str) -> String {
        self.read(Key::required(name, about))
    }

    pub fn optional(&mut self, name: &'static str, about: &'static str) -> Option<String> {
        self.read_optional(Key::optional(name, about))
    }

    /// The same as [`Reader::required`], for a key of a list.
    pub fn read(&mut self, key: Key) -> String {
        self.asked.push(key);
        if let Some(value) = self.map.get(key.name) {
            return value.clone();
        }
        self.fault(key, None, "a value".to_owned());
        String::new()
    }

    /// The same as [`Reader::optional`], for a key of a list.
    pub fn read_optional(&mut self, key: Key) -> Option<String> {
        self.asked.push(key);
        self.map.get(key.name).cloned()
    }

    /// A whole number within `bounds`, `default` where it is not set.
    pub fn number(&mut self, name: &'static str, about: &'static str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        let key = Key::optional(name, about);
        let Some(text) = self.read_optional(key) else {
            return default;
        };
        match text.parse::<u64>() {
            Ok(number) if bounds.contains(&number) => number,
            Ok(_) | Err(_) => {
                self.fault(
                    key,
                    Some(text),
                    format!("a whole number from {} to {}", bounds.start(), bounds.end()),
                );
                default
            }
        }
    }

    /// One of `choices`, `default` where it is not set.
    pub fn choice(&mut self, key: Key, choices: &[&'static str], default: &'static str) -> &'static str {
        let Some(text) = self.read_optional(key) else {
            return default;
        };
        match choices.iter().find(|choice| **choice == text) {
            Some(choice) => choice,
            None => {
                self.fault(key, Some(text), format!("one of {}", choices.join(", ")));
                default
            }
        }
    }

    /// Records a fault that the caller found in the value of `key`.
    pub fn refuse(&mut self, key: Key, expected: impl Into<String>) {
        let found = self.map.get(key.name).cloned();
        self.fault(key, found, expected.into());
    }

    /// What was asked for, in the order of asking.
    pub fn asked(&self) -> &[Key] {
        &self.asked
    }

    /// All faults together.
    pub fn finish(self) -> Result<(), SettingsError> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(SettingsError { faults: self.faults })
        }
    }

    fn fault(&mut self, key: Key, found: Option<String>, expected: String) {
        self.faults.push(Fault { key, found, expected });
    }
}

/// What every function reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    pub stack: String,
    pub lake_bucket: String,
    pub ledger_table: String,
    pub log: LogLevel,
}

impl Common {
    pub const KEYS: [Key; 4] = [STACK, LAKE_BUCKET, LEDGER_TABLE, LOG];

    pub fn read(reader: &mut Reader) -> Common {
        Common {
            stack: reader.read(STACK),
            lake_bucket: reader.read(LAKE_BUCKET),
            ledger_table: reader.read(LEDGER_TABLE),
            log: LogLevel::read(reader),
        }
    }
}

/// How much a function logs of its own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl LogLevel {
    pub fn read(reader: &mut Reader) -> LogLevel {
        match reader.choice(LOG, &["error", "warn", "info", "debug"], "info") {
            "error" => LogLevel::Error,
            "warn" => LogLevel::Warn,
            "debug" => LogLevel::Debug,
            _ => LogLevel::Info,
        }
    }
}

/// Something wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub key: Key,
    /// `None`: it is not set.
    pub found: Option<String>,
    pub expected: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { name, about, .. } = self.key;
        match &self.found {
            None => write!(f, "{name} is not set, expected {} ({about})", self.expected),
            Some(found) => {
                let shown: String = found.chars().take(SHOWN_CHARS_MAX).collect();
                let more = if shown.len() < found.len() { "…" } else { "" };
                write!(f, "{name} is `{shown}{more}`, expected {} ({about})", self.expected)
            }
        }
    }
}

/// All that is wrong with a function's settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    pub faults: Vec<Fault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the function's settings are wrong; they are set in infra/template.yaml, under the function's Environment:")?;
        for fault in &self.faults {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
