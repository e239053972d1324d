//! What stands between a message of the queue and the library: the definition, the variables' values, the continuation. Belongs to the binary.

mod answer;
mod values;

pub use values::Values;

use extract::settings::{QUEUE_URL, SECRET_PREFIX};
use extract::{Error, Names, Outcome, Services, Settings, Tick};
use host::SystemClock;
use host::adapters::Adapters;
use host::event::{ExtractMessage, RequestedBy};
use host::lambda::{Answer, Failure, Queue, RecordContext};
use host::settings::{Key, Reader};
use lake::{DefinitionError, RunId, StoreError};
use ledger::{Holder, LedgerError, Next, ResourceId, Run, RunState, Unwatched};
use pipeline::{Checked, Name};
use std::path::PathBuf;
use std::sync::Arc;

/// The settings on AWS that only this function has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    pub queue_url: String,
    pub secret_prefix: String,
}

impl Own {
    pub fn read(reader: &mut Reader) -> Own {
        let mut required = |(name, about)| reader.read(Key::required(name, about));
        Own {
            queue_url: required(QUEUE_URL),
            secret_prefix: required(SECRET_PREFIX),
        }
    }
}

/// What the process works with, built once.
pub struct Extractor {
    adapters: Adapters,
    values: Values,
    /// `None` on this machine: whoever invoked the function is told the continuation.
    queue: Option<Queue>,
    names: Arc<Names>,
    folder: PathBuf,
}

/// Why a message comes to nothing before its run begins.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("the message names neither a run nor a time")]
    NoRun,
    #[error("the pipeline `{pipeline}` is not applied: {next}")]
    UnknownPipeline { pipeline: Name, next: String },
    #[error("could not look the pipeline up")]
    Ledger(#[from] LedgerError),
    #[error("could not have the definition of the pipeline `{pipeline}`")]
    Definition { pipeline: Name, source: DefinitionError },
}

impl Unready {
    fn failure(&self) -> Failure {
        let (name, next) = match self {
            Unready::NoRun => ("UnknownMessage", Next::Reject),
            Unready::UnknownPipeline { .. } => ("UnknownPipeline", Next::Alarm),
            Unready::Ledger(_) => ("Ledger", Next::Retry),
            Unready::Definition {
                source: DefinitionError::Store {
                    source: StoreError::Io { .. },
                    ..
                },
                ..
            } => ("Definition", Next::Retry),
            Unready::Definition { .. } => ("Definition", Next::Alarm),
        };
        Failure::new(name, next, self)
    }
}

impl Extractor {
    pub fn new(adapters: Adapters, values: Values, queue: Option<Queue>) -> Extractor {
        Extractor {
            adapters,
            values,
            queue,
            names: Arc::default(),
            folder: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// One tick of a resource, or one hop of a run.
    pub async fn handle(&self, message: ExtractMessage, context: RecordContext) -> Result<Answer, Failure> {
        let resource = message.resource_id();
        let (tick, open) = self.tick(&message, &resource).await.map_err(|unready| unready.failure())?;
        let services = self.services(&tick, &resource, open, &context).await?;
        let run = Run {
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unwatched),
            deadline_ms: Some(context.deadline_ms),
        };
        match extract::handle(&tick, &run, &services).await {
            Ok(Outcome::HandedOver { run, not_before_ms, .. }) => {
                let next = message.continuation(run);
                if let Some(queue) = &self.queue {
                    queue.send(&next.to_json(), not_before_ms).await?;
                }
                Ok(answer::handed_over(&next, not_before_ms))
            }
            Ok(outcome) => Ok(answer::of(outcome)),
            Err(error) => self.failed(&error, &tick, &resource, open).await,
        }
    }

    /// The tick, and the run that is open and will be gone on with.
    async fn tick(&self, message: &ExtractMessage, resource: &ResourceId) -> Result<(Tick, Option<RunId>), Unready> {
        let run = message.run_id().ok_or(Unready::NoRun)?;
        let newest = self.adapters.ledger.newest_definition(&message.pipeline).await?;
        let (hash, generation) = newest.ok_or_else(|| self.unknown(&message.pipeline))?;
        let tick = Tick {
            definition: self.definition(&message.pipeline, &hash).await?,
            generation,
            resource: message.resource.clone(),
            run,
            base_url: message.base_url.clone(),
            folder: self.folder.clone(),
            pages_max: None,
            continues: message.requested_by == RequestedBy::Continuation,
        };
        let open = self.adapters.ledger.run_to_resume(resource).await?;
        Ok((tick, open.map(|open| open.id)))
    }

    async fn definition(&self, pipeline: &Name, hash: &str) -> Result<Arc<Checked>, Unready> {
        let definition = self.adapters.definitions.get(pipeline, hash).await;
        definition.map_err(|source| Unready::Definition {
            pipeline: pipeline.clone(),
            source,
        })
    }

    fn unknown(&self, pipeline: &Name) -> Unready {
        let next = match self.queue {
            Some(_) => "apply its file with `tidemill apply --stack STACK`".to_owned(),
            None => format!("type `tidemill run pipelines/{pipeline}.yaml` with the same TIDEMILL_HOME first, which publishes its file"),
        };
        Unready::UnknownPipeline {
            pipeline: pipeline.clone(),
            next,
        }
    }

    /// The services of one invocation: its own holder of leases, and the values of the variables that its run will ask for.
    async fn services(
        &self,
        tick: &Tick,
        resource: &ResourceId,
        open: Option<RunId>,
        context: &RecordContext,
    ) -> Result<Services, Failure> {
        let mut asked = extract::variables(&tick.definition);
        // A run is gone on with under its own definition.
        if let Some(definition) = self.of_open(tick, resource, open).await.map_err(|unready| unready.failure())? {
            asked.extend(extract::variables(&definition));
        }
        Ok(Services {
            store: self.adapters.store.clone(),
            ledger: self.adapters.ledger.clone(),
            holder: Holder {
                name: format!("invocation {}", context.request_id),
                process: None,
                process_start: None,
            },
            holder_is_dead: Arc::new(|_| false),
            resolve: self.values.of(&asked).await?,
            names: self.names.clone(),
            settings: Settings {
                // With a queue it runs on AWS, where a folder would be the function's own.
                local_files: self.queue.is_none(),
                ..Settings::default()
            },
        })
    }

    /// The definition of the open run, where it is another one. One that can't be had is the library's to tell.
    async fn of_open(&self, tick: &Tick, resource: &ResourceId, open: Option<RunId>) -> Result<Option<Arc<Checked>>, Unready> {
        let Some(open) = open else { return Ok(None) };
        let record = self.adapters.ledger.run(open, resource).await?;
        let other = record.filter(|record| record.definition != tick.definition.hash.as_str());
        let Some(other) = other else { return Ok(None) };
        Ok(self.definition(&resource.pipeline, &other.definition).await.ok())
    }

    /// A run that is recorded as failed needs no second delivery: `watch` tells of it. All else comes again.
    async fn failed(&self, error: &Error, tick: &Tick, resource: &ResourceId, open: Option<RunId>) -> Result<Answer, Failure> {
        if error.is_refused() {
            self.values.refresh(&extract::variables(&tick.definition)).await;
        }
        let failure = Failure::new(error.name(), error.next(), error);
        if !error.may_be_recorded() {
            return Err(failure);
        }
        for run in [Some(tick.run), open].into_iter().flatten() {
            let record = self.adapters.ledger.run(run, resource).await;
            if record.is_ok_and(|record| record.is_some_and(|record| matches!(record.state, RunState::Failed { .. }))) {
                tracing::error!(error_type = failure.error_type, chain = failure.chain, "run failed");
                return Ok(answer::run_failed(run, &failure));
            }
        }
        Err(failure)
    }
}
