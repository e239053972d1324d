//! How a backup and a drill are told: tables for people, objects for programs.

use crate::output::{
    numbers::{bytes, count, counted, duration, iso, moment},
    plain::plain,
    tables::{Column, table},
};
use ::backup::manifest::{Collection, Manifest};
use ledger::{DrillRecord, DrillState};
use serde_json::{Value, json};
use std::io::{self, Write};

/// A backup that was made.
pub(in crate::commands) fn taken(manifest: &Manifest, out: &mut dyn Write) -> io::Result<()> {
    let columns = [Column::Text("collection"), Column::Number("documents"), Column::Number("bytes")];
    let rows = manifest.collections.iter().map(|one| match one.view {
        true => vec![one.name.clone(), "view".to_owned(), String::new()],
        false => vec![one.name.clone(), count(one.documents), bytes(one.bytes)],
    });
    writeln!(out, "{}", table(&columns, rows))?;
    for left_out in manifest.left_out.iter().filter(|one| !is_always_left_out(&one.name)) {
        writeln!(out, "left out: {}: {}", plain(&left_out.name), plain(&left_out.why))?;
    }
    writeln!(
        out,
        "backup {}: {} in {}, {} in the vault, in {}; {}, kept until {} UTC",
        manifest.id,
        counted(manifest.documents(), "document"),
        counted(manifest.parts.len() as u64, "part"),
        bytes(manifest.packed_bytes()),
        duration(manifest.ended_ms - manifest.began_ms),
        manifest.class.as_str(),
        moment(manifest.locked_until_ms),
    )?;
    writeln!(out, "{}", plain(&consistency(manifest)))
}

/// What no backup has: ours of the moment, and the server's own.
fn is_always_left_out(name: &str) -> bool {
    ["tidemill.", "system."].iter().any(|prefix| name.starts_with(prefix))
}

/// What may be relied on, in words.
fn consistency(manifest: &Manifest) -> String {
    let (began, ended) = (moment(manifest.began_ms), moment(manifest.ended_ms));
    match manifest.consistency.snapshot {
        true => format!("as of one moment, {began} UTC"),
        false => format!(
            "read from {began} to {ended} UTC ({} reads): what was written meanwhile may or may not be in it",
            manifest.consistency.read_concern
        ),
    }
}

/// A backup, for programs.
pub(in crate::commands) fn object(manifest: &Manifest) -> Value {
    json!({
        "backup": manifest.id,
        "class": manifest.class,
        "database": manifest.database,
        "server_version": manifest.server_version,
        "began": iso(manifest.began_ms),
        "ended": iso(manifest.ended_ms),
        "kept_until": iso(manifest.locked_until_ms),
        "read_concern": manifest.consistency.read_concern,
        "snapshot": manifest.consistency.snapshot,
        "documents": manifest.documents(),
        "parts": manifest.parts.len(),
        "bytes": manifest.packed_bytes(),
        "collections": manifest.collections.iter().map(collection).collect::<Vec<_>>(),
        "left_out": manifest.left_out,
    })
}

fn collection(one: &Collection) -> Value {
    json!({
        "collection": one.name,
        "view": one.view,
        "documents": one.documents,
        "bytes": one.bytes,
        "hash": one.hash,
    })
}

/// A drill that has ended, and whether all was equal.
pub(in crate::commands) fn drilled(record: &DrillRecord, as_json: bool, out: &mut dyn Write) -> io::Result<bool> {
    let took_ms = record.ended_ms.unwrap_or(record.seen_ms) - record.began_ms;
    let (state, message) = match &record.state {
        DrillState::Running => ("running", None),
        DrillState::Done => ("equal", None),
        DrillState::Failed { message } => ("failed", Some(message)),
    };
    if as_json {
        let object = json!({
            "drill": record.id.to_string(),
            "backup": record.backup.to_string(),
            "state": state,
            "began": iso(record.began_ms),
            "took_ms": took_ms,
            "collections": record.collections,
            "documents": record.documents,
            "bytes": record.bytes,
            "warnings": record.warnings,
            "error": message,
        });
        crate::output::json::line(out, &object)?;
    } else {
        for warning in &record.warnings {
            writeln!(out, "note: {}", plain(warning))?;
        }
        if record.state == DrillState::Done {
            writeln!(
                out,
                "the backup {} was restored into the scratch database `{}` and is equal by count and hash: {} in {}, {}; the scratch is dropped",
                record.backup,
                plain(&record.scratch),
                counted(record.documents, "document"),
                counted(record.collections.into(), "collection"),
                duration(took_ms),
            )?;
        }
    }
    Ok(record.state == DrillState::Done)
}
