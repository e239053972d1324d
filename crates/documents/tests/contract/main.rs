//! Contracts of collections: every document that `clean` makes passes the validator, and indexes are as they are declared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cleaned;
mod indexes;
mod patterns;
mod schema;

use documents::Contract;
use pipeline::Checked;

/// A pipeline of one resource: its record (YAML, indented by nothing) and its load's keys.
pub fn pipeline(record: &str, load: &str) -> Checked {
    let disposition = if record.contains("identity: position") { "append" } else { "merge" };
    let record: String = record.lines().map(|line| format!("      {line}\n")).collect();
    let load: String = load.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "pipeline: p
source: {{rest_api: {{base_url: 'https://example.org/'}}}}
resources:
  - name: r
    endpoint: {{path: a, data_selector: '$[*]'}}
    record:
{record}    load:
      collection: c
      write_disposition: {disposition}
{load}"
    );
    pipeline::check("p.yaml", &text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

pub fn contract(checked: &Checked) -> Contract {
    Contract::of(&checked.pipeline.resources[0], "p/r")
}
