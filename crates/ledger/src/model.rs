//! The ledger as values in memory: what every ledger must answer. Tests compare the others with it; the simulator runs on it.

use crate::lease::{Decision, Held, StoredLease};
use crate::run::Ending;
use crate::{
    CollectionClaim, Cursor, Extracted, Fact, FactKey, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LedgerError, Note, ResourceId,
    RunFilter, RunRecord, RunState, Shelf, Stage, Unfinished, cursor, definition, fact, lease, run,
};
use async_trait::async_trait;
use lake::{RawKey, RunId};
use pipeline::Name;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All that a ledger keeps. `Mutex<Model>` is a [`Ledger`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The newest definition of each pipeline.
    definitions: BTreeMap<Name, (String, u32)>,
    collections: BTreeMap<Name, CollectionClaim>,
    leases: BTreeMap<ResourceId, StoredLease>,
    runs: BTreeMap<(RunId, ResourceId), RunRecord>,
    /// The definition and generation of each intent.
    intents: BTreeMap<RawKey, (String, u32)>,
    facts: BTreeMap<FactKey, Fact>,
    /// By resource and source.
    cursors: BTreeMap<(ResourceId, String), Cursor>,
    notes: BTreeMap<(Shelf, String), Note>,
}

impl Model {
    fn apply_definition(&mut self, pipeline: &Name, definition: &str) -> u32 {
        let generation = definition::generation(self.definitions.get(pipeline), definition);
        self.definitions.insert(pipeline.clone(), (definition.to_owned(), generation));
        generation
    }

    fn claim_collection(&mut self, claim: &CollectionClaim) -> CollectionClaim {
        let kept = self.collections.entry(claim.collection.clone());
        kept.or_insert_with(|| claim.clone()).clone()
    }

    fn take_lease(&mut self, resource: &ResourceId, request: &LeaseRequest, holder_is_dead: &dyn Fn(&Holder) -> bool) -> LeaseOutcome {
        let stored = self.leases.get(resource);
        let dead = lease::in_the_way(stored, request).is_some_and(holder_is_dead);
        match lease::decide(stored, request, dead) {
            Decision::Leave { holder, expires_ms } => LeaseOutcome::Held { holder, expires_ms },
            Decision::Take { token, expires_ms } => {
                let holder = request.holder.clone();
                let held = Some(Held { holder, expires_ms });
                self.leases.insert(resource.clone(), StoredLease { token, held });
                LeaseOutcome::Taken(Lease {
                    resource: resource.clone(),
                    token,
                    expires_ms,
                })
            }
        }
    }

    fn renew_lease(&mut self, lease: &Lease, expires_ms: i64) -> Result<Lease, LedgerError> {
        self.fence(lease, &lease.resource)?;
        if let Some(held) = self.leases.get_mut(&lease.resource).and_then(|stored| stored.held.as_mut()) {
            held.expires_ms = expires_ms;
        }
        Ok(Lease {
            expires_ms,
            ..lease.clone()
        })
    }

    fn release_lease(&mut self, lease: &Lease) {
        if let Some(stored) = self.leases.get_mut(&lease.resource)
            && lease::is_ours(Some(stored), lease, &lease.resource)
        {
            stored.held = None;
        }
    }

    fn begin_run(&mut self, lease: &Lease, run: &RunRecord) -> Result<RunRecord, LedgerError> {
        self.fence(lease, &run.resource)?;
        let key = (run.id, run.resource.clone());
        if self
            .runs
            .get(&key)
            .is_some_and(|stored| matches!(stored.state, RunState::Skipped { .. }))
        {
            self.runs.remove(&key);
        }
        Ok(self.insert_run(run))
    }

    /// Keeps a run unless one of its id is there; answers with the one that is kept.
    fn insert_run(&mut self, run: &RunRecord) -> RunRecord {
        let key = (run.id, run.resource.clone());
        self.runs.entry(key).or_insert_with(|| run.clone()).clone()
    }

    fn run_to_resume(&self, resource: &ResourceId) -> Option<RunRecord> {
        let mut newest_first = self.runs.values().rev();
        newest_first
            .find(|run| run.resource == *resource && run.state == RunState::Extracting)
            .cloned()
    }

    fn record_intent(&mut self, lease: &Lease, raw: &RawKey, definition: &str, generation: u32) -> Result<(), LedgerError> {
        self.fence(lease, &resource_of(raw))?;
        self.intents
            .entry(raw.clone())
            .or_insert_with(|| (definition.to_owned(), generation));
        Ok(())
    }

    fn intents(&self, run: RunId, resource: &ResourceId) -> Vec<RawKey> {
        let of_run = |raw: &&RawKey| raw.run == run && resource_of(raw) == *resource;
        self.intents.keys().filter(of_run).cloned().collect()
    }

    fn end_extraction(&mut self, lease: &Lease, extracted: &Extracted) -> Result<(), LedgerError> {
        self.fence(lease, &lease.resource)?;
        let Some(run) = self.run_to_end(extracted.run, &lease.resource, true)? else {
            return Ok(());
        };
        run.state = RunState::Extracted;
        run.ended_ms = Some(extracted.ended_ms);
        run.parts = extracted.parts;
        run.captures = extracted.captures;
        run.bytes = extracted.bytes;
        let source = run.source.clone();
        if let Some(new) = extracted.cursor {
            let key = (lease.resource.clone(), source);
            let stored = self.cursors.get(&key).copied();
            self.cursors.insert(key, cursor::advance(stored, new));
        }
        Ok(())
    }

    fn fail_extraction(&mut self, lease: &Lease, run: RunId, ended_ms: i64, message: &str) -> Result<(), LedgerError> {
        self.fence(lease, &lease.resource)?;
        if let Some(run) = self.run_to_end(run, &lease.resource, false)? {
            run.state = RunState::Failed {
                message: message.to_owned(),
            };
            run.ended_ms = Some(ended_ms);
        }
        Ok(())
    }

    fn runs(&self, filter: &RunFilter) -> Vec<RunRecord> {
        let wanted = |run: &&RunRecord| {
            let pipeline = filter.pipeline.as_ref().is_none_or(|name| *name == run.resource.pipeline);
            pipeline && filter.resource.as_ref().is_none_or(|name| *name == run.resource.resource)
        };
        let mut runs: Vec<RunRecord> = self.runs.values().filter(wanted).cloned().collect();
        runs.sort_by(|a, b| b.id.cmp(&a.id).then_with(|| a.resource.cmp(&b.resource)));
        runs.truncate(filter.limit.unwrap_or(usize::MAX));
        runs
    }

    fn record_fact(&mut self, key: &FactKey, fact: &Fact) -> Result<Fact, LedgerError> {
        if let Some(problem) = fact.fault(key) {
            let key = Box::new(key.clone());
            return Err(LedgerError::NotAFact { key, problem });
        }
        Ok(*self.facts.entry(key.clone()).or_insert(*fact))
    }

    fn facts(&self, run: RunId, resource: &ResourceId, definition: &str) -> Vec<(FactKey, Fact)> {
        let wanted = |key: &FactKey| key.raw.run == run && resource_of(&key.raw) == *resource && key.definition == definition;
        let facts = self.facts.iter().filter(|(key, _)| wanted(key));
        facts.map(|(key, fact)| (key.clone(), *fact)).collect()
    }

    fn unfinished(&self, pipeline: &Name) -> Vec<Unfinished> {
        let parts = self.intents.iter().filter(|(raw, _)| raw.pipeline == *pipeline);
        let owed = parts.filter_map(|(raw, (definition, generation))| {
            let done = |stage| {
                let (raw, definition) = (raw.clone(), definition.clone());
                self.facts.contains_key(&FactKey { raw, definition, stage })
            };
            Some(Unfinished {
                raw: raw.clone(),
                definition: definition.clone(),
                generation: *generation,
                next: fact::next_stage(done(Stage::Clean), done(Stage::Load))?,
            })
        });
        owed.collect()
    }

    fn fence(&self, lease: &Lease, resource: &ResourceId) -> Result<(), LedgerError> {
        if lease::is_ours(self.leases.get(resource), lease, resource) {
            return Ok(());
        }
        Err(LedgerError::LeaseLost {
            resource: resource.clone(),
            token: lease.token,
        })
    }

    fn put_note(&mut self, shelf: Shelf, key: &str, after: Option<u64>, text: &str) -> bool {
        let place = (shelf, key.to_owned());
        let there = self.notes.get(&place).map(|note| note.revision);
        if there == after {
            let note = Note {
                text: text.to_owned(),
                revision: after.unwrap_or(0) + 1,
            };
            self.notes.insert(place, note);
        }
        there == after
    }

    fn remove_note(&mut self, shelf: Shelf, key: &str, revision: u64) -> bool {
        let place = (shelf, key.to_owned());
        let is_that = self.notes.get(&place).is_some_and(|note| note.revision == revision);
        if is_that {
            self.notes.remove(&place);
        }
        is_that
    }

    fn notes(&self, shelf: Shelf, after: Option<&str>, limit: usize) -> Vec<(String, Note)> {
        let of_shelf = self.notes.iter().filter(|((on, _), _)| *on == shelf);
        let later = of_shelf.filter(|((_, key), _)| after.is_none_or(|after| key.as_str() > after));
        later.take(limit).map(|((_, key), note)| (key.clone(), note.clone())).collect()
    }

    /// The run, if it is to end now; `None` when it has ended so already.
    fn run_to_end(&mut self, id: RunId, resource: &ResourceId, well: bool) -> Result<Option<&mut RunRecord>, LedgerError> {
        let stored = self.runs.get_mut(&(id, resource.clone()));
        match run::ending(stored.as_deref().map(|run| &run.state), well) {
            Ok(Ending::Now) => Ok(stored),
            Ok(Ending::Already) => Ok(None),
            Err(problem) => Err(LedgerError::CannotEnd {
                run: id,
                resource: resource.clone(),
                problem,
            }),
        }
    }
}

fn resource_of(raw: &RawKey) -> ResourceId {
    ResourceId {
        pipeline: raw.pipeline.clone(),
        resource: raw.resource.clone(),
    }
}

fn locked(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Ledger for Mutex<Model> {
    async fn apply_definition(&self, pipeline: &Name, definition: &str) -> Result<u32, LedgerError> {
        Ok(locked(self).apply_definition(pipeline, definition))
    }

    async fn newest_definition(&self, pipeline: &Name) -> Result<Option<(String, u32)>, LedgerError> {
        Ok(locked(self).definitions.get(pipeline).cloned())
    }

    async fn claim_collection(&self, claim: &CollectionClaim) -> Result<CollectionClaim, LedgerError> {
        Ok(locked(self).claim_collection(claim))
    }

    async fn claimed(&self, collection: &Name) -> Result<Option<CollectionClaim>, LedgerError> {
        Ok(locked(self).collections.get(collection).cloned())
    }

    async fn take_lease(
        &self,
        resource: &ResourceId,
        request: &LeaseRequest,
        holder_is_dead: &(dyn for<'a> Fn(&'a Holder) -> bool + Sync),
    ) -> Result<LeaseOutcome, LedgerError> {
        Ok(locked(self).take_lease(resource, request, &|holder| holder_is_dead(holder)))
    }

    async fn renew_lease(&self, lease: &Lease, expires_ms: i64) -> Result<Lease, LedgerError> {
        locked(self).renew_lease(lease, expires_ms)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        locked(self).release_lease(lease);
        Ok(())
    }

    async fn held(&self, resource: &ResourceId) -> Result<Option<Held>, LedgerError> {
        Ok(locked(self).leases.get(resource).and_then(|stored| stored.held.clone()))
    }

    async fn begin_run(&self, lease: &Lease, run: &RunRecord) -> Result<RunRecord, LedgerError> {
        locked(self).begin_run(lease, run)
    }

    async fn record_skipped(&self, run: &RunRecord) -> Result<(), LedgerError> {
        locked(self).insert_run(run);
        Ok(())
    }

    async fn run_to_resume(&self, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError> {
        Ok(locked(self).run_to_resume(resource))
    }

    async fn record_intent(&self, lease: &Lease, raw: &RawKey, definition: &str, generation: u32) -> Result<(), LedgerError> {
        locked(self).record_intent(lease, raw, definition, generation)
    }

    async fn intents(&self, run: RunId, resource: &ResourceId) -> Result<Vec<RawKey>, LedgerError> {
        Ok(locked(self).intents(run, resource))
    }

    async fn end_extraction(&self, lease: &Lease, extracted: &Extracted) -> Result<(), LedgerError> {
        locked(self).end_extraction(lease, extracted)
    }

    async fn fail_extraction(&self, lease: &Lease, run: RunId, ended_ms: i64, message: &str) -> Result<(), LedgerError> {
        locked(self).fail_extraction(lease, run, ended_ms, message)
    }

    async fn run(&self, run: RunId, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError> {
        Ok(locked(self).runs.get(&(run, resource.clone())).cloned())
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
        Ok(locked(self).runs(filter))
    }

    async fn cursor(&self, resource: &ResourceId, source: &str) -> Result<Option<Cursor>, LedgerError> {
        Ok(locked(self).cursors.get(&(resource.clone(), source.to_owned())).copied())
    }

    async fn record_fact(&self, key: &FactKey, fact: &Fact, _at_ms: i64) -> Result<Fact, LedgerError> {
        locked(self).record_fact(key, fact)
    }

    async fn fact(&self, key: &FactKey) -> Result<Option<Fact>, LedgerError> {
        Ok(locked(self).facts.get(key).copied())
    }

    async fn facts(&self, run: RunId, resource: &ResourceId, definition: &str) -> Result<Vec<(FactKey, Fact)>, LedgerError> {
        Ok(locked(self).facts(run, resource, definition))
    }

    async fn unfinished(&self, pipeline: &Name) -> Result<Vec<Unfinished>, LedgerError> {
        Ok(locked(self).unfinished(pipeline))
    }

    async fn note(&self, shelf: Shelf, key: &str) -> Result<Option<Note>, LedgerError> {
        Ok(locked(self).notes.get(&(shelf, key.to_owned())).cloned())
    }

    async fn put_note(&self, shelf: Shelf, key: &str, after: Option<u64>, text: &str) -> Result<bool, LedgerError> {
        Ok(locked(self).put_note(shelf, key, after, text))
    }

    async fn remove_note(&self, shelf: Shelf, key: &str, revision: u64) -> Result<bool, LedgerError> {
        Ok(locked(self).remove_note(shelf, key, revision))
    }

    async fn notes(&self, shelf: Shelf, after: Option<&str>, limit: usize) -> Result<Vec<(String, Note)>, LedgerError> {
        Ok(locked(self).notes(shelf, after, limit))
    }
}
