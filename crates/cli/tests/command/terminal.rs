//! What reaches the terminal: no character that draws or turns, and next steps that can be pasted.

use crate::{Desk, lake::orders};
use cli::Status;

const ROWS: &str = "\
pipeline: rows
reject_limit: 100%
source: {files: {}}
resources:
  - name: rows
    file: {path: rows.ndjson}
    record: {primary_key: [id], fields: {id: {type: string}, n: {type: long}, v: {type: string, nullable: true}}}
    load: {collection: rows}
";

#[tokio::test]
async fn nothing_from_outside_can_draw_on_the_terminal() {
    let desk = Desk::empty();
    desk.write("pipelines/rows.yaml", ROWS);
    let evil = "e\u{202e}vil\u{2066}\\u001b[2J";
    let rows = format!("{{\"id\": \"{evil}\", \"n\": 1, \"v\": \"{evil}\"}}\n{{\"id\": \"b\", \"n\": \"{evil}\"}}\n");
    desk.write("pipelines/rows.ndjson", &rows);
    let key = "e\u{202e}vil\u{2066}\u{1b}[2J";
    let run = desk.type_in(&["run", "rows"]).await;
    assert_eq!(run.status, Status::Well, "{}", run.err);
    for command in [
        vec!["try", "rows"],
        vec!["rejects", "rows"],
        vec!["explain", "rows", key],
        vec!["explain", "rows", "\u{1b}[31mno\u{202e}"],
    ] {
        let said = desk.type_in(&command).await;
        let text = said.text();
        assert!(text.contains("\\u{202e}"), "{command:?}: {text:?}");
        let is_safe = |c: char| c == '\n' || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        assert!(text.chars().all(is_safe), "{command:?}: {text:?}");
    }
    // For programs, the data is what it is.
    let documents = desk.type_in(&["documents", "rows"]).await;
    assert_eq!(documents.lines()[0]["v"], key);
    let rejects = desk.type_in(&["rejects", "rows", "--json"]).await;
    assert_eq!(rejects.lines()[0]["value"], key);
}

#[tokio::test]
async fn next_steps_name_the_home_that_was_typed() {
    let desk = orders();
    let run = desk.type_in(&["run", "orders", "--home", "my home"]).await;
    assert!(
        run.out.contains("next: tidemill rejects orders --by reason --home 'my home'\n"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("next: tidemill documents orders --limit 3 --home 'my home'\n"),
        "{}",
        run.out
    );
    let absent = desk.type_in(&["explain", "orders", "9", "--home", "my home"]).await;
    assert!(absent.err.contains("tidemill rejects orders --home 'my home'"), "{}", absent.err);
    desk.write("pipelines/orders-3.ndjson", "nonsense\n");
    let over = desk.type_in(&["run", "orders", "--home", "other"]).await;
    assert!(
        over.err.contains("next: tidemill rejects orders --by reason --home other\n"),
        "{}",
        over.err
    );
    let trial = desk.type_in(&["try", "orders", "--resource", "orders", "--home", "other"]).await;
    assert!(
        trial
            .out
            .contains("to keep it: tidemill run orders --resource orders --home other\n"),
        "{}",
        trial.out
    );
}

#[tokio::test]
async fn a_day_that_is_none_is_explained() {
    let desk = orders();
    let said = desk.type_in(&["replay", "orders", "--since", "yesterday"]).await;
    assert_eq!(said.status, Status::Wrong);
    insta::assert_snapshot!(said.err, @r"
    error: invalid value 'yesterday' for '--since <TIME>': expected a day such as 2026-11-01, or a moment such as 2026-11-01T06:30:00Z

    For more information, try '--help'.
    ");
}
