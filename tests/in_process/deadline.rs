//! Law 6: no function is killed by its time-out. It watches the time left, makes durable what it has, and hands over; many short invocations are one long one.

use extract::{Error, Outcome};
use ledger::{Interrupted, Observer, Run, RunState, Shelf, Step};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use tidemill_tests::chain::{Chain, NOW_MS, Published, StandingClock, block_on, run_id};
use tidemill_tests::upstream::{Reply, Request, Upstream};

const PAGES: usize = 7;
const MINUTE_MS: i64 = 60_000;

/// Pages by number and by address; a collection that is replaced; a file. Their order of pages is not that of their cursor.
const PIPELINE: &str = "
pipeline: hops
source: {rest_api: {base_url: http://127.0.0.1/, retries: {backoff: 1ms, attempts_max: 3}}}
resources:
  - name: numbered
    endpoint:
      path: numbered
      params: {since: \"{incremental.start_value}\"}
      paginator: {page_number: {}}
      data_selector: $.rows[*]
      incremental: {cursor_path: at, type: int, initial_value: 0}
    record: &record {primary_key: [id], fields: {id: {type: int}, text: {type: string}}}
    load: {collection: numbered}
  - name: linked
    endpoint: {path: linked, paginator: {next_url: {next_url_path: next}}, data_selector: \"$.rows[*]\"}
    record: *record
    load: {collection: linked, write_disposition: replace}
";

const FILES: &str = "
pipeline: hops
source: {files: {root: .}}
resources:
  - name: numbered
    file: {path: \"*.csv\"}
    record: {primary_key: [id], fields: {id: {type: int}, text: {type: string}}}
    load: {collection: numbered, write_disposition: replace}
";

fn rows(request: &Request) -> Reply {
    let page = request.number_param("page").unwrap_or(1);
    let numbers = if page > PAGES { 0..0 } else { page * 10..page * 10 + 10 };
    let rows: Vec<Value> = numbers
        .map(|n| json!({"id": n % 53, "at": n * 37 % 71, "text": format!("row {n}")}))
        .collect();
    let mut reply = json!({"rows": rows});
    if request.path() == "/linked" && page < PAGES {
        reply["next"] = json!(format!("linked?page={}", page + 1));
    }
    Reply::json(reply.to_string())
}

/// Every page takes a minute; the work may be stopped at a step, as if killed.
struct Minutes {
    clock: Arc<StandingClock>,
    left: AtomicUsize,
}

impl Observer for Minutes {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        if let Step::PageReceived { .. } = step {
            let now_ms = ledger::Clock::now_ms(&*self.clock);
            self.clock.set(now_ms + MINUTE_MS);
        }
        match self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
        {
            Ok(_) => Ok(()),
            Err(_) => Err(Interrupted),
        }
    }
}

/// A resource that is extracted hop by hop.
struct Hops<'a> {
    chain: &'a Chain,
    published: &'a Published,
    tick: extract::Tick,
    /// How long an invocation lasts.
    minutes: Option<i64>,
}

impl<'a> Hops<'a> {
    fn new(chain: &'a Chain, published: &'a Published, resource: &str, base_url: &str, minutes: Option<i64>) -> Hops<'a> {
        let resource = &chain.resource_id(published, resource).resource;
        Hops {
            chain,
            published,
            tick: chain.extract_tick(published, resource, base_url, 1),
            minutes,
        }
    }

    fn run(&self, steps: usize) -> Run {
        let now_ms = ledger::Clock::now_ms(&*self.chain.clock);
        Run {
            clock: self.chain.clock.clone(),
            observer: Arc::new(Minutes {
                clock: self.chain.clock.clone(),
                left: AtomicUsize::new(steps),
            }),
            deadline_ms: self.minutes.map(|minutes| now_ms + minutes * MINUTE_MS),
        }
    }

    /// One invocation, of which at most so many steps are done.
    async fn invoke(&self, steps: usize) -> Result<Outcome, Error> {
        extract::handle(&self.tick, &self.run(steps), &self.chain.extract_services("the test")).await
    }

    /// One invocation after the other, as messages of the queue: again after a kill, and the continuation after it. `steps` are those until the kill.
    async fn run_to_end(&mut self, mut steps: usize) -> Way {
        let mut killed = false;
        for hops in 0..100 {
            match self.invoke(std::mem::replace(&mut steps, usize::MAX)).await {
                Ok(Outcome::HandedOver { run, .. }) => {
                    assert_eq!(run, run_id(1));
                    let lease = self
                        .chain
                        .ledger
                        .held(&self.chain.resource_id(self.published, self.tick.resource.as_str()))
                        .await;
                    assert_eq!(lease.unwrap(), None, "the lease is given back");
                    self.tick.continues = true;
                }
                Ok(outcome) => return Way { hops, killed, outcome },
                Err(Error::Interrupted(_)) => killed = true,
                Err(error) => panic!("{}", error.chain()),
            }
        }
        panic!("it never ends");
    }

    async fn note(&self) -> Option<String> {
        let notes = self.chain.ledger.notes(Shelf::Hops, None, 10).await.unwrap();
        notes.into_iter().map(|(key, note)| format!("{key} {}", note.text)).next()
    }

    async fn state(&self) -> RunState {
        let resource = self.chain.resource_id(self.published, self.tick.resource.as_str());
        self.chain.ledger.run(run_id(1), &resource).await.unwrap().unwrap().state
    }
}

/// How a run came to its end.
struct Way {
    hops: usize,
    killed: bool,
    outcome: Outcome,
}

/// What a run brought.
struct Brought {
    lines: Vec<u8>,
    documents: Vec<bson::Document>,
    cursor: Option<i64>,
    way: Way,
}

/// All lines of `raw/`, in order, whatever objects they are in.
async fn lines(chain: &Chain) -> Vec<u8> {
    let mut lines = Vec::new();
    for key in chain.keys("raw").await {
        lines.extend(chain.unpacked(&key).await);
    }
    lines
}

/// What readers see, without where it came from.
async fn documents(chain: &Chain, collection: &str) -> Vec<bson::Document> {
    let seen = chain.seen(collection).await;
    let documents = seen.iter().map(|bytes| bson::deserialize_from_slice(bytes).unwrap());
    documents
        .map(|mut document: bson::Document| {
            document.remove("_tidemill").unwrap();
            document
        })
        .collect()
}

/// A pipeline, and what it is read from.
struct Case {
    text: &'static str,
    resource: &'static str,
}

const CASES: [Case; 3] = [
    Case {
        text: PIPELINE,
        resource: "numbered",
    },
    Case {
        text: PIPELINE,
        resource: "linked",
    },
    Case {
        text: FILES,
        resource: "numbered",
    },
];

impl Case {
    fn chain(&self) -> Chain {
        let mut chain = Chain::new();
        chain.settings.piece_bytes = 120;
        chain
    }

    async fn publish(&self, chain: &Chain) -> Published {
        for (name, numbers) in [("a.csv", 0..40), ("b.csv", 40..55)] {
            let rows: String = numbers.map(|n| format!("{},row {n}\n", n % 53)).collect();
            std::fs::write(chain.folder().join(name), format!("id,text\n{rows}")).unwrap();
        }
        chain.publish(self.text).await
    }

    /// Extracts, killed after so many steps, and loads.
    async fn outcome(&self, upstream: &Upstream, minutes: Option<i64>, steps: usize) -> Brought {
        let chain = self.chain();
        let published = self.publish(&chain).await;
        let url = upstream.url();
        let base_url = if self.text == FILES { "." } else { url.as_str() };
        let mut hops = Hops::new(&chain, &published, self.resource, base_url, minutes);
        let way = hops.run_to_end(steps).await;
        assert!(matches!(way.outcome, Outcome::Extracted { .. }), "{:?}", way.outcome);
        assert_eq!(hops.note().await, None, "the note of the hops is taken away");
        let never = Arc::new(Minutes {
            clock: chain.clock.clone(),
            left: AtomicUsize::new(usize::MAX),
        });
        chain.process(&published, never).await.unwrap();
        Brought {
            lines: lines(&chain).await,
            documents: documents(&chain, self.resource).await,
            cursor: chain.cursor(&published, self.resource).await,
            way,
        }
    }
}

#[test]
fn many_hops_bring_what_one_run_brings() {
    block_on(async {
        let upstream = Upstream::start(rows);
        for case in CASES {
            let whole = case.outcome(&upstream, None, usize::MAX).await;
            assert_eq!((whole.way.hops, whole.documents.len()), (0, 53), "{}", case.resource);
            for minutes in 1..=3 {
                let handed_over = case.outcome(&upstream, Some(minutes), usize::MAX).await;
                assert!(handed_over.way.hops >= 2, "{} in {} hops", case.resource, handed_over.way.hops);
                assert!(
                    handed_over.lines == whole.lines,
                    "{}: {minutes} minutes: other captures",
                    case.resource
                );
                assert_eq!(handed_over.documents, whole.documents, "{}", case.resource);
                assert_eq!(handed_over.cursor, whole.cursor, "{}", case.resource);
            }
        }
    });
}

#[test]
fn a_kill_at_any_step_of_a_hop_loses_and_doubles_nothing() {
    block_on(async {
        let upstream = Upstream::start(rows);
        for case in CASES {
            let whole = case.outcome(&upstream, None, usize::MAX).await;
            let mut steps = 0;
            loop {
                let brought = case.outcome(&upstream, Some(2), steps).await;
                // A page that is fetched again has another time: what is compared is what came.
                assert_eq!(brought.documents, whole.documents, "{}, step {steps}", case.resource);
                assert_eq!(brought.cursor, whole.cursor, "{}, step {steps}", case.resource);
                if !brought.way.killed {
                    break;
                }
                steps += 1;
            }
            assert!(steps >= 6, "{steps} steps");
        }
    });
}

#[test]
fn a_budget_ends_what_never_ends() {
    block_on(async {
        let upstream = Upstream::start(rows);
        let mut chain = Chain::new();
        chain.settings.hops_max = 3;
        let published = chain.publish(PIPELINE).await;
        let mut hops = Hops::new(&chain, &published, "linked", &upstream.url(), Some(1));
        for _ in 0..3 {
            assert!(matches!(hops.invoke(usize::MAX).await, Ok(Outcome::HandedOver { .. })));
            assert!(hops.note().await.unwrap().starts_with(&format!("{}/hops/linked ", run_id(1))));
            hops.tick.continues = true;
        }
        let error = hops.invoke(usize::MAX).await.unwrap_err();
        assert!(error.chain().contains("handed over 3 times"), "{}", error.chain());
        assert_eq!(hops.state().await, RunState::Failed { message: error.chain() });
        assert_eq!(hops.note().await, None);
        assert_eq!(chain.keys("raw").await.len(), 4, "what came in is kept");
        // Its continuation, delivered once more, has nothing to do.
        assert_eq!(hops.invoke(usize::MAX).await.unwrap(), Outcome::Ended { run: run_id(1) });
    });
}

#[test]
fn a_page_that_never_fits_into_an_invocation_is_told() {
    block_on(async {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let at_the_gate = gate.clone();
        let upstream = Upstream::start(move |request| {
            let open = at_the_gate.0.lock().unwrap();
            drop(at_the_gate.1.wait_while(open, |open| !*open).unwrap());
            rows(request)
        });
        let mut chain = Chain::new();
        chain.settings.barren_hops_max = 2;
        let published = chain.publish(PIPELINE).await;
        // The time is up when it begins.
        let mut hops = Hops::new(&chain, &published, "linked", &upstream.url(), Some(0));
        for _ in 0..2 {
            let outcome = hops.invoke(usize::MAX).await;
            assert!(
                matches!(outcome, Ok(Outcome::HandedOver { parts: 0, captures: 0, .. })),
                "{outcome:?}"
            );
            hops.tick.continues = true;
        }
        // A function that is given more time goes on as if nothing had been.
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        hops.minutes = Some(3);
        assert!(matches!(
            hops.invoke(usize::MAX).await,
            Ok(Outcome::HandedOver { parts: 1, captures: 3, .. })
        ));
        hops.minutes = Some(0);
        *gate.0.lock().unwrap() = false;
        for _ in 0..2 {
            assert!(matches!(hops.invoke(usize::MAX).await, Ok(Outcome::HandedOver { captures: 3, .. })));
        }
        let error = hops.invoke(usize::MAX).await.unwrap_err();
        assert!(error.chain().contains("nothing came within 3 invocations"), "{}", error.chain());
        assert_eq!(chain.keys("raw").await.len(), 1, "what came in is kept");
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
    });
}

#[test]
fn nothing_waits_past_the_deadline_and_the_continuation_waits_instead() {
    block_on(async {
        let upstream = Upstream::start(|request| match request.number {
            1 => Reply::new(503, "").header("retry-after", "90"),
            3 => Reply::new(503, "").header("retry-after", "90"),
            4 => Reply::new(503, ""),
            _ => rows(request),
        });
        let chain = Chain::new();
        let published = chain.publish(PIPELINE).await;
        let mut hops = Hops::new(&chain, &published, "numbered", &upstream.url(), Some(2));
        let Ok(Outcome::HandedOver {
            captures: 1,
            not_before_ms: Some(not_before_ms),
            ..
        }) = hops.invoke(usize::MAX).await
        else {
            panic!("it waits");
        };
        // The first page took a minute.
        assert_eq!(not_before_ms, NOW_MS + MINUTE_MS + 90_000);
        hops.tick.continues = true;
        // A continuation that comes at once, and has no time to wait either, does not ask.
        hops.minutes = Some(1);
        assert!(matches!(
            hops.invoke(usize::MAX).await,
            Ok(Outcome::HandedOver { captures: 1, not_before_ms: Some(again), .. }) if again == not_before_ms
        ));
        assert_eq!(upstream.count(), 2);
        // Later, it asks; and the failures of all invocations are counted together.
        chain.clock.set(not_before_ms);
        assert!(matches!(
            hops.invoke(usize::MAX).await,
            Ok(Outcome::HandedOver {
                captures: 2,
                not_before_ms: None,
                ..
            })
        ));
        assert!(matches!(
            hops.invoke(usize::MAX).await,
            Ok(Outcome::HandedOver {
                captures: 2,
                not_before_ms: Some(_),
                ..
            })
        ));
        chain.clock.set(NOW_MS + 100 * MINUTE_MS);
        hops.minutes = None;
        let outcome = hops.run_to_end(usize::MAX).await.outcome;
        assert!(matches!(outcome, Outcome::Extracted { captures: 8, .. }), "{outcome:?}");
    });
}

#[test]
fn a_rate_limit_holds_over_all_invocations() {
    block_on(async {
        let clock = Arc::new(Mutex::new(None::<Arc<StandingClock>>));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (of_server, times) = (clock.clone(), asked.clone());
        let upstream = Upstream::start(move |request| {
            let now_ms = of_server.lock().unwrap().as_deref().map(ledger::Clock::now_ms).unwrap();
            times.lock().unwrap().push(now_ms);
            rows(request)
        });
        let chain = Chain::new();
        *clock.lock().unwrap() = Some(chain.clock.clone());
        let limited = PIPELINE.replacen("retries:", "rate_limit: {requests: 2, per: 10m}, retries:", 1);
        let published = chain.publish(&limited).await;
        let mut hops = Hops::new(&chain, &published, "linked", &upstream.url(), Some(4));
        let mut waited = 0;
        loop {
            match hops.invoke(usize::MAX).await.unwrap() {
                Outcome::HandedOver { not_before_ms, .. } => {
                    waited += 1;
                    chain.clock.set(not_before_ms.expect("it has to wait"));
                    hops.tick.continues = true;
                }
                outcome => {
                    assert!(matches!(outcome, Outcome::Extracted { captures: 7, .. }), "{outcome:?}");
                    break;
                }
            }
        }
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked.len(), PAGES);
        assert!(waited >= 3, "{waited}");
        for window in asked.windows(3) {
            assert!(window[2] - window[0] >= 10 * MINUTE_MS, "{asked:?}");
        }
    });
}

#[test]
fn a_continuation_that_finds_another_at_work_leaves_no_trace() {
    block_on(async {
        let upstream = Upstream::start(rows);
        let chain = Chain::new();
        let published = chain.publish(PIPELINE).await;
        let mut hops = Hops::new(&chain, &published, "linked", &upstream.url(), Some(2));
        assert!(matches!(hops.invoke(usize::MAX).await, Ok(Outcome::HandedOver { .. })));
        hops.tick.continues = true;
        let resource = chain.resource_id(&published, "linked");
        let request = ledger::LeaseRequest {
            holder: chain.extract_services("another").holder,
            now_ms: ledger::Clock::now_ms(&*chain.clock),
            duration_ms: 1_000,
        };
        assert!(matches!(
            chain.ledger.take_lease(&resource, &request, &|_| false).await.unwrap(),
            ledger::LeaseOutcome::Taken(_)
        ));
        let outcome = hops.invoke(usize::MAX).await.unwrap();
        assert!(
            matches!(&outcome, Outcome::Skipped { holder, .. } if holder == "another"),
            "{outcome:?}"
        );
        assert_eq!(hops.state().await, RunState::Extracting);
        assert_eq!(chain.ledger.runs(&ledger::RunFilter::default()).await.unwrap().len(), 1);
        // One that nobody began is not begun by its continuation.
        chain.clock.set(NOW_MS + 100 * MINUTE_MS);
        hops.tick.run = run_id(9);
        let error = hops.invoke(usize::MAX).await.unwrap_err();
        assert!(matches!(error, Error::UnknownRun { .. }), "{}", error.chain());
    });
}

/// A raw object of more documents than a batch of `load` has.
async fn large_object(chain: &Chain) -> (Published, lake::RawKey) {
    let upstream = Upstream::start(|_| {
        let rows: Vec<Value> = (0..25_000).map(|n| json!({"id": n, "text": "t"})).collect();
        Reply::json(json!({"rows": rows}).to_string())
    });
    let published = chain.publish(PIPELINE).await;
    let mut hops = Hops::new(chain, &published, "linked", &upstream.url(), None);
    hops.run_to_end(usize::MAX).await;
    let raw = chain.keys("raw").await;
    (published, lake::RawKey::parse(raw[0].as_str()).unwrap())
}

#[test]
fn clean_and_load_stop_between_batches_and_nothing_half_done_is_seen() {
    block_on(async {
        let chain = Chain::new();
        let (published, raw) = large_object(&chain).await;
        let never = tidemill_tests::chain::StopAt::never;
        let over = Run {
            deadline_ms: Some(NOW_MS),
            ..chain.run(never())
        };
        let input = clean::Input {
            raw: raw.clone(),
            definition: None,
        };
        let error = clean::handle(&input, &over, &chain.clean_services()).await.unwrap_err();
        assert!(
            matches!(error, clean::Error::OutOfTime { .. }) && error.next() == ledger::Next::Retry,
            "{error}"
        );
        assert!(chain.keys("clean").await.is_empty());
        let cleaned = chain.clean(&raw, None, never()).await.unwrap();
        assert_eq!(cleaned.tally.out, 25_000);

        let input = load::Input {
            clean: cleaned.clean,
            again_in_order: false,
        };
        let error = load::handle(&input, &over, &chain.load_services()).await.unwrap_err();
        assert!(
            matches!(error, load::Error::OutOfTime { .. }) && error.next() == ledger::Next::Retry,
            "{error}"
        );
        let facts = chain.facts(&published, "linked", 1).await;
        assert!(facts.iter().all(|(key, _)| key.stage == ledger::Stage::Clean));
        let loaded = load::handle(&input, &chain.run(never()), &chain.load_services()).await.unwrap();
        assert_eq!((loaded.tally.documents_in, loaded.tally.inserted), (25_000, 25_000));
    });
}
