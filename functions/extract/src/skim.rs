//! One pass over a reply: that it is JSON, how many records it holds, their greatest cursor value, and what the paginator asks for. No tree.

use crate::incremental::{is_beyond, value_in_record};
use lake::capture::DEPTH_MAX;
use lake::json::{Fault, Kind, Raw, RawString, Scanner};
use pipeline::{CursorType, Endpoint, Paginator, Path, Step};
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a reply says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skimmed<'a> {
    pub records: u64,
    /// Whether the `data_selector` leads somewhere: to records, or to an empty list or `null`, which stand for none.
    pub selected: bool,
    /// A hash of the records; `None` without any.
    pub hash: Option<u64>,
    /// The greatest cursor value of the records.
    pub cursor: Option<i64>,
    /// Whether a record has null in its place.
    pub cursor_is_null: bool,
    pub total: Option<u64>,
    /// The cursor or the address of the next page; never empty.
    pub next: Option<Cow<'a, str>>,
    /// Whether anything stands there, be it null.
    pub has_next_key: bool,
    pub has_more: Option<bool>,
    /// A value that is there but is not what the paginator needs.
    pub wrong: Option<Wrong>,
    /// Whether there are line breaks outside strings.
    pub line_breaks: bool,
}

impl Wrong {
    /// Nothing stands where the records should.
    pub const SELECTOR: Wrong = Wrong {
        key: "data_selector",
        expected: "there, or is no list (an object keyed by ids can't be walked yet): the reply may be an error document, and is kept in `raw/`",
    };

    /// A cursor that could not be told from another one.
    const CURSOR: Wrong = Wrong {
        key: "incremental.cursor_path",
        expected: "a whole number of 64 bits (at most 9223372036854775807): read with another cursor, a time perhaps",
    };
}

/// A value of the reply that is of another kind than the paginator needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value at `{key}` is not {expected}")]
pub struct Wrong {
    pub key: &'static str,
    pub expected: &'static str,
}

/// What to look for in a reply, compiled from an endpoint once.
#[derive(Clone, Debug)]
pub struct Plan {
    root: Node,
    cursor: Option<CursorType>,
}

/// A place in a reply at which something is looked for, or below it.
#[derive(Clone, Debug, Default)]
struct Node {
    keys: Vec<(String, Node)>,
    items: Vec<(usize, Node)>,
    each: Option<Box<Node>>,
    records: Records,
    wants: Vec<Want>,
}

/// Whether the value at a place is a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Records {
    #[default]
    No,
    One,
    /// A list is a list of records, `null` is none, anything else is one.
    UnlessList,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Cursor,
    Total,
    Next { url: bool },
    HasMore,
}

impl Plan {
    pub fn new(endpoint: &Endpoint) -> Plan {
        let mut root = Node::default();
        let selector = endpoint
            .data_selector
            .as_ref()
            .map(|path| path.steps.as_slice())
            .unwrap_or_default();
        let cursor_path = endpoint.incremental.as_ref().map(|incremental| &incremental.cursor_path);
        let record = root.at(selector);
        if selector.last() == Some(&Step::Each) {
            record.records = Records::One;
        } else {
            record.records = Records::UnlessList;
            let item = record.at(&[Step::Each]);
            item.records = Records::One;
            if let Some(path) = cursor_path {
                item.want(path, Want::Cursor);
            }
        }
        if let Some(path) = cursor_path {
            root.at(selector).want(path, Want::Cursor);
        }
        for (path, want) in paginator_wants(&endpoint.paginator) {
            root.want(path, want);
        }
        Plan {
            root,
            cursor: endpoint.incremental.as_ref().map(|incremental| incremental.kind),
        }
    }

    /// Reads a reply to its end. An error means that it is not JSON that can be kept as such.
    pub fn skim<'a>(&self, text: &'a str) -> Result<Skimmed<'a>, Fault> {
        let mut scanner = Scanner::new(text, DEPTH_MAX);
        let mut reader = Reader {
            text,
            cursor: self.cursor,
            found: Skimmed::default(),
        };
        reader.visit(&self.root, &mut scanner, false)?;
        scanner.end()?;
        reader.found.line_breaks = scanner.saw_line_break();
        Ok(reader.found)
    }
}

/// A path in a message, as most write it: `data.next`, not `$.data.next`.
pub(crate) fn path_shown(path: &Path) -> String {
    let text = path.to_string();
    text.strip_prefix("$.").map_or(text.clone(), str::to_owned)
}

fn paginator_wants(paginator: &Paginator) -> Vec<(&Path, Want)> {
    let mut wants = Vec::new();
    match paginator {
        Paginator::SinglePage {} | Paginator::LinkHeader { .. } => {}
        Paginator::PageNumber { total_path, .. } | Paginator::Offset { total_path, .. } => {
            wants.extend(total_path.as_ref().map(|path| (path, Want::Total)));
        }
        Paginator::Cursor {
            cursor_path,
            has_more_path,
            ..
        } => {
            wants.push((cursor_path, Want::Next { url: false }));
            wants.extend(has_more_path.as_ref().map(|path| (path, Want::HasMore)));
        }
        Paginator::NextUrl { next_url_path } => wants.push((next_url_path, Want::Next { url: true })),
    }
    wants
}

impl Node {
    /// The node at the end of `steps`, made where it is missing.
    fn at(&mut self, steps: &[Step]) -> &mut Node {
        let Some((step, rest)) = steps.split_first() else {
            return self;
        };
        let child = match step {
            Step::Key(key) => entry(&mut self.keys, key),
            Step::Index(index) => entry(&mut self.items, index),
            Step::Each => self.each.get_or_insert_default(),
        };
        child.at(rest)
    }

    fn want(&mut self, path: &Path, want: Want) {
        self.at(&path.steps).wants.push(want);
    }

    #[inline]
    fn key(&self, key: &RawString<'_>) -> Option<&Node> {
        self.keys.iter().find(|(name, _)| key.is(name)).map(|(_, node)| node)
    }
}

fn entry<'n, K: PartialEq + Clone>(children: &'n mut Vec<(K, Node)>, key: &K) -> &'n mut Node {
    let place = children.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
        children.push((key.clone(), Node::default()));
        children.len() - 1
    });
    // The place was just found or made.
    #[expect(clippy::indexing_slicing, reason = "the place was found or made on the line above")]
    &mut children[place].1
}

struct Reader<'a> {
    text: &'a str,
    cursor: Option<CursorType>,
    found: Skimmed<'a>,
}

impl<'a> Reader<'a> {
    /// Passes over the next value and takes what is looked for at it and below it. The recursion is as deep as the longest path.
    fn visit(&mut self, node: &Node, scanner: &mut Scanner<'a>, in_record: bool) -> Result<(), Fault> {
        let kind = scanner.peek()?;
        let start = scanner.offset();
        let begins = match node.records {
            Records::No => false,
            Records::One => !in_record,
            Records::UnlessList => !in_record && !matches!(kind, Kind::List | Kind::Null),
        };
        self.found.records += u64::from(begins);
        self.found.selected |= node.records != Records::No || (node.each.is_some() && matches!(kind, Kind::List | Kind::Null));
        let in_record = in_record || begins;
        match kind {
            Kind::Object if !node.keys.is_empty() => self.object(node, scanner, in_record)?,
            Kind::List if node.each.is_some() || !node.items.is_empty() => self.list(node, scanner, in_record)?,
            _ => {
                let raw = scanner.skip_value()?;
                for want in &node.wants {
                    self.take(*want, &raw, in_record);
                }
            }
        }
        let list_of_records = kind == Kind::List && node.each.as_ref().is_some_and(|each| each.records == Records::One) && !in_record;
        if list_of_records || (begins && node.records == Records::UnlessList) {
            self.hash(start, scanner.offset());
        }
        Ok(())
    }

    fn object(&mut self, node: &Node, scanner: &mut Scanner<'a>, in_record: bool) -> Result<(), Fault> {
        scanner.begin_object()?;
        let mut first = true;
        while let Some(key) = scanner.next_key(&mut first)? {
            match node.key(&key) {
                Some(child) => self.visit(child, scanner, in_record)?,
                None => {
                    scanner.skip_value()?;
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, node: &Node, scanner: &mut Scanner<'a>, in_record: bool) -> Result<(), Fault> {
        scanner.begin_list()?;
        let (mut first, mut place) = (true, 0);
        while scanner.next_item(&mut first)? {
            let item = node.items.iter().find(|(index, _)| *index == place).map(|(_, item)| item);
            match (item, &node.each) {
                (Some(item), Some(each)) => {
                    self.visit(item, &mut scanner.clone(), in_record)?;
                    self.visit(each, scanner, in_record)?;
                }
                (Some(only), None) => self.visit(only, scanner, in_record)?,
                (None, Some(each)) => self.visit(each, scanner, in_record)?,
                (None, None) => {
                    scanner.skip_value()?;
                }
            }
            place += 1;
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self, want: Want, raw: &Raw<'a>, in_record: bool) {
        match want {
            Want::Cursor => {
                // What stands at the same place of something that is no record does not count.
                if let Some(kind) = self.cursor.filter(|_| in_record) {
                    match value_in_record(kind, raw) {
                        Some(value) => self.found.cursor = self.found.cursor.max(Some(value)),
                        None => self.no_cursor(kind, raw),
                    }
                }
            }
            Want::Total => self.found.total = self.total(raw),
            Want::Next { url } => {
                self.found.has_next_key = true;
                self.found.next = self.next(raw, url);
            }
            Want::HasMore => self.found.has_more = self.has_more(raw),
        }
    }

    #[cold]
    fn no_cursor(&mut self, kind: CursorType, raw: &Raw<'a>) {
        self.found.cursor_is_null |= raw.kind == Kind::Null;
        if is_beyond(kind, raw) {
            self.found.wrong = Some(Wrong::CURSOR);
        }
    }

    /// Some write truth values as texts or numbers.
    fn has_more(&mut self, raw: &Raw<'a>) -> Option<bool> {
        let text = match raw.kind {
            Kind::Null => return None,
            Kind::String => raw.as_string().inner,
            _ => raw.text,
        };
        match text {
            "1" => Some(true),
            "0" => Some(false),
            _ if text.eq_ignore_ascii_case("true") => Some(true),
            _ if text.eq_ignore_ascii_case("false") => Some(false),
            _ => self.wrong("has_more_path", "`true` or `false`"),
        }
    }

    fn total(&mut self, raw: &Raw<'a>) -> Option<u64> {
        let text = match raw.kind {
            Kind::Null => return None,
            Kind::Number => raw.text,
            Kind::String => raw.as_string().inner,
            _ => "",
        };
        let total = text.parse().ok();
        total.or_else(|| self.wrong("total_path", "a whole number"))
    }

    fn next(&mut self, raw: &Raw<'a>, url: bool) -> Option<Cow<'a, str>> {
        let text = match raw.kind {
            Kind::Null | Kind::False => return None,
            Kind::String => raw.as_string().value().ok(),
            Kind::Number if !url => Some(Cow::Borrowed(raw.text)),
            _ => None,
        };
        let (key, expected) = if url {
            ("next_url_path", "an address")
        } else {
            ("cursor_path", "text or a number")
        };
        match text {
            Some(text) => (!text.is_empty()).then_some(text),
            None => self.wrong(key, expected),
        }
    }

    fn wrong<T>(&mut self, key: &'static str, expected: &'static str) -> Option<T> {
        self.found.wrong = Some(Wrong { key, expected });
        None
    }

    fn hash(&mut self, start: usize, end: usize) {
        if self.found.records > 0 {
            let text = self.text.get(start..end).unwrap_or_default();
            self.found.hash = Some(xxh3_64_with_seed(text.as_bytes(), self.found.hash.unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests;
