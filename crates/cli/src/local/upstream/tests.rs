//! Requests over real HTTP, to the recordings that ship.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn pipelines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines")
}

/// The status line, the headers and the body of a reply.
async fn get(upstream: &Upstream, path: &str) -> (u16, String, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(upstream.address).await.unwrap();
    let request = format!(
        "GET /{}{path} HTTP/1.1\r\nHost: loopback\r\nConnection: close\r\n\r\n",
        upstream.path
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(reply[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, reply[end + 4..].to_vec())
}

async fn earthquakes() -> Upstream {
    Upstream::start("earthquakes", &pipelines()).await.unwrap()
}

async fn features(upstream: &Upstream, query: &str) -> Vec<serde_json::Value> {
    let (status, head, body) = get(upstream, &format!("query?format=geojson&{query}")).await;
    assert_eq!(status, 200, "{query}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let reply: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let features = reply["features"].as_array().unwrap().clone();
    assert_eq!(reply["metadata"]["count"], features.len());
    features
}

fn times(features: &[serde_json::Value]) -> Vec<i64> {
    features
        .iter()
        .map(|feature| feature["properties"]["time"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn all_events_come_oldest_first_in_pages_counted_from_one() {
    let upstream = earthquakes().await;
    let all = features(&upstream, "orderby=time-asc&limit=2000&offset=1").await;
    assert_eq!(all.len(), 1707);
    assert!(times(&all).is_sorted());
    let mut pages = Vec::new();
    for offset in [1, 1001, 2001] {
        pages.extend(features(&upstream, &format!("orderby=time-asc&limit=1000&offset={offset}")).await);
    }
    assert_eq!(pages, all);
    let newest = features(&upstream, "limit=3").await;
    assert_eq!(newest[0], all[1706]);
}

#[tokio::test]
async fn times_are_counted_in_whole_seconds_and_include_their_moment() {
    let upstream = earthquakes().await;
    let all = features(&upstream, "orderby=time-asc").await;
    let updated = |feature: &serde_json::Value| feature["properties"]["updated"].as_i64().unwrap();
    let after = jiff::Timestamp::from_millisecond(updated(&all[1500])).unwrap();
    let second = after.as_second() * 1000;
    let expected: Vec<_> = all.iter().filter(|feature| updated(feature) >= second).cloned().collect();
    assert!(!expected.is_empty() && expected.len() < 1707);
    assert_eq!(
        features(&upstream, &format!("orderby=time-asc&updatedafter={after}")).await,
        expected
    );
    assert_eq!(
        features(&upstream, &format!("orderby=time-asc&updatedafter={second}")).await,
        expected
    );
    let (from, to) = ("2018-02-01T00:00:00", "2018-02-02");
    let day = features(&upstream, &format!("orderby=time-asc&starttime={from}&endtime={to}")).await;
    let bounds = [1_517_443_200_000, 1_517_529_600_000];
    let count = times(&all).iter().filter(|time| (bounds[0]..=bounds[1]).contains(*time)).count();
    assert_eq!(day.len(), count);
    assert!(features(&upstream, "updatedafter=2026-01-01").await.is_empty());
}

#[tokio::test]
async fn events_come_byte_for_byte_as_recorded() {
    let upstream = earthquakes().await;
    let recording = fs_text("earthquakes/all_week_2018-02-07.geojson");
    let recorded = recording
        .split_once("\"features\":[")
        .unwrap()
        .1
        .rsplit_once("],\"bbox\"")
        .unwrap()
        .0;
    let (_, _, body) = get(&upstream, "query?format=geojson&limit=20000").await;
    let body = String::from_utf8(body).unwrap();
    let mut sent: Vec<&str> = lines(body.split_once("\"features\":[").unwrap().1.strip_suffix("]}").unwrap());
    let mut there: Vec<&str> = lines(recorded);
    sent.sort_unstable();
    there.sort_unstable();
    assert_eq!(sent, there);
}

fn lines(features: &str) -> Vec<&str> {
    features.split(",\n").collect()
}

fn fs_text(name: &str) -> String {
    std::fs::read_to_string(pipelines().join("recordings").join(name)).unwrap()
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_the_real_service_does() {
    let upstream = earthquakes().await;
    for (query, status, said) in [
        (
            "limit=20001",
            400,
            "Bad limit value \"20001\". Valid values are 0 <= limit <= 20000",
        ),
        ("offset=0", 400, "Bad offset value \"0\". Valid values are 1 <= offset"),
        (
            "updatedafter=yesterday",
            400,
            "Bad updatedafter value \"yesterday\". Valid values are ISO-8601 timestamps.",
        ),
        ("orderby=size", 400, "Bad orderby value"),
        ("colour=red", 400, "Unknown parameter \"colour\"."),
        ("format=quakeml", 501, "GeoJSON"),
    ] {
        let (found, head, body) = get(&upstream, &format!("query?{query}")).await;
        let text = String::from_utf8(body).unwrap();
        assert_eq!(found, status, "{query}: {text}");
        assert!(head.contains("content-type: text/plain") && text.contains(said), "{text}");
    }
    assert_eq!(get(&upstream, "catalogs").await.0, 404);
}

#[tokio::test]
async fn files_come_as_they_lie_there_and_nothing_else_does() {
    let upstream = Upstream::start("flights", &pipelines()).await.unwrap();
    let (status, head, body) = get(&upstream, "airlines.csv").await;
    assert_eq!((status, body), (200, fs_text("flights/airlines.csv").into_bytes()));
    assert!(head.contains("content-type: text/csv"), "{head}");
    let (status, head, body) = get(&upstream, "flights.csv.gz").await;
    assert_eq!((status, body.get(..2)), (200, Some([0x1f, 0x8b].as_slice())));
    assert!(
        head.contains("content-type: application/gzip") && !head.contains("content-encoding"),
        "{head}"
    );
    for path in ["nothing.csv", "", "../README.md", "%2e%2e/README.md"] {
        assert_eq!(get(&upstream, path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_pipeline_without_a_recording_is_told_which_have_one() {
    let error = Upstream::start("orders", &pipelines()).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "no recording ships with `orders`; there is one for `earthquakes` and `flights`"
    );
}
