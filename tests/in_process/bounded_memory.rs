//! Law 7: memory does not grow with the input. The peak of the heap is measured for an input and for ten times as much, in a process of its own.
//! Counted is what Rust allocates; zstd's window and SQLite's cache have limits of their own. The whole process is measured in `benches/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

use peak_alloc::PeakAlloc;
use pipeline::Name;
use std::fmt::Write as _;
use std::io::Write as _;
use tidemill_tests::chain::{Chain, StopAt, block_on};
use tidemill_tests::upstream::{Reply, Upstream};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What a part of the chain may need more for ten times the input: lists of keys, and chance.
const SLACK_BYTES: usize = 256 << 10;

const PIPELINE: &str = "
pipeline: memory
reject_limit: 100%
source: {rest_api: {base_url: http://127.0.0.1/}}
resources:
  - name: rows
    endpoint: {path: rows, paginator: {page_number: {}}, data_selector: \"$.rows[*]\"}
    record:
      primary_key: [id]
      fields:
        id:   {type: long}
        text: {type: string, max_length: 135}
    load: {collection: rows}
";

const FILES: &str = "
pipeline: memory
reject_limit: 100%
source: {files: {root: .}}
resources:
  - name: rows
    file: {path: rows.csv}
    record:
      primary_key: [id]
      fields:
        id:   {type: long}
        text: {type: string, max_length: 135}
    load: {collection: rows}
";

const PAGE_ROWS: usize = 500;

/// Digits that do not pack well; every tenth row breaks its contract.
fn text_of(row: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(row as u64);
    let length = if row.is_multiple_of(10) { 150 } else { 90 };
    (0..length)
        .map(|_| rng.char('0'..='f'))
        .filter(|c| c.is_ascii_alphanumeric())
        .chain("x".repeat(40).chars())
        .collect()
}

fn upstream(pages: usize) -> Upstream {
    Upstream::start(move |request| {
        let page = request.number_param("page").unwrap();
        let mut body = String::from("{\"rows\":[");
        for row in (page - 1) * PAGE_ROWS..page * PAGE_ROWS {
            if page <= pages {
                let comma = if row % PAGE_ROWS == 0 { "" } else { "," };
                let _ = write!(body, "{comma}{{\"id\":{row},\"text\":\"{}\"}}", text_of(row));
            }
        }
        body.push_str("]}");
        Reply::json(body)
    })
}

/// The peaks of extract, clean and load, above what was there before.
fn peaks(pipeline: &str, base_url: &str, chain: &Chain) -> [usize; 3] {
    block_on(async {
        let published = chain.publish(pipeline).await;
        let rows = Name::new("rows").unwrap();
        let measure = || {
            HEAP.reset_peak_usage();
            HEAP.current_usage()
        };
        let before = measure();
        chain.extract(&published, &rows, base_url, 1, StopAt::never()).await.unwrap();
        let extract = HEAP.peak_usage() - before;
        let before = measure();
        let mut cleaned = Vec::new();
        for owed in chain.ledger.unfinished(&published.checked.pipeline.pipeline).await.unwrap() {
            cleaned.push(chain.clean(&owed.raw, None, StopAt::never()).await.unwrap().clean);
        }
        let clean = HEAP.peak_usage() - before;
        let before = measure();
        for clean in &cleaned {
            chain.load(clean, StopAt::never()).await.unwrap().unwrap();
        }
        [extract, clean, HEAP.peak_usage() - before]
    })
}

fn check(what: &str, little: [usize; 3], much: [usize; 3]) {
    for (part, (little, much)) in ["extract", "clean", "load"].into_iter().zip(little.into_iter().zip(much)) {
        println!("{what}: {part}: {} KB, with ten times the input {} KB", little >> 10, much >> 10);
        assert!(
            much <= little + little / 10 + SLACK_BYTES,
            "{what}: {part} grew from {little} to {much} bytes"
        );
    }
}

/// A home whose raw objects are closed at so many bytes, or 300 KB compressed: what waits in memory until it can be put has a limit, which both inputs
/// must reach.
fn chain(object_bytes: u64) -> Chain {
    let mut chain = Chain::new().with_objects_of(object_bytes);
    chain.settings.object_compressed_bytes_max = 300 << 10;
    chain
}

/// One test, since the heap is the process's.
#[test]
fn ten_times_the_input_needs_no_more_memory() {
    let pages = |pages, object_bytes| {
        let upstream = upstream(pages);
        peaks(PIPELINE, &upstream.url(), &chain(object_bytes))
    };
    // The first run of a process makes what stays: tables, buffers of threads.
    pages(1, 256 << 10);
    check("pages, objects of 256 KB", pages(20, 256 << 10), pages(200, 256 << 10));
    check(
        "pages, objects as large as they may be compressed",
        pages(20, 1 << 30),
        pages(200, 1 << 30),
    );
    let file = |rows| {
        let chain = chain(1 << 30);
        let mut file = std::io::BufWriter::new(std::fs::File::create(chain.folder().join("rows.csv")).unwrap());
        writeln!(file, "id,text").unwrap();
        for row in 0..rows {
            writeln!(file, "{row},{}", text_of(row)).unwrap();
        }
        file.into_inner().unwrap();
        let folder = chain.folder();
        peaks(FILES, folder.to_str().unwrap(), &chain)
    };
    check("a file", file(20_000), file(200_000));
}
