//! Where the records of a CSV file end: quotes over line breaks, comments, the header. It agrees with `csv-core`, which reads the records later.

use super::Fault;
use pipeline::Csv;

/// The longest header.
pub(super) const HEADER_BYTES_MAX: usize = 1 << 20;
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Finds the ends of records in bytes that come in piece by piece.
#[derive(Clone, Debug)]
pub(super) struct CsvScan {
    delimiter: u8,
    quote: u8,
    comment: Option<u8>,
    state: State,
    /// How much of the bytes was read.
    scanned: usize,
    header: Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was read yet: there may be a byte order mark.
    FileStart,
    RecordStart,
    FieldStart,
    Field,
    Quoted,
    /// After a quote inside quotes: the end, or the first of two.
    QuoteEnd,
    Comment,
}

#[derive(Clone, Debug)]
enum Header {
    None,
    /// It starts there, once it has begun.
    Wanted {
        start: Option<usize>,
    },
    Found(String),
}

impl CsvScan {
    pub fn new(csv: &Csv) -> CsvScan {
        // `check` lets only ASCII through.
        let byte = |c: char, other: u8| u8::try_from(c).unwrap_or(other);
        CsvScan {
            delimiter: byte(csv.delimiter, b','),
            quote: byte(csv.quote, b'"'),
            comment: csv.comment.map(|c| byte(c, b'#')),
            state: State::FileStart,
            scanned: 0,
            header: if csv.header { Header::Wanted { start: None } } else { Header::None },
        }
    }

    /// Whether the header has not been read to its end.
    pub fn wants_header(&self) -> bool {
        matches!(self.header, Header::Wanted { .. })
    }

    /// The header for a piece that starts at this byte of the file: the first piece holds it itself.
    pub fn header_for(&self, offset: u64) -> Option<&str> {
        match &self.header {
            Header::Found(header) if offset > 0 => Some(header),
            _ => None,
        }
    }

    /// The first `count` bytes are gone.
    pub fn dropped(&mut self, count: usize) {
        if count > self.scanned {
            // Passed over unread: what was captured before ended with a record.
            self.state = State::RecordStart;
        }
        self.scanned = self.scanned.saturating_sub(count);
    }

    /// Reads up to the end of the header, if there is one.
    pub fn start(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.state == State::FileStart {
            if bytes.len() < BOM.len() && BOM.starts_with(bytes) {
                return Ok(());
            }
            self.scanned = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
            self.state = State::RecordStart;
        }
        self.find_header(bytes)
    }

    /// The end of the first record that ends after `min` bytes or more, with its line break.
    pub fn record_end(&mut self, bytes: &[u8], min: usize, at_end: bool) -> Option<usize> {
        self.pass(bytes.get(self.scanned..min.min(bytes.len())).unwrap_or_default());
        while self.scanned < min || self.state != State::RecordStart {
            self.step(*bytes.get(self.scanned)?);
            self.scanned += 1;
        }
        // A line feed belongs to the carriage return before it.
        if bytes.get(..self.scanned).is_some_and(|read| read.ends_with(b"\r")) {
            match bytes.get(self.scanned) {
                Some(b'\n') => self.scanned += 1,
                None if !at_end => return None,
                _ => {}
            }
        }
        Some(self.scanned)
    }

    fn find_header(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Header::Wanted { mut start } = self.header else { return Ok(()) };
        while let Some(byte) = bytes.get(self.scanned) {
            let before = self.state;
            self.step(*byte);
            if before == State::RecordStart && !matches!(self.state, State::RecordStart | State::Comment) {
                start = Some(self.scanned);
            }
            self.scanned += 1;
            let ended = self.state == State::RecordStart && !matches!(before, State::RecordStart | State::Comment);
            if let Some(start) = start.filter(|_| ended) {
                let line = bytes.get(start..self.scanned).unwrap_or_default();
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                self.header = Header::Found(String::from_utf8_lossy(line).into_owned());
                return Ok(());
            }
            if self.scanned > HEADER_BYTES_MAX {
                return Err(Fault::LongHeader);
            }
        }
        self.header = Header::Wanted { start };
        Ok(())
    }

    /// Reads the next bytes. Without a quote or a comment only the last one counts.
    fn pass(&mut self, new: &[u8]) {
        let plain_state = matches!(self.state, State::RecordStart | State::FieldStart | State::Field);
        match new.last() {
            Some(last) if plain_state && self.comment.is_none() && memchr::memchr(self.quote, new).is_none() => {
                self.state = State::Field;
                self.step(*last);
            }
            _ => new.iter().for_each(|byte| self.step(*byte)),
        }
        self.scanned += new.len();
    }

    #[inline]
    fn step(&mut self, byte: u8) {
        let line_break = matches!(byte, b'\n' | b'\r');
        self.state = match self.state {
            State::Comment if byte == b'\n' => State::RecordStart,
            State::Comment => State::Comment,
            State::Quoted if byte == self.quote => State::QuoteEnd,
            State::Quoted => State::Quoted,
            State::QuoteEnd if byte == self.quote => State::Quoted,
            State::FileStart | State::RecordStart if line_break => State::RecordStart,
            State::FileStart | State::RecordStart if self.comment == Some(byte) => State::Comment,
            State::FileStart | State::RecordStart | State::FieldStart if byte == self.quote => State::Quoted,
            _ if line_break => State::RecordStart,
            _ if byte == self.delimiter => State::FieldStart,
            _ => State::Field,
        };
    }
}
