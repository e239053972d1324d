//! A contract that changes while batches of the old one are on their way: those still go in; when none is left, only the new one's do.

use crate::{bring, client, validator};
use documents::Tightness;
use lake::{CleanKey, Part, RawKey};
use ledger::LoadTally;
use serde_json::{Value, json};
use servers::mongodb::{Database, shared};
use std::sync::Arc;
use tidemill_tests::chain::{Chain, NOW_MS, Published, StopAt, block_on, clean_key, run_id};
use tidemill_tests::upstream::{Reply, Request, Upstream};

const COLLECTION: &str = "changing";

/// Of the two definitions, neither takes a document of the other.
fn pipeline(kind: &str) -> String {
    format!(
        "
pipeline: changing
source: {{rest_api: {{base_url: http://127.0.0.1/}}}}
resources:
  - name: rows
    endpoint: {{path: rows, paginator: {{page_number: {{}}}}, data_selector: \"$.rows[*]\"}}
    record: {{primary_key: [id], fields: {{id: {{type: long}}, {kind}}}}}
    load: {{collection: {COLLECTION}}}
"
    )
}

const OLD: &str = "count: {type: long, max: 100}";
const NEW: &str = "words: {type: string}";

fn rows(request: &Request) -> Reply {
    let page = request.number_param("page").unwrap() as i64;
    let row = |id: i64| json!({"id": id, "count": id, "words": format!("row {id}")});
    let ids = if page > 2 { 0..0 } else { page * 10..page * 10 + 3 };
    Reply::json(json!({"rows": ids.map(row).collect::<Vec<Value>>()}).to_string())
}

async fn fetch(chain: &Chain, published: &Published, upstream: &Upstream, run: u64) -> Vec<CleanKey> {
    chain.clock.set(NOW_MS + run as i64);
    let resource = &published.checked.pipeline.resources[0].name;
    chain
        .extract(published, resource, &upstream.url(), run, StopAt::never())
        .await
        .unwrap();
    let mut objects = Vec::new();
    for key in chain.keys("raw").await {
        let raw = RawKey::parse(key.as_str()).unwrap();
        if raw.run == run_id(run) && raw.part != Part::End {
            chain.clean(&raw, None, StopAt::never()).await.unwrap();
            objects.push(clean_key(&raw, published.checked.hash.as_str()));
        }
    }
    objects
}

async fn load(chain: &Chain, clean: &CleanKey) -> LoadTally {
    chain.load(clean, StopAt::never()).await.unwrap().unwrap().tally
}

/// What the server says to a document of another client's.
fn takes(database: &Database<'_>, id: i64, shape: &Value) -> bool {
    let mut document = shape.clone();
    // A key of another type than the contract's would be refused for that alone.
    document["_id"] = json!({"$numberLong": id.to_string()});
    let template = database.find(COLLECTION, json!({})).swap_remove(0);
    document["_tidemill"] = template["_tidemill"].clone();
    let reply = database.command(json!({"insert": COLLECTION, "documents": [document]}));
    match reply["writeErrors"][0]["code"].as_i64() {
        None => true,
        Some(121) => false,
        Some(_) => panic!("{reply}"),
    }
}

#[test]
fn an_old_batch_still_goes_in_and_afterwards_only_new_ones_do() {
    for command_first in [false, true] {
        let database = shared().fresh_database();
        let upstream = Upstream::start(rows);
        let mut chain = Chain::new().with_objects_of(1).with_documents(Arc::new(client(&database.uri())));
        block_on(async {
            let old = chain.publish(&pipeline(OLD)).await;
            let old_objects = fetch(&chain, &old, &upstream, 1).await;
            bring(&chain, &old.checked, Tightness::Tight).await;
            assert_eq!(load(&chain, &old_objects[0]).await.inserted, 3);
            let old_validator = validator(&database, COLLECTION);

            let new = chain.publish(&pipeline(NEW)).await;
            let new_objects = fetch(&chain, &new, &upstream, 2).await;
            if command_first {
                bring(&chain, &new.checked, Tightness::Relaxed).await;
            }
            // The new one's loader is another process; the old one's knows only what it declared.
            let of_old = std::mem::replace(&mut chain.documents, Arc::new(client(&database.uri())));
            let first = load(&chain, &new_objects[0]).await;
            assert_eq!((first.updated, first.refused), (3, 0), "{command_first}: {first:?}");
            let of_new = std::mem::replace(&mut chain.documents, of_old);
            let late = load(&chain, &old_objects[1]).await;
            assert_eq!((late.inserted, late.refused), (3, 0), "{command_first}: {late:?}");
            let relaxed = validator(&database, COLLECTION);
            assert_eq!(relaxed["$or"].as_array().map(Vec::len), Some(2), "{relaxed}");
            assert_eq!(relaxed["$or"][0], old_validator);

            chain.documents = of_new;
            let second = load(&chain, &new_objects[1]).await;
            assert_eq!((second.updated, second.refused), (3, 0), "{command_first}: {second:?}");
            bring(&chain, &new.checked, Tightness::Tight).await;
        });
        let tight = validator(&database, COLLECTION);
        assert_eq!(tight["$jsonSchema"]["title"], "Tidemill: changing/rows", "{tight}");
        assert!(tight["$jsonSchema"]["properties"]["count"].is_null(), "{tight}");
        let documents = database.find(COLLECTION, json!({}));
        assert_eq!(documents.len(), 6);
        assert!(documents.iter().all(|document| document["words"].is_string()), "{documents:?}");
    }
}

#[test]
fn while_it_is_relaxed_what_is_in_neither_contract_is_refused() {
    let database = shared().fresh_database();
    let upstream = Upstream::start(rows);
    let chain = Chain::new().with_objects_of(1).with_documents(Arc::new(client(&database.uri())));
    block_on(async {
        let old = chain.publish(&pipeline(OLD)).await;
        let objects = fetch(&chain, &old, &upstream, 1).await;
        bring(&chain, &old.checked, Tightness::Tight).await;
        load(&chain, &objects[0]).await;
        let new = chain.publish(&pipeline(NEW)).await;
        bring(&chain, &new.checked, Tightness::Relaxed).await;
        let old_shape = json!({"id": {"$numberLong": "1"}, "count": {"$numberLong": "1"}});
        let new_shape = json!({"id": {"$numberLong": "1"}, "words": "w"});
        let neither = json!({"id": {"$numberLong": "1"}, "count": {"$numberLong": "101"}});
        let taken = |first: i64| {
            let shapes = [(first, &old_shape), (first + 1, &new_shape), (first + 2, &neither)];
            shapes.map(|(id, shape)| takes(&database, id, shape))
        };
        assert_eq!(taken(100), [true, true, false]);
        bring(&chain, &new.checked, Tightness::Tight).await;
        assert_eq!(taken(200), [false, true, false]);
    });
}
