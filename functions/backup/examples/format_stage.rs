//! Measures the archive's format alone: documents to packed parts, and back. No store, no database.
//!
//! ```text
//! cargo run --release -p backup --example format_stage -- MEGABYTES [ROUNDS]
//! cargo run --release -p backup --example format_stage -- MEGABYTES 0 > FILE; time gzip -6 -k FILE
//! ```
//!
//! Prints MB/s and the processor's seconds per GB of BSON (Linux: `/proc/self/stat`), round by round; with no rounds the documents themselves, for `gzip`.

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use backup::archive::{Described, Event, Prelude, Reader, Writer};
use backup::hash::Sums;
use bson::{RawDocument, RawDocumentBuf, rawdoc};
use std::error::Error;
use std::io::Write;
use std::time::Instant;

const PART_BYTES_MAX: usize = 16 << 20;

/// As a network gives them.
const PIECE_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [megabytes, rest @ ..] = arguments.as_slice() else {
        return Err("use: format_stage MEGABYTES [ROUNDS]".into());
    };
    let megabytes: usize = megabytes.parse()?;
    let rounds: u32 = rest.first().map_or(Ok(3), |rounds| rounds.parse())?;
    let documents = documents(megabytes * 1_000_000);
    if rounds == 0 {
        let mut out = std::io::stdout().lock();
        return Ok(documents.iter().try_for_each(|document| out.write_all(document.as_bytes()))?);
    }
    for round in 1..=rounds {
        let write = Watch::start()?;
        let (parts, sums) = write_parts(&documents)?;
        let packed: usize = parts.iter().map(Vec::len).sum();
        println!(
            "round {round}: {} documents, {} bytes of BSON, {packed} packed in {} parts",
            sums.documents,
            sums.bytes,
            parts.len()
        );
        println!("  write: {}", write.stop(sums.bytes)?);
        let read = Watch::start()?;
        if read_parts(&parts)? != sums {
            return Err("what was read is not what was written".into());
        }
        println!("  read and check: {}", read.stop(sums.bytes)?);
    }
    Ok(())
}

type Parts = Vec<Vec<u8>>;

fn write_parts(documents: &[RawDocumentBuf]) -> Result<(Parts, Sums), Box<dyn Error>> {
    let mut writer = Writer::new("test", PART_BYTES_MAX);
    writer.prelude(&Prelude {
        database: "test".to_owned(),
        server_version: "8.0.4".to_owned(),
        tool_version: "format_stage".to_owned(),
        namespaces: vec![Described {
            name: "events".to_owned(),
            view: false,
            metadata: "{}".to_owned(),
            size: 0,
        }],
    })?;
    let (mut parts, mut sums) = (Vec::new(), Sums::default());
    for document in documents {
        if !writer.has_room(document.as_bytes().len()) {
            parts.push(std::mem::replace(&mut writer, Writer::new("test", PART_BYTES_MAX)).finish()?);
        }
        writer.document("events", document)?;
        sums.add(document);
    }
    writer.end("events", sums.crc64)?;
    parts.push(writer.finish()?);
    Ok((parts, sums))
}

fn read_parts(parts: &[Vec<u8>]) -> Result<Sums, Box<dyn Error>> {
    let mut reader = Reader::of_archive();
    let mut seen = 0;
    for part in parts {
        for mut piece in part.chunks(PIECE_BYTES) {
            while let Some(event) = reader.next(&mut piece)? {
                if let Event::Documents(documents) = event {
                    seen += documents.iter().map(RawDocument::as_bytes).map(<[u8]>::len).sum::<usize>();
                }
            }
        }
        reader.end_part()?;
    }
    let sums = reader.finish()?.remove("events").ok_or("there are no events")?;
    if sums.bytes == seen as u64 {
        Ok(sums)
    } else {
        Err("not all documents were seen".into())
    }
}

/// Documents as loaders write them: an event with a few numbers, a time, words, and the stamp of Tidemill.
fn documents(bytes: usize) -> Vec<RawDocumentBuf> {
    const WORDS: [&str; 12] = [
        "north",
        "of",
        "Alaska",
        "earthquake",
        "reviewed",
        "automatic",
        "km",
        "south",
        "island",
        "ridge",
        "near",
        "coast",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let (mut documents, mut sum) = (Vec::new(), 0);
    while sum < bytes {
        let place: Vec<&str> = (0..6).filter_map(|_| WORDS.get(random() as usize % WORDS.len()).copied()).collect();
        let at = 1_700_000_000_000 + documents.len() as i64 * 977;
        let mut rank = [0_u8; 32];
        rank.iter_mut().for_each(|byte| *byte = random() as u8);
        let document = rawdoc! {
            "_id": format!("us{:010}", documents.len()),
            "magnitude": (random() % 900) as f64 / 100.0,
            "place": place.join(" "),
            "kind": "earthquake",
            "network": "us",
            "depth_km": (random() % 70_000) as f64 / 100.0,
            "occurred_at": bson::DateTime::from_millis(at),
            "updated_at": bson::DateTime::from_millis(at + (random() % 1_000_000) as i64),
            "location": { "type": "Point", "coordinates": [(random() % 36_000) as f64 / 100.0 - 180.0, (random() % 18_000) as f64 / 100.0 - 90.0] },
            "_tidemill": {
                "run": "01KAXZ0000000000000000000",
                "at": bson::DateTime::from_millis(at),
                "version": at,
                "rank": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: rank.to_vec() },
            },
        };
        sum += document.as_bytes().len();
        documents.push(document);
    }
    documents
}

struct Watch {
    cpu_seconds: f64,
    began: Instant,
}

impl Watch {
    fn start() -> Result<Watch, Box<dyn Error>> {
        Ok(Watch {
            cpu_seconds: cpu_seconds()?,
            began: Instant::now(),
        })
    }

    fn stop(&self, bytes: u64) -> Result<String, Box<dyn Error>> {
        let (cpu, wall) = (cpu_seconds()? - self.cpu_seconds, self.began.elapsed().as_secs_f64());
        let bytes = bytes as f64;
        Ok(format!("{:.1} MB/s, {:.2} CPU s per GB", bytes / 1e6 / wall, cpu / (bytes / 1e9)))
    }
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
