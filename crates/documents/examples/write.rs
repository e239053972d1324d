//! Measures what writing costs: `cargo run --release -p documents --example write -- [DOCUMENTS] [new|again|newer] [text|compound|scattered] [BATCH]`.
//!
//! Writes documents like those of a bicycle-sharing feed (260 stations, polled over and over; 450 bytes) in batches (of 1,000) to a new file, and prints
//! CPU seconds per million documents (of the writing alone) and the peak of resident memory. `again` writes the same ones a second time, `newer` higher
//! ranks of the same keys with other values; only the second writing is counted then. Linux only: the numbers are read from `/proc`.

use std::error::Error;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawDocument, RawDocumentBuf, rawdoc};
use documents::{Batch, Documents, SqliteDocuments, Target};
use pipeline::Name;

const STATIONS: u64 = 260;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize, default: &str| arguments.get(at).cloned().unwrap_or_else(|| default.to_owned());
    let (count, mode, ids, batch) = (
        argument(0, "519570").parse()?,
        argument(1, "new"),
        argument(2, "text"),
        argument(3, "1000").parse()?,
    );
    let size = Size { count, batch };
    // On a disk, not in /tmp, which may be memory.
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("documents.db");
    let store = SqliteDocuments::open(&path)?;

    if mode != "new" {
        write_all(&store, &path, size, 0, &ids, "first").await?;
    }
    let spent = write_all(&store, &path, size, u64::from(mode == "newer"), &ids, "second").await?;
    drop(store);

    writeln!(
        std::io::stdout(),
        "{mode} {ids} by {batch}: {count} documents of {} bytes: {:.2} CPU s per million, {:.2} s elapsed, peak {} MB, file {} MB, log at most {} MB",
        spent.bytes / count.max(1),
        spent.cpu_s / (count as f64 / 1e6),
        spent.elapsed_s,
        peak_kb()? / 1024,
        std::fs::metadata(&path)?.len() >> 20,
        spent.log_bytes_max >> 20,
    )?;
    Ok(())
}

#[derive(Clone, Copy)]
struct Size {
    count: u64,
    batch: u64,
}

/// What writing took, without making the documents.
#[derive(Default)]
struct Spent {
    bytes: u64,
    cpu_s: f64,
    elapsed_s: f64,
    log_bytes_max: u64,
}

async fn write_all(
    store: &SqliteDocuments,
    path: &Path,
    Size { count, batch: length }: Size,
    round: u64,
    ids: &str,
    run: &str,
) -> Result<Spent, Box<dyn Error>> {
    let target = Target {
        collection: Name::new("stations")?,
        version: None,
    };
    let log = path.with_extension("db-wal");
    let mut spent = Spent::default();
    for first in (0..count).step_by(length as usize) {
        let made = make(first..(first + length).min(count), round, ids);
        let documents: Vec<&RawDocument> = made.iter().map(AsRef::as_ref).collect();
        let object = format!("clean/gbfs/stations/{run}/{}", first / 100_000);
        let batch = Batch {
            object: &object,
            ordinal: (first / length) as u32,
            documents: &documents,
        };
        let started = (cpu_seconds()?, std::time::Instant::now());
        let tally = store.write(&target, &batch).await?.tally;
        spent.cpu_s += cpu_seconds()? - started.0;
        spent.elapsed_s += started.1.elapsed().as_secs_f64();
        if tally.inserted + tally.updated + tally.unchanged != made.len() as u64 {
            return Err(format!("unexpected: {tally:?}").into());
        }
        spent.bytes += documents.iter().map(|document| document.as_bytes().len() as u64).sum::<u64>();
        spent.log_bytes_max = spent.log_bytes_max.max(std::fs::metadata(&log)?.len());
    }
    Ok(spent)
}

fn make(numbers: Range<u64>, round: u64, ids: &str) -> Vec<RawDocumentBuf> {
    numbers.map(|number| document(number, round, ids)).collect()
}

fn document(number: u64, round: u64, ids: &str) -> RawDocumentBuf {
    let (poll, station) = (number / STATIONS, (number % STATIONS * 7919) % 2731);
    let at = 1_550_000_000_000 + poll as i64 * 60_000;
    let mut rank = [0; 48];
    for (place, byte) in rank
        .iter_mut()
        .zip([at.to_be_bytes(), round.to_be_bytes(), [7; 8], number.to_be_bytes()].concat())
    {
        *place = byte;
    }
    let hash = (u128::from(number + round) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
    let mut document = RawDocumentBuf::new();
    match ids {
        "compound" => document.append(
            bson::raw::cstr!("_id"),
            rawdoc! { "station_id": station.to_string(), "polled_at": DateTime::from_millis(at) },
        ),
        "scattered" => document.append(
            bson::raw::cstr!("_id"),
            format!("{:016x}", (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        ),
        _ => document.append(bson::raw::cstr!("_id"), format!("{station}/{poll}")),
    }
    let fields = rawdoc! {
        "station_id": station.to_string(),
        "polled_at": DateTime::from_millis(at),
        "last_reported": DateTime::from_millis(at - 12_345),
        "is_installed": true,
        "is_renting": true,
        "is_returning": !number.is_multiple_of(97),
        "num_bikes_available": (number % 31) as i32,
        "num_docks_available": (30 - number % 31) as i32,
        "load": (number % 31) as f64 / 30.0,
        "vehicle_types": [{ "type": "bike", "count": (number % 29) as i32 }, { "type": "ebike", "count": (number % 3) as i32 }],
        "_tidemill": {
            "run": "01D3YJ5ZK8Q4W9V6T2N1M0RBAC",
            "at": DateTime::from_millis(at),
            "version": at,
            "rank": Binary { subtype: BinarySubtype::Generic, bytes: rank.to_vec() },
            "hash": Binary { subtype: BinarySubtype::Generic, bytes: hash.to_vec() },
        },
    };
    for (name, value) in fields.iter().flatten() {
        document.append(name, value);
    }
    document
}

/// Time on a processor of this thread, which does all the work.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(nanoseconds.split_whitespace().next().ok_or("an empty schedstat")?.parse::<f64>()? / 1e9)
}

fn peak_kb() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
