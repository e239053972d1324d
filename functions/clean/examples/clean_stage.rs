//! Measures the stage `clean` alone: unpack, parse, check, make BSON, hash, pack. No store, no ledger.
//!
//! ```text
//! cargo run --release -p clean --example clean_stage -- PIPELINE.yaml RESOURCE RAW.jsonl.zst [ROUNDS]
//! ```
//!
//! Prints records, bytes, and the processor's seconds per million records (Linux: `/proc/self/stat`), round by round; the first warms up.

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use clean::{Cleaner, Sink};
use lake::{Capped, Capture, Compressor, Part, RawKey, RunId, ZSTD_LEVEL};
use std::error::Error;
use std::io::{BufRead, BufReader};

/// More is not a raw object.
const RAW_BYTES_MAX: u64 = 8 << 30;

struct Out {
    clean: Vec<u8>,
    rejected: u64,
}

impl Sink for Out {
    fn clean(&mut self, document: &[u8]) {
        self.clean.extend_from_slice(document);
    }
    fn rejected(&mut self, _line: &[u8]) {
        self.rejected += 1;
    }
    fn is_full(&self) -> bool {
        self.clean.len() > 8 << 20
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pipeline, resource, raw, rest @ ..] = arguments.as_slice() else {
        return Err("use: clean_stage PIPELINE.yaml RESOURCE RAW.jsonl.zst [ROUNDS]".into());
    };
    let rounds: u32 = rest.first().map_or(Ok(3), |rounds| rounds.parse())?;
    let checked = pipeline::check(pipeline, &std::fs::read_to_string(pipeline)?)?;
    let resource = checked
        .pipeline
        .resources
        .iter()
        .find(|r| r.name.as_str() == resource)
        .ok_or("no such resource")?;
    let key = RawKey {
        pipeline: checked.pipeline.pipeline.clone(),
        resource: resource.name.clone(),
        run: RunId::new(1_700_000_000_000, 1),
        part: Part::Number(1),
    };
    for round in 1..=rounds {
        let before = cpu_seconds()?;
        let mut cleaner = Cleaner::new(&checked.pipeline, resource, &key, 1)?;
        let mut packed = Compressor::new(ZSTD_LEVEL)?;
        let mut out = Out {
            clean: Vec::new(),
            rejected: 0,
        };
        let unpacked = Capped::new(zstd::stream::read::Decoder::new(std::fs::File::open(raw)?)?, RAW_BYTES_MAX);
        let mut lines = BufReader::with_capacity(1 << 18, unpacked);
        let (mut line, mut number, mut bytes) = (Vec::new(), 0, 0);
        while lines.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            bytes += line.len();
            let capture = Capture::parse_head(std::str::from_utf8(line.trim_ascii_end())?)?;
            let mut from = Some(0);
            while let Some(item) = from {
                from = cleaner.capture(number, &capture, item, &mut out)?;
                packed.push(&out.clean)?;
                out.clean.clear();
            }
            line.clear();
        }
        let documents = packed.uncompressed();
        let packed = packed.finish()?.len();
        let (tally, seconds) = (cleaner.tally(), cpu_seconds()? - before);
        let million = tally.records_in as f64 / 1e6;
        println!(
            "round {round}: {tally:?}, {bytes} bytes in, {documents} bytes of BSON, {packed} packed; {seconds:.2} CPU s, {:.3} per million records",
            seconds / million
        );
    }
    Ok(())
}

/// User and system time of this process, in ticks of 1/100 s.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("an unknown form of /proc/self/stat")?.1;
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
