//! Sources behind HTTP: laureates, stations, issues; each served as its system serves it.

use super::{check_counts, home, millis, pipeline, recorded_json, recordings, recounted, sum, whole};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidemill_tests::upstream::{Reply, Request, Upstream};

#[test]
fn laureates() {
    let Value::Array(laureates) = recorded_json("http/06_nobel_laureates/laureate.json") else {
        panic!("expected a list")
    };
    let upstream = Upstream::start(move |request| {
        let (from, count) = (request.number_param("offset").unwrap(), request.number_param("limit").unwrap());
        let page: Vec<&Value> = laureates.iter().skip(from).take(count).collect();
        Reply::json(json!({"laureates": page}).to_string())
    });
    let (home, expected) = (home(), recounted("nobel"));
    let told = home.well(&["run", &pipeline("nobel"), "--base-url", &upstream.url(), "--json"]);
    check_counts(&told, &expected);
    let documents = home.documents("laureates");
    let list = |value: &Value| value.as_array().map(|list| list.len() as i64);
    let sums = &expected["laureates"]["sums"];
    assert_eq!(sum(&documents, |document| whole(&document["id"])), sums["id"]);
    assert_eq!(sum(&documents, |document| Some(!document["died"].is_null() as i64)), sums["died"]);
    assert_eq!(sum(&documents, |document| list(&document["prizes"])), sums["prizes"]);
    let (documents, sums) = (home.documents("prizes"), &expected["prizes"]["sums"]);
    assert_eq!(sum(&documents, |document| whole(&document["share"])), sums["share"]);
    assert_eq!(
        sum(&documents, |document| Some(!document["affiliation"].is_null() as i64)),
        sums["affiliation"]
    );
    let rejected = home.lines("rejected");
    assert_eq!(Value::from(rejected.len()), expected["laureates"]["clean"]["rejected"]);
    let again = home
        .well(&["run", &pipeline("nobel"), "--base-url", &upstream.url(), "--json"])
        .resources();
    for resource in ["laureates", "prizes"] {
        assert_eq!(
            again[resource]["load"]["unchanged"], expected[resource]["load"]["in"],
            "the same again changes nothing"
        );
    }
}

#[test]
fn polls_of_stations() {
    let file = std::fs::File::open(recordings().join("http/03_gbfs_oslobysykkel/polls_a_2022-10_2023-04.jsonl.gz")).unwrap();
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines();
    let polls: Vec<String> = lines
        .map(|line| {
            serde_json::from_str::<Value>(&line.unwrap()).unwrap()["body"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let (count, now) = (polls.len(), Arc::new(AtomicUsize::new(0)));
    let poll = now.clone();
    let upstream = Upstream::start(move |_| Reply::json(polls[poll.load(Ordering::Acquire)].clone()).gzip());
    let (home, expected) = (home(), recounted("stations"));
    let mut totals = std::collections::BTreeMap::<String, u64>::new();
    let mut records_in = 0;
    for poll in 0..count {
        now.store(poll, Ordering::Release);
        let told = home.well(&["run", &pipeline("stations"), "--base-url", &upstream.url(), "--json"]);
        let of_run = &told.resources()["status"];
        records_in += of_run["clean"]["in"].as_u64().unwrap();
        for (name, count) in of_run["load"].as_object().unwrap() {
            *totals.entry(name.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    assert_eq!(Value::from(records_in), expected["status"]["clean"]["in"]);
    for (name, count) in expected["status"]["load"].as_object().unwrap() {
        assert_eq!(&Value::from(totals[name]), count, "{name} of {totals:?}");
    }
    let (documents, sums) = (home.documents("stations"), &expected["status"]["sums"]);
    assert_eq!(sum(&documents, |document| whole(&document["bikes"])), sums["bikes"]);
    assert_eq!(sum(&documents, |document| whole(&document["docks"])), sums["docks"]);
    assert_eq!(
        sum(&documents, |document| millis(&document["last_reported"])),
        sums["last_reported"]
    );
    assert_eq!(
        sum(&documents, |document| Some(document["vehicles"].as_array()?.len() as i64)),
        sums["vehicles"]
    );
}

#[test]
fn issues() {
    let Value::Array(issues) = recorded_json("http/04_github_rest_pages/issues_duckdb_page5.json") else {
        panic!("expected a list")
    };
    let upstream = Upstream::start(move |request| page_of_issues(&issues, request));
    let (home, expected) = (home(), recounted("issues"));
    let run = || home.well(&["run", &pipeline("issues"), "--base-url", &upstream.url(), "--json"]);
    check_counts(&run(), &expected);
    let (documents, sums) = (home.documents("issues"), &expected["issues"]["sums"]);
    let characters = |value: &Value| Some(value.as_str()?.chars().count() as i64);
    assert_eq!(sum(&documents, |document| whole(&document["id"])), sums["id"]);
    assert_eq!(sum(&documents, |document| whole(&document["comments"])), sums["comments"]);
    assert_eq!(
        sum(&documents, |document| Some(document["labels"].as_array()?.len() as i64)),
        sums["labels"]
    );
    assert_eq!(
        sum(&documents, |document| Some(!document["closed_at"].is_null() as i64)),
        sums["closed_at"]
    );
    assert_eq!(sum(&documents, |document| characters(&document["body"])), sums["body_characters"]);
    assert_eq!(
        sum(&documents, |document| characters(&document["node_id"])),
        sums["node_id_characters"]
    );
    assert_eq!(
        sum(&documents, |document| whole(&document["reactions"]["total_count"])),
        sums["reactions_total"]
    );
    let again = &run().resources()["issues"];
    assert_eq!(again["clean"]["in"], 1, "only the newest is as new as the cursor");
    assert_eq!(again["load"]["unchanged"], 1);
}

/// GitHub's way: `since` filters, `Link` names the next page.
fn page_of_issues(issues: &[Value], request: &Request) -> Reply {
    let since: jiff::Timestamp = request.param("since").unwrap().parse().unwrap();
    let updated = |issue: &Value| issue["updated_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let matching: Vec<&Value> = issues.iter().filter(|issue| updated(issue) >= since).collect();
    let (page, per_page) = (request.number_param("page").unwrap_or(1), request.number_param("per_page").unwrap());
    let body: Vec<&Value> = matching.iter().skip((page - 1) * per_page).take(per_page).copied().collect();
    let reply = Reply::json(serde_json::to_string(&body).unwrap());
    if page * per_page >= matching.len() {
        return reply;
    }
    let host = &request.headers["host"];
    let query = format!(
        "state=all&per_page={per_page}&since={}&page={}",
        request.param("since").unwrap(),
        page + 1
    );
    reply.header(
        "link",
        &format!(
            "<http://{host}{}?{query}>; rel=\"next\", <http://{host}/>; rel=\"first\"",
            request.path()
        ),
    )
}
