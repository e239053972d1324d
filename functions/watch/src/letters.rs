//! Looks into the dead-letter queues, and judges what is there and what is there no more.

use crate::dead_letters::{DeadPart, Group, PARTS_MAX, groups, task_of};
use crate::freshness;
use crate::marks;
use crate::ports::DeadQueue;
use crate::{Error, Watcher, words};
use lake::RawKey;
use ledger::incident::{Incident, Kind};
use ledger::{Applied, Fact, FactKey, ResourceId, RunFilter, RunState, Sighting, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen in the dead-letter queues.
#[derive(Default)]
pub(crate) struct Dead {
    /// By cause.
    groups: BTreeMap<String, (DeadQueue, Group)>,
    /// The queues of which every letter was seen.
    whole: BTreeSet<DeadQueue>,
    parts: BTreeSet<DeadPart>,
}

impl Dead {
    /// Whether a letter about this part was seen.
    pub fn holds(&self, raw: &RawKey, definition: &str) -> bool {
        // There is a definition or its beginning, or none: the order of parts is that of their keys first.
        let key = raw.key().to_string();
        let from = DeadPart {
            raw: key.clone(),
            definition: None,
        };
        let same = self.parts.range(from..).take_while(|part| part.raw == key);
        same.into_iter()
            .any(|part| part.definition.as_deref().is_none_or(|mine| definition.starts_with(mine)))
    }
}

/// The most parts of a cause whose records are counted: each is a question to the ledger.
const COUNTED_MAX: usize = 100;

impl Watcher<'_> {
    pub(crate) async fn look_at_letters(&mut self) -> Dead {
        let mut dead = Dead::default();
        for queue in DeadQueue::ALL {
            let seen = self.services.queues.dead_letters(queue, self.services.limits.letters_max).await;
            let Some(seen) = self.note(|| format!("the dead-letter queue of {}", queue.as_str()), seen.map_err(Error::from)) else {
                continue;
            };
            self.outcome.letters += seen.letters.len();
            if !seen.more {
                dead.whole.insert(queue);
            }
            for (cause, group) in groups(queue, &seen.letters) {
                dead.parts.extend(group.parts.iter().cloned());
                dead.groups.insert(cause, (queue, group));
            }
        }
        dead
    }

    pub(crate) async fn judge_letters(&mut self, applied: &[Applied], dead: Dead) {
        for (cause, (queue, group)) in &dead.groups {
            let judged = self.judge_group(cause, *queue, group, !dead.whole.contains(queue), applied).await;
            self.note(|| cause.clone(), judged);
        }
        let is_gone = |incident: &&Incident| {
            let whole = dead.whole.iter().any(|queue| Some(queue.as_str()) == incident.queue.as_deref());
            whole && matches!(incident.kind, Kind::DeadLetter | Kind::UnreadableMessage) && !dead.groups.contains_key(&incident.cause)
        };
        let gone: Vec<Incident> = self.standing.values().flatten().filter(is_gone).cloned().collect();
        for incident in gone {
            let recovered = self.recover_letters(&incident, applied).await;
            self.note(|| incident.cause.clone(), recovered);
        }
    }

    async fn judge_group(&mut self, cause: &str, queue: DeadQueue, group: &Group, more: bool, applied: &[Applied]) -> Result<(), Error> {
        if !group.parts.is_empty() {
            marks::change(self.ledger(), &marks::dead_key(cause), |dead: &mut marks::Dead| {
                let room = PARTS_MAX.saturating_sub(dead.parts.len());
                let new: Vec<DeadPart> = group.parts.difference(&dead.parts).take(room).cloned().collect();
                dead.parts.extend(new);
            })
            .await?;
        }
        let commands = &self.services.commands;
        let resource = group.about.resource();
        let newest = resource.and_then(|resource| newest_definition(applied, resource));
        let sighting = Sighting {
            cause: cause.to_owned(),
            kind: group.about.kind(),
            resource: resource.cloned(),
            queue: Some(queue.as_str().to_owned()),
            at_ms: group.newest_ms,
            summary: words::dead_letters(queue, group, more),
            next: match group.about.kind() {
                Kind::UnreadableMessage => commands.show(),
                _ => commands.redrive(),
            },
            objects: (group.parts.len() as u64).max(group.letters),
            records: match group.parts.is_empty() {
                true => None,
                false => self.records(&group.parts, newest).await?,
            },
        };
        self.see(&sighting).await
    }

    /// Recovers an incident whose letters are gone, once the ledger says that what they were about has reached its end state.
    async fn recover_letters(&mut self, incident: &Incident, applied: &[Applied]) -> Result<(), Error> {
        let key = marks::dead_key(&incident.cause);
        let dead: marks::Dead = marks::read(self.ledger(), &key).await?;
        let words = match (&incident.resource, task_of(&incident.cause)) {
            (None, None) => "no such message is there any more",
            (None, Some(task)) => {
                // Sent back or not: only one that went well since shows that what they asked for is done.
                let ended_ms = self.good_ended_ms.get(&task);
                if ended_ms.is_none_or(|ended_ms| *ended_ms < incident.opened_ms) {
                    return Ok(());
                }
                "what the messages asked for was done"
            }
            (Some(resource), _) => {
                let newest = newest_definition(applied, resource);
                let ended = match dead.parts.is_empty() {
                    true => self.has_run_since(resource, incident.opened_ms).await?,
                    false => self.have_ended(&dead.parts, newest).await?,
                };
                if !ended {
                    return Ok(());
                }
                "what the messages were about has reached its end state"
            }
        };
        self.recover(&incident.cause, words).await?;
        marks::change(self.ledger(), &key, |dead: &mut marks::Dead| *dead = marks::Dead::default()).await?;
        Ok(())
    }

    /// Whether each part has been loaded (or found to hold nothing to load). One whose definition can't be told counts as ended: its letter is gone.
    async fn have_ended(&self, parts: &BTreeSet<DeadPart>, newest: Option<&str>) -> Result<bool, Error> {
        for part in parts {
            if let Some(key) = self.fact_key(part, newest, Stage::Load).await?
                && self.ledger().fact(&key).await?.is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many documents `clean` made of the parts; `None` when that is not known of all.
    pub(crate) async fn records(&self, parts: &BTreeSet<DeadPart>, newest: Option<&str>) -> Result<Option<u64>, Error> {
        if parts.len() > COUNTED_MAX {
            return Ok(None);
        }
        let mut records = 0_u64;
        for part in parts {
            let fact = match self.fact_key(part, newest, Stage::Clean).await? {
                Some(key) => self.ledger().fact(&key).await?,
                None => None,
            };
            match fact {
                Some(Fact::Clean(tally)) => records = records.saturating_add(tally.out),
                _ => return Ok(None),
            }
        }
        Ok(Some(records))
    }

    async fn fact_key(&self, part: &DeadPart, newest: Option<&str>, stage: Stage) -> Result<Option<FactKey>, Error> {
        let Some(raw) = part.raw_key() else { return Ok(None) };
        let id = ResourceId {
            pipeline: raw.pipeline.clone(),
            resource: raw.resource.clone(),
        };
        let own = self.ledger().run(raw.run, &id).await?.map(|run| run.definition);
        let definition = part.definition(own.as_deref(), newest);
        Ok(definition.map(|definition| FactKey { raw, definition, stage }))
    }

    /// Whether a run of the resource went well that ended after `since_ms`.
    async fn has_run_since(&self, resource: &ResourceId, since_ms: i64) -> Result<bool, Error> {
        let filter = RunFilter {
            pipeline: Some(resource.pipeline.clone()),
            resource: Some(resource.resource.clone()),
            limit: Some(self.services.limits.runs_max),
        };
        let runs = self.ledger().runs(&filter).await?;
        let newest = freshness::newest_begun(&runs);
        Ok(newest.is_some_and(|run| run.state == RunState::Extracted && run.ended_ms.is_some_and(|ended_ms| ended_ms >= since_ms)))
    }
}

fn newest_definition<'a>(applied: &'a [Applied], resource: &ResourceId) -> Option<&'a str> {
    let of = applied.iter().find(|applied| applied.pipeline == resource.pipeline);
    of.map(|applied| applied.definition.as_str())
}
