//! `replace` on the server, at the door of `load`: what readers see, with parts in any order, missing, late, or none at all. Looked at by pymongo.

use crate::{bring, client, indexes};
use documents::Tightness;
use lake::{CleanKey, Part, RawKey};
use ledger::{Missing, Refused};
use load::{Outcome, Replacement};
use serde_json::{Value, json};
use servers::mongodb::{Database, shared};
use std::sync::{Arc, Mutex};
use tidemill_tests::chain::{Chain, NOW_MS, Published, StopAt, block_on, clean_key, run_id};
use tidemill_tests::upstream::{Reply, Upstream};

const COLLECTION: &str = "replaced";

/// A pipeline over a source that can be changed, with the database its documents go to.
struct Runs {
    chain: Chain,
    published: Published,
    upstream: Upstream,
    pages: Arc<Mutex<Vec<Vec<i64>>>>,
    database: Database<'static>,
}

impl Runs {
    /// `load`: more of the load section.
    fn new(load: &str) -> Runs {
        let database = shared().fresh_database();
        let pages: Arc<Mutex<Vec<Vec<i64>>>> = Arc::default();
        let served = pages.clone();
        let upstream = Upstream::start(move |request| {
            let page = request.number_param("page").unwrap();
            let ids = served.lock().unwrap().get(page - 1).cloned().unwrap_or_default();
            let rows: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
            Reply::json(json!({"rows": rows}).to_string())
        });
        let chain = Chain::new().with_objects_of(1).with_documents(Arc::new(client(&database.uri())));
        let published = block_on(chain.publish(&pipeline(load)));
        Runs {
            chain,
            published,
            upstream,
            pages,
            database,
        }
    }

    /// Fetches and cleans a run of these pages, a part each: the clean objects that are to be loaded, the marker last.
    async fn fetch(&self, run: u64, pages: &[&[i64]]) -> Vec<CleanKey> {
        *self.pages.lock().unwrap() = pages.iter().map(|ids| ids.to_vec()).collect();
        self.chain.clock.set(NOW_MS + run as i64);
        let resource = &self.published.checked.pipeline.resources[0].name;
        let url = self.upstream.url();
        let extracted = self.chain.extract(&self.published, resource, &url, run, StopAt::never()).await;
        extracted.unwrap();
        let of_run = |raw: &RawKey| raw.run == run_id(run);
        let raw: Vec<RawKey> = self
            .chain
            .keys("raw")
            .await
            .iter()
            .map(|key| RawKey::parse(key.as_str()).unwrap())
            .filter(of_run)
            .collect();
        let (mut parts, markers): (Vec<RawKey>, Vec<RawKey>) = raw.into_iter().partition(|raw| raw.part != Part::End);
        assert_eq!(markers.len(), 1, "a run ends with a marker");
        parts.extend(markers);
        for raw in &parts {
            self.chain.clean(raw, None, StopAt::never()).await.unwrap();
        }
        parts
            .iter()
            .map(|raw| clean_key(raw, self.published.checked.hash.as_str()))
            .collect()
    }

    async fn load(&self, clean: &CleanKey) -> Outcome {
        let loaded = self.chain.load(clean, StopAt::never()).await.unwrap();
        loaded.unwrap_or_else(|| panic!("{} should have been loaded at once", clean.clean()))
    }

    async fn replacement(&self, clean: &CleanKey) -> Replacement {
        self.load(clean).await.replacement.unwrap()
    }

    /// Fetches and loads a whole run.
    async fn whole(&self, run: u64, pages: &[&[i64]]) -> Replacement {
        let mut last = None;
        for clean in self.fetch(run, pages).await {
            last = Some(self.replacement(&clean).await);
        }
        last.unwrap()
    }

    /// The keys that pymongo finds.
    fn seen(&self) -> Vec<i64> {
        let documents = self.database.find(COLLECTION, json!({}));
        documents.iter().map(|document| document["_id"].as_i64().unwrap()).collect()
    }

    /// Collections that hold a version which is not shown.
    fn hidden(&self) -> Vec<String> {
        let reply = self.database.command(json!({"listCollections": 1, "nameOnly": true}));
        let names = reply["cursor"]["firstBatch"].as_array().unwrap().iter();
        let names = names.map(|found| found["name"].as_str().unwrap().to_owned());
        names
            .filter(|name| name.starts_with("tidemill.staged.") || name.starts_with("tidemill.ready."))
            .collect()
    }
}

fn pipeline(load: &str) -> String {
    format!(
        "
pipeline: runs
source: {{rest_api: {{base_url: http://127.0.0.1/}}}}
resources:
  - name: rows
    endpoint: {{path: rows, paginator: {{page_number: {{}}}}, data_selector: \"$.rows[*]\"}}
    record: {{primary_key: [id], fields: {{id: {{type: long}}}}}}
    load: {{collection: {COLLECTION}, write_disposition: replace{load}}}
"
    )
}

/// All orders of so many things.
fn orders(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(of - 1);
    let with = |order: &Vec<usize>, at: usize| [&order[..at], &[of - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..of).map(move |at| with(order, at))).collect()
}

#[test]
fn nothing_is_seen_until_the_last_part_is_there_whatever_comes_last() {
    let parts = block_on(Runs::new("").fetch(1, &[&[1], &[2]])).len();
    for order in orders(parts) {
        let runs = Runs::new("");
        block_on(async {
            assert_eq!(runs.whole(1, &[&[1, 2], &[3]]).await, Replacement::Visible);
            let objects = runs.fetch(2, &[&[10, 11], &[12]]).await;
            assert_eq!(objects.len(), order.len());
            // The marker is in `raw/` already: it need not be loaded for its run to be whole.
            let mut left: Vec<usize> = (0..objects.len()).filter(|place| objects[*place].raw.part != Part::End).collect();
            for place in &order {
                let became = runs.replacement(&objects[*place]).await;
                left.retain(|of_left| of_left != place);
                if left.is_empty() {
                    assert_eq!(became, Replacement::Visible, "{order:?}");
                } else {
                    assert_eq!(became, Replacement::Waiting(Missing::Loads(left.len() as u32)), "{order:?}");
                    assert_eq!(runs.seen(), [1, 2, 3], "{order:?}");
                }
            }
            assert_eq!(runs.seen(), [10, 11, 12], "{order:?}");
            assert_eq!(runs.hidden(), Vec::<String>::new(), "{order:?}");
            for object in &objects {
                assert_eq!(runs.replacement(object).await, Replacement::Visible, "{order:?}, again");
            }
            assert_eq!(runs.seen(), [10, 11, 12], "{order:?}, again");
        });
    }
}

#[test]
fn a_run_with_a_part_in_the_dead_letter_queue_is_not_shown_and_its_late_part_is_superseded() {
    let runs = Runs::new("");
    block_on(async {
        assert_eq!(runs.whole(1, &[&[1, 2]]).await, Replacement::Visible);
        let second = runs.fetch(2, &[&[10], &[11, 12]]).await;
        let mut became = None;
        for object in second.iter().filter(|object| object.raw.part != second[1].raw.part) {
            became = Some(runs.replacement(object).await);
        }
        assert_eq!(became, Some(Replacement::Waiting(Missing::Loads(1))));
        assert_eq!(runs.seen(), [1, 2]);
        assert_eq!(runs.hidden().len(), 1, "the second run is built out of sight");
        assert_eq!(runs.whole(3, &[&[20]]).await, Replacement::Visible);
        assert_eq!((runs.seen(), runs.hidden()), (vec![20], Vec::new()));
        // Somebody sends the dead letter again.
        let late = runs.load(&second[1]).await;
        assert_eq!((late.tally.documents_in, late.tally.superseded), (2, 2));
        assert_eq!(late.replacement, Some(Replacement::Older));
        assert_eq!((runs.seen(), runs.hidden()), (vec![20], Vec::new()));
    });
}

#[test]
fn an_older_run_that_comes_whole_but_late_is_never_seen() {
    let runs = Runs::new("");
    block_on(async {
        let first = runs.fetch(1, &[&[1, 2], &[3]]).await;
        assert!(matches!(runs.replacement(&first[0]).await, Replacement::Waiting(Missing::Loads(_))));
        assert_eq!(runs.whole(2, &[&[10]]).await, Replacement::Visible);
        let mut became = None;
        for object in first.iter().rev() {
            became = Some(runs.load(object).await);
            assert_eq!((runs.seen(), runs.hidden()), (vec![10], Vec::new()));
        }
        assert_eq!(became.unwrap().replacement, Some(Replacement::Older));
    });
}

#[test]
fn an_empty_run_keeps_what_was_there_unless_allowed() {
    let runs = Runs::new("");
    block_on(async {
        assert_eq!(runs.whole(1, &[&[1, 2]]).await, Replacement::Visible);
        assert_eq!(runs.whole(2, &[]).await, Replacement::Refused(Refused::Empty));
        assert_eq!(runs.seen(), [1, 2]);
        assert_eq!(runs.whole(3, &[&[3]]).await, Replacement::Visible);
        assert_eq!((runs.seen(), runs.hidden()), (vec![3], Vec::new()));
    });
    let allowed = Runs::new(", allow_empty: true");
    block_on(async {
        assert_eq!(allowed.whole(1, &[&[1, 2]]).await, Replacement::Visible);
        assert_eq!(allowed.whole(2, &[]).await, Replacement::Visible);
        assert_eq!((allowed.seen(), allowed.hidden()), (Vec::new(), Vec::new()));
    });
}

#[test]
fn declared_indexes_and_a_users_own_survive_the_swap() {
    let runs = Runs::new(", indexes: [{keys: {id: -1}}]");
    block_on(async {
        assert_eq!(runs.whole(1, &[&[1]]).await, Replacement::Visible);
        runs.database
            .command(json!({"createIndexes": COLLECTION, "indexes": [{"key": {"theirs": 1}, "name": "of_a_user"}]}));
        assert_eq!(runs.whole(2, &[&[2]]).await, Replacement::Visible);
        assert_eq!(
            indexes(&runs.database, COLLECTION),
            json!({"_id_": {"_id": 1}, "id_-1": {"id": -1}, "of_a_user": {"theirs": 1}})
        );
        // SecantusDB, unlike MongoDB, loses a validator when a collection is renamed: then the end of a run sets it again, as the command does.
        bring(&runs.chain, &runs.published.checked, Tightness::Tight).await;
        let refused = runs.database.command(json!({"insert": COLLECTION, "documents": [{"_id": "text"}]}));
        assert_eq!(refused["writeErrors"][0]["code"], 121, "the validator came along: {refused}");
    });
}
