//! Whose turn it is to change a collection's validator: it is set as a whole, and must not lose what another process added to it a moment ago.

use std::time::Duration;

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use pipeline::Name;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use super::MongoDocuments;
use super::control::{self, CONTROL};
use super::error::{Fault, FaultKind};

/// How long others look on while a turn is neither renewed nor ended: then they take it. Each counts by itself, from when it first saw it, so that no clock
/// needs to be right. A process that died in its turn holds up others for so long.
const TURN_MAX: Duration = Duration::from_secs(45);
/// How old a turn may be when a change is sent. With what the change itself may take it is over well before [`TURN_MAX`].
const FRESH_MAX: Duration = Duration::from_secs(10);
/// How often a turn is begun anew because the looks that come before a change took too long.
const LATE_MAX: u32 = 3;
const WAIT_MAX: Duration = Duration::from_secs(150);
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The turns of this process. Those who want one queue here first, so that only one of them asks the server.
pub(super) struct Turns {
    /// What this process is called. It may go on with a turn that it could not end.
    by: ObjectId,
    queue: Mutex<()>,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            by: ObjectId::new(),
            queue: Mutex::default(),
        }
    }
}

impl Turns {
    pub(super) async fn queue(&self) -> Turn<'_> {
        // Who waits for its turn here does not wait for other processes yet.
        let queue = self.queue.lock().await;
        Turn {
            by: self.by,
            taken: None,
            late: 0,
            kept: false,
            theirs: Theirs::default(),
            pauses: 0,
            since: Instant::now(),
            _queue: queue,
        }
    }
}

/// A turn that is waited for, or taken.
pub(super) struct Turn<'t> {
    by: ObjectId,
    taken: Option<Instant>,
    late: u32,
    kept: bool,
    theirs: Theirs,
    pauses: u32,
    since: Instant,
    _queue: MutexGuard<'t, ()>,
}

/// The turn of another, and since when it is seen.
#[derive(Default)]
struct Theirs(Option<(Bson, Instant)>);

impl Turn<'_> {
    /// Takes the turn, or begins it anew; `false` if it is another's.
    pub(super) async fn take(&mut self, store: &MongoDocuments, name: &Name) -> Result<bool, Fault> {
        let asked = Instant::now();
        let free = doc! { "_id": name.as_str(), "$or": [{ "turn": Bson::Null }, { "turn.by": self.by }] };
        let mut taken = self.put(store, &free, true).await?;
        if !taken
            && let Some(theirs) = read(store, name).await?
            && self.theirs.is_over(&theirs, Instant::now())
        {
            taken = self.put(store, &doc! { "_id": name.as_str(), "turn": theirs }, false).await?;
        }
        self.taken = taken.then_some(asked);
        Ok(taken)
    }

    /// Whether there is time to make a change. If not, the turn is to be begun anew; `Err` when that was in vain too often.
    pub(super) async fn is_fresh(&mut self, store: &MongoDocuments) -> Result<bool, Fault> {
        if self.in_time() {
            return Ok(true);
        }
        if self.late < LATE_MAX {
            return Ok(false);
        }
        let text = "it answers too slowly for its validator to be changed".to_owned();
        Err(store.fault(FaultKind::Passing, 0, text).await)
    }

    fn in_time(&mut self) -> bool {
        let in_time = self.taken.is_some_and(|taken| taken.elapsed() < FRESH_MAX);
        self.late += u32::from(!in_time);
        in_time
    }

    /// Waits a little for another to end its turn.
    pub(super) async fn wait(&mut self, store: &MongoDocuments) -> Result<(), Fault> {
        if self.since.elapsed() > WAIT_MAX {
            let text = "other processes have been changing its validator for minutes".to_owned();
            return Err(store.fault(FaultKind::Passing, 0, text).await);
        }
        let most = PAUSE_FIRST.saturating_mul(1 << self.pauses.min(16)).min(PAUSE_MAX);
        self.pauses += 1;
        sleep(most.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        Ok(())
    }

    /// What was begun in this turn may go on by itself: others are to wait till it can't any more. This process may take its turn at any time.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// Lets others have their turn, unless it is kept. Should that fail, they take it after a while.
    pub(super) async fn end(self, store: &MongoDocuments, name: &Name) {
        if self.kept {
            return;
        }
        let filter = doc! { "_id": name.as_str(), "turn.by": self.by };
        drop(control::put(store, &filter, &doc! { "$unset": { "turn": "" } }, false).await);
    }

    async fn put(&self, store: &MongoDocuments, filter: &Document, upsert: bool) -> Result<bool, Fault> {
        // Those who look on see by `at` that it was begun anew.
        let update = doc! { "$set": { "turn": { "by": self.by, "at": ObjectId::new() } } };
        match control::put(store, filter, &update, upsert).await {
            // There is a document, and it is another's turn.
            Err(fault) if fault.kind == FaultKind::Duplicate => Ok(false),
            result => result,
        }
    }
}

impl Theirs {
    /// Whether who has this turn has been still for so long that it must have died.
    fn is_over(&mut self, turn: &Bson, now: Instant) -> bool {
        match &self.0 {
            Some((seen, at)) if seen == turn => now.duration_since(*at) > TURN_MAX,
            _ => {
                self.0 = Some((turn.clone(), now));
                false
            }
        }
    }
}

/// Whose turn it is; `None` when it is nobody's.
async fn read(store: &MongoDocuments, name: &Name) -> Result<Option<Bson>, Fault> {
    let filter = doc! { "_id": name.as_str() };
    let found = store.link.attempt(|database| {
        let filter = filter.clone();
        async move { database.collection::<Document>(CONTROL).find_one(filter).await }
    });
    let turn = found.await?.and_then(|mut control| control.remove("turn"));
    Ok(turn.filter(|turn| *turn != Bson::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_over_when_it_was_not_begun_anew_for_long() {
        let start = Instant::now();
        let turn = |at: i32| Bson::from(doc! { "by": 1, "at": at });
        let mut theirs = Theirs::default();
        let long = TURN_MAX + Duration::from_millis(1);
        assert!(!theirs.is_over(&turn(1), start));
        assert!(!theirs.is_over(&turn(1), start + TURN_MAX));
        // Begun anew: counted anew.
        assert!(!theirs.is_over(&turn(2), start + long));
        assert!(!theirs.is_over(&turn(2), start + long + TURN_MAX));
        assert!(theirs.is_over(&turn(2), start + long + long));
    }

    #[tokio::test]
    async fn a_turn_that_is_late_each_time_is_given_up() {
        let turns = Turns::default();
        let mut turn = turns.queue().await;
        turn.taken = Some(Instant::now());
        assert!(turn.in_time());
        turn.taken = Instant::now().checked_sub(FRESH_MAX);
        for late in 1..=LATE_MAX {
            assert!(!turn.in_time());
            assert_eq!(turn.late, late);
        }
    }
}
