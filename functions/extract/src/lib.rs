//! Sources to `raw/`: HTTP APIs and files, kept as they came over the wire.
//!
//! What to ask for next, whether to ask again, what may be followed and what is kept of it are decided by pure modules (`paging`, `incremental`,
//! `skim`, `link`, `retry`, `rate`, `redirect`, `address`, `redact`, `request`, `files::cut`); `http`, `files`, `raw` and `lease` carry it out.

pub mod address;
pub mod decode;
pub mod error;
pub mod files;
pub mod hops;
pub mod http;
pub mod incremental;
pub mod lease;
pub mod link;
pub mod paging;
pub mod position;
pub mod rate;
pub mod raw;
pub mod redact;
pub mod redirect;
pub mod render;
pub mod request;
pub mod rest;
pub mod retry;
pub mod settings;
pub mod skim;
pub mod time_left;
pub mod variables;

pub use error::{Error, FetchError};
pub use http::Names;
pub use render::Resolve;
pub use settings::Settings;
pub use variables::variables;

use incremental::Window;
use lake::{DefinitionError, Definitions, RunId, Store, StoreError};
use lease::Keeper;
use ledger::{Extracted, Holder, LeaseOutcome, LeaseRequest, Ledger, LedgerError, ResourceId, Run, RunRecord, RunState, Step};
use pipeline::{Checked, Name, Resource, Source, WriteDisposition};
use position::Position;
use raw::RawWriter;
use render::Renderer;
use std::path::PathBuf;
use std::sync::Arc;

/// One tick of a resource.
#[derive(Clone)]
pub struct Tick {
    pub definition: Arc<Checked>,
    pub generation: u32,
    pub resource: Name,
    /// The id of the run, unless an earlier one is to be resumed.
    pub run: RunId,
    /// In the place of the source's own address (`base_url`, or `root` of files).
    pub base_url: Option<String>,
    /// What relative paths of files start from: the folder of the pipeline file.
    pub folder: PathBuf,
    /// Stop well after so many pages, or pieces of files.
    pub pages_max: Option<u32>,
    /// Whether this goes on with `run`, which was handed over: then nothing else is begun, and nothing is noted where there is nothing to do.
    pub continues: bool,
}

/// The clients and settings of the process.
#[derive(Clone)]
pub struct Services {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub holder: Holder,
    /// Whether the holder of a lease is a process of this machine that is no more.
    pub holder_is_dead: Arc<dyn Fn(&Holder) -> bool + Send + Sync>,
    pub resolve: Resolve,
    pub names: Arc<Names>,
    pub settings: Settings,
}

/// How a tick ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is in `raw/`, the cursor is committed.
    Extracted {
        run: RunId,
        /// Whether an earlier run was gone on with.
        resumed: bool,
        parts: u32,
        captures: u64,
        bytes: u64,
        /// What people should know all the same, a sentence each.
        notices: Vec<String>,
    },
    /// The deadline passed: what came in is in `raw/`, and the run waits for its continuation.
    HandedOver {
        run: RunId,
        parts: u32,
        captures: u64,
        bytes: u64,
        /// Before which the source must not be asked again, milliseconds since 1970; the continuation waits by itself if it comes earlier.
        not_before_ms: Option<i64>,
        notices: Vec<String>,
    },
    /// A continuation came after the end of its run: there is nothing to do.
    Ended { run: RunId },
    /// Somebody else is at it: who, in words.
    Skipped {
        run: RunId,
        holder: String,
        /// When the lease ends unless it is renewed, milliseconds since 1970; not known of a tick that was skipped before.
        until_ms: Option<i64>,
    },
}

/// Reads what is new of a resource into `raw/`, or goes on with a run that was cut off.
pub async fn handle(tick: &Tick, run: &Run, services: &Services) -> Result<Outcome, Error> {
    let resource = ResourceId {
        pipeline: tick.definition.pipeline.pipeline.clone(),
        resource: tick.resource.clone(),
    };
    if tick.continues && !is_open(tick, services, &resource).await? {
        return Ok(Outcome::Ended { run: tick.run });
    }
    let duration = services.settings.lease;
    let request = LeaseRequest {
        holder: services.holder.clone(),
        now_ms: run.clock.now_ms(),
        duration_ms: i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
    };
    let lease = match services.ledger.take_lease(&resource, &request, &*services.holder_is_dead).await? {
        LeaseOutcome::Taken(lease) => lease,
        LeaseOutcome::Held { holder, expires_ms } => return skipped(tick, run, services, resource, holder.name, expires_ms).await,
    };
    let keeper = Keeper::new(services.ledger.clone(), run.clock.clone(), duration, lease);
    let result = match run.reached(Step::LeaseTaken) {
        Ok(()) => with_lease(tick, run, services, resource, &keeper).await,
        Err(interrupted) => Err(interrupted.into()),
    };
    match &result {
        // As if killed: nothing is tidied up.
        Err(Error::Interrupted(_) | Error::Ledger(LedgerError::LeaseLost { .. })) => {}
        Ok(_) => services.ledger.release_lease(&keeper.lease()).await?,
        // The first error says more than one of giving the lease back, which would end by itself.
        Err(_) => drop(services.ledger.release_lease(&keeper.lease()).await),
    }
    result
}

async fn skipped(
    tick: &Tick,
    run: &Run,
    services: &Services,
    resource: ResourceId,
    holder: String,
    expires_ms: i64,
) -> Result<Outcome, Error> {
    // Whoever holds the lease goes on with the run that was to be continued.
    if !tick.continues {
        let state = RunState::Skipped { holder: holder.clone() };
        let record = new_record(tick, run, services, resource, state).await?;
        services.ledger.record_skipped(&record).await?;
    }
    Ok(Outcome::Skipped {
        run: tick.run,
        holder,
        until_ms: Some(expires_ms),
    })
}

/// Whether the run to be continued has not ended yet.
async fn is_open(tick: &Tick, services: &Services, resource: &ResourceId) -> Result<bool, Error> {
    let record = services.ledger.run(tick.run, resource).await?.ok_or_else(|| Error::UnknownRun {
        run: tick.run.to_string(),
        resource: resource.to_string(),
    })?;
    if record.state == RunState::Extracting {
        return Ok(true);
    }
    // Its end may have been recorded by one who was killed right after.
    hops::forget(&*services.ledger, &record).await?;
    Ok(false)
}

async fn new_record(tick: &Tick, run: &Run, services: &Services, resource: ResourceId, state: RunState) -> Result<RunRecord, Error> {
    let source = pipeline::source_hash(&tick.definition.pipeline, resource_of(&tick.definition, &tick.resource)?);
    let cursor = services.ledger.cursor(&resource, &source).await?;
    let now_ms = run.clock.now_ms();
    Ok(RunRecord {
        id: tick.run,
        resource,
        definition: tick.definition.hash.to_string(),
        generation: tick.generation,
        source,
        cursor_before: cursor.map(|cursor| cursor.value),
        started_ms: now_ms,
        ended_ms: (state != RunState::Extracting).then_some(now_ms),
        state,
        parts: 0,
        captures: 0,
        bytes: 0,
    })
}

/// The run to work on, and the definition it runs under.
struct Begun {
    record: RunRecord,
    definition: Arc<Checked>,
    resumed: bool,
}

async fn with_lease(tick: &Tick, run: &Run, services: &Services, resource: ResourceId, keeper: &Keeper) -> Result<Outcome, Error> {
    let begun = match resumable(tick, run, services, &resource, keeper).await? {
        Some(begun) if tick.continues && begun.record.id != tick.run => return Ok(Outcome::Ended { run: tick.run }),
        Some(begun) => begun,
        None if tick.continues => return Ok(Outcome::Ended { run: tick.run }),
        None => {
            let record = new_record(tick, run, services, resource, RunState::Extracting).await?;
            let record = services.ledger.begin_run(&keeper.lease(), &record).await?;
            Begun {
                record,
                definition: tick.definition.clone(),
                resumed: false,
            }
        }
    };
    let id = begun.record.id;
    match &begun.record.state {
        RunState::Extracting => {}
        // The same tick, delivered again.
        RunState::Extracted => {
            hops::forget(&*services.ledger, &begun.record).await?;
            return Ok(outcome(&begun.record, false, Vec::new()));
        }
        RunState::Skipped { holder } => {
            return Ok(Outcome::Skipped {
                run: id,
                holder: holder.clone(),
                until_ms: None,
            });
        }
        RunState::Failed { .. } => return Err(Error::AlreadyFailed { run: id.to_string() }),
    }
    run.reached(Step::RunBegun)?;
    let mut writer = RawWriter::new(
        services.store.clone(),
        services.ledger.clone(),
        keeper,
        run,
        &begun.record,
        &services.settings,
    );
    let error = match extract(tick, services, &begun, &mut writer).await {
        Ok(extracted) => {
            let mut record = begun.record.clone();
            (record.parts, record.captures, record.bytes) = (extracted.parts, extracted.captures, extracted.bytes);
            return Ok(outcome(&record, begun.resumed, std::mem::take(&mut writer.notices)));
        }
        Err(Error::OutOfTime) => match hand_over(&mut writer).await {
            Err(error @ Error::HopsSpent(_)) => error,
            handed_over => return handed_over,
        },
        Err(error) => error,
    };
    if error.ends_run() {
        fail(&error, &begun, &mut writer).await?;
    }
    Err(error)
}

/// Notes that a continuation is to go on with the run, all of which is durable. An error when that was done as often as it may be.
async fn hand_over(writer: &mut RawWriter<'_>) -> Result<Outcome, Error> {
    let (ledger, settings) = (&*writer.ledger, writer.settings);
    hops::hand_over(ledger, writer.record, writer.brought, &writer.carried, settings).await??;
    writer.run.reached(Step::HandedOver)?;
    Ok(Outcome::HandedOver {
        run: writer.record.id,
        parts: writer.part,
        captures: writer.progress.captures,
        bytes: writer.progress.bytes,
        not_before_ms: writer.carried.not_before_ms,
        notices: std::mem::take(&mut writer.notices),
    })
}

/// Ends the run with an error. What came in before is kept.
async fn fail(error: &Error, begun: &Begun, writer: &mut RawWriter<'_>) -> Result<(), Error> {
    let message = error.chain();
    writer.close(&Position::Failed(excerpt(&message))).await?;
    let ended_ms = writer.run.clock.now_ms();
    writer
        .ledger
        .fail_extraction(&writer.keeper.lease(), begun.record.id, ended_ms, &message)
        .await?;
    writer.run.reached(Step::ExtractionEnded)?;
    forget_hops(begun, writer).await
}

/// A run that was begun by this very invocation was never handed over.
async fn forget_hops(begun: &Begun, writer: &RawWriter<'_>) -> Result<(), Error> {
    if begun.resumed {
        hops::forget(&*writer.ledger, &begun.record).await?;
    }
    Ok(())
}

/// The start of a message, short enough for an object's metadata.
fn excerpt(message: &str) -> String {
    let mut left = 1_000;
    let fits = |c: &char| {
        left -= paging::escaped_length(c.encode_utf8(&mut [0; 4])) as i32;
        left >= 0
    };
    message.chars().take_while(fits).collect()
}

fn outcome(record: &RunRecord, resumed: bool, notices: Vec<String>) -> Outcome {
    Outcome::Extracted {
        run: record.id,
        resumed,
        parts: record.parts,
        captures: record.captures,
        bytes: record.bytes,
        notices,
    }
}

/// The run of the resource that was cut off, with its own definition. One whose definition can't be had ends as failed.
async fn resumable(tick: &Tick, run: &Run, services: &Services, resource: &ResourceId, keeper: &Keeper) -> Result<Option<Begun>, Error> {
    let Some(record) = services.ledger.run_to_resume(resource).await? else {
        return Ok(None);
    };
    if record.definition == tick.definition.hash.as_str() {
        let definition = tick.definition.clone();
        return Ok(Some(Begun {
            record,
            definition,
            resumed: true,
        }));
    }
    let definitions = Definitions::new(services.store.clone());
    match definitions.get(&resource.pipeline, &record.definition).await {
        Ok(definition) => Ok(Some(Begun {
            record,
            definition,
            resumed: true,
        })),
        // The definition may well be there: the next tick asks the lake again.
        Err(DefinitionError::Store {
            source: source @ (StoreError::Io { .. } | StoreError::Denied { .. }),
            ..
        }) => Err(Error::Store(source)),
        Err(source) => {
            let message = Error::Definition(source).chain();
            services
                .ledger
                .fail_extraction(&keeper.lease(), record.id, run.clock.now_ms(), &message)
                .await?;
            hops::forget(&*services.ledger, &record).await?;
            Ok(None)
        }
    }
}

/// Reads the source to its end and ends the run well.
async fn extract(tick: &Tick, services: &Services, begun: &Begun, writer: &mut RawWriter<'_>) -> Result<Extracted, Error> {
    let record = &begun.record;
    let resource = resource_of(&begun.definition, &record.resource.resource)?;
    writer.resume().await?;
    if begun.resumed {
        writer.carried = hops::carried(&*writer.ledger, record).await?;
    }
    read(tick, services, begun, resource, writer).await?;
    let incremental = resource.endpoint.as_ref().and_then(|endpoint| endpoint.incremental.as_ref());
    if let Some(incremental) = incremental
        && writer.progress.cursor.is_none()
        && writer.progress.without_cursor > 0
    {
        return Err(Error::NoCursor {
            path: skim::path_shown(&incremental.cursor_path),
            records: writer.progress.without_cursor,
        });
    }
    if resource.load.write_disposition == WriteDisposition::Replace {
        writer.put_marker().await?;
    }
    let value = incremental.and_then(|incremental| incremental::committed(incremental, writer.progress.cursor, record.started_ms));
    let extracted = Extracted {
        run: record.id,
        ended_ms: writer.run.clock.now_ms(),
        parts: writer.part,
        captures: writer.progress.captures,
        bytes: writer.progress.bytes,
        cursor: value.map(|value| ledger::Cursor { value }),
    };
    services.ledger.end_extraction(&writer.keeper.lease(), &extracted).await?;
    writer.run.reached(Step::ExtractionEnded)?;
    forget_hops(begun, writer).await?;
    Ok(extracted)
}

async fn read(tick: &Tick, services: &Services, begun: &Begun, resource: &Resource, writer: &mut RawWriter<'_>) -> Result<(), Error> {
    let record = &begun.record;
    let renderer = |window| Renderer::new(services.resolve.clone(), window, record.id.date());
    let seed =
        u64::from_le_bytes(record.id.to_bytes().last_chunk().copied().unwrap_or_default()) ^ writer.run.clock.now_ms().unsigned_abs();
    let names = services.names.clone();
    let (base_url, pages_max) = (tick.base_url.as_deref(), tick.pages_max);
    match (&begun.definition.pipeline.source, &resource.endpoint, &resource.file) {
        (Source::RestApi(api), Some(endpoint), _) => {
            let renderer = renderer(rest::window(endpoint, record.cursor_before)?);
            let job = rest::Job {
                api,
                endpoint,
                base_url,
                renderer,
                names,
                seed,
                pages_max,
            };
            rest::extract(job, writer).await
        }
        (Source::Files(files), _, Some(file)) => {
            let renderer = renderer(Window::default());
            let job = files::Job {
                files,
                file,
                root: base_url,
                folder: &tick.folder,
                renderer,
                names,
                seed,
                pages_max,
            };
            files::extract(job, writer).await
        }
        _ => Err(Error::Setup {
            place: format!("resource `{}`", resource.name),
            problem: "it has neither `endpoint` nor `file` for its source".into(),
        }),
    }
}

fn resource_of<'d>(definition: &'d Checked, name: &Name) -> Result<&'d Resource, Error> {
    let found = definition.pipeline.resources.iter().find(|resource| resource.name == *name);
    found.ok_or_else(|| Error::Setup {
        place: format!("pipeline `{}`", definition.pipeline.pipeline),
        problem: format!("it has no resource `{name}`"),
    })
}
