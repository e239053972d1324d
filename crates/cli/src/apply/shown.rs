//! A plan as it is told: for people like the tools they know tell theirs, and as JSON.

use super::plan::{Plan, ScheduleStep, Summary, Why};
use serde_json::{Value, json};
use std::fmt;

/// A line of the plan.
struct Row<'a> {
    sign: char,
    kind: &'static str,
    name: &'a str,
    what: String,
    /// Each on a line of its own below.
    details: Vec<String>,
}

impl Plan {
    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for step in &self.definitions {
            let hash: String = step.hash.chars().take(8).collect();
            rows.push(Row {
                sign: if step.is_new { '+' } else { '~' },
                kind: "definition",
                name: step.pipeline.as_str(),
                what: format!("{hash}, {}", step.why.as_str()),
                details: Vec::new(),
            });
        }
        for step in &self.schedules {
            rows.push(schedule(step));
        }
        for step in &self.collections {
            rows.push(Row {
                sign: if step.is_new { '+' } else { '~' },
                kind: "collection",
                name: &step.collection,
                what: String::new(),
                details: step.changes.clone(),
            });
        }
        for pipeline in &self.removed {
            rows.push(Row {
                sign: '-',
                kind: "pipeline",
                name: pipeline.as_str(),
                what: "its file is gone; its data stays".to_owned(),
                details: Vec::new(),
            });
        }
        rows
    }

    /// What `--json` prints.
    pub fn to_json(&self, stack: &str) -> Value {
        let rows = self.rows().into_iter().map(|row| {
            let action = match row.sign {
                '+' => "create",
                '-' => "delete",
                _ => "change",
            };
            json!({"action": action, "kind": row.kind, "name": row.name, "what": row.what, "details": row.details})
        });
        let rows: Vec<Value> = rows.collect();
        let Summary { create, change, delete } = self.summary();
        json!({
            "stack": stack,
            "changes": rows,
            "create": create,
            "change": change,
            "delete": delete,
            "foreign_schedules": self.foreign,
            "left": self.left,
        })
    }
}

fn schedule(step: &ScheduleStep) -> Row<'_> {
    let row = |sign, name, what: String, details| Row {
        sign,
        kind: "schedule",
        name,
        what,
        details,
    };
    match step {
        ScheduleStep::Create(to) => {
            let jitter = to
                .window_minutes
                .map_or(String::new(), |minutes| format!(", up to {minutes} minutes later"));
            row('+', &to.name, format!("{} in {}{jitter}", to.expression, to.time_zone), Vec::new())
        }
        ScheduleStep::Change { to, differences } => {
            let shown = |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
            let details = differences
                .iter()
                .map(|one| format!("{}: {} -> {}", one.field, shown(&one.from), shown(&one.to)));
            row('~', &to.name, String::new(), details.collect())
        }
        ScheduleStep::Delete { name, expression } => row('-', name, expression.clone(), Vec::new()),
    }
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Why::New => "new in this stack",
            Why::Edited => "the file was edited",
            Why::Back => "the pipeline is back",
            Why::CutShort => "an earlier apply did not finish it",
        }
    }
}

/// The rows, then the summary; nothing to change is said in those words.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0);
        let (kinds, names) = (width(|row| row.kind.len()), width(|row| row.name.chars().count()));
        for row in &rows {
            let line = format!("  {} {:kinds$}  {:names$}  {}", row.sign, row.kind, row.name, row.what);
            writeln!(f, "{}", line.trim_end())?;
            for detail in &row.details {
                writeln!(f, "      {detail}")?;
            }
        }
        if !rows.is_empty() {
            writeln!(f)?;
        }
        for name in &self.foreign {
            writeln!(
                f,
                "note: the schedule `{name}` in the stack's group is not Tidemill's: it is left as it is"
            )?;
        }
        for left in &self.left {
            writeln!(f, "note: {left}")?;
        }
        let Summary { create, change, delete } = self.summary();
        match rows.is_empty() {
            true => writeln!(f, "nothing to change"),
            false => writeln!(f, "Plan: {create} to create, {change} to change, {delete} to delete"),
        }
    }
}
