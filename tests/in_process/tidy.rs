//! The rules of the style guide that a machine can check. Each check is a pure function that is also shown something broken.

mod arrows;
mod code;
mod rules;
mod workflows;

use std::path::{Path, PathBuf};

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file of the repository, its path relative to the root (with `/`), and its text.
fn rust_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["crates", "functions", "tests", "benches"] {
        collect(&root().join(folder), &mut files);
    }
    assert!(
        files.len() > 30,
        "only {} Rust files were found under {}",
        files.len(),
        root().display()
    );
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            files.push((relative, std::fs::read_to_string(&path).unwrap()));
        }
    }
}
