//! Law 3: any batch, any number of times, in any order, beside others, and killed anywhere, leaves the same state.

use crate::orders::{self, State, chain, state, undisturbed};
use fastrand::Rng;
use lake::CleanKey;
use tidemill_tests::chain::{Chain, Ended, Published, StopAt, block_on};

#[test]
fn a_kill_at_any_step_leaves_no_trace() {
    block_on(async {
        let upstream = orders::upstream();
        let expected = undisturbed(&upstream.url()).await;
        let mut steps = 0;
        loop {
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            let observer = StopAt::step(steps);
            match chain.tick(&published, &upstream.url(), 1, observer.clone()).await {
                Ended::Well => break,
                Ended::Killed => {}
                Ended::ExtractionFailed(error) => panic!("{error}"),
            }
            chain.tick_well(&published, &upstream.url(), 1).await;
            same(
                &state(&chain, &published).await,
                &expected,
                &format!("killed at step {steps}, {:?}", observer.steps().last()),
            );
            steps += 1;
        }
        assert!(steps > 100, "only {steps} steps: the run is too short to prove anything");
    });
}

#[test]
fn kill_after_kill_leaves_no_trace() {
    block_on(async {
        let upstream = orders::upstream();
        let expected = undisturbed(&upstream.url()).await;
        for seed in 0..40 {
            let mut rng = Rng::with_seed(seed);
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            let mut kills = Vec::new();
            loop {
                let at = rng.usize(0..40);
                kills.push(at);
                match chain.tick(&published, &upstream.url(), 1, StopAt::step(at)).await {
                    Ended::Well => break,
                    // The work owed shrinks with every try, unless the kill comes before the first step that stays.
                    Ended::Killed if kills.len() < 60 => {}
                    Ended::Killed => break chain.tick_well(&published, &upstream.url(), 1).await,
                    Ended::ExtractionFailed(error) => panic!("{error}"),
                }
            }
            same(
                &state(&chain, &published).await,
                &expected,
                &format!("seed {seed}, killed at the steps {kills:?}"),
            );
        }
    });
}

#[test]
fn batches_twice_shuffled_and_at_once_lead_to_the_same_documents() {
    block_on(async {
        let upstream = orders::upstream();
        let expected = undisturbed(&upstream.url()).await;
        for seed in 0..20 {
            let mut rng = Rng::with_seed(seed);
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            let mut batches = cleaned(&chain, &published, &upstream.url()).await;
            batches.extend(batches.clone());
            rng.shuffle(&mut batches);
            for pair in batches.chunks(2) {
                let loads = pair
                    .iter()
                    .map(|clean| async { chain.load(clean, StopAt::never()).await.unwrap().map(drop) });
                let mut loads = loads.collect::<Vec<_>>().into_iter();
                match (loads.next(), loads.next()) {
                    (Some(one), Some(other)) => drop(tokio::join!(one, other)),
                    (Some(one), None) => drop(one.await),
                    _ => {}
                }
            }
            chain.process(&published, StopAt::never()).await.unwrap();
            let found = state(&chain, &published).await;
            assert_eq!(found.documents, expected.documents, "seed {seed}");
            assert_eq!(found.visible, expected.visible, "seed {seed}");
        }
    });
}

#[test]
fn the_same_tick_twice_is_one_run() {
    block_on(async {
        let upstream = orders::upstream();
        let expected = undisturbed(&upstream.url()).await;
        let chain = chain();
        let published = chain.publish(&orders::pipeline()).await;
        chain.tick_well(&published, &upstream.url(), 1).await;
        let requests = upstream.requests().len();
        chain.tick_well(&published, &upstream.url(), 1).await;
        assert_eq!(upstream.requests().len(), requests, "the source was asked again");
        same(&state(&chain, &published).await, &expected, "twice");
    });
}

/// Every object of a run cleaned, none loaded.
async fn cleaned(chain: &Chain, published: &Published, base_url: &str) -> Vec<CleanKey> {
    for resource in &published.checked.pipeline.resources {
        chain
            .extract(published, &resource.name, base_url, 1, StopAt::never())
            .await
            .unwrap();
    }
    let mut keys = Vec::new();
    for key in chain.keys("raw").await {
        let raw = lake::RawKey::parse(key.as_str()).unwrap();
        keys.push(chain.clean(&raw, None, StopAt::never()).await.unwrap().clean);
    }
    keys
}

fn same(found: &State, expected: &State, what: &str) {
    assert_eq!(found.cursors, expected.cursors, "cursors, {what}");
    assert_eq!(found.facts, expected.facts, "facts, {what}");
    assert_eq!(found.visible, expected.visible, "what is visible, {what}");
    for (collection, documents) in &expected.documents {
        let shown = |documents: &[Vec<u8>]| {
            documents
                .iter()
                .map(|document| format!("{:?}", bson::RawDocument::from_bytes(document)))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shown(&found.documents[collection]),
            shown(documents),
            "documents of {collection}, {what}"
        );
    }
}

#[test]
fn the_undisturbed_run_is_what_a_person_would_expect() {
    block_on(async {
        let upstream = orders::upstream();
        let expected = undisturbed(&upstream.url()).await;
        let counts: Vec<(&str, usize)> = expected
            .documents
            .iter()
            .map(|(name, documents)| (name.as_str(), documents.len()))
            .collect();
        // 15 lines: 2 broken orders and one that is none, 1 draft, 2 doubles of others. Merged: keys 1, 5, 6, 8 (2 is deleted).
        assert_eq!(counts, [("by_content", 9), ("by_position", 11), ("merged", 4), ("replaced", 4)]);
        assert_eq!(expected.cursors["merged"], Some(orders::newest_ms()));
        assert_eq!(expected.visible, Some(tidemill_tests::chain::run_id(1).to_bytes().to_vec()));
    });
}

/// An edit, and everything cleaned again under it: whichever definition's batches come last, the newer one's documents stay.
#[test]
fn an_older_definition_delivered_late_changes_nothing() {
    block_on(async {
        let upstream = orders::upstream();
        let edited = orders::pipeline().replace(
            "name:    {type: string, min_length: 1}",
            "name:    {type: string, min_length: 1, map: {anna: Anna, eve: Eve, gus: Gus}}",
        );
        let mut expected = None;
        for seed in 0..16 {
            let mut rng = Rng::with_seed(seed);
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            let mut batches = cleaned(&chain, &published, &upstream.url()).await;
            let edited = chain.publish(&edited).await;
            for key in chain.keys("raw").await {
                let raw = lake::RawKey::parse(key.as_str()).unwrap();
                batches.push(chain.clean(&raw, Some(&edited), StopAt::never()).await.unwrap().clean);
            }
            rng.shuffle(&mut batches);
            for batch in batches.iter().chain(batches.iter().take(5)) {
                chain.load(batch, StopAt::never()).await.unwrap();
            }
            // By content, the documents of both definitions are there: another content is another document.
            let seen = [
                chain.seen("merged").await,
                chain.seen("by_position").await,
                chain.seen("replaced").await,
                chain.seen("by_content").await,
            ];
            let names = |documents: &[Vec<u8>]| {
                documents
                    .iter()
                    .map(|d| bson::RawDocument::from_bytes(d).unwrap().get_str("name").unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&seen[0]), ["Anna", "Eve", "fay", "Gus"], "seed {seed}");
            assert_eq!(names(&seen[2]), ["Anna", "Eve", "fay", "Gus"], "seed {seed}");
            assert_eq!(expected.get_or_insert_with(|| seen.clone()), &seen, "seed {seed}");
        }
    });
}
