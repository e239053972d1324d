//! Queues again what reached no end state (law 5).

use crate::dead_letters::DeadPart;
use crate::letters::Dead;
use crate::look::{cause, sighting};
use crate::marks;
use crate::ports::Work;
use crate::reconcile::{Attempts, in_turn};
use crate::{Error, Watcher, words};
use lake::{CleanKey, RawMetadata};
use ledger::incident::Kind;
use ledger::{ResourceId, Stage, Unfinished};
use pipeline::Name;
use std::collections::{BTreeMap, BTreeSet};

/// A part that is owed, under the key by which it is remembered.
struct Owed {
    key: String,
    part: Unfinished,
}

/// What was done to a pipeline's parts.
#[derive(Default)]
struct Done {
    again: Vec<String>,
    /// Where the next tick goes on.
    after: Option<String>,
}

impl Watcher<'_> {
    /// Queues the parts of a pipeline again that wait for too long, a bounded number; those that were tried often enough are an incident.
    pub(crate) async fn reconcile(&mut self, pipeline: &Name, dead: &Dead) -> Result<(), Error> {
        let mut owed: Vec<Owed> = self.ledger().unfinished(pipeline).await?.into_iter().map(Owed::of).collect();
        owed.sort_by(|one, other| one.key.cmp(&other.key));
        let keys: BTreeSet<&str> = owed.iter().map(|owed| owed.key.as_str()).collect();
        let note = marks::attempts_key(pipeline);
        let before: Attempts = marks::read(self.ledger(), &note).await?;
        if owed.is_empty() && before == Attempts::default() {
            return Ok(());
        }
        let done = self.queue_again(&owed, &before, dead).await;
        let now_ms = self.now_ms;
        let add = |attempts: &mut Attempts| {
            attempts.keep(|part| keys.contains(part));
            for part in &done.again {
                attempts.count(part, now_ms);
            }
            attempts.after.clone_from(&done.after);
        };
        let mut attempts = before.clone();
        add(&mut attempts);
        if attempts != before {
            marks::change(self.ledger(), &note, add).await?;
        }
        self.judge_stuck(pipeline, &owed, &attempts).await
    }

    /// A part that can't be looked at or queued is a problem of the tick, and its turn comes again; what was queued is counted all the same.
    async fn queue_again(&mut self, owed: &[Owed], attempts: &Attempts, dead: &Dead) -> Done {
        let limits = self.services.limits;
        let (mut done, mut heads) = (Done::default(), 0);
        done.after.clone_from(&attempts.after);
        for Owed { key, part } in in_turn(owed, |owed| &owed.key, attempts.after.as_deref()) {
            if heads >= limits.heads_max || done.again.len() >= limits.patience.again_max || !self.has_time() {
                return done;
            }
            let now_ms = self.now_ms;
            let is_due = |since_ms| attempts.is_due(key, since_ms, now_ms, &limits.patience);
            let began_ms = i64::try_from(part.raw.run.started_ms()).unwrap_or(i64::MAX);
            // What lies in a dead-letter queue is known, and its turn comes by `redrive`.
            if !is_due(began_ms) || dead.holds(&part.raw, &part.definition) {
                continue;
            }
            heads += 1;
            done.after = Some(key.clone());
            let work = self.work(part, began_ms).await;
            let work = self.note(|| format!("the part {key}"), work).flatten();
            if let Some((work, at_ms)) = work
                && is_due(at_ms)
            {
                let sent = self.services.queues.send(&work).await.map_err(Error::from);
                if self.note(|| format!("the part {key}"), sent).is_none() {
                    // The queue will not take the others either.
                    return done;
                }
                self.outcome.again += 1;
                done.again.push(key.clone());
            }
        }
        done.after = None;
        done
    }

    /// What brings a part on, and since when it is there. An intent whose object never came to be is the extraction's to put: there is nothing to lose yet.
    /// A clean object that is gone is made again. One whose metadata can't be read is `clean`'s to refuse: then it lies in a dead-letter queue, and is seen.
    async fn work(&self, part: &Unfinished, began_ms: i64) -> Result<Option<(Work, i64)>, Error> {
        let raw = part.raw.key();
        let Some(metadata) = self.services.store.head(&raw).await? else {
            return Ok(None);
        };
        let at_ms = RawMetadata::from_metadata(&raw, &metadata).map_or(began_ms, |metadata| metadata.at_ms);
        let clean = CleanKey {
            raw: part.raw.clone(),
            definition: short(&part.definition).to_owned(),
        };
        let is_clean = part.next == Stage::Load && self.services.store.head(&clean.clean()).await?.is_some();
        let work = match is_clean {
            true => Work::Load(clean),
            false => Work::Clean(part.raw.clone()),
        };
        Ok(Some((work, at_ms)))
    }

    async fn judge_stuck(&mut self, pipeline: &Name, owed: &[Owed], attempts: &Attempts) -> Result<(), Error> {
        let patience = self.services.limits.patience;
        let stuck: BTreeSet<&str> = attempts.stuck(self.now_ms, &patience).into_iter().collect();
        let mut by_resource: BTreeMap<ResourceId, Vec<&Unfinished>> = BTreeMap::new();
        for owed in owed.iter().filter(|owed| stuck.contains(owed.key.as_str())) {
            by_resource.entry(owed.resource()).or_default().push(&owed.part);
        }
        for (resource, parts) in &by_resource {
            let first_ms = parts.iter().map(|part| part.raw.run.started_ms()).min().unwrap_or(0);
            let count = parts.len() as u64;
            let mut sighting = sighting(
                Kind::StuckObject,
                resource,
                i64::try_from(first_ms).unwrap_or(i64::MAX),
                words::stuck(resource, count, patience.attempts_max),
                self.services.commands.replay(resource),
            );
            sighting.objects = count;
            let parts = parts.iter().map(|part| DeadPart {
                raw: part.raw.key().to_string(),
                definition: Some(part.definition.clone()),
            });
            sighting.records = self.records(&parts.collect(), None).await?;
            self.see(&sighting).await?;
        }
        let prefix = format!("{}/{pipeline}/", Kind::StuckObject.as_str());
        let of_pipeline = self.standing.keys().filter(|cause| cause.starts_with(&prefix)).cloned();
        let seen: BTreeSet<String> = by_resource.keys().map(|resource| cause(Kind::StuckObject, resource)).collect();
        for cause in of_pipeline.filter(|cause| !seen.contains(cause)).collect::<Vec<_>>() {
            self.recover(&cause, "every object reached its end state").await?;
        }
        Ok(())
    }
}

impl Owed {
    fn of(part: Unfinished) -> Owed {
        Owed {
            key: format!("{} {}", part.raw.key(), short(&part.definition)),
            part,
        }
    }

    fn resource(&self) -> ResourceId {
        ResourceId {
            pipeline: self.part.raw.pipeline.clone(),
            resource: self.part.raw.resource.clone(),
        }
    }
}

fn short(definition: &str) -> &str {
    definition.get(..8).unwrap_or(definition)
}
