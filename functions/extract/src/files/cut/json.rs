//! Cuts the items of one list out of a JSON document that is too large to be held, in constant memory.
//!
//! Only as much is checked as is needed to find the items; whether an item is JSON is found out when it is written and when it is cleaned.

use super::csv::BOM;
use super::{Cut, Fault, PieceOf};
use pipeline::{Path, Step};

/// How far the document was read.
#[derive(Clone, Debug)]
pub(super) struct JsonSplit {
    /// The way to the list; `None` when the selector holds more than one list.
    way: Option<Vec<Step>>,
    /// Items that start before this byte were captured by an earlier worker.
    from: u64,
    /// The byte of the file reached.
    offset: u64,
    expects: Expects,
    /// Whether the list was there, or `null` in its place: else the selector is wrong, which must not pass for an empty list.
    found: bool,
    /// The containers on the way that are open, the list itself last.
    open: Vec<Level>,
    value: Value,
    /// The items so far, as a JSON list without its closing bracket.
    made: Vec<u8>,
    /// How much of `made` is whole items; where the first of them starts and the last ends in the file; how many.
    whole: usize,
    start: u64,
    end: u64,
    records: u64,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    object: bool,
    /// The place of the item that is next, in a list.
    index: usize,
    /// Whether what is next is on the way.
    on_way: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expects {
    /// A value; or the end of a list that has just begun.
    Value {
        or_end: bool,
    },
    /// A key; or the end of an object that has just begun.
    Key {
        or_end: bool,
    },
    /// The rest of a key.
    InKey(Vec<u8>),
    Colon,
    /// The rest of a value that is passed over or, as an item, copied.
    InValue {
        copied: bool,
    },
    /// `,` or the end of what is open.
    After,
}

/// The value being read.
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    depth: u32,
    string: bool,
    escaped: bool,
}

impl Value {
    /// Takes one byte of a value; whether the value has ended with it.
    #[inline]
    fn takes(&mut self, byte: u8) -> bool {
        if self.string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.string = false;
                    return self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }

    /// Whether a number or word ends before this byte.
    #[inline]
    fn ends_before(&self, byte: u8) -> bool {
        self.depth == 0 && !self.string && matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r')
    }
}

impl JsonSplit {
    pub fn new(selector: Option<&Path>, from: u64) -> JsonSplit {
        let steps = selector.map(|path| path.steps.as_slice()).unwrap_or_default();
        let way = steps.strip_suffix(&[Step::Each]).unwrap_or(steps);
        JsonSplit {
            way: (!way.contains(&Step::Each)).then(|| way.to_vec()),
            from,
            offset: 0,
            expects: Expects::Value { or_end: false },
            found: false,
            open: Vec::new(),
            value: Value::default(),
            made: Vec::new(),
            whole: 0,
            start: 0,
            end: 0,
            records: 0,
        }
    }

    /// Reads `bytes` until a piece is long enough; says how many were read.
    pub fn next(&mut self, bytes: &[u8], at_end: bool, piece_bytes: usize, record_bytes_max: usize) -> Result<(usize, Option<Cut>), Fault> {
        let mut read = 0;
        for byte in bytes {
            self.byte(*byte)?;
            read += 1;
            self.offset += 1;
            if self.whole >= piece_bytes && self.whole == self.made.len() {
                break;
            }
            if self.made.len() - self.whole > record_bytes_max {
                return Err(Fault::LongRecord {
                    offset: self.end,
                    bytes_max: record_bytes_max,
                });
            }
        }
        let full = self.whole >= piece_bytes;
        let last = at_end && read == bytes.len();
        if self.records > 0 && (full || last) {
            return Ok((read, Some(self.piece())));
        }
        if last && !self.is_complete() {
            return Err(self.fault("more: the document is cut short"));
        }
        if last && !self.found {
            return Err(self.fault("a list at `data_selector`"));
        }
        Ok((read, None))
    }

    /// The byte of the file after the last whole item that was copied.
    pub fn end(&self) -> u64 {
        self.end
    }

    fn is_complete(&self) -> bool {
        let scalar_at_root = matches!(self.expects, Expects::InValue { .. }) && self.value.depth == 0 && !self.value.string;
        self.open.is_empty() && (self.expects == Expects::After || scalar_at_root)
    }

    /// The whole items so far.
    fn piece(&mut self) -> Cut {
        let rest = self.made.split_off(self.whole);
        let mut made = std::mem::replace(&mut self.made, rest);
        made.push(b']');
        // An item that has begun starts a piece of its own.
        if let Some(comma) = self.made.first_mut() {
            *comma = b'[';
        }
        let cut = Cut {
            body: 0..0,
            made: Some(made),
            end: self.end,
            piece: Some(PieceOf {
                offset: self.start,
                header: None,
            }),
            json: true,
            records: self.records,
        };
        (self.whole, self.records) = (0, 0);
        cut
    }

    #[inline]
    fn byte(&mut self, byte: u8) -> Result<(), Fault> {
        if let Expects::InValue { copied } = self.expects {
            return self.in_value(byte, copied);
        }
        if let Expects::InKey(key) = &mut self.expects {
            key.push(byte);
            if key.len() > super::csv::HEADER_BYTES_MAX {
                return Err(self.fault("a shorter key"));
            }
            if self.value.takes(byte) {
                self.key_ends();
            }
            return Ok(());
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        match (self.expects.clone(), byte) {
            (Expects::Value { or_end: true }, b']') | (Expects::Key { or_end: true }, b'}') => self.close(byte),
            (Expects::Value { .. }, _) => self.value_begins(byte),
            (Expects::Key { .. }, b'"') => {
                self.value = Value {
                    string: true,
                    ..Value::default()
                };
                self.expects = Expects::InKey(vec![byte]);
                Ok(())
            }
            (Expects::Colon, b':') => {
                self.expects = Expects::Value { or_end: false };
                Ok(())
            }
            (Expects::After, b',') => self.comma(),
            (Expects::After, b']' | b'}') => self.close(byte),
            (Expects::After, _) => Err(self.fault("`,` or the end of the list or object")),
            (Expects::Colon, _) => Err(self.fault("`:`")),
            _ => Err(self.fault("a key in quotes")),
        }
    }

    #[inline]
    fn in_value(&mut self, byte: u8, copied: bool) -> Result<(), Fault> {
        if self.value.ends_before(byte) {
            self.value_ends(copied, 0);
            return self.byte(byte);
        }
        if copied {
            self.made.push(byte);
        }
        if self.value.takes(byte) {
            self.value_ends(copied, 1);
        }
        Ok(())
    }

    fn value_begins(&mut self, byte: u8) -> Result<(), Fault> {
        let Some(way) = &self.way else {
            return Err(self.fault("a `data_selector` with one list"));
        };
        let depth = self.open.len();
        if depth == 0 && BOM.get(usize::try_from(self.offset).unwrap_or(usize::MAX)) == Some(&byte) {
            return Ok(());
        }
        let on_way = self.open.last().is_none_or(|level| level.on_way);
        if depth > way.len() {
            // An item of the list.
            let copied = self.offset >= self.from;
            if copied {
                if self.records == 0 && self.made.is_empty() {
                    self.made.push(b'[');
                } else {
                    self.made.push(b',');
                }
                if self.records == 0 {
                    self.start = self.offset;
                }
            }
            return self.begin(byte, copied);
        }
        self.found |= on_way && depth == way.len();
        let opens = match (on_way, way.get(depth), byte) {
            (true, None, b'[') => Some(Level {
                object: false,
                index: 0,
                on_way: true,
            }),
            (true, None, b'n') => None,
            (true, None, _) => return Err(self.fault("a list at `data_selector`")),
            (true, Some(Step::Key(_)), b'{') => Some(Level {
                object: true,
                index: 0,
                on_way: false,
            }),
            (true, Some(Step::Index(index)), b'[') => Some(Level {
                object: false,
                index: 0,
                on_way: *index == 0,
            }),
            _ => None,
        };
        match opens {
            Some(level) => {
                self.expects = if level.object {
                    Expects::Key { or_end: true }
                } else {
                    Expects::Value { or_end: true }
                };
                self.open.push(level);
                Ok(())
            }
            None => self.begin(byte, false),
        }
    }

    fn begin(&mut self, byte: u8, copied: bool) -> Result<(), Fault> {
        if matches!(byte, b',' | b':' | b']' | b'}') {
            return Err(self.fault("a value"));
        }
        self.value = Value::default();
        self.expects = Expects::InValue { copied };
        self.in_value(byte, copied)
    }

    fn value_ends(&mut self, copied: bool, after: u64) {
        self.expects = Expects::After;
        if copied {
            (self.whole, self.end) = (self.made.len(), self.offset + after);
            self.records += 1;
        }
    }

    fn key_ends(&mut self) {
        let Expects::InKey(key) = std::mem::replace(&mut self.expects, Expects::Colon) else {
            return;
        };
        let wanted = self.way.as_ref().and_then(|way| way.get(self.open.len().saturating_sub(1)));
        let on_way = match wanted {
            Some(Step::Key(wanted)) => serde_json::from_slice::<String>(&key).is_ok_and(|key| key == *wanted),
            _ => false,
        };
        if let Some(level) = self.open.last_mut() {
            level.on_way = on_way;
        }
    }

    fn comma(&mut self) -> Result<(), Fault> {
        let depth = self.open.len();
        let wanted = self.way.as_ref().and_then(|way| way.get(depth.saturating_sub(1)));
        let Some(level) = self.open.last_mut() else {
            return Err(self.fault("nothing after the document"));
        };
        self.expects = if level.object {
            Expects::Key { or_end: false }
        } else {
            level.index += 1;
            if let Some(Step::Index(wanted)) = wanted {
                level.on_way = level.index == *wanted;
            }
            Expects::Value { or_end: false }
        };
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), Fault> {
        match self.open.pop() {
            Some(level) if level.object == (byte == b'}') => {
                self.expects = Expects::After;
                Ok(())
            }
            Some(_) => Err(self.fault("the other kind of bracket")),
            None => Err(self.fault("nothing after the document")),
        }
    }

    #[cold]
    fn fault(&self, expected: &'static str) -> Fault {
        Fault::Json {
            offset: self.offset,
            expected,
        }
    }
}
