//! Length, heads of files, names, and words that may not stand in the code.

use super::code::{code_only, functions, split_tests};
use super::{root, rust_files};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const MAIN_LINES_MAX: usize = 60;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "shared", "manager", "misc"];

/// What may not stand in the code that users run, and why.
const NOT_IN_PRODUCT: &[(&str, &str)] = &[
    (".unwrap()", "nothing from outside can panic us"),
    (".unwrap_err()", "nothing from outside can panic us"),
    (".expect(\"", "nothing from outside can panic us"),
    ("panic!(", "nothing from outside can panic us"),
    ("unreachable!(", "nothing from outside can panic us"),
    ("todo!(", "no stub that looks done"),
    ("unimplemented!(", "no stub that looks done"),
    ("std::env::set_var", "nothing is ambient"),
];

/// What may stand in no test.
const NOT_IN_TESTS: &[(&str, &str)] = &[
    ("#[ignore", "a test that is not run proves nothing"),
    ("sleep(", "time is paused or polled, not slept"),
    ("set_var(", "nothing is ambient"),
    ("todo!(", "no test that looks done"),
];

/// One file, judged: the faults found, a line each.
fn faults(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let whole_file_is_test =
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
    let (product, tests) = match whole_file_is_test {
        true => (Vec::new(), code.lines().collect()),
        false => split_tests(&code),
    };
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push(format!("{path}:1: the first line is not a `//!` that says what this is"));
    }
    let empty = |name: &str| path.split('/').any(|part| part.strip_suffix(".rs").unwrap_or(part) == name);
    if let Some(name) = EMPTY_NAMES.iter().find(|name| empty(name)) {
        found.push(format!("{path}: `{name}` says nothing"));
    }
    if !path.starts_with("benches/") {
        words(path, text, &product, NOT_IN_PRODUCT, &mut found);
    }
    words(path, text, &tests, NOT_IN_TESTS, &mut found);
    lengths(path, text, &product, &mut found);
    if lambda_is_beyond_the_door(path, &product) {
        found.push(format!("{path}: the Lambda runtime belongs to main.rs and crates/host only"));
    }
    found
}

fn words(path: &str, text: &str, lines: &[&str], forbidden: &[(&str, &str)], found: &mut Vec<String>) {
    // Literals are blank in `lines`, so what ends in a quote is looked for in the text itself.
    for (number, (code, line)) in lines.iter().zip(text.lines()).enumerate() {
        for (word, why) in forbidden {
            let hit = match word.strip_suffix('"') {
                Some(head) => code.contains(head) && line.contains(word),
                None => code.contains(word),
            };
            if hit {
                found.push(format!("{path}:{}: `{word}` ({why})", number + 1));
            }
        }
    }
}

fn lengths(path: &str, text: &str, product: &[&str], found: &mut Vec<String>) {
    let tests_start = product.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    if tests_start > FILE_LINES_MAX {
        found.push(format!(
            "{path}: {tests_start} lines without its tests, {FILE_LINES_MAX} are allowed"
        ));
    }
    if path.starts_with("functions/") && path.ends_with("/src/main.rs") && text.lines().count() > MAIN_LINES_MAX {
        found.push(format!(
            "{path}: {} lines, a main.rs has {MAIN_LINES_MAX} at most",
            text.lines().count()
        ));
    }
    for function in functions(product)
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
    {
        let (line, name, lines) = (function.line, function.name, function.lines);
        found.push(format!(
            "{path}:{line}: `{name}` has {lines} lines, {FUNCTION_LINES_MAX} are allowed"
        ));
    }
}

fn lambda_is_beyond_the_door(path: &str, product: &[&str]) -> bool {
    let at_the_door = path.starts_with("crates/host/") || path.ends_with("/src/main.rs");
    let known = ["lambda_runtime", "aws_lambda_events"];
    !at_the_door && product.iter().any(|line| known.iter().any(|name| line.contains(name)))
}

#[test]
fn the_code_keeps_the_rules() {
    let found: Vec<String> = rust_files().iter().flat_map(|(path, text)| faults(path, text)).collect();
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_broken_file_is_found() {
    let check = |path: &str, text: &str, expected: &[&str]| {
        let found = faults(path, text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (fault, part) in found.iter().zip(expected) {
            assert!(fault.contains(part), "{fault} should say {part}");
        }
    };
    check("crates/a/src/b.rs", "//! Head.\nfn f() {}\n", &[]);
    check("crates/a/src/b.rs", "fn f() {}\n", &["first line"]);
    check("crates/a/src/utils/b.rs", "//! Head.\n", &["`utils`"]);
    check(
        "crates/a/src/b.rs",
        "//! Head.\nfn f() { x.unwrap(); todo!() }\n",
        &[":2: `.unwrap()`", "`todo!(`"],
    );
    check(
        "crates/a/src/b.rs",
        "//! Head.\nfn f() { x.expect(\"y\"); parser.expect(b'}'); }\n",
        &["`.expect(\"`"],
    );
    check(
        "crates/a/src/b.rs",
        "//! Head.\n#[cfg(test)]\nmod tests {\n    fn f() { x.unwrap(); sleep(1) }\n}\n",
        &[":4: `sleep(`"],
    );
    check("crates/a/tests/b.rs", "//! Head.\n#[ignore]\nfn f() {}\n", &["`#[ignore`"]);
    check(
        "functions/a/src/lib.rs",
        "//! Head.\nuse lambda_runtime::run;\n",
        &["Lambda runtime"],
    );
    check(
        "functions/a/src/main.rs",
        &format!("//! Head.\n{}", "//\n".repeat(60)),
        &["61 lines"],
    );
    check(
        "crates/a/src/b.rs",
        &format!("//! Head.\n{}", "type A = B;\n".repeat(500)),
        &["501 lines"],
    );
    let long = format!("//! Head.\nfn f() {{\n{}}}\n", "    g();\n".repeat(69));
    check("crates/a/src/b.rs", &long, &["`f` has 71 lines"]);
}

#[test]
fn the_readme_shows_its_two_commands_as_they_are() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for command in ["cargo run --release -- run earthquakes --recorded", "cargo test --workspace"] {
        assert!(
            readme.lines().any(|line| line.trim().trim_start_matches("$ ") == command),
            "README.md has no line that is exactly `{command}`"
        );
    }
}
