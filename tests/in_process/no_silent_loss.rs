//! Law 5: what can't be processed is in `rejected/` or `refused/` with its reason, or the run says that it failed: nowhere else. Whatever the source does.

use crate::orders::{self, RESOURCES, chain, page, state, undisturbed};
use ledger::RunState;
use pipeline::Name;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tidemill_tests::chain::{Chain, Ended, Published, StopAt, block_on, run_id, told};
use tidemill_tests::upstream::{Fault, Reply, Request, Upstream};

/// Where each order went, by its text: counted from the objects of the lake.
async fn found(chain: &Chain, resource: &str) -> (BTreeMap<i64, u64>, u64) {
    let mut by_place = BTreeMap::new();
    let mut broken = 0;
    for key in chain.keys(&format!("clean/laws/{resource}")).await {
        let bytes = chain.unpacked(&key).await;
        let mut rest = bytes.as_slice();
        while let Some(length) = rest.first_chunk::<4>() {
            let (document, after) = rest.split_at(u32::from_le_bytes(*length) as usize);
            let n = bson::RawDocument::from_bytes(document).unwrap().get_i32("n").unwrap();
            *by_place.entry(n.into()).or_default() += 1;
            rest = after;
        }
    }
    for rejected in chain.rejected(resource).await {
        match rejected.value()["n"].as_i64() {
            Some(n) => *by_place.entry(n).or_default() += 1,
            None => broken += 1,
        }
    }
    (by_place, broken)
}

#[test]
fn every_order_is_somewhere_with_a_reason() {
    block_on(async {
        let upstream = orders::upstream();
        let chain = chain();
        let published = chain.publish(&orders::pipeline()).await;
        chain.tick_well(&published, &upstream.url(), 1).await;
        for resource in RESOURCES {
            let (by_place, broken) = found(&chain, resource).await;
            let mut dropped = 0;
            for order in orders::orders() {
                match order["n"].as_i64() {
                    Some(n) if order["state"] == "draft" => dropped += u64::from(!by_place.contains_key(&n)),
                    Some(n) => assert!(by_place.contains_key(&n), "{resource}: {order} is nowhere"),
                    None => assert_eq!(broken, 1, "{resource}: {order} is not in rejected/"),
                }
            }
            assert_eq!(dropped, 1, "{resource}: the filter drops drafts, and only those");
            let tally = totals(&chain, &published, resource).await;
            let counted = by_place.values().sum::<u64>() + broken + dropped;
            assert_eq!(tally.records_in, orders::orders().len() as u64, "{resource}");
            assert_eq!(
                tally.records_in - counted,
                tally.duplicates,
                "{resource}: what is in no object is a duplicate"
            );
        }
    });
}

async fn totals(chain: &Chain, published: &Published, resource: &str) -> ledger::CleanTally {
    ledger::conservation::totals(&chain.facts(published, resource, 1).await).clean
}

#[test]
fn a_record_with_two_broken_fields_is_rejected_with_both() {
    block_on(async {
        let upstream = orders::upstream();
        let chain = chain();
        let published = chain.publish(&orders::pipeline()).await;
        chain.tick_well(&published, &upstream.url(), 1).await;
        let rejected = chain.rejected("merged").await;
        let of_two = rejected.iter().find(|rejected| rejected.value()["n"] == 8).unwrap();
        let fields: Vec<&str> = of_two.faults.iter().filter_map(|fault| fault.field.as_deref()).collect();
        assert_eq!(fields, ["name", "amount", "state"], "{of_two:?}");
    });
}

/// The same orders from a source that does this at one request, and behaves at all others.
fn once(number: usize, fault: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |request| if request.number == number { fault(request) } else { page(request) })
}

#[test]
fn what_passes_leaves_no_trace() {
    type Script = fn(&Request) -> Reply;
    let faults: [(&str, Script); 10] = [
        ("429 with Retry-After: 0", |_| {
            Reply::new(429, "slow down").header("retry-after", "0")
        }),
        ("503", |_| Reply::new(503, "down")),
        ("500 with a body that looks right", |request| Reply {
            status: 500,
            ..page(request)
        }),
        ("a reset", |request| page(request).with(Fault::Reset)),
        ("a body cut off", |request| page(request).with(Fault::CutAfter(40))),
        ("a body cut off before its first byte", |request| {
            page(request).with(Fault::CutAfter(0))
        }),
        ("silence", |request| page(request).with(Fault::Silence)),
        ("byte by byte", |request| page(request).with(Fault::ByteByByte)),
        ("packed", |request| page(request).gzip()),
        ("another content type", |request| page(request).header("content-type", "text/html")),
    ];
    block_on(async {
        let clean = undisturbed(&orders::upstream().url()).await;
        for (what, fault) in faults {
            for number in [0, 2] {
                let upstream = once(number, fault);
                let chain = chain();
                let published = chain.publish(&orders::pipeline()).await;
                chain.tick_well(&published, &upstream.url(), 1).await;
                let found = state(&chain, &published).await;
                assert_eq!(found.facts, clean.facts, "{what} at request {number}");
                assert_eq!(found.documents, clean.documents, "{what} at request {number}");
            }
        }
    });
}

#[test]
fn a_source_that_says_when_to_come_back_is_obeyed() {
    block_on(async {
        let upstream = once(1, |_| Reply::new(429, "").header("retry-after", "1"));
        let chain = chain();
        let published = chain.publish(&orders::pipeline()).await;
        let began = Instant::now();
        chain.tick_well(&published, &upstream.url(), 1).await;
        assert!(
            began.elapsed() >= Duration::from_secs(1),
            "it came back after {:?}",
            began.elapsed()
        );
    });
}

#[test]
fn what_does_not_pass_fails_the_run_and_says_so() {
    type Script = fn(&Request) -> Reply;
    let faults: [(&str, Script, &str); 6] = [
        ("404", |_| Reply::new(404, "who?"), "404"),
        ("401", |_| Reply::new(401, "who?"), "401"),
        ("503 for ever", |_| Reply::new(503, "down"), "503"),
        ("resets for ever", |request| page(request).with(Fault::Reset), "connection"),
        (
            "a wait that is too long",
            |_| Reply::new(429, "").header("retry-after", "86400"),
            "Retry-After",
        ),
        ("a page that repeats", |_| page_again(), "same"),
    ];
    for (what, fault, word) in faults {
        block_on(async {
            // The second page and all after it, of the first resource.
            let upstream = Upstream::start(move |request| {
                if request.param("offset").unwrap() == "0" {
                    page(request)
                } else {
                    fault(request)
                }
            });
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            let ended = chain.tick(&published, &upstream.url(), 1, StopAt::never()).await;
            let Ended::ExtractionFailed(error) = ended else {
                panic!("{what}: {ended:?}")
            };
            assert!(told(&error).contains(word), "{what}: `{}` should say {word}", told(&error));
            let id = chain.resource_id(&published, "merged");
            let run = chain.ledger.run(run_id(1), &id).await.unwrap().unwrap();
            let RunState::Failed { message } = &run.state else {
                panic!("{what}: {run:?}")
            };
            assert!(message.contains(word), "{what}: the ledger says `{message}`");
            assert_eq!(chain.cursor(&published, "merged").await, None, "{what}: the cursor moved");
            // What came before is kept and loaded; a collection that is replaced stays as it was.
            assert_eq!(
                totals(&chain, &published, "merged").await.records_in,
                first_page() + extra(what),
                "{what}"
            );
            assert_eq!(
                chain.documents.visible(&Name::new("replaced").unwrap()).await.unwrap(),
                None,
                "{what}: half a run replaced"
            );
        });
    }
}

fn first_page() -> u64 {
    3
}

/// The page of a repeating source.
fn page_again() -> Reply {
    Reply::json(json!({"orders": orders::orders()[..3]}).to_string())
}

/// Of a reply that is kept though the run fails at it: it came over the wire.
fn extra(what: &str) -> u64 {
    if what == "a page that repeats" { 3 } else { 0 }
}

#[test]
fn a_reply_without_its_list_is_rejected_not_taken_for_an_empty_page() {
    for body in [
        json!({"orders": {"n": 1}}),
        json!({"orders": "none"}),
        json!({"error": "try later"}),
        json!([1]),
        json!("later"),
    ] {
        block_on(async {
            let wrong = body.to_string();
            let upstream = Upstream::start(move |request| {
                if request.param("offset").unwrap() == "0" {
                    page(request)
                } else {
                    Reply::json(wrong.clone())
                }
            });
            let chain = chain();
            let published = chain.publish(&orders::pipeline()).await;
            let ended = chain.tick(&published, &upstream.url(), 1, StopAt::never()).await;
            let rejected = chain.rejected("merged").await.len();
            assert!(
                matches!(ended, Ended::ExtractionFailed(_)) || rejected > 0,
                "{body}: ended {ended:?} with {rejected} rejects: what came is nowhere"
            );
        });
    }
}

#[test]
fn a_reply_that_is_not_json_is_rejected_not_lost() {
    let pipeline = |paginator: &str| {
        format!(
            "
pipeline: laws
reject_limit: 100%
source: {{rest_api: {{base_url: http://127.0.0.1/}}}}
resources:
  - name: pages
    endpoint: {{path: a, paginator: {{{paginator}: {{}}}}, data_selector: \"$.orders[*]\"}}
    record: {{primary_key: [id], fields: {{id: {{type: int}}}}}}
    load: {{collection: pages}}
"
        )
    };
    for paginator in ["single_page", "page_number", "link_header"] {
        for body in [b"<html>come back later</html>".as_slice(), b"\xff\xfe\x00", b"{\"orders\":"] {
            block_on(async {
                let upstream = Upstream::start(move |_| Reply::json(body));
                let chain = Chain::new();
                let published = chain.publish(&pipeline(paginator)).await;
                let ended = chain.tick(&published, &upstream.url(), 1, StopAt::never()).await;
                // Where a page is one of many, the others are missing: that must not pass for the end.
                let single = paginator == "single_page";
                assert!(
                    matches!((&ended, single), (Ended::Well, true) | (Ended::ExtractionFailed(_), false)),
                    "{paginator}: {ended:?}"
                );
                let reasons: Vec<String> = chain.rejected("").await.into_iter().map(|rejected| rejected.reason).collect();
                assert_eq!(reasons, ["not_json"], "{paginator}");
            });
        }
    }
}

#[test]
fn what_the_store_does_not_take_is_in_refused() {
    const PIPELINE: &str = "
pipeline: laws
reject_limit: 100%
source: {files: {root: .}}
resources:
  - name: rows
    file: {path: rows.ndjson}
    record: {primary_key: [id], fields: {id: {type: int}, text: {type: string}}}
    load: {collection: rows}
";
    block_on(async {
        let chain = Chain::new();
        // More than the 16 MB of a document.
        let rows = format!(
            "{{\"id\": 1, \"text\": \"a\"}}\n{{\"id\": 2, \"text\": \"{}\"}}\n{{\"id\": 3, \"text\": \"c\"}}\n",
            "b".repeat(17 << 20)
        );
        std::fs::write(chain.folder().join("rows.ndjson"), rows).unwrap();
        let published = chain.publish(PIPELINE).await;
        chain.tick_well(&published, chain.folder().to_str().unwrap(), 1).await;
        assert_eq!(chain.seen("rows").await.len(), 2);
        let facts = ledger::conservation::totals(&chain.facts(&published, "rows", 1).await);
        assert_eq!((facts.load.inserted, facts.load.refused), (2, 1));
        let refused = chain.keys("refused").await;
        let text = String::from_utf8(chain.unpacked(&refused[0]).await).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((refused.len(), line["document"]["_id"].as_i64()), (1, Some(2)));
        assert!(line["message"].as_str().is_some_and(|message| !message.is_empty()));
    });
}
