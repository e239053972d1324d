//! Lines are JSON with bounds and no secrets; metrics keep to the specification of their format.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;
use tracing::{debug, error, info, info_span, warn};

/// What `log` logs at `level`.
fn lines(level: LogLevel, log: impl FnOnce()) -> Vec<Value> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let sink: Sink = Arc::new(move |line: &str| kept.lock().unwrap().push(serde_json::from_str(line).unwrap()));
    tracing::subscriber::with_default(registry().with(JsonLines::new("clean", "dev", level, sink)), log);
    let lines = lines.lock().unwrap();
    lines.clone()
}

#[test]
fn a_line_holds_its_fields_and_those_of_its_spans() {
    let lines = lines(LogLevel::Info, || {
        let outer = info_span!("outer", run = "R", pipeline = Some("p"), resource = None::<&str>, records = 0_u64);
        let _outer = outer.enter();
        outer.record("records", 5_u64);
        let _inner = info_span!("inner", object = %"raw/p", run = "inner").entered();
        info!(count = 3_u64, left = -1_i64, share = 0.5_f64, good = true, list = ?[1, 2], "text with \"quotes\" and\na line");
    });
    let mut line = lines[0].clone();
    let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    let timestamp = timestamp.as_str().unwrap();
    assert!(
        timestamp.parse::<jiff::Timestamp>().is_ok() && timestamp.len() == "2026-11-24T10:00:00.000Z".len(),
        "{timestamp}"
    );
    let expected = json!({
        "level": "INFO", "function": "clean", "stack": "dev", "run": "inner", "pipeline": "p", "records": 5, "object": "raw/p",
        "count": 3, "left": -1, "share": 0.5, "good": true, "list": "[1, 2]", "message": "text with \"quotes\" and\na line",
    });
    assert_eq!(line, expected);
}

fn check_levels(level: LogLevel, own: &[&str], of_others: &[&str]) {
    let lines = lines(level, || {
        error!("own-error");
        warn!("own-warn");
        info!("own-info");
        debug!("own-debug");
        info!(target: "host_under_test", "own-named");
        error!(target: "hosting", "other-error");
        warn!(target: "aws_smithy_runtime::client", "other-warn");
        info!(target: "aws_smithy_runtime::client", "other-info");
        debug!(target: "hyper::proto", "other-debug");
        error!(target: "lambda_runtime::layers::panic", "told-twice");
    });
    let told: BTreeSet<String> = lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    let expected = own
        .iter()
        .map(|name| format!("own-{name}"))
        .chain(of_others.iter().map(|name| format!("other-{name}")));
    assert_eq!(told, expected.collect(), "{level:?}");
}

/// What dependencies print below a warning holds headers and bodies.
#[test]
fn the_level_is_ours_and_dependencies_only_warn() {
    check_levels(LogLevel::Error, &["error"], &["error"]);
    check_levels(LogLevel::Warn, &["error", "warn"], &["error", "warn"]);
    check_levels(LogLevel::Info, &["error", "warn", "info", "named"], &["error", "warn"]);
    check_levels(LogLevel::Debug, &["error", "warn", "info", "debug", "named"], &["error", "warn"]);
}

#[test]
fn spans_are_kept_whatever_the_level() {
    let lines = lines(LogLevel::Error, || {
        let _span = info_span!("message", pipeline = "p").entered();
        error!("failed");
    });
    assert_eq!(lines[0]["pipeline"], "p");
}

#[test]
fn a_line_has_a_bound() {
    let lines = lines(LogLevel::Info, || info!(chain = "ä".repeat(100_000), "failed"));
    let chain = lines[0]["chain"].as_str().unwrap();
    assert_eq!(chain.chars().count(), STRING_CHARS_MAX + 1);
    assert!(chain.ends_with('…'));
}

#[test]
fn a_secret_is_not_shown() {
    let secret = secrecy::SecretString::from("hunter2");
    let lines = lines(LogLevel::Debug, || info!(token = ?secret, "done"));
    assert!(!lines[0].to_string().contains("hunter2"));
}

/// What the specification of the embedded metric format asks of a line.
fn check_line(line: &str) -> Value {
    assert!(!line.contains('\n'));
    let line: Value = serde_json::from_str(line).unwrap();
    let root = line.as_object().unwrap();
    let metadata = root["_aws"].as_object().unwrap();
    assert_eq!(
        metadata.keys().collect::<BTreeSet<_>>(),
        BTreeSet::from([&"CloudWatchMetrics".to_owned(), &"Timestamp".to_owned()])
    );
    assert!(metadata["Timestamp"].is_u64());
    let units: BTreeSet<&str> = ["Count", "Bytes", "Milliseconds"].into();
    for directive in metadata["CloudWatchMetrics"].as_array().unwrap() {
        let directive = directive.as_object().unwrap();
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=1024).contains(&namespace.len()));
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!(set.len() <= 30);
            for key in set {
                let key = key.as_str().unwrap();
                assert!((1..=250).contains(&key.len()));
                // Targets of dimensions are texts of at most 1,024 characters, on the root.
                assert!((1..=1024).contains(&root[key].as_str().unwrap().len()), "{key}");
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(metrics.len() <= 100);
        let names: BTreeSet<&str> = metrics.iter().map(|metric| metric["Name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), metrics.len());
        for metric in metrics {
            let metric = metric.as_object().unwrap();
            assert_eq!(metric.len(), 2);
            assert!(units.contains(metric["Unit"].as_str().unwrap()));
            // Targets of metrics are numbers on the root.
            assert!(root[metric["Name"].as_str().unwrap()].is_number());
        }
    }
    line
}

#[test]
fn metrics_are_in_the_embedded_format() {
    let mut metrics = Metrics::default();
    for (metric, count) in Metric::ALL.into_iter().zip(1..) {
        metrics.add(metric, count);
    }
    check_line(&metrics.line("dev", "clean", 1_795_514_400_812));
    check_line(&Metrics::default().line("dev", "clean", 0));
    let mut some = Metrics::default();
    some.add(Metric::RecordsIn, 1);
    some.add(Metric::RecordsIn, u64::MAX);
    let mut other = Metrics::default();
    other.add(Metric::Duration, 61);
    some.merge(&other);
    let expected = json!({
        "_aws": {
            "Timestamp": 1_795_514_400_812_i64,
            "CloudWatchMetrics": [{
                "Namespace": "Tidemill",
                "Dimensions": [["stack", "stage"]],
                "Metrics": [{"Name": "RecordsIn", "Unit": "Count"}, {"Name": "Duration", "Unit": "Milliseconds"}],
            }],
        },
        "stack": "dev",
        "stage": "clean",
        "RecordsIn": u64::MAX,
        "Duration": 61,
    });
    assert_eq!(check_line(&some.line("dev", "clean", 1_795_514_400_812)), expected);
}
