//! What is DynamoDB's own: processes beside each other, answers that get lost, writers that are in the way, long lists, items of others.

use crate::emulator::{Table, endpoint};
use crate::given::*;
use crate::way::{Trouble, Way};
use aws_sdk_dynamodb::types::AttributeValue;
use lake::Part;
use ledger::note::Change;
use ledger::{
    CleanTally, Cursor, DynamoLedger, Extracted, Fact, Lease, LeaseOutcome, Ledger, LedgerError, Model, RunFilter, RunRecord, RunState,
    Shelf, Stage, change_note,
};
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex};

/// A ledger over a way on which things go wrong, and another that is beside it.
async fn over_a_way() -> (Table, Way, DynamoLedger, Arc<DynamoLedger>) {
    let table = Table::new().await;
    let way = Way::to(&endpoint());
    let ledger = table.ledger_over(&way.endpoint());
    let beside = Arc::new(table.ledger());
    // So that the look at the table's version is over.
    ledger.held(&events()).await.unwrap();
    (table, way, ledger, beside)
}

/// Something that another process does: in a thread of its own, for the test waits for it in the middle of a request.
fn meanwhile<F: Future<Output = ()>>(
    beside: &Arc<DynamoLedger>,
    what: impl FnOnce(Arc<DynamoLedger>) -> F + Send + 'static,
) -> Box<dyn FnOnce() + Send> {
    let beside = beside.clone();
    Box::new(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(what(beside));
    })
}

/// Starts so many ledgers with a client each on one table, all at once.
async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    racers: usize,
    work: impl Fn(DynamoLedger, String) -> F,
) -> Vec<T> {
    let table = Table::new().await;
    let start = Arc::new(tokio::sync::Barrier::new(racers));
    let racers: Vec<_> = (0..racers)
        .map(|number| {
            let (start, work) = (start.clone(), work(table.ledger(), format!("racer {number}")));
            tokio::spawn(async move {
                start.wait().await;
                work.await
            })
        })
        .collect();
    let mut ends = Vec::new();
    for racer in racers {
        ends.push(racer.await.unwrap());
    }
    ends
}

fn ending(number: u64, cursor: i64) -> Extracted {
    Extracted {
        run: run_id(number),
        ended_ms: 9_000,
        parts: 2,
        captures: u64::MAX,
        bytes: u64::MAX - 1,
        cursor: Some(Cursor { value: cursor }),
    }
}

#[track_caller]
fn assert_lost<T: Debug>(answer: Result<T, LedgerError>) {
    assert!(matches!(answer, Err(LedgerError::LeaseLost { .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_race_for_a_lease_one_takes_it() {
    let outcomes = race(16, |ledger, name| async move {
        let outcome = ledger.take_lease(&events(), &request(&name, 0), &nobody_is_dead).await.unwrap();
        (name, outcome)
    })
    .await;
    let taken: Vec<_> = outcomes.iter().filter(|(_, o)| matches!(o, LeaseOutcome::Taken(_))).collect();
    let [(winner, _)] = taken.as_slice() else { panic!("{outcomes:?}") };
    for (name, outcome) in &outcomes {
        if let LeaseOutcome::Held { holder, .. } = outcome {
            assert_eq!(holder.name, *winner, "{name} was told of another holder");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_race_for_an_expired_lease_one_takes_it() {
    let tokens = race(8, |ledger, name| async move {
        let mut tokens = Vec::new();
        for round in 0..5 {
            let wish = request(&name, round * 60_000);
            if let LeaseOutcome::Taken(lease) = ledger.take_lease(&events(), &wish, &nobody_is_dead).await.unwrap() {
                tokens.push(lease.token);
            }
        }
        tokens
    })
    .await;
    let mut tokens = tokens.concat();
    tokens.sort_unstable();
    let mut distinct = tokens.clone();
    distinct.dedup();
    assert_eq!(tokens, distinct, "a token was given out twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_once_is_kept_once_though_many_race() {
    let key = fact_key(&raw(1, &events(), Part::Number(1)), Stage::Load);
    let kept = race(8, |ledger, name| {
        let (key, mine) = (key.clone(), name.len() as u64 + u64::from(name.as_bytes()[name.len() - 1]));
        async move {
            let generation = ledger.apply_definition(&events().pipeline, &definition(1)).await.unwrap();
            let claim = claim(&resource("p", &name.replace(' ', "-")), &name);
            (
                generation,
                ledger.claim_collection(&claim).await.unwrap(),
                ledger.record_fact(&key, &loaded(mine), 1).await.unwrap(),
            )
        }
    })
    .await;
    assert!(kept.iter().all(|each| *each == kept[0] && each.0 == 1), "{kept:?}");
}

/// The taker saw an expired lease; before its write arrives, the holder renews it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_renewed_in_the_last_moment_is_not_taken() {
    let (_table, way, ledger, beside) = over_a_way().await;
    let first = lease(&*beside, &events(), "a", 0).await;
    let renewal = meanwhile(&beside, move |beside| async move {
        beside.renew_lease(&first, 90_000).await.unwrap();
    });
    way.trouble("UpdateItem", Trouble::After(renewal));
    let outcome = ledger.take_lease(&events(), &request("b", 60_000), &nobody_is_dead).await.unwrap();
    let held = LeaseOutcome::Held {
        holder: holder("a"),
        expires_ms: 90_000,
    };
    assert_eq!((outcome, way.had()), (held, 1));

    // A holder that is thought dead gave it back, and another took it: it is not taken from that one.
    let another = meanwhile(&beside, |beside| async move {
        let first = lease(&*beside, &events(), "a", 60_001).await;
        beside.release_lease(&first).await.unwrap();
        lease(&*beside, &events(), "c", 60_002).await;
    });
    way.trouble("UpdateItem", Trouble::After(another));
    let outcome = ledger
        .take_lease(&events(), &request("b", 60_003), &|held| *held == holder("a"))
        .await
        .unwrap();
    assert!(
        matches!(&outcome, LeaseOutcome::Held { holder, .. } if holder.name == "c"),
        "{outcome:?}"
    );
    assert_eq!(way.had(), 1);
}

/// The worker is overtaken after all that it reads first, right before its write arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_overtaken_in_the_last_moment_writes_nothing() {
    let (_table, way, ledger, beside) = over_a_way().await;
    let mut now_ms = 0;
    let mut old = lease(&*beside, &events(), "a", now_ms).await;
    ledger.begin_run(&old, &run(1, &events())).await.unwrap();
    let part = raw(1, &events(), Part::Number(1));
    for fenced in 0..5 {
        now_ms += 60_000;
        let overtaking = meanwhile(&beside, move |beside| async move {
            lease(&*beside, &events(), "b", now_ms).await;
        });
        let call = if fenced == 4 { "UpdateItem" } else { "TransactWriteItems" };
        way.trouble(call, Trouble::After(overtaking));
        match fenced {
            0 => assert_lost(ledger.begin_run(&old, &run(2, &events())).await),
            1 => assert_lost(ledger.record_intent(&old, &part, &definition(1), 1).await),
            2 => assert_lost(ledger.end_extraction(&old, &ending(1, 5)).await),
            3 => assert_lost(ledger.fail_extraction(&old, run_id(1), 9_000, "no").await),
            _ => assert_lost(ledger.renew_lease(&old, 1_000_000).await),
        }
        assert_eq!(way.had(), 1, "call {fenced}");
        now_ms += 60_000;
        old = lease(&*beside, &events(), "a", now_ms).await;
    }
    assert_eq!(ledger.run(run_id(1), &events()).await.unwrap(), Some(run(1, &events())));
    assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), Some(run(1, &events())));
    assert_eq!(ledger.runs(&RunFilter::default()).await.unwrap().len(), 1);
    assert_eq!(ledger.intents(run_id(1), &events()).await.unwrap(), []);
    assert_eq!(ledger.unfinished(&events().pipeline).await.unwrap(), []);
    assert_eq!(ledger.cursor(&events(), "source").await.unwrap(), None);
    assert_eq!(ledger.held(&events()).await.unwrap().unwrap().expires_ms, now_ms + 60_000);
}

/// A cursor that moved on between the look at it and the write is not moved back.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_moved_meanwhile_is_looked_at_again() {
    let (_table, way, ledger, beside) = over_a_way().await;
    let lease = lease(&ledger, &events(), "a", 0).await;
    for number in [1, 2] {
        ledger.begin_run(&lease, &run(number, &events())).await.unwrap();
    }
    let mine = lease.clone();
    let further = meanwhile(&beside, move |beside| async move {
        beside.end_extraction(&mine, &ending(2, 70)).await.unwrap();
    });
    way.trouble("TransactWriteItems", Trouble::After(further));
    ledger.end_extraction(&lease, &ending(1, 50)).await.unwrap();
    assert_eq!(way.had(), 1);
    assert_eq!(ledger.cursor(&events(), "source").await.unwrap(), Some(Cursor { value: 70 }));
    let ended = ledger.run(run_id(1), &events()).await.unwrap().unwrap();
    assert_eq!(
        (ended.state, ended.captures, ended.bytes),
        (RunState::Extracted, u64::MAX, u64::MAX - 1)
    );
    assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), None);
}

fn told(answer: impl Debug) -> String {
    format!("{answer:?}")
}

/// Every call that writes, in an order that makes sense; each answer as text.
async fn all_writes(ledger: &dyn Ledger, before_each: impl Fn()) -> Vec<String> {
    let mut answers = Vec::new();
    let mut keep = |answer: String| {
        answers.push(answer);
        before_each();
    };
    let part = raw(1, &events(), Part::Number(1));
    keep(String::new());
    for number in [1, 2, 1] {
        keep(told(ledger.apply_definition(&events().pipeline, &definition(number)).await));
    }
    keep(told(ledger.claim_collection(&claim(&events(), "key")).await));
    let taken = ledger.take_lease(&events(), &request("a", 0), &nobody_is_dead).await;
    keep(told(&taken));
    let Ok(LeaseOutcome::Taken(lease)) = taken else {
        panic!("{taken:?}")
    };
    keep(told(ledger.renew_lease(&lease, i64::MAX).await));
    let skipped = RunRecord {
        state: RunState::Skipped { holder: "b".to_owned() },
        cursor_before: Some(i64::MIN),
        ..run(2, &events())
    };
    keep(told(ledger.record_skipped(&skipped).await));
    for number in [1, 2, 3] {
        keep(told(ledger.begin_run(&lease, &run(number, &events())).await));
    }
    keep(told(ledger.record_intent(&lease, &part, &definition(1), 1).await));
    keep(told(ledger.end_extraction(&lease, &ending(1, i64::MIN)).await));
    keep(told(ledger.fail_extraction(&lease, run_id(2), 1, "why").await));
    keep(told(ledger.record_fact(&fact_key(&part, Stage::Clean), &cleaned(5), 1).await));
    keep(told(ledger.record_fact(&fact_key(&part, Stage::Load), &loaded(5), 1).await));
    for after in [None, Some(1), None] {
        keep(told(ledger.put_note(Shelf::Hops, "key", after, "text").await));
    }
    for revision in [2, 2] {
        keep(told(ledger.remove_note(Shelf::Hops, "key", revision).await));
    }
    keep(told(ledger.release_lease(&lease).await));
    answers.push(told(ledger.held(&events()).await));
    answers.push(told(ledger.cursor(&events(), "source").await));
    answers.push(told(ledger.runs(&RunFilter::default()).await));
    answers.push(told(ledger.unfinished(&events().pipeline).await));
    answers.push(told(ledger.newest_definition(&events().pipeline).await));
    answers
}

/// Each write is done, and its answer lost: what the caller is told at last is what was done, and it was done once.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_wrong_one() {
    let (_table, way, ledger, _) = over_a_way().await;
    let lost = Mutex::new(0);
    let answers = all_writes(&ledger, || {
        *lost.lock().unwrap() += way.had();
        way.lose_next_write();
    })
    .await;
    let expected = all_writes(&Mutex::new(Model::default()), || {}).await;
    assert_eq!(answers, expected);
    assert_eq!(*lost.lock().unwrap(), 21, "every call writes, and lost an answer");
}

/// The answer to a change of a note is lost, and before it is asked for again another changes it too: ours was done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_was_lost_is_not_done_twice() {
    let (_table, way, ledger, beside) = over_a_way().await;
    let add = |text: Option<&str>| {
        let next = text.map_or(0, |text| text.parse::<u32>().unwrap()) + 1;
        (Change::Put(next.to_string()), next)
    };
    let another = meanwhile(&beside, move |beside| async move {
        assert_eq!(change_note(&*beside, Shelf::Hops, "r", add).await.unwrap(), 2);
    });
    way.trouble("TransactWriteItems", Trouble::Lost(another));
    assert_eq!(change_note(&ledger, Shelf::Hops, "r", add).await.unwrap(), 1);
    assert_eq!(way.had(), 1);
    assert_eq!(ledger.note(Shelf::Hops, "r").await.unwrap().unwrap().text, "2");

    // A lease whose taker's answer was lost, and which another has by now, is told as that one's.
    let another = meanwhile(&beside, |beside| async move {
        lease(&*beside, &events(), "b", 60_000).await;
    });
    way.trouble("UpdateItem", Trouble::Lost(another));
    let outcome = ledger.take_lease(&events(), &request("a", 0), &nobody_is_dead).await.unwrap();
    assert!(
        matches!(&outcome, LeaseOutcome::Held { holder, .. } if holder.name == "b"),
        "{outcome:?}"
    );
    assert_eq!(way.had(), 1);
}

/// As DynamoDB answers when others are at it, or too much is asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again_and_has_an_end() {
    let (table, way, ledger, _) = over_a_way().await;
    let cancelled = |reasons: &str| {
        let body = r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "so says the test", "CancellationReasons": "#;
        Trouble::Answer(400, format!("{body}{reasons}}}"))
    };
    // The fence does not hold, it says, but another is at the run: nothing is certain yet.
    let uncertain = r#"[{"Code": "ConditionalCheckFailed"}, {"Code": "TransactionConflict"}, {"Code": "None"}]"#;
    let lease = lease(&ledger, &events(), "a", 0).await;
    way.trouble("TransactWriteItems", cancelled(uncertain));
    way.trouble("TransactWriteItems", Trouble::refusal("TransactionInProgressException"));
    way.trouble("TransactWriteItems", Trouble::refusal("ProvisionedThroughputExceededException"));
    assert_eq!(ledger.begin_run(&lease, &run(1, &events())).await.unwrap(), run(1, &events()));
    assert_eq!(way.had(), 3);
    way.trouble("UpdateItem", Trouble::refusal("TransactionConflictException"));
    way.trouble("UpdateItem", Trouble::refusal("ThrottlingException"));
    ledger.renew_lease(&lease, 70_000).await.unwrap();
    assert_eq!(way.had(), 2);

    // Keys that were not read are asked for again.
    let left = format!(
        r#"{{"Responses": {{}}, "UnprocessedKeys": {{"{}": {{"ConsistentRead": true, "Keys": [{{"pk": {{"S": "R#earthquakes#events"}}, "sk": {{"S": "RUN#{}"}}}}]}}}}}}"#,
        table.name,
        run_id(1)
    );
    way.trouble("BatchGetItem", Trouble::Answer(200, left));
    assert_eq!(ledger.runs(&RunFilter::default()).await.unwrap(), [run(1, &events())]);
    assert_eq!(way.had(), 1);

    for _ in 0..100 {
        way.trouble("TransactWriteItems", cancelled(r#"[{"Code": "TransactionConflict"}]"#));
    }
    let answer = ledger.put_note(Shelf::Hops, "r", None, "{}").await;
    assert!(matches!(answer, Err(LedgerError::Unavailable { .. })), "{answer:?}");
    assert!(way.had() < 20);
    assert_eq!(ledger.note(Shelf::Hops, "r").await.unwrap(), None);
}

#[track_caller]
fn assert_denied<T: Debug>(answer: Result<T, LedgerError>, expected: &[&str]) {
    let Err(error @ LedgerError::Denied { .. }) = answer else {
        panic!("{answer:?}")
    };
    let told = error.to_string();
    assert!(expected.iter().all(|expected| told.contains(expected)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_retry_cures_says_where_and_what_to_do() {
    let (table, way, ledger, _) = over_a_way().await;
    let nowhere = DynamoLedger::new(&crate::emulator::config(&endpoint()), "tidemill-nowhere");
    let expected = ["read a note", "`tidemill-nowhere`", "deploy the stack", "us-east-1"];
    assert_denied(nowhere.note(Shelf::Hops, "r").await, &expected);
    way.trouble("TransactWriteItems", Trouble::refusal("AccessDeniedException"));
    let expected = ["put a note", &table.name, "so says the test", "role's policy"];
    assert_denied(ledger.put_note(Shelf::Hops, "r", None, "{}").await, &expected);
    way.trouble("GetItem", Trouble::refusal("ExpiredTokenException"));
    assert_denied(ledger.note(Shelf::Hops, "r").await, &["aws sso login"]);
    assert_eq!(way.had(), 2);
    let long = "x".repeat(ledger::note::NOTE_BYTES_MAX + 1);
    assert_denied(ledger.put_note(Shelf::Hops, "r", None, &long).await, &["300001 bytes", "300000"]);
}

/// Nobody is there to answer.
#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let config = crate::emulator::config(&format!("http://127.0.0.1:{port}"));
    let answer = DynamoLedger::new(&config, "ledger").held(&events()).await;
    assert!(matches!(answer, Err(LedgerError::Unavailable { .. })), "{answer:?}");
}

async fn put(table: &Table, item: &[(&str, AttributeValue)]) {
    let item = item.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let put = table.client.put_item().table_name(&table.name).set_item(Some(item));
    put.send().await.unwrap();
}

#[tokio::test]
async fn a_table_of_a_newer_program_is_refused_with_its_name() {
    let table = Table::new().await;
    let (s, n) = (
        |text: &str| AttributeValue::S(text.to_owned()),
        |text: &str| AttributeValue::N(text.to_owned()),
    );
    let old = table.ledger();
    old.put_note(Shelf::Hops, "r", None, "{}").await.unwrap();
    for (version, known) in [("1", true), ("2", false), ("99", false), ("0", false)] {
        put(&table, &[("pk", s("SCHEMA")), ("sk", s("SCHEMA")), ("version", n(version))]).await;
        match table.ledger().note(Shelf::Hops, "r").await {
            Ok(Some(_)) => assert!(known, "{version}"),
            Err(error @ LedgerError::Newer { .. }) => {
                let told = error.to_string();
                assert!(told.contains(&table.name) && told.contains(&format!("version {version}")), "{told}");
            }
            Err(LedgerError::Damaged { .. }) => assert_eq!(version, "0"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_somebody_changed_to_nonsense_is_told_with_its_place() {
    let table = Table::new().await;
    let ledger = table.ledger();
    let lease = lease(&ledger, &events(), "a", 0).await;
    ledger.begin_run(&lease, &run(1, &events())).await.unwrap();
    let key = fact_key(&raw(1, &events(), Part::Number(1)), Stage::Clean);
    ledger.record_fact(&key, &cleaned(1), 1).await.unwrap();
    let (s, n) = (
        |text: &str| AttributeValue::S(text.to_owned()),
        |text: &str| AttributeValue::N(text.to_owned()),
    );
    let (run_sk, of) = (format!("RUN#{}", run_id(1)), s("R#earthquakes#events"));
    put(&table, &[("pk", of.clone()), ("sk", s("LEASE")), ("token", n("-1"))]).await;
    put(&table, &[("pk", of.clone()), ("sk", s(&run_sk)), ("state", s("gone"))]).await;
    put(
        &table,
        &[("pk", of), ("sk", s("CURSOR#source")), ("value", n("9223372036854775808"))],
    )
    .await;
    let of_fact = format!("F#{}#earthquakes#events", run_id(1));
    let fact_sk = format!("FACT#{}#0000000001#clean", definition(1));
    let tally = [
        ("pk", s(&of_fact)),
        ("sk", s(&fact_sk)),
        ("stage", s("clean")),
        ("tally", s("{\"in\": -1}")),
    ];
    put(&table, &tally).await;
    for (answer, place) in [
        (ledger.held(&events()).await.map(drop), "LEASE"),
        (ledger.run(run_id(1), &events()).await.map(drop), run_sk.as_str()),
        (ledger.cursor(&events(), "source").await.map(drop), "CURSOR#source"),
        (ledger.fact(&key).await.map(drop), fact_sk.as_str()),
    ] {
        match answer {
            Err(error @ LedgerError::Damaged { .. }) => assert!(error.to_string().contains(place), "{error}"),
            other => panic!("{place}: {other:?}"),
        }
    }
}

/// A page of DynamoDB's ends at 1 MB, or at the limit that was asked for; a batch at 100 keys.
#[tokio::test(flavor = "multi_thread")]
async fn lists_longer_than_a_page_are_whole() {
    let table = Table::new().await;
    let ledger = Arc::new(table.ledger());
    let text = "x".repeat(ledger::note::NOTE_BYTES_MAX);
    let keys: Vec<String> = (0..9).map(|number| format!("{number}")).collect();
    for key in &keys {
        assert!(ledger.put_note(Shelf::Incidents, key, None, &text).await.unwrap());
    }
    for limit in [1, 4, 9, 100] {
        let notes = ledger.notes(Shelf::Incidents, None, limit).await.unwrap();
        assert!(notes.iter().map(|(key, _)| key).eq(keys.iter().take(limit)), "limit {limit}");
        assert!(notes.iter().all(|(_, note)| note.text == text));
    }

    let lease = lease(&*ledger, &events(), "a", 0).await;
    let parts: Vec<_> = (1..=120).map(|part| raw(1, &events(), Part::Number(part))).collect();
    for parts in parts.chunks(8) {
        let all: Vec<_> = parts
            .iter()
            .map(|part| {
                let (ledger, lease, part) = (ledger.clone(), lease.clone(), part.clone());
                tokio::spawn(async move { ledger.record_intent(&lease, &part, &definition(1), 1).await.unwrap() })
            })
            .collect();
        for each in all {
            each.await.unwrap();
        }
    }
    let last = fact_key(&parts[119], Stage::Clean);
    ledger.record_fact(&last, &cleaned(1), 1).await.unwrap();
    assert_eq!(ledger.intents(run_id(1), &events()).await.unwrap(), parts);
    let owed = ledger.unfinished(&events().pipeline).await.unwrap();
    assert!(owed.iter().map(|owed| &owed.raw).eq(&parts));
    assert!(owed.iter().all(|owed| (owed.next == Stage::Load) == (owed.raw == last.raw)));
}

/// Runs of one id, as a run by hand of a whole pipeline has them, are told by resource wherever the list is cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_runs_is_cut_in_order() {
    let table = Table::new().await;
    let ledger = table.ledger();
    let model = Mutex::new(Model::default());
    for (number, resource_name) in [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (2, "c"), (2, "d"), (3, "b"), (3, "c")] {
        let mut record = run(number, &resource(if resource_name == "d" { "other" } else { "p" }, resource_name));
        record.state = RunState::Skipped { holder: "h".to_owned() };
        ledger.record_skipped(&record).await.unwrap();
        model.record_skipped(&record).await.unwrap();
    }
    for limit in (0..10).map(Some).chain([None]) {
        for (pipeline, resource) in [(None, None), (Some("p"), None), (None, Some("b")), (Some("p"), Some("c"))] {
            let filter = RunFilter {
                pipeline: pipeline.map(name),
                resource: resource.map(name),
                limit,
            };
            let (told, expected) = (ledger.runs(&filter).await.unwrap(), model.runs(&filter).await.unwrap());
            assert_eq!(told, expected, "{filter:?}");
        }
    }
}

/// A fact that was recorded before its intent was, as a replay of an old object does, leaves nothing owed.
#[tokio::test]
async fn a_part_that_was_loaded_before_it_was_intended_is_not_owed() {
    let table = Table::new().await;
    let ledger = table.ledger();
    let lease: Lease = lease(&ledger, &events(), "a", 0).await;
    let (one, two) = (raw(1, &events(), Part::Number(1)), raw(1, &events(), Part::Number(2)));
    ledger.record_fact(&fact_key(&one, Stage::Load), &loaded(1), 1).await.unwrap();
    let empty = Fact::Clean(CleanTally::default());
    ledger.record_fact(&fact_key(&two, Stage::Clean), &empty, 1).await.unwrap();
    for part in [&one, &two] {
        ledger.record_intent(&lease, part, &definition(1), 1).await.unwrap();
    }
    let owed = ledger.unfinished(&events().pipeline).await.unwrap();
    assert_eq!(
        owed.iter().map(|owed| (&owed.raw, owed.next)).collect::<Vec<_>>(),
        [(&two, Stage::Load)]
    );
}
