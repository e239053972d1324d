//! The workflows: actions pinned by hash, no more rights than needed, and every function built.

use super::root;

/// What is wrong with a workflow, a line each.
fn faults(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((_, action)) = line.split_once("uses: ") else { continue };
        let (pinned, version) = action.split_once(" # ").unwrap_or((action, ""));
        let hash = pinned.split_once('@').map_or("", |(_, hash)| hash);
        if hash.len() != 40 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            found.push(format!("{name}:{number}: `{action}` is not pinned by the hash of a commit"));
        }
        if !version.starts_with('v') {
            found.push(format!("{name}:{number}: `{action}` does not say which version the hash is"));
        }
    }
    if !text.contains("\npermissions:\n  contents: read\n") {
        found.push(format!("{name}: its jobs start with more than `contents: read`"));
    }
    let checkouts = text.matches("actions/checkout@").count();
    if text.matches("persist-credentials: false").count() != checkouts {
        found.push(format!("{name}: a checkout leaves the token in .git/config"));
    }
    if text.matches("timeout-minutes:").count() != text.matches("runs-on:").count() {
        found.push(format!("{name}: a job has no `timeout-minutes`"));
    }
    found
}

#[test]
fn every_workflow_is_pinned_and_has_no_more_rights_than_it_needs() {
    let mut names = Vec::new();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(faults(&name, &std::fs::read_to_string(&path).unwrap()));
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["check.yml", "deploy.yml", "release.yml"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_a_workflow_lacks_is_found() {
    let broken = "jobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4 # v4\n      - uses: b/c@0123456789012345678901234567890123456789\n";
    let expected = [
        "x:5: `actions/checkout@v4 # v4` is not pinned by the hash of a commit",
        "x:6: `b/c@0123456789012345678901234567890123456789` does not say which version the hash is",
        "x: its jobs start with more than `contents: read`",
        "x: a checkout leaves the token in .git/config",
        "x: a job has no `timeout-minutes`",
    ];
    assert_eq!(faults("x", broken), expected);
}

/// The functions that the repository has are those that are built, deployed and released.
#[test]
fn every_function_is_built_by_the_workflows() {
    let folders = std::fs::read_dir(root().join("functions")).unwrap();
    let folders = folders.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut functions: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    functions.sort();
    for workflow in ["deploy.yml", "release.yml"] {
        let text = std::fs::read_to_string(root().join(".github/workflows").join(workflow)).unwrap();
        let packages: String = functions.iter().map(|function| format!(" --package {function}")).collect();
        assert!(text.contains(packages.trim_start()), "{workflow} does not build{packages}");
        let each = format!("for function in {}; do", functions.join(" "));
        assert!(text.contains(&each), "{workflow} has no `{each}`");
    }
}
