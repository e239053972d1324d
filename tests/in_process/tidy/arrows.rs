//! The arrows between packages, as a table. What a package may not carry is as much part of the design as what it does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

/// The packages of the workspace that users get, and what each may not reach by normal dependencies.
const RULES: &[Rule] = &[
    Rule {
        packages: &["pipeline"],
        forbidden: &[
            "lake",
            "ledger",
            "documents",
            "tokio",
            "async-trait",
            "futures-util",
            "reqwest",
            "hyper",
            "rustls",
            "rusqlite",
            "rand",
            "fastrand",
        ],
        why: "the language is pure: no I/O, no async, no network, no clock",
    },
    Rule {
        packages: &["lake"],
        forbidden: &["ledger", "documents", "reqwest", "hyper", "rusqlite", "mongodb"],
        why: "the lake knows neither sources nor databases",
    },
    Rule {
        packages: &["ledger"],
        forbidden: &["documents", "reqwest", "hyper", "mongodb"],
        why: "the ledger knows no documents and no sources",
    },
    Rule {
        packages: &["documents"],
        forbidden: &["lake", "ledger", "reqwest", "hyper"],
        why: "documents know only the contract",
    },
    Rule {
        packages: &["clean"],
        forbidden: &["documents", "rusqlite", "libsqlite3-sys", "mongodb", "reqwest", "hyper", "fastrand"],
        why: "clean is a function of a raw object and a definition: no database, no network, no randomness",
    },
    Rule {
        packages: &["extract"],
        forbidden: &["documents", "mongodb"],
        why: "extraction ends at raw/",
    },
    Rule {
        packages: &["load", "backup"],
        forbidden: &["reqwest", "hyper"],
        why: "loading and backing up never call a source",
    },
    Rule {
        packages: &["pipeline", "lake", "ledger", "documents"],
        forbidden: &["extract", "clean", "load", "backup", "cli", "anyhow"],
        why: "arrows point from practical to pure, and a library's errors have types",
    },
    Rule {
        packages: &["extract", "clean", "load", "backup", "watch"],
        forbidden: &[
            "extract",
            "clean",
            "load",
            "backup",
            "watch",
            "cli",
            "host",
            "anyhow",
            "lambda_runtime",
            "aws_lambda_events",
        ],
        why: "functions meet only through objects in the lake, and their libraries know no runtime",
    },
    Rule {
        packages: PACKAGES,
        forbidden: &[
            "openssl-sys",
            "native-tls",
            "aws-lc-rs",
            "aws-lc-sys",
            "serde_yaml",
            "tidemill-tests",
            "servers",
        ],
        why: "TLS is rustls with ring, one provider a process; YAML is serde-saphyr",
    },
];

const PACKAGES: &[&str] = &[
    "pipeline",
    "lake",
    "ledger",
    "documents",
    "host",
    "extract",
    "clean",
    "load",
    "backup",
    "watch",
    "cli",
];

struct Rule {
    packages: &'static [&'static str],
    forbidden: &'static [&'static str],
    why: &'static str,
}

/// Who uses whom directly.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// Every way from a package to one it may not reach, a line each.
fn violations(package: &str, edges: &Edges, rules: &[Rule]) -> Vec<String> {
    let applying = rules.iter().filter(|rule| rule.packages.contains(&package));
    let ways = ways_from(package, edges);
    applying
        .flat_map(|rule| rule.forbidden.iter().map(move |forbidden| (rule, *forbidden)))
        .filter(|(_, forbidden)| *forbidden != package)
        .filter_map(|(rule, forbidden)| Some(format!("{} ({})", ways.get(forbidden)?.join(" -> "), rule.why)))
        .collect()
}

/// The shortest way to each package that can be reached.
fn ways_from(package: &str, edges: &Edges) -> BTreeMap<String, Vec<String>> {
    let mut ways = BTreeMap::from([(package.to_owned(), vec![package.to_owned()])]);
    let mut queue = VecDeque::from([package.to_owned()]);
    while let Some(from) = queue.pop_front() {
        for to in edges.get(&from).into_iter().flatten() {
            if !ways.contains_key(to) {
                let mut way = ways[&from].clone();
                way.push(to.clone());
                ways.insert(to.clone(), way);
                queue.push_back(to.clone());
            }
        }
    }
    ways
}

/// Reads `cargo tree --prefix depth`: a line is `{depth}{name} v{version} …`. A package that was shown before is shown without what is below it.
fn parse_tree(text: &str) -> Edges {
    let mut edges = Edges::new();
    let mut above: Vec<String> = Vec::new();
    for line in text.lines() {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let (depth, rest) = line.split_at(digits);
        let (Ok(depth), Some(name)) = (depth.parse::<usize>(), rest.split_whitespace().next()) else {
            continue;
        };
        above.truncate(depth);
        if let Some(parent) = above.last() {
            edges.entry(parent.clone()).or_default().insert(name.to_owned());
        }
        above.push(name.to_owned());
    }
    edges
}

/// The normal dependencies of one package, built alone: together, one package's features would hide or add to another's.
fn edges_of(package: &str) -> Edges {
    let output = Command::new(env!("CARGO"))
        .current_dir(super::root())
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "depth"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo tree -p {package}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let edges = parse_tree(&String::from_utf8(output.stdout).unwrap());
    assert!(edges.contains_key(package), "cargo tree -p {package} shows no dependency at all");
    edges
}

#[test]
fn no_package_reaches_what_it_may_not() {
    let found: Vec<String> = PACKAGES
        .iter()
        .flat_map(|package| violations(package, &edges_of(package), RULES))
        .collect();
    assert!(found.is_empty(), "forbidden dependencies:\n{}", found.join("\n"));
}

#[test]
fn a_broken_arrow_is_found_with_the_way_to_it() {
    let broken =
        "0pipeline v0.1.0 (/somewhere)\n1serde v1.0.0\n2serde_core v1.0.0\n1schemars v1.2.0\n2tokio v1.5.0 (*)\n1serde v1.0.0 (*)\n";
    let found = violations("pipeline", &parse_tree(broken), RULES);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("pipeline -> schemars -> tokio ("), "{found:?}");

    let among_functions = "0load v0.1.0\n1clean v0.1.0\n2openssl-sys v0.9.0\n";
    let found = violations("load", &parse_tree(among_functions), RULES);
    assert_eq!(found.len(), 2, "{found:?}");

    let sound = "0lake v0.1.0\n1pipeline v0.1.0\n1tokio v1.5.0\n";
    assert_eq!(violations("lake", &parse_tree(sound), RULES), Vec::<String>::new());
}

#[test]
fn every_member_has_its_rules() {
    let manifest = std::fs::read_to_string(super::root().join("Cargo.toml")).unwrap();
    let members: Vec<&str> = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(list, _)| list.split('"').filter(|part| part.contains('/')).collect())
        .unwrap();
    assert!(members.len() >= PACKAGES.len(), "{members:?}");
    // What is under `tests/` no user gets.
    for member in members.into_iter().filter(|member| !member.starts_with("tests/")) {
        let name = member.rsplit('/').next().unwrap();
        assert!(
            PACKAGES.contains(&name),
            "`{name}` is a member without rules: add it to PACKAGES in tidy/arrows.rs"
        );
    }
}
