//! Calls `extract` for one resource after the other.

use super::{Request, Runner, RunnerError, Skipped};
use crate::{
    failure::chain,
    local::{holder, secrets::Secrets},
};
use extract::{Outcome, Resolve, Settings};
use lake::{RunId, Store};
use ledger::{Interrupted, RunFilter};
use pipeline::Name;
use std::sync::Arc;

/// What `extract` works with in this process.
pub(super) struct Extractor<'a> {
    runner: &'a Runner,
    request: &'a Request,
    services: extract::Services,
    generation: u32,
}

/// How the extraction of a resource ended.
pub(super) struct Extraction {
    pub resource: Name,
    pub run: Option<RunId>,
    pub error: Option<String>,
    pub notices: Vec<String>,
    pub skipped: Option<Skipped>,
    pub took_ms: i64,
}

impl<'a> Extractor<'a> {
    /// Writes to `store`, which announces what is written.
    pub fn new(runner: &'a Runner, request: &'a Request, store: Arc<dyn Store>, generation: u32) -> Extractor<'a> {
        let services = extract::Services {
            store,
            ledger: runner.home.ledger.clone(),
            holder: runner.holder.clone(),
            holder_is_dead: Arc::new(holder::is_dead),
            resolve: resolver(runner.secrets.clone()),
            names: Arc::default(),
            settings: Settings::default(),
        };
        Extractor {
            runner,
            request,
            services,
            generation,
        }
    }

    /// Extracts a resource; only a stop of the whole run is an error.
    pub async fn extract(&self, resource: &Name) -> Result<Extraction, RunnerError> {
        let run = &self.runner.run;
        let began = run.clock.now_ms();
        let mut tick = extract::Tick {
            definition: self.request.checked.clone(),
            generation: self.generation,
            resource: resource.clone(),
            run: RunId::new(u64::try_from(began).unwrap_or(0), fastrand::u128(..)),
            base_url: self.request.base_url.clone(),
            folder: self.request.folder.clone(),
            pages_max: self.request.pages_max,
            continues: false,
        };
        let mut extraction = Extraction {
            resource: resource.clone(),
            run: None,
            error: None,
            notices: Vec::new(),
            skipped: None,
            took_ms: 0,
        };
        // Its own continuation, as the queue is elsewhere.
        let ended = loop {
            match extract::handle(&tick, run, &self.services).await {
                Ok(Outcome::HandedOver { run, mut notices, .. }) => {
                    extraction.notices.append(&mut notices);
                    (tick.run, tick.continues) = (run, true);
                }
                ended => break ended,
            }
        };
        match ended {
            Ok(Outcome::Extracted { run, mut notices, .. }) => {
                extraction.run = Some(run);
                extraction.notices.append(&mut notices);
            }
            Ok(Outcome::HandedOver { run, .. } | Outcome::Ended { run }) => extraction.run = Some(run),
            Ok(Outcome::Skipped { run, holder, until_ms }) => {
                extraction.run = Some(run);
                extraction.skipped = Some(Skipped { holder, until_ms });
            }
            Err(extract::Error::Interrupted { .. }) => return Err(Interrupted.into()),
            Err(error) => {
                extraction.error = Some(chain(&error));
                extraction.run = self.newest_run(resource).await?;
            }
        }
        extraction.took_ms = run.clock.now_ms() - began;
        Ok(extraction)
    }

    /// The run that failed just now: the resource's newest.
    async fn newest_run(&self, resource: &Name) -> Result<Option<RunId>, RunnerError> {
        let filter = RunFilter {
            pipeline: Some(self.request.checked.pipeline.pipeline.clone()),
            resource: Some(resource.clone()),
            limit: Some(1),
        };
        let runs = self.runner.home.ledger.runs(&filter).await?;
        Ok(runs.first().map(|record| record.id))
    }
}

/// What `${env:…}` and `${secret:…}` are.
fn resolver(secrets: Secrets) -> Resolve {
    Arc::new(move |variable| secrets.value(variable).map(Into::into).map_err(|error| chain(&error)))
}
