//! Leases, ticks delivered twice, and what a run says of itself.

use crate::home::{Home, name, rest};
use crate::paginators::source;
use extract::{Error, Outcome, handle};
use ledger::{Interrupted, LeaseRequest, Ledger as _, Observer, ResourceId, Run, RunState, Step};
use std::sync::Arc;
use std::time::Duration;

struct Nobody;

impl Observer for Nobody {
    fn reached(&self, _: &Step) -> Result<(), Interrupted> {
        Ok(())
    }
}

#[tokio::test]
async fn a_lease_that_is_held() {
    let upstream = source().await;
    let mut home = Home::new();
    let pipeline = rest(&upstream.url("/single/"), "", "");
    let resource = ResourceId {
        pipeline: name("test"),
        resource: name("things"),
    };
    let mut holder = home.services().holder;
    holder.name = "process 7 on elsewhere".into();
    let request = LeaseRequest {
        holder,
        now_ms: 1_700_000_000_000,
        duration_ms: 60_000,
    };
    home.ledger.take_lease(&resource, &request, &|_| false).await.unwrap();
    home.holder_is_dead = false;
    let outcome = home.run(&pipeline).await.unwrap();
    assert!(matches!(outcome, Outcome::Skipped { holder, .. } if holder == "process 7 on elsewhere"));
    assert!(matches!(&home.runs().await[0].state, RunState::Skipped { holder } if holder == "process 7 on elsewhere"));
    assert_eq!(upstream.asked().len(), 0);
    home.holder_is_dead = true;
    assert!(matches!(home.run(&pipeline).await.unwrap(), Outcome::Extracted { .. }));
    home.holder_is_dead = false;
    assert!(
        matches!(home.run(&pipeline).await.unwrap(), Outcome::Extracted { .. }),
        "the lease was given back"
    );
}

#[tokio::test]
async fn the_same_tick_twice() {
    let upstream = source().await;
    let home = Home::new();
    let run = Run {
        clock: home.clock.clone(),
        observer: Arc::new(Nobody),
        deadline_ms: None,
    };
    let tick = home.tick(&rest(&upstream.url("/link/"), "", "paginator: {link_header: {}}"));
    let first = handle(&tick, &run, &home.services()).await.unwrap();
    assert_eq!(handle(&tick, &run, &home.services()).await.unwrap(), first);
    assert_eq!(upstream.asked().len(), 3);
    let bad = home.tick(&rest(&upstream.url("/link/"), "headers: {x: \"${env:MISSING}\"}", ""));
    let error = handle(&bad, &run, &home.services()).await.unwrap_err();
    assert_eq!(error.chain(), "header `x`: the environment has no `MISSING`");
    assert!(matches!(
        handle(&bad, &run, &home.services()).await,
        Err(Error::AlreadyFailed { .. })
    ));
}

/// Somebody takes the lease over in the middle: the worker stops, and puts nothing more.
#[tokio::test]
async fn a_lease_that_is_lost() {
    struct Thief(Arc<ledger::SqliteLedger>, LeaseRequest, ResourceId);
    impl Observer for Thief {
        fn reached(&self, step: &Step) -> Result<(), Interrupted> {
            if matches!(step, Step::PageReceived { .. }) {
                let taken = self.0.take_lease(&self.2, &self.1, &|_| true);
                let mut taken = std::pin::pin!(taken);
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                while taken.as_mut().poll(&mut context).is_pending() {
                    std::thread::yield_now();
                }
            }
            Ok(())
        }
    }
    let upstream = source().await;
    let home = Home::new();
    let resource = ResourceId {
        pipeline: name("test"),
        resource: name("things"),
    };
    let request = LeaseRequest {
        holder: home.services().holder,
        now_ms: 1_800_000_000_000,
        duration_ms: 60_000,
    };
    let observer = Arc::new(Thief(home.ledger.clone(), request, resource));
    let run = Run {
        clock: home.clock.clone(),
        observer,
        deadline_ms: None,
    };
    let tick = home.tick(&rest(&upstream.url("/single/"), "", ""));
    let error = handle(&tick, &run, &home.services()).await.unwrap_err();
    assert!(error.chain().contains("was taken over"), "{}", error.chain());
    assert_eq!(home.objects().await.len(), 0);
    assert_eq!(home.runs().await[0].state, RunState::Extracting);
}

/// While a source is slow, the lease is renewed again and again.
#[tokio::test]
async fn a_lease_is_kept_while_waiting() {
    let home = Home::new();
    let resource = ResourceId {
        pipeline: name("test"),
        resource: name("things"),
    };
    let request = LeaseRequest {
        holder: home.services().holder,
        now_ms: 0,
        duration_ms: 40,
    };
    let ledger::LeaseOutcome::Taken(lease) = home.ledger.take_lease(&resource, &request, &|_| false).await.unwrap() else {
        panic!("held")
    };
    let keeper = extract::lease::Keeper::new(home.ledger.clone(), home.clock.clone(), Duration::from_millis(40), lease.clone());
    let work = async {
        while keeper.lease().expires_ms == lease.expires_ms {
            tokio::task::yield_now().await;
        }
        "done"
    };
    assert_eq!(keeper.during(work).await.unwrap(), "done");
    assert!(keeper.lease().expires_ms > lease.expires_ms);
}

/// A process may run several at once, on any thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_spawned() {
    let upstream = source().await;
    let home = Home::new();
    let run = Run {
        clock: home.clock.clone(),
        observer: Arc::new(Nobody),
        deadline_ms: None,
    };
    let (tick, services) = (home.tick(&rest(&upstream.url("/single/"), "", "")), home.services());
    let outcome = tokio::spawn(async move { handle(&tick, &run, &services).await }).await.unwrap();
    assert!(matches!(outcome, Ok(Outcome::Extracted { .. })));
}
