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

fn incremental(path: &str, kind: &str, initial: &str) -> String {
    format!(
        "params: {{since: \"{{incremental.start_value}}\"}}, data_selector: data, incremental: {{cursor_path: {path}, type: {kind}, initial_value: {initial}}}"
    )
}

/// What a source reads in one form, it may not read in another.
#[tokio::test]
async fn a_window_keeps_the_form_of_its_initial_value() {
    let upstream = Upstream::start(|_, _| Answer::json("{\"data\":[{\"at\":\"2018-02-10T05:06:07.089Z\"}]}")).await;
    let home = Home::new();
    let pipeline = rest(&upstream.url("/"), "", &incremental("at", "iso8601", "2018-01-31, lag: 1d"));
    home.run(&pipeline).await.unwrap();
    home.run(&pipeline).await.unwrap();
    let since: Vec<_> = upstream.asked().iter().map(|asked| asked.query["since"].clone()).collect();
    assert_eq!(since, ["2018-01-31", "2018-02-09"]);
}

#[tokio::test]
async fn a_cursor_that_no_record_has_fails_the_run() {
    let upstream = Upstream::start(|_, asked| match asked.path.as_str() {
        "/full/things" => Answer::json("{\"data\":[{\"at\":1518220800000},{\"at\":1518220800001}]}"),
        "/null/things" => Answer::json("{\"data\":[{\"at\":null}]}"),
        "/large/things" => Answer::json("{\"data\":[{\"at\":9223372036854775808},{\"at\":1}]}"),
        other => panic!("{other}"),
    })
    .await;
    for (folder, endpoint, expected) in [
        (
            "full",
            incremental("upd", "unix_ms", "2018-01-31"),
            "no record (2 came) has a value of its `type` at `incremental.cursor_path` (`upd`)",
        ),
        ("full", incremental("at", "iso8601", "2018-01-31"), "no record (2 came) has a value"),
        (
            "large",
            incremental("at", "int", "0"),
            "`incremental.cursor_path` is not a whole number of 64 bits",
        ),
    ] {
        let pipeline = rest(&upstream.url(&format!("/{folder}/")), "", &endpoint);
        let mut home = Home::new();
        home.settings.object_bytes_max = 1;
        let message = home.failure(&pipeline).await;
        assert!(message.contains(expected), "{message}");
        assert_eq!(
            (home.cursor(&pipeline).await, home.bodies().await.len()),
            (None, 1),
            "what came is kept"
        );
    }
    let null = rest(&upstream.url("/null/"), "", &incremental("at", "unix_ms", "2018-01-31"));
    Home::new().run(&null).await.unwrap();
}

/// Killed after its last object, a run must not forget that it saw no cursor.
#[tokio::test]
async fn a_resumed_run_without_a_cursor_fails_too() {
    let upstream = Upstream::start(|_, _| Answer::json("{\"data\":[{\"at\":1}]}")).await;
    let pipeline = rest(&upstream.url("/"), "", &incremental("upd", "int", "0"));
    let home = Home::new();
    let (killed, steps) = home.run_until(&pipeline, 4).await;
    assert!(
        killed.is_err() && matches!(steps.last(), Some(ledger::Step::RawPut { .. })),
        "{steps:?}"
    );
    let message = home.failure(&pipeline).await;
    assert!(message.contains("no record (1 came)") && upstream.asked().len() == 1, "{message}");
}
