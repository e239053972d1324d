//! The pure whole of `clean`: captures in, documents and rejected lines out. No I/O, no clock, no randomness.

use crate::contract::{self, ContractError};
use crate::csv;
use crate::encoding;
use crate::fault::{Problem, Reason};
use crate::parents::Parents;
use crate::plan::{Plan, SourceForm};
use crate::record::Maker;
use crate::reject::{Original, Whence, write_rejected};
use crate::select;
use crate::value::{Unwatched, Watch};
use crate::walk::{DEPTH_MAX, Stop, Walk};
use lake::json::{Fault, Scanner};
use lake::{Body, Capture, Part, RawKey, RunId};
use ledger::CleanTally;
use pipeline::{Pipeline, Resource, Step};

/// Takes what comes out, record by record.
pub trait Sink {
    /// A document: BSON.
    fn clean(&mut self, document: &[u8]);
    /// A line of `rejected/`, its `\n` included.
    fn rejected(&mut self, line: &[u8]);
    /// A record that this condition of `filter` (counted from 0) is not true of.
    fn dropped(&mut self, _condition: usize) {}
    /// A record that says the same again.
    fn duplicate(&mut self) {}
    /// Whether no more may come before what is there is taken away.
    fn is_full(&self) -> bool {
        false
    }
}

/// The raw object that is cleaned, as it stands in documents and rejects.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub key: String,
    pub run: RunId,
    pub part: u32,
}

/// A contract compiled, and the state of cleaning one raw object: captures must come in their order.
#[derive(Debug)]
pub struct Cleaner {
    pub(crate) plan: Plan,
    origin: Origin,
    maker: Maker,
    tally: CleanTally,
    parents: Parents,
    rejected: Vec<u8>,
}

impl Cleaner {
    /// For the raw object `raw` under a definition of this generation.
    pub fn new(pipeline: &Pipeline, resource: &Resource, raw: &RawKey, generation: u32) -> Result<Cleaner, ContractError> {
        let plan = contract::compile(pipeline, resource)?;
        let part = match raw.part {
            Part::Number(part) => part,
            // The marker has no captures.
            Part::End => 0,
        };
        Ok(Cleaner {
            maker: Maker::new(&plan, &raw.run.to_string(), generation),
            origin: Origin {
                key: raw.key().to_string(),
                run: raw.run,
                part,
            },
            plan,
            tally: CleanTally::default(),
            parents: Parents::default(),
            rejected: Vec::new(),
        })
    }

    /// What became of the records so far.
    pub fn tally(&self) -> CleanTally {
        self.tally
    }

    /// Cleans the records of the capture on `line` (counted from 1) from the record `from` (counted from 0) on. Returns where to go on when
    /// the sink was full before the end. An error is a JSON body that is not JSON: the raw object is damaged.
    pub fn capture(&mut self, line: u32, capture: &Capture<'_>, from: u32, sink: &mut impl Sink) -> Result<Option<u32>, Fault> {
        self.watched(line, capture, from, sink, &mut Unwatched)
    }

    /// Ends the object, after its last capture: what only shows at its end is rejected.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        let Some(without) = self.parents.none_had_it() else { return };
        let message = "no record of the object has the list that `unnest` names: is its path right?";
        let whence = Whence {
            key: &self.origin.key,
            line: without.line,
            item: without.item,
            at_ms: without.at_ms,
            url: &without.url,
        };
        self.tally.records_in += 1;
        self.tally.rejected += 1;
        self.rejected.clear();
        let faults = self.maker.refuse(Problem::new(Reason::UnnestNowhere, message));
        write_rejected(&mut self.rejected, faults, Original::Json(&without.record), &whence);
        sink.rejected(&self.rejected);
    }

    pub(crate) fn watched<W: Watch>(
        &mut self,
        line: u32,
        capture: &Capture<'_>,
        from: u32,
        sink: &mut impl Sink,
        watch: &mut W,
    ) -> Result<Option<u32>, Fault> {
        let mut walk = Walk {
            plan: &self.plan,
            maker: &mut self.maker,
            origin: &self.origin,
            tally: &mut self.tally,
            parents: &mut self.parents,
            sink,
            watch,
            rejected: &mut self.rejected,
            whence: Whence {
                key: &self.origin.key,
                line,
                item: 0,
                at_ms: capture.at_ms,
                url: &capture.url,
            },
            text: "",
            from,
            next: 0,
        };
        let walked = match &self.plan.source {
            SourceForm::Json { selector } => {
                let steps = selector.as_ref().map_or(&[][..], |selector| &selector.steps);
                let steps = if capture.piece.is_some() { &[Step::Each][..] } else { steps };
                document(&mut walk, steps, &capture.body)
            }
            SourceForm::Ndjson => lines(&mut walk, bytes_of(capture)),
            SourceForm::Csv(dialect) => {
                let header = capture.piece.as_ref().and_then(|piece| piece.header.as_deref());
                csv::rows(
                    &mut walk,
                    dialect,
                    bytes_of(capture),
                    header.map(|header| header.trim_start_matches(BOM)),
                )
            }
        };
        match walked {
            Ok(()) => Ok(None),
            Err(Stop::Full) => Ok(Some(walk.next)),
            Err(Stop::Broken(fault)) => Err(fault),
        }
    }
}

/// A byte order mark: it is no part of the text that it stands before.
const BOM: char = '\u{feff}';

/// The text of a file's piece, without a byte order mark at the file's start.
fn bytes_of<'c>(capture: &'c Capture<'_>) -> &'c [u8] {
    let bytes = match &capture.body {
        Body::Json(text) => text.as_bytes(),
        Body::Text(text) => text.as_bytes(),
        Body::Bytes(bytes) => bytes,
    };
    let starts = capture.piece.as_ref().is_none_or(|piece| piece.offset == 0);
    let mark = BOM.encode_utf8(&mut [0; 4]).len();
    match bytes.split_at_checked(mark) {
        Some(([0xef, 0xbb, 0xbf], rest)) if starts => rest,
        _ => bytes,
    }
}

/// The records of one JSON document. Text in its place is one record, rejected, unless it is JSON after all.
fn document<'a, W: Watch, S: Sink>(walk: &mut Walk<'_, 'a, W, S>, steps: &[Step], body: &'a Body<'_>) -> Result<(), Stop> {
    let text = match body {
        Body::Json(text) => Ok(*text),
        Body::Text(text) => Err(text.as_ref()),
        // A long text may be kept as bytes.
        Body::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Err(text),
            Err(_) => {
                let problem = if encoding::has_utf16_mark(bytes) {
                    encoding::utf16(Reason::NotJson)
                } else {
                    Problem::new(Reason::NotJson, "expected JSON, found bytes that are not UTF-8")
                };
                return walk.refuse(problem, Original::Bytes(bytes));
            }
        },
    };
    let text = match text {
        Ok(json) => json,
        Err(text) => match checked(text) {
            Ok(()) => text,
            Err(fault) => return walk.refuse(not_json(text.as_bytes(), fault), Original::Text(text)),
        },
    };
    walk.text = text;
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    select::walk(steps, &mut scanner, text, walk)?;
    Ok(scanner.end()?)
}

fn checked(text: &str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    scanner.skip_value()?;
    scanner.end()
}

/// One record a line; blank lines are none.
fn lines<'a, W: Watch, S: Sink>(walk: &mut Walk<'_, 'a, W, S>, bytes: &'a [u8]) -> Result<(), Stop> {
    if encoding::has_utf16_mark(bytes) {
        return walk.refuse(encoding::utf16(Reason::NotUtf8), Original::Bytes(bytes));
    }
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            walk.refuse(Problem::new(Reason::NotUtf8, "the line is not UTF-8"), Original::Bytes(line))?;
            continue;
        };
        walk.text = text;
        let mut scanner = Scanner::new(text, DEPTH_MAX);
        let scanned = walk
            .scan(&mut scanner)
            .and_then(|found| scanner.end().map(|()| found).map_err(Stop::from));
        match scanned {
            Ok((kind, span)) => walk.scanned(kind, span)?,
            Err(Stop::Broken(fault)) => walk.refuse(not_json(line, fault), Original::Text(text))?,
            Err(Stop::Full) => return Err(Stop::Full),
        }
    }
    Ok(())
}

/// Where a text stops being JSON, by line and column as an editor counts them.
fn not_json(text: &[u8], fault: Fault) -> Problem {
    let before = text.get(..fault.offset).unwrap_or(text);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let last = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(before.get(last..).unwrap_or_default()).chars().count() + 1;
    let message = format!(
        "not JSON: expected {} at line {line}, column {column} (byte {})",
        fault.expected, fault.offset
    );
    Problem::new(Reason::NotJson, message)
}
