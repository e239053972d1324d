//! What every ledger must do: each test runs on the model, on SQLite and on DynamoDB.

use crate::emulator::Table;
use crate::given::*;
use lake::Part;
use ledger::{
    Cursor, Extracted, Fact, LeaseOutcome, Ledger, LedgerError, LoadTally, Model, RunFilter, RunState, Shelf, Stage, Unfinished,
    change_note, note::Change,
};
use std::future::Future;
use std::sync::{Arc, Mutex};

/// Runs a test on a fresh ledger of each kind.
async fn on_each<F: Future<Output = ()>>(test: impl Fn(Arc<dyn Ledger>) -> F) {
    test(Arc::new(Mutex::new(Model::default()))).await;
    let folder = tempfile::tempdir().unwrap();
    test(Arc::new(open(folder.path()))).await;
    test(Arc::new(Table::new().await.ledger())).await;
}

fn extracted(run: u64, cursor: Option<i64>) -> Extracted {
    Extracted {
        run: run_id(run),
        ended_ms: 9_000,
        parts: 2,
        captures: 30,
        bytes: 4_000,
        cursor: cursor.map(|value| Cursor { value }),
    }
}

#[track_caller]
fn assert_lost<T: std::fmt::Debug>(answer: Result<T, LedgerError>) {
    assert!(matches!(answer, Err(LedgerError::LeaseLost { .. })), "{answer:?}");
}

#[tokio::test]
async fn the_newest_definition_keeps_its_generation_and_an_older_one_gets_a_new_one() {
    on_each(|ledger| async move {
        let (p, q) = (name("p"), name("q"));
        assert_eq!(ledger.newest_definition(&p).await.unwrap(), None);
        for (number, generation) in [(1, 1), (1, 1), (2, 2), (2, 2), (1, 3), (3, 4)] {
            assert_eq!(ledger.apply_definition(&p, &definition(number)).await.unwrap(), generation);
            assert_eq!(ledger.newest_definition(&p).await.unwrap(), Some((definition(number), generation)));
        }
        assert_eq!(ledger.apply_definition(&q, &definition(3)).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_first_claim_on_a_collection_is_kept() {
    on_each(|ledger| async move {
        let first = claim(&events(), "primary_key [id (text)]");
        assert_eq!(ledger.claimed(&first.collection).await.unwrap(), None);
        assert_eq!(ledger.claim_collection(&first).await.unwrap(), first);
        assert_eq!(ledger.claimed(&first.collection).await.unwrap().as_ref(), Some(&first));
        for later in [
            first.clone(),
            claim(&events(), "primary_key [id (text)], version at (time)"),
            claim(&resource("earthquakes", "other"), "primary_key [id (text)]"),
            claim(&resource("other", "events"), "primary_key [id (text)]"),
        ] {
            assert_eq!(ledger.claim_collection(&later).await.unwrap(), first);
        }
        // The same resource may begin another collection, and one of that name is none of the first.
        let mut second = claim(&events(), "identity content");
        second.collection = name("quakes-2");
        assert_eq!(ledger.claim_collection(&second).await.unwrap(), second);
        assert_eq!(ledger.claim_collection(&second).await.unwrap(), second);
        assert_eq!(ledger.claim_collection(&first).await.unwrap(), first);
    })
    .await;
}

#[tokio::test]
async fn a_lease_has_one_holder_and_its_token_only_grows() {
    on_each(|ledger| async move {
        let ledger = &*ledger;
        let first = lease(ledger, &events(), "a", 0).await;
        assert_eq!(first.expires_ms, 60_000);
        let held = ledger.take_lease(&events(), &request("b", 59_999), &nobody_is_dead).await.unwrap();
        let by_a = LeaseOutcome::Held {
            holder: holder("a"),
            expires_ms: 60_000,
        };
        assert_eq!(held, by_a);
        lease(ledger, &resource("earthquakes", "other"), "b", 0).await;

        // Renewed, it is held for longer; expired, it is another's.
        let renewed = ledger.renew_lease(&first, 70_000).await.unwrap();
        let holding = ledger.held(&events()).await.unwrap().unwrap();
        assert_eq!((holding.holder, holding.expires_ms), (holder("a"), 70_000));
        assert_eq!((renewed.token, renewed.expires_ms), (first.token, 70_000));
        let held = ledger.take_lease(&events(), &request("b", 69_999), &nobody_is_dead).await.unwrap();
        assert!(matches!(held, LeaseOutcome::Held { expires_ms: 70_000, .. }));
        let second = lease(ledger, &events(), "b", 70_000).await;
        assert!(second.token > first.token);

        // The overtaken holder can't renew, nor give back what is not its own.
        assert_lost(ledger.renew_lease(&renewed, 99_000).await);
        ledger.release_lease(&first).await.unwrap();
        let held = ledger.take_lease(&events(), &request("c", 70_001), &nobody_is_dead).await.unwrap();
        assert!(matches!(held, LeaseOutcome::Held { .. }));

        // Given back, it is free, and no token comes twice.
        ledger.release_lease(&second).await.unwrap();
        assert_eq!(ledger.held(&events()).await.unwrap(), None);
        assert_lost(ledger.renew_lease(&second, 99_000).await);
        let third = lease(ledger, &events(), "c", 70_002).await;
        assert!(third.token > second.token);
        // A dead holder's lease is taken at once; the same holder's too, under a new token.
        let dead = ledger
            .take_lease(&events(), &request("d", 70_003), &|h| *h == holder("c"))
            .await
            .unwrap();
        let LeaseOutcome::Taken(fourth) = dead else { panic!("{dead:?}") };
        assert!(fourth.token > third.token);
        assert!(lease(ledger, &events(), "d", 70_004).await.token > fourth.token);
    })
    .await;
}

#[tokio::test]
async fn an_overtaken_worker_writes_nothing_more() {
    on_each(|ledger| async move {
        let ledger = &*ledger;
        let old = lease(ledger, &events(), "a", 0).await;
        ledger.begin_run(&old, &run(1, &events())).await.unwrap();
        let part = raw(1, &events(), Part::Number(1));
        ledger.record_intent(&old, &part, &definition(1), 1).await.unwrap();
        let new = lease(ledger, &events(), "b", 60_000).await;

        assert_lost(ledger.begin_run(&old, &run(1, &events())).await);
        assert_lost(ledger.begin_run(&old, &run(2, &events())).await);
        let next = raw(1, &events(), Part::Number(2));
        assert_lost(ledger.record_intent(&old, &next, &definition(1), 1).await);
        assert_lost(ledger.end_extraction(&old, &extracted(1, Some(5))).await);
        assert_lost(ledger.fail_extraction(&old, run_id(1), 9_000, "no").await);
        assert_eq!(ledger.run(run_id(1), &events()).await.unwrap(), Some(run(1, &events())));
        assert_eq!(ledger.run(run_id(2), &events()).await.unwrap(), None);
        assert_eq!(ledger.intents(run_id(1), &events()).await.unwrap(), [part]);
        assert_eq!(ledger.cursor(&events(), "source").await.unwrap(), None);

        // A lease of one resource is none of another; and the new holder goes on.
        let other = resource("earthquakes", "other");
        assert_lost(ledger.begin_run(&new, &run(1, &other)).await);
        assert_lost(ledger.record_intent(&new, &raw(1, &other, Part::End), &definition(1), 1).await);
        ledger.record_intent(&new, &next, &definition(1), 1).await.unwrap();
        ledger.end_extraction(&new, &extracted(1, Some(5))).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_run_begins_once_and_is_resumed_until_it_ends() {
    on_each(|ledger| async move {
        let lease = lease(&*ledger, &events(), "a", 0).await;
        assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), None);
        for number in [2, 1, 3] {
            assert_eq!(
                ledger.begin_run(&lease, &run(number, &events())).await.unwrap(),
                run(number, &events())
            );
        }
        // Begun again with other values, it stays as it was.
        let mut again = run(3, &events());
        again.cursor_before = Some(77);
        assert_eq!(ledger.begin_run(&lease, &again).await.unwrap(), run(3, &events()));

        assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), Some(run(3, &events())));
        assert_eq!(ledger.run_to_resume(&resource("earthquakes", "other")).await.unwrap(), None);
        ledger.end_extraction(&lease, &extracted(3, None)).await.unwrap();
        assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), Some(run(2, &events())));
        ledger
            .fail_extraction(&lease, run_id(2), 8_000, "the source said 500")
            .await
            .unwrap();
        assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), Some(run(1, &events())));

        let ended = ledger.run(run_id(3), &events()).await.unwrap().unwrap();
        assert_eq!((ended.state, ended.ended_ms), (RunState::Extracted, Some(9_000)));
        assert_eq!((ended.parts, ended.captures, ended.bytes), (2, 30, 4_000));
        let failed = ledger.run(run_id(2), &events()).await.unwrap().unwrap();
        let message = "the source said 500".to_owned();
        assert_eq!((failed.state, failed.ended_ms), (RunState::Failed { message }, Some(8_000)));
    })
    .await;
}

#[tokio::test]
async fn the_first_end_of_a_run_stands() {
    on_each(|ledger| async move {
        let lease = lease(&*ledger, &events(), "a", 0).await;
        for number in [1, 2] {
            ledger.begin_run(&lease, &run(number, &events())).await.unwrap();
        }
        ledger.end_extraction(&lease, &extracted(1, Some(5))).await.unwrap();
        ledger.fail_extraction(&lease, run_id(2), 8_000, "first").await.unwrap();
        let before = ledger.runs(&RunFilter::default()).await.unwrap();

        ledger.end_extraction(&lease, &extracted(1, Some(6))).await.unwrap();
        ledger.fail_extraction(&lease, run_id(2), 8_001, "second").await.unwrap();
        for refused in [
            ledger.end_extraction(&lease, &extracted(2, Some(7))).await,
            ledger.fail_extraction(&lease, run_id(1), 1, "no").await,
            ledger.end_extraction(&lease, &extracted(3, Some(8))).await,
            ledger.fail_extraction(&lease, run_id(3), 1, "no").await,
        ] {
            assert!(matches!(refused, Err(LedgerError::CannotEnd { .. })), "{refused:?}");
        }
        assert_eq!(ledger.runs(&RunFilter::default()).await.unwrap(), before);
        assert_eq!(ledger.cursor(&events(), "source").await.unwrap(), Some(Cursor { value: 5 }));
    })
    .await;
}

#[tokio::test]
async fn a_cursor_never_moves_back_and_belongs_to_its_source() {
    on_each(|ledger| async move {
        let lease = lease(&*ledger, &events(), "a", 0).await;
        let mut number = 0;
        for (source, value, expected) in [("s", 10, 10), ("s", 7, 10), ("t", -3, -3), ("s", 11, 11), ("t", -2, -2)] {
            number += 1;
            let mut run = run(number, &events());
            run.source = source.to_owned();
            ledger.begin_run(&lease, &run).await.unwrap();
            ledger.end_extraction(&lease, &extracted(number, Some(value))).await.unwrap();
            assert_eq!(ledger.cursor(&events(), source).await.unwrap(), Some(Cursor { value: expected }));
        }
        assert_eq!(ledger.cursor(&events(), "u").await.unwrap(), None);
        assert_eq!(ledger.cursor(&resource("earthquakes", "other"), "s").await.unwrap(), None);
        // A failed run moves nothing; one without a value neither.
        ledger.begin_run(&lease, &run(8, &events())).await.unwrap();
        ledger.fail_extraction(&lease, run_id(8), 1, "no").await.unwrap();
        ledger.begin_run(&lease, &run(9, &events())).await.unwrap();
        ledger.end_extraction(&lease, &extracted(9, None)).await.unwrap();
        assert_eq!(ledger.cursor(&events(), "source").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_skipped_run_may_begin_after_all() {
    on_each(|ledger| async move {
        let lease = lease(&*ledger, &events(), "a", 0).await;
        let begun = run(1, &events());
        let mut skipped = begun.clone();
        skipped.state = RunState::Skipped { holder: "a".to_owned() };
        ledger.record_skipped(&skipped).await.unwrap();
        assert_eq!(ledger.begin_run(&lease, &begun).await.unwrap(), begun);
        assert_eq!(ledger.run_to_resume(&events()).await.unwrap(), Some(begun.clone()));
        // The other way round, the run that began stays.
        ledger.record_skipped(&skipped).await.unwrap();
        assert_eq!(ledger.run(begun.id, &events()).await.unwrap(), Some(begun));
    })
    .await;
}

#[tokio::test]
async fn runs_are_listed_newest_first() {
    on_each(|ledger| async move {
        let resources = [events(), resource("earthquakes", "a"), resource("flights", "events")];
        for resource in &resources {
            let lease = lease(&*ledger, resource, "a", 0).await;
            for number in [2, 1] {
                ledger.begin_run(&lease, &run(number, resource)).await.unwrap();
            }
        }
        let mut skipped = run(3, &events());
        skipped.state = RunState::Skipped { holder: "b".to_owned() };
        ledger.record_skipped(&skipped).await.unwrap();
        ledger.record_skipped(&run(2, &events())).await.unwrap();

        let list = |pipeline: Option<&str>, resource: Option<&str>, limit| {
            let filter = RunFilter {
                pipeline: pipeline.map(name),
                resource: resource.map(name),
                limit,
            };
            let ledger = ledger.clone();
            async move {
                let runs = ledger.runs(&filter).await.unwrap();
                let shown = runs.iter().map(|run| format!("{} {}", run.id.started_ms() % 10, run.resource));
                shown.collect::<Vec<_>>()
            }
        };
        let all = [
            "3 earthquakes/events",
            "2 earthquakes/a",
            "2 earthquakes/events",
            "2 flights/events",
            "1 earthquakes/a",
            "1 earthquakes/events",
            "1 flights/events",
        ];
        assert_eq!(list(None, None, None).await, all);
        assert_eq!(list(None, None, Some(2)).await, all[..2]);
        assert_eq!(list(Some("flights"), None, None).await, [all[3], all[6]]);
        assert_eq!(list(Some("earthquakes"), Some("events"), Some(2)).await, [all[0], all[2]]);
        assert_eq!(list(Some("nothing"), None, None).await, [""; 0]);
        assert_eq!(ledger.run(run_id(3), &events()).await.unwrap(), Some(skipped));
    })
    .await;
}

#[tokio::test]
async fn the_first_fact_wins_and_one_that_does_not_add_up_is_refused() {
    on_each(|ledger| async move {
        let part = raw(1, &events(), Part::Number(1));
        let (clean, load) = (fact_key(&part, Stage::Clean), fact_key(&part, Stage::Load));
        assert_eq!(ledger.fact(&clean).await.unwrap(), None);
        assert_eq!(ledger.record_fact(&clean, &cleaned(5), 1).await.unwrap(), cleaned(5));
        assert_eq!(ledger.record_fact(&clean, &cleaned(6), 2).await.unwrap(), cleaned(5));
        assert_eq!(ledger.fact(&clean).await.unwrap(), Some(cleaned(5)));

        let unbalanced = Fact::Load(LoadTally {
            documents_in: 2,
            inserted: 1,
            ..LoadTally::default()
        });
        for (key, fact) in [(&load, &unbalanced), (&load, &cleaned(5)), (&clean, &loaded(5))] {
            let refused = ledger.record_fact(key, fact, 3).await;
            assert!(matches!(refused, Err(LedgerError::NotAFact { .. })), "{refused:?}");
        }
        assert_eq!(ledger.fact(&load).await.unwrap(), None);
        assert_eq!(ledger.record_fact(&load, &loaded(5), 4).await.unwrap(), loaded(5));

        // A run's facts under one definition, in order, and no other run's or definition's.
        let second = fact_key(&raw(1, &events(), Part::Number(2)), Stage::Clean);
        ledger.record_fact(&second, &cleaned(7), 5).await.unwrap();
        let mut elsewhere = second.clone();
        elsewhere.definition = definition(2);
        ledger.record_fact(&elsewhere, &cleaned(8), 5).await.unwrap();
        let other_run = fact_key(&raw(2, &events(), Part::Number(1)), Stage::Clean);
        ledger.record_fact(&other_run, &cleaned(9), 5).await.unwrap();
        let facts = ledger.facts(run_id(1), &events(), &definition(1)).await.unwrap();
        assert_eq!(facts, [(clean, cleaned(5)), (load, loaded(5)), (second, cleaned(7))]);
    })
    .await;
}

#[tokio::test]
async fn unfinished_parts_are_those_without_their_last_fact() {
    on_each(|ledger| async move {
        // One name is the beginning of the other: their keys must not be mixed.
        let (short, long) = (resource("quakes", "events"), resource("quakes-2", "events"));
        let parts = [
            Part::Number(1),
            Part::Number(2),
            Part::Number(1_000_000),
            Part::Number(999_999),
            Part::End,
        ];
        for resource in [&short, &long] {
            let lease = lease(&*ledger, resource, "a", 0).await;
            for part in parts {
                ledger
                    .record_intent(&lease, &raw(1, resource, part), &definition(1), 4)
                    .await
                    .unwrap();
                ledger
                    .record_intent(&lease, &raw(1, resource, part), &definition(9), 9)
                    .await
                    .unwrap();
            }
        }
        let mut in_order = parts;
        in_order.sort_unstable();
        let intents = ledger.intents(run_id(1), &short).await.unwrap();
        assert_eq!(intents, in_order.map(|part| raw(1, &short, part)));

        let fact = |part, stage| fact_key(&raw(1, &short, part), stage);
        let first = Part::Number(1);
        ledger.record_fact(&fact(first, Stage::Clean), &cleaned(5), 1).await.unwrap();
        // Under another definition, a fact is not the one that is owed.
        let mut replayed = fact(Part::Number(2), Stage::Load);
        replayed.definition = definition(2);
        ledger.record_fact(&replayed, &loaded(5), 1).await.unwrap();
        let owed = |next: fn(Part) -> Option<Stage>| {
            let owed = in_order.into_iter().filter_map(move |part| Some((part, next(part)?)));
            let parts = owed.map(|(part, next)| Unfinished {
                raw: raw(1, &resource("quakes", "events"), part),
                definition: definition(1),
                generation: 4,
                next,
            });
            parts.collect::<Vec<_>>()
        };
        let all = owed(|part| Some(if part == Part::Number(1) { Stage::Load } else { Stage::Clean }));
        assert_eq!(ledger.unfinished(&short.pipeline).await.unwrap(), all);

        ledger.record_fact(&fact(first, Stage::Load), &loaded(5), 1).await.unwrap();
        ledger.record_fact(&fact(Part::End, Stage::Load), &loaded(0), 1).await.unwrap();
        let rest = owed(|part| (!matches!(part, Part::End | Part::Number(1))).then_some(Stage::Clean));
        assert_eq!(ledger.unfinished(&short.pipeline).await.unwrap(), rest);
        assert_eq!(ledger.unfinished(&long.pipeline).await.unwrap().len(), parts.len());
        assert_eq!(ledger.unfinished(&name("quak")).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_note_is_changed_only_by_who_knows_it() {
    on_each(|ledger| async move {
        let (shelf, key) = (Shelf::Causes, "late/p/r");
        assert_eq!(ledger.note(shelf, key).await.unwrap(), None);
        assert!(!ledger.put_note(shelf, key, Some(1), "{}").await.unwrap());
        assert!(ledger.put_note(shelf, key, None, "1").await.unwrap());
        assert!(!ledger.put_note(shelf, key, None, "2").await.unwrap());
        assert_eq!(ledger.note(Shelf::Hops, key).await.unwrap(), None);
        let note = ledger.note(shelf, key).await.unwrap().unwrap();
        assert_eq!((note.text.as_str(), note.revision), ("1", 1));
        assert!(ledger.put_note(shelf, key, Some(1), "2").await.unwrap());
        assert!(!ledger.put_note(shelf, key, Some(1), "3").await.unwrap());
        let note = ledger.note(shelf, key).await.unwrap().unwrap();
        assert_eq!((note.text.as_str(), note.revision), ("2", 2));
        assert!(!ledger.remove_note(shelf, key, 1).await.unwrap());
        assert!(ledger.remove_note(shelf, key, 2).await.unwrap());
        assert!(!ledger.remove_note(shelf, key, 2).await.unwrap());
        assert_eq!(ledger.note(shelf, key).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn notes_are_listed_in_the_order_of_their_keys() {
    on_each(|ledger| async move {
        for key in ["b", "a/é", "a", "c", "B"] {
            assert!(ledger.put_note(Shelf::Incidents, key, None, key).await.unwrap());
        }
        assert!(ledger.put_note(Shelf::Causes, "b1", None, "").await.unwrap());
        let listed = |after: Option<&'static str>, limit| {
            let ledger = ledger.clone();
            async move {
                let notes = ledger.notes(Shelf::Incidents, after, limit).await.unwrap();
                notes.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
            }
        };
        assert_eq!(listed(None, 100).await, ["B", "a", "a/é", "b", "c"]);
        assert_eq!(listed(None, 2).await, ["B", "a"]);
        assert_eq!(listed(Some("a"), 2).await, ["a/é", "b"]);
        assert_eq!(listed(Some("a/"), 100).await, ["a/é", "b", "c"]);
        assert_eq!(listed(Some("c"), 100).await, [""; 0]);
    })
    .await;
}

/// Each of the racing writers adds one, and none is lost.
#[tokio::test]
async fn racing_changes_of_one_note_are_all_kept() {
    on_each(|ledger| async move {
        let add = |text: Option<&str>| {
            let next = text.map_or(0, |text| text.parse::<u32>().unwrap()) + 1;
            (Change::Put(next.to_string()), next)
        };
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let ledger = ledger.clone();
                tokio::spawn(async move { change_note(&*ledger, Shelf::Hops, "r", add).await.unwrap() })
            })
            .collect();
        let mut answers = Vec::new();
        for writer in writers {
            answers.push(writer.await.unwrap());
        }
        answers.sort_unstable();
        assert_eq!(answers, (1..=8).collect::<Vec<_>>());
        let kept = change_note(&*ledger, Shelf::Hops, "r", |text| (Change::Remove, text.map(str::to_owned)));
        assert_eq!(kept.await.unwrap().as_deref(), Some("8"));
        assert_eq!(ledger.note(Shelf::Hops, "r").await.unwrap(), None);
    })
    .await;
}
