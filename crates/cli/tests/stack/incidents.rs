//! Incidents are listed and shown, and their dead letters go back; the doctor tells what is wrong.

use crate::desk::Desk;
use cli::cloud::names::Queue;
use ledger::{
    ResourceId,
    incident::{self, Incident, Kind, Seen, Sighting},
};
use pipeline::Name;

fn raw(resource: &str, part: u32) -> String {
    format!(r#"{{"raw": "raw/shop/{resource}/dt=2026-11-24/01M869X26REPS9TQZ60A3DBEYN/{part:06}.jsonl.zst"}}"#)
}

async fn open(desk: &Desk, resource: &str) -> Incident {
    let sighting = Sighting {
        cause: format!("dead_letter/clean/shop/{resource}"),
        kind: Kind::DeadLetter,
        resource: Some(ResourceId {
            pipeline: Name::new("shop").unwrap(),
            resource: Name::new(resource).unwrap(),
        }),
        queue: Some("clean".to_owned()),
        at_ms: jiff::Timestamp::now().as_millisecond(),
        summary: format!("messages of shop/{resource} were given up"),
        next: format!("tidemill redrive {{id}} --stack {}", desk.names.stack),
        objects: 3,
        records: Some(1_200),
    };
    match incident::see(&desk.ledger(), &sighting).await.unwrap() {
        Seen::Opened(incident) | Seen::Again(incident) => incident,
    }
}

#[tokio::test]
async fn the_letters_of_an_incident_go_back_and_those_of_others_stay() {
    let desk = Desk::new();
    let (clean, dead) = (desk.names.queue(Queue::Clean), desk.names.dead(Queue::Clean));
    for part in 1..=12 {
        desk.send(&dead, &raw("orders", part));
        desk.send(&dead, &raw("returns", part));
    }
    desk.send(&dead, "not a message");
    let orders = open(&desk, "orders").await;
    let listed = desk.type_in(&["incidents"]);
    assert!(
        listed.out.contains("messages of shop/orders were given up") && listed.out.contains("1,200"),
        "{listed:?}"
    );
    let shown = desk.type_in(&["incidents", "show", &orders.id.to_string()]);
    insta::assert_snapshot!(shown.masked(&desk), @r"
    incident  RUN  open

    what  messages of shop/orders were given up
    kind  dead_letter
    resource  shop/orders
    queue  clean
    impact  3 objects with 1,200 records, for 0 minutes; seen 1 time

    MOMENT  opened: messages of shop/orders were given up

    next: tidemill redrive RUN --stack STACK
    --- err, exit 0
    ");
    let redriven = desk.type_in(&["redrive", &orders.id.to_string(), "--json"]);
    assert_eq!(redriven.code, 0, "{redriven:?}");
    let counts = &redriven.json()[0];
    assert_eq!(
        (&counts["sent"], &counts["left"], &counts["more"]),
        (&12.into(), &13.into(), &false.into())
    );
    let mut back = desk.messages(&clean);
    back.sort_unstable();
    let expected: Vec<String> = (1..=12).map(|part| raw("orders", part)).collect();
    assert_eq!(back, expected);
    let left = desk.messages(&dead);
    assert_eq!(left.len(), 13, "given back, they can be received at once");
    let again = desk.type_in(&["redrive", &orders.id.to_string()]);
    assert!(again.code == 0 && again.out.starts_with("0 messages sent back"), "{again:?}");
}

/// As when `watch` has looked a moment before.
#[tokio::test]
async fn letters_that_somebody_looks_at_are_waited_for() {
    let desk = Desk::new();
    desk.send(&desk.names.dead(Queue::Clean), &raw("orders", 1));
    let orders = open(&desk, "orders").await;
    desk.hide(&desk.names.dead(Queue::Clean), 8);
    let redriven = desk.type_in(&["redrive", &orders.id.to_string()]);
    assert!(
        redriven.code == 0 && redriven.out.starts_with("1 message sent back"),
        "{redriven:?}"
    );
    assert!(redriven.err.contains("somebody else looks at 1 message just now"), "{redriven:?}");
    assert_eq!(desk.messages(&desk.names.queue(Queue::Clean)), [raw("orders", 1)]);
}

#[tokio::test]
async fn an_incident_without_dead_letters_has_nothing_to_redrive() {
    let desk = Desk::new();
    let none = desk.type_in(&["incidents"]);
    assert_eq!((none.code, none.out.as_str()), (0, "no incident is open\n"));
    let unknown = desk.type_in(&["redrive", "01M869X26REPS9TQZ60A3DBEYN"]);
    assert!(unknown.code == 2 && unknown.err.contains("there is no incident"), "{unknown:?}");
    let garbled = desk.type_in(&["incidents", "show", "x"]);
    assert!(garbled.code == 2 && garbled.err.contains("is not an incident's id"), "{garbled:?}");
}

#[tokio::test]
async fn the_doctor_tells_what_is_wrong_and_what_to_do() {
    let mut desk = Desk::new();
    desk.mongodb = Some(servers::mongodb::shared().fresh_database().uri());
    let well = desk.type_in(&["doctor"]);
    assert_eq!(well.code, 0, "{well:?}");
    assert!(well.out.contains("nothing is wrong"), "{well:?}");
    desk.send(&desk.names.dead(Queue::Load), "x");
    open(&desk, "orders").await;
    let said = desk.type_in(&["doctor"]);
    assert_eq!(said.code, 1, "{said:?}");
    for expected in ["1 dead letter in", "1 incident open", "next: tidemill incidents --stack"] {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    let other = desk.type_in(&["doctor", "--stack", "not-there", "--json"]);
    let found = &other.json()[0];
    assert_eq!((other.code, &found["well"]), (1, &false.into()), "{other:?}");
    let wrong = found["parts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|part| !part["wrong"].is_null())
        .count();
    assert!(wrong >= 10, "{found:#}");
}
