//! Where a file is cut into captures: at the ends of records. Pure: bytes in, places out.

mod csv;
mod json;
mod prefix;

use crate::position::Mark;
use crate::settings::Settings;
use csv::CsvScan;
use json::JsonSplit;
use pipeline::FileFormat;
use prefix::Prefix;
use std::ops::Range;

/// Something that can't be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a record after byte {offset} is longer than {}", pipeline::ByteSize(*.bytes_max as u64))]
    LongRecord { offset: u64, bytes_max: usize },
    #[error("the header is longer than {}", pipeline::ByteSize(csv::HEADER_BYTES_MAX as u64))]
    LongHeader,
    #[error(
        "at byte {offset}: expected {expected}, as the document is larger than `reply_size_max` and its records are cut out of it one by one"
    )]
    Json { offset: u64, expected: &'static str },
    #[error("it is empty; expected a JSON document")]
    EmptyJson,
    #[error("it has changed while it was read; the next run starts afresh")]
    Changed,
}

/// One capture of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Which of the bytes given are its body.
    pub body: Range<usize>,
    /// The body where it is not as it stands in the file: records cut out of a JSON document.
    pub made: Option<Vec<u8>>,
    /// The byte of the file after it.
    pub end: u64,
    pub piece: Option<PieceOf>,
    /// Whether the body is JSON; else text.
    pub json: bool,
    /// How many records are in it; a rough number that is only shown.
    pub records: u64,
}

/// Where a piece stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceOf {
    pub offset: u64,
    pub header: Option<String>,
}

/// Cuts one file, whose bytes come in from its start.
pub struct Cutter {
    format: Format,
    piece_bytes: usize,
    record_bytes_max: usize,
    /// The file's byte that stands first in the bytes given.
    base: u64,
    /// What stands before this byte was captured by an earlier worker.
    from: u64,
    prefix: Prefix,
}

enum Format {
    Lines {
        scanned: usize,
    },
    Csv(CsvScan),
    /// A JSON document that may still be one capture.
    Whole {
        bytes_max: usize,
        split: JsonSplit,
    },
    Split(JsonSplit),
}

impl Cutter {
    /// `from`: the place at which to go on; a document larger than `whole_bytes_max` is split.
    pub fn new(format: &FileFormat, settings: &Settings, whole_bytes_max: u64, from: Mark) -> Cutter {
        let format = match format {
            FileFormat::Ndjson(_) => Format::Lines { scanned: 0 },
            FileFormat::Csv(csv) => Format::Csv(CsvScan::new(csv)),
            FileFormat::Json(json) => {
                let split = JsonSplit::new(json.data_selector.as_ref(), from.offset);
                let bytes_max = usize::try_from(whole_bytes_max).unwrap_or(usize::MAX);
                if from.offset > 0 {
                    Format::Split(split)
                } else {
                    Format::Whole { bytes_max, split }
                }
            }
        };
        Cutter {
            format,
            piece_bytes: settings.piece_bytes,
            record_bytes_max: settings.record_bytes_max,
            base: 0,
            from: from.offset,
            prefix: Prefix::new(from),
        }
    }

    /// The next capture in `bytes`, or nothing as long as more bytes are needed. What was captured before is taken off their front.
    pub fn next(&mut self, bytes: &mut Vec<u8>, at_end: bool) -> Result<Option<Cut>, Fault> {
        if let Format::Whole { bytes_max, split } = &self.format {
            if bytes.is_empty() && at_end && self.base == 0 {
                return Err(Fault::EmptyJson);
            }
            if bytes.len() <= *bytes_max {
                return Ok((at_end && !bytes.is_empty()).then(|| Cut {
                    body: 0..bytes.len(),
                    end: bytes.len() as u64,
                    json: true,
                    records: 1,
                    ..Cut::default()
                }));
            }
            self.format = Format::Split(split.clone());
        }
        if let Format::Split(split) = &mut self.format {
            let (read, cut) = split.next(bytes, at_end, self.piece_bytes, self.record_bytes_max)?;
            self.prefix.take(bytes.get(..read).unwrap_or_default(), split.end());
            bytes.drain(..read);
            self.prefix.check(at_end)?;
            return Ok(cut);
        }
        if let Format::Csv(scan) = &mut self.format {
            scan.start(bytes)?;
            if scan.wants_header() && !at_end {
                return Ok(None);
            }
        }
        self.skip(bytes);
        self.prefix.check(at_end)?;
        let end = self.end(bytes, at_end)?;
        let Some(end) = end else { return Ok(None) };
        let header = match &self.format {
            Format::Csv(scan) => scan.header_for(self.base),
            _ => None,
        };
        Ok(Some(Cut {
            records: memchr::memchr_iter(b'\n', bytes.get(..end).unwrap_or_default()).count().max(1) as u64,
            body: 0..end,
            end: self.base + end as u64,
            piece: Some(PieceOf {
                offset: self.base,
                header: header.map(str::to_owned),
            }),
            made: None,
            json: false,
        }))
    }

    /// Takes a capture off the front of the bytes.
    pub fn taken(&mut self, bytes: &mut Vec<u8>, cut: &Cut) {
        if !matches!(self.format, Format::Split(_)) {
            self.drop_front(bytes, cut.body.end);
        }
    }

    /// The end of the last capture that was taken.
    pub fn mark(&self) -> Mark {
        self.prefix.mark()
    }

    /// Takes off what an earlier worker captured.
    fn skip(&mut self, bytes: &mut Vec<u8>) {
        let before = usize::try_from(self.from.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.drop_front(bytes, before.min(bytes.len()));
    }

    fn drop_front(&mut self, bytes: &mut Vec<u8>, count: usize) {
        if count == 0 {
            return;
        }
        self.base += count as u64;
        self.prefix.take(bytes.get(..count).unwrap_or_default(), self.base);
        bytes.drain(..count);
        match &mut self.format {
            Format::Lines { scanned } => *scanned = 0,
            Format::Csv(scan) => scan.dropped(count),
            Format::Whole { .. } | Format::Split(_) => {}
        }
    }

    /// The end of the first record with which a piece is long enough: so pieces do not depend on how the bytes come in.
    fn end(&mut self, bytes: &[u8], at_end: bool) -> Result<Option<usize>, Fault> {
        let end = match &mut self.format {
            Format::Lines { scanned } => {
                let from = self.piece_bytes.saturating_sub(1).max(*scanned);
                let end = memchr::memchr(b'\n', bytes.get(from..).unwrap_or_default()).map(|at| from + at + 1);
                *scanned = bytes.len();
                end
            }
            Format::Csv(scan) => scan.record_end(bytes, self.piece_bytes, at_end),
            Format::Whole { .. } | Format::Split(_) => None,
        };
        if end.is_none() && at_end {
            return Ok((!bytes.is_empty()).then_some(bytes.len()));
        }
        if end.is_none() && bytes.len() > self.record_bytes_max {
            return Err(Fault::LongRecord {
                offset: self.base,
                bytes_max: self.record_bytes_max,
            });
        }
        Ok(end)
    }
}

#[cfg(test)]
mod tests;
