//! Law 2: `clean` is a function of the raw object and the definition: the same bytes, under the same key, whenever and however often.

use crate::orders::{self, chain};
use lake::RawKey;
use std::collections::BTreeMap;
use tidemill_tests::chain::{Chain, NOW_MS, Published, StopAt, block_on};

/// The outputs of a home, by key: their bytes as they are stored, and their metadata.
async fn outputs(chain: &Chain) -> BTreeMap<String, (Vec<u8>, lake::Metadata)> {
    let mut outputs = BTreeMap::new();
    for zone in ["clean", "rejected"] {
        for key in chain.keys(zone).await {
            let metadata = chain.store.head(&key).await.unwrap().unwrap();
            outputs.insert(key.to_string(), (chain.stored(&key).await, metadata));
        }
    }
    outputs
}

async fn extracted(base_url: &str) -> (Chain, Published) {
    let chain = chain();
    let published = chain.publish(&orders::pipeline()).await;
    for resource in &published.checked.pipeline.resources {
        chain
            .extract(&published, &resource.name, base_url, 1, StopAt::never())
            .await
            .unwrap();
    }
    (chain, published)
}

async fn clean_all(chain: &Chain, under: Option<&Published>) {
    for key in chain.keys("raw").await {
        chain
            .clean(&RawKey::parse(key.as_str()).unwrap(), under, StopAt::never())
            .await
            .unwrap();
    }
}

#[test]
fn the_same_bytes_again_later_and_elsewhere() {
    block_on(async {
        let upstream = orders::upstream();
        let (chain, _) = extracted(&upstream.url()).await;
        clean_all(&chain, None).await;
        let first = outputs(&chain).await;
        assert!(
            first.keys().any(|key| key.starts_with("rejected/")) && first.len() > 8,
            "{:?}",
            first.keys()
        );
        chain.clock.set(NOW_MS + 86_400_000);
        clean_all(&chain, None).await;
        assert_eq!(outputs(&chain).await, first, "a day later");
        let (elsewhere, _) = extracted(&upstream.url()).await;
        clean_all(&elsewhere, None).await;
        assert_eq!(outputs(&elsewhere).await, first, "in another home");
    });
}

#[test]
fn the_key_names_the_definition_it_was_cleaned_under() {
    block_on(async {
        let upstream = orders::upstream();
        let (chain, published) = extracted(&upstream.url()).await;
        clean_all(&chain, None).await;
        let before = outputs(&chain).await;
        let edited = chain.publish(&orders::pipeline().replace("min_length: 1", "min_length: 4")).await;
        assert_eq!((published.generation, edited.generation), (1, 2));
        // A raw object's own definition stays the one it was fetched under, whatever is newest.
        clean_all(&chain, None).await;
        assert_eq!(outputs(&chain).await, before);
        clean_all(&chain, Some(&edited)).await;
        let after = outputs(&chain).await;
        for (key, output) in &before {
            assert_eq!(after.get(key), Some(output), "an edit must not touch {key}");
        }
        let fresh = format!("/v={}/", edited.checked.hash.short());
        let added: Vec<&String> = after.keys().filter(|key| !before.contains_key(*key)).collect();
        assert!(!added.is_empty() && added.iter().all(|key| key.contains(&fresh)), "{added:?}");
    });
}

#[test]
fn the_environment_is_allowed_in_a_source_only() {
    let inside = orders::pipeline().replace("base_url: http://127.0.0.1/", "base_url: \"${env:WHERE}\"");
    assert!(pipeline::check("test.yaml", &inside).is_ok());
    let outside = orders::pipeline().replace("path: orders", "path: \"${env:PATH}\"");
    let faults = pipeline::check("test.yaml", &outside).map(drop).unwrap_err();
    assert!(faults.to_string().contains("source"), "{faults}");
}
