//! Reads files as streams and cuts them into captures at the ends of records.

pub mod cut;
mod list;
mod stream;

use crate::error::{Error, FetchError};
use crate::hops::Carried;
use crate::http::{Client, Names};
use crate::position::{Mark, Position};
use crate::raw::RawWriter;
use crate::render::Renderer;
use cut::{Cut, Cutter, Fault};
use lake::{BodyForm, CaptureHead, Piece};
use ledger::Step;
use list::{Listed, Place, Source};
use pipeline::{File, FileFormat, Files};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use stream::{Broken, Stream};

/// What it takes to read a resource.
pub struct Job<'a> {
    pub files: &'a Files,
    pub file: &'a File,
    /// In the place of the source's own root.
    pub root: Option<&'a str>,
    /// What relative paths start from.
    pub folder: &'a Path,
    pub renderer: Renderer,
    pub names: Arc<Names>,
    pub seed: u64,
    /// Stop well after so many captures.
    pub pages_max: Option<u32>,
}

/// Reads all files to their ends, from where `writer` stands.
pub async fn extract(job: Job<'_>, writer: &mut RawWriter<'_>) -> Result<(), Error> {
    let format = job.file.format_or_guess().ok_or_else(|| Error::Setup {
        place: "file.path".into(),
        problem: "the name does not say how the file is written; add `format`".into(),
    })?;
    let (file, http, pages_max) = (job.file, job.files.http.clone(), job.pages_max);
    let source = list::list(job, writer)?;
    let mut reading = Reading {
        source,
        file,
        format,
        whole_bytes_max: http.reply_size_max.0,
        attempts: writer.carried.attempts,
        left: pages_max.unwrap_or(u32::MAX),
    };
    let mut position = writer.progress.next.clone();
    if position == Position::Start {
        position = reading.start_of(0);
    }
    let mut began = false;
    loop {
        position = match position {
            Position::File { .. } if reading.left == 0 => Position::Done,
            Position::File { .. } if began && writer.run.is_out_of_time() => {
                return Err(writer.hand_over(&position, reading.carried()).await?);
            }
            Position::File { file, mark } => reading.read(&file, mark, writer).await?,
            Position::Done if writer.is_empty() => return Ok(()),
            other if writer.is_empty() => return Err(other.not_of("files")),
            other => writer.close(&other).await?,
        };
        began = true;
    }
}

struct Reading<'a> {
    source: Source,
    file: &'a File,
    format: FileFormat,
    /// The largest JSON document that is one capture.
    whole_bytes_max: u64,
    /// How many times in a row a stream broke without anything new.
    attempts: u32,
    /// How many captures may still be made.
    left: u32,
}

impl Reading<'_> {
    fn start_of(&self, index: usize) -> Position {
        match self.source.files.get(index) {
            Some(listed) => Position::File {
                file: listed.id(),
                mark: Mark::default(),
            },
            None => Position::Done,
        }
    }

    /// Reads the file `id` from `mark` on; says where to go on: the next file, or another place of this one.
    async fn read(&mut self, id: &str, mark: Mark, writer: &mut RawWriter<'_>) -> Result<Position, Error> {
        let Some(index) = self.source.files.iter().position(|listed| listed.id() == id) else {
            return Err(Error::Content {
                file: "the file that the run was cut off in".into(),
                problem: "it is not there any more; the next run starts afresh".into(),
            });
        };
        let Some(listed) = self.source.files.get(index).cloned() else {
            return Ok(Position::Done);
        };
        let (mut reached, before) = (mark, writer.progress.captures);
        let broken = match self.pieces(index, &listed, &mut reached, writer).await {
            Ok(Some(elsewhere)) => return Ok(elsewhere),
            Ok(None) => {
                self.attempts = 0;
                return Ok(self.start_of(index + 1));
            }
            Err(broken) => broken,
        };
        let here = Position::File {
            file: id.to_owned(),
            mark: reached,
        };
        let error = match broken {
            Broken::Final(Error::OutOfTime) => return Err(writer.hand_over(&here, self.carried()).await?),
            Broken::Final(error) => return Err(error),
            Broken::Stream(error) => error,
        };
        // What came in before the break is kept; the file is read again, and passed over up to there.
        self.attempts = if writer.progress.captures > before { 1 } else { self.attempts + 1 };
        match self.pause(&listed, error, writer).await {
            Err(Error::OutOfTime) => Err(writer.hand_over(&here, self.carried()).await?),
            paused => paused.map(|()| here),
        }
    }

    /// What a continuation must know of the source of addresses.
    fn carried(&self) -> Carried {
        self.source.client.as_ref().map(Client::carried).unwrap_or_default()
    }

    async fn pause(&mut self, listed: &Listed, error: FetchError, writer: &RawWriter<'_>) -> Result<(), Error> {
        let attempts = self.attempts;
        match (&listed.place, &mut self.source.client) {
            (Place::Url(url), Some(client)) => writer.wait_for(client.pause_stream(url, attempts, error)).await?,
            _ => Err(Error::Fetch {
                url: listed.shown.clone(),
                source: error,
            }),
        }
    }

    /// Cuts a file into captures. `reached` follows the end of the last one. Returns another position when the writer was led there.
    async fn pieces(
        &mut self,
        index: usize,
        listed: &Listed,
        reached: &mut Mark,
        writer: &mut RawWriter<'_>,
    ) -> Result<Option<Position>, Broken> {
        let mut stream = writer
            .wait_for(Stream::open(
                listed,
                &self.source.root,
                self.file.compression,
                self.source.client.as_mut(),
            ))
            .await??;
        let mut cutter = Cutter::new(&self.format, writer.settings, self.whole_bytes_max, *reached);
        loop {
            let more = writer.wait_for(stream.fill(self.source.client.as_ref())).await??;
            loop {
                let content = |fault: Fault| Error::Content {
                    file: listed.shown.clone(),
                    problem: fault.to_string(),
                };
                let Some(cut) = cutter.next(&mut stream.bytes, !more).map_err(content)? else {
                    break;
                };
                self.capture(listed, &stream, &cut, writer)?;
                cutter.taken(&mut stream.bytes, &cut);
                *reached = cutter.mark();
                if self.left == 0 {
                    return Ok(Some(Position::Done));
                }
                let over = writer.run.is_out_of_time();
                if over || writer.is_full() {
                    let here = match cut.piece {
                        Some(_) => Position::File {
                            file: listed.id(),
                            mark: *reached,
                        },
                        // The whole file.
                        None => self.start_of(index + 1),
                    };
                    let next = writer.close(&here).await?;
                    if over || next != here {
                        return Ok(Some(next));
                    }
                }
            }
            if !more {
                return Ok(None);
            }
        }
    }

    fn capture(&mut self, listed: &Listed, stream: &Stream, cut: &Cut, writer: &mut RawWriter<'_>) -> Result<(), Error> {
        let bytes = cut
            .made
            .as_deref()
            .or_else(|| stream.bytes.get(cut.body.clone()))
            .unwrap_or_default();
        writer.run.reached(Step::PageReceived {
            records: cut.records,
            bytes: bytes.len() as u64,
        })?;
        let piece = cut.piece.as_ref().map(|piece| Piece {
            offset: piece.offset,
            header: piece.header.as_deref().map(Cow::Borrowed),
        });
        let head = CaptureHead {
            at_ms: writer.run.clock.now_ms(),
            url: &listed.shown,
            status: stream.status,
            content_type: stream.content_type.as_deref(),
            piece,
        };
        // A line of NDJSON or a value of CSV may be JSON by itself, but a piece is text.
        let form = if cut.json { BodyForm::Auto } else { BodyForm::Text };
        writer.capture(&head, bytes, form)?;
        self.left = self.left.saturating_sub(1);
        Ok(())
    }
}
