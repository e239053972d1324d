//! What this process has used so far, as Linux tells it.

use crate::table::Measured;
use anyhow::{Context, Result};
use std::io::Write;

/// The kernel counts processor time in hundredths of a second for user space, whatever its own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time and peak memory of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub peak_megabytes: f64,
}

/// Runs something that answers with its number of records, and prints one line of JSON with what this process used.
pub fn printed(work: impl Future<Output = Result<u64>>) -> Result<()> {
    // Another one may have been installed by the command: either is well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let records = runtime.block_on(work)?;
    let usage = of_this_process()?;
    let measured = Measured {
        records,
        cpu_seconds: usage.cpu_seconds,
        peak_megabytes: usage.peak_megabytes,
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&measured)?)?;
    Ok(())
}

/// User and system time of this process, and the peak of its resident memory.
pub fn of_this_process() -> Result<Usage> {
    let cpu_seconds = cpu_seconds(11)?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM in /proc/self/status")?;
    let kilobytes: f64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    Ok(Usage {
        cpu_seconds,
        peak_megabytes: kilobytes / 1024.0,
    })
}

/// User and system time of the processes that this one started and waited for. Of their memory it knows nothing.
pub fn of_children() -> Result<Usage> {
    Ok(Usage {
        cpu_seconds: cpu_seconds(13)?,
        peak_megabytes: 0.0,
    })
}

/// User time is the field after so many after the name, system time the next one.
fn cpu_seconds(before: usize) -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("this bench needs Linux: it reads /proc")?;
    let after_name = stat.rsplit_once(')').context("no name in /proc/self/stat")?.1;
    let mut fields = after_name.split_whitespace().skip(before);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("too few fields in /proc/self/stat")?.parse()?) };
    Ok((ticks()? + ticks()?) / TICKS_PER_SECOND)
}
