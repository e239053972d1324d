//! One attempt at a batch: what is to be done with each document, and what became of it. Pure.
//!
//! Every document is judged by what a reading saw, and written only where that is still there: its verdict is then true, whatever others do. What an attempt
//! means to do is agreed on with all attempts at the same batch beforehand (the plan), so that one which finds a document of its own there knows the verdict
//! under which it came there.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::element::{Element, Elements, binary, kind};
use crate::key::push_key;
use crate::prepare::{Candidate, Prepared, TIDEMILL, problem, stamp_of};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{Refusal, Tally, WriteOutcome, judge};

/// What is to be done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Insert,
    Update,
    /// Equal and newer: it is written, so that the rank advances.
    Advance,
    /// It is there.
    Same,
    Stale,
    /// In its place is a document that Tidemill did not write.
    Foreign,
}

/// What is agreed on, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// A byte a candidate: its step.
    pub steps: Vec<u8>,
    /// Candidates that were written, as others saw before they wrote in their place.
    pub landed: BTreeSet<usize>,
}

/// An attempt at a batch.
#[derive(Debug)]
pub(super) struct Attempt<'p, 'd> {
    prepared: &'p Prepared<'d>,
    entries: Vec<Entry>,
    /// The ranks that the last reading saw, as the values are stored.
    seen: Vec<u8>,
    /// The key of what is being read.
    key: Vec<u8>,
    /// The candidate after the last one that was seen.
    next: usize,
    /// Whether any reading saw anything.
    pub found_any: bool,
    refusals: Vec<Refusal>,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// It may have been written by this object's loading already, without our knowing.
    doubt: bool,
    /// How often the server said that its key is taken, since a document was seen there.
    taken: u8,
    step: Step,
    seen: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Done(Step),
    Refused,
}

impl Step {
    fn byte(self) -> u8 {
        match self {
            Step::Insert => b'i',
            Step::Update => b'u',
            Step::Advance => b'a',
            Step::Same => b'=',
            Step::Stale => b's',
            Step::Foreign => b'f',
        }
    }

    fn of(byte: u8) -> Option<Step> {
        [Step::Insert, Step::Update, Step::Advance, Step::Same, Step::Stale, Step::Foreign]
            .into_iter()
            .find(|step| step.byte() == byte)
    }

    fn writes(self) -> bool {
        matches!(self, Step::Insert | Step::Update | Step::Advance)
    }
}

impl Plan {
    fn step(&self, entry: usize) -> Option<Step> {
        self.steps.get(entry).copied().and_then(Step::of)
    }
}

impl<'p, 'd> Attempt<'p, 'd> {
    pub(super) fn new(prepared: &'p Prepared<'d>) -> Result<Attempt<'p, 'd>, (usize, &'static str)> {
        let mut attempt = Attempt {
            prepared,
            entries: Vec::with_capacity(prepared.candidates.len()),
            seen: Vec::new(),
            key: Vec::new(),
            next: 0,
            found_any: false,
            refusals: prepared.refusals.clone(),
        };
        for candidate in &prepared.candidates {
            let refused = no_server_takes(candidate).map_err(|problem| (candidate.index, problem))?;
            attempt.entries.push(Entry {
                state: if refused.is_some() { State::Refused } else { State::Open },
                doubt: false,
                taken: 0,
                step: Step::Insert,
                seen: 0..0,
            });
            attempt.refusals.extend(refused.map(|message| Refusal {
                index: candidate.index,
                message,
            }));
        }
        Ok(attempt)
    }

    /// Before what is stored is read: nothing is seen.
    pub(super) fn begin(&mut self) {
        self.seen.clear();
        self.next = 0;
        for entry in &mut self.entries {
            (entry.step, entry.seen) = (Step::Insert, 0..0);
        }
    }

    /// The candidates that nothing became of yet.
    pub(super) fn open(&self) -> Vec<usize> {
        self.with(|entry| entry.state == State::Open)
    }

    /// Those of the open ones that are to be inserted.
    pub(super) fn inserts(&self) -> Vec<usize> {
        self.with(|entry| entry.state == State::Open && entry.step == Step::Insert)
    }

    /// Those of the open ones that are to take another's place.
    pub(super) fn replacements(&self) -> Vec<usize> {
        self.with(|entry| entry.state == State::Open && matches!(entry.step, Step::Update | Step::Advance))
    }

    /// Is anything to be written?
    pub(super) fn writes(&self) -> bool {
        self.entries.iter().any(|entry| entry.state == State::Open && entry.step.writes())
    }

    fn with(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<usize> {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(_, entry)| wanted(entry)).map(|(at, _)| at).collect()
    }

    pub(super) fn candidate(&self, entry: usize) -> Option<&'p Candidate<'d>> {
        self.prepared.candidates.get(entry)
    }

    /// The value of the rank that was seen in a candidate's place.
    pub(super) fn seen(&self, entry: usize) -> &[u8] {
        let range = self.entries.get(entry).map(|entry| entry.seen.clone()).unwrap_or_default();
        self.seen.get(range).unwrap_or_default()
    }

    /// Takes in what is stored under a key: `{_id, _tidemill: {rank, hash, deleted}}`.
    pub(super) fn saw(&mut self, stored: &[u8]) -> Result<(), &'static str> {
        let prepared = self.prepared;
        let at = self.whose(stored)?;
        self.found_any = true;
        let Some((candidate, entry)) = at.and_then(|at| prepared.candidates.get(at).zip(self.entries.get_mut(at))) else {
            return Ok(());
        };
        entry.taken = 0;
        let (Ok(stamp), Some(rank)) = (stamp_of(stored), rank_of(stored)) else {
            entry.step = Step::Foreign;
            return Ok(());
        };
        entry.step = match judge(Some(stamp), candidate.stamp) {
            crate::Verdict::Inserted => Step::Insert,
            crate::Verdict::Updated => Step::Update,
            crate::Verdict::Unchanged if candidate.stamp.rank == stamp.rank => Step::Same,
            crate::Verdict::Unchanged => Step::Advance,
            crate::Verdict::Stale => Step::Stale,
        };
        let start = self.seen.len();
        self.seen.extend_from_slice(rank);
        entry.seen = start..self.seen.len();
        Ok(())
    }

    /// The candidate that has the key of a stored document.
    pub(super) fn whose(&mut self, stored: &[u8]) -> Result<Option<usize>, &'static str> {
        let id = id_of(stored).map_err(problem)?.ok_or("a stored document has no `_id`")?;
        self.key.clear();
        push_key(&mut self.key, id).map_err(problem)?;
        Ok(self.find())
    }

    /// The server said that there is a document with this key.
    pub(super) fn taken(&mut self, entry: usize) {
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.taken = entry.taken.saturating_add(1);
        }
    }

    /// The open candidates whose keys are said to be taken again and again, and nothing is seen there.
    pub(super) fn unseen(&self) -> Vec<usize> {
        self.with(|entry| entry.state == State::Open && entry.taken >= TAKEN_MAX)
    }

    /// The candidate that has the key being read. A server that goes by its index answers in the order of the keys, which is the candidates'.
    fn find(&mut self) -> Option<usize> {
        let prepared = self.prepared;
        let is = |at: &usize| {
            prepared
                .candidates
                .get(*at)
                .is_some_and(|candidate| prepared.key(candidate) == self.key)
        };
        let at = Some(self.next).filter(is).or_else(|| {
            let found = prepared
                .candidates
                .binary_search_by(|candidate| prepared.key(candidate).cmp(&self.key));
            found.ok()
        })?;
        self.next = at + 1;
        Some(at)
    }

    /// The plan that the last reading asks for. What is done with keeps its step.
    pub(super) fn propose(&self, held: &Plan) -> Vec<u8> {
        let entries = self.entries.iter().enumerate();
        entries
            .map(|(at, entry)| match entry.state {
                State::Open => self.landed(at, entry, held).unwrap_or(entry.step).byte(),
                State::Done(_) | State::Refused => held.steps.get(at).copied().unwrap_or_else(|| entry.step.byte()),
            })
            .collect()
    }

    /// The plan is agreed on, and nothing happened since it was read: what needs no writing is done.
    pub(super) fn decide(&mut self, held: &Plan) {
        for at in self.open() {
            let landed = self.entries.get(at).and_then(|entry| self.landed(at, entry, held));
            let Some(entry) = self.entries.get_mut(at) else { continue };
            match landed.unwrap_or(entry.step) {
                step if landed.is_some() => entry.state = State::Done(step),
                Step::Foreign => self.refuse(at, FOREIGN.to_owned()),
                step if !step.writes() => entry.state = State::Done(step),
                _ => {}
            }
        }
    }

    /// The step by which a candidate was written before, if it was.
    fn landed(&self, at: usize, entry: &Entry, held: &Plan) -> Option<Step> {
        let planned = held.step(at).filter(|step| entry.doubt && step.writes())?;
        let written = entry.step == Step::Same || (entry.step == Step::Stale && held.landed.contains(&at));
        written.then_some(planned)
    }

    /// An open candidate was written.
    pub(super) fn written(&mut self, entry: usize) {
        if let Some(entry) = self.entries.get_mut(entry)
            && entry.state == State::Open
        {
            entry.state = State::Done(entry.step);
        }
    }

    pub(super) fn refuse(&mut self, entry: usize, message: String) {
        let Some((candidate, entry)) = self.prepared.candidates.get(entry).zip(self.entries.get_mut(entry)) else {
            return;
        };
        if entry.state != State::Refused {
            entry.state = State::Refused;
            self.refusals.push(Refusal {
                index: candidate.index,
                message,
            });
        }
    }

    /// How many candidates need nothing more, because of what was written or found.
    pub(super) fn done(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.state, State::Done(_))).count()
    }

    /// What became of these is not known.
    pub(super) fn doubt(&mut self, entries: &[usize]) {
        for at in entries {
            if let Some(entry) = self.entries.get_mut(*at) {
                entry.doubt = true;
            }
        }
    }

    /// Others may be at work on the same batch, or were.
    pub(super) fn doubt_all(&mut self) {
        for entry in &mut self.entries {
            entry.doubt = true;
        }
    }

    /// What was written went to a collection that is another by now: all is read again.
    pub(super) fn reopen(&mut self) {
        for entry in &mut self.entries {
            if matches!(entry.state, State::Done(_)) {
                (entry.state, entry.doubt) = (State::Open, true);
            }
        }
    }

    /// Fingerprints of the candidates, key and rank, eight bytes each: by them others know what they write in place of.
    pub(super) fn prints(&self) -> Vec<u8> {
        let candidates = self.prepared.candidates.iter();
        candidates
            .flat_map(|candidate| print(self.prepared.key(candidate), candidate.stamp.rank).to_le_bytes())
            .collect()
    }

    /// The fingerprint of what was seen in a candidate's place.
    pub(super) fn seen_print(&self, entry: usize) -> Option<u64> {
        let candidate = self.prepared.candidates.get(entry)?;
        let (_, rank) = binary(self.seen(entry)).ok()?;
        Some(print(self.prepared.key(candidate), rank))
    }

    pub(super) fn outcome(&self) -> WriteOutcome {
        let mut tally = Tally {
            superseded: self.prepared.superseded,
            refused: self.refusals.len() as u64,
            ..Tally::default()
        };
        for entry in &self.entries {
            match entry.state {
                State::Done(Step::Insert) => tally.inserted += 1,
                State::Done(Step::Update) => tally.updated += 1,
                State::Done(Step::Advance | Step::Same) => tally.unchanged += 1,
                State::Done(Step::Stale) => tally.stale += 1,
                State::Done(Step::Foreign) | State::Refused | State::Open => {}
            }
        }
        let mut refusals = self.refusals.clone();
        refusals.sort_unstable_by_key(|refusal| refusal.index);
        shorten(&mut refusals);
        WriteOutcome { tally, refusals }
    }
}

/// So often a key may be taken by others that take it away again before they are seen.
const TAKEN_MAX: u8 = 5;

/// The most of a refusal's words, and of all of a batch: they are kept in one document.
const REFUSAL_BYTES_MAX: usize = 500;
const REFUSALS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Words that are too long are cut, and left out when there are too many.
fn shorten(refusals: &mut [Refusal]) {
    let mut left = REFUSALS_BYTES_MAX;
    for refusal in refusals {
        let message = &mut refusal.message;
        if message.len() > REFUSAL_BYTES_MAX {
            message.truncate(message.floor_char_boundary(REFUSAL_BYTES_MAX - "…".len()));
            message.push('…');
        }
        match left.checked_sub(message.len()) {
            Some(rest) => left = rest,
            None => "refused, as many before it".clone_into(message),
        }
    }
}

const FOREIGN: &str = "the collection has a document with this `_id` that Tidemill did not write: it is left as it is";

/// Why no server takes a document, as MongoDB words it. Some servers do take these, and could not find them again.
fn no_server_takes(candidate: &Candidate<'_>) -> Result<Option<String>, &'static str> {
    let bytes = candidate.document.as_bytes();
    let id = id_of(bytes).map_err(problem)?.ok_or("it has no `_id`")?;
    let of_type = |kind: &str| Ok(Some(format!("The '_id' value cannot be of type {kind}")));
    match id.kind {
        kind::ARRAY => return of_type("array"),
        kind::REGEX => return of_type("regex"),
        kind::UNDEFINED => return of_type("undefined"),
        kind::DOCUMENT => {
            let mut inner = Elements::new(id.value).map_err(problem)?;
            while let Some(element) = inner.next().map_err(problem)? {
                if element.name.starts_with(b"$") {
                    let name = String::from_utf8_lossy(element.name);
                    return Ok(Some(format!(
                        "_id fields may not contain '$'-prefixed fields: {name} is not valid for storage."
                    )));
                }
            }
        }
        _ => {}
    }
    // An update would take it for an operator.
    let first = Elements::new(bytes).map_err(problem)?.next().map_err(problem)?;
    let operator = first.filter(|element| element.name.starts_with(b"$"));
    Ok(operator.map(|element| {
        format!(
            "the first field is named `{}`: a name of a field can't begin with `$`",
            String::from_utf8_lossy(element.name)
        )
    }))
}

/// The `_id` of a document, mostly its first element.
pub(super) fn id_of(document: &[u8]) -> Result<Option<Element<'_>>, crate::Unreadable> {
    let mut elements = Elements::new(document)?;
    while let Some(element) = elements.next()? {
        if element.name == b"_id" {
            return Ok(Some(element));
        }
    }
    Ok(None)
}

/// The value of `_tidemill.rank`, as it is stored.
pub(super) fn rank_of(document: &[u8]) -> Option<&[u8]> {
    let inner = last(document, TIDEMILL).filter(|element| element.kind == kind::DOCUMENT)?;
    last(inner.value, b"rank")
        .filter(|element| element.kind == kind::BINARY)
        .map(|element| element.value)
}

/// Of several elements of one name the last, as a stamp is read.
fn last<'a>(document: &'a [u8], name: &[u8]) -> Option<Element<'a>> {
    let mut elements = Elements::new(document).ok()?;
    let mut found = None;
    while let Some(element) = elements.next().ok()? {
        if element.name == name {
            found = Some(element);
        }
    }
    found
}

/// XXH3 of the rank, seeded by that of the key: receipts hold it, so it must not change.
fn print(key: &[u8], rank: &[u8]) -> u64 {
    xxh3_64_with_seed(rank, xxh3_64(key))
}

#[cfg(test)]
mod tests;
