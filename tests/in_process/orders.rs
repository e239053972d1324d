//! The source that the laws are tested on: a shop's orders, dirty in every way that has a name, in pages, read by four resources, one for each way
//! in which documents meet.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidemill_tests::chain::{Chain, Published};
use tidemill_tests::upstream::{Reply, Request, Upstream};

/// Raw objects close after so many bytes: a page or two.
pub const OBJECT_BYTES: u64 = 500;

pub const RESOURCES: [&str; 4] = ["merged", "by_content", "by_position", "replaced"];

const UPDATED_MS: i64 = 1_700_000_000_000;

/// The orders, in the order of the source. `n` is the place, so that each can be told from all others but its exact double.
pub fn orders() -> Vec<Value> {
    let order = |n: i64, id: i64, updated: i64, name: &str, amount: Value, state: &str| json!({"n": n, "id": id, "updated": UPDATED_MS + updated, "name": name, "amount": amount, "state": state});
    let mut orders = vec![
        order(0, 1, 10, "anna", json!(10), "paid"),
        order(1, 2, 20, "ben", json!(20), "paid"),
        // The first again, an older version of it, and one that does not fit.
        order(2, 1, 5, "anna", json!(9), "open"),
        order(3, 3, 30, "cleo", json!("a lot"), "paid"),
        order(4, 4, 40, "dan", json!(40), "draft"),
        order(5, 2, 50, "ben", json!(20), "deleted"),
        // Twice in one page.
        order(6, 5, 60, "eve", json!(50), "paid"),
        order(6, 5, 60, "eve", json!(50), "paid"),
        order(7, 6, 15, "fay", json!(60), "paid"),
        // Two fields broken at once.
        json!({"n": 8, "id": 7, "updated": UPDATED_MS + 70, "amount": 1e300, "state": "lost"}),
        // Not even an object.
        json!("order 9"),
        order(10, 6, 80, "fay", json!(61), "paid"),
        // Newer by version, equal in all that counts.
        order(11, 5, 90, "eve", json!(50), "paid"),
        order(12, 8, 100, "gus", json!(80), "open"),
    ];
    orders.push(orders[13].clone());
    orders
}

/// The greatest cursor value of the orders.
pub fn newest_ms() -> i64 {
    UPDATED_MS + 100
}

/// The pipeline file: four resources over the same orders.
pub fn pipeline() -> String {
    let fields = "
        id:      {type: int}
        n:       {type: int}
        updated: {type: timestamp, format: unix_ms}
        name:    {type: string, min_length: 1}
        amount:  {type: long, min: 0}
        state:   {type: string, one_of: [open, paid, draft, deleted]}
";
    let resource = |name: &str, record: &str, disposition: &str| {
        // What takes the place of all must be all.
        let since = match disposition {
            "replace" => "",
            _ => {
                "\n      params: {since: \"{incremental.start_value}\"}\n      incremental: {cursor_path: updated, type: unix_ms, initial_value: 0}"
            }
        };
        format!(
            "
  - name: {name}
    endpoint:
      path: orders
      paginator: {{offset: {{limit: 3}}}}
      data_selector: $.orders[*]{since}
    record:
      {record}
      filter: [{{field: state, not_equals: draft}}]
      fields:{fields}
    load: {{collection: {name}, write_disposition: {disposition}}}"
        )
    };
    let keyed = "primary_key: [id]\n      version: updated\n      delete_when: [{field: state, equals: deleted}]";
    [
        "pipeline: laws\nreject_limit: 100%\nsource:\n  rest_api:\n    base_url: http://127.0.0.1/\n    retries: {attempts_max: 5, backoff: 1ms, backoff_max: 2s}\n    timeouts: {first_byte: 250ms}\nresources:",
        &resource("merged", keyed, "merge"),
        &resource("by_content", "identity: content", "append"),
        &resource("by_position", "identity: position", "append"),
        &resource("replaced", keyed, "replace"),
    ]
    .concat()
}

/// The page that is asked for.
pub fn page(request: &Request) -> Reply {
    let from = request.number_param("offset").unwrap();
    let since = request.number_param("since").unwrap_or(0) as i64;
    let matching = orders()
        .into_iter()
        .filter(|order| order["updated"].as_i64().is_none_or(|updated| updated >= since));
    let orders: Vec<Value> = matching.skip(from).take(request.number_param("limit").unwrap()).collect();
    Reply::json(json!({"orders": orders}).to_string())
}

pub fn upstream() -> Upstream {
    Upstream::start(page)
}

/// Everything that two homes must have in common after the same ticks.
#[derive(Debug, PartialEq)]
pub struct State {
    pub documents: BTreeMap<String, Vec<Vec<u8>>>,
    pub facts: BTreeMap<String, Vec<String>>,
    pub cursors: BTreeMap<String, Option<i64>>,
    pub visible: Option<Vec<u8>>,
}

/// The state of a home after tick 1.
pub async fn state(chain: &Chain, published: &Published) -> State {
    let mut state = State {
        documents: BTreeMap::new(),
        facts: BTreeMap::new(),
        cursors: BTreeMap::new(),
        visible: None,
    };
    for resource in RESOURCES {
        state.documents.insert(resource.to_owned(), chain.seen(resource).await);
        let facts = chain.facts(published, resource, 1).await;
        let lines = facts.iter().map(|(key, fact)| format!("{} {fact:?}", key.raw.key()));
        state.facts.insert(resource.to_owned(), lines.collect());
        state.cursors.insert(resource.to_owned(), chain.cursor(published, resource).await);
    }
    let replaced = pipeline::Name::new("replaced").unwrap();
    state.visible = chain
        .documents
        .visible(&replaced)
        .await
        .unwrap()
        .map(|version| version.run.to_vec());
    let owed = chain.ledger.unfinished(&published.checked.pipeline.pipeline).await.unwrap();
    assert!(owed.is_empty(), "still owed: {owed:?}");
    state
}

/// A home with everything small, so that a run has several objects.
pub fn chain() -> Chain {
    Chain::new().with_objects_of(OBJECT_BYTES)
}

/// What one tick that nothing disturbs leads to.
pub async fn undisturbed(base_url: &str) -> State {
    let chain = chain();
    let published = chain.publish(&pipeline()).await;
    chain.tick_well(&published, base_url, 1).await;
    state(&chain, &published).await
}
