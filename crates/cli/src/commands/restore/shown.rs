//! What a restore did, in tables for people and objects for programs.

use super::plan::Plan;
use crate::{
    arguments::Restore,
    commands::shell_word,
    output::{
        numbers::{count, counted, moment},
        plain::plain,
        tables::{Column, table},
    },
};
use ::backup::{Report, manifest::Manifest};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The words that do the same again, on the same backup: what is newest may be another by then.
pub(super) fn again(typed: &Restore, manifest: &Manifest) -> String {
    words(&manifest.id, typed.into.as_ref(), &typed.only)
}

/// The words that restore so.
pub(super) fn words(backup: &str, into: Option<&String>, only: &[String]) -> String {
    let mut words = format!("restore {backup}");
    if let Some(into) = into {
        words.push_str(&format!(" --into {}", shell_word(into)));
    }
    for only in only {
        words.push_str(&format!(" --only {}", shell_word(only)));
    }
    words
}

/// What is not in the backup, and what brings it.
pub(super) fn since(manifest: &Manifest, next: &[String]) -> String {
    let mut text = format!("not in it: what was written since {} UTC", moment(manifest.began_ms));
    match next {
        [] => text.push('\n'),
        commands => {
            text.push_str("; then, from raw/:\n");
            for command in commands {
                text.push_str(&format!("  {command}\n"));
            }
        }
    }
    text
}

/// What was restored, and the commands to type next.
pub(super) fn restored(report: &Report, next: &[String], out: &mut dyn Write) -> io::Result<()> {
    let columns = [Column::Text("collection"), Column::Number("documents")];
    let restored = report
        .verified
        .collections
        .iter()
        .filter(|one| report.collections.contains(&one.name));
    let rows = restored.map(|one| match one.view {
        true => vec![one.name.clone(), "view".to_owned()],
        false => vec![one.name.clone(), count(one.documents)],
    });
    writeln!(out, "{}", table(&columns, rows))?;
    let again = match report.already_there {
        0 => String::new(),
        there => format!("; {} more were there already, and stay as they are there", count(there)),
    };
    writeln!(
        out,
        "{} restored into the database `{}`{again}",
        counted(report.inserted, "document"),
        plain(&report.database)
    )?;
    for warning in &report.warnings {
        writeln!(out, "note: {}", plain(warning))?;
    }
    for command in next {
        writeln!(out, "next: {command}")?;
    }
    Ok(())
}

/// The same for programs: the plan, with what became of it.
pub(super) fn object(plan: &Plan<'_>, report: &Report, next: &[String], dry_run: bool) -> Value {
    let mut object = plan.object();
    if let Value::Object(object) = &mut object {
        object.insert("dry_run".to_owned(), json!(dry_run));
        if !dry_run {
            object.insert("restored".to_owned(), json!(report.inserted));
            object.insert("already_there".to_owned(), json!(report.already_there));
            object.insert("warnings".to_owned(), json!(report.warnings));
        }
        object.insert("next".to_owned(), json!(next));
    }
    object
}
