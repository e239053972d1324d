//! A YAML text as a tree in which every key and value knows its place. Limits on depth, size and aliases hold.

use crate::fault::Collector;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Spanned, UserMessageFormatter};
use std::{collections::HashMap, fmt, ops::Range};

/// A pipeline file is written by hand: one larger than this is something else.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// The tree is read by recursion: so deep it fits the stack of any thread.
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 200_000;
const REPLAYED_EVENTS_MAX: usize = 100_000;

/// A value of the file and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub value: Value,
    pub span: Range<usize>,
    /// The keys (of a list: the places) that a repair left out, because their values were wrong.
    pub lost: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// A whole number beyond 64 bits, signed.
    Beyond,
    /// With its text: `1.10` as a parameter is not `1.1`.
    Float(f64, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

impl Node {
    /// The entry of a map with this key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// What the value is, for a message: `the text "x"`, `a list`.
    pub(crate) fn what(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(value) => format!("the truth value `{value}`"),
            Value::Integer(value) => format!("the number `{value}`"),
            Value::Beyond => "a number beyond 64 bits".into(),
            Value::Float(_, text) => format!("the number `{text}`"),
            Value::Text(text) => format!("the text `{}`", shortened(text)),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping".into(),
        }
    }
}

/// A text short enough for a message.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Reads the text. Notes what is not YAML, and every key that is written twice.
pub(crate) fn parse(text: &str, faults: &mut Collector<'_>) -> Option<Node> {
    if text.len() > TEXT_BYTES_MAX {
        faults.add(
            &(0..0),
            format!(
                "the file has {} bytes, more than the {TEXT_BYTES_MAX} a pipeline file may have",
                text.len()
            ),
        );
        return None;
    }
    if text.trim().is_empty() {
        empty(faults);
        return None;
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX, max_nodes: NODES_MAX, max_documents: 2 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPLAYED_EVENTS_MAX },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(Spanned { value: Raw::Null, .. }) => {
            empty(faults);
            None
        }
        Ok(raw) => {
            let node = node(raw, text);
            duplicates(&node, faults);
            Some(node)
        }
        Err(error) => {
            unreadable(&error, text, faults);
            None
        }
    }
}

fn empty(faults: &mut Collector<'_>) {
    let help = "start with `pipeline: NAME`, or let `tidemill init NAME` write a file to start from";
    faults.add_help(&(0..0), "the file is empty", help);
}

fn unreadable(error: &serde_saphyr::Error, text: &str, faults: &mut Collector<'_>) {
    use serde_saphyr::{Error as Yaml, MessageFormatter, budget::BudgetBreach};
    let span = error.location().map_or(0..0, |location| bytes(&location, text));
    let error = error.without_snippet();
    let (message, help) = match error {
        Yaml::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => (
            format!("the file is more than {DEPTH_MAX} levels deep"),
            "no pipeline needs as many",
        ),
        Yaml::AliasReplayCounterOverflow { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasExpansionLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => (
            "the aliases of the file stand for too much text".to_owned(),
            "an alias (`*name`) counts as what it stands for, aliases in it included",
        ),
        Yaml::Budget { .. } => (
            format!("the file is too large: {}", UserMessageFormatter.format_message(error)),
            "split it into several pipelines",
        ),
        Yaml::MergeKeyNotAllowed { .. } => (
            "merge keys (`<<`) are not part of a pipeline file".to_owned(),
            "write the keys out, or use an alias (`*name`) for a whole value",
        ),
        Yaml::MultipleDocuments { .. } => (
            "the file holds a second YAML document (after `---`)".to_owned(),
            "write each pipeline into a file of its own",
        ),
        _ => return faults.add(&span, format!("this is not YAML: {}", UserMessageFormatter.format_message(error))),
    };
    faults.add_help(&span, message, help);
}

fn duplicates(node: &Node, faults: &mut Collector<'_>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| duplicates(item, faults)),
        Value::Map(entries) => {
            let mut seen: HashMap<&str, &Entry> = HashMap::new();
            for entry in entries {
                if let Some(first) = seen.insert(&entry.key, entry) {
                    let line = faults.line(first.key_span.start);
                    faults.add(
                        &entry.key_span,
                        format!("`{}` is written twice; the first is on line {line}", shortened(&entry.key)),
                    );
                }
                duplicates(&entry.value, faults);
            }
        }
        _ => {}
    }
}

fn bytes(location: &serde_saphyr::Location, text: &str) -> Range<usize> {
    let span = location.span();
    let at = |offset: Option<u64>| offset.and_then(|n| usize::try_from(n).ok());
    if let (Some(start), Some(length)) = (at(span.byte_offset()), at(span.byte_len())) {
        return start..start.saturating_add(length);
    }
    let char_at = |n: u64| {
        usize::try_from(n)
            .ok()
            .and_then(|n| text.char_indices().nth(n))
            .map_or(text.len(), |(at, _)| at)
    };
    char_at(span.offset())..char_at(span.offset().saturating_add(span.len()))
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let span = bytes(&raw.referenced, text);
    let written = || text.get(bytes(&raw.defined, text)).unwrap_or_default().trim().to_owned();
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Integer(value) => i64::try_from(value).map_or(Value::Beyond, Value::Integer),
        Raw::Float(value) if value.fract() == 0.0 && written().bytes().all(|b| b.is_ascii_digit() || b == b'-') => Value::Beyond,
        Raw::Float(value) => Value::Float(value, written()),
        Raw::Text(value) => Value::Text(value),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, text)).collect()),
        Raw::Map(entries) => Value::Map(entries.into_iter().map(|(key, value)| entry(key, value, text)).collect()),
    };
    Node {
        value,
        span,
        lost: Vec::new(),
    }
}

fn entry(key: Spanned<String>, value: Spanned<Raw>, text: &str) -> Entry {
    Entry {
        key_span: bytes(&key.referenced, text),
        key: key.value,
        value: node(value, text),
    }
}

/// A YAML value as serde sees it.
enum Raw {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }
    fn visit_i128<E: Error>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }
    fn visit_u128<E: Error>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
