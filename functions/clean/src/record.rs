//! One record: clean, rejected, dropped or a duplicate. Bad data is a value here, never an error.

use crate::bson_writer::{self as bson, Key, element, tag, value_of};
use crate::condition::ConditionPlan;
use crate::fault::{Faults, Problem, Reason};
use crate::identity::{Seen, Stamp, content_id, hash, position_id};
use crate::plan::{FieldPlan, IdentityPlan, Plan};
use crate::trie::{Slot, Unknown, UnknownKey};
use crate::value::{Broken, Converter, Keys, Scratch, TOP, Typed, Value, Watch, key_name, write_json};
use lake::json::RawString;
use lake::zst::DOCUMENT_BYTES_MAX;
use ledger::{Place, Rank};
use pipeline::UnknownFields;
use std::borrow::Cow;

/// What became of a record.
#[derive(Debug)]
pub(crate) enum Verdict<'m> {
    /// The document.
    Clean(&'m [u8]),
    /// Every fault of it.
    Rejected(&'m Faults),
    /// The place of the condition of `filter` that is not true of it.
    Dropped(usize),
    /// The same as the latest record of its `_id`.
    Duplicate,
}

/// A text whose values are in the slots from `base` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub text: &'a str,
    pub base: usize,
}

/// A record that was scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned<'a> {
    pub item: Frame<'a>,
    pub parent: Option<Frame<'a>>,
    /// The names of columns, for CSV.
    pub columns: &'a [String],
    pub captured_at_ms: i64,
    pub place: Place,
}

/// Makes documents, one after the other, with buffers that are used again.
#[derive(Debug)]
pub(crate) struct Maker {
    pub scratch: Scratch,
    /// The keys of the record that no field reads.
    pub unknown: Vec<Unknown>,
    generation: u32,
    stamp: Stamp,
    seen: Seen,
    /// The elements of the fields, then those of kept keys.
    fields: Vec<u8>,
    /// Where each field's element ends in `fields`.
    ends: Vec<usize>,
    hashed: Vec<u8>,
    document: Vec<u8>,
}

impl Maker {
    pub fn new(plan: &Plan, run: &str, generation: u32) -> Maker {
        Maker {
            scratch: Scratch {
                memory: plan.trie.memory(),
                ..Scratch::default()
            },
            unknown: Vec::new(),
            generation,
            stamp: Stamp::new(run),
            seen: Seen::default(),
            fields: Vec::new(),
            ends: Vec::new(),
            hashed: Vec::new(),
            document: Vec::new(),
        }
    }

    /// Holds the record against the contract.
    pub fn make<W: Watch>(&mut self, plan: &Plan, scanned: &Scanned<'_>, watch: &mut W) -> Verdict<'_> {
        self.scratch.faults.clear();
        self.fields(plan, scanned, watch);
        self.unknown(plan, scanned);
        if !self.scratch.faults.is_empty() {
            return Verdict::Rejected(&self.scratch.faults);
        }
        if let Some(place) = plan.filter.iter().position(|condition| !self.holds(condition)) {
            return Verdict::Dropped(place);
        }
        self.document.clear();
        let document = bson::open(&mut self.document);
        self.id(plan, scanned.place);
        let (hash, whole) = self.hashes(plan);
        if !matches!(plan.identity, IdentityPlan::Position) {
            let id = self.document.get(document + 4..).unwrap_or_default();
            // Without a version, a later capture is a later version, even of an equal record.
            let within = if plan.version.is_some() { 0 } else { scanned.place.line };
            if self.seen.is_duplicate(id, whole, within) {
                return Verdict::Duplicate;
            }
        }
        self.document.extend_from_slice(&self.fields);
        let version = plan.version.and_then(|field| self.version(field)).unwrap_or(scanned.captured_at_ms);
        let rank = Rank::new(version, self.generation, scanned.captured_at_ms, scanned.place);
        let deleted = !plan.delete_when.is_empty() && plan.delete_when.iter().all(|condition| self.holds(condition));
        self.stamp
            .write(&mut self.document, scanned.captured_at_ms, version, rank, hash, deleted);
        bson::close(&mut self.document, document);
        if self.document.len() > DOCUMENT_BYTES_MAX {
            let message = format!("the document is longer than {DOCUMENT_BYTES_MAX} bytes");
            self.scratch.faults.add("", Problem::new(Reason::TooLarge, message), None);
            return Verdict::Rejected(&self.scratch.faults);
        }
        Verdict::Clean(&self.document)
    }

    /// Rejects a record that was not even scanned.
    pub fn refuse(&mut self, problem: Problem) -> &Faults {
        self.scratch.faults.clear();
        self.scratch.faults.add("", problem, None);
        &self.scratch.faults
    }

    fn fields<W: Watch>(&mut self, plan: &Plan, scanned: &Scanned<'_>, watch: &mut W) {
        self.fields.clear();
        self.ends.clear();
        let mut converter = Converter {
            trie: &plan.trie,
            out: &mut self.fields,
            scratch: &mut self.scratch,
            watch,
        };
        for field in &plan.fields {
            let frame = scanned.parent.filter(|_| field.from_parent).unwrap_or(scanned.item);
            let slot = converter
                .scratch
                .slots
                .get(frame.base + field.slot as usize)
                .copied()
                .unwrap_or(Slot::Missing);
            let faults = converter.scratch.faults.len();
            if let Err(Broken) = converter.field(field, Key::Field(&field.header), &Value::of(frame.text, slot), TOP) {
                converter.scratch.faults.place(faults, &field.name);
            }
            self.ends.push(converter.out.len());
        }
        let wrong_key = |field: &usize| matches!(self.fields.get(self.start(*field)), Some(&(tag::NULL | tag::DOCUMENT | tag::ARRAY)));
        if let IdentityPlan::Fields(key) = &plan.identity
            && self.scratch.faults.is_empty()
            && let Some(field) = key.iter().copied().find(wrong_key)
        {
            let name = plan.fields.get(field).map_or("", |field| field.name.as_str());
            self.scratch.faults.add(
                name,
                Problem::new(Reason::WrongType, "a part of the key must be a single value, not null"),
                None,
            );
        }
    }

    /// Keys that no field reads: kept as they are, or faults.
    fn unknown(&mut self, plan: &Plan, scanned: &Scanned<'_>) {
        if self.unknown.is_empty() {
            return;
        }
        let mut keys = Keys::default();
        for unknown in &self.unknown {
            let key = key_of(unknown, scanned);
            let value = Value::of(scanned.item.text, unknown.value);
            let taken = match plan.unknown {
                UnknownFields::Reject => Err(Problem::new(
                    Reason::UnknownField,
                    "no field reads this key, and `unknown_fields` is `reject`",
                )),
                UnknownFields::Ignore | UnknownFields::Keep => kept(plan, key, &value, &mut keys, &mut self.fields),
            };
            if let Err(problem) = taken {
                self.scratch
                    .faults
                    .add(&key.value().unwrap_or(Cow::Borrowed(key.inner)), problem, value.shown());
            }
        }
    }

    /// Appends `_id` to the document.
    fn id(&mut self, plan: &Plan, place: Place) {
        let id = Key::Name("_id");
        match &plan.identity {
            IdentityPlan::Fields(key) => match key.as_slice() {
                [field] => {
                    let (tag, value) = value_of(span(&self.fields, &self.ends, *field));
                    element(&mut self.document, tag, id);
                    self.document.extend_from_slice(value);
                }
                fields => {
                    element(&mut self.document, tag::DOCUMENT, id);
                    let at = bson::open(&mut self.document);
                    for field in fields {
                        self.document.extend_from_slice(span(&self.fields, &self.ends, *field));
                    }
                    bson::close(&mut self.document, at);
                }
            },
            IdentityPlan::Content => {
                // Volatile fields would name the same record anew at every fetch.
                let content = content_id(self.without(plan, |field| field.volatile));
                element(&mut self.document, tag::STRING, id);
                bson::string(&mut self.document, &content);
            }
            IdentityPlan::Position => {
                element(&mut self.document, tag::STRING, id);
                bson::string(&mut self.document, &position_id(place));
            }
        }
    }

    /// The hash by which a change is seen (kept keys included: what is kept must be kept up to date), and one over everything.
    #[inline]
    fn hashes(&mut self, plan: &Plan) -> (u128, u128) {
        let whole = hash(&self.fields);
        if !plan.fields.iter().any(|field| field.unhashed) {
            return (whole, whole);
        }
        (hash(self.without(plan, |field| field.unhashed)), whole)
    }

    /// The elements but those of some fields.
    fn without(&mut self, plan: &Plan, left_out: impl Fn(&FieldPlan) -> bool) -> &[u8] {
        self.hashed.clear();
        let mut from = 0;
        for (place, _) in plan.fields.iter().enumerate().filter(|(_, field)| left_out(field)) {
            let (start, end) = (self.start(place), self.ends.get(place).copied().unwrap_or_default());
            self.hashed.extend_from_slice(self.fields.get(from..start).unwrap_or_default());
            from = end;
        }
        self.hashed.extend_from_slice(self.fields.get(from..).unwrap_or_default());
        &self.hashed
    }

    fn start(&self, field: usize) -> usize {
        start(&self.ends, field)
    }

    fn version(&self, field: usize) -> Option<i64> {
        let (tag, value) = value_of(span(&self.fields, &self.ends, field));
        match Typed::read(tag, value)? {
            Typed::Int(number) => Some(number.into()),
            Typed::Long(number) | Typed::Time(number) => Some(number),
            _ => None,
        }
    }

    fn holds(&self, condition: &ConditionPlan) -> bool {
        condition.test.holds(span(&self.fields, &self.ends, condition.field))
    }
}

fn start(ends: &[usize], field: usize) -> usize {
    field
        .checked_sub(1)
        .and_then(|before| ends.get(before))
        .copied()
        .unwrap_or_default()
}

/// The element of a field.
fn span<'f>(fields: &'f [u8], ends: &[usize], field: usize) -> &'f [u8] {
    let end = ends.get(field).copied().unwrap_or_default();
    fields.get(start(ends, field)..end).unwrap_or_default()
}

/// The key of an unread value.
fn key_of<'a>(unknown: &Unknown, scanned: &Scanned<'a>) -> RawString<'a> {
    match &unknown.key {
        UnknownKey::Json { span, escaped } => RawString {
            inner: scanned.item.text.get(span.clone()).unwrap_or_default(),
            escaped: *escaped,
        },
        UnknownKey::Column(column) => RawString {
            inner: scanned.columns.get(*column).map_or("", String::as_str),
            escaped: false,
        },
    }
}

/// Appends a kept key; nothing of it stays after a fault.
fn kept<'a>(plan: &Plan, key: RawString<'a>, value: &Value<'_>, keys: &mut Keys<'a>, out: &mut Vec<u8>) -> Result<(), Problem> {
    let name = key_name(key)?;
    if matches!(&*name, "_id" | "_tidemill") || plan.fields.iter().any(|field| *field.name == *name) {
        return Err(Problem::new(
            Reason::NameTaken,
            "the key is to be kept, but a field of the document is called so",
        ));
    }
    let before = out.len();
    write_json(out, Key::Name(&name), value, TOP).inspect_err(|_| out.truncate(before))?;
    keys.add(name)
}
