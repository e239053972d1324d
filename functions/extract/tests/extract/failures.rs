//! Sources that are not well.

use crate::home::{Home, definition, rest};
use crate::upstream::{Answer, Upstream};
use ledger::Next;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// What a source does before it answers well, and how many requests that takes.
async fn recovers(bad: impl Fn(usize) -> Option<Answer> + Send + Sync + 'static, requests: usize, source: &str) {
    let upstream = Upstream::start(move |number, _| bad(number).unwrap_or_else(|| Answer::json("[{\"id\":\"1\"}]"))).await;
    let home = Home::new();
    home.run(&rest(&upstream.url("/"), source, "")).await.unwrap();
    assert_eq!(home.bodies().await, ["[{\"id\":\"1\"}]"]);
    assert_eq!(upstream.asked().len(), requests);
}

fn first(count: usize, answer: Answer) -> impl Fn(usize) -> Option<Answer> + Send + Sync + 'static {
    move |number| (number < count).then(|| answer.clone())
}

/// A reply without a body is not compressed, whatever its header says.
#[tokio::test]
async fn an_empty_reply_that_is_said_to_be_compressed() {
    for coding in ["identity", "gzip", "br", "zstd"] {
        let upstream = Upstream::start(move |_, _| Answer::bytes(Vec::new()).with("content-encoding", coding)).await;
        let home = Home::new();
        home.run(&rest(&upstream.url("/"), "", "")).await.unwrap();
        assert_eq!((home.bodies().await, upstream.asked().len()), (vec![String::new()], 1), "{coding}");
    }
}

#[tokio::test]
async fn sources_that_recover() {
    recovers(first(3, Answer::status(503)), 4, "").await;
    recovers(first(1, Answer::status(408)), 2, "").await;
    recovers(first(1, Answer::status(425)), 2, "").await;
    recovers(first(2, Answer::status(429).with("retry-after", "0")), 3, "").await;
    recovers(
        first(1, Answer::status(429).with("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")),
        2,
        "",
    )
    .await;
    recovers(first(1, Answer::status(503).with("retry-after", "nonsense")), 2, "").await;
    recovers(
        first(
            2,
            Answer {
                reset: true,
                ..Answer::status(200)
            },
        ),
        3,
        "",
    )
    .await;
    recovers(
        first(
            2,
            Answer {
                cut_at: Some(5),
                ..Answer::json("[{\"id\":\"9\"}]")
            },
        ),
        3,
        "",
    )
    .await;
    let gzipped = Answer {
        cut_at: Some(9),
        ..Answer::bytes(gzip(b"[]")).with("content-encoding", "gzip")
    };
    recovers(first(1, gzipped), 2, "").await;
    let cut_inside = Answer::bytes(gzip(b"[1,2,3,4,5,6,7]")[..20].to_vec()).with("content-encoding", "gzip");
    recovers(first(1, cut_inside), 2, "").await;
    let slow_body = Answer {
        stall_at: Some(3),
        ..Answer::json("[1,2]")
    };
    recovers(first(1, slow_body), 2, "timeouts: {reply: 50ms}").await;
}

#[tokio::test]
async fn a_server_that_asks_to_wait() {
    let upstream = Upstream::start(|number, _| match number {
        0 => Answer::status(429).with("retry-after", "Tue, 14 Nov 2023 22:13:20 GMT"),
        _ => Answer::json("[]"),
    })
    .await;
    let home = Home::new();
    // The home's clock says that it is 50 milliseconds before that.
    home.clock.set(1_699_999_999_950);
    let began = Instant::now();
    home.run(&rest(&upstream.url("/"), "", "")).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(30), "it was waited for");
    assert_eq!(upstream.asked().len(), 2);
}

/// The message and what happens next, for a source that always answers so.
async fn fails(answer: Answer, source: &str) -> (String, Next, usize) {
    let upstream = Upstream::start(move |_, _| answer.clone()).await;
    let home = Home::new();
    let error = home.run(&rest(&upstream.url("/"), source, "params: {q: \"1\"}")).await.unwrap_err();
    let text = error.chain();
    assert!(text.contains(&upstream.url("/things?q=1")), "{text}");
    assert!(!text.contains("must not be shown"), "{text}");
    assert_eq!(home.objects().await.len(), 0);
    (text, error.next(), upstream.asked().len())
}

#[tokio::test]
async fn sources_that_do_not_recover() {
    for (answer, source, text, next, requests) in [
        (
            Answer::status(404),
            "",
            "answered 404, expected 200: look at `base_url` and `path`",
            Next::Alarm,
            1,
        ),
        (Answer::status(401), "", "look at `auth`", Next::Alarm, 1),
        (Answer::status(304), "", "answered 304", Next::Alarm, 1),
        (Answer::status(500), "", "4 requests failed one after another", Next::Retry, 4),
        (
            Answer {
                reset: true,
                ..Answer::status(200)
            },
            "",
            "the connection failed",
            Next::Retry,
            4,
        ),
        (
            Answer {
                cut_at: Some(1),
                ..Answer::json("[]")
            },
            "",
            "the connection failed",
            Next::Retry,
            4,
        ),
        (
            Answer::status(429).with("retry-after", "3600"),
            "",
            "asks to wait for 1h",
            Next::Retry,
            1,
        ),
        (Answer::json("[1,2,3]"), "reply_size_max: 6B", "larger than 6B", Next::Alarm, 1),
        (
            Answer::json("[]").with("content-encoding", "compress"),
            "",
            "compressed as compress",
            Next::Alarm,
            1,
        ),
        (
            Answer {
                stall_at: Some(1),
                ..Answer::json("[]")
            },
            "timeouts: {reply: 20ms}",
            "no whole reply within 20ms",
            Next::Retry,
            4,
        ),
    ] {
        assert_eq!(
            {
                let (message, next, requests) = fails(answer, source).await;
                assert!(message.contains(text), "{message}");
                (next, requests)
            },
            (next, requests),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_source_that_never_answers() {
    // It listens, but nobody accepts.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let message = Home::new().failure(&rest(&url, "timeouts: {first_byte: 20ms}", "")).await;
    assert!(message.contains("no reply within 20ms"), "{message}");
    drop(listener);
    let message = Home::new().failure(&rest(&url, "", "")).await;
    assert!(message.contains("refused"), "{message}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4096, 9, 22).write_all(bytes).unwrap();
    packed
}

#[tokio::test]
async fn compressed_replies_and_bombs() {
    let bomb = " ".repeat(40 << 20);
    for (name, pack) in [
        ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
        ("br", brotli),
        ("zstd", |bytes| zstd::encode_all(bytes, 3).unwrap()),
    ] {
        let good = pack(b"[{\"id\":\"1\"}]");
        let upstream = Upstream::start(move |_, _| Answer::bytes(good.clone()).with("content-encoding", name)).await;
        let home = Home::new();
        home.run(&rest(&upstream.url("/"), "", "")).await.unwrap();
        assert_eq!(home.bodies().await, ["[{\"id\":\"1\"}]"], "{name}");
        assert_eq!(upstream.asked()[0].headers["accept-encoding"], "gzip, br, zstd");
        let packed = pack(bomb.as_bytes());
        assert!(packed.len() < 1 << 20);
        let (message, next, requests) = fails(Answer::bytes(packed).with("content-encoding", name), "").await;
        assert!(message.contains("larger than 16MB"), "{name}: {message}");
        assert_eq!((next, requests), (Next::Alarm, 1));
    }
}

#[tokio::test]
async fn the_rate_is_kept() {
    let upstream = crate::paginators::source().await;
    let pages = "paginator: {page_number: {limit: 10, limit_param: limit}}";
    let began = Instant::now();
    Home::new()
        .run(&rest(&upstream.url("/page/"), "rate_limit: {requests: 1, per: 30ms}", pages))
        .await
        .unwrap();
    assert!(began.elapsed() >= Duration::from_millis(90), "4 requests, 30 ms apart");
    // A wait for the rate is no wait for the reply.
    let slow = "rate_limit: {requests: 1, per: 60ms}, timeouts: {reply: 50ms, first_byte: 50ms}, retries: {attempts_max: 1}";
    let pipeline = definition(
        &format!("{{rest_api: {{base_url: \"{}\", {slow}}}}}", upstream.url("/page/")),
        &format!("endpoint: {{path: things, {pages}}}"),
    );
    Home::new().run(&pipeline).await.unwrap();
}

/// The client for https is made and tries; what it meets is a failure of the connection.
#[tokio::test]
async fn https_where_nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    drop(listener);
    let message = Home::new().failure(&rest(&url, "", "")).await;
    assert!(
        message.contains("the connection failed") && message.contains("refused"),
        "{message}"
    );
}

#[tokio::test]
async fn nothing_has_changed() {
    let upstream = Upstream::start(|_, _| Answer::status(304)).await;
    let message = Home::new().failure(&rest(&upstream.url("/"), "", "")).await;
    assert!(
        message.contains("304") && message.contains("look at `headers` (`If-None-Match`"),
        "{message}"
    );
}

/// Escapes make six bytes of one: a line that could be written, but never read again.
#[tokio::test]
async fn a_reply_that_escapes_would_make_too_long() {
    let upstream = Upstream::start(|_, _| Answer::bytes(vec![1; 12 << 20])).await;
    let home = Home::new();
    home.run(&rest(&upstream.url("/"), "", "")).await.unwrap();
    assert_eq!(home.captures().await[0].form, "base64");
}

/// A record that makes too long a line is an error before anything of it is written.
#[tokio::test]
async fn a_line_that_nobody_could_read() {
    let mut home = Home::new();
    home.settings.record_bytes_max = 128 << 20;
    let mut file = std::fs::File::create(home.folder.path().join("x.ndjson")).unwrap();
    file.write_all(b"\"").unwrap();
    file.write_all(&vec![b'x'; 65 << 20]).unwrap();
    file.write_all(b"\"\n").unwrap();
    let message = home.failure(&definition("{files: {}}", "file: {path: x.ndjson}")).await;
    assert!(
        message.contains("x.ndjson makes a line of") && message.contains("at most 64MB can be read back"),
        "{message}"
    );
    assert_eq!(home.objects().await.len(), 0);
}
