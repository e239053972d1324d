//! `apply`: looks at files and stack, and carries a plan out. In an order in which it may be killed anywhere: what is left is done when it is typed again.

use super::{CloudError, Stack, secrets};
use crate::{
    apply::{self, CollectionWanted, DefinitionWanted, PipelineWanted, Plan, There, Wanted, plan::ScheduleStep, schedule},
    local::{Found, clock::SystemClock},
    publish::{self, ClaimError, PublishError, Published, Resolved},
};
use documents::{Change, Contract, DocumentsError, Tightness};
use ledger::{Clock as _, CollectionClaim, LedgerError, ResourceId, Shelf, Unfinished, applied, applied::Applied};
use pipeline::{Checked, Resource};
use std::collections::BTreeSet;

/// What stops an `apply`. What was done until then stays done.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    #[error("could not bring the collection `{collection}` to its contract")]
    Documents { collection: String, source: DocumentsError },
}

/// What is looked at and done.
pub struct Apply<'a> {
    pub stack: &'a Stack,
    pub found: &'a [Found],
    /// The files are all there are to be: what is applied and not among them is taken away.
    pub whole: bool,
    /// Whether collections are looked at, too; else they are left to `load`.
    pub collections: bool,
}

impl Apply<'_> {
    /// The collections that are another's, all of them; nothing is claimed yet.
    ///
    /// # Errors
    /// [`LedgerError`]; what is at odds is the answer.
    pub async fn at_odds(&self) -> Result<Vec<(&Found, ClaimError)>, LedgerError> {
        let mut odds = Vec::new();
        for found in self.found {
            for resource in &found.checked.pipeline.resources {
                let claim = CollectionClaim::of(&found.checked.pipeline, resource);
                let kept = self.stack.ports.ledger.claimed(&claim.collection).await?;
                let at_odds = kept.and_then(|kept| publish::at_odds(claim, kept));
                odds.extend(at_odds.map(|error| (found, error)));
            }
        }
        Ok(odds)
    }

    /// What is wanted, what is there, and what leads from one to the other. Nothing is changed.
    pub async fn plan(&self) -> Result<(Plan, Wanted), ApplyError> {
        let mut wanted = Wanted {
            pipelines: Vec::with_capacity(self.found.len()),
            whole: self.whole,
        };
        for found in self.found {
            wanted.pipelines.push(self.wanted(found).await?);
        }
        let there = There {
            applied: applied::applied(self.stack.ports.ledger.as_ref()).await?,
            schedules: self.stack.schedules.all().await?,
        };
        let mut plan = apply::plan(&wanted, &there);
        for found in self.found {
            // A pipeline may be there before its secret is.
            plan.left.extend(secrets::look(self.stack, &found.checked).await.wrong);
        }
        Ok((plan, wanted))
    }

    async fn wanted(&self, found: &Found) -> Result<PipelineWanted, ApplyError> {
        let ports = &self.stack.ports;
        let Resolved {
            checked, newest, stored, ..
        } = publish::resolve(ports, &found.checked, &found.text).await?;
        let pipeline = &checked.pipeline;
        let mut collections = Vec::new();
        if self.collections {
            let unfinished = ports.ledger.unfinished(&pipeline.pipeline).await?;
            for resource in &pipeline.resources {
                collections.push(self.collection(&checked, resource, &unfinished).await?);
            }
        }
        Ok(PipelineWanted {
            pipeline: pipeline.pipeline.clone(),
            file: found.name.clone(),
            definition: DefinitionWanted {
                hash: checked.hash.to_string(),
                newest,
                stored,
            },
            schedules: schedule::schedules(pipeline, &self.stack.names.wiring()),
            collections,
        })
    }

    async fn collection(&self, checked: &Checked, resource: &Resource, unfinished: &[Unfinished]) -> Result<CollectionWanted, ApplyError> {
        let (id, contract) = contract(checked, resource);
        let older = publish::older(self.stack.ports.ledger.as_ref(), &id, checked.hash.as_str(), unfinished).await?;
        // While objects of older definitions may come, the validator lets them in.
        let tightness = if older > 0 { Tightness::Relaxed } else { Tightness::Tight };
        let planned = self.stack.ports.documents.plan(&contract, tightness).await;
        let planned = planned.map_err(|source| failed(&contract, source))?;
        let mut wanted = CollectionWanted {
            collection: contract.collection.to_string(),
            ..CollectionWanted::default()
        };
        for change in planned {
            match &change {
                Change::Leave { what } => wanted.left.push(what.clone()),
                Change::CreateCollection { .. } => {
                    wanted.is_new = true;
                    wanted.changes.push(change.to_string());
                }
                _ => wanted.changes.push(change.to_string()),
            }
        }
        Ok(wanted)
    }

    /// Does what the plan says; `say` is told of each step that is done. Answers with what the database could not do, a sentence each.
    ///
    /// Collections come before definitions, so that nothing is loaded into one that would refuse it; definitions before schedules, so that no tick finds none;
    /// and a pipeline counts as taken away when its schedules are.
    pub async fn carry_out(&self, plan: &Plan, say: &(dyn Fn(&str) + Sync)) -> Result<Vec<String>, ApplyError> {
        let mut notices = Vec::new();
        let touched: BTreeSet<&str> = plan.collections.iter().map(|step| step.collection.as_str()).collect();
        let to_publish: BTreeSet<&str> = plan.definitions.iter().map(|step| step.pipeline.as_str()).collect();
        for found in self.found {
            let checked = &found.checked;
            let touches = |resource: &&Resource| touched.contains(resource.load.collection.as_str());
            let resources: Vec<&Resource> = checked.pipeline.resources.iter().filter(touches).collect();
            let publishes = to_publish.contains(checked.pipeline.pipeline.as_str());
            if !publishes && resources.is_empty() {
                continue;
            }
            let all: Vec<&Resource> = checked.pipeline.resources.iter().collect();
            publish::claim(self.stack.ports.ledger.as_ref(), checked, &all).await?;
            for resource in &resources {
                self.bring(checked, resource, Tightness::Relaxed, &mut notices).await?;
            }
            let published = match publishes {
                true => self.publish(found, say).await?.checked,
                false => publish::resolve(&self.stack.ports, checked, &found.text).await?.checked,
            };
            for resource in &resources {
                self.tighten(&published, resource, &mut notices).await?;
                say(&format!("the collection {} is as its contract says", resource.load.collection));
            }
        }
        for step in &plan.schedules {
            self.schedule(step, say).await?;
        }
        self.take_away(plan, say).await?;
        Ok(notices)
    }

    async fn publish(&self, found: &Found, say: &(dyn Fn(&str) + Sync)) -> Result<Published, ApplyError> {
        let ports = &self.stack.ports;
        let published = publish::publish(ports, &found.checked, &found.text).await?;
        let pipeline = &found.checked.pipeline.pipeline;
        let known_ms = self.scheduled_since(&published.checked).await?;
        let note = Applied {
            pipeline: pipeline.clone(),
            definition: published.checked.hash.to_string(),
            generation: published.generation,
            file: found.name.clone(),
            removed: false,
            applied_ms: known_ms.unwrap_or_else(|| SystemClock.now_ms()),
        };
        applied::put_applied(ports.ledger.as_ref(), &note).await?;
        say(&format!(
            "{pipeline}: published {} as generation {}",
            published.checked.hash.short(),
            published.generation
        ));
        Ok(published)
    }

    /// Since when the pipeline has the schedules that it has now, if an edit left them as they were: `watch` counts missed runs from there, and one that was
    /// missed before the edit stays missed.
    async fn scheduled_since(&self, now: &Checked) -> Result<Option<i64>, ApplyError> {
        let ports = &self.stack.ports;
        let Some(note) = ports.ledger.note(Shelf::Pipelines, now.pipeline.pipeline.as_str()).await? else {
            return Ok(None);
        };
        let before = serde_json::from_str::<Applied>(&note.text).ok().filter(|before| !before.removed);
        let Some(before) = before else { return Ok(None) };
        // A definition that can't be read has schedules that nobody knows.
        let Ok(definition) = ports.definitions.get(&before.pipeline, &before.definition).await else {
            return Ok(None);
        };
        let wiring = self.stack.names.wiring();
        let schedules = |of: &Checked| schedule::schedules(&of.pipeline, &wiring);
        Ok((schedules(&definition) == schedules(now)).then_some(before.applied_ms))
    }

    /// Tightens the validator, unless documents of an older definition may still come.
    async fn tighten(&self, checked: &Checked, resource: &Resource, notices: &mut Vec<String>) -> Result<(), ApplyError> {
        let ledger = self.stack.ports.ledger.as_ref();
        let (id, contract) = contract(checked, resource);
        let unfinished = ledger.unfinished(&id.pipeline).await?;
        match publish::older(ledger, &id, checked.hash.as_str(), &unfinished).await? {
            0 => self.bring(checked, resource, Tightness::Tight, notices).await,
            _ => {
                notices.push(format!(
                    "the validator of `{}` still allows what older definitions allow: objects of theirs are to be loaded yet; apply again when they are",
                    contract.collection
                ));
                Ok(())
            }
        }
    }

    async fn bring(
        &self,
        checked: &Checked,
        resource: &Resource,
        tightness: Tightness,
        notices: &mut Vec<String>,
    ) -> Result<(), ApplyError> {
        let documents = &self.stack.ports.documents;
        let (_, contract) = contract(checked, resource);
        let failed = |source| failed(&contract, source);
        let mut changes = documents.plan(&contract, tightness).await.map_err(failed)?;
        changes.retain(|change| !matches!(change, Change::Leave { .. }));
        let left = documents.carry_out(&contract, &changes).await.map_err(failed)?;
        for what in left.into_iter().map(|what| format!("`{}`: {what}", contract.collection)) {
            if !notices.contains(&what) {
                notices.push(what);
            }
        }
        Ok(())
    }

    async fn schedule(&self, step: &ScheduleStep, say: &(dyn Fn(&str) + Sync)) -> Result<(), ApplyError> {
        let schedules = &self.stack.schedules;
        match step {
            ScheduleStep::Create(to) => {
                schedules.create(to).await?;
                say(&format!("created the schedule {}", to.name));
            }
            ScheduleStep::Change { to, .. } => {
                schedules.change(to).await?;
                say(&format!("changed the schedule {}", to.name));
            }
            ScheduleStep::Delete { name, .. } => {
                schedules.delete(name).await?;
                say(&format!("deleted the schedule {name}"));
            }
        }
        Ok(())
    }

    async fn take_away(&self, plan: &Plan, say: &(dyn Fn(&str) + Sync)) -> Result<(), ApplyError> {
        let ledger = self.stack.ports.ledger.as_ref();
        if plan.removed.is_empty() {
            return Ok(());
        }
        for note in applied::applied(ledger).await? {
            if plan.removed.contains(&note.pipeline) {
                let gone = Applied {
                    removed: true,
                    applied_ms: SystemClock.now_ms(),
                    ..note
                };
                applied::put_applied(ledger, &gone).await?;
                say(&format!("took away {}; its data stays", gone.pipeline));
            }
        }
        Ok(())
    }
}

fn contract(checked: &Checked, resource: &Resource) -> (ResourceId, Contract) {
    let id = ResourceId {
        pipeline: checked.pipeline.pipeline.clone(),
        resource: resource.name.clone(),
    };
    let contract = Contract::of(resource, &id.to_string());
    (id, contract)
}

fn failed(contract: &Contract, source: DocumentsError) -> ApplyError {
    ApplyError::Documents {
        collection: contract.collection.to_string(),
        source,
    }
}
