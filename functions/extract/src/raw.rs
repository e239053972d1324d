//! Captures into raw objects: each is announced in the ledger, then put once, with the position after it.

use crate::error::Error;
use crate::hops::Carried;
use crate::lease::Keeper;
use crate::position::{Position, Progress};
use crate::settings::Settings;
use crate::skim::Skimmed;
use crate::time_left::TimeLeft;
use lake::zst::LINE_BYTES_MAX;
use lake::{BodyForm, CaptureHead, Compressor, Key, Part, RawKey, RawMetadata, Store, StoreError, Written, ZSTD_LEVEL, write_capture};
use ledger::{Ledger, ResourceId, Run, RunRecord, Step};
use std::sync::Arc;

/// Writes the raw objects of one run.
pub struct RawWriter<'a> {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub keeper: &'a Keeper,
    pub run: &'a Run,
    pub record: &'a RunRecord,
    pub settings: &'a Settings,
    /// The run so far; its `next` is where the last object ended.
    pub progress: Progress,
    /// The last part that is there.
    pub part: u32,
    /// What people should know of a run that goes well.
    pub notices: Vec<String>,
    /// From the invocation before, or for the next one.
    pub carried: Carried,
    /// Whether this invocation brought a capture.
    pub brought: bool,
    open: Option<Open>,
    /// Used again for every capture.
    line: Vec<u8>,
}

/// The object that is being filled.
struct Open {
    compressor: Compressor,
    captures: u64,
    at_ms: i64,
}

impl<'a> RawWriter<'a> {
    pub fn new(
        store: Arc<dyn Store>,
        ledger: Arc<dyn Ledger>,
        keeper: &'a Keeper,
        run: &'a Run,
        record: &'a RunRecord,
        settings: &'a Settings,
    ) -> RawWriter<'a> {
        RawWriter {
            store,
            ledger,
            keeper,
            run,
            record,
            settings,
            progress: Progress {
                captures: 0,
                bytes: 0,
                cursor: None,
                without_cursor: 0,
                next: Position::Start,
            },
            part: 0,
            notices: Vec::new(),
            carried: Carried::default(),
            brought: false,
            open: None,
            line: Vec::new(),
        }
    }

    /// Goes on where the last object of the run ended, if it has any.
    pub async fn resume(&mut self) -> Result<(), Error> {
        let mut intents = self.ledger.intents(self.record.id, &self.record.resource).await?;
        intents.sort();
        for raw in intents.iter().rev() {
            let Part::Number(part) = raw.part else { continue };
            if let Some(progress) = self.stored(&raw.key()).await? {
                self.part = part;
                self.progress = progress;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adds a capture.
    pub fn capture(&mut self, head: &CaptureHead<'_>, body: &[u8], form: BodyForm) -> Result<(), Error> {
        self.line.clear();
        write_capture(&mut self.line, head, body, form);
        // Nobody could read it, so it must not be written: the error comes before the harm.
        if self.line.len() > LINE_BYTES_MAX {
            return Err(Error::LongCapture {
                url: head.url.to_owned(),
                bytes: self.line.len() as u64,
            });
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open {
                compressor: Compressor::new(ZSTD_LEVEL).map_err(Error::Compress)?,
                captures: 0,
                at_ms: head.at_ms,
            }),
        };
        open.compressor.push(&self.line).map_err(Error::Compress)?;
        open.captures += 1;
        self.brought = true;
        self.progress.captures += 1;
        self.progress.bytes += self.line.len() as u64;
        Ok(())
    }

    /// What a page says of the cursor.
    pub fn saw_cursor(&mut self, page: &Skimmed<'_>) {
        self.progress.cursor = self.progress.cursor.max(page.cursor);
        if page.cursor.is_none() && !page.cursor_is_null {
            self.progress.without_cursor += page.records;
        }
    }

    /// Something that people should know of a run that goes well.
    pub fn notice(&mut self, notice: String) {
        self.notices.push(notice);
    }

    /// The time that is left.
    pub fn time(&self) -> TimeLeft {
        TimeLeft::of(self.run)
    }

    /// Waits for the source, with the lease renewed, no longer than there is time.
    pub async fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        self.time().during(self.keeper.during(work)).await?
    }

    /// Ends this invocation's part of the run: everything that came in is put, and whoever goes on does so at `next`.
    pub async fn hand_over(&mut self, next: &Position, carried: Carried) -> Result<Error, Error> {
        self.close(next).await?;
        self.carried = carried;
        Ok(Error::OutOfTime)
    }

    /// Whether nothing waits to be put.
    pub fn is_empty(&self) -> bool {
        self.open.is_none()
    }

    /// Whether the object is as large as it may become.
    pub fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.compressor.uncompressed() >= self.settings.object_bytes_max
                || open.compressor.compressed() >= self.settings.object_compressed_bytes_max
        })
    }

    /// Puts the object that is being filled, with the position after it, and says where to go on: there, or, when the object was there
    /// already, where the one who wrote it stood.
    pub async fn close(&mut self, next: &Position) -> Result<Position, Error> {
        let Some(open) = self.open.take() else {
            return Ok(next.clone());
        };
        self.progress.next = next.clone();
        let raw = self.raw_key(Part::Number(self.part + 1));
        let metadata = self.metadata(open.captures, open.compressor.uncompressed(), open.at_ms)?;
        let body = open.compressor.finish().map_err(Error::Compress)?;
        let (definition, generation) = (&self.record.definition, self.record.generation);
        self.ledger
            .record_intent(&self.keeper.lease(), &raw, definition, generation)
            .await?;
        self.run.reached(Step::IntentRecorded)?;
        let (key, bytes) = (raw.key(), body.len() as u64);
        let written = self
            .keeper
            .during(self.store.put_new(&key, &metadata.to_metadata(), body))
            .await??;
        self.run.reached(Step::RawPut { bytes })?;
        self.part += 1;
        if written == Written::AlreadyThere
            && let Some(progress) = self.stored(&key).await?
        {
            self.progress = progress;
        }
        Ok(self.progress.next.clone())
    }

    /// Puts the marker of a `replace` run: how many parts there are.
    pub async fn put_marker(&mut self) -> Result<(), Error> {
        let raw = self.raw_key(Part::End);
        let mut metadata = self.metadata(0, 0, self.run.clock.now_ms())?;
        metadata.parts = Some(self.part);
        let empty = Compressor::new(ZSTD_LEVEL).and_then(Compressor::finish).map_err(Error::Compress)?;
        // Announced as a part is: else a run killed after this would have all its documents, and nobody who shows them.
        let (definition, generation) = (&self.record.definition, self.record.generation);
        self.ledger
            .record_intent(&self.keeper.lease(), &raw, definition, generation)
            .await?;
        self.run.reached(Step::IntentRecorded)?;
        // Whoever put it before counted the same parts.
        self.keeper
            .during(self.store.put_new(&raw.key(), &metadata.to_metadata(), empty))
            .await??;
        self.run.reached(Step::MarkerPut)?;
        Ok(())
    }

    fn metadata(&self, captures: u64, bytes: u64, at_ms: i64) -> Result<RawMetadata, Error> {
        let state = serde_json::to_string(&self.progress).map_err(|source| Error::State {
            key: self.record.id.to_string(),
            source: Some(source.into()),
        })?;
        Ok(RawMetadata {
            definition: self.record.definition.clone(),
            generation: self.record.generation,
            captures,
            bytes,
            at_ms,
            state: Some(state),
            parts: None,
        })
    }

    /// The progress kept with an object; `None` when there is no such object.
    async fn stored(&self, key: &Key) -> Result<Option<Progress>, Error> {
        let fail = |source| Error::State {
            key: key.to_string(),
            source,
        };
        // The lake is well, but what is kept there will never be read: the run must end, or every later one would stop here.
        let failed = |error| match error {
            damaged @ StoreError::Damaged { .. } => fail(Some(damaged.into())),
            other => Error::Store(other),
        };
        let Some(metadata) = self.store.head(key).await.map_err(failed)? else {
            return Ok(None);
        };
        let state = RawMetadata::from_metadata(key, &metadata).map_err(failed)?.state;
        let state = state.ok_or_else(|| fail(None))?;
        serde_json::from_str(&state).map(Some).map_err(|source| fail(Some(source.into())))
    }

    fn raw_key(&self, part: Part) -> RawKey {
        let ResourceId { pipeline, resource } = self.record.resource.clone();
        RawKey {
            pipeline,
            resource,
            run: self.record.id,
            part,
        }
    }
}
