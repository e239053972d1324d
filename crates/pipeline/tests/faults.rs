//! Every kind of mistake and what is said of it: a file in `tests/faults/` each, its faults beside it as a snapshot.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{fs, path::PathBuf};

#[test]
fn each_mistake_has_its_message() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() > 60, "only {} files in {}", files.len(), folder.display());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("faults");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&file).unwrap();
            let Err(faults) = pipeline::check(&format!("{name}.yaml"), &text) else {
                panic!("{name}.yaml is taken for right");
            };
            insta::assert_snapshot!(name, faults.render(false));
        }
    });
}

#[test]
fn machines_get_every_fault_with_its_place() {
    let text = include_str!("faults/five_mistakes.yaml");
    let faults = pipeline::check("pipelines/earthquakes.yaml", text).unwrap_err();
    insta::assert_snapshot!(serde_json::to_string_pretty(&faults).unwrap());
}

#[test]
fn colour_is_only_in_the_coloured_rendering() {
    let faults = pipeline::check("p.yaml", "pipeline: P\n").unwrap_err();
    assert!(faults.render(true).contains('\u{1b}'));
    assert!(!faults.render(false).contains('\u{1b}'));
}

#[test]
fn a_secret_in_the_open_is_not_repeated() {
    for text in [
        include_str!("faults/source_literal_secrets.yaml"),
        include_str!("faults/source_credentials_in_url.yaml"),
    ] {
        assert!(text.contains("hunter2"));
        let faults = pipeline::check("p.yaml", text).unwrap_err();
        assert!(!faults.render(false).contains("hunter2"), "{faults}");
        assert!(!serde_json::to_string(&faults).unwrap().contains("hunter2"));
    }
}
