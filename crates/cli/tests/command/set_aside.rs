//! What is rejected, and what the store refuses: seen, counted, held against the limit.

use crate::{Desk, lake::orders};
use cli::Status;

const ROWS: &str = "\
pipeline: rows
LIMIT
source: {files: {}}
resources:
  - name: rows
    file: {path: rows.ndjson}
    record: {primary_key: [id], fields: {id: {type: long}, v: {type: string}}}
    load: {collection: rows}
";

/// One document that is larger than a document may be, and a small one.
fn large(limit: &str) -> Desk {
    let desk = Desk::empty();
    desk.write("pipelines/rows.yaml", &ROWS.replace("LIMIT", limit));
    let rows = format!(
        "{{\"id\": 1, \"v\": \"{}\"}}\n{{\"id\": 2, \"v\": \"s\"}}\n",
        "z".repeat(17_000_000)
    );
    desk.write("pipelines/rows.ndjson", &rows);
    desk
}

#[tokio::test]
async fn what_the_store_refuses_fails_the_run_and_is_shown() {
    let desk = large("");
    let run = desk.type_in(&["run", "rows"]).await;
    assert_eq!(run.status, Status::Failed, "{}", run.out);
    insta::assert_snapshot!(run.err, @r"
    error: rows/rows: the store refused 1 of 2 records, more than `reject_limit: 0` allows
      1 × refused of `_id`: the document has 17000205 bytes; the most is 16777216
    next: tidemill rejects rows --by reason
    ");
    let rejects = desk.type_in(&["rejects", "rows"]).await;
    insta::assert_snapshot!(rejects.masked(), @r"
    raw/rows/rows/dt=DAY/RUN/000001.jsonl.zst
    line:record  reason  field  value  message
    1:0  refused  _id  1  the document has 17000205 bytes; the most is 16777216

    1 fault in 1 record
    --- err, exit 0
    ");
    let by_reason = desk.type_in(&["rejects", "rows", "--by", "reason", "--json"]).await;
    assert_eq!(
        (&by_reason.lines()[0]["reason"], &by_reason.lines()[0]["count"]),
        (&"refused".into(), &1.into())
    );
    let lines = desk.type_in(&["rejects", "rows", "--json"]).await;
    assert_eq!(
        (&lines.lines()[0]["reason"], &lines.lines()[0]["value"]),
        (&"refused".into(), &1.into())
    );
    let runs = desk.type_in(&["runs"]).await;
    assert!(runs.out.lines().next().unwrap().ends_with("refused"), "{}", runs.out);
    assert!(runs.out.lines().nth(1).unwrap().ends_with(" 1"), "{}", runs.out);
    // A replay is judged by the same rule.
    assert_eq!(desk.type_in(&["replay", "rows"]).await.status, Status::Failed);
}

#[tokio::test]
async fn within_the_limit_a_refusal_is_no_failure_but_is_pointed_to() {
    let desk = large("reject_limit: 1");
    let run = desk.type_in(&["run", "rows"]).await;
    assert_eq!((run.status, run.err.as_str()), (Status::Well, ""));
    assert!(run.out.contains("next: tidemill rejects rows --by reason"), "{}", run.out);
}

#[tokio::test]
async fn a_trial_shows_what_the_store_refuses() {
    let desk = large("");
    let text = desk.type_in(&["try", "rows"]).await;
    assert_eq!(text.status, Status::Failed);
    assert!(
        text.out.contains("rows: 1 of 1 reject\n{\"reason\":\"refused\""),
        "{}",
        &text.out[..200]
    );
    assert!(
        text.err.contains("the store refused 1 of 1") && !text.err.contains("next:"),
        "{}",
        text.err
    );
    let json = desk.type_in(&["try", "rows", "--json"]).await;
    assert_eq!(json.lines()[0]["rejects"][0]["reason"], "refused");
}

#[tokio::test]
async fn too_many_rejects_are_explained_in_both_forms() {
    let desk = orders();
    desk.write("pipelines/orders-3.ndjson", "nonsense\n{\"id\": \"y\", \"total\": 1}\n");
    let text = desk.type_in(&["run", "orders"]).await;
    insta::assert_snapshot!(text.err, @r"
    error: orders/orders: 3 of 5 records were rejected, more than `reject_limit: 1` allows
      2 × not_a_number of `id`: expected a whole number, found a text that is none
      1 × below_min of `total`: the value is less than `min`
      1 × not_json: not JSON: expected `true`, `false` or `null` at line 1, column 1 (byte 0)
    next: tidemill rejects orders --by reason
    ");
    assert!(!text.out.contains("rejects"), "{}", text.out);
    let desk = orders();
    desk.write("pipelines/orders-3.ndjson", "nonsense\n");
    let json = desk.type_in(&["run", "orders", "--json"]).await;
    assert_eq!(json.status, Status::Failed);
    assert!(
        json.err.contains("1 × not_json: ") && json.err.ends_with("next: tidemill rejects orders --by reason\n"),
        "{}",
        json.err
    );
    let reasons = json.lines()[0]["reasons"].as_array().unwrap().clone();
    assert_eq!(reasons.len(), 3);
    assert_eq!(reasons[0]["count"], 1);
}
