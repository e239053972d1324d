//! Killed at any step and started again, a run ends as an undisturbed one.

use crate::home::{Home, Kept, definition, definition_with, rest, rest_source};
use crate::paginators::{PAGINATORS, source};
use extract::{Error, Outcome, Settings};
use ledger::{Ledger as _, RunState};
use pipeline::Checked;
use std::sync::Arc;

fn home() -> Home {
    let mut home = Home::new();
    // Many small objects, so that a kill falls before, between and after them.
    home.settings = Settings {
        object_bytes_max: 250,
        piece_bytes: 40,
        ..Settings::default()
    };
    home
}

fn without_part(kept: Vec<Kept>) -> Vec<Kept> {
    kept.into_iter()
        .map(|kept| Kept {
            part: String::new(),
            ..kept
        })
        .collect()
}

/// Kills a run after each of its steps in turn, and lets a second one end it.
async fn killed_anywhere(definition: &Arc<Checked>, prepare: impl Fn(&Home)) {
    let undisturbed = home();
    prepare(&undisturbed);
    let (outcome, steps) = undisturbed.run_until(definition, usize::MAX).await;
    let Outcome::Extracted {
        parts, captures, bytes, ..
    } = outcome.unwrap()
    else {
        panic!("skipped")
    };
    let expected = without_part(undisturbed.captures().await);
    assert!(parts > 1 && steps.len() > 8, "{parts} parts, {steps:?}");
    for stop_after in 0..steps.len() {
        let home = home();
        prepare(&home);
        let (killed, reached) = home.run_until(definition, stop_after).await;
        assert!(matches!(killed, Err(Error::Interrupted(_))), "{killed:?}");
        assert_eq!(reached, steps[..=stop_after], "the steps are the same every time");
        let began = reached.len() > 1;
        let ended = stop_after + 1 == steps.len();
        let outcome = home.run(definition).await.unwrap();
        let Outcome::Extracted { run, resumed, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(resumed, began && !ended, "after {:?}", reached.last());
        if ended {
            // It was whole already; the second run read all of it again.
            continue;
        }
        assert_eq!(
            outcome,
            Outcome::Extracted {
                run,
                resumed,
                parts,
                captures,
                bytes,
                notices: Vec::new()
            },
            "after {:?}",
            reached.last()
        );
        assert_eq!(without_part(home.captures().await), expected, "after {:?}", reached.last());
        assert_eq!(home.objects().await.len(), undisturbed.objects().await.len());
        let runs = home.runs().await;
        assert!(runs.len() == 1 && runs[0].state == RunState::Extracted, "{runs:?}");
    }
}

#[tokio::test]
async fn pages() {
    let upstream = source().await;
    for (folder, endpoint, requests) in PAGINATORS {
        if requests > 1 {
            killed_anywhere(&rest(&upstream.url(&format!("/{folder}/")), "", endpoint), |_| ()).await;
        }
    }
}

#[tokio::test]
async fn the_marker_of_replace() {
    let upstream = source().await;
    let resource = "endpoint: {path: things, paginator: {link_header: {}}}";
    let replace = definition_with(&rest_source(&upstream.url("/link/"), ""), resource, "replace");
    killed_anywhere(&replace, |_| ()).await;
    let home = home();
    home.run(&replace).await.unwrap();
    let (key, marker) = home.objects().await.pop().unwrap();
    assert!(key.as_str().ends_with("/end.jsonl.zst"));
    assert_eq!((marker.parts, marker.captures), (Some(home.objects().await.len() as u32 - 1), 0));
}

#[tokio::test]
async fn files_of_every_kind() {
    let rows: String = (0..40).map(|n| format!("{n},\"a\nb\"\r\n")).collect();
    let lines: String = (0..40).map(|n| format!("{{\"id\":\"{n}\"}}\n")).collect();
    let items = (0..40).map(|n| format!("{{\"id\":\"{n}\"}}")).collect::<Vec<_>>().join(", ");
    for (name, text, more) in [
        ("x*.csv", format!("\u{feff}id,t\n{rows}"), ""),
        ("x*.ndjson", lines.clone(), ""),
        ("x*.ndjson.zst", lines, ""),
        (
            "x*.json",
            format!("{{\"data\": [{items}]}}"),
            ", format: {json: {data_selector: \"data[*]\"}}",
        ),
    ] {
        let pipeline = definition("{files: {reply_size_max: 100B}}", &format!("file: {{path: \"{name}\"{more}}}"));
        killed_anywhere(&pipeline, |home| {
            for number in ["1", "2"] {
                let path = home.folder.path().join(name.replace('*', number));
                let bytes = if name.ends_with("zst") {
                    zstd::encode_all(text.as_bytes(), 1).unwrap()
                } else {
                    text.clone().into_bytes()
                };
                std::fs::write(path, bytes).unwrap();
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_file_that_changed_since() {
    let rows = |first: &str| -> String { (0..400).map(|n| format!("{first}{n}\n")).collect() };
    let home = home();
    let path = home.folder.path().join("x.csv");
    let pipeline = definition("{files: {}}", "file: {path: x.csv}");
    std::fs::write(&path, format!("id\n{}", rows("a"))).unwrap();
    let (killed, steps) = home.run_until(&pipeline, 10).await;
    assert!(matches!(killed, Err(Error::Interrupted(_))), "{killed:?}");
    let before = home.bodies().await;
    assert!(!before.is_empty(), "{steps:?}");
    std::fs::write(&path, format!("id\n{}", rows("b"))).unwrap();
    let message = home.failure(&pipeline).await;
    assert!(
        message.contains("it has changed while it was read; the next run starts afresh"),
        "{message}"
    );
    assert_eq!(home.bodies().await, before);
    let outcome = home.run(&pipeline).await.unwrap();
    assert!(matches!(outcome, Outcome::Extracted { resumed: false, .. }));
}

#[tokio::test]
async fn a_moved_source_and_an_edited_pipeline() {
    let first = source().await;
    let second = source().await;
    let endpoint = "data_selector: data, paginator: {next_url: {next_url_path: links.next}}";
    let mut home = home();
    let old = rest(&first.url("/next/"), "", endpoint);
    // Published, as the process does before it runs anything.
    let text = serde_json::to_string(&old.pipeline).unwrap();
    let old = Arc::new(pipeline::check("test.yaml", &text).unwrap());
    lake::Definitions::new(home.store.clone())
        .publish(old.clone(), &text)
        .await
        .unwrap();
    let (killed, steps) = home.run_until(&old, 5).await;
    assert!(matches!(killed, Err(Error::Interrupted(_))), "{steps:?}");
    assert_eq!(home.objects().await.len(), 1, "{steps:?}");
    drop(first);
    home.base_url = Some(second.url("/next/"));
    let edited = rest("http://never.example/", "", "data_selector: data");
    let outcome = home.run(&edited).await.unwrap();
    assert!(matches!(outcome, Outcome::Extracted { resumed: true, .. }));
    assert_eq!(crate::paginators::ids(&home.bodies().await), (0..25).collect::<Vec<_>>());
    assert_eq!(home.runs().await[0].definition, old.hash.to_string());
}

#[tokio::test]
async fn a_definition_that_is_gone_ends_its_run() {
    let upstream = source().await;
    let home = home();
    let old = rest(&upstream.url("/link/"), "", "paginator: {link_header: {}}");
    assert!(home.run_until(&old, 3).await.0.is_err());
    let outcome = home.run(&rest(&upstream.url("/single/"), "", "")).await.unwrap();
    assert!(matches!(outcome, Outcome::Extracted { resumed: false, .. }));
    let runs = home.runs().await;
    assert!(
        matches!(&runs[1].state, RunState::Failed { message } if message.contains("definition")),
        "{runs:?}"
    );
}

#[tokio::test]
async fn a_failure_that_nobody_recorded() {
    let upstream = source().await;
    let few = rest(
        &upstream.url("/page/"),
        "",
        "pages_max: 2, paginator: {page_number: {limit: 10, limit_param: limit}}",
    );
    let (error, steps) = home().run_until(&few, usize::MAX).await;
    let message = error.unwrap_err().chain();
    for (stop_after, step) in steps.iter().enumerate().take(steps.len() - 1).skip(2) {
        let home = home();
        assert!(matches!(home.run_until(&few, stop_after).await.0, Err(Error::Interrupted(_))));
        assert_eq!(home.run(&few).await.unwrap_err().chain(), message, "after {step:?}");
        let runs = home.runs().await;
        assert!(runs.len() == 1 && matches!(runs[0].state, RunState::Failed { .. }), "{runs:?}");
        assert_eq!(home.bodies().await.len(), 2);
        let free = home.ledger.run_to_resume(&runs[0].resource).await.unwrap();
        assert_eq!(free, None);
    }
}

/// Objects that are there already are not written again: the worker goes on from the state that they hold, never from its own bytes.
#[tokio::test]
async fn objects_that_are_there_already() {
    let upstream = source().await;
    let first = home();
    let pipeline = rest(&upstream.url("/link/"), "", "paginator: {link_header: {}}");
    let outcome = first.run(&pipeline).await.unwrap();
    let before = (first.captures().await, first.objects().await);
    // The same tick, under a ledger that knows nothing of it; what comes now is another page, so other bytes would be written.
    let mut second = home();
    second.store = first.store.clone();
    let moved = source().await;
    second.base_url = Some(moved.url("/single/"));
    assert_eq!(second.run(&pipeline).await.unwrap(), outcome);
    assert_eq!((second.captures().await, second.objects().await), before);
}
