//! The rows of a CSV capture (RFC 4180 and its dialects): every value a text.

use crate::Sink;
use crate::encoding;
use crate::fault::{Problem, Reason};
use crate::plan::Plan;
use crate::record::Frame;
use crate::reject::Original;
use crate::trie::{Slot, Unknown, UnknownKey};
use crate::value::Watch;
use crate::walk::{Stop, Walk};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use lake::json::{Kind, write_string};
use pipeline::{Csv, Path, Step, UnknownFields};
use std::ops::Range;

/// Cleans the rows of `bytes`. `header` names the columns of a piece that does not start with them.
pub(crate) fn rows<W: Watch, S: Sink>(walk: &mut Walk<'_, '_, W, S>, csv: &Csv, bytes: &[u8], header: Option<&str>) -> Result<(), Stop> {
    let mut rows = Rows::new(csv, bytes);
    let (mut header_row, mut header_span) = (Vec::new(), None);
    if let Some(header) = header {
        header_row = names_in(csv, header.as_bytes());
    } else if csv.header {
        match rows.next() {
            None => return Ok(()),
            Some(row) => (header_row, header_span) = (rows.names(), Some(row.span)),
        }
    }
    // In UTF-16 every other byte of a header's ASCII is NUL.
    if encoding::has_utf16_mark(bytes) || header_row.iter().any(|name| name.contains('\0')) {
        return walk.refuse(encoding::utf16(Reason::NotUtf8), original(bytes));
    }
    let columns = header_row.len();
    let names = if csv.columns.is_empty() { header_row } else { csv.columns.clone() };
    let layout = Layout::new(walk.plan, names);
    let mut next = rows.next();
    if let (None, Some(span)) = (&next, header_span) {
        let problem = layout.header_alone(walk.plan, csv, columns);
        return problem.map_or(Ok(()), |problem| {
            walk.refuse(problem, original(trimmed(bytes.get(span).unwrap_or_default())))
        });
    }
    while let Some(row) = next {
        self::row(walk, &layout, &rows, row, bytes)?;
        next = rows.next();
    }
    Ok(())
}

fn original(bytes: &[u8]) -> Original<'_> {
    std::str::from_utf8(bytes).map_or(Original::Bytes(bytes), Original::Text)
}

fn row<W: Watch, S: Sink>(walk: &mut Walk<'_, '_, W, S>, layout: &Layout, rows: &Rows<'_>, row: Row, bytes: &[u8]) -> Result<(), Stop> {
    let raw = trimmed(bytes.get(row.span).unwrap_or_default());
    let Ok(text) = std::str::from_utf8(raw) else {
        return walk.refuse(Problem::new(Reason::NotUtf8, "the row is not UTF-8"), Original::Bytes(raw));
    };
    // The separators and quotes are ASCII, so what stands between them in UTF-8 is UTF-8.
    let values = std::str::from_utf8(rows.values()).unwrap_or_default();
    let record = Original::Text(text);
    if row.unclosed {
        return walk.refuse(Problem::new(Reason::UnclosedQuote, "the file ends within a quoted value"), record);
    }
    if let Some(value) = rows.dialect.malformed(raw) {
        let message = format!("value {value} goes on after its closing quote; a quote within quotes is written twice");
        return walk.refuse(Problem::new(Reason::MalformedQuote, message), record);
    }
    let (found, expected) = (rows.ends().len(), layout.columns.len());
    if found != expected {
        // One value where there should be several, or the other way round, comes from another delimiter most often.
        let hint = if found == 1 || expected == 1 { ": look at `delimiter`" } else { "" };
        let (values, columns) = if expected == 1 {
            ("value", "there is one column")
        } else {
            ("values", "there are columns")
        };
        let message = format!("expected {expected} {values}, as {columns}, found {found}{hint}");
        return walk.refuse(Problem::new(Reason::WrongColumnCount, message), record);
    }
    if walk.plan.parent.is_some() {
        return walk.refuse(
            Problem::new(Reason::UnnestNotAList, "a row holds no list that `unnest` could name"),
            record,
        );
    }
    let Some(item) = walk.turn()? else { return Ok(()) };
    layout.fill(walk, rows.ends());
    let Some(root) = layout.root else {
        walk.make(item, Frame { text: values, base: 0 }, None, &layout.columns, record);
        return Ok(());
    };
    let with_whole = layout.with_whole(values, rows.ends());
    if let Some(place) = walk.maker.scratch.slots.get_mut(root as usize) {
        let (start, end) = (values.len() as u32, with_whole.len() as u32);
        *place = Slot::Json {
            kind: Kind::Object,
            escaped: false,
            start,
            end,
        };
    }
    walk.make(
        item,
        Frame {
            text: &with_whole,
            base: 0,
        },
        None,
        &layout.columns,
        record,
    );
    Ok(())
}

/// What is done with each column.
struct Layout {
    columns: Vec<String>,
    uses: Vec<Use>,
    /// The slot of a field that reads the whole record (`from: $`).
    root: Option<u32>,
}

enum Use {
    Slot(u32),
    /// A second column of a name that is read: neither is chosen.
    Again(u32),
    Unread,
}

impl Layout {
    fn new(plan: &Plan, columns: Vec<String>) -> Layout {
        let slot = |name: &str| plan.trie.slot_of(plan.item, &Path::key(name));
        let uses = columns.iter().enumerate().map(|(place, name)| match slot(name) {
            None => Use::Unread,
            Some(slot) if columns.iter().take(place).any(|before| before == name) => Use::Again(slot),
            Some(slot) => Use::Slot(slot),
        });
        Layout {
            uses: uses.collect(),
            columns,
            root: plan.trie.slot_of(plan.item, &Path::default()),
        }
    }

    /// What is wrong with a header below which no row stands, so that no row could show it.
    fn header_alone(&self, plan: &Plan, csv: &Csv, columns: usize) -> Option<Problem> {
        let what = if csv.columns.is_empty() {
            let is_there = |path: &Path| match path.steps.as_slice() {
                [] => true,
                [Step::Key(name)] => self.columns.contains(name),
                _ => false,
            };
            let needed = plan.fields.iter().filter(|field| !field.nullable && field.default.is_none());
            let missing: Vec<String> = needed
                .filter(|field| !is_there(&field.path))
                .map(|field| match field.path.steps.as_slice() {
                    [Step::Key(name)] => format!("`{name}`"),
                    _ => format!("`{}`", field.path),
                })
                .collect();
            (!missing.is_empty()).then(|| format!("the header has no column {}", missing.join(", ")))
        } else {
            let named = csv.columns.len();
            (columns != named).then(|| format!("the header has another number of columns ({columns}) than `columns` names ({named})"))
        };
        what.map(|what| {
            Problem::new(
                Reason::WrongHeader,
                format!("{what}, and no row follows: is it the file that was meant?"),
            )
        })
    }

    /// The values of a row, and behind them the row as a JSON object of texts: what a field reads that asks for the whole record.
    fn with_whole(&self, values: &str, ends: &[usize]) -> String {
        let mut whole = Vec::with_capacity(values.len() * 3);
        whole.extend_from_slice(values.as_bytes());
        whole.push(b'{');
        let mut start = 0;
        for (place, (name, end)) in self.columns.iter().zip(ends).enumerate() {
            if place > 0 {
                whole.push(b',');
            }
            write_string(&mut whole, name);
            whole.push(b':');
            write_string(&mut whole, values.get(start..*end).unwrap_or_default());
            start = *end;
        }
        whole.push(b'}');
        String::from_utf8(whole).unwrap_or_default()
    }

    /// Notes where the values of a row are.
    fn fill<W: Watch, S: Sink>(&self, walk: &mut Walk<'_, '_, W, S>, ends: &[usize]) {
        let keep = walk.plan.unknown != UnknownFields::Ignore;
        let slots = &mut walk.maker.scratch.slots;
        slots.clear();
        slots.resize(walk.plan.item.slots as usize, Slot::Missing);
        walk.maker.unknown.clear();
        let mut start = 0;
        for (column, (used, end)) in self.uses.iter().zip(ends).enumerate() {
            let value = Slot::Plain { start, end: *end as u32 };
            start = *end as u32;
            let (slot, value) = match used {
                Use::Slot(slot) => (*slot, value),
                Use::Again(slot) => (*slot, Slot::Duplicate),
                Use::Unread => {
                    if keep {
                        walk.maker.unknown.push(Unknown {
                            key: UnknownKey::Column(column),
                            value,
                        });
                    }
                    continue;
                }
            };
            if let Some(place) = slots.get_mut(slot as usize) {
                *place = value;
            }
        }
    }
}

/// A row that was read; its values are in [`Rows`].
struct Row {
    /// Where it stands in the text, line breaks included.
    span: Range<usize>,
    /// The text ends within a quoted value.
    unclosed: bool,
}

/// The characters of a CSV file that mean something.
#[derive(Clone, Copy)]
struct Dialect {
    delimiter: u8,
    quote: u8,
    comment: Option<u8>,
}

impl Dialect {
    fn new(csv: &Csv) -> Dialect {
        let ascii = |c: char| u8::try_from(c).unwrap_or_default();
        Dialect {
            delimiter: ascii(csv.delimiter),
            quote: ascii(csv.quote),
            comment: csv.comment.map(ascii),
        }
    }

    /// Which value of a row (from 1) goes on after its closing quote. The reader would take what follows for more of the value, without the quote.
    fn malformed(&self, row: &[u8]) -> Option<usize> {
        memchr::memchr(self.quote, row)?;
        let mut rest = self.without_comments(row);
        let mut value = 1;
        loop {
            if let [first, quoted @ ..] = rest
                && *first == self.quote
            {
                rest = after_quoted(quoted, self.quote);
                match rest {
                    [] | [b'\r' | b'\n', ..] => return None,
                    [next, ..] if *next == self.delimiter => {}
                    _ => return Some(value),
                }
            }
            // Quotes within a value that does not start with one are characters like others.
            let end = memchr::memchr(self.delimiter, rest)?;
            rest = rest.get(end + 1..)?;
            value += 1;
        }
    }

    /// A row without the lines of comment and the empty lines before it.
    fn without_comments<'r>(&self, row: &'r [u8]) -> &'r [u8] {
        let mut rest = row.strip_prefix(BYTE_ORDER_MARK).unwrap_or(row);
        loop {
            rest = trimmed(rest);
            if self.comment.is_none() || rest.first().copied() != self.comment {
                return rest;
            }
            rest = memchr::memchr(b'\n', rest).and_then(|end| rest.get(end..)).unwrap_or_default();
        }
    }
}

/// The reader skips it at the start of a file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What stands behind the closing quote; nothing when none is there.
fn after_quoted(mut rest: &[u8], quote: u8) -> &[u8] {
    while let Some(behind) = memchr::memchr(quote, rest).and_then(|end| rest.get(end + 1..)) {
        match behind {
            [next, more @ ..] if *next == quote => rest = more,
            _ => return behind,
        }
    }
    &[]
}

struct Rows<'b> {
    dialect: Dialect,
    reader: Reader,
    bytes: &'b [u8],
    at: usize,
    /// What was given after the text's end: a line break, then nothing.
    tail: u8,
    values: Vec<u8>,
    value_bytes: usize,
    ends: Vec<usize>,
    value_count: usize,
}

impl<'b> Rows<'b> {
    fn new(csv: &Csv, bytes: &'b [u8]) -> Rows<'b> {
        let dialect = Dialect::new(csv);
        let reader = ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .quote(dialect.quote)
            .comment(dialect.comment)
            .build();
        Rows {
            dialect,
            reader,
            bytes,
            at: 0,
            tail: 0,
            values: vec![0; 1 << 10],
            value_bytes: 0,
            ends: vec![0; 32],
            value_count: 0,
        }
    }

    fn values(&self) -> &[u8] {
        self.values.get(..self.value_bytes).unwrap_or_default()
    }

    fn ends(&self) -> &[usize] {
        self.ends.get(..self.value_count).unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        let starts = std::iter::once(0).chain(self.ends().iter().copied());
        let spans = starts.zip(self.ends());
        spans
            .map(|(start, end)| String::from_utf8_lossy(self.values().get(start..*end).unwrap_or_default()).into_owned())
            .collect()
    }

    fn next(&mut self) -> Option<Row> {
        let start = self.at;
        (self.value_bytes, self.value_count) = (0, 0);
        loop {
            // A last row without a line break is given one; when that does not end it, the text ends within quotes.
            let input: &[u8] = match self.bytes.get(self.at..) {
                Some(rest) if !rest.is_empty() => rest,
                _ if self.tail == 0 => b"\n",
                _ => &[],
            };
            let values = self.values.get_mut(self.value_bytes..).unwrap_or_default();
            let ends = self.ends.get_mut(self.value_count..).unwrap_or_default();
            let (result, read, written, ended) = self.reader.read_record(input, values, ends);
            let unclosed = self.tail > 0;
            if self.at < self.bytes.len() {
                self.at += read;
            } else if read > 0 {
                self.tail += 1;
            }
            self.value_bytes += written;
            self.value_count += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.values.resize(self.values.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    return Some(Row {
                        span: start..self.at,
                        unclosed,
                    });
                }
                ReadRecordResult::End => return None,
            }
        }
    }
}

fn names_in(csv: &Csv, header: &[u8]) -> Vec<String> {
    let mut rows = Rows::new(csv, header);
    rows.next().map(|_| rows.names()).unwrap_or_default()
}

fn trimmed(mut row: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] = row {
        row = rest;
    }
    while let [rest @ .., b'\r' | b'\n'] = row {
        row = rest;
    }
    row
}
