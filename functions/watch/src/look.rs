//! Looks at the resources of each pipeline: their runs, and what waits for them.

use crate::completion::{self, Completion, Verdict};
use crate::freshness::{self, Timing};
use crate::letters::Dead;
use crate::marks::{self, CompletedRun, INCOMPLETE_MAX, Mark, Turn};
use crate::ports::Work;
use crate::reconcile::in_turn;
use crate::{Error, Watcher, words};
use lake::{DefinitionError, RunId};
use ledger::incident::Kind;
use ledger::{Applied, ResourceId, RunFilter, RunRecord, RunState, Sighting, Totals, run_id_after};
use pipeline::{Checked, Name, Resource};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a resource while its pipeline is looked at.
struct Looked<'a> {
    id: ResourceId,
    resource: &'a Resource,
    mark: Mark,
}

/// What a look at a resource's runs adds to its mark.
#[derive(Default)]
struct News {
    told: BTreeSet<String>,
    completed: Option<CompletedRun>,
    /// Runs that are not complete, the oldest first, with the objects that each waits for.
    incomplete: Vec<(RunRecord, u64)>,
    /// Runs that could not be looked at.
    unseen: BTreeSet<String>,
}

/// What there was to tell of a run.
enum Told {
    /// Nothing, ever.
    Nothing,
    /// Nothing yet: so many objects have not reached their end state.
    Incomplete {
        objects: u64,
    },
    Failed,
    Completed,
}

impl Watcher<'_> {
    /// Looks at the pipelines, beginning behind the one that the last tick ended with.
    pub(crate) async fn look_at_pipelines(&mut self, applied: &[Applied], dead: &Dead) -> Result<(), Error> {
        let turn: Turn = marks::read(self.ledger(), marks::TURN).await?;
        let after = turn.after.as_ref().map(Name::as_str);
        let mut last = None;
        let mut seen = BTreeSet::new();
        for applied in in_turn(applied, |applied| applied.pipeline.as_str(), after) {
            if !self.has_time() {
                self.outcome.cut_short = true;
                break;
            }
            let looked = self.look_at_resources(applied).await;
            match self.note(|| format!("the pipeline {}", applied.pipeline), looked) {
                Some(looked) => seen.extend(looked),
                None => drop(self.unread.insert(applied.pipeline.to_string())),
            }
            // What is owed is owed whatever is wrong with the definition.
            let reconciled = self.reconcile(&applied.pipeline, dead).await;
            self.note(|| format!("what the pipeline {} owes", applied.pipeline), reconciled);
            self.outcome.pipelines += 1;
            last = Some(applied.pipeline.clone());
        }
        let next = Turn {
            after: last
                .filter(|_| self.outcome.cut_short)
                .or(turn.after.filter(|_| self.outcome.cut_short)),
        };
        marks::change(self.ledger(), marks::TURN, |turn: &mut Turn| turn.clone_from(&next)).await?;
        // Only who has seen them all knows which are no more.
        if !self.outcome.cut_short {
            self.recover_gone(&seen).await?;
        }
        Ok(())
    }

    /// Looks at a pipeline's resources; answers with those that it has. One that can't be looked at does not hide the others.
    async fn look_at_resources(&mut self, applied: &Applied) -> Result<Vec<ResourceId>, Error> {
        let checked = self.services.definitions.get(&applied.pipeline, &applied.definition).await?;
        let timing = Timing::of(&checked.pipeline, applied.applied_ms);
        let (mut there, mut looked) = (Vec::new(), Vec::new());
        for resource in &checked.pipeline.resources {
            let id = ResourceId {
                pipeline: applied.pipeline.clone(),
                resource: resource.name.clone(),
            };
            let mark = match applied.removed {
                // What was taken away runs no more: nothing of it can fail or be late, and no resource is there of which an incident could be open.
                true => self.look_at_removed(&id, resource, &checked).await,
                false => {
                    there.push(id.clone());
                    self.look_at_resource(&id, resource, &checked, timing.as_ref()).await
                }
            };
            if let Some(mark) = self.note(|| format!("the resource {id}"), mark) {
                looked.push(Looked { id, resource, mark });
            }
        }
        let waiting = looked.iter().filter(|looked| !looked.resource.after.is_empty() && !applied.removed);
        for resource in waiting {
            let started = self.start_after(resource, &looked).await;
            self.note(|| format!("what {} waits for", resource.id), started);
        }
        Ok(there)
    }

    /// Others are told of the last runs all the same.
    async fn look_at_removed(&mut self, id: &ResourceId, resource: &Resource, checked: &Checked) -> Result<Mark, Error> {
        let mark: Mark = marks::read(self.ledger(), &marks::mark_key(id)).await?;
        let runs = self.runs(id, &mark).await?;
        let news = self.look_at_runs(&runs, &mark, resource, checked).await;
        self.remember(id, &runs, mark, &news).await
    }

    async fn look_at_resource(
        &mut self,
        id: &ResourceId,
        resource: &Resource,
        checked: &Checked,
        timing: Option<&Timing>,
    ) -> Result<Mark, Error> {
        let mark: Mark = marks::read(self.ledger(), &marks::mark_key(id)).await?;
        let runs = self.runs(id, &mark).await?;
        self.judge_failed(id, &runs).await?;
        self.judge_skipped(id, &runs).await?;
        // One that waits for others has no schedule of its own.
        self.judge_missed(id, &runs, timing.filter(|_| resource.after.is_empty())).await?;
        let news = self.look_at_runs(&runs, &mark, resource, checked).await;
        // First, for what was told must not be told again when something else goes wrong.
        let mark = self.remember(id, &runs, mark, &news).await?;
        self.judge_late(id, &news.incomplete, timing).await?;
        Ok(mark)
    }

    /// The newest runs of a resource, and older ones that were not complete when they were looked at last; the newest first.
    async fn runs(&self, id: &ResourceId, mark: &Mark) -> Result<Vec<RunRecord>, Error> {
        let filter = RunFilter {
            pipeline: Some(id.pipeline.clone()),
            resource: Some(id.resource.clone()),
            limit: Some(self.services.limits.runs_max),
        };
        let mut runs = self.ledger().runs(&filter).await?;
        for run in mark.incomplete.iter().filter_map(|run| RunId::parse(run).ok()) {
            if runs.iter().all(|known| known.id != run) {
                runs.extend(self.ledger().run(run, id).await?);
            }
        }
        runs.sort_by_key(|run| Reverse(run.id));
        Ok(runs)
    }

    async fn judge_failed(&mut self, id: &ResourceId, runs: &[RunRecord]) -> Result<(), Error> {
        let cause = cause(Kind::FailedRun, id);
        match freshness::newest_begun(runs) {
            Some(run) if matches!(run.state, RunState::Failed { .. }) => {
                let next = self.services.commands.run(id);
                let at_ms = run.ended_ms.unwrap_or(run.started_ms);
                let sighting = sighting(Kind::FailedRun, id, at_ms, words::failed_run(run), next);
                self.see(&sighting).await
            }
            Some(run) if run.state == RunState::Extracted => self.recover(&cause, &format!("the run {} went well", run.id)).await,
            // A run that is at it may fail too.
            _ => Ok(()),
        }
    }

    async fn judge_skipped(&mut self, id: &ResourceId, runs: &[RunRecord]) -> Result<(), Error> {
        match freshness::skipped_in_a_row(runs) {
            Some((newest, count)) => {
                let next = self.services.commands.runs(id);
                let summary = words::skipped_runs(id, count);
                self.see(&sighting(Kind::SkippedRuns, id, newest.started_ms, summary, next)).await
            }
            None => self.recover(&cause(Kind::SkippedRuns, id), "a run came to its turn").await,
        }
    }

    async fn judge_missed(&mut self, id: &ResourceId, runs: &[RunRecord], timing: Option<&Timing>) -> Result<(), Error> {
        let cause = cause(Kind::MissedRun, id);
        let Some(timing) = timing else {
            return self.recover(&cause, "it has no schedule any more").await;
        };
        match timing.missed(runs, self.now_ms) {
            Some(expected_ms) => {
                let next = self.services.commands.doctor();
                let summary = words::missed_run(id, expected_ms);
                self.see(&sighting(Kind::MissedRun, id, expected_ms, summary, next)).await
            }
            None => self.recover(&cause, "it ran again").await,
        }
    }

    async fn judge_late(&mut self, id: &ResourceId, incomplete: &[(RunRecord, u64)], timing: Option<&Timing>) -> Result<(), Error> {
        let late = incomplete.iter().find_map(|(run, waiting)| {
            let due_ms = match timing {
                Some(timing) => timing.due_ms(run.started_ms)?,
                None => freshness::due_without_schedule_ms(run.started_ms),
            };
            (due_ms < self.now_ms).then_some((run, *waiting, due_ms))
        });
        match late {
            Some((run, waiting, due_ms)) => {
                let mut sighting = sighting(
                    Kind::LateRun,
                    id,
                    due_ms,
                    words::late_run(run, due_ms, waiting),
                    self.services.commands.runs(id),
                );
                sighting.objects = waiting;
                self.see(&sighting).await
            }
            None => self.recover(&cause(Kind::LateRun, id), "no run is late any more").await,
        }
    }

    /// Looks at the runs of which nobody was told yet, the oldest first. One that can't be looked at does not hide the others, and stays in sight.
    async fn look_at_runs(&mut self, runs: &[RunRecord], mark: &Mark, resource: &Resource, checked: &Checked) -> News {
        let mut news = News::default();
        let mut newest = mark.completed.as_ref().and_then(CompletedRun::id);
        for run in runs.iter().rev().filter(|run| !mark.told.contains(&run.id.to_string())) {
            let looked = self.look_at_run(run, newest, resource, checked).await;
            match self.note(|| format!("the run {} of {}", run.id, run.resource), looked) {
                Some(Told::Nothing) => {}
                Some(Told::Incomplete { objects }) => news.incomplete.push((run.clone(), objects)),
                Some(Told::Failed) => {
                    news.told.insert(run.id.to_string());
                }
                Some(Told::Completed) => {
                    news.told.insert(run.id.to_string());
                    if newest.is_none_or(|newest| run.id > newest) {
                        newest = Some(run.id);
                        news.completed = Some(CompletedRun {
                            run: run.id.to_string(),
                            ended_ms: run.ended_ms.unwrap_or(run.started_ms),
                        });
                    }
                }
                None => {
                    news.unseen.insert(run.id.to_string());
                }
            }
        }
        news
    }

    /// Tells the bus of a run that has come to its end; `newest` is the newest that is complete.
    async fn look_at_run(&mut self, run: &RunRecord, newest: Option<RunId>, resource: &Resource, checked: &Checked) -> Result<Told, Error> {
        match &run.state {
            RunState::Skipped { .. } => Ok(Told::Nothing),
            RunState::Extracting => Ok(Told::Incomplete { objects: 0 }),
            RunState::Failed { .. } => {
                let event = words::failed_event(run, self.now_ms, &self.services.commands);
                self.services.events.put(&event).await?;
                self.outcome.failed += 1;
                Ok(Told::Failed)
            }
            RunState::Extracted => match self.completion(run, resource, checked).await? {
                Completion::NotExtracted => Ok(Told::Nothing),
                Completion::Waiting { objects } => Ok(Told::Incomplete { objects }),
                Completion::Complete { totals, verdict } => {
                    let is_newest = newest.is_none_or(|newest| run.id > newest);
                    self.completed(run, &totals, verdict, is_newest).await?;
                    Ok(Told::Completed)
                }
            },
        }
    }

    /// Judges a run by the definition that it ran under; where this version can't read that any more, by the one that is applied.
    async fn completion(&self, run: &RunRecord, resource: &Resource, checked: &Checked) -> Result<Completion, Error> {
        let own = match run.definition == checked.hash.as_str() {
            true => None,
            false => match self.services.definitions.get(&run.resource.pipeline, &run.definition).await {
                Ok(own) => Some(own),
                Err(DefinitionError::Refused { .. } | DefinitionError::Damaged { .. }) => None,
                Err(error) => return Err(error.into()),
            },
        };
        let checked = own.as_deref().unwrap_or(checked);
        let named = |resource: &&Resource| resource.name == run.resource.resource;
        let resource = checked.pipeline.resources.iter().find(named).unwrap_or(resource);
        let intents = self.ledger().intents(run.id, &run.resource).await?;
        let facts = self.ledger().facts(run.id, &run.resource, &run.definition).await?;
        Ok(completion::judge(run, &intents, &facts, checked.pipeline.reject_limit, resource))
    }

    /// Tells the bus that a run is complete. Only the newest complete run says whether its resource is well.
    async fn completed(&mut self, run: &RunRecord, totals: &Totals, verdict: Verdict, is_newest: bool) -> Result<(), Error> {
        if is_newest {
            let id = &run.resource;
            let kind = match verdict {
                Verdict::Well => None,
                Verdict::OverLimit { .. } => Some((Kind::RejectsOverLimit, self.services.commands.rejects(id))),
                Verdict::NotShown(ledger::Refused::RejectsOverLimit { .. }) => Some((Kind::NotShown, self.services.commands.rejects(id))),
                Verdict::NotShown(ledger::Refused::Empty) => Some((Kind::NotShown, self.services.commands.runs(id))),
            };
            if let Some(((kind, next), summary)) = kind.clone().zip(words::verdict(run, verdict)) {
                let at_ms = run.ended_ms.unwrap_or(run.started_ms);
                let mut sighting = sighting(kind, id, at_ms, summary, next);
                sighting.objects = run.parts.into();
                sighting.records = Some(totals.clean.rejected.saturating_add(totals.load.refused));
                self.see(&sighting).await?;
            }
            for other in [Kind::RejectsOverLimit, Kind::NotShown] {
                if kind.as_ref().is_none_or(|(kind, _)| *kind != other) {
                    self.recover(&cause(other, id), &format!("the run {} came out well", run.id))
                        .await?;
                }
            }
        }
        let event = words::completed_event(run, totals, verdict, self.now_ms, &self.services.commands);
        self.services.events.put(&event).await?;
        self.outcome.completed += 1;
        Ok(())
    }

    /// Remembers the news, after they were told.
    async fn remember(&self, id: &ResourceId, runs: &[RunRecord], mut mark: Mark, news: &News) -> Result<Mark, Error> {
        let looked_at: BTreeSet<String> = runs.iter().map(|run| run.id.to_string()).collect();
        let add = |mark: &mut Mark| {
            mark.told.extend(news.told.iter().cloned());
            // Older ones are not looked at again.
            mark.told.retain(|run| looked_at.contains(run));
            let unseen = news.unseen.intersection(&mark.incomplete).cloned();
            let incomplete: BTreeSet<String> = news.incomplete.iter().map(|(run, _)| run.id.to_string()).chain(unseen).collect();
            // Ids are in the order of time, and so are their texts.
            mark.incomplete = incomplete.into_iter().rev().take(INCOMPLETE_MAX).collect();
            let is_newer = |newest: &CompletedRun| mark.completed.as_ref().is_none_or(|there| there.run < newest.run);
            if let Some(newest) = news.completed.as_ref().filter(|newest| is_newer(newest)) {
                mark.completed = Some(newest.clone());
            }
        };
        let before = mark.clone();
        add(&mut mark);
        if mark != before {
            marks::change(self.ledger(), &marks::mark_key(id), add).await?;
        }
        Ok(mark)
    }

    /// Starts a resource that waits for others, once each of them has completed a run since it was started last.
    async fn start_after(&mut self, waiting: &Looked<'_>, all: &[Looked<'_>]) -> Result<(), Error> {
        let mut completed = BTreeMap::new();
        for name in &waiting.resource.after {
            let of = all.iter().find(|looked| looked.id.resource == *name);
            let Some(run) = of.and_then(|looked| looked.mark.completed.clone()) else {
                return Ok(());
            };
            let started = waiting.mark.started_after.get(name);
            if started.is_some_and(|started| *started >= run.run) {
                return Ok(());
            }
            completed.insert(name.clone(), run);
        }
        // Beside a run that is at work it would be skipped, and start no more: the next tick asks again.
        if self
            .ledger()
            .held(&waiting.id)
            .await?
            .is_some_and(|held| held.expires_ms > self.now_ms)
        {
            return Ok(());
        }
        let ids: Vec<_> = completed.values().filter_map(CompletedRun::id).collect();
        let ended_ms = completed.values().map(|run| run.ended_ms).max().unwrap_or(self.now_ms);
        let work = Work::Extract {
            resource: waiting.id.clone(),
            run: run_id_after(&waiting.id, &ids, ended_ms),
        };
        self.services.queues.send(&work).await?;
        self.outcome.started += 1;
        marks::change(self.ledger(), &marks::mark_key(&waiting.id), |mark: &mut Mark| {
            mark.started_after = completed.iter().map(|(name, run)| (name.clone(), run.run.clone())).collect();
        })
        .await?;
        Ok(())
    }

    /// Recovers the incidents of resources that are no more.
    async fn recover_gone(&mut self, there: &BTreeSet<ResourceId>) -> Result<(), Error> {
        let gone = self.standing.iter().filter(|(_, incident)| {
            let incident = incident.as_ref().filter(|incident| is_of_runs(incident.kind));
            incident
                .and_then(|incident| incident.resource.as_ref())
                .is_some_and(|resource| !there.contains(resource) && !self.unread.contains(resource.pipeline.as_str()))
        });
        let gone: Vec<String> = gone.map(|(cause, _)| cause.clone()).collect();
        for cause in gone {
            self.recover(&cause, "the resource or its pipeline was taken away").await?;
        }
        Ok(())
    }
}

/// The cause of what goes wrong with a resource.
pub(crate) fn cause(kind: Kind, resource: &ResourceId) -> String {
    format!("{}/{resource}", kind.as_str())
}

/// A sighting that concerns one run.
pub(crate) fn sighting(kind: Kind, resource: &ResourceId, at_ms: i64, summary: String, next: String) -> Sighting {
    Sighting {
        cause: cause(kind, resource),
        kind,
        resource: Some(resource.clone()),
        queue: None,
        at_ms,
        summary,
        next,
        objects: 1,
        records: None,
    }
}

/// Whether only another run, or none ever, ends it. What lies in a queue or is owed stays a matter when its pipeline was taken away.
fn is_of_runs(kind: Kind) -> bool {
    match kind {
        Kind::FailedRun | Kind::MissedRun | Kind::LateRun | Kind::SkippedRuns | Kind::RejectsOverLimit | Kind::NotShown => true,
        Kind::DeadLetter | Kind::StuckObject | Kind::UnreadableMessage => false,
        Kind::BackupFailed | Kind::BackupLate | Kind::DrillFailed | Kind::DrillLate => false,
    }
}
