//! Metrics in the CloudWatch embedded metric format: one JSON line an invocation, from which CloudWatch makes metrics.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>. One set of dimensions,
//! stack and stage: with a dimension a pipeline, thousands of pipelines would cost thousands a month.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const NAMESPACE: &str = "Tidemill";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Messages worked on.
    Messages,
    /// Messages that failed and come again.
    Failures,
    /// Captures, records or documents that went in.
    RecordsIn,
    /// Of them, what came out at the other end.
    RecordsOut,
    /// Records that broke their contract.
    Rejected,
    /// Documents that the database would not take.
    Refused,
    /// Bytes read, before compression.
    Bytes,
    /// Milliseconds of the invocation.
    Duration,
    /// 1 for the first invocation of a process.
    ColdStart,
    /// Incidents opened.
    Incidents,
}

impl Metric {
    pub const ALL: [Metric; 10] = [
        Metric::Messages,
        Metric::Failures,
        Metric::RecordsIn,
        Metric::RecordsOut,
        Metric::Rejected,
        Metric::Refused,
        Metric::Bytes,
        Metric::Duration,
        Metric::ColdStart,
        Metric::Incidents,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Metric::Messages => "Messages",
            Metric::Failures => "Failures",
            Metric::RecordsIn => "RecordsIn",
            Metric::RecordsOut => "RecordsOut",
            Metric::Rejected => "Rejected",
            Metric::Refused => "Refused",
            Metric::Bytes => "Bytes",
            Metric::Duration => "Duration",
            Metric::ColdStart => "ColdStart",
            Metric::Incidents => "Incidents",
        }
    }

    /// As CloudWatch calls it.
    pub fn unit(self) -> &'static str {
        match self {
            Metric::Bytes => "Bytes",
            Metric::Duration => "Milliseconds",
            _ => "Count",
        }
    }
}

/// Sums of an invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics(BTreeMap<Metric, u64>);

impl Metrics {
    pub fn add(&mut self, metric: Metric, count: u64) {
        let sum = self.0.entry(metric).or_default();
        *sum = sum.saturating_add(count);
    }

    pub fn merge(&mut self, other: &Metrics) {
        for (metric, count) in &other.0 {
            self.add(*metric, *count);
        }
    }

    pub fn get(&self, metric: Metric) -> Option<u64> {
        self.0.get(&metric).copied()
    }

    /// The line for CloudWatch.
    pub fn line(&self, stack: &str, stage: &str, at_ms: i64) -> String {
        let definitions: Vec<Value> = self
            .0
            .keys()
            .map(|metric| json!({"Name": metric.name(), "Unit": metric.unit()}))
            .collect();
        let mut line = Map::new();
        line.insert(
            "_aws".into(),
            json!({
                "Timestamp": at_ms,
                "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["stack", "stage"]], "Metrics": definitions}],
            }),
        );
        line.insert("stack".into(), stack.into());
        line.insert("stage".into(), stage.into());
        for (metric, count) in &self.0 {
            line.insert(metric.name().into(), (*count).into());
        }
        Value::Object(line).to_string()
    }
}
