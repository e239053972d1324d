//! Law 4: nothing is made and nothing is lost between two stages. Counted from the objects themselves, never from our own numbers.

use lake::{BodyForm, CaptureHead, CleanKey, Part, RawKey, RawMetadata, write_capture};
use ledger::{CleanTally, Fact, FactKey, LedgerError, LoadTally, Stage};
use pipeline::Name;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidemill_tests::chain::{Chain, NOW_MS, Published, StopAt, block_on, run_id};

/// Two resources over the same raw objects: what is a duplicate depends on what names a record.
const PIPELINE: &str = "
pipeline: conserved
reject_limit: 100%
source: {rest_api: {base_url: http://127.0.0.1/}}
resources:
  - name: keyed
    endpoint: {path: a}
    record:
      primary_key: [id]
      filter: [{field: kind, not_equals: skip}]
      fields:
        id:    {type: int}
        kind:  {type: string, nullable: true, max_length: 6}
        value: {type: decimal, nullable: true, min: -1000}
        tags:  {type: list, of: string, nullable: true}
    load: {collection: keyed}
  - name: placed
    endpoint: {path: b}
    record:
      identity: position
      unknown_fields: reject
      unnest: parts
      fields:
        of:    {from: $parent.id, type: string, nullable: true}
        part:  {from: $, type: json, nullable: true}
    load: {collection: placed, write_disposition: append}
";

/// A value of any kind, more often one that fits somewhere.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => (0..4_i64).prop_map(Value::from),
        2 => prop_oneof![Just("skip"), Just("paid"), Just(""), Just("a long text"), Just("\u{0}"), Just("🌊é")].prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c$.]{0,2}", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

fn any_record() -> impl Strategy<Value = Value> {
    let fitting = (0..4_i64, prop_oneof![Just("skip"), Just("paid")], 0..3_i64);
    prop_oneof![
        4 => fitting.prop_map(|(id, kind, value)| json!({"id": id, "kind": kind, "value": value, "parts": [value, value]})),
        3 => (any_value(), any_value(), any_value(), any_value(), any_value())
            .prop_map(|(id, kind, value, tags, parts)| json!({"id": id, "kind": kind, "value": value, "tags": tags, "parts": parts})),
        1 => any_value(),
    ]
}

/// Captures, each of some records; some records come twice.
fn any_captures() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let record = (any_record(), 1..3_usize).prop_map(|(record, times)| vec![record; times]);
    prop::collection::vec(prop::collection::vec(record, 0..6).prop_map(|records| records.concat()), 0..4)
}

/// Puts a raw object as a source's replies would.
async fn put_raw(chain: &Chain, published: &Published, resource: &str, tick: u64, captures: &[Vec<Value>]) -> RawKey {
    let mut lines = Vec::new();
    for records in captures {
        let head = CaptureHead {
            at_ms: NOW_MS,
            url: "http://127.0.0.1/",
            status: 200,
            content_type: None,
            piece: None,
        };
        write_capture(&mut lines, &head, json!(records).to_string().as_bytes(), BodyForm::Auto);
    }
    let raw = RawKey {
        pipeline: published.checked.pipeline.pipeline.clone(),
        resource: Name::new(resource).unwrap(),
        run: run_id(tick),
        part: Part::Number(1),
    };
    let metadata = RawMetadata {
        definition: published.checked.hash.to_string(),
        generation: published.generation,
        captures: captures.len() as u64,
        bytes: lines.len() as u64,
        at_ms: NOW_MS,
        state: None,
        parts: None,
    };
    let body = zstd::encode_all(lines.as_slice(), 1).unwrap();
    chain.store.put_new(&raw.key(), &metadata.to_metadata(), body.into()).await.unwrap();
    raw
}

/// How many BSON documents stand one after the other.
fn count_documents(mut bytes: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(length) = bytes.first_chunk::<4>() {
        bytes = &bytes[u32::from_le_bytes(*length) as usize..];
        count += 1;
    }
    count
}

/// Cleans and loads a raw object, and checks both equations against what lies in the lake.
async fn check(chain: &Chain, raw: &RawKey, records_in: u64) -> (CleanTally, LoadTally) {
    let cleaned = chain.clean(raw, None, StopAt::never()).await.unwrap();
    let tally = cleaned.tally;
    assert!(tally.balances(), "{tally:?}");
    assert_eq!(tally.records_in, records_in, "records in, counted from the raw text");
    assert_eq!(
        tally.out,
        count_documents(&chain.unpacked(&cleaned.clean.clean()).await),
        "documents in clean/"
    );
    let rejected = chain.store.head(&cleaned.clean.rejected()).await.unwrap().is_some();
    let lines = if rejected {
        String::from_utf8(chain.unpacked(&cleaned.clean.rejected()).await).unwrap()
    } else {
        String::new()
    };
    assert_eq!(tally.rejected, lines.lines().count() as u64, "lines in rejected/");
    let loaded = chain.load(&cleaned.clean, StopAt::never()).await.unwrap().unwrap().tally;
    assert!(loaded.balances() && loaded.documents_in == tally.out, "{loaded:?} of {tally:?}");
    (tally, loaded)
}

/// Whether there are records, and none of them has anything at `parts`: that is rejected once, for the whole object.
fn leads_nowhere(captures: &[Vec<Value>]) -> bool {
    let mut objects = captures.iter().flatten().filter_map(Value::as_object).peekable();
    objects.peek().is_some() && objects.all(|members| !members.contains_key("parts"))
}

/// How many records a value is after `unnest: parts`: a list's items; no list, no records; anything else is one, that can't be unnested.
fn unnested(record: &Value) -> u64 {
    match record {
        Value::Object(members) => match members.get("parts") {
            Some(Value::Array(parts)) => parts.len() as u64,
            None | Some(Value::Null) => 0,
            Some(_) => 1,
        },
        _ => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_equations_hold_whatever_comes(captures in any_captures(), more in any_captures()) {
        block_on(async {
            let chain = Chain::new();
            let published = chain.publish(PIPELINE).await;
            for (tick, captures) in [&captures, &more].into_iter().enumerate() {
                let raw = put_raw(&chain, &published, "keyed", tick as u64, captures).await;
                let records = captures.iter().map(|records| records.len() as u64).sum();
                check(&chain, &raw, records).await;
            }
            let keyed: BTreeSet<Vec<u8>> = chain.seen("keyed").await.into_iter().collect();
            let facts = [chain.facts(&published, "keyed", 0).await, chain.facts(&published, "keyed", 1).await].concat();
            let inserted: u64 = facts.iter().map(|(_, fact)| if let Fact::Load(tally) = fact { tally.inserted } else { 0 }).sum();
            assert_eq!(keyed.len() as u64, inserted, "documents there and documents inserted");

            let raw = put_raw(&chain, &published, "placed", 0, &captures).await;
            let records = captures.iter().flatten().map(unnested).sum::<u64>() + u64::from(leads_nowhere(&captures));
            let (cleaned, _) = check(&chain, &raw, records).await;
            assert_eq!(chain.seen("placed").await.len() as u64, cleaned.out, "by position no two are one");
            assert_eq!(cleaned.duplicates, 0, "by position there are no duplicates");
        });
    }
}

#[test]
fn a_fact_that_does_not_add_up_is_refused() {
    block_on(async {
        let chain = Chain::new();
        let published = chain.publish(PIPELINE).await;
        let raw = put_raw(&chain, &published, "keyed", 0, &[]).await;
        let fact = |stage, fact| {
            let key = FactKey {
                raw: raw.clone(),
                definition: published.checked.hash.to_string(),
                stage,
            };
            let ledger = chain.ledger.clone();
            async move { ledger.record_fact(&key, &fact, NOW_MS).await }
        };
        let lossy = CleanTally {
            records_in: 2,
            out: 1,
            ..CleanTally::default()
        };
        assert!(matches!(
            fact(Stage::Clean, Fact::Clean(lossy)).await,
            Err(LedgerError::NotAFact { .. })
        ));
        let inventive = LoadTally {
            documents_in: 1,
            inserted: 1,
            updated: 1,
            ..LoadTally::default()
        };
        assert!(matches!(
            fact(Stage::Load, Fact::Load(inventive)).await,
            Err(LedgerError::NotAFact { .. })
        ));
        assert!(matches!(
            fact(Stage::Load, Fact::Clean(CleanTally::default())).await,
            Err(LedgerError::NotAFact { .. })
        ));
        assert_eq!(chain.facts(&published, "keyed", 0).await, []);
    });
}

#[test]
fn a_fact_is_written_once() {
    block_on(async {
        let chain = Chain::new();
        let published = chain.publish(PIPELINE).await;
        let raw = put_raw(&chain, &published, "keyed", 0, &[vec![json!({"id": 1}), json!({"id": 2})]]).await;
        let (_, first) = check(&chain, &raw, 2).await;
        assert_eq!((first.inserted, first.unchanged), (2, 0));
        let clean = CleanKey {
            raw,
            definition: published.checked.hash.short().to_owned(),
        };
        let again = chain.load(&clean, StopAt::never()).await.unwrap().unwrap();
        assert_eq!((again.tally, again.this_attempt.unchanged), (first, 2), "the first completion wins");
        let kept: Vec<Fact> = chain
            .facts(&published, "keyed", 0)
            .await
            .into_iter()
            .map(|(_, fact)| fact)
            .collect();
        assert!(kept.contains(&Fact::Load(first)), "{kept:?}");
    });
}
