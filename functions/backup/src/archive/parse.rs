//! Reads the structure of an archive from bytes that are there so far. It keeps no documents.

use bson::RawDocument;
use std::collections::BTreeMap;
use std::ops::Range;

use super::frame::{Frame, Kind, Value, frame, hex, shortened};
use super::{ArchiveError, Described, MAGIC, PRELUDE_BYTES_MAX, Prelude, TERMINATOR, VERSION, is_name};
use crate::hash::{Crc64, Sums};

/// What a step came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing can be said before that many bytes are there.
    Needs(usize),
    /// That many bytes are done with.
    Took(usize, Option<Found>),
}

#[derive(Debug)]
pub(super) enum Found {
    Prelude(Prelude),
    /// Whole documents one after another: where among the bytes, and how many.
    Documents(Range<usize>, usize),
    End {
        collection: String,
        crc64: Crc64,
    },
}

#[derive(Debug)]
pub(super) struct Parser {
    state: State,
    /// How many bytes of the part are done with.
    at: u64,
    /// The one that all is of; empty until it is known.
    database: String,
    /// Whose segment it is in, or was last.
    collection: String,
    /// When it reads a whole archive.
    whole: Option<Whole>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Magic,
    Header,
    /// A namespace's description, or the terminator.
    Description,
    /// A segment's header or a namespace's end.
    Between,
    /// A document, or the terminator.
    Documents,
    /// The terminator of a namespace's end.
    Ending(Crc64),
}

#[derive(Debug)]
struct Whole {
    prelude: Prelude,
    prelude_bytes: usize,
    namespaces: BTreeMap<String, Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    view: bool,
    ended: bool,
    sums: Sums,
}

impl Parser {
    /// For an archive from its beginning.
    pub fn of_archive() -> Parser {
        let prelude = Prelude {
            database: String::new(),
            server_version: String::new(),
            tool_version: String::new(),
            namespaces: Vec::new(),
        };
        Parser {
            state: State::Magic,
            at: 0,
            database: String::new(),
            collection: String::new(),
            whole: Some(Whole {
                prelude,
                prelude_bytes: 0,
                namespaces: BTreeMap::new(),
            }),
        }
    }

    /// For what follows the prelude, from where a part begins.
    pub fn of_part(database: &str) -> Parser {
        Parser {
            state: State::Between,
            at: 0,
            database: database.to_owned(),
            collection: String::new(),
            whole: None,
        }
    }

    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// What was found so far, of an archive from its beginning.
    pub fn sums(&self) -> impl Iterator<Item = (&str, &Sums)> {
        let namespaces = self.whole.iter().flat_map(|whole| &whole.namespaces);
        namespaces.map(|(name, progress)| (name.as_str(), &progress.sums))
    }

    /// Looks at the bytes that are not done with.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, ArchiveError> {
        let step = match self.state {
            State::Magic => self.magic(bytes),
            State::Header => self.header(bytes),
            State::Description => self.description(bytes),
            State::Between => self.between(bytes),
            State::Documents => self.documents(bytes),
            State::Ending(crc64) => self.ending(bytes, crc64),
        }?;
        if let Step::Took(taken, _) = step {
            self.at += taken as u64;
        }
        Ok(step)
    }

    /// Makes sure that a part may end here; `left` bytes of it are not done with. Offsets are counted anew after it.
    pub fn end_part(&mut self, left: usize) -> Result<(), ArchiveError> {
        if self.state == State::Between && left == 0 {
            self.at = 0;
            return Ok(());
        }
        Err(self.truncated(left))
    }

    /// Makes sure that an archive may end here.
    pub fn end_archive(&self) -> Result<(), ArchiveError> {
        if self.state != State::Between {
            return Err(self.truncated(0));
        }
        let mut namespaces = self.whole.iter().flat_map(|whole| &whole.namespaces);
        match namespaces.find(|(_, progress)| !progress.ended) {
            Some((name, _)) => Err(ArchiveError::NotEnded { collection: name.clone() }),
            None => Ok(()),
        }
    }

    fn magic(&mut self, bytes: &[u8]) -> Result<Step, ArchiveError> {
        match bytes.first_chunk() {
            None => Ok(Step::Needs(MAGIC.len())),
            Some(&MAGIC) => {
                self.state = State::Header;
                Ok(Step::Took(MAGIC.len(), None))
            }
            Some(other) => Err(self.unexpected("the first four bytes of an archive, 6de29981", hex(other))),
        }
    }

    fn header(&mut self, bytes: &[u8]) -> Result<Step, ArchiveError> {
        let document = match self.frame(bytes, "the archive's header")? {
            Frame::Needs(bytes) => return Ok(Step::Needs(bytes)),
            Frame::Terminator => return Err(self.unexpected("the archive's header", "a terminator".to_owned())),
            Frame::Document(document) => document,
        };
        let [_, version, server_version, tool_version] = self.fields(
            document,
            "the archive's header: {concurrent_collections, version, server_version, tool_version}",
            [
                ("concurrent_collections", Kind::Int32),
                ("version", Kind::Text),
                ("server_version", Kind::Text),
                ("tool_version", Kind::Text),
            ],
        )?;
        if version.text() != VERSION {
            return Err(self.unexpected("an archive of version 0.1", format!("version {:?}", shortened(version.text()))));
        }
        if let Some(whole) = &mut self.whole {
            whole.prelude.server_version = server_version.text().to_owned();
            whole.prelude.tool_version = tool_version.text().to_owned();
            whole.prelude_bytes = document.as_bytes().len();
        }
        self.state = State::Description;
        Ok(Step::Took(document.as_bytes().len(), None))
    }

    fn description(&mut self, bytes: &[u8]) -> Result<Step, ArchiveError> {
        let document = match self.frame(bytes, "a namespace's description")? {
            Frame::Needs(bytes) => return Ok(Step::Needs(bytes)),
            Frame::Terminator => return Ok(self.end_prelude()),
            Frame::Document(document) => document,
        };
        let [db, collection, metadata, size, kind] = self.fields(
            document,
            "a namespace's description: {db, collection, metadata, size, type}",
            [
                ("db", Kind::Text),
                ("collection", Kind::Text),
                ("metadata", Kind::Text),
                ("size", Kind::Int32),
                ("type", Kind::Text),
            ],
        )?;
        let view = match kind.text() {
            "view" => true,
            "collection" => false,
            other => return Err(self.unexpected("the type `collection` or `view`", format!("`{}`", shortened(other)))),
        };
        self.check_names(db.text(), collection.text())?;
        let (at, length) = (self.at, document.as_bytes().len());
        if let Some(whole) = &mut self.whole {
            whole.prelude_bytes = whole.prelude_bytes.saturating_add(length);
            if whole.prelude_bytes > PRELUDE_BYTES_MAX {
                return Err(ArchiveError::Length {
                    at,
                    what: "the prelude",
                    bytes: i64::try_from(whole.prelude_bytes).unwrap_or(i64::MAX),
                    bytes_min: 0,
                    bytes_max: PRELUDE_BYTES_MAX,
                });
            }
            let progress = Progress {
                view,
                ..Progress::default()
            };
            if whole.namespaces.insert(collection.text().to_owned(), progress).is_some() {
                return Err(self.of_namespace(collection.text(), "is described a second time"));
            }
            whole.prelude.namespaces.push(Described {
                name: collection.text().to_owned(),
                view,
                metadata: metadata.text().to_owned(),
                size: size.int32(),
            });
        }
        Ok(Step::Took(length, None))
    }

    fn end_prelude(&mut self) -> Step {
        self.state = State::Between;
        let found = self.whole.as_mut().map(|whole| {
            whole.prelude.database.clone_from(&self.database);
            // Its texts are handed on, not kept: there may be much of it.
            let mut prelude = whole.prelude.clone();
            prelude.namespaces = std::mem::take(&mut whole.prelude.namespaces);
            Found::Prelude(prelude)
        });
        Step::Took(TERMINATOR.len(), found)
    }

    fn between(&mut self, bytes: &[u8]) -> Result<Step, ArchiveError> {
        const EXPECTED: &str = "a segment's header: {db, collection, EOF, CRC}";
        if bytes.is_empty() {
            return Ok(Step::Needs(1));
        }
        let document = match self.frame(bytes, EXPECTED)? {
            Frame::Needs(bytes) => return Ok(Step::Needs(bytes)),
            Frame::Terminator => return Err(self.unexpected(EXPECTED, "a terminator".to_owned())),
            Frame::Document(document) => document,
        };
        let [db, collection, end, crc] = self.fields(
            document,
            EXPECTED,
            [
                ("db", Kind::Text),
                ("collection", Kind::Text),
                ("EOF", Kind::Boolean),
                ("CRC", Kind::Int64),
            ],
        )?;
        self.check_names(db.text(), collection.text())?;
        let why_not = match self.whole.as_ref().map(|whole| whole.namespaces.get(collection.text())) {
            Some(None) => Some("is not among the namespaces that the archive described at its beginning"),
            Some(Some(Progress { ended: true, .. })) => Some("goes on after its end"),
            Some(Some(Progress { view: true, .. })) if !end.boolean() => Some("is a view, and has documents"),
            _ => None,
        };
        if let Some(why) = why_not {
            return Err(self.of_namespace(collection.text(), why));
        }
        collection.text().clone_into(&mut self.collection);
        self.state = match (end.boolean(), crc.int64()) {
            (true, crc) => State::Ending(Crc64::from(crc.cast_unsigned())),
            (false, 0) => State::Documents,
            (false, other) => return Err(self.unexpected("the CRC 0 in the header of a segment", other.to_string())),
        };
        Ok(Step::Took(document.as_bytes().len(), None))
    }

    fn documents(&mut self, bytes: &[u8]) -> Result<Step, ArchiveError> {
        let mut sums = self
            .whole
            .as_mut()
            .and_then(|whole| whole.namespaces.get_mut(&self.collection))
            .map(|progress| &mut progress.sums);
        let (mut end, mut count) = (0, 0);
        let step = loop {
            let rest = bytes.get(end..).unwrap_or_default();
            match frame(rest, self.at + end as u64, "a document or a terminator")? {
                Frame::Document(document) => {
                    if let Some(sums) = &mut sums {
                        sums.add_hashed(document.as_bytes());
                    }
                    count += 1;
                    end += document.as_bytes().len();
                }
                Frame::Needs(bytes) if count == 0 => return Ok(Step::Needs(bytes)),
                Frame::Terminator if count == 0 => {
                    self.state = State::Between;
                    return Ok(Step::Took(TERMINATOR.len(), None));
                }
                Frame::Needs(_) | Frame::Terminator => break Step::Took(end, Some(Found::Documents(0..end, count))),
            }
        };
        if let Some(sums) = sums {
            sums.crc64.add(bytes.get(..end).unwrap_or_default());
        }
        Ok(step)
    }

    fn ending(&mut self, bytes: &[u8], crc64: Crc64) -> Result<Step, ArchiveError> {
        match bytes.first_chunk() {
            None => return Ok(Step::Needs(TERMINATOR.len())),
            Some(&TERMINATOR) => {}
            Some(other) => return Err(self.unexpected("the terminator of a namespace's end", hex(other))),
        }
        if let Some(progress) = self.whole.as_mut().and_then(|whole| whole.namespaces.get_mut(&self.collection)) {
            if progress.sums.crc64 != crc64 {
                return Err(ArchiveError::Crc {
                    collection: self.collection.clone(),
                    documents: progress.sums.documents,
                    expected: crc64.value(),
                    found: progress.sums.crc64.value(),
                });
            }
            progress.ended = true;
        }
        self.state = State::Between;
        let collection = self.collection.clone();
        Ok(Step::Took(TERMINATOR.len(), Some(Found::End { collection, crc64 })))
    }

    fn frame<'b>(&self, bytes: &'b [u8], what: &'static str) -> Result<Frame<'b>, ArchiveError> {
        frame(bytes, self.at, what)
    }

    /// The values of a document that has exactly these fields, in any order.
    fn fields<'b, const N: usize>(
        &self,
        document: &'b RawDocument,
        expected: &'static str,
        wanted: [(&'static str, Kind); N],
    ) -> Result<[Value<'b>; N], ArchiveError> {
        let mut values = [Value::Missing; N];
        for element in document {
            let (name, value) = element.map_err(|_| self.unexpected(expected, "damaged BSON".to_owned()))?;
            let slot = values.iter_mut().zip(&wanted).find(|(_, (wanted, _))| name.as_str() == *wanted);
            let value = slot.as_ref().and_then(|(_, (_, kind))| Value::of(value, *kind));
            match (slot, value) {
                (Some((slot, _)), Some(value)) if matches!(slot, Value::Missing) => *slot = value,
                _ => {
                    let found = format!("the field `{}`, unknown, twice, or of another type", shortened(name.as_str()));
                    return Err(self.unexpected(expected, found));
                }
            }
        }
        match values.iter().zip(&wanted).find(|(value, _)| matches!(value, Value::Missing)) {
            Some((_, (name, _))) => Err(self.unexpected(expected, format!("a document without `{name}`"))),
            None => Ok(values),
        }
    }

    /// Is it of the one database, and a name?
    fn check_names(&mut self, database: &str, collection: &str) -> Result<(), ArchiveError> {
        if self.database.is_empty() && is_name(database) {
            database.clone_into(&mut self.database);
        }
        if database != self.database || database.is_empty() {
            return Err(self.unexpected(
                "a namespace of the archive's one database",
                format!("database `{}`", shortened(database)),
            ));
        }
        if !is_name(collection) {
            return Err(self.unexpected("a collection's name of 1 to 255 bytes", format!("`{}`", shortened(collection))));
        }
        Ok(())
    }

    fn truncated(&self, left: usize) -> ArchiveError {
        ArchiveError::Truncated {
            at: self.at + left as u64,
            expected: match self.state {
                State::Magic => "the archive's magic number",
                State::Header => "the archive's header",
                State::Description => "a namespace's description or a terminator",
                State::Between => "the rest of a segment's header",
                State::Documents => "a document or a terminator",
                State::Ending(_) => "a terminator",
            },
        }
    }

    fn unexpected(&self, expected: &'static str, found: String) -> ArchiveError {
        ArchiveError::Unexpected {
            at: self.at,
            expected,
            found,
        }
    }

    fn of_namespace(&self, collection: &str, why: &'static str) -> ArchiveError {
        ArchiveError::Namespace {
            at: self.at,
            collection: collection.to_owned(),
            why,
        }
    }
}
