//! `explain` and the hot path are one code: they end the same, and each rule is shown.

use crate::conservation::{CONTRACTS, json};
use crate::{capture, clean_records, raw_key, rest};
use clean::{Ending, explain};
use lake::Body;
use proptest::prelude::*;

fn line(body: &str) -> String {
    format!(
        r#"{{"at":{},"url":"https://example.org/a","status":200,"form":"json","body":{body}}}"#,
        crate::AT_MS
    )
}

#[test]
fn every_rule_is_shown() {
    let checked = rest(
        "primary_key: [id]\nfields: {id: {type: int}, t: {from: a.t, type: timestamp, format: unix_s, trim: true, null_values: [NA], nullable: true}, s: {type: string, map: {x: y}, default: z}, n: {type: int}}",
    );
    let body = r#"[0,{"id":"7","a":{"t":" 1.5 "},"s":"x","n":"oops"}]"#;
    let found = explain(&checked, &checked.pipeline.resources[0], &raw_key(), 5, 1, &line(body), 1).unwrap();
    let steps: Vec<String> = found
        .fields
        .iter()
        .map(|field| {
            let steps: Vec<_> = field.steps.iter().map(|step| format!("{}={}", step.rule, step.value)).collect();
            format!(
                "{} {} {} -> {} {:?}",
                field.name,
                field.path,
                field.raw.as_deref().unwrap_or("-"),
                steps.join(" "),
                field.value()
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            r#"id id "7" -> int=7 Some("7")"#,
            r#"t $.a.t " 1.5 " -> trim="1.5" timestamp={"$date":"1970-01-01T00:00:01.5Z"} Some("{\"$date\":\"1970-01-01T00:00:01.5Z\"}")"#,
            r#"s s "x" -> map="y" string="y" Some("\"y\"")"#,
            r#"n n "oops" ->  None"#,
        ]
        .map(|text| text.replace("id id", "id $.id").replace("s s", "s $.s").replace("n n", "n $.n"))
    );
    assert_eq!(found.fields[3].faults[0].reason.as_str(), "not_a_number");
    assert!(matches!(found.ending, Ending::Rejected { .. }));
    assert!(found.record.starts_with(r#"{"id":"7""#));
    assert!(explain(&checked, &checked.pipeline.resources[0], &raw_key(), 5, 1, &line(body), 2).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn it_agrees_with_the_hot_path(bodies in prop::collection::vec(json(), 1..4)) {
        let body = format!("[{}]", bodies.join(","));
        for checked in CONTRACTS.iter().take(4) {
            let out = clean_records(checked, &[capture(Body::Json(&body), None)]);
            let (mut documents, mut rejects) = (out.documents.into_iter(), out.rejects.into_iter());
            let mut found = ledger::CleanTally::default();
            let mut ended: Vec<bson::RawDocumentBuf> = Vec::new();
            for item in 0..out.tally.records_in {
                let one = explain(checked, &checked.pipeline.resources[0], &raw_key(), 5, 1, &line(&body), item as u32).unwrap();
                match one.ending {
                    Ending::Clean(document) => ended.push(document),
                    Ending::Rejected { line } => {
                        prop_assert_eq!(Some(serde_json::from_str::<serde_json::Value>(&line).unwrap()), rejects.next());
                        found.rejected += 1;
                    }
                    Ending::Dropped { .. } => found.dropped += 1,
                }
            }
            prop_assert_eq!((found.rejected, found.dropped), (out.tally.rejected, out.tally.dropped));
            // The explained ones hold the duplicates too, in the same order.
            let mut kept = documents.next();
            for document in ended {
                if kept.as_ref() == Some(&document) {
                    kept = documents.next();
                }
            }
            prop_assert_eq!(kept, None);
        }
    }
}
