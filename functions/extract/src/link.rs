//! The header `Link: <…>; rel="next"` (RFC 8288). Pure.

/// The target of the first link with the relation `rel` in a `Link` header's value; several headers are joined by `, ` first. Relation
/// types are compared without case. A header that is not well formed is read as far as it goes.
pub fn target<'a>(header: &'a str, rel: &str) -> Option<&'a str> {
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (relations, after) = relations(after);
        if relations.is_some_and(|value| value.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(rel))) {
            return Some(target.trim());
        }
        rest = after;
    }
}

/// Reads the parameters of a link up to the `,` that ends it: the value of the first `rel`, and what follows the link.
fn relations(text: &str) -> (Option<&str>, &str) {
    let (mut found, mut rest) = (None, text);
    loop {
        rest = rest.trim_start();
        let Some(parameter) = rest.strip_prefix(';') else {
            return (found, rest);
        };
        let parameter = parameter.trim_start();
        let end = parameter.find(['=', ';', ',']).unwrap_or(parameter.len());
        let (name, after) = parameter.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            Some(value) => parameter_value(value.trim_start()),
            None => ("", after),
        };
        if found.is_none() && name.trim().eq_ignore_ascii_case("rel") {
            found = Some(value);
        }
        rest = after;
    }
}

/// A token or a quoted string, and what follows it. A relation never holds an escaped character, so escapes are only passed over.
fn parameter_value(text: &str) -> (&str, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = text.split_at(text.find([';', ',']).unwrap_or(text.len()));
        return (value.trim(), after);
    };
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '"' if !escaped => return (quoted.get(..at).unwrap_or_default(), quoted.get(at + 1..).unwrap_or_default()),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    (quoted, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_the_header() {
        let github = r#"<https://api.github.com/r?page=2>; rel="next", <https://api.github.com/r?page=9>; rel="last""#;
        for (header, rel, expected) in [
            (github, "next", Some("https://api.github.com/r?page=2")),
            (github, "last", Some("https://api.github.com/r?page=9")),
            (github, "prev", None),
            ("</a?x=1,2;3>; rel=next", "next", Some("/a?x=1,2;3")),
            (
                r#"<a>; title="x, <b>; rel=next"; rel="prev", <c>; rel="Next last""#,
                "next",
                Some("c"),
            ),
            (r#"<a>; title="say \"hi\", ok"; REL=next"#, "next", Some("a")),
            ("<a>;rel=prev;rel=next", "next", None),
            ("<a> ; foo ; rel = next", "next", Some("a")),
            ("<a>; rel=\"next", "next", Some("a")),
            ("<a", "next", None),
            ("", "next", None),
            ("nonsense, <a>; rel=next", "next", None),
        ] {
            assert_eq!(target(header, rel), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_or_hangs(header in r#"[<>;,="\\ a-z\u{e9}]{0,60}"#) {
            let _ = target(&header, "next");
        }
    }
}
