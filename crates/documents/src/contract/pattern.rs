//! Which regular expressions mean the same to Rust, to PCRE and to Python, and are quick in each of them.

/// Whether a pattern is of the few forms that match the same texts everywhere: ASCII characters and classes of them, `^` at the start, `$` at the end,
/// groups, alternatives, and repetitions that no engine takes long over (at most one without an upper bound, and only in a pattern that starts
/// with `^`; none around another). Not `\d`, `\w`, `.`, `[^…]`, flags: Rust reads them in Unicode.
///
/// `$` of PCRE matches before a line feed at the end as well: so much more is allowed, never less.
pub(super) fn means_the_same_everywhere(pattern: &str) -> bool {
    let mut parser = Parser {
        rest: pattern,
        anchored: pattern.starts_with('^'),
        unbounded: 0,
        split: false,
    };
    parser.alternatives(0).is_some()
        && parser.rest.is_empty()
        && (parser.unbounded == 0 || parser.unbounded == 1 && parser.anchored && !parser.split)
}

struct Parser<'p> {
    rest: &'p str,
    anchored: bool,
    /// Repetitions without an upper bound.
    unbounded: usize,
    /// Whether there are alternatives outside groups: `^` is only in the first.
    split: bool,
}

const GROUPS_MAX: usize = 8;
const REPEATS_MAX: u32 = 100;

impl Parser<'_> {
    /// Whether anything in them is repeated; `None` when one is of another form.
    fn alternatives(&mut self, depth: usize) -> Option<bool> {
        let mut repeats = false;
        loop {
            repeats |= self.sequence(depth)?;
            if !self.take('|') {
                return Some(repeats);
            }
            self.split |= depth == 0;
        }
    }

    fn sequence(&mut self, depth: usize) -> Option<bool> {
        let mut repeats = false;
        if depth == 0 {
            self.take('^');
        }
        while let Some(next) = self.rest.chars().next() {
            match next {
                '|' | ')' => break,
                '$' => {
                    self.take('$');
                    // Only at the very end: before more it never matches, or matches otherwise.
                    return (depth == 0 && (self.rest.is_empty() || self.rest.starts_with('|'))).then_some(repeats);
                }
                _ => {}
            }
            let inner = self.atom(depth)?;
            let repeated = self.repetition()?;
            if inner && repeated {
                return None;
            }
            repeats |= inner || repeated;
        }
        Some(repeats)
    }

    /// Whether anything inside it is repeated.
    fn atom(&mut self, depth: usize) -> Option<bool> {
        let next = self.bump()?;
        match next {
            '(' if depth < GROUPS_MAX => {
                if self.take('?') && !self.take(':') {
                    return None;
                }
                let repeats = self.alternatives(depth + 1)?;
                self.take(')').then_some(repeats)
            }
            '[' => self.class().map(|()| false),
            '\\' => self.escaped().map(|_| false),
            c if c.is_ascii_alphanumeric() || " _-:/,@%=;!'\"".contains(c) => Some(false),
            _ => None,
        }
    }

    /// A character whose meaning is taken off it.
    fn escaped(&mut self) -> Option<char> {
        self.bump().filter(|c| r".+*?()|[]{}^$\-/".contains(*c))
    }

    fn class(&mut self) -> Option<()> {
        let mut members = 0;
        loop {
            let from = match self.bump()? {
                ']' if members > 0 => return Some(()),
                '\\' => self.escaped()?,
                '-' if members == 0 || self.rest.starts_with(']') => '-',
                c if is_plain(c) => c,
                _ => return None,
            };
            members += 1;
            let goes_on = self.rest.strip_prefix('-').is_some_and(|rest| !rest.starts_with(']'));
            if goes_on {
                self.take('-');
                let to = self.bump()?;
                let alike = [char::is_ascii_digit, char::is_ascii_lowercase, char::is_ascii_uppercase]
                    .iter()
                    .any(|kind| kind(&from) && kind(&to));
                if !alike || from > to {
                    return None;
                }
            }
        }
    }

    /// Whether what stands before is repeated.
    fn repetition(&mut self) -> Option<bool> {
        if self.take('?') {
            // An optional part may hold a repetition.
            return self.none_after().map(|()| false);
        }
        if self.take('*') || self.take('+') {
            self.unbounded += 1;
            return self.none_after().map(|()| true);
        }
        if !self.take('{') {
            return Some(false);
        }
        let (inner, after) = self.rest.split_once('}')?;
        self.rest = after;
        let (least, greatest) = match inner.split_once(',') {
            None => (number(inner)?, Some(number(inner)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, greatest)) => (number(least)?, Some(number(greatest)?)),
        };
        if greatest.is_some_and(|greatest| greatest < least) {
            return None;
        }
        self.unbounded += usize::from(greatest.is_none());
        self.none_after().map(|()| true)
    }

    /// A second sign of repetition makes the first one lazy or possessive.
    fn none_after(&self) -> Option<()> {
        (!self.rest.starts_with(['?', '*', '+', '{'])).then_some(())
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = self.rest.get(next.len_utf8()..)?;
        Some(next)
    }

    fn take(&mut self, c: char) -> bool {
        let after = self.rest.strip_prefix(c);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }
}

/// A character that means itself in a class.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || " _.:/,@+%=;!'\"".contains(c)
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && *number <= REPEATS_MAX)
}
