//! A `.env` file: `NAME=value` a line, as other readers of such files take it. Pure.

use super::secrets::SecretError;
use std::collections::BTreeMap;

/// `#` starts a comment, on a line of its own or behind a value and a space; `export` before a name and quotes around a value are taken off.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, SecretError> {
    let mut values = BTreeMap::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    // Some editors put a mark of the encoding before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(SecretError::Malformed { line: number })?;
        let name = name.trim().to_owned();
        if let Some(first) = lines.insert(name.clone(), number) {
            return Err(SecretError::Twice {
                name,
                first,
                second: number,
            });
        }
        let value = self::value(value).ok_or(SecretError::Quote { line: number })?;
        values.insert(name, value.to_owned());
    }
    Ok(values)
}

/// The value in what stands behind `=`; `None` when its quotes don't match.
fn value(text: &str) -> Option<&str> {
    let trimmed = text.trim();
    let Some(quote) = trimmed.chars().next().filter(|first| ['"', '\''].contains(first)) else {
        return Some(match comment(text) {
            Some(at) => text.get(..at)?.trim(),
            None => trimmed,
        });
    };
    let quoted = trimmed.get(1..)?;
    // The first that nothing follows, or only a comment: JSON in quotes holds quotes.
    quoted.match_indices(quote).find_map(|(at, _)| {
        let behind = quoted.get(at + 1..)?;
        (behind.is_empty() || comment(behind).is_some_and(|comment| behind.get(..comment).is_some_and(|text| text.trim().is_empty())))
            .then(|| quoted.get(..at))?
    })
}

/// Where a comment begins: a `#` that a space stands before. A password may hold one.
fn comment(text: &str) -> Option<usize> {
    let found = |(at, _): &(usize, &str)| text.get(..*at).is_some_and(|before| before.ends_with([' ', '\t']));
    text.match_indices('#').find(found).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn values_are_taken_as_others_take_them() {
        let check = |line: &str, expected: &str| assert_eq!(parse(line).unwrap()["A"], expected, "{line}");
        check("A=1", "1");
        check("\u{feff}A=1\r\n", "1");
        check("# of the team\n\nexport A = 1", "1");
        check("A=value # comment", "value");
        check("A=value\t# comment", "value");
        check("A='value' # comment", "value");
        check("A=\"value\" # it's", "value");
        check("A='a # b'", "a # b");
        check("A=pass#word", "pass#word");
        check("A= # nothing", "");
        check("A=", "");
        check("A=''", "");
        check("A={\"token\": \"t0p\"}", "{\"token\": \"t0p\"}");
        check("A=\"{\"token\": \"t0p\"}\"", "{\"token\": \"t0p\"}");
        check("A=mongodb://h/?a=b&c=d", "mongodb://h/?a=b&c=d");
    }

    #[test]
    fn what_is_no_line_is_named_by_its_number_alone() {
        let check = |text: &str, expected: &str| assert_eq!(parse(text).unwrap_err().to_string(), expected);
        check("A=1\nt0p", "line 2 of `.env` is not `NAME=value`");
        check("A='t0p", "line 1 of `.env` begins a value with a quote that does not end it");
        check("A='t0p'x", "line 1 of `.env` begins a value with a quote that does not end it");
        check("A=1\nB=2\nexport A=3", "`A` stands twice in `.env`, in lines 1 and 3: take one out");
    }
}
