//! Everything that is wrong with a pipeline file: where, what, what was expected. Rendered for people and for machines.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use std::{fmt, ops::Range};

/// One fault of a pipeline file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file's name as it was given.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to do about it, when there is a good guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The bytes of the text that are underlined.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// All faults of one file, in the order of the file; at least one.
///
/// `Display` is the plain rendering, with each excerpt underlined; `Serialize` gives the list for machines.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Faults {
    text: String,
    faults: Vec<Fault>,
}

impl Faults {
    /// The faults, in the order of the file.
    pub fn list(&self) -> &[Fault] {
        &self.faults
    }

    /// For a terminal: in colour, or plain.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let reports: Vec<String> = self.faults.iter().map(|fault| self.render_one(fault, &renderer)).collect();
        reports.join("\n\n")
    }

    fn render_one(&self, fault: &Fault, renderer: &Renderer) -> String {
        let mut source = Snippet::source(self.text.as_str()).path(fault.file.as_str());
        source = source.annotation(AnnotationKind::Primary.span(fault.span.clone()));
        let mut group = Level::ERROR.primary_title(fault.message.as_str()).element(source);
        if let Some(help) = &fault.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Serialize for Faults {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.faults.serialize(serializer)
    }
}

/// Collects faults while a file is checked.
pub(crate) struct Collector<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
    /// How many of the faults were found before the file's meaning was looked at.
    settled: usize,
    /// Places whose text no report may show.
    secrets: Vec<Range<usize>>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Collector<'a> {
        Collector {
            file,
            text,
            faults: Vec::new(),
            settled: 0,
            secrets: Vec::new(),
        }
    }

    /// From here on, a fault at a place that has one already is taken for its consequence and left out.
    pub(crate) fn settle(&mut self) {
        self.settled = self.faults.len();
    }

    /// Blackens these bytes in every excerpt.
    pub(crate) fn hide(&mut self, span: &Range<usize>) {
        let span = self.inside(span);
        self.secrets.push(span);
    }

    /// Notes a fault at these bytes of the text.
    pub(crate) fn add(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.note(span, message.into(), None);
    }

    /// Notes a fault with what to do about it.
    pub(crate) fn add_help(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.note(span, message.into(), Some(help.into()));
    }

    pub(crate) fn note(&mut self, span: &Range<usize>, message: String, help: Option<String>) {
        let span = self.inside(span);
        if self.faults.iter().take(self.settled).any(|fault| fault.span == span) {
            return;
        }
        let before = self.text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let fault = Fault {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
            message,
            help,
            span,
        };
        // An alias brings the same text twice, and with it the same fault.
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults found, in the order of the file.
    pub(crate) fn finish(mut self) -> Faults {
        self.faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        let secret = |at: usize| self.secrets.iter().any(|span| span.contains(&at));
        let blackened = self.text.char_indices().map(|(at, c)| match secret(at) {
            true => "*".repeat(c.len_utf8()), // As many bytes as before: the spans of the faults hold.
            false => c.to_string(),
        });
        Faults {
            text: if self.secrets.is_empty() {
                self.text.to_owned()
            } else {
                blackened.collect()
            },
            faults: self.faults,
        }
    }

    /// `span` moved onto the text and the borders of its characters, at most one line long.
    fn inside(&self, span: &Range<usize>) -> Range<usize> {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = span.end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let first_line = self.text.get(start..end).unwrap_or_default();
        let length = first_line.find(['\n', '\r']).unwrap_or(first_line.len());
        start..start + length
    }
}
