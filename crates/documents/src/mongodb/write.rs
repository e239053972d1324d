//! Writing a batch: read what is there, agree on a plan, write only what is still as it was read; then look at what did not go so, until nothing is left.

use std::time::Duration;

use bson::RawDocumentBuf;

use super::MongoDocuments;
use super::attempt::{Attempt, Plan, id_of, rank_of};
use super::command::{self, COMMAND_BYTES_MAX, Replacement, cut};
use super::cursor::batches;
use super::error::{Fault, FaultKind};
use super::patience::{Patience, pause};
use super::receipts::{self, Known, Receipt};
use super::replace::{self, Place};
use super::reply::{self, Meaning, is_of_a_document};
use crate::element::Element;
use crate::prepare::Prepared;
use crate::{Batch, DocumentsError, Tally, Target, Unreadable, WriteOutcome};

const ACTION: &str = "write documents";

pub(super) async fn write(store: &MongoDocuments, target: &Target, batch: &Batch<'_>) -> Result<WriteOutcome, DocumentsError> {
    let prepared = Prepared::new(batch)?;
    let attempt = Attempt::new(&prepared).map_err(|(index, problem)| DocumentsError::NotClean {
        object: batch.object.to_owned(),
        index,
        problem,
    })?;
    let mut writing = Writing {
        store,
        target,
        batch,
        receipt: receipts::id_of(batch),
        prints: attempt.prints(),
        attempt,
        held: None,
        place: String::new(),
        occupied: Vec::new(),
    };
    let mut patience = Patience::new();
    let named = |fault: Fault| fault.named(ACTION, target.collection.as_str());
    loop {
        let before = writing.attempt.done();
        let round = writing.round().await;
        if writing.attempt.done() > before {
            patience.progressed();
        }
        match round {
            Ok(Round::Answer(outcome)) => return Ok(outcome),
            Ok(Round::Again) => {
                if !patience.again().await {
                    let fault = store.fault(FaultKind::Passing, 0, "others were first each time".to_owned());
                    return Err(named(fault.await));
                }
            }
            Err(fault) => patience.after(fault).await.map_err(named)?,
        }
    }
}

/// A batch on its way.
struct Writing<'a, 'p, 'd> {
    store: &'a MongoDocuments,
    target: &'a Target,
    batch: &'a Batch<'d>,
    /// The `_id` of the receipt.
    receipt: String,
    prints: Vec<u8>,
    attempt: Attempt<'p, 'd>,
    /// The receipt as it was last read, or changed by us.
    held: Option<Receipt>,
    /// The collection that is written to.
    place: String,
    /// Candidates that would be refused because another document has what must be unique, and why.
    occupied: Vec<(usize, String)>,
}

enum Round {
    Answer(WriteOutcome),
    /// Something is left, or others were at work.
    Again,
}

enum Agreed {
    /// The plan is what the reading asked for.
    Yes,
    /// Others changed it, so that what was read may be too old.
    No,
    Answered(WriteOutcome),
}

impl<'p, 'd> Writing<'_, 'p, 'd> {
    /// Brings the batch as far as may be, up to its end. Safe to break off anywhere, and to begin again.
    async fn round(&mut self) -> Result<Round, Fault> {
        match replace::place(self.store, self.target).await? {
            Place::Superseded => return self.superseded().await,
            Place::Collection(place) => self.move_to(place),
        }
        if !self.attempt.open().is_empty() || self.held.is_none() {
            self.look().await?;
            match self.agree().await? {
                Agreed::Answered(outcome) => return Ok(Round::Answer(outcome)),
                Agreed::No => return Ok(Round::Again),
                Agreed::Yes => {}
            }
            if let Some(held) = &self.held {
                self.attempt.decide(&held.plan);
            }
            let before = self.attempt.done();
            self.occupied.clear();
            self.replace_some().await?;
            self.insert_some().await?;
            self.occupied_once_more(before).await?;
            self.settle_occupied(before);
            if !self.attempt.open().is_empty() {
                return Ok(Round::Again);
            }
        }
        self.finish().await
    }

    /// Tries again what others stand in the way of, from the end, if something was written that may have made room: a value may move from document to document of
    /// a batch, and each makes room for the one before it.
    async fn occupied_once_more(&mut self, done_before: usize) -> Result<(), Fault> {
        if self.occupied.is_empty() || self.attempt.done() == done_before {
            return Ok(());
        }
        let mut occupied: Vec<usize> = std::mem::take(&mut self.occupied).into_iter().map(|(at, _)| at).collect();
        occupied.sort_unstable_by(|one, other| other.cmp(one));
        let inserts = self.attempt.inserts();
        let (inserts, updates): (Vec<_>, Vec<_>) = occupied.into_iter().partition(|at| inserts.binary_search(at).is_ok());
        self.send_all(&updates, Kind::Update).await?;
        self.send_all(&inserts, Kind::Insert).await
    }

    /// Refuses what others stand in the way of, unless something was written that may have made room: so there are no more such rounds than documents.
    fn settle_occupied(&mut self, done_before: usize) {
        if self.attempt.done() > done_before {
            return;
        }
        for (at, words) in std::mem::take(&mut self.occupied) {
            self.attempt.refuse(at, words);
        }
    }

    fn move_to(&mut self, place: String) {
        if self.place != place {
            self.place = place;
            self.attempt.reopen();
        }
    }

    /// Reads the stamps of the open candidates.
    async fn look(&mut self) -> Result<(), Fault> {
        self.attempt.begin();
        let open = self.attempt.open();
        self.read(&open, "majority", |attempt, stored| attempt.saw(stored)).await?;
        let mut unseen = self.attempt.unseen();
        if unseen.is_empty() {
            return Ok(());
        }
        // They may be there, and not on a majority of the servers yet.
        let keys = unseen.clone();
        let found = self.read(&keys, "local", |attempt, stored| {
            let found = attempt.whose(stored)?;
            unseen.retain(|at| Some(*at) != found);
            Ok(())
        });
        found.await?;
        for at in unseen {
            self.attempt.refuse(at, UNSEEN.to_owned());
        }
        Ok(())
    }

    /// Reads the stamps that are stored under the keys of some candidates.
    async fn read(
        &mut self,
        entries: &[usize],
        concern: &str,
        mut take: impl FnMut(&mut Attempt<'p, 'd>, &[u8]) -> Result<(), &'static str>,
    ) -> Result<(), Fault> {
        let ids: Vec<_> = entries.iter().filter_map(|at| self.id(*at)).collect();
        for range in cut(ids.iter().map(|id| id.value.len() + 16)) {
            let ids = ids.get(range).unwrap_or_default().iter().copied();
            let command = command::find_stamps(&self.place, ids, concern).map_err(unreadable)?;
            let mut cursor = batches(self.store, command).await?;
            while let Some(found) = cursor.next(self.store).await? {
                for document in found.documents()? {
                    take(&mut self.attempt, document?.as_bytes()).map_err(|problem| Fault::damaged(problem.to_owned()))?;
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the receipt says what we are about to do, and that nobody changed it since what we know was read.
    async fn agree(&mut self) -> Result<Agreed, Fault> {
        let Some(held) = &self.held else {
            return self.arrive().await;
        };
        let steps = self.attempt.propose(&held.plan);
        let mut new = held.clone();
        new.plan.steps = steps;
        new.place.clone_from(&self.place);
        let stands = if new.plan.steps == held.plan.steps && new.place == held.place {
            receipts::stands(self.store, &self.receipt, held).await?
        } else {
            new.revision += 1;
            receipts::revise(self.store, &self.receipt, held, &new).await?
        };
        if stands {
            self.held = Some(new);
            return Ok(Agreed::Yes);
        }
        match receipts::read(self.store, &self.receipt).await? {
            Known::Answered(outcome) => return Ok(Agreed::Answered(outcome)),
            Known::Planned(theirs) => self.hold(theirs),
            Known::Nothing => self.held = None,
        }
        Ok(Agreed::No)
    }

    /// The first receipt of this attempt.
    async fn arrive(&mut self) -> Result<Agreed, Fault> {
        let mut new = Receipt {
            prints: self.prints.clone(),
            collection: self.target.collection.to_string(),
            place: self.place.clone(),
            revision: 1,
            attempts: 1,
            ..Receipt::default()
        };
        new.plan.steps = self.attempt.propose(&new.plan);
        // With nothing to write, the answer is known already.
        let answer = match self.attempt.writes() {
            true => None,
            false => Some(self.answer_at_once().await?),
        };
        match receipts::arrive(self.store, &self.receipt, &new, answer.as_ref()).await? {
            Known::Nothing => {
                self.held = Some(new);
                Ok(answer.map_or(Agreed::Yes, Agreed::Answered))
            }
            Known::Answered(outcome) => Ok(Agreed::Answered(outcome)),
            // What we read may be older than their plan: it is read again.
            Known::Planned(theirs) => {
                self.attempt.reopen();
                self.hold(theirs);
                Ok(Agreed::No)
            }
        }
    }

    /// The answer when no document is to be written.
    async fn answer_at_once(&mut self) -> Result<WriteOutcome, Fault> {
        self.attempt.decide(&Plan::default());
        if !self.attempt.found_any {
            replace::create(self.store, &self.place).await?;
        }
        Ok(self.attempt.outcome())
    }

    /// Takes over a plan that others may have made, or changed.
    fn hold(&mut self, mut theirs: Receipt) {
        if self.held.as_ref().is_none_or(|held| held.attempts != theirs.attempts) {
            self.attempt.doubt_all();
        }
        if theirs.prints != self.prints {
            // It is of other documents under the same name: nothing of it holds for these.
            theirs.plan = Plan::default();
            theirs.prints.clone_from(&self.prints);
        }
        self.held = Some(theirs);
    }

    async fn replace_some(&mut self) -> Result<(), Fault> {
        let entries = self.attempt.replacements();
        if entries.is_empty() {
            return Ok(());
        }
        let seen = entries.iter().filter_map(|at| self.attempt.seen_print(*at));
        receipts::mark_seen(self.store, &self.receipt, self.target.collection.as_str(), seen).await?;
        let mut fitting = Vec::with_capacity(entries.len());
        for at in entries {
            match self.replacement(at).map(|statement| statement.bytes()) {
                Some(bytes) if bytes + 1024 <= COMMAND_BYTES_MAX => fitting.push(at),
                _ => self.attempt.refuse(at, TOO_LONG.to_owned()),
            }
        }
        self.send_all(&fitting, Kind::Update).await
    }

    async fn insert_some(&mut self) -> Result<(), Fault> {
        let entries = self.attempt.inserts();
        self.send_all(&entries, Kind::Insert).await
    }

    /// Sends some candidates in as many commands as they need.
    async fn send_all(&mut self, entries: &[usize], kind: Kind) -> Result<(), Fault> {
        let bytes = |at: &usize| match kind {
            Kind::Insert => self.bytes(*at).len() + 16,
            Kind::Update => self.replacement(*at).map_or(0, |statement| statement.bytes()),
        };
        for range in cut(entries.iter().map(bytes)) {
            self.send(entries.get(range).unwrap_or_default(), kind).await?;
        }
        Ok(())
    }

    /// Sends some candidates in one command, and reads what became of each. If the server takes none because of one, they are sent in halves.
    async fn send(&mut self, entries: &[usize], kind: Kind) -> Result<(), Fault> {
        // And how often a candidate was refused alone, for a reason that may be the server's.
        let mut parts = vec![(entries, 0)];
        while let Some((entries, refused)) = parts.pop() {
            let command = self.command(entries, kind)?;
            match self.store.link.command(command).await {
                Ok(reply) => {
                    let unclear = self.take(entries, &reply).await?;
                    // That many are at fault themselves, since others were taken: they needn't wait for the server.
                    let known = u32::from(unclear.len() > UNCLEAR_MAX);
                    for (statement, _, words) in unclear {
                        match entries {
                            [at] if refused > 0 => self.attempt.refuse(*at, words),
                            [_] => {
                                pause(UNCLEAR_PAUSE).await;
                                parts.push((entries, refused + 1));
                            }
                            _ => parts.extend(entries.get(statement..=statement).map(|one| (one, known))),
                        }
                    }
                }
                Err(fault) if fault.code.is_some_and(is_of_a_document) => match entries {
                    [at] => self.attempt.refuse(*at, fault.text),
                    _ => {
                        let (front, back) = entries.split_at(entries.len() / 2);
                        parts.extend([(back, 0), (front, 0)]);
                    }
                },
                Err(fault) => {
                    self.attempt.doubt(entries);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    fn command(&self, entries: &[usize], kind: Kind) -> Result<RawDocumentBuf, Fault> {
        let command = match kind {
            Kind::Insert => command::insert(&self.place, entries.iter().map(|at| self.bytes(*at))),
            Kind::Update => command::update(&self.place, entries.iter().filter_map(|at| self.replacement(*at))),
        };
        command.map_err(unreadable)
    }

    /// Reads what became of the candidates of a command; answers with the statements that failed for a reason that may be theirs or the server's, its code and words.
    async fn take(&mut self, entries: &[usize], reply: &bson::Document) -> Result<Vec<(usize, i32, String)>, Fault> {
        let reply = reply::read(reply).map_err(|problem| Fault::damaged(problem.to_owned()))?;
        let mut failed = vec![false; entries.len()];
        let found = usize::try_from(reply.found).unwrap_or(usize::MAX);
        let (mut trouble, mut unclear) = (None, Vec::new());
        // Whether the server took some, or would not for reasons of their own: then it is well.
        let mut is_well = found > 0;
        let errors = reply.errors.len();
        for error in reply.errors {
            let (Some(at), Some(failed)) = (entries.get(error.statement), failed.get_mut(error.statement)) else {
                return Err(Fault::damaged("the server speaks of a statement that is not there".to_owned()));
            };
            *failed = true;
            is_well |= matches!(error.meaning, Meaning::Taken | Meaning::Refused(_) | Meaning::Occupied(_));
            match error.meaning {
                Meaning::Taken => self.attempt.taken(*at),
                Meaning::Refused(words) => self.attempt.refuse(*at, words),
                Meaning::Occupied(words) => self.occupied.push((*at, words)),
                Meaning::Again(code, words) => trouble = trouble.or(Some((FaultKind::Passing, code, words))),
                Meaning::Trouble(kind, code, words) => trouble = Some((kind, code, words)),
                Meaning::Unclear(code, words) => unclear.push((error.statement, code, words)),
            }
        }
        // That so many documents are at fault, and no other is taken, is not likely.
        if unclear.len() > UNCLEAR_MAX && !is_well {
            let last = unclear.last().map(|(_, code, words)| (FaultKind::Passing, *code, words.clone()));
            trouble = trouble.or(last);
        }
        let (sent, of) = (
            entries.iter().zip(&failed).filter(|(_, failed)| !**failed),
            entries.len() - errors.min(entries.len()),
        );
        if found >= of {
            sent.for_each(|(at, _)| self.attempt.written(*at));
        } else {
            // Some of them were not as they were seen any more; which, a reading tells.
            let sent: Vec<usize> = sent.map(|(at, _)| *at).collect();
            self.attempt.doubt(&sent);
        }
        match trouble {
            Some((kind, code, words)) => Err(self.store.fault(kind, code, words).await),
            None => Ok(unclear),
        }
    }

    /// Nothing is left to be done: the answer is kept, if all went where it belongs.
    async fn finish(&mut self) -> Result<Round, Fault> {
        if self.target.version.is_some() {
            // A version that became visible meanwhile took its collection along.
            match replace::place(self.store, self.target).await? {
                Place::Collection(place) if place == self.place => {}
                _ => return Ok(Round::Again),
            }
        }
        receipts::answer(self.store, &self.receipt, self.attempt.outcome())
            .await
            .map(Round::Answer)
    }

    /// A newer version is visible. What an attempt may have written into its collection, believing it to be of ours, is taken out again.
    async fn superseded(&mut self) -> Result<Round, Fault> {
        let outcome = WriteOutcome {
            tally: Tally {
                superseded: self.batch.documents.len() as u64,
                ..Tally::default()
            },
            refusals: Vec::new(),
        };
        let new = Receipt {
            collection: self.target.collection.to_string(),
            place: self.target.collection.to_string(),
            ..Receipt::default()
        };
        match receipts::arrive(self.store, &self.receipt, &new, Some(&outcome)).await? {
            Known::Nothing => return Ok(Round::Answer(outcome)),
            Known::Answered(outcome) => return Ok(Round::Answer(outcome)),
            Known::Planned(_) => self.withdraw().await?,
        }
        receipts::answer(self.store, &self.receipt, outcome).await.map(Round::Answer)
    }

    /// Deletes from the visible collection the very documents of this batch: their ranks are of their run, so no other's are meant.
    async fn withdraw(&self) -> Result<(), Fault> {
        let all = 0..self.prints.len() / 8;
        let statements: Vec<_> = all.filter_map(|at| Some((self.id(at)?, rank_of(self.bytes(at))?))).collect();
        for range in cut(statements.iter().map(|(id, rank)| id.value.len() + rank.len() + 96)) {
            let statements = statements.get(range).unwrap_or_default().iter().copied();
            let command = command::delete(self.target.collection.as_str(), statements).map_err(unreadable)?;
            let reply = self.store.link.command(command).await?;
            receipts::all_deleted(self.store, &reply).await?;
        }
        Ok(())
    }

    fn bytes(&self, entry: usize) -> &'d [u8] {
        self.attempt
            .candidate(entry)
            .map(|candidate| candidate.document.as_bytes())
            .unwrap_or_default()
    }

    fn id(&self, entry: usize) -> Option<Element<'d>> {
        id_of(self.bytes(entry)).ok().flatten()
    }

    fn replacement(&self, entry: usize) -> Option<Replacement<'_>> {
        Some(Replacement {
            id: self.id(entry)?,
            seen: self.attempt.seen(entry),
            document: self.bytes(entry),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Insert,
    Update,
}

/// The most documents of a command that are tried by themselves, for a reason that may be theirs or the server's, when none of it was taken.
const UNCLEAR_MAX: usize = 16;
/// How long the server is given, should the trouble be its own.
const UNCLEAR_PAUSE: Duration = Duration::from_millis(500);

const TOO_LONG: &str = "the document and its `_id` are too long together for a command that puts it in the place of the one that is there";

const UNSEEN: &str = "the server says that there is a document with this `_id` and shows none: see whether the collection, or an index of it, has a collation, for which the `_id` equals another";

fn unreadable(fault: Unreadable) -> Fault {
    Fault::damaged(fault.to_string())
}
