//! Incidents open once, are seen again, recover once; and what a process left half done is completed by the next.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use crate::{Ledger, Model, Shelf};
use std::sync::{Arc, Mutex};

fn ledger() -> Arc<Mutex<Model>> {
    Arc::default()
}

async fn standing_in(ledger: &Mutex<Model>, after: Option<&str>) -> Vec<(String, Vec<Incident>)> {
    let causes = causes(ledger, after, 9).await.unwrap();
    causes.into_iter().map(|(cause, incidents)| (cause, incidents.unwrap())).collect()
}

fn sighting(at_ms: i64, summary: &str) -> Sighting {
    Sighting {
        cause: "failed_run/p/r".to_owned(),
        kind: Kind::FailedRun,
        resource: None,
        queue: None,
        at_ms,
        summary: summary.to_owned(),
        next: "tidemill incidents show {id} --stack dev".to_owned(),
        objects: 1,
        records: None,
    }
}

fn opened(seen: Seen) -> Incident {
    match seen {
        Seen::Opened(incident) => incident,
        Seen::Again(incident) => panic!("it was open: {incident:?}"),
    }
}

fn again(seen: Seen) -> Incident {
    match seen {
        Seen::Again(incident) => incident,
        Seen::Opened(incident) => panic!("it was not open: {incident:?}"),
    }
}

#[tokio::test]
async fn it_opens_is_seen_again_recovers_and_opens_anew() {
    let ledger = ledger();
    let first = opened(see(&*ledger, &sighting(1_000, "down")).await.unwrap());
    assert_eq!((first.opened_ms, first.times, first.is_open()), (1_000, 1, true));
    assert_eq!(first.next, format!("tidemill incidents show {} --stack dev", first.id));
    // The same tick once more counts nothing; a later one counts, and makes a line only if it says something new.
    assert_eq!(again(see(&*ledger, &sighting(1_000, "down")).await.unwrap()), first);
    let second = again(see(&*ledger, &sighting(2_000, "down")).await.unwrap());
    assert_eq!(
        (second.id, second.times, second.seen_ms, second.timeline.len()),
        (first.id, 2, 2_000, 1)
    );
    let third = again(see(&*ledger, &sighting(3_000, "still down")).await.unwrap());
    assert_eq!(third.timeline[1].what, "seen again: still down");
    assert_eq!(incidents(&*ledger, true, 9).await.unwrap(), std::slice::from_ref(&third));

    let recovered = recover(&*ledger, &first.cause, 4_000, "it went well").await.unwrap().unwrap();
    assert_eq!(
        (recovered.id, recovered.recovered_ms, recovered.lasted_ms(9_000)),
        (first.id, Some(4_000), 3_000)
    );
    assert_eq!(recover(&*ledger, &first.cause, 5_000, "again").await.unwrap(), None);
    assert_eq!(incidents(&*ledger, true, 9).await.unwrap(), []);

    // In the same millisecond even.
    let anew = opened(see(&*ledger, &sighting(1_000, "down")).await.unwrap());
    assert_ne!(anew.id, first.id);
    let later = opened(
        see(
            &*ledger,
            &Sighting {
                cause: "other".to_owned(),
                ..sighting(7_000, "x")
            },
        )
        .await
        .unwrap(),
    );
    let listed: Vec<IncidentId> = incidents(&*ledger, false, 9)
        .await
        .unwrap()
        .iter()
        .map(|incident| incident.id)
        .collect();
    let mut newest_first = vec![later.id, anew.id, first.id];
    newest_first.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(listed, newest_first);
    assert_eq!(listed[0], later.id);
    assert_eq!(incidents(&*ledger, false, 1).await.unwrap().len(), 1);
    assert_eq!(incident(&*ledger, first.id).await.unwrap(), Some(recovered));
    assert_eq!(recover(&*ledger, "nothing", 1, "x").await.unwrap(), None);
}

#[tokio::test]
async fn who_was_not_told_is_told_later() {
    let ledger = ledger();
    let first = opened(see(&*ledger, &sighting(1_000, "down")).await.unwrap());
    let cause = first.cause.clone();
    assert_eq!(first.untold, [Transition::Opened]);
    told(&*ledger, &first, Transition::Opened).await.unwrap();
    assert_eq!(incident(&*ledger, first.id).await.unwrap().unwrap().untold, []);
    let recovered = recover(&*ledger, &cause, 2_000, "up").await.unwrap().unwrap();
    // Opened again before anybody was told of the recovery: both stand on the cause.
    let second = opened(see(&*ledger, &sighting(3_000, "down")).await.unwrap());
    let standing = standing_in(&ledger, None).await;
    assert_eq!(standing, [(cause.clone(), vec![recovered.clone(), second.clone()])]);
    assert_eq!(standing_in(&ledger, Some(&cause)).await, []);
    told(&*ledger, &recovered, Transition::Recovered).await.unwrap();
    told(&*ledger, &recovered, Transition::Recovered).await.unwrap();
    assert_eq!(standing_in(&ledger, None).await, [(cause.clone(), vec![second.clone()])]);
    // Told of both at the end, it leaves nothing on its cause.
    recover(&*ledger, &cause, 4_000, "up").await.unwrap().unwrap();
    told(&*ledger, &second, Transition::Opened).await.unwrap();
    assert_eq!(standing_in(&ledger, None).await.len(), 1);
    told(&*ledger, &second, Transition::Recovered).await.unwrap();
    assert_eq!(ledger.note(Shelf::Causes, &cause).await.unwrap(), None);
}

/// Killed after the cause was taken and before the incident was written.
#[tokio::test]
async fn a_cause_without_its_incident_is_healed() {
    let id = IncidentId::of("failed_run/p/r", 5, 0);
    let half = || async {
        let ledger = ledger();
        let text = format!("{{\"open\":\"{id}\"}}");
        assert!(ledger.put_note(Shelf::Causes, "failed_run/p/r", None, &text).await.unwrap());
        ledger
    };
    let ledger = half().await;
    assert_eq!(incidents(&*ledger, true, 9).await.unwrap(), []);
    assert_eq!(opened(see(&*ledger, &sighting(9, "down")).await.unwrap()).id, id);
    assert_eq!(again(see(&*ledger, &sighting(10, "down")).await.unwrap()).id, id);

    let ledger = half().await;
    assert_eq!(recover(&*ledger, "failed_run/p/r", 9, "up").await.unwrap(), None);
    assert_ne!(opened(see(&*ledger, &sighting(10, "down")).await.unwrap()).id, id);
}

/// Killed after the incident was marked and before it was taken off its cause.
#[tokio::test]
async fn a_cause_with_a_recovered_incident_is_healed() {
    let half = || async {
        let ledger = ledger();
        let first = opened(see(&*ledger, &sighting(1, "down")).await.unwrap());
        let marked = serde_json::to_string(&first.recovered(2, "up").unwrap()).unwrap();
        assert!(
            ledger
                .put_note(Shelf::Incidents, &first.id.shelf_key(), Some(1), &marked)
                .await
                .unwrap()
        );
        (ledger, first)
    };
    let (ledger, first) = half().await;
    assert_eq!(incidents(&*ledger, true, 9).await.unwrap(), []);
    let anew = opened(see(&*ledger, &sighting(3, "down")).await.unwrap());
    let standing = standing_in(&ledger, None).await;
    let ids: Vec<IncidentId> = standing[0].1.iter().map(|incident| incident.id).collect();
    assert_eq!(ids, [first.id, anew.id]);

    let (ledger, first) = half().await;
    assert_eq!(recover(&*ledger, &first.cause, 3, "up").await.unwrap(), None);
    let recovered = incident(&*ledger, first.id).await.unwrap().unwrap();
    assert_eq!(recovered.recovered_ms, Some(2));
    for transition in [Transition::Opened, Transition::Recovered] {
        told(&*ledger, &recovered, transition).await.unwrap();
    }
    assert_eq!(ledger.note(Shelf::Causes, &first.cause).await.unwrap(), None);
}

/// A kind that only a newer version knows, before somebody rolled back.
#[tokio::test]
async fn a_note_that_cannot_be_read_stands_in_nobodys_way() {
    let ledger = ledger();
    let first = opened(see(&*ledger, &sighting(1_000, "down")).await.unwrap());
    let newer = IncidentId::of("a", 5, 0);
    let text = serde_json::to_string(&first).unwrap().replace("failed_run\"", "of_tomorrow\"");
    for (shelf, key, text) in [
        (Shelf::Incidents, newer.shelf_key(), text),
        (Shelf::Causes, "a".to_owned(), format!("{{\"open\":\"{newer}\"}}")),
        (Shelf::Causes, "b".to_owned(), "[7]".to_owned()),
    ] {
        assert!(ledger.put_note(shelf, &key, None, &text).await.unwrap());
    }
    let standing = causes(&*ledger, None, 9).await.unwrap();
    let read: Vec<(&str, bool)> = standing
        .iter()
        .map(|(cause, incidents)| (cause.as_str(), incidents.is_ok()))
        .collect();
    assert_eq!(read, [("a", false), ("b", false), ("failed_run/p/r", true)]);
}

/// Opened anew for the very moment it was opened for before, when nobody had been told of its recovery yet.
#[tokio::test]
async fn an_incident_stands_on_its_cause_once() {
    let ledger = ledger();
    opened(see(&*ledger, &sighting(1_000, "down")).await.unwrap());
    recover(&*ledger, "failed_run/p/r", 2_000, "up").await.unwrap().unwrap();
    opened(see(&*ledger, &sighting(1_000, "down")).await.unwrap());
    assert_eq!(
        standing_in(&ledger, None).await[0].1.len(),
        2,
        "the one that recovered, and the one that is open"
    );
}

/// However many watchers see a cause at once, one of them opens one incident; and one of them recovers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_watchers_open_one_incident() {
    for round in 0..20 {
        let ledger = ledger();
        let watchers: Vec<_> = (0..8)
            .map(|watcher| {
                let ledger = ledger.clone();
                tokio::spawn(async move { see(&*ledger, &sighting(round * 100 + watcher % 2, "down")).await.unwrap() })
            })
            .collect();
        let (mut ids, mut openers) = (Vec::new(), 0);
        for watcher in watchers {
            match watcher.await.unwrap() {
                Seen::Opened(incident) => {
                    openers += 1;
                    ids.push(incident.id);
                }
                Seen::Again(incident) => ids.push(incident.id),
            }
        }
        ids.dedup();
        assert_eq!((ids.len(), openers), (1, 1), "round {round}");
        let watchers: Vec<_> = (0..8)
            .map(|_| {
                let ledger = ledger.clone();
                tokio::spawn(async move { recover(&*ledger, "failed_run/p/r", 9_000, "up").await.unwrap() })
            })
            .collect();
        let mut recovered = 0;
        for watcher in watchers {
            recovered += usize::from(watcher.await.unwrap().is_some());
        }
        assert_eq!(recovered, 1, "round {round}");
    }
}

#[test]
fn a_timeline_stays_short_and_keeps_its_beginning() {
    let mut incident = Incident::open(IncidentId::of("c", 0, 0), &sighting(0, "down"));
    for number in 1..=200 {
        incident = incident.seen_again(&sighting(number, &format!("down {number}")));
    }
    assert_eq!((incident.timeline.len(), incident.times), (TIMELINE_MAX, 201));
    assert_eq!((incident.timeline[0].at_ms, incident.timeline[TIMELINE_MAX - 1].at_ms), (0, 200));
    let long = "é".repeat(5_000);
    let incident = incident.seen_again(&sighting(300, &long));
    assert!(incident.summary.len() <= TEXT_BYTES_MAX + 3 && incident.summary.ends_with('…'));
}

#[test]
fn an_id_is_read_as_written() {
    let id = IncidentId::of("cause", 1_700_000_000_000, 3);
    assert_eq!(IncidentId::parse(&id.to_string()), Ok(id));
    assert!(
        IncidentId::parse("x")
            .unwrap_err()
            .to_string()
            .contains("`x` is not an incident's id")
    );
    // The later, the earlier on the shelf.
    let later = IncidentId::of("cause", 1_700_000_000_001, 0);
    assert!(later.shelf_key() < id.shelf_key() && later > id);
}
