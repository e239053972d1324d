//! Objects with fields of their own, and lists. Every fault inside is noted, with its place: `sources[3].name`.

use super::rules::length;
use super::{Broken, Converter, Value, Watch};
use crate::bson_writer::{self as bson, Key, LEVELS_MAX, element, tag};
use crate::fault::{Problem, Reason};
use crate::plan::{ListPlan, ObjectPlan};
use crate::trie::{Slot, scan, whole};
use lake::json::Scanner;

const DEPTH_MAX: u32 = 128;

impl<W: Watch> Converter<'_, W> {
    /// Appends an object. `Err(None)`: the faults inside are noted already.
    pub(super) fn object(&mut self, plan: &ObjectPlan, key: Key<'_>, value: &Value<'_>, level: u32) -> Result<(), Option<Problem>> {
        let Value::Object(text) = value else {
            return Err(Some(Problem::new(
                Reason::WrongType,
                format!("expected an object, found {}", value.kind_name()),
            )));
        };
        deeper(level)?;
        let base = self.scratch.slots.len();
        self.scratch.slots.resize(base + plan.tree.slots as usize, Slot::Missing);
        let slots = self.scratch.slots.get_mut(base..).unwrap_or_default();
        let mut scanner = Scanner::new(text, DEPTH_MAX);
        let scanned = scan(self.trie, plan.tree, &mut scanner, text, &mut self.scratch.memory, slots, None);
        let result = match scanned {
            Ok(_) => self.fields(plan, key, text, base, level),
            Err(fault) => Err(Some(not_json(fault))),
        };
        self.scratch.slots.truncate(base);
        result
    }

    fn fields(&mut self, plan: &ObjectPlan, key: Key<'_>, text: &str, base: usize, level: u32) -> Result<(), Option<Problem>> {
        element(self.out, tag::DOCUMENT, key);
        let at = bson::open(self.out);
        let mut broken = false;
        for field in &plan.fields {
            let slot = self.scratch.slots.get(base + field.slot as usize).copied().unwrap_or(Slot::Missing);
            let faults = self.scratch.faults.len();
            if let Err(Broken) = self.field(field, Key::Field(&field.header), &Value::of(text, slot), level + 1) {
                self.scratch.faults.place(faults, &field.name);
                broken = true;
            }
        }
        bson::close(self.out, at);
        if broken { Err(None) } else { Ok(()) }
    }

    /// Appends a list. The outer error is one of the type (`None`: the faults inside are noted already), the inner one of its length.
    pub(super) fn list(
        &mut self,
        plan: &ListPlan,
        key: Key<'_>,
        value: &Value<'_>,
        level: u32,
    ) -> Result<Result<(), Problem>, Option<Problem>> {
        deeper(level)?;
        element(self.out, tag::ARRAY, key);
        let at = bson::open(self.out);
        let mut items = Items {
            plan,
            level,
            place: 0,
            kept: 0,
            broken: false,
        };
        match (value, &plan.split) {
            (Value::List(text), _) => {
                let mut scanner = Scanner::new(text, DEPTH_MAX);
                let mut first = true;
                scanner.begin_list().map_err(|fault| Some(not_json(fault)))?;
                while scanner.next_item(&mut first).map_err(|fault| Some(not_json(fault)))? {
                    let slot = whole(&mut scanner).map_err(|fault| Some(not_json(fault)))?;
                    self.item(&mut items, &Value::of(text, slot));
                }
            }
            (_, Some(separator)) if value.as_text().is_some() => {
                for item in value.as_text().unwrap_or_default().split(separator.as_str()) {
                    self.item(&mut items, &Value::Text(item));
                }
            }
            _ => {
                let expected = if plan.split.is_some() {
                    "a list or a text to be split"
                } else {
                    "a list"
                };
                return Err(Some(Problem::new(
                    Reason::WrongType,
                    format!("expected {expected}, found {}", value.kind_name()),
                )));
            }
        }
        bson::close(self.out, at);
        if items.broken {
            return Err(None);
        }
        Ok(length(plan.min_length, plan.max_length, items.kept as usize, "items"))
    }

    fn item(&mut self, items: &mut Items<'_>, value: &Value<'_>) {
        let place = items.place;
        items.place += 1;
        let faults = self.scratch.faults.len();
        let before = self.out.len();
        if items.plan.drop_empty && matches!(value, Value::Null | Value::Text("")) {
            return;
        }
        if let Err(Broken) = self.field(&items.plan.item, Key::Index(items.kept), value, items.level + 1) {
            self.scratch.faults.place(faults, &format!("[{place}]"));
            items.broken = true;
        } else if items.plan.drop_empty && is_empty(self.out.get(before..).unwrap_or_default()) {
            // Its own rules made it null or empty.
            self.out.truncate(before);
            return;
        }
        items.kept += 1;
    }
}

struct Items<'p> {
    plan: &'p ListPlan,
    level: u32,
    /// The place in the source's list, for messages.
    place: u32,
    /// The place in the list kept.
    kept: u32,
    broken: bool,
}

fn is_empty(element: &[u8]) -> bool {
    match bson::value_of(element) {
        (tag::NULL, _) => true,
        (tag::STRING, value) => value.len() == 5,
        _ => false,
    }
}

fn deeper(level: u32) -> Result<(), Option<Problem>> {
    if level < LEVELS_MAX { Ok(()) } else { Err(Some(too_deep())) }
}

pub(super) fn too_deep() -> Problem {
    Problem::new(
        Reason::TooDeep,
        format!("the value nests deeper than the {LEVELS_MAX} levels of BSON"),
    )
}

/// The text was checked when the record was scanned, so only a bug would show this.
pub(super) fn not_json(fault: lake::json::Fault) -> Problem {
    Problem::new(Reason::NotJson, fault.to_string())
}
