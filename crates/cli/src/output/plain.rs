//! Text from outside, made safe for a terminal: what could move the cursor, colour or turn round what stands beside it is shown as an escape.

use std::borrow::Cow;

/// On one line: control characters (line breaks too) and those that change the direction of writing are escaped.
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, unsafe_in_line)
}

/// As [`plain`], but line breaks stay.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && unsafe_in_line(c))
}

fn unsafe_in_line(c: char) -> bool {
    // The bidirectional marks, embeddings, overrides and isolates, and the two line breaks of Unicode.
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unsafe_is_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected);
        check("Zürich, 地震 \u{1f30d}", "Zürich, 地震 \u{1f30d}");
        check("a\u{1b}[31mred\nb\tc\u{7f}\u{9b}", r"a\u{1b}[31mred\nb\tc\u{7f}\u{9b}");
        check(
            "evil\u{202e}txt.exe\u{2066}\u{200f}\u{2028}",
            r"evil\u{202e}txt.exe\u{2066}\u{200f}\u{2028}",
        );
        assert_eq!(plain_lines("a\nb\u{1b}"), "a\nb\\u{1b}");
    }
}
