//! The tables of results.

use crate::vault;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// What one run used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    pub records: u64,
    pub cpu_seconds: f64,
    pub peak_megabytes: f64,
}

/// Something measured, several times.
pub struct Row {
    pub name: String,
    pub measured: Vec<Measured>,
}

impl Row {
    pub fn new(name: String) -> Row {
        Row {
            name,
            measured: Vec::new(),
        }
    }

    fn cpu_seconds(&self) -> f64 {
        median(self.measured.iter().map(|m| m.cpu_seconds))
    }
}

/// Prints medians, a line a row.
pub fn print(rows: &[Row]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    head(&mut out)?;
    for row in rows {
        writeln!(out, "{}", line(row))?;
    }
    Ok(())
}

/// Prints medians under a title, each row's processor time beside the first one's.
pub fn print_compared(title: &str, rows: &[Row]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{title}")?;
    head(&mut out)?;
    let first = rows.first().map_or(0.0, Row::cpu_seconds);
    for row in rows {
        writeln!(out, "{} {:>6.2}", line(row), first / row.cpu_seconds())?;
    }
    writeln!(out, "The last column: the first row's processor time as a multiple of this row's.")?;
    Ok(())
}

/// Prints medians of what moved a database, a line each, by the bytes of its BSON.
pub fn print_moved(rows: &[(vault::Way, Vec<vault::Measured>)]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<10} {:>9} {:>9} {:>8} {:>8} {:>8} {:>12} {:>9}",
        "what", "MB", "packed MB", "s", "MB/s", "CPU s", "CPU s per GB", "peak MB"
    )?;
    for (way, measured) in rows {
        let of = |value: fn(&vault::Measured) -> f64| median(measured.iter().map(value));
        let (bytes, packed) = (of(|m| m.bytes as f64), of(|m| m.packed_bytes as f64));
        let (seconds, cpu) = (of(|m| m.seconds), of(|m| m.cpu_seconds));
        let peaks: Vec<f64> = measured.iter().filter_map(|m| m.peak_megabytes).collect();
        let peak = match peaks.is_empty() {
            true => "-".to_owned(),
            false => format!("{:.1}", median(peaks.into_iter())),
        };
        writeln!(
            out,
            "{:<10} {:>9.1} {:>9.1} {seconds:>8.2} {:>8.0} {cpu:>8.2} {:>12.1} {peak:>9}",
            way.to_string(),
            bytes / 1e6,
            packed / 1e6,
            bytes / 1e6 / seconds,
            cpu / (bytes / 1e9),
        )?;
    }
    Ok(())
}

fn head(out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:<14} {:>10} {:>12} {:>20} {:>10}",
        "what", "records", "CPU s", "CPU s/million rows", "peak MB"
    )?;
    Ok(())
}

fn line(row: &Row) -> String {
    let cpu = row.cpu_seconds();
    let peak = median(row.measured.iter().map(|m| m.peak_megabytes));
    let records = row.measured.first().map_or(0, |m| m.records);
    let per_million = cpu * 1e6 / records.max(1) as f64;
    format!("{:<14} {records:>10} {cpu:>12.2} {per_million:>20.2} {peak:>10.1}", row.name)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
