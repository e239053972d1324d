//! Law 1: what came over the wire is durable in `raw/` before it is cleaned and before a cursor moves; all after it can be done again without the source.

use crate::orders::{self, RESOURCES, State, chain, page, state, undisturbed};
use lake::{CleanKey, RawKey, RunId};
use ledger::RunState;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidemill_tests::chain::{Chain, Ended, Published, StopAt, block_on, run_id};
use tidemill_tests::upstream::{Reply, Upstream};

#[test]
fn wherever_it_is_killed_what_the_cursor_covers_is_in_raw() {
    block_on(async {
        let upstream = orders::upstream();
        let (mut steps, mut with_cursor) = (0, 0);
        loop {
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            if let Ended::Well = chain.tick(&published, &upstream.url(), 1, StopAt::step(steps)).await {
                break;
            }
            for resource in RESOURCES {
                with_cursor += usize::from(check_resource(&chain, &published, resource, run_id(1)).await);
            }
            check_descent(&chain).await;
            steps += 1;
        }
        assert!(
            steps > 100 && with_cursor > 50,
            "{steps} steps, {with_cursor} cursors: too few to prove anything"
        );
    });
}

/// All orders up to the cursor must be in the resource's raw objects, counted without any number of ours.
async fn check_resource(chain: &Chain, published: &Published, resource: &str, run: RunId) -> bool {
    let kept = in_raw(chain, resource).await;
    let id = chain.resource_id(published, resource);
    let ended = chain
        .ledger
        .run(run, &id)
        .await
        .unwrap()
        .is_some_and(|run| run.state == RunState::Extracted);
    let cursor = chain.cursor(published, resource).await;
    assert!(
        cursor.is_none() || ended,
        "{resource}: the cursor moved before the extraction ended"
    );
    for order in orders::orders() {
        let covered = order["updated"]
            .as_i64()
            .is_some_and(|updated| cursor.is_some_and(|cursor| updated <= cursor));
        assert!(
            !(covered || ended) || kept.contains(&order.to_string()),
            "{resource}: {order} is covered by the cursor {cursor:?} but not in raw/"
        );
    }
    cursor.is_some()
}

/// The orders in the raw objects of a resource, as texts.
async fn in_raw(chain: &Chain, resource: &str) -> BTreeSet<String> {
    let mut orders = BTreeSet::new();
    for key in chain.keys(&format!("raw/laws/{resource}")).await {
        let text = String::from_utf8(chain.unpacked(&key).await).unwrap();
        for line in text.lines() {
            let capture: Value = serde_json::from_str(line).unwrap();
            orders.extend(capture["body"]["orders"].as_array().unwrap().iter().map(Value::to_string));
        }
    }
    orders
}

/// Every clean, rejected and refused object has its raw object, and every document its place in one.
async fn check_descent(chain: &Chain) {
    let raw: BTreeSet<String> = chain.keys("raw").await.iter().map(ToString::to_string).collect();
    for zone in ["clean", "rejected", "refused"] {
        for key in chain.keys(zone).await {
            let descends = CleanKey::parse(key.as_str()).unwrap().raw.key().to_string();
            assert!(raw.contains(&descends), "{key} is there, {descends} is not");
        }
    }
    for resource in RESOURCES {
        for document in chain.seen(resource).await {
            let document = bson::RawDocument::from_bytes(&document).unwrap();
            let rank = document.get_document("_tidemill").unwrap().get_binary("rank").unwrap();
            let place = ledger::Rank::from_slice(rank.bytes).unwrap().place().unwrap();
            let key = RawKey {
                pipeline: pipeline::Name::new("laws").unwrap(),
                resource: pipeline::Name::new(resource).unwrap(),
                run: place.run,
                part: lake::Part::Number(place.part),
            };
            assert!(
                raw.contains(key.key().as_str()),
                "a document of {resource} says that it comes from {}",
                key.key()
            );
        }
    }
}

#[test]
fn everything_after_raw_can_be_done_again_without_the_source() {
    block_on(async {
        let upstream = orders::upstream();
        let base_url = upstream.url();
        let expected = undisturbed(&base_url).await;
        let first = chain();
        let published = first.publish(&orders::pipeline()).await;
        first.tick_well(&published, &base_url, 1).await;
        drop(upstream);
        let found = from_raw(&first).await;
        assert_eq!(found.documents, expected.documents);
        assert_eq!(found.visible, expected.visible);
    });
}

/// The state of a home that has only the raw objects of another.
async fn from_raw(first: &Chain) -> State {
    let second = chain();
    let published = second.publish(&orders::pipeline()).await;
    for key in first.keys("raw").await {
        let metadata = first.store.head(&key).await.unwrap().unwrap();
        second
            .store
            .put_new(&key, &metadata, first.stored(&key).await.into())
            .await
            .unwrap();
    }
    for key in second.keys("raw").await {
        let raw = RawKey::parse(key.as_str()).unwrap();
        let cleaned = second.clean(&raw, None, StopAt::never()).await.unwrap();
        second.load(&cleaned.clean, StopAt::never()).await.unwrap();
    }
    state(&second, &published).await
}

/// A source that answers otherwise when it is asked again must not matter: who goes on does so from what lies in `raw/`, never from their own bytes.
#[test]
fn a_source_that_changes_between_kill_and_resume_leaves_no_contradiction() {
    block_on(async {
        let changed = Arc::new(AtomicBool::new(false));
        let switch = changed.clone();
        let upstream = Upstream::start(move |request| match switch.load(Ordering::Acquire) {
            false => page(request),
            true => Reply {
                body: String::from_utf8(page(request).body).unwrap().replace("fay", "fey").into(),
                ..page(request)
            },
        });
        let mut steps = 0;
        loop {
            changed.store(false, Ordering::Release);
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            let ended = chain.tick(&published, &upstream.url(), 1, StopAt::step(steps)).await;
            if let Ended::Well = ended {
                break;
            }
            changed.store(true, Ordering::Release);
            chain.tick_well(&published, &upstream.url(), 1).await;
            let (found, again) = (state(&chain, &published).await, from_raw(&chain).await);
            assert_eq!(found.documents, again.documents, "killed at step {steps}");
            assert_eq!(found.visible, again.visible, "killed at step {steps}");
            steps += 3;
        }
        assert!(steps > 100);
    });
}
