//! One capture: its records, one after the other, each counted once.

use crate::fault::{Problem, Reason};
use crate::parents::Parents;
use crate::plan::Plan;
use crate::record::{Frame, Maker, Scanned, Verdict};
use crate::reject::{Original, Whence, write_rejected};
use crate::select::Records;
use crate::trie::{Slot, Tree, scan};
use crate::value::{Value, Watch};
use crate::{Origin, Sink};
use lake::json::{self, Kind, Scanner};
use ledger::{CleanTally, Place};
use pipeline::UnknownFields;
use std::ops::Range;

/// Why a walk ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The sink is full: go on at the record `next`, later.
    Full,
    /// A body that should be JSON is not.
    Broken(json::Fault),
}

impl From<json::Fault> for Stop {
    fn from(fault: json::Fault) -> Stop {
        Stop::Broken(fault)
    }
}

/// A body in JSON nests at most so deep.
pub(crate) const DEPTH_MAX: u32 = lake::capture::DEPTH_MAX;

/// What is done with the records of a capture.
pub(crate) struct Walk<'w, 'a, W, S> {
    pub plan: &'w Plan,
    pub maker: &'w mut Maker,
    pub origin: &'w Origin,
    pub tally: &'w mut CleanTally,
    pub parents: &'w mut Parents,
    pub sink: &'w mut S,
    pub watch: &'w mut W,
    /// A buffer for a rejected line.
    pub rejected: &'w mut Vec<u8>,
    pub whence: Whence<'a>,
    /// The text that is scanned.
    pub text: &'a str,
    /// Records before this one were done already.
    pub from: u32,
    /// The place of the next record in the capture.
    pub next: u32,
}

impl<'a, W: Watch, S: Sink> Walk<'_, 'a, W, S> {
    /// The turn of the next record: its place, or nothing when it was done already.
    pub fn turn(&mut self) -> Result<Option<u32>, Stop> {
        if self.next < self.from {
            self.next += 1;
            return Ok(None);
        }
        if self.sink.is_full() {
            return Err(Stop::Full);
        }
        self.next += 1;
        self.tally.records_in += 1;
        Ok(Some(self.next - 1))
    }

    /// Rejects what comes in a record's place as a whole.
    pub fn refuse(&mut self, problem: Problem, record: Original<'_>) -> Result<(), Stop> {
        if let Some(item) = self.turn()? {
            self.reject(item, problem, record);
        }
        Ok(())
    }

    /// Scans the record that is next into the slots.
    pub fn scan(&mut self, scanner: &mut Scanner<'a>) -> Result<(Kind, Range<usize>), Stop> {
        let tree = self.plan.parent.as_ref().map_or(self.plan.item, |parent| parent.tree);
        let keep = self.plan.parent.is_none();
        scanner.peek()?;
        let start = scanner.offset();
        let kind = self.scan_tree(tree, scanner, self.text, 0, keep)?;
        Ok((kind, start..scanner.offset()))
    }

    /// What was scanned is a record, or with `unnest` the record around some.
    pub fn scanned(&mut self, kind: Kind, span: Range<usize>) -> Result<(), Stop> {
        let record = self.text.get(span).unwrap_or_default();
        if self.plan.parent.is_some() {
            return self.unnest(kind, record);
        }
        let Some(item) = self.turn()? else { return Ok(()) };
        if !self.plan.trie.accepts(self.plan.item, kind) {
            self.reject(item, not_an_object(kind), Original::Json(record));
            return Ok(());
        }
        self.make(item, Frame { text: self.text, base: 0 }, None, &[], Original::Json(record));
        Ok(())
    }

    /// Makes a document of a record whose values are in the slots.
    pub fn make(&mut self, item: u32, frame: Frame<'_>, parent: Option<Frame<'_>>, columns: &[String], record: Original<'_>) {
        let place = Place {
            run: self.origin.run,
            part: self.origin.part,
            line: self.whence.line,
            item,
        };
        let scanned = Scanned {
            item: frame,
            parent,
            columns,
            captured_at_ms: self.whence.at_ms,
            place,
        };
        if W::ON {
            self.watch.record(record);
        }
        match self.maker.make(self.plan, &scanned, self.watch) {
            Verdict::Clean(document) => {
                self.tally.out += 1;
                self.sink.clean(document);
            }
            Verdict::Dropped(condition) => {
                self.tally.dropped += 1;
                self.sink.dropped(condition);
            }
            Verdict::Duplicate => {
                self.tally.duplicates += 1;
                self.sink.duplicate();
            }
            Verdict::Rejected(faults) => {
                self.tally.rejected += 1;
                if W::ON {
                    self.watch.faults(faults.list());
                }
                self.rejected.clear();
                write_rejected(self.rejected, faults, record, &Whence { item, ..self.whence });
                self.sink.rejected(self.rejected);
            }
        }
    }

    fn reject(&mut self, item: u32, problem: Problem, record: Original<'_>) {
        if W::ON {
            self.watch.record(record);
        }
        self.tally.rejected += 1;
        self.rejected.clear();
        write_rejected(self.rejected, self.maker.refuse(problem), record, &Whence { item, ..self.whence });
        self.sink.rejected(self.rejected);
    }

    /// One record from each item of the list.
    fn unnest(&mut self, kind: Kind, record: &'a str) -> Result<(), Stop> {
        let Some(parent) = &self.plan.parent else { return Ok(()) };
        if !self.plan.trie.accepts(parent.tree, kind) {
            return self.refuse(not_an_object(kind), Original::Json(record));
        }
        let base = parent.tree.slots as usize;
        let list = self.maker.scratch.slots.get(parent.list as usize).copied().unwrap_or(Slot::Missing);
        let list = Value::of(self.text, list);
        match list {
            Value::Missing => self.parents.without_list(&self.whence, record),
            _ => self.parents.with_list(),
        }
        let list = match list {
            Value::Missing | Value::Null => return Ok(()),
            Value::List(list) => list,
            Value::Duplicate => {
                let message = "the list that `unnest` names stands twice: neither is chosen";
                return self.refuse(Problem::new(Reason::DuplicateKey, message), Original::Json(record));
            }
            other => {
                let message = format!("`unnest` expects a list, found {}", other.kind_name());
                return self.refuse(Problem::new(Reason::UnnestNotAList, message), Original::Json(record));
            }
        };
        let mut scanner = Scanner::new(list, DEPTH_MAX);
        let mut first = true;
        scanner.begin_list()?;
        while scanner.next_item(&mut first)? {
            scanner.peek()?;
            let start = scanner.offset();
            let kind = self.scan_tree(self.plan.item, &mut scanner, list, base, true)?;
            let Some(item) = self.turn()? else { continue };
            let record = Original::Json(list.get(start..scanner.offset()).unwrap_or_default());
            if self.plan.trie.accepts(self.plan.item, kind) {
                let parent = Frame { text: self.text, base: 0 };
                self.make(item, Frame { text: list, base }, Some(parent), &[], record);
            } else {
                self.reject(item, not_an_object(kind), record);
            }
        }
        Ok(())
    }

    fn scan_tree<'t>(&mut self, tree: Tree, scanner: &mut Scanner<'t>, text: &'t str, base: usize, keep: bool) -> Result<Kind, Stop> {
        let Maker { scratch, unknown, .. } = &mut *self.maker;
        scratch.slots.truncate(base);
        scratch.slots.resize(base + tree.slots as usize, Slot::Missing);
        unknown.clear();
        let wanted = keep && self.plan.unknown != UnknownFields::Ignore && !self.plan.trie.reads_root(tree);
        let slots = scratch.slots.get_mut(base..).unwrap_or_default();
        Ok(scan(
            &self.plan.trie,
            tree,
            scanner,
            text,
            &mut scratch.memory,
            slots,
            wanted.then_some(unknown),
        )?)
    }
}

impl<'a, W: Watch, S: Sink> Records<'a> for Walk<'_, 'a, W, S> {
    fn record(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Stop> {
        let (kind, span) = self.scan(scanner)?;
        self.scanned(kind, span)
    }

    fn broken(&mut self, value: &'a str, problem: Problem) -> Result<(), Stop> {
        self.refuse(problem, Original::Json(value))
    }
}

fn not_an_object(kind: Kind) -> Problem {
    let found = match kind {
        Kind::Null => "null",
        Kind::True | Kind::False => "a truth value",
        Kind::Number => "a number",
        Kind::String => "a text",
        Kind::List => "a list",
        Kind::Object => "an object",
    };
    Problem::new(
        Reason::NotAnObject,
        format!("expected an object, found {found}; a field with `from: $` would read it"),
    )
}
