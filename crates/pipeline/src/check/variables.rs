//! `${env:…}` and `${secret:…}` mean something else on each machine, so a definition that means the same everywhere has them under `source` only.

use crate::fault::Collector;
use crate::yaml::{Node, Value};

/// The parts of a file that read templates: they find a variable that is out of place themselves.
const TEMPLATED: [&str; 3] = ["source", "endpoint", "file"];

/// Notes every text outside the templated parts that looks like a variable: it would be taken literally.
pub(super) fn check(node: &Node, faults: &mut Collector<'_>) {
    match &node.value {
        Value::Text(text) if text.contains("${env:") || text.contains("${secret:") => faults.add_help(
            &node.span,
            "`${env:…}` and `${secret:…}` may stand under `source` only; here they would be taken as they stand",
            "a definition must mean the same on every machine: write the value itself",
        ),
        Value::List(items) => items.iter().for_each(|item| check(item, faults)),
        Value::Map(entries) => {
            let others = entries.iter().filter(|entry| !TEMPLATED.contains(&entry.key.as_str()));
            others.for_each(|entry| check(&entry.value, faults));
        }
        _ => {}
    }
}
