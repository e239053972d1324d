//! Each paginator against a source that has 25 records.

use crate::home::{Home, rest};
use crate::upstream::{Answer, Asked, Upstream};

const ALL: u64 = 25;

/// A page of records as a JSON list.
fn items(from: u64, count: u64) -> String {
    let items: Vec<String> = (from..ALL.min(from.saturating_add(count)))
        .map(|id| format!("{{\"id\":\"{id}\"}}"))
        .collect();
    format!("[{}]", items.join(","))
}

fn number(asked: &Asked, name: &str, otherwise: u64) -> u64 {
    asked.query.get(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// The source, in all of its dialects.
pub async fn source() -> Upstream {
    Upstream::start(|_, asked| {
        let size = number(asked, "limit", 10);
        let after = number(asked, "after", 0);
        let more = after + size < ALL;
        match asked.path.as_str() {
            "/single/things" => Answer::json(format!("{{\"data\":\n  {}}}\n", items(0, ALL))),
            "/page/things" => Answer::json(items((number(asked, "page", 1) - 1) * size, size)),
            "/offset/things" => Answer::json(format!(
                "{{\"data\":{},\"total\":{ALL}}}",
                items(number(asked, "offset", 0), size.min(7))
            )),
            "/cursor/things" => {
                let next = if more { format!("\"{}\"", after + size) } else { "null".into() };
                Answer::json(format!("{{\"data\":{},\"next\":{next},\"more\":{more}}}", items(after, size)))
            }
            "/next/things" => {
                let next = if more {
                    format!("\"things?after={}\"", after + size)
                } else {
                    "\"\"".into()
                };
                Answer::json(format!("{{\"data\":{},\"links\":{{\"next\":{next}}}}}", items(after, size)))
            }
            "/link/things" if more => {
                let link = format!("</link/things?after={}>; rel=\"next\", </link/things>; rel=first", after + size);
                Answer::json(items(after, size)).with("link", &link)
            }
            "/link/things" => Answer::json(items(after, size)),
            other => panic!("{other}"),
        }
    })
    .await
}

/// Every paginator with its folder at the source, and how many requests it takes.
pub const PAGINATORS: [(&str, &str, usize); 7] = [
    ("single", "data_selector: \"$.data[*]\"", 1),
    ("page", "paginator: {page_number: {limit: 10, limit_param: limit}}", 4),
    (
        "page",
        "paginator: {page_number: {limit: 10, limit_param: limit, stop_on_short_page: true}}",
        3,
    ),
    (
        "offset",
        "data_selector: data, paginator: {offset: {limit: 10, total_path: total}}",
        4,
    ),
    (
        "cursor",
        "data_selector: data, paginator: {cursor: {cursor_path: next, cursor_param: after, has_more_path: more}}",
        3,
    ),
    ("next", "data_selector: data, paginator: {next_url: {next_url_path: links.next}}", 3),
    ("link", "paginator: {link_header: {}}", 3),
];

/// The records of bodies: each once, in order.
pub fn ids(bodies: &[String]) -> Vec<u64> {
    let values = bodies.iter().map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap());
    let items = values.flat_map(|value| value.get("data").unwrap_or(&value).as_array().unwrap().clone());
    items.map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn every_record_comes_once() {
    let upstream = source().await;
    for (folder, endpoint, requests) in PAGINATORS {
        let home = Home::new();
        let before = upstream.asked().len();
        let outcome = home.run(&rest(&upstream.url(&format!("/{folder}/")), "", endpoint)).await.unwrap();
        assert_eq!(ids(&home.bodies().await), (0..ALL).collect::<Vec<_>>(), "{endpoint}");
        assert_eq!(upstream.asked().len() - before, requests, "{endpoint}");
        let kept = home.captures().await;
        assert!(
            kept.iter()
                .all(|kept| kept.form == "json" && kept.status == 200 && kept.url.starts_with(&upstream.url("/")))
        );
        let bytes = home.objects().await.iter().map(|(_, metadata)| metadata.bytes).sum();
        let extract::Outcome::Extracted {
            parts,
            captures,
            bytes: counted,
            resumed: false,
            ..
        } = outcome
        else {
            panic!("{outcome:?}")
        };
        assert_eq!((parts, captures, counted), (1, requests as u64, bytes), "{endpoint}");
    }
}

#[tokio::test]
async fn a_page_that_repeats_stops_the_run() {
    let upstream = Upstream::start(|_, asked| match asked.path.as_str() {
        "/same/things" => Answer::json("{\"at\":1,\"data\":[{\"id\":\"1\"}]}"),
        "/circle/things" => {
            let next = (number(asked, "after", 0) + 1) % 5;
            Answer::json(format!("{{\"data\":[],\"next\":{next}}}"))
        }
        other => panic!("{other}"),
    })
    .await;
    let same = rest(&upstream.url("/same/"), "", "data_selector: data, paginator: {page_number: {}}");
    let home = Home::new();
    let message = home.failure(&same).await;
    assert!(message.contains("page 2 is the same as one before it"), "{message}");
    assert_eq!(home.bodies().await.len(), 2, "what came in is kept");
    let circle = rest(
        &upstream.url("/circle/"),
        "",
        "data_selector: data, paginator: {cursor: {cursor_path: next, cursor_param: after}}",
    );
    let message = Home::new().failure(&circle).await;
    assert!(message.contains("the cursor came twice"), "{message}");
    assert!(upstream.asked().len() < 40);
}

#[tokio::test]
async fn a_run_has_a_most_number_of_pages() {
    let upstream = source().await;
    let few = rest(
        &upstream.url("/page/"),
        "",
        "pages_max: 2, paginator: {page_number: {limit: 10, limit_param: limit}}",
    );
    let message = Home::new().failure(&few).await;
    assert!(
        message.contains("more than 2 pages") && message.contains("`pages_max`"),
        "{message}"
    );
    let mut home = Home::new();
    home.pages_max = Some(1);
    home.run(&few).await.unwrap();
    assert_eq!(home.bodies().await.len(), 1);
}

#[tokio::test]
async fn replies_that_say_nothing_of_the_next_page() {
    let upstream = Upstream::start(|_, asked| match asked.path.as_str() {
        "/text/things" => Answer::bytes(b"<html>".to_vec()),
        "/error/things" => Answer::json("{\"error\": \"busy\"}"),
        "/wrong/things" => Answer::json("{\"next\": {}}"),
        "/more/things" => Answer::json("{\"more\": true}"),
        "/deep/things" => Answer::json("[".repeat(100_000)),
        "/bytes/things" => Answer::bytes(vec![0xff, 0xfe]),
        "/none/things" => Answer {
            body: Vec::new(),
            ..Answer::status(204)
        },
        other => panic!("{other}"),
    })
    .await;
    let cursor = "paginator: {cursor: {cursor_path: next, cursor_param: after, has_more_path: more}}";
    for (folder, expected) in [
        ("text", "is not JSON"),
        ("wrong", "`cursor_path` is not text or a number"),
        ("more", "there is more, but not where"),
        ("deep", "is not JSON"),
    ] {
        let home = Home::new();
        let message = home.failure(&rest(&upstream.url(&format!("/{folder}/")), "", cursor)).await;
        assert!(message.contains(expected), "{folder}: {message}");
        assert_eq!(home.captures().await.len(), 1, "{folder}: it is kept all the same");
    }
    for (folder, endpoint, form) in [("text", "", "text"), ("deep", "", "text"), ("bytes", "", "base64")] {
        let home = Home::new();
        home.run(&rest(&upstream.url(&format!("/{folder}/")), "", endpoint)).await.unwrap();
        assert_eq!(home.captures().await[0].form, form, "{folder}");
    }
    let home = Home::new();
    home.run(&rest(&upstream.url("/none/"), "", "paginator: {page_number: {}}"))
        .await
        .unwrap();
    assert_eq!(home.objects().await.len(), 0);
}

#[tokio::test]
async fn the_longest_cursor_fits_beside_an_object() {
    for (length, fits) in [
        (extract::paging::MARK_BYTES_MAX, true),
        (extract::paging::MARK_BYTES_MAX + 1, false),
    ] {
        let upstream = Upstream::start(move |number, _| match number {
            0 => Answer::json(format!("{{\"data\":[1],\"next\":\"{}\"}}", "x".repeat(length))),
            _ => Answer::json("{\"data\":[]}"),
        })
        .await;
        let mut home = Home::new();
        home.settings.object_bytes_max = 1;
        let pipeline = rest(
            &upstream.url("/"),
            "",
            "data_selector: data, paginator: {cursor: {cursor_path: next, cursor_param: after}}",
        );
        if fits {
            home.run(&pipeline).await.unwrap();
            assert_eq!(home.objects().await.len(), 2);
        } else {
            let message = home.failure(&pipeline).await;
            assert!(message.contains("gives a cursor of 1401 bytes; at most 1400"), "{message}");
        }
    }
}

/// A message of any length and script is kept with the object, so that it cannot keep a run from ending.
#[tokio::test]
async fn a_long_message_fits_beside_an_object() {
    let path = "\u{e9}".repeat(2000);
    let upstream = Upstream::start(|number, _| {
        if number == 0 {
            Answer::json("[1]").with("link", "</x>; rel=next")
        } else {
            Answer::status(404)
        }
    })
    .await;
    let home = Home::new();
    let message = home
        .failure(&rest(&upstream.url(&format!("/{path}/")), "", "paginator: {link_header: {}}"))
        .await;
    assert!(message.contains("404"), "{message}");
    assert_eq!(home.objects().await.len(), 1);
}

/// An empty page before the total is no end.
#[tokio::test]
async fn a_source_that_holds_back() {
    let upstream = Upstream::start(|_, asked| match number(asked, "offset", 0) {
        0 => Answer::json(format!("{{\"data\":{},\"t\":{ALL}}}", items(0, 10))),
        _ => Answer::json("{\"data\":[]}"),
    })
    .await;
    let home = Home::new();
    let endpoint = "data_selector: data, paginator: {offset: {limit: 10, total_path: t}}";
    let message = home.failure(&rest(&upstream.url("/"), "", endpoint)).await;
    assert!(message.contains("the source says there are 25 records, 10 came"), "{message}");
    assert_eq!(home.bodies().await.len(), 2, "what came is kept");
}

/// A misspelt path looks like a last page: people are told.
#[tokio::test]
async fn a_way_to_the_next_page_that_is_not_there() {
    let upstream = Upstream::start(|_, asked| match asked.path.as_str() {
        "/full/things" => Answer::json("{\"data\":[{\"id\":\"1\"}],\"next\":null,\"more\":0}"),
        "/empty/things" => Answer::json("{\"data\":[]}"),
        other => panic!("{other}"),
    })
    .await;
    let cursor = |path, more| format!("data_selector: data, paginator: {{cursor: {{cursor_path: {path}, cursor_param: after{more}}}}}");
    let told = Some("no `nxt` in the first reply: taken as the last page");
    for (folder, endpoint, expected) in [
        ("full", cursor("nxt", ""), told),
        (
            "full",
            "data_selector: data, paginator: {next_url: {next_url_path: nxt}}".to_owned(),
            told,
        ),
        ("full", cursor("next", ""), None),
        ("full", cursor("nxt", ", has_more_path: more"), None),
        ("empty", cursor("nxt", ""), None),
    ] {
        let pipeline = rest(&upstream.url(&format!("/{folder}/")), "", &endpoint);
        let outcome = Home::new().run(&pipeline).await.unwrap();
        let extract::Outcome::Extracted { notices, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(notices.first().map(String::as_str), expected, "{endpoint}");
    }
}
