//! A worker that stalls past its lease, at any step, while another takes over; then it comes back, and must do no harm.

use crate::orders::{self, chain, undisturbed};
use ledger::{Interrupted, Observer, Step};
use pipeline::Name;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use tidemill_tests::chain::{Chain, NOW_MS, Published, StopAt, block_on};

/// Stalls at one step until it is let go.
struct Stall {
    at: usize,
    count: AtomicUsize,
    stalled: SyncSender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Observer for Stall {
    fn reached(&self, _: &Step) -> Result<(), Interrupted> {
        if self.count.fetch_add(1, Ordering::AcqRel) == self.at {
            self.stalled.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

#[test]
fn a_worker_that_was_overtaken_does_no_harm() {
    for resource in ["merged", "replaced"] {
        let mut steps = 0;
        while one_stall(resource, steps) {
            steps += 1;
        }
        assert!(steps >= 12, "{resource}: only {steps} steps");
    }
}

/// `false` when the work has fewer steps.
fn one_stall(resource: &str, at: usize) -> bool {
    let upstream = orders::upstream();
    let chain = chain();
    let published = block_on(chain.publish(&orders::pipeline()));
    let (stalled, has_stalled) = sync_channel(1);
    let (let_go, go_on) = sync_channel(1);
    let observer = Arc::new(Stall {
        at,
        count: AtomicUsize::new(0),
        stalled,
        go_on: Mutex::new(go_on),
    });
    let extract = |holder: &str, tick: u64, observer: Arc<dyn Observer>| {
        let name = Name::new(resource).unwrap();
        block_on(chain.extract_as(holder, &published, &name, &upstream.url(), tick, observer))
    };
    let reached = std::thread::scope(|scope| {
        // Dropped when this panics, so that nobody waits for ever.
        let let_go = let_go;
        let first = scope.spawn(|| {
            let ended = extract("first", 1, observer.clone());
            // Ended without a stall: nobody must wait for one.
            let _ = observer.stalled.try_send(());
            ended
        });
        has_stalled.recv().unwrap();
        let reached = observer.count.load(Ordering::Acquire) > at;
        if !reached {
            first.join().unwrap().unwrap();
            return false;
        }
        chain.clock.set(NOW_MS + 1);
        // Another tick, that comes too early.
        let early = extract("second", 2, StopAt::never()).unwrap();
        assert!(
            matches!(early, extract::Outcome::Skipped { .. }),
            "{resource}, step {at}: the lease was taken before its time: {early:?}"
        );
        chain.clock.set(NOW_MS + 3_600_000);
        extract("second", 1, StopAt::never()).unwrap();
        let _ = let_go.send(());
        let ended = first.join().unwrap();
        let lost = matches!(&ended, Err(extract::Error::Ledger(ledger::LedgerError::LeaseLost { .. })));
        assert!(lost || ended.is_ok(), "{resource}, step {at}: {ended:?}");
        true
    });
    if reached {
        block_on(check(&chain, &published, resource, &upstream.url(), at));
    }
    reached
}

/// The documents are those of an undisturbed run, but for when and by whom they were fetched.
async fn check(chain: &Chain, published: &Published, resource: &str, base_url: &str, at: usize) {
    chain.process(published, StopAt::never()).await.unwrap();
    let expected = undisturbed(base_url).await;
    let content = |documents: &[Vec<u8>]| -> Vec<bson::Document> {
        let read = |bytes: &Vec<u8>| bson::Document::try_from(bson::RawDocument::from_bytes(bytes).unwrap()).unwrap();
        let mut documents: Vec<bson::Document> = documents.iter().map(read).collect();
        documents.iter_mut().for_each(|document| drop(document.remove("_tidemill")));
        documents
    };
    assert_eq!(
        content(&chain.seen(resource).await),
        content(&expected.documents[resource]),
        "{resource}, stalled at step {at}"
    );
    assert_eq!(
        chain.cursor(published, resource).await,
        expected.cursors[resource],
        "{resource}, stalled at step {at}"
    );
    let totals = ledger::conservation::totals(&chain.facts(published, resource, 1).await);
    assert!(
        totals.is_conserved() && totals.clean.records_in == orders::orders().len() as u64,
        "{resource}, stalled at step {at}: {totals:?}"
    );
}
