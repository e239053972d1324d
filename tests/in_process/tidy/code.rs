//! A reader of Rust text that knows just enough: what is code, what is a test, where a function starts and ends.

/// A function and how long it is.
#[derive(Debug, PartialEq)]
pub(super) struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// The text with comments and the insides of literals made blank; every line stays where it is.
pub(super) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<char> = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment(&chars, at);
        let Some(end) = end else {
            at += 1;
            continue;
        };
        for blank in &mut out[at..end] {
            if *blank != '\n' {
                *blank = ' ';
            }
        }
        at = end;
    }
    out.into_iter().collect()
}

/// Where the comment or literal ends that starts at `at`; `None` when none does.
fn literal_or_comment(chars: &[char], at: usize) -> Option<usize> {
    let next = |n: usize| chars.get(at + n).copied();
    let after_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next(1) == Some('/') => Some(find(chars, at, |c| c == '\n')),
        '/' if next(1) == Some('*') => Some(block_comment(chars, at)),
        '"' => Some(string(chars, at + 1)),
        'r' if !after_word => raw_string(chars, at + 1),
        'b' | 'c' if !after_word && next(1) == Some('r') => raw_string(chars, at + 2),
        // A quote starts a character, not a lifetime, if it is escaped or closed right after one character.
        '\'' if next(1) == Some('\\') => Some(find(chars, at + 3, |c| c == '\'') + 1),
        '\'' if next(2) == Some('\'') => Some(at + 3),
        _ => None,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| wanted(chars[*at])).unwrap_or(chars.len())
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn string(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string(chars: &[char], hashes_at: usize) -> Option<usize> {
    let hashes = (hashes_at..chars.len()).take_while(|at| chars[*at] == '#').count();
    if chars.get(hashes_at + hashes) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| chars[*at] == '"' && (1..=hashes).all(|n| chars.get(*at + n) == Some(&'#'));
    let close = (hashes_at + hashes + 1..chars.len()).find(closes)?;
    Some(close + 1 + hashes)
}

/// Splits blanked code by line into what runs for users and what is test: `(product, tests)`, each as long as the file, the other's lines blank.
pub(super) fn split_tests(code: &str) -> (Vec<&str>, Vec<&str>) {
    let lines: Vec<&str> = code.lines().collect();
    let mut is_test = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let attribute = lines[at].trim_start();
        if attribute.starts_with("#[cfg(test)]") || attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test") {
            let end = item_end(&lines, at);
            is_test[at..=end].fill(true);
            at = end;
        }
        at += 1;
    }
    let only = |test: bool| {
        lines
            .iter()
            .zip(&is_test)
            .map(|(line, is)| if *is == test { *line } else { "" })
            .collect()
    };
    (only(false), only(true))
}

/// The line on which the item ends whose attribute is on line `start`.
fn item_end(lines: &[&str], start: usize) -> usize {
    let (mut braces, mut others) = (0_i64, 0_i64);
    for (number, line) in lines.iter().enumerate().skip(start) {
        for c in line.chars() {
            match c {
                '{' => braces += 1,
                '}' => braces -= 1,
                '(' | '[' => others += 1,
                ')' | ']' => others -= 1,
                ';' if braces == 0 && others == 0 => return number,
                _ => {}
            }
            if c == '}' && braces == 0 {
                return number;
            }
        }
    }
    lines.len() - 1
}

/// All functions with a body in blanked code.
pub(super) fn functions(lines: &[&str]) -> Vec<Function> {
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut from = 0;
        while let Some(at) = line[from..].find("fn ").map(|at| at + from) {
            from = at + 3;
            let starts_word = line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
            let name: String = line[from..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if starts_word
                && !name.is_empty()
                && let Some(end) = body_end(lines, number, at)
            {
                found.push(Function {
                    name,
                    line: number + 1,
                    lines: end - number + 1,
                });
            }
        }
    }
    found
}

/// The line of the brace that closes the body of the function that starts there; `None` for one without a body.
fn body_end(lines: &[&str], line: usize, column: usize) -> Option<usize> {
    let (mut braces, mut others) = (0_i64, 0_i64);
    for (number, text) in lines.iter().enumerate().skip(line) {
        let text = if number == line { &text[column..] } else { text };
        for c in text.chars() {
            match c {
                '{' => braces += 1,
                '}' => braces -= 1,
                '(' | '[' => others += 1,
                ')' | ']' => others -= 1,
                ';' if braces == 0 && others == 0 => return None,
                _ => {}
            }
            if c == '}' && braces == 0 && others == 0 {
                return Some(number);
            }
        }
    }
    None
}

#[test]
fn literals_and_comments_are_no_code() {
    let check = |text: &str, expected: &str| assert_eq!(code_only(text).trim_end(), expected, "{text}");
    check("a // unwrap()", "a");
    check("a /* { /* } */ */ b", "a                 b");
    check(r#"f("{ \" }", 1)"#, "f(        , 1)");
    check(r###"f(r#"{ " }"#, b"x")"###, "f(          , b   )");
    check("f('{', '\\'', 'a')", "f(   ,     ,    )");
    check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
}

#[test]
fn functions_are_measured() {
    let text =
        "fn a() {\n    if x {\n    }\n}\ntrait T {\n    fn b(&self) -> [u8; 2];\n    fn c(\n        f: fn(u8) -> u8,\n    ) {\n    }\n}\n";
    let code = code_only(text);
    let lines: Vec<&str> = code.lines().collect();
    let found: Vec<(String, usize, usize)> = functions(&lines).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("a".to_owned(), 1, 4), ("c".to_owned(), 7, 4)]);
}

#[test]
fn tests_are_told_apart() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
    let (product, tests) = split_tests(text);
    let words = |lines: Vec<&str>| lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(product), "fn a() {} fn c() {} fn d() {}");
    assert_eq!(words(tests), "#[cfg(test)] mod tests { fn b() {} } #[cfg(test)] mod more;");
}
