//! Watches over all pipelines: failures and silence become incidents, what was left behind is queued again, others are told when a run is complete.
//!
//! `backups`, `completion`, `dead_letters`, `freshness`, `reconcile` and `words` are pure and decide; `look`, `vault`, `letters`, `again` and `tell` carry
//! out; `marks` is what is remembered. A tick may be delivered twice, and two may run at once: incidents are opened by compare-and-swap, runs and messages are idempotent, and
//! people and the bus are told at least once (not exactly once: neither SNS nor EventBridge can).

mod again;
pub mod backups;
pub mod completion;
pub mod dead_letters;
pub mod embedded;
mod error;
pub mod freshness;
mod letters;
mod look;
pub mod marks;
pub mod ports;
pub mod reconcile;
pub mod settings;
mod tell;
mod vault;
pub mod words;

pub use backups::Promised;
pub use error::Error;
pub use ports::{DeadQueue, Event, Events, Letter, Letters, Notify, PortError, Queues, Subject, Task, Work};
pub use reconcile::Patience;

use lake::{Definitions, Store};
use ledger::incident::{self, Incident};
use ledger::{Applied, Ledger, Run, Seen, Sighting};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use words::Commands;

/// The input: it is time to look around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick;

/// What `watch` works with.
#[derive(Clone)]
pub struct Services {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub definitions: Arc<Definitions>,
    pub queues: Arc<dyn Queues>,
    pub notify: Arc<dyn Notify>,
    pub events: Arc<dyn Events>,
    /// How the commands that people are told to type end.
    pub commands: Commands,
    /// How old backups and drills may be.
    pub promised: Promised,
    pub limits: Limits,
}

/// The bounds of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The newest runs of a resource that are looked at. Of more that end between two ticks, the older are not told as completed.
    pub runs_max: usize,
    /// The newest backups, and drills, that are looked at.
    pub backups_max: usize,
    /// The letters of a dead-letter queue that are looked at.
    pub letters_max: usize,
    /// The objects of a pipeline that are asked for whether they are there.
    pub heads_max: usize,
    /// The incidents that people are told of.
    pub told_max: usize,
    pub patience: Patience,
}

impl Default for Limits {
    /// Patience for queues whose visibility time-out is 30 minutes, with 5 receives.
    fn default() -> Limits {
        Limits {
            runs_max: 50,
            backups_max: 20,
            letters_max: 100,
            heads_max: 200,
            told_max: 100,
            patience: Patience {
                after_ms: 5 * 30 * 60 * 1_000,
                attempts_max: 3,
                again_max: 100,
            },
        }
    }
}

/// What a tick did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Pipelines that were looked at.
    pub pipelines: usize,
    /// Runs that others were told of as completed, and as failed.
    pub completed: usize,
    pub failed: usize,
    /// Backups that others were told of as completed.
    pub backups: usize,
    /// Runs that were started because those they waited for have completed.
    pub started: usize,
    /// Parts that were queued again.
    pub again: usize,
    /// Dead letters that were seen.
    pub letters: usize,
    pub opened: usize,
    pub recovered: usize,
    /// Notifications that were sent.
    pub told: usize,
    /// The time was up before all pipelines were looked at: the next tick begins with the others.
    pub cut_short: bool,
}

/// Looks at everything once.
///
/// # Errors
/// [`Error`] when something could not be looked at. What could was seen to, and nothing that was not done is remembered as done.
pub async fn handle(_input: &Tick, run: &Run, services: &Services) -> Result<Outcome, Error> {
    let mut watcher = Watcher::new(run, services);
    watcher.read_standing().await?;
    let applied = watcher.read_applied().await?;
    let dead = watcher.look_at_letters().await;
    watcher.look_at_vault().await;
    watcher.look_at_pipelines(&applied, &dead).await?;
    watcher.judge_letters(&applied, dead).await;
    watcher.tell().await;
    watcher.end()
}

/// One tick at work.
struct Watcher<'a> {
    run: &'a Run,
    services: &'a Services,
    now_ms: i64,
    /// The causes that stood when the tick began, with their open incident.
    standing: BTreeMap<String, Option<Incident>>,
    /// When the last good backup and the last good drill ended.
    good_ended_ms: BTreeMap<Task, i64>,
    /// The pipelines of which it is not known what they hold.
    unread: BTreeSet<String>,
    outcome: Outcome,
    /// What could not be looked at: the first, and how many.
    problem: Option<(String, Error)>,
    problems: usize,
}

/// How many causes are read at once.
const PAGE: usize = 100;

impl<'a> Watcher<'a> {
    fn new(run: &'a Run, services: &'a Services) -> Watcher<'a> {
        Watcher {
            run,
            services,
            now_ms: run.clock.now_ms(),
            standing: BTreeMap::new(),
            good_ended_ms: BTreeMap::new(),
            unread: BTreeSet::new(),
            outcome: Outcome::default(),
            problem: None,
            problems: 0,
        }
    }

    fn ledger(&self) -> &'a dyn Ledger {
        self.services.ledger.as_ref()
    }

    async fn read_standing(&mut self) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let page = incident::causes(self.ledger(), after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|(cause, _)| cause.clone());
            for (cause, incidents) in page {
                // What can't be read is told when the tick tells.
                let open = incidents.unwrap_or_default().into_iter().find(Incident::is_open);
                self.standing.insert(cause, open);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The pipelines whose notes can be read; the others are problems of the tick, and are not taken for ones that are no more.
    async fn read_applied(&mut self) -> Result<Vec<Applied>, Error> {
        let mut all = Vec::new();
        for (pipeline, applied) in ledger::each_applied(self.ledger()).await? {
            match self.note(|| format!("the pipeline {pipeline}"), applied.map_err(Error::from)) {
                Some(applied) => all.push(applied),
                None => drop(self.unread.insert(pipeline)),
            }
        }
        Ok(all)
    }

    async fn see(&mut self, sighting: &Sighting) -> Result<(), Error> {
        if let Seen::Opened(_) = incident::see(self.ledger(), sighting).await? {
            self.outcome.opened += 1;
        }
        Ok(())
    }

    /// Asks the ledger only about causes that stood when the tick began: what another tick opened meanwhile, the next one recovers.
    async fn recover(&mut self, cause: &str, words: &str) -> Result<(), Error> {
        if self.standing.contains_key(cause) && incident::recover(self.ledger(), cause, self.now_ms, words).await?.is_some() {
            self.outcome.recovered += 1;
        }
        Ok(())
    }

    /// Keeps a problem for the end, so that the others are looked at.
    fn note<T>(&mut self, what: impl FnOnce() -> String, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems += 1;
                self.problem.get_or_insert_with(|| (what(), error));
                None
            }
        }
    }

    /// Whether there is time for another pipeline: a quarter of what there was is kept for the letters and for telling.
    fn has_time(&self) -> bool {
        self.run.deadline_ms.is_none_or(|deadline_ms| {
            let kept_ms = deadline_ms.saturating_sub(self.now_ms) / 4;
            self.run.clock.now_ms() < deadline_ms.saturating_sub(kept_ms)
        })
    }

    fn end(self) -> Result<Outcome, Error> {
        match self.problem {
            None => Ok(self.outcome),
            Some((what, source)) => Err(Error::Partly {
                count: self.problems,
                what,
                source: Box::new(source),
            }),
        }
    }
}
