//! Windows: where a run starts, and what it commits.

use crate::home::{Home, rest};
use crate::upstream::{Answer, Upstream};

const ENDPOINT: &str = "params: {since: \"{incremental.start_value}\"}, data_selector: data, paginator: {page_number: {}}, incremental: {cursor_path: at, type: unix_ms, initial_value: 2018-01-31T00:00:00Z, lag: 10m}";

/// One page with these values of the cursor, then none.
async fn source(values: &'static [i64]) -> Upstream {
    Upstream::start(move |_, asked| {
        let data: Vec<String> = values.iter().map(|at| format!("{{\"at\":{at}}}")).collect();
        let page = if asked.query["page"] == "1" {
            data.join(",")
        } else {
            String::new()
        };
        Answer::json(format!("{{\"data\":[{page}]}}"))
    })
    .await
}

#[tokio::test]
async fn from_run_to_run() {
    let upstream = source(&[1_518_220_800_000, 1_518_220_700_000]).await;
    let home = Home::new();
    let pipeline = rest(&upstream.url("/"), "", ENDPOINT);
    home.run(&pipeline).await.unwrap();
    assert_eq!(home.cursor(&pipeline).await, Some(1_518_220_800_000));
    home.run(&pipeline).await.unwrap();
    let since: Vec<_> = upstream.asked().iter().map(|asked| asked.query["since"].clone()).collect();
    assert_eq!(
        since,
        [
            "2018-01-31T00:00:00Z",
            "2018-01-31T00:00:00Z",
            "2018-02-09T23:50:00Z",
            "2018-02-09T23:50:00Z"
        ]
    );
    let runs = home.runs().await;
    assert_eq!((runs[0].cursor_before, runs[1].cursor_before), (Some(1_518_220_800_000), None));
}

#[tokio::test]
async fn nothing_seen_moves_nothing() {
    let upstream = source(&[]).await;
    let home = Home::new();
    let pipeline = rest(&upstream.url("/"), "", ENDPOINT);
    home.run(&pipeline).await.unwrap();
    assert_eq!(home.cursor(&pipeline).await, None);
}

#[tokio::test]
async fn the_future_is_not_committed() {
    let upstream = source(&[4_000_000_000_000]).await;
    let home = Home::new();
    let pipeline = rest(&upstream.url("/"), "", ENDPOINT);
    home.run(&pipeline).await.unwrap();
    assert_eq!(home.cursor(&pipeline).await, Some(home.runs().await[0].started_ms));
}

#[tokio::test]
async fn a_run_that_fails_commits_nothing_and_keeps_what_came() {
    let upstream = Upstream::start(|number, _| {
        if number == 0 {
            Answer::json("{\"data\":[{\"at\":1518220800000}]}")
        } else {
            Answer::status(404)
        }
    })
    .await;
    let home = Home::new();
    let pipeline = rest(&upstream.url("/"), "", ENDPOINT);
    home.failure(&pipeline).await;
    assert_eq!(home.cursor(&pipeline).await, None);
    assert_eq!(home.bodies().await.len(), 1);
    assert!(home.objects().await[0].1.state.as_ref().unwrap().contains("1518220800000"));
}

#[tokio::test]
async fn a_resumed_run_keeps_its_window() {
    let upstream = source(&[1_518_220_800_000]).await;
    let mut home = Home::new();
    home.settings.object_bytes_max = 1;
    let pipeline = rest(&upstream.url("/"), "", ENDPOINT);
    home.run(&pipeline).await.unwrap();
    assert!(home.run_until(&pipeline, 4).await.0.is_err());
    home.run(&pipeline).await.unwrap();
    let since: Vec<_> = upstream.asked().iter().skip(2).map(|asked| asked.query["since"].clone()).collect();
    assert!(
        since.len() >= 2 && since.iter().all(|since| since == "2018-02-09T23:50:00Z"),
        "{since:?}"
    );
}
