//! Files: local, by pattern, over HTTP, compressed, cut short.

use crate::home::{Home, definition};
use crate::upstream::{Answer, Upstream};
use extract::Settings;
use std::io::{Read as _, Write as _};

fn small_pieces() -> Home {
    let mut home = Home::new();
    home.settings = Settings {
        piece_bytes: 1000,
        ..Settings::default()
    };
    home
}

fn rows(count: usize) -> String {
    std::iter::once("id,text\n".to_owned())
        .chain((0..count).map(|n| format!("{n},\"line\nbreak {n}\"\n")))
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn local_files_in_the_order_of_their_names() {
    let home = small_pieces();
    let folder = home.folder.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    let (first, second) = (rows(200), rows(3));
    std::fs::write(folder.join("a.csv"), &first).unwrap();
    // Two members, as appending to a gzip file makes.
    let (head, tail) = second.split_at(10);
    std::fs::write(folder.join("b.csv"), [gzip(head.as_bytes()), gzip(tail.as_bytes())].concat()).unwrap();
    std::fs::write(folder.join("c.csv"), "").unwrap();
    std::fs::write(folder.join("d.txt"), "not this").unwrap();
    home.run(&definition("{files: {root: data}}", "file: {path: \"*.csv\"}"))
        .await
        .unwrap();
    let kept = home.captures().await;
    let of = |name: &str| {
        kept.iter()
            .filter(|kept| kept.url == name)
            .map(|kept| kept.body.as_str())
            .collect::<String>()
    };
    assert_eq!((of("data/a.csv"), of("data/b.csv")), (first, second));
    assert!(kept.len() > 3 && kept.iter().all(|kept| kept.form == "text" && kept.status == 0));
    for pair in kept.windows(2).filter(|pair| pair[0].url == pair[1].url) {
        assert_eq!(pair[1].offset.unwrap(), pair[0].offset.unwrap() + pair[0].body.len() as u64);
        assert_eq!(pair[1].header.as_deref(), Some("id,text"));
    }
    assert_eq!((kept[0].offset, &kept[0].header), (Some(0), &None));
}

#[tokio::test]
async fn a_json_document_is_one_capture() {
    let home = Home::new();
    std::fs::write(home.folder.path().join("x.json"), "{\"data\": [\n1, 2]}\n").unwrap();
    home.run(&definition("{files: {}}", "file: {path: x.json}")).await.unwrap();
    let kept = home.captures().await;
    assert_eq!((kept.len(), kept[0].form, kept[0].offset), (1, "json", None));
    assert_eq!(kept[0].body, "{\"data\": [1, 2]}");
}

#[tokio::test]
async fn files_that_cannot_be_read() {
    let home = Home::new();
    std::fs::write(home.folder.path().join("cut.csv.gz"), &gzip(rows(5).as_bytes())[..30]).unwrap();
    std::fs::write(
        home.folder.path().join("big.json"),
        format!("{{\"a\": {{\"b\": \"{}\"}}}}", "x".repeat(500)),
    )
    .unwrap();
    std::fs::write(home.folder.path().join("empty.json"), "").unwrap();
    for (path, expected) in [
        ("none.csv", "could not open none.csv, looked for from `root`, which is /"),
        ("none*.csv", "no file matches none*.csv, looked for from `root`, which is /"),
        ("cut.csv.gz", "cut.csv.gz cannot be read further: it cannot be decompressed"),
        (
            "empty.json",
            "empty.json cannot be read further: it is empty; expected a JSON document",
        ),
        (
            "big.json",
            "big.json cannot be read further: at byte 0: expected a list at `data_selector`",
        ),
    ] {
        let message = home
            .failure(&definition(
                "{files: {reply_size_max: 100B}}",
                &format!("file: {{path: \"{path}\"}}"),
            ))
            .await;
        assert!(message.contains(expected), "{message}");
    }
    let mut home = home;
    home.settings = Settings {
        piece_bytes: 10,
        record_bytes_max: 50,
        ..Settings::default()
    };
    std::fs::write(
        home.folder.path().join("long.csv"),
        format!("a\n12345678\n\n\"{}", "x\n".repeat(200)),
    )
    .unwrap();
    let message = home.failure(&definition("{files: {}}", "file: {path: long.csv}")).await;
    assert!(message.contains("a record after byte 11 is longer than"), "{message}");
    assert_eq!(home.bodies().await, ["a\n12345678\n"], "what came before is kept");
}

#[tokio::test]
async fn over_http() {
    let text = rows(300);
    let packed = gzip(text.as_bytes());
    let served = packed.clone();
    let upstream = Upstream::start(move |_, asked| match asked.path.as_str() {
        "/d/plain.csv" => Answer::bytes(rows(300).into_bytes()).with("content-type", "text/csv"),
        "/d/x.csv.gz" => Answer::bytes(served.clone()),
        // Compressed by itself, and said to be compressed for the way: it is so only once.
        "/d/twice.csv.gz" => Answer::bytes(served.clone()).with("content-encoding", "gzip"),
        path => panic!("{path}"),
    })
    .await;
    for path in ["plain.csv", "x.csv.gz", "twice.csv.gz"] {
        let home = small_pieces();
        let source = format!(
            "{{files: {{root: \"{}\", auth: {{bearer: {{token: \"${{secret:t}}\"}}}}}}}}",
            upstream.url("/d")
        );
        home.run(&definition(&source, &format!("file: {{path: {path}}}"))).await.unwrap();
        assert_eq!(home.bodies().await.concat(), text, "{path}");
        let asked = upstream.asked().pop().unwrap();
        assert_eq!(
            (asked.headers["authorization"].as_str(), asked.headers["accept-encoding"].as_str()),
            ("Bearer s3cret of t/+", "identity")
        );
        assert!(
            home.captures()
                .await
                .iter()
                .all(|kept| kept.status == 200 && kept.url == upstream.url(&format!("/d/{path}")))
        );
    }
    let home = small_pieces();
    home.run(&definition(
        "{files: {}}",
        &format!("file: {{path: \"{}\"}}", upstream.url("/d/plain.csv")),
    ))
    .await
    .unwrap();
    assert_eq!(home.bodies().await.concat(), text);
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_again() {
    let text = rows(2000);
    let full = text.len();
    for pack in [false, true] {
        let body = if pack {
            zstd::encode_all(text.as_bytes(), 1).unwrap()
        } else {
            text.clone().into_bytes()
        };
        let third = body.len() / 3;
        let upstream = Upstream::start(move |number, _| {
            let answer = Answer::bytes(body.clone());
            match number {
                0 => Answer {
                    cut_at: Some(third),
                    ..answer
                },
                1 => Answer::status(503),
                2 => Answer {
                    cut_at: Some(2 * third),
                    ..answer
                },
                3 => Answer { reset: true, ..answer },
                _ => answer,
            }
        })
        .await;
        let home = small_pieces();
        let source = format!("{{files: {{root: \"{}\", retries: {{backoff: 1ms}}}}}}", upstream.url("/"));
        home.run(&definition(&source, "file: {path: x.csv}")).await.unwrap();
        assert_eq!(home.bodies().await.concat(), text, "{full} bytes, none twice, none lost");
        assert_eq!(upstream.asked().len(), 5);
    }
    let upstream = Upstream::start(|_, _| Answer {
        cut_at: Some(30),
        ..Answer::bytes(rows(100).into_bytes())
    })
    .await;
    let source = format!(
        "{{files: {{root: \"{}\", retries: {{backoff: 1ms, attempts_max: 3}}}}}}",
        upstream.url("/")
    );
    let message = small_pieces().failure(&definition(&source, "file: {path: x.csv}")).await;
    assert!(message.contains("3 requests failed one after another"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_another_one_after_the_break() {
    let old = rows(300).into_bytes();
    let new = rows(400).replace(" 1\"", " one\"").into_bytes();
    let upstream = Upstream::start(move |number, _| match number {
        0 => Answer {
            cut_at: Some(old.len() / 2),
            ..Answer::bytes(old.clone())
        },
        _ => Answer::bytes(new.clone()),
    })
    .await;
    let source = format!("{{files: {{root: \"{}\", retries: {{backoff: 1ms}}}}}}", upstream.url("/"));
    let home = small_pieces();
    let message = home.failure(&definition(&source, "file: {path: x.csv}")).await;
    assert!(message.contains("x.csv cannot be read further: it has changed"), "{message}");
    let kept = home.bodies().await.concat();
    assert!(!kept.is_empty() && rows(300).starts_with(&kept), "what came before is kept");
}

/// A few bytes of brotli become gigabytes in one step, so files are not read from it.
#[tokio::test]
async fn brotli_is_not_for_files() {
    let mut packed = Vec::new();
    std::io::copy(
        &mut std::io::repeat(b'\n').take(8 << 20),
        &mut brotli::CompressorWriter::new(&mut packed, 4096, 3, 20),
    )
    .unwrap();
    let upstream = Upstream::start(move |_, _| Answer::bytes(packed.clone()).with("content-encoding", "br")).await;
    let home = Home::new();
    let source = format!("{{files: {{root: \"{}\"}}}}", upstream.url("/"));
    let message = home.failure(&definition(&source, "file: {path: x.csv}")).await;
    assert!(
        message.contains("the server compresses it as br, which was not asked for"),
        "{message}"
    );
    assert_eq!((home.bodies().await.len(), upstream.asked().len()), (0, 1));
}

#[tokio::test]
async fn a_taste() {
    let mut home = small_pieces();
    home.pages_max = Some(2);
    std::fs::write(home.folder.path().join("x.csv"), rows(500)).unwrap();
    home.run(&definition("{files: {}}", "file: {path: x.csv}")).await.unwrap();
    assert_eq!(home.captures().await.len(), 2);
}

/// On AWS a folder would be the function's own: `/proc/self/environ` holds its credentials.
#[tokio::test]
async fn where_folders_are_not_ours_none_is_read() {
    let mut home = Home::new();
    home.settings.local_files = false;
    std::fs::write(home.folder.path().join("x.csv"), rows(2)).unwrap();
    let absolute = format!("{{files: {{root: \"{}\"}}}}", home.folder.path().display());
    for source in ["{files: {}}", "{files: {root: .}}", &absolute] {
        let error = home.run(&definition(source, "file: {path: x.csv}")).await.unwrap_err();
        assert!(
            error.chain().contains("a function on AWS has no folder of yours"),
            "{}",
            error.chain()
        );
        assert!(home.captures().await.is_empty());
    }
}
