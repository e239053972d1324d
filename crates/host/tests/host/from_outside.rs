//! Nothing that comes from outside can panic us, and what we write we read.

use host::event::{
    CleanMessage, DefinitionChoice, ExtractMessage, LoadMessage, Message, Origin, RequestedBy, WatchMessage, form_decode, form_encode,
};
use lake::{CleanKey, Part, RawKey, RunId};
use pipeline::Name;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

const ORIGIN: Origin<'static> = Origin {
    lake_bucket: Some("lake"),
    sent_ms: 1_795_514_400_812,
};

/// JSON of the words that the parsers look for, in any order and of any type.
fn json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "Records",
        "detail-type",
        "source",
        "detail",
        "bucket",
        "name",
        "object",
        "key",
        "s3",
        "eventVersion",
        "eventSource",
        "eventName",
        "Event",
        "pipeline",
        "resource",
        "scheduled_at",
        "requested_by",
        "run",
        "hop",
        "base_url",
        "raw",
        "definition",
        "generation",
        "clean",
        "again_in_order",
        "tick",
    ]);
    let text = prop::sample::select(vec![
        "aws.s3",
        "aws:s3",
        "Object Created",
        "ObjectCreated:Put",
        "s3:TestEvent",
        "2.1",
        "lake",
        "%",
        "%E2%82",
        "<aws.scheduler.scheduled-time>",
        "2026-11-24T10:00:00Z",
        "-009999-01-01T00:00:00Z",
        "01M86FYZ80A9X22CK80K2698P0",
        "raw/a/b/dt=2026-11-24/01M86FYZ80A9X22CK80K2698P0/000001.jsonl.zst",
        "clean/a/b/v=381fa56e/dt=2026-11-24/01M86FYZ80A9X22CK80K2698P0/end.bson.zst",
        "watch",
        "continuation",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map(word.clone().prop_map(str::to_owned), inner, 0..8).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn parsed_by_all(body: &str) {
    for origin in [
        ORIGIN,
        Origin {
            lake_bucket: None,
            sent_ms: i64::MIN,
        },
    ] {
        drop(ExtractMessage::parse(body, &origin));
        drop(CleanMessage::parse(body, &origin));
        drop(LoadMessage::parse(body, &origin));
        drop(WatchMessage::parse(body, &origin));
    }
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9_-]{0,20}".prop_map(|text| Name::new(text).unwrap())
}

fn run() -> impl Strategy<Value = RunId> {
    // To the end of the year 9999.
    (0..253_402_300_799_999_u64, any::<u128>()).prop_map(|(at, random)| RunId::new(at, random))
}

prop_compose! {
    fn raw_key()(pipeline in name(), resource in name(), run in run(), number in option::of(1..1_000_000_u32)) -> RawKey {
        RawKey { pipeline, resource, run, part: number.map_or(Part::End, Part::Number) }
    }
}

prop_compose! {
    fn extract_message()(
        pipeline in name(),
        resource in name(),
        scheduled_ms in 0..253_402_300_799_999_i64,
        run in option::of(run()),
        by in prop::sample::select(vec![RequestedBy::Schedule, RequestedBy::Run, RequestedBy::After]),
        hop in any::<u32>(),
        base_url in option::of("http://[a-z]{1,9}/"),
    ) -> ExtractMessage {
        let base_url = base_url.filter(|_| by == RequestedBy::Run);
        ExtractMessage { pipeline, resource, scheduled_ms: Some(scheduled_ms), requested_by: by, run, hop, base_url }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(body in any::<String>()) {
        parsed_by_all(&body);
        drop(form_decode(&body));
    }

    #[test]
    fn no_json_panics(body in json()) {
        parsed_by_all(&body.to_string());
    }

    #[test]
    fn form_encoding_goes_there_and_back(key in any::<String>()) {
        let encoded = form_encode(&key);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*/+%".contains(&b)));
        prop_assert_eq!(form_decode(&encoded), Some(key));
    }

    #[test]
    fn extract_messages_are_read_as_written(message in extract_message(), run in run()) {
        let read = ExtractMessage::parse(&message.to_json(), &ORIGIN).unwrap();
        prop_assert_eq!(read, std::slice::from_ref(&message));
        let continuation = message.continuation(run);
        prop_assert_eq!(continuation.hop, message.hop.saturating_add(1));
        prop_assert_eq!(continuation.run_id(), Some(run));
        prop_assert_eq!(ExtractMessage::parse(&continuation.to_json(), &ORIGIN).unwrap(), [continuation]);
    }

    #[test]
    fn clean_messages_are_read_as_written(raw in raw_key(), definition in option::of(("[0-9a-f]{64}", any::<u32>()))) {
        let definition = definition.map(|(hash, generation)| DefinitionChoice { hash, generation });
        let message = CleanMessage { raw, definition };
        prop_assert_eq!(CleanMessage::parse(&message.to_json(), &ORIGIN).unwrap(), [message]);
    }

    #[test]
    fn load_messages_are_read_as_written(raw in raw_key(), definition in "[0-9a-f]{8}", again_in_order in any::<bool>()) {
        let message = LoadMessage { clean: CleanKey { raw, definition }, again_in_order };
        prop_assert_eq!(LoadMessage::parse(&message.to_json(), &ORIGIN).unwrap(), [message]);
    }

    /// Wherever the placeholder arrives, the tick is the whole minute in which the message was sent.
    #[test]
    fn a_placeholder_is_the_minute_of_its_message(sent_ms in 0..253_402_300_799_999_i64, pipeline in name(), resource in name()) {
        let body = ExtractMessage::schedule_json(&pipeline, &resource);
        let message = ExtractMessage::parse(&body, &Origin { lake_bucket: None, sent_ms }).unwrap().remove(0);
        let at_ms = message.scheduled_ms.unwrap();
        prop_assert!(at_ms % 60_000 == 0 && (0..60_000).contains(&(sent_ms - at_ms)));
        prop_assert_eq!(message.run_id(), Some(ledger::run_id_for_tick(&message.resource_id(), at_ms)));
    }
}

#[test]
fn the_texts_of_messages_are_for_good() {
    let (pipeline, resource) = (Name::new("earthquakes").unwrap(), Name::new("events").unwrap());
    let scheduled =
        r#"{"pipeline":"earthquakes","resource":"events","scheduled_at":"<aws.scheduler.scheduled-time>","requested_by":"schedule"}"#;
    assert_eq!(ExtractMessage::schedule_json(&pipeline, &resource), scheduled);
    let tick = ExtractMessage::parse(scheduled, &ORIGIN).unwrap().remove(0);
    let continuation = tick.continuation(tick.run_id().unwrap());
    let expected = r#"{"pipeline":"earthquakes","resource":"events","scheduled_at":"2026-11-24T10:00:00Z","requested_by":"continuation","run":"01M86FYZ80A9X22CK80K2698P0","hop":1}"#;
    assert_eq!(continuation.to_json(), expected);
    assert_eq!(WatchMessage::Tick.to_json(), r#"{"tick":"watch"}"#);
}

#[test]
fn a_key_decodes_as_the_documentation_says() {
    assert_eq!(form_decode("red+flower.jpg").as_deref(), Some("red flower.jpg"));
    assert_eq!(form_decode("a%2Bb%3Dc%e2%82%ac").as_deref(), Some("a+b=c€"));
    assert_eq!(form_encode("dt=2026/a b+€"), "dt%3D2026/a+b%2B%E2%82%AC");
    for broken in ["%", "%3", "%zz", "a%+1", "%E2%82"] {
        assert_eq!(form_decode(broken), None, "{broken}");
    }
}
