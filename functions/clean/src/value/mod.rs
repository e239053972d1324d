//! One value: from what stands in the record to BSON, by the rules of its field.

pub(crate) mod decimal;
mod geo;
mod json;
mod nested;
pub(crate) mod number;
mod rules;
pub(crate) mod time;
mod typed;

pub(crate) use json::{Keys, key_name, write_json};
pub(crate) use rules::{Bounds, NullValues, Replacement, Rules};
pub(crate) use typed::{Constant, Typed};

use crate::bson_writer::{Key, element, tag};
use crate::fault::{Fault, Faults, Problem, Reason};
use crate::plan::{FieldPlan, Kind};
use crate::readable::is_readable;
use crate::reject::{Original, one_line};
use crate::trie::{Memory, Slot, Trie};
use lake::json::{self as lake_json, Kind as JsonKind, RawString};

/// A value as it stands in the record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Missing,
    /// A key on the way to it stands twice.
    Duplicate,
    Null,
    Bool(bool),
    /// A JSON number's literal.
    Number(&'a str),
    /// A text, as it is.
    Text(&'a str),
    /// A text whose escapes are not resolved yet: what stands between the quotes.
    Escaped(&'a str),
    /// A list's JSON text.
    List(&'a str),
    /// An object's JSON text.
    Object(&'a str),
}

impl<'a> Value<'a> {
    /// What the slot says of the text that was scanned.
    #[inline]
    pub fn of(text: &'a str, slot: Slot) -> Value<'a> {
        match slot {
            Slot::Missing => Value::Missing,
            Slot::Duplicate => Value::Duplicate,
            Slot::Plain { start, end } => Value::Text(text.get(start as usize..end as usize).unwrap_or_default()),
            Slot::Json { kind, escaped, start, end } => {
                let raw = text.get(start as usize..end as usize).unwrap_or_default();
                match kind {
                    JsonKind::Null => Value::Null,
                    JsonKind::True => Value::Bool(true),
                    JsonKind::False => Value::Bool(false),
                    JsonKind::Number => Value::Number(raw),
                    JsonKind::List => Value::List(raw),
                    JsonKind::Object => Value::Object(raw),
                    JsonKind::String => {
                        let inner = text.get(start as usize + 1..(end as usize).saturating_sub(1)).unwrap_or_default();
                        if escaped { Value::Escaped(inner) } else { Value::Text(inner) }
                    }
                }
            }
        }
    }

    /// The kind, for a message.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Value::Missing => "nothing",
            Value::Duplicate => "a key that stands twice",
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::Text(_) | Value::Escaped(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The text of a single value, as it is written.
    #[inline]
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Value::Text(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// As JSON for `rejected/` and `explain`, cut short where it is long.
    pub fn shown(&self) -> Option<String> {
        let quoted = |text: &str| {
            let mut out = Vec::new();
            lake_json::write_string(&mut out, text);
            String::from_utf8_lossy(&out).into_owned()
        };
        Some(match self {
            Value::Missing | Value::Duplicate => return None,
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Text(text) => quoted(&excerpt(text)),
            Value::Escaped(raw) | Value::Number(raw) | Value::List(raw) | Value::Object(raw) => {
                let json = if let Value::Escaped(_) = self {
                    format!("\"{raw}\"")
                } else {
                    one_line(raw)
                };
                if raw.len() <= SHOWN_BYTES_MAX && is_readable(&json) {
                    json
                } else {
                    quoted(&excerpt(raw))
                }
            }
        })
    }
}

/// Longer values are cut in messages and rejects; the record beside them is whole.
const SHOWN_BYTES_MAX: usize = 1_024;

fn excerpt(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(SHOWN_BYTES_MAX);
    format!("{}…", text.get(..end).unwrap_or_default()).into()
}

/// Watches a value on its way; `explain` does, the hot path does not.
pub(crate) trait Watch {
    /// Whether there is anybody: what is only for watching is not made otherwise.
    const ON: bool;
    /// The record as it came.
    fn record(&mut self, _record: Original<'_>) {}
    /// What is wrong with it.
    fn faults(&mut self, _faults: &[Fault]) {}
    /// What a field of the document begins with.
    fn field(&mut self, _plan: &FieldPlan, _value: &Value<'_>) {}
    /// What a rule made of it.
    fn rule(&mut self, _rule: &'static str, _value: &Value<'_>) {}
    /// What a rule made of it, as a BSON element.
    fn element(&mut self, _rule: &'static str, _element: &[u8]) {}
}

/// Nobody watches.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    const ON: bool = false;
}

/// What is reused from record to record.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub faults: Faults,
    /// A stack: the slots of the record, then those of the objects being read.
    pub slots: Vec<Slot>,
    pub memory: Memory,
}

/// What converting a value needs.
pub(crate) struct Converter<'x, W> {
    pub trie: &'x Trie,
    pub out: &'x mut Vec<u8>,
    pub scratch: &'x mut Scratch,
    pub watch: &'x mut W,
}

/// A value was not taken: its faults are noted, nothing of it is in the output.
#[derive(Debug)]
pub(crate) struct Broken;

/// The level of a document's own fields.
pub(crate) const TOP: u32 = 1;

impl<W: Watch> Converter<'_, W> {
    /// Appends the element of a field. `level` is that of the document it stands in, counted from [`TOP`].
    ///
    /// Values go by reference all the way: one that was just put together must not be copied, for the copy would wait for its parts to reach
    /// the cache (a third of the time of this function, when it was).
    #[inline]
    pub fn field(&mut self, plan: &FieldPlan, key: Key<'_>, value: &Value<'_>, level: u32) -> Result<(), Broken> {
        if W::ON && level == TOP {
            self.watch.field(plan, value);
        }
        match (value, &plan.rules) {
            (Value::Escaped(inner), _) => self.escaped(plan, key, inner, level),
            (value, None) => self.ruled(plan, key, value, value, level),
            (value, Some(rules)) => {
                let found = self.rules(rules, *value, level);
                self.ruled(plan, key, &found, value, level)
            }
        }
    }

    fn escaped(&mut self, plan: &FieldPlan, key: Key<'_>, inner: &str, level: u32) -> Result<(), Broken> {
        let original = Value::Escaped(inner);
        match (RawString { inner, escaped: true }).value() {
            Ok(text) => {
                let text = Value::Text(&text);
                let found = plan.rules.as_ref().map_or(text, |rules| self.rules(rules, text, level));
                self.ruled(plan, key, &found, &original, level)
            }
            Err(error) => self.not_of_type(plan, key, &original, Problem::new(Reason::LoneSurrogate, error.to_string()), level),
        }
    }

    fn rules<'v>(&mut self, rules: &'v Rules, value: Value<'v>, level: u32) -> Value<'v> {
        if W::ON && level == TOP {
            rules.apply(value, self.watch)
        } else {
            rules.apply(value, &mut Unwatched)
        }
    }

    /// What the rules before the type made of it.
    #[inline]
    fn ruled(&mut self, plan: &FieldPlan, key: Key<'_>, found: &Value<'_>, original: &Value<'_>, level: u32) -> Result<(), Broken> {
        match found {
            Value::Missing => self.nothing(plan, key, Reason::Missing, original, level),
            Value::Null => self.nothing(plan, key, Reason::Null, original, level),
            Value::Duplicate => {
                let message = "the key stands twice in its object: neither value is chosen";
                self.fault(original, Problem::new(Reason::DuplicateKey, message))
            }
            _ => self.value(plan, key, found, original, level),
        }
    }

    #[inline]
    fn value(&mut self, plan: &FieldPlan, key: Key<'_>, found: &Value<'_>, original: &Value<'_>, level: u32) -> Result<(), Broken> {
        if matches!(plan.kind, Kind::List(_) | Kind::Object(_) | Kind::GeoPoint | Kind::Json) {
            return self.structure(plan, key, found, original, level);
        }
        let typed = typed::typed(&plan.kind, found);
        if let Ok(value) = &typed {
            return self.scalar(plan, key, value, original, level);
        }
        match typed {
            Ok(_) => Ok(()),
            Err(problem) => self.not_of_type(plan, key, original, problem, level),
        }
    }

    fn structure(&mut self, plan: &FieldPlan, key: Key<'_>, found: &Value<'_>, original: &Value<'_>, level: u32) -> Result<(), Broken> {
        let (out_before, faults_before) = (self.out.len(), self.scratch.faults.len());
        // `Err(None)`: the faults inside are noted already.
        let written = match &plan.kind {
            Kind::List(list) => match self.list(list, key, found, level) {
                Ok(Err(bound)) => {
                    self.out.truncate(out_before);
                    return self.fault(original, bound);
                }
                Ok(Ok(())) => Ok(()),
                Err(problem) => Err(problem),
            },
            Kind::Object(object) => self.object(object, key, found, level),
            Kind::GeoPoint => geo::point(found).map(|point| geo::write(self.out, key, point)).map_err(Some),
            _ => write_json(self.out, key, found, level).map_err(Some),
        };
        let Err(problem) = written else {
            self.became(plan, out_before, level);
            return Ok(());
        };
        self.out.truncate(out_before);
        match problem {
            Some(problem) => self.not_of_type(plan, key, original, problem, level),
            None if plan.invalid_as_null => {
                self.scratch.faults.truncate(faults_before);
                self.nothing(plan, key, Reason::WrongType, original, level)
            }
            None => Err(Broken),
        }
    }

    /// A value that is not of the type: null if the field says so, else a fault.
    #[cold]
    fn not_of_type(&mut self, plan: &FieldPlan, key: Key<'_>, original: &Value<'_>, problem: Problem, level: u32) -> Result<(), Broken> {
        if plan.invalid_as_null {
            if W::ON && level == TOP {
                self.watch.rule("invalid_as_null", &Value::Null);
            }
            return self.nothing(plan, key, problem.reason(), original, level);
        }
        self.fault(original, problem)
    }

    /// Null or nothing: the default, else null where it may be, else a fault.
    fn nothing(&mut self, plan: &FieldPlan, key: Key<'_>, reason: Reason, original: &Value<'_>, level: u32) -> Result<(), Broken> {
        if let Some(default) = &plan.default {
            let before = self.out.len();
            default.typed().write(self.out, key);
            if W::ON && level == TOP {
                self.watch.element("default", self.out.get(before..).unwrap_or_default());
            }
            return Ok(());
        }
        if plan.nullable {
            let before = self.out.len();
            element(self.out, tag::NULL, key);
            if W::ON && level == TOP {
                self.watch.element("nullable", self.out.get(before..).unwrap_or_default());
            }
            return Ok(());
        }
        let message = match reason {
            Reason::Missing => "expected a value, found nothing; `nullable: true` or a `default` would allow it",
            _ => "expected a value, found null; `nullable: true` or a `default` would allow it",
        };
        self.fault(original, Problem::new(reason, message))
    }

    #[inline]
    fn scalar(&mut self, plan: &FieldPlan, key: Key<'_>, value: &Typed<'_>, original: &Value<'_>, level: u32) -> Result<(), Broken> {
        let before = self.out.len();
        value.write(self.out, key);
        self.became(plan, before, level);
        match &plan.bounds {
            None => Ok(()),
            Some(bounds) => match bounds.check(value) {
                Ok(()) => Ok(()),
                Err(problem) => {
                    self.out.truncate(before);
                    self.fault(original, problem)
                }
            },
        }
    }

    /// What was appended since `before` is the value in its type.
    #[inline]
    fn became(&mut self, plan: &FieldPlan, before: usize, level: u32) {
        if W::ON && level == TOP {
            self.watch.element(plan.kind.name(), self.out.get(before..).unwrap_or_default());
        }
    }

    #[cold]
    fn fault(&mut self, value: &Value<'_>, problem: Problem) -> Result<(), Broken> {
        self.scratch.faults.add("", problem, value.shown());
        Err(Broken)
    }
}
