//! Plays S3, EventBridge and SQS in one process: `extract` writes, the lake announces, `clean` and `load` take up what is announced.

mod collections;
mod earlier;
mod elsewhere;
mod extractor;
mod replay;
mod report;
mod since;
mod skip;
mod worker;

pub use replay::ReplayReport;
pub use report::{Extracted, ResourceReport, Skipped, Waiting, waiting};
pub use since::Since;
pub use worker::{Away, Problem, Problems, Workers, why_refused};

use super::{
    Home,
    events::{AnnouncingStore, Queues},
    holder,
    lock::{self, Tried},
    routes::Function,
    secrets::Secrets,
};
use crate::{
    failure::chain,
    output::{numbers::counted, progress::Progress},
    publish::{self, ClaimError, PublishError, Published},
};
use collections::Collections;
use documents::DocumentsError;
use earlier::TakenUp;
use elsewhere::Elsewhere;
use extractor::{Extraction, Extractor};
use lake::{CleanKey, Key, RawKey, Store, StoreError};
use ledger::{Clock, Holder, Interrupted, LedgerError, ResourceId, Run, Stage, Unfinished};
use pipeline::{Checked, Name, Resource};
use std::{collections::BTreeMap, io, path::PathBuf, pin::pin, sync::Arc};
use tokio::task::{JoinError, JoinSet};

/// Runs pipelines in this process, on one home.
pub struct Runner {
    pub home: Home,
    pub run: Run,
    /// Told what is going on; [`Runner::run`]'s observer too, unless another was put there.
    pub progress: Arc<Progress>,
    pub secrets: Secrets,
    /// In whose name leases are taken: this process's.
    pub holder: Holder,
}

/// What is to be run.
#[derive(Clone)]
pub struct Request {
    pub checked: Arc<Checked>,
    /// The pipeline file's text, which is published under its hash.
    pub text: String,
    /// The folder of the pipeline file, from which its own paths start.
    pub folder: PathBuf,
    /// Only this resource.
    pub resource: Option<Name>,
    /// In place of the pipeline's `base_url` or `root`.
    pub base_url: Option<String>,
    /// End each resource after so many pages, as if there were no more.
    pub pages_max: Option<u32>,
}

/// What stops a whole run; what goes wrong with one resource or object stands in its [`ResourceReport`].
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    #[error("the pipeline has no resource `{resource}`; it has {there_is}")]
    UnknownResource { resource: Name, there_is: String },
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    #[error("the lake failed")]
    Store(#[from] StoreError),
    #[error("the store of documents failed")]
    Documents(#[from] DocumentsError),
    #[error("could not note in {} where the documents go", home.display())]
    Places { home: PathBuf, source: io::Error },
    #[error("{holder} is at work on `{pipeline}`: wait until that has ended, then type this again")]
    Busy { pipeline: Name, holder: String },
    #[error("could not lock the runs of `{pipeline}` in {}", home.display())]
    Lock { pipeline: Name, home: PathBuf, source: io::Error },
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("a function panicked: this is a bug of Tidemill; nothing is lost, the next run goes on from here")]
    Panicked(#[source] JoinError),
}

impl Runner {
    pub fn new(home: Home, clock: Arc<dyn Clock>, progress: Arc<Progress>, secrets: Secrets) -> Runner {
        // There is one TLS provider in a process. That it is there already is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let run = Run {
            clock,
            observer: progress.clone(),
            deadline_ms: None,
        };
        Runner {
            home,
            run,
            progress,
            secrets,
            holder: holder::this_process(),
        }
    }

    /// Runs a pipeline: what an earlier run left undone first, then each resource in the order of the file, behind those that it waits for.
    ///
    /// # Errors
    /// [`RunnerError`] for what stops everything. A failed resource or object is in the reports, and the others go on.
    pub async fn run(&self, request: &Request) -> Result<Vec<ResourceReport>, RunnerError> {
        let resources = chosen(&request.checked, request.resource.as_ref())?;
        publish::claim(self.home.ledger.as_ref(), &request.checked, &resources).await?;
        let pipeline = &request.checked.pipeline.pipeline;
        // Kept to the end: what another run is loading yet must not be taken up as left undone.
        let _lock = match self.lock(pipeline)? {
            Tried::Taken(lock) => lock,
            Tried::Held(holder) => return self.skip(request, &resources, &holder).await,
        };
        let mut collections = Collections::of(pipeline, &resources);
        let away = self.prepare(&mut collections).await?;
        let elsewhere = match away {
            // Nothing will be loaded.
            Some(_) => Elsewhere::new(),
            None => self.note_place(pipeline, &resources).await?,
        };
        let Published { checked, generation } = publish::publish(&self.home.ports(), &request.checked, &request.text).await?;
        let request = &Request {
            checked,
            ..request.clone()
        };
        let queues = Queues::default();
        let store: Arc<dyn Store> = Arc::new(AnnouncingStore::new(self.home.store.clone(), queues.clone()));
        let workers = self.workers(store.clone());
        if let Some(error) = away {
            self.progress
                .say(&format!("note: {}; what is fetched waits in clean/", chain(&error)));
            workers.away.set(&error);
        }
        let extractor = Extractor::new(self, request, store, generation);
        let extracting = self.extract_all(&extractor, &request.checked, &resources, &queues);
        let (extractions, taken_up) = flow(&workers, &queues, extracting).await?;
        let mut ended = Ended {
            failed: workers.problems.take(),
            away: workers.away.why(),
            extractions,
            elsewhere,
            collections,
        };
        self.end(request, &taken_up, &mut ended).await?;
        self.reports(request, ended).await
    }

    fn lock(&self, pipeline: &Name) -> Result<Tried, RunnerError> {
        lock::try_take(&self.home.folder, pipeline, &self.holder).map_err(|source| RunnerError::Lock {
            pipeline: pipeline.clone(),
            home: self.home.folder.clone(),
            source,
        })
    }

    /// What is left to do and to say when nothing moves any more.
    async fn end(&self, request: &Request, taken_up: &TakenUp, ended: &mut Ended) -> Result<(), RunnerError> {
        let checked = &request.checked;
        if ended.away.is_none() {
            self.forget_superseded(checked, &mut ended.failed).await?;
            let skipped = ended.extractions.iter().filter(|extraction| extraction.skipped.is_some());
            let skipped: Vec<Name> = skipped.map(|extraction| extraction.resource.clone()).collect();
            self.tighten(checked, &mut ended.collections, &skipped).await?;
        }
        self.judge(taken_up, &mut ended.failed).await
    }

    async fn reports(&self, request: &Request, ended: Ended) -> Result<Vec<ResourceReport>, RunnerError> {
        let Ended {
            mut failed,
            away,
            extractions,
            mut elsewhere,
            mut collections,
        } = ended;
        let mut waiting = self.still_owed(&request.checked, &extractions, away.is_some(), &mut failed).await?;
        let mut reports = Vec::with_capacity(extractions.len());
        for extraction in extractions {
            let mut report = self.report(request, extraction, &mut failed).await?;
            report.elsewhere = elsewhere.remove(&report.resource).unwrap_or_default();
            collections.tell(&mut report);
            if let Some((why, objects)) = away.clone().zip(waiting.remove(&report.resource)) {
                report.waiting = Some(Waiting { objects, why });
            }
            reports.push(report);
        }
        // What is left belongs to a resource that was not asked for: the first report carries it rather than nobody.
        if let Some(first) = reports.first_mut() {
            first.problems.append(&mut failed);
            let objects: u64 = waiting.values().sum();
            if let Some(why) = away.filter(|_| objects > 0) {
                first.waiting.get_or_insert(Waiting { objects: 0, why }).objects += objects;
            }
        }
        Ok(reports)
    }

    /// `clean` and `load` over this store.
    pub fn workers(&self, store: Arc<dyn Store>) -> Workers {
        let Home {
            ledger,
            definitions,
            documents,
            ..
        } = &self.home;
        Workers {
            run: self.run.clone(),
            clean: Arc::new(clean::Services {
                store: store.clone(),
                ledger: ledger.clone(),
                definitions: definitions.clone(),
            }),
            load: Arc::new(load::Services {
                store,
                ledger: ledger.clone(),
                documents: documents.clone(),
                definitions: definitions.clone(),
            }),
            problems: Problems::default(),
            away: Away::of(&self.home.place),
        }
    }

    /// Extracts the resources; returns what of earlier runs of theirs was taken up, too.
    async fn extract_all(
        &self,
        extractor: &Extractor<'_>,
        checked: &Checked,
        resources: &[&Resource],
        queues: &Queues,
    ) -> Result<(Vec<Extraction>, TakenUp), RunnerError> {
        let pipeline = &checked.pipeline.pipeline;
        let owed = self.requeue(pipeline, queues).await?;
        if !owed.is_empty() {
            let objects = counted(owed.len() as u64, "object");
            self.progress.say(&format!("{pipeline}: going on with {objects} of an earlier run"));
        }
        let mut extractions = Vec::with_capacity(resources.len());
        for resource in resources {
            self.progress.begin(&format!("{pipeline}/{}", resource.name));
            extractions.push(extractor.extract(&resource.name).await?);
        }
        let mut taken_up = TakenUp::default();
        for part in owed {
            // The report of a run that was resumed judges it; what another process is at is that process's to judge.
            let extraction = extractions.iter().find(|extraction| extraction.resource == part.raw.resource);
            if extraction.is_some_and(|extraction| extraction.skipped.is_none() && extraction.run != Some(part.raw.run)) {
                taken_up.add(part);
            }
        }
        Ok((extractions, taken_up))
    }

    /// Queues again what an earlier run left undone; returns what that is.
    async fn requeue(&self, pipeline: &Name, queues: &Queues) -> Result<Vec<Unfinished>, RunnerError> {
        let mut parts = Vec::new();
        for (key, part) in self.owed(pipeline).await? {
            queues.announce(&key).await;
            parts.push(part);
        }
        Ok(parts)
    }

    /// The objects that wait for a function. A clean object that is gone is made again from its raw one. An intent whose raw object never came to be is the
    /// resumed extraction's to put.
    async fn owed(&self, pipeline: &Name) -> Result<Vec<(Key, Unfinished)>, RunnerError> {
        let mut keys = Vec::new();
        for owed in self.home.ledger.unfinished(pipeline).await? {
            let raw = owed.raw.key();
            let clean = clean_key(&owed.raw, &owed.definition).clean();
            let waiting = match owed.next {
                Stage::Clean => vec![raw],
                Stage::Load => vec![clean, raw],
            };
            for key in waiting {
                if self.home.store.head(&key).await?.is_some() {
                    keys.push((key, owed));
                    break;
                }
            }
        }
        Ok(keys)
    }

    /// Law 5: what reached no end state and is in no problem yet is one; or it waits, while the store of documents is away: of each resource, how many objects.
    /// (What a resource owes that another process is at is that process's to finish.)
    async fn still_owed(
        &self,
        checked: &Checked,
        extractions: &[Extraction],
        away: bool,
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<Name, u64>, RunnerError> {
        let mut waiting = BTreeMap::new();
        let skipped = |raw: &RawKey| {
            extractions
                .iter()
                .any(|other| other.skipped.is_some() && other.resource == raw.resource)
        };
        for (key, part) in self.owed(&checked.pipeline.pipeline).await? {
            let raw = Some(part.raw.clone());
            if problems.iter().any(|problem| problem.raw == raw) || skipped(&part.raw) {
                continue;
            }
            if away && part.next == Stage::Load {
                *waiting.entry(part.raw.resource).or_default() += 1;
                continue;
            }
            problems.push(Problem {
                object: key.to_string(),
                raw,
                message: "it was not finished; the next run tries again".to_owned(),
                not_shown: false,
            });
        }
        Ok(waiting)
    }

    /// Takes away that a `replace` run is not shown, where readers see a newer one: it would not be shown in any case.
    async fn forget_superseded(&self, checked: &Checked, problems: &mut Vec<Problem>) -> Result<(), RunnerError> {
        let mut kept = Vec::with_capacity(problems.len());
        for problem in problems.drain(..) {
            let raw = problem.raw.as_ref().filter(|_| problem.not_shown);
            let resource = raw.and_then(|raw| checked.pipeline.resources.iter().find(|resource| resource.name == raw.resource));
            let visible = match resource {
                Some(resource) => self.home.documents.visible(&resource.load.collection).await?,
                None => None,
            };
            if raw.zip(visible).is_none_or(|(raw, visible)| visible.run <= raw.run.to_bytes()) {
                kept.push(problem);
            }
        }
        *problems = kept;
        Ok(())
    }

    /// Adds up what the ledger knows of the run, and takes the problems that are its own.
    async fn report(&self, request: &Request, extraction: Extraction, problems: &mut Vec<Problem>) -> Result<ResourceReport, RunnerError> {
        let pipeline = &request.checked.pipeline;
        let id = ResourceId {
            pipeline: pipeline.pipeline.clone(),
            resource: extraction.resource.clone(),
        };
        let record = match extraction.run {
            Some(run) => self.home.ledger.run(run, &id).await?,
            None => None,
        };
        let (own, others) = problems
            .drain(..)
            .partition(|problem| problem.raw.as_ref().is_some_and(|raw| raw.resource == id.resource));
        *problems = others;
        let report = match &record {
            Some(record) => ResourceReport::of_run(&self.home.ports(), pipeline, record).await?,
            None => ResourceReport::new(pipeline, &id.resource),
        };
        Ok(ResourceReport {
            run: extraction.run,
            took_ms: extraction.took_ms,
            error: extraction.error,
            notices: extraction.notices,
            skipped: extraction.skipped,
            problems: own,
            ..report
        })
    }
}

/// A run of which nothing moves any more.
struct Ended {
    extractions: Vec<Extraction>,
    failed: Vec<Problem>,
    /// Why nothing more was loaded.
    away: Option<String>,
    elsewhere: Elsewhere,
    collections: Collections,
}

/// Lets `clean` and `load` take up what extraction announces, until it has ended and the queues are empty.
async fn flow<T>(workers: &Workers, queues: &Queues, extracting: impl Future<Output = Result<T, RunnerError>>) -> Result<T, RunnerError> {
    let (to_clean, to_load) = (queues.open(Function::Clean), queues.open(Function::Load));
    // Dropped with this future, the workers stop at their next await, as if killed: which they may be at any time.
    let mut working = JoinSet::new();
    working.spawn(workers.clone().clean_all(to_clean, queues.clone()));
    working.spawn(workers.clone().load_all(to_load));
    let mut extracting = pin!(extracting);
    let extracted = loop {
        tokio::select! {
            extracted = &mut extracting => break extracted?,
            Some(ended) = working.join_next() => ended.map_err(RunnerError::Panicked)??,
        }
    };
    queues.close(Function::Clean);
    while let Some(ended) = working.join_next().await {
        ended.map_err(RunnerError::Panicked)??;
    }
    Ok(extracted)
}

/// The key of what `clean` makes of a raw object under a definition.
pub fn clean_key(raw: &RawKey, definition: &str) -> CleanKey {
    CleanKey {
        raw: raw.clone(),
        definition: definition.get(..8).unwrap_or(definition).to_owned(),
    }
}

/// The resources that were asked for: all, each behind those that it waits for, or the one named.
fn chosen<'a>(checked: &'a Checked, only: Option<&Name>) -> Result<Vec<&'a Resource>, RunnerError> {
    let all = &checked.pipeline.resources;
    let Some(name) = only else { return Ok(checked.pipeline.in_order()) };
    match all.iter().find(|resource| resource.name == *name) {
        Some(resource) => Ok(vec![resource]),
        None => Err(RunnerError::UnknownResource {
            resource: name.clone(),
            there_is: all
                .iter()
                .map(|resource| format!("`{}`", resource.name))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}
