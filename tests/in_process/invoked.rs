//! The functions' processes, as `cargo lambda watch` starts them: Lambda's runtime API, and `TIDEMILL_HOME` in the place of AWS.

use cli::local::Upstream;
use documents::{Documents as _, SqliteDocuments};
use lake::{Definitions, DirectoryStore};
use ledger::{Ledger as _, SqliteLedger};
use pipeline::Name;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidemill_tests::chain::block_on;
use tidemill_tests::lambda_function::{Answer, LambdaFunction, command};

const EVENTS: u64 = 1_707;
const EXTRACT: &str = env!("CARGO_BIN_EXE_extract-under-test");
const CLEAN: &str = env!("CARGO_BIN_EXE_clean-under-test");
const LOAD: &str = env!("CARGO_BIN_EXE_load-under-test");
const BACKUP: &str = env!("CARGO_BIN_EXE_backup-under-test");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A recorded event of this repository.
fn event(name: &str) -> String {
    std::fs::read_to_string(root().join("events").join(name)).unwrap()
}

/// What `tidemill run` does first.
async fn publish(home: &Path, text: &str) {
    let checked = Arc::new(pipeline::check("earthquakes.yaml", text).unwrap());
    let store = Arc::new(DirectoryStore::open(home.join("lake")).unwrap());
    Definitions::new(store).publish(checked.clone(), text).await.unwrap();
    let ledger = SqliteLedger::open(&home.join("ledger.db")).unwrap();
    ledger
        .apply_definition(&checked.pipeline.pipeline, checked.hash.as_str())
        .await
        .unwrap();
}

#[test]
fn from_a_tick_to_documents_without_an_account() {
    let folder = tidemill_tests::folder::temporary();
    let home = folder.path().join("home");
    let environment = [("TIDEMILL_HOME", home.to_str().unwrap())];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = runtime.block_on(Upstream::start("earthquakes", &root().join("pipelines"))).unwrap();
    let text = std::fs::read_to_string(root().join("pipelines/earthquakes.yaml")).unwrap();
    let text = text.replace("https://earthquake.usgs.gov/fdsnws/event/1/", &upstream.base_url());
    block_on(publish(&home, &text));

    let extracted = LambdaFunction::start(EXTRACT, &environment).well(&event("extract/direct.json"));
    assert_eq!(
        (&extracted["outcome"], &extracted["parts"]),
        (&json!("extracted"), &json!(1)),
        "{extracted}"
    );

    // The event names what the tick of the other event brought.
    let clean = LambdaFunction::start(CLEAN, &environment);
    let cleaned = clean.well(&event("clean/direct.json"));
    assert_eq!(
        (&cleaned["records_in"], &cleaned["out"]),
        (&json!(EVENTS), &json!(EVENTS)),
        "{cleaned}"
    );

    let load = LambdaFunction::start(LOAD, &environment);
    let to_load = json!({"clean": cleaned["clean"]}).to_string();
    let loaded = load.well(&to_load);
    assert_eq!(
        (&loaded["documents_in"], &loaded["inserted"]),
        (&json!(EVENTS), &json!(EVENTS)),
        "{loaded}"
    );
    // Delivered twice, in a batch of the queue.
    let batch = json!({"Records": [{"messageId": "again", "eventSource": "aws:sqs", "body": to_load}]});
    assert_eq!(load.well(&batch.to_string()), json!({"batchItemFailures": []}));

    let documents = SqliteDocuments::open(&home.join("documents.db")).unwrap();
    let seen = block_on(documents.scan(&Name::new("earthquakes").unwrap(), None, 10_000)).unwrap();
    assert_eq!(seen.len() as u64, EVENTS);

    let backup = LambdaFunction::start(BACKUP, &environment);
    let taken = backup.well(&event("backup/direct.json"));
    assert_eq!(
        (&taken["outcome"], &taken["class"], taken["documents"].as_u64() >= Some(EVENTS)),
        (&json!("backed up"), &json!("yearly"), true),
        "{taken}"
    );
    // The drill of the queue's own schedule.
    assert_eq!(backup.well(&event("backup/schedule-drill.json")), json!({"batchItemFailures": []}));
}

#[test]
fn a_pipeline_that_is_not_known_says_what_to_type() {
    let folder = tidemill_tests::folder::temporary();
    let extract = LambdaFunction::start(EXTRACT, &[("TIDEMILL_HOME", folder.path().to_str().unwrap())]);
    let Answer::Failed(error) = extract.invoke(&event("extract/direct.json")) else {
        panic!("there is no such pipeline");
    };
    assert_eq!(error["errorType"], "UnknownPipeline");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("type `tidemill run pipelines/earthquakes.yaml`"), "{message}");
    // As a message of the queue, it comes again.
    let batch = extract.well(&event("extract/schedule.json"));
    assert_eq!(batch["batchItemFailures"].as_array().unwrap().len(), 1, "{batch}");
}

#[test]
fn settings_that_are_missing_are_told_together_and_the_process_ends() {
    let own = [
        (EXTRACT, extract::settings::VARIABLES.as_slice()),
        (CLEAN, clean::settings::VARIABLES.as_slice()),
        (LOAD, load::settings::VARIABLES.as_slice()),
        (BACKUP, backup::settings::VARIABLES.as_slice()),
    ];
    for (binary, own) in own {
        let output = command(binary, &[("TIDEMILL_STACK", "dev")]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let out = String::from_utf8(output.stdout).unwrap();
        let line: Value = serde_json::from_str(out.trim()).unwrap_or_else(|_| panic!("one line of JSON: {out}"));
        let told = line.to_string();
        let common = ["TIDEMILL_LAKE_BUCKET", "TIDEMILL_LEDGER_TABLE"];
        for name in own.iter().map(|(name, _)| *name).chain(common) {
            assert!(told.contains(&format!("{name} is not set")), "{told}");
        }
        assert!(!told.contains("TIDEMILL_STACK is not set"), "{told}");
    }
}
