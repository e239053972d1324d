//! `tidemill rejects`: the records that broke their contract and the documents that the store would not take, and why.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure, Status,
    arguments::{By, Rejects},
    local::{
        objects::Keys,
        set_aside::{self, Reject},
    },
    output::{
        json,
        numbers::{count, counted},
        tables::{Column, table},
    },
    ports::Ports,
};
use anyhow::anyhow;
use lake::{Key, ObjectReader, Zone};
use pipeline::Name;
use serde_json::{json, value::RawValue};
use std::collections::BTreeMap;

/// Rows of the table for people; all of them are for programs.
const SHOWN_MAX: usize = 50;
/// Characters of a value or message in the table.
const WIDTH_MAX: usize = 80;

const COLUMNS: [Column; 5] = [
    Column::Text("line:record"),
    Column::Text("reason"),
    Column::Text("field"),
    Column::Text("value"),
    Column::Text("message"),
];

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    records: u64,
    /// The rows shown, under the raw object that they are of.
    objects: Vec<(String, Vec<Vec<String>>)>,
    rows: usize,
    by_reason: BTreeMap<(String, String, String), u64>,
}

pub(super) async fn run(typed: &Rejects, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let home = at.ports().await?;
    let pipeline = super::pipeline_name(&typed.pipeline, &home, context).await?;
    let Some((definition, _)) = home.ledger.newest_definition(&pipeline).await? else {
        let error = anyhow!("the pipeline `{pipeline}` has not run yet");
        return Err(Failure::wrong(error).next(format!("run it: {}", at.command(&format!("run {}", typed.pipeline)))));
    };
    let definition = home.definitions.get(&pipeline, &definition).await?;
    let mut seen = Seen::default();
    for resource in &definition.pipeline.resources {
        if typed.resource.as_ref().is_some_and(|only| only != resource.name.as_str()) {
            continue;
        }
        let version = definition.hash.short();
        for zone in [Zone::Rejected, Zone::Refused] {
            let prefix = format!("{}/{pipeline}/{}/v={version}/", zone.as_str(), resource.name);
            let mut keys = Keys::new(home.store.clone(), prefix);
            while let Some(key) = keys.next().await? {
                let raw_lines = as_json && typed.by.is_none();
                read(&home, &key, &resource.name, raw_lines, &mut seen, context).await?;
            }
        }
    }
    if as_json && typed.by.is_none() {
        return Ok(Status::Well);
    }
    match typed.by {
        Some(By::Reason) => by_reason(&seen, as_json, context)?,
        None => list(seen, typed, at, context)?,
    }
    Ok(Status::Well)
}

/// Reads one rejected or refused object: its lines go out as they are, or are counted and kept as far as they will be shown.
async fn read(home: &Ports, key: &Key, resource: &Name, raw_lines: bool, seen: &mut Seen, context: &mut Context) -> Result<(), Failure> {
    let mut reader = ObjectReader::open(home.store.as_ref(), key).await?;
    while let Some(line) = reader.next_line().await? {
        if raw_lines {
            context.out.write_all(line)?;
            context.out.write_all(b"\n")?;
            continue;
        }
        let reject = set_aside::read(key, line)?;
        seen.add(resource, reject);
    }
    Ok(())
}

impl Seen {
    fn add(&mut self, resource: &Name, reject: Reject) {
        self.records += 1;
        let place = reject.capture;
        for fault in reject.faults {
            let field = fault.field.unwrap_or_default();
            let reason = (resource.to_string(), fault.reason.clone(), field.clone());
            *self.by_reason.entry(reason).or_default() += 1;
            if self.rows == SHOWN_MAX {
                continue;
            }
            self.rows += 1;
            let row = vec![
                format!("{}:{}", place.line, place.item),
                fault.reason,
                field,
                short(&fault.value.as_deref().map_or_else(String::new, value_text)),
                short(&fault.message.unwrap_or_default()),
            ];
            match self.objects.last_mut() {
                Some((key, rows)) if *key == place.key => rows.push(row),
                _ => self.objects.push((place.key.clone(), vec![row])),
            }
        }
    }
}

fn list(seen: Seen, typed: &Rejects, at: &HomeAt, context: &mut Context) -> std::io::Result<()> {
    let Seen {
        records,
        objects,
        rows,
        by_reason,
    } = seen;
    if records == 0 {
        return writeln!(context.out, "no rejects under the newest definition");
    }
    let (shown, faults) = (rows as u64, by_reason.values().sum::<u64>());
    for (key, rows) in objects {
        writeln!(context.out, "{key}\n{}", table(&COLUMNS, rows))?;
    }
    let summary = format!("{} in {}", counted(faults, "fault"), counted(records, "record"));
    if shown < faults {
        let by_reason = at.command(&format!("rejects {} --by reason", typed.pipeline));
        return writeln!(
            context.out,
            "the first {shown} of {summary}; `{by_reason}` counts them, `--json` prints all",
        );
    }
    writeln!(context.out, "{summary}")
}

fn by_reason(seen: &Seen, as_json: bool, context: &mut Context) -> std::io::Result<()> {
    let mut counts: Vec<_> = seen.by_reason.iter().collect();
    counts.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    if as_json {
        for ((resource, reason, field), number) in counts {
            let object = json!({"resource": resource, "reason": reason, "field": field, "count": number});
            json::line(&mut context.out, &object)?;
        }
        return Ok(());
    }
    if counts.is_empty() {
        return writeln!(context.out, "no rejects under the newest definition");
    }
    let columns = [
        Column::Text("resource"),
        Column::Text("reason"),
        Column::Text("field"),
        Column::Number("count"),
    ];
    let rows = counts
        .into_iter()
        .map(|((resource, reason, field), number)| vec![resource.clone(), reason.clone(), field.clone(), count(*number)]);
    write!(context.out, "{}", table(&columns, rows))
}

/// A text without its quotes, anything else as the JSON it is.
fn value_text(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        json => serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()),
    }
}

/// No longer than a table can hold.
fn short(text: &str) -> String {
    let mut line: String = text.chars().take(WIDTH_MAX).collect();
    if text.chars().nth(WIDTH_MAX).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn values_fit_a_cell() {
        assert_eq!(short(&"ü".repeat(81)).chars().count(), 81);
        let text = |json: &str| value_text(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(text("[1,\"x\"]"), "[1,\"x\"]");
        assert_eq!(text("\"x\\ny\""), "x\ny");
        assert_eq!(text("0.10000000000000000000001"), "0.10000000000000000000001");
        assert_eq!(text("null"), "");
    }
}
