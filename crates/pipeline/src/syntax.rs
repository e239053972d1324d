//! Texts with a syntax of their own. The schema names each in its `format`.

use crate::{
    ByteSize, Name, Path, RejectLimit, Schedule, Span, Template,
    suggest::{did_you_mean, nearest},
};
use jiff::{
    civil,
    fmt::strtime,
    tz::{TimeZone, TimeZoneDatabase},
};

/// Why a text does not have the syntax, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    fn new(message: impl Into<String>) -> Problem {
        Problem {
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

/// What a text of this format is, for a message.
pub(crate) fn expected(format: &str) -> Option<&'static str> {
    Some(match format {
        "name" => "a name",
        "path" => "a path such as `properties.mag`",
        "span" => "a length of time such as `10m`",
        "byte_size" => "a number of bytes such as `16MB`",
        "template" => "text, a number or a truth value",
        "reject_limit" => "a number or a share such as `1%`",
        "schedule" => "a schedule such as `rate(5 minutes)`",
        "regex" => "a regular expression",
        "time_format" => "`iso8601`, `unix_s`, `unix_ms` or a strptime pattern",
        "time_zone" => "a time zone such as `Europe/Berlin`",
        _ => return None,
    })
}

/// Whether `text` has the syntax that the schema calls `format`. A format that is not one of the language's is not checked here.
pub(crate) fn check(format: &str, text: &str) -> Result<(), Problem> {
    let plain = |message: String| Problem::new(message);
    match format {
        "name" => name(text),
        "path" => path(text),
        "span" => Span::parse(text).map(drop).map_err(|error| plain(error.to_string())),
        "byte_size" => ByteSize::parse(text).map(drop).map_err(|error| plain(error.to_string())),
        "template" => Template::parse(text).map(drop).map_err(|error| match error.at {
            0 => plain(error.problem),
            at => plain(format!("{} (at character {at})", error.problem)),
        }),
        "reject_limit" => RejectLimit::parse(text).map(drop).map_err(plain),
        "schedule" => schedule(text),
        "regex" => regex(text),
        "time_format" => time_format(text),
        "time_zone" => time_zone(text),
        _ => Ok(()),
    }
}

fn name(text: &str) -> Result<(), Problem> {
    Name::new(text).map(drop).map_err(|error| {
        let tried: String = text
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let problem = Problem::new(error.to_string());
        match Name::new(tried) {
            Ok(name) => problem.help(format!("write `{name}`")),
            Err(_) => problem,
        }
    })
}

fn path(text: &str) -> Result<(), Problem> {
    Path::parse(text).map(drop).map_err(|error| {
        let problem = Problem::new(error.to_string());
        match missing_from_paths(text, error.at) {
            Some(help) => problem.help(help),
            None => problem,
        }
    })
}

/// What other path languages have at the place where reading stopped, and how it is said here.
fn missing_from_paths(text: &str, at: usize) -> Option<&'static str> {
    let (before, rest) = text.split_at_checked(at)?;
    let bracket = rest.strip_prefix('[').and_then(|inner| inner.split(']').next());
    Some(match bracket {
        Some(inner) if inner.starts_with('-') => {
            "items are counted from the start of a list, `[0]` on; one counted from the end cannot be named: read the whole list with `type: list`"
        }
        Some(inner) if inner.starts_with('\'') => "write the key in double quotes, and the whole path in single ones: `'[\"odd.key\"]'`",
        Some(inner) if inner.starts_with('?') => "a path picks nothing out by its value: use the record's `filter`",
        Some(inner) if inner.contains([':', ',']) => "a path names one item (`[0]`) or, in a `data_selector`, each (`[*]`)",
        _ if rest.starts_with('*') => {
            "`[*]` stands for each item of a list, in a `data_selector`; an object whose keys are ids cannot be walked: read it whole with `type: json`"
        }
        _ if rest.starts_with('.') && before.ends_with('.') => {
            "a path names each key on the way from the top: `..` (at any depth) is not known"
        }
        _ => return None,
    })
}

fn regex(text: &str) -> Result<(), Problem> {
    match regex::RegexBuilder::new(text).size_limit(1 << 20).build() {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err(Problem::new("the regular expression is too large")),
        Err(error) => {
            // The crate draws a picture of several lines; its last line says what is wrong.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            Err(Problem::new(format!(
                "not a regular expression of this language (RE2's, without look-around and back-references): {reason}"
            )))
        }
    }
}

fn time_zone(text: &str) -> Result<(), Problem> {
    let zones = TimeZoneDatabase::bundled();
    if zones.get(text).is_ok() {
        return Ok(());
    }
    let problem = Problem::new(format!(
        "`{}` is not a time zone of the IANA database",
        crate::yaml::shortened(text)
    ));
    let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
    let meant = nearest(text, names.iter().map(String::as_str));
    Err(problem.help(meant.map_or_else(|| "write it as `Europe/Berlin` or `UTC`".to_owned(), did_you_mean)))
}

/// `iso8601`, `unix_s`, `unix_ms`, or a strptime pattern that reads back what it writes.
fn time_format(text: &str) -> Result<(), Problem> {
    const NAMED: [&str; 3] = ["iso8601", "unix_s", "unix_ms"];
    if NAMED.contains(&text) {
        return Ok(());
    }
    if !text.contains('%') {
        let problem = Problem::new(format!(
            "`{}` is not a format of times: `iso8601`, `unix_s`, `unix_ms`, or a strptime pattern such as `%d.%m.%Y %H:%M`",
            crate::yaml::shortened(text)
        ));
        return Err(match nearest(text, NAMED.into_iter()) {
            Some(meant) => problem.help(did_you_mean(meant)),
            None => problem,
        });
    }
    let unreadable = |reason: String| Problem::new(format!("`{}` cannot be used to read times: {reason}", crate::yaml::shortened(text)));
    let moment = civil::date(2013, 11, 26).at(17, 45, 12, 250_000_000);
    let sample = TimeZone::UTC.to_timestamp(moment).map_err(|error| unreadable(error.to_string()))?;
    let sample = sample.to_zoned_datetime(TimeZone::UTC);
    let written = strtime::format(text, &sample).map_err(|error| unreadable(error.to_string()))?;
    let read = strtime::parse(text, &written).map_err(|error| unreadable(error.to_string()))?;
    if read.to_timestamp().is_ok() || read.to_date().is_ok() {
        return Ok(());
    }
    Err(unreadable("it leaves the day open".into()).help("a pattern needs the year, the month and the day (`%Y-%m-%d`), or `%s`"))
}

/// `rate(5 minutes)` or `cron(0 6 * * ? *)`, as EventBridge Scheduler takes them.
fn schedule(text: &str) -> Result<(), Problem> {
    Schedule::parse(text).map(drop).map_err(|error| Problem {
        message: error.problem,
        help: error.help,
    })
}
