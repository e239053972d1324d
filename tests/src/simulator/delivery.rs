//! Deliveries: every object's work is queued, taken out in any order, killed, done twice, beside others, until all is done.

use super::Nature;
use super::extraction::Lake;
use super::history::{Disposition, History};
use super::model::{self, Cleaning, Made};
use bson::RawDocument;
use documents::{Batch, Documents, Target, Version};
use fastrand::Rng;
use lake::{CleanKey, Part, RunId};
use ledger::{CleanTally, Fact, FactKey, Ledger, LoadTally, Missing, Replacement, Stage, replacement};
use pipeline::{Name, RejectLimit};
use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

/// What lies in queues.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// Record what `clean` made of it.
    Cleaned(Cleaning),
    Load(Cleaning),
    /// The marker of a `replace` run.
    Marker {
        run: RunId,
        generation: u32,
    },
}

/// Everything that is delivered: the same for the stores and for the model.
pub struct Plan {
    pub cleanings: BTreeSet<Cleaning>,
    pub cleaned: BTreeMap<Cleaning, (Vec<Made>, CleanTally)>,
    /// (run, generation) → parts
    pub markers: BTreeMap<(RunId, u32), u32>,
}

impl Plan {
    /// Every part under the definition it was fetched under, and some replayed under another.
    pub fn new(history: &History, lake: &Lake, rng: &mut Rng) -> Plan {
        let mut plan = Plan {
            cleanings: BTreeSet::new(),
            cleaned: BTreeMap::new(),
            markers: BTreeMap::new(),
        };
        for run in &history.runs {
            for generation in 1..=history.definitions.len() as u32 {
                if generation == run.generation || (generation > run.generation && rng.bool()) {
                    let parts = lake.raw.keys().filter(|(id, _)| *id == run.id).map(|(_, part)| *part);
                    plan.cleanings.extend(parts.map(|part| Cleaning {
                        run: run.id,
                        part,
                        generation,
                    }));
                    if let (Disposition::Replace, Some(parts)) = (history.disposition, lake.ended.get(&run.id)) {
                        plan.markers.insert((run.id, generation), *parts);
                    }
                }
            }
        }
        for cleaning in &plan.cleanings {
            plan.cleaned.insert(*cleaning, model::clean(history, &lake.raw, *cleaning));
        }
        plan
    }

    fn messages(&self) -> Vec<Message> {
        let of_parts = self
            .cleanings
            .iter()
            .flat_map(|cleaning| [Message::Cleaned(*cleaning), Message::Load(*cleaning)]);
        let markers = self.markers.keys().map(|(run, generation)| Message::Marker {
            run: *run,
            generation: *generation,
        });
        of_parts.chain(markers).collect()
    }
}

/// A loader: what it needs to work on a message.
pub struct Worker<'a> {
    pub history: &'a History,
    pub plan: &'a Plan,
    pub ledger: &'a dyn Ledger,
    pub documents: &'a dyn Documents,
}

/// How a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Done,
    /// Killed, or something it needs is not there yet: it comes again.
    Again,
}

pub fn collection() -> Name {
    Name::new("simulated").unwrap()
}

/// Delivers everything until all is done. A message that is done may come again.
pub async fn deliver(workers: &[Worker<'_>; 2], nature: Nature, rng: &mut Rng) {
    let mut queue = workers[0].plan.messages();
    let mut repeats = queue.len();
    while !queue.is_empty() {
        let mut in_hand: Vec<Message> = Vec::new();
        for _ in 0..rng.usize(1..=2) {
            if !queue.is_empty() {
                in_hand.push(queue.swap_remove(rng.usize(0..queue.len())));
            }
        }
        // The same message to two workers at once, now and then.
        if in_hand.len() == 1 && rng.u8(0..8) == 0 {
            in_hand.push(in_hand[0]);
        }
        let patience: Vec<u32> = in_hand
            .iter()
            .map(|_| if rng.u8(0..4) == 0 { rng.u32(0..8) } else { u32::MAX })
            .collect();
        let mut life = || {
            if nature.dies_within && rng.u8(0..4) == 0 {
                rng.u32(1..60)
            } else {
                u32::MAX
            }
        };
        let lives = [life(), life()];
        let ends = match in_hand.as_slice() {
            [one] => vec![dying(lives[0], workers[rng.usize(0..2)].work(*one, patience[0])).await],
            [one, other] => {
                let one = dying(lives[0], workers[0].work(*one, patience[0]));
                let (one, other) = tokio::join!(one, dying(lives[1], workers[1].work(*other, patience[1])));
                vec![one, other]
            }
            _ => unreachable!("one or two"),
        };
        for (message, end) in in_hand.iter().zip(ends) {
            if end == End::Again {
                queue.push(*message);
            } else if repeats > 0 && rng.u8(0..3) == 0 {
                repeats -= 1;
                queue.push(*message);
            }
        }
    }
}

/// Does the work, unless it has not ended after so many polls: then it is dropped where it stands, and what it sent may still arrive.
async fn dying(mut polls: u32, work: impl Future<Output = End>) -> End {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Pending if polls == 0 => Poll::Ready(End::Again),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
        ended => ended,
    })
    .await
}

impl Worker<'_> {
    /// Works on a message, and is killed after `patience` steps.
    pub async fn work(&self, message: Message, mut patience: u32) -> End {
        let mut step = || {
            let alive = patience > 0;
            patience = patience.saturating_sub(1);
            alive
        };
        match message {
            Message::Cleaned(cleaning) => {
                if !step() {
                    return End::Again;
                }
                let tally = self.plan.cleaned[&cleaning].1;
                self.record(cleaning, Fact::Clean(tally)).await;
                if step() { End::Done } else { End::Again }
            }
            Message::Load(cleaning) => self.load(cleaning, &mut step).await,
            Message::Marker { run, generation } if step() => self.replace(run, generation).await,
            Message::Marker { .. } => End::Again,
        }
    }

    async fn load(&self, cleaning: Cleaning, step: &mut impl FnMut() -> bool) -> End {
        let object = self.object(cleaning);
        let made = &self.plan.cleaned[&cleaning].0;
        let target = Target {
            collection: collection(),
            version: self.version(cleaning.run, cleaning.generation),
        };
        let mut tally = LoadTally::default();
        for (ordinal, chunk) in made.chunks(self.history.batch_documents).enumerate() {
            if !step() {
                return End::Again;
            }
            let documents: Vec<&RawDocument> = chunk.iter().map(|made| RawDocument::from_bytes(&made.bytes).unwrap()).collect();
            let batch = Batch {
                object: &object,
                ordinal: ordinal as u32,
                documents: &documents,
            };
            let outcome = self.documents.write(&target, &batch).await.unwrap();
            assert!(outcome.refusals.is_empty());
            let of = outcome.tally;
            tally += LoadTally {
                documents_in: documents.len() as u64,
                inserted: of.inserted,
                updated: of.updated,
                unchanged: of.unchanged,
                stale: of.stale,
                superseded: of.superseded,
                refused: of.refused,
            };
            tokio::task::yield_now().await;
        }
        assert!(tally.balances(), "{tally:?}");
        if !step() {
            return End::Again;
        }
        self.record(cleaning, Fact::Load(tally)).await;
        if !step() {
            return End::Again;
        }
        self.documents.settle(&object).await.unwrap();
        if !step() {
            return End::Again;
        }
        self.replace(cleaning.run, cleaning.generation).await
    }

    /// Whoever completes the count replaces.
    async fn replace(&self, run: RunId, generation: u32) -> End {
        let Some(version) = self.version(run, generation) else {
            return End::Done;
        };
        let definition = &self.history.definition(generation).hash;
        let facts = self.ledger.facts(run, &self.history.resource, definition).await.unwrap();
        tokio::task::yield_now().await;
        let limit = RejectLimit::Count(self.history.reject_limit);
        let parts = self.plan.markers.get(&(run, generation)).copied();
        match replacement(parts, &facts, limit, self.history.allow_empty) {
            Replacement::Ready => {
                self.documents.replace(&collection(), version).await.unwrap();
                End::Done
            }
            Replacement::Wait(Missing::CleanFacts(_)) => End::Again,
            Replacement::Wait(Missing::Marker | Missing::Loads(_)) | Replacement::Refused(_) => End::Done,
        }
    }

    async fn record(&self, cleaning: Cleaning, fact: Fact) {
        let stage = if matches!(fact, Fact::Clean(_)) {
            Stage::Clean
        } else {
            Stage::Load
        };
        let key = self.fact_key(cleaning, stage);
        let kept = self.ledger.record_fact(&key, &fact, 0).await.unwrap();
        assert_eq!(
            self.ledger.fact(&key).await.unwrap(),
            Some(kept),
            "the first completion wins, and stays"
        );
    }

    pub fn fact_key(&self, cleaning: Cleaning, stage: Stage) -> FactKey {
        let raw = self.history.raw_key(cleaning.run, Part::Number(cleaning.part));
        FactKey {
            raw,
            definition: self.history.definition(cleaning.generation).hash.clone(),
            stage,
        }
    }

    fn object(&self, cleaning: Cleaning) -> String {
        let raw = self.history.raw_key(cleaning.run, Part::Number(cleaning.part));
        let definition = format!("{:08}", cleaning.generation);
        CleanKey { raw, definition }.clean().to_string()
    }

    fn version(&self, run: RunId, generation: u32) -> Option<Version> {
        (self.history.disposition == Disposition::Replace).then(|| Version {
            run: run.to_bytes(),
            generation,
        })
    }
}
