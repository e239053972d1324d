//! The table of results.

use crate::stage::Stage;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// What one run of a stage used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    pub records: u64,
    pub cpu_seconds: f64,
    pub peak_megabytes: f64,
}

/// A stage and its runs.
pub struct Row {
    pub stage: Stage,
    pub measured: Vec<Measured>,
}

/// Prints medians, a row a stage.
pub fn print(rows: &[Row]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<8} {:>10} {:>12} {:>20} {:>10}",
        "stage", "records", "CPU s", "CPU s/million rows", "peak MB"
    )?;
    for row in rows {
        let cpu = median(row.measured.iter().map(|m| m.cpu_seconds));
        let peak = median(row.measured.iter().map(|m| m.peak_megabytes));
        let records = row.measured.first().map_or(0, |m| m.records);
        let per_million = cpu * 1e6 / records.max(1) as f64;
        writeln!(
            out,
            "{:<8} {records:>10} {cpu:>12.2} {per_million:>20.2} {peak:>10.1}",
            row.stage.to_string()
        )?;
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
