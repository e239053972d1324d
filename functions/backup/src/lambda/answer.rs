//! What a message came to, in ids and counts. Pure.

use backup::manifest::Manifest;
use host::event::BackupMessage;
use host::lambda::{Answer, Failure};
use host::telemetry::Metric;
use lake::RunId;
use ledger::DrillRecord;
use serde_json::{Value, json};

/// The backup is in the vault.
pub fn taken(manifest: &Manifest) -> Answer {
    Answer::new(json!({
        "outcome": "backed up",
        "id": manifest.id,
        "class": manifest.class,
        "locked_until_ms": manifest.locked_until_ms,
        "collections": manifest.collections.len(),
        "documents": manifest.documents(),
        "bytes": manifest.bytes(),
        "parts": manifest.parts.len(),
        "packed_bytes": manifest.packed_bytes(),
    }))
    .with(Metric::RecordsIn, manifest.documents())
    .with(Metric::RecordsOut, manifest.documents())
    .with(Metric::Bytes, manifest.bytes())
}

/// The backup was restored, and is what it says.
pub fn drilled(record: &DrillRecord) -> Answer {
    Answer::new(json!({
        "outcome": "equal",
        "id": record.id.to_string(),
        "backup": record.backup.to_string(),
        "collections": record.collections,
        "documents": record.documents,
        "bytes": record.bytes,
        "warnings": record.warnings,
    }))
    .with(Metric::RecordsIn, record.documents)
    .with(Metric::Bytes, record.bytes)
}

/// It goes on with `next`.
pub fn handed_over(next: &BackupMessage) -> Answer {
    let next = serde_json::from_str(&next.to_json()).unwrap_or(Value::Null);
    Answer::new(json!({"outcome": "handed over", "next": next}))
}

/// It ended with a failure, which is recorded.
pub fn failed(id: RunId, failure: &Failure) -> Answer {
    Answer::new(json!({"outcome": "failed", "id": id.to_string(), "error_type": failure.error_type, "message": failure.chain}))
}

/// It had ended before, with a failure that is recorded.
pub fn has_failed(id: RunId) -> Answer {
    Answer::new(json!({"outcome": "has failed before", "id": id.to_string()}))
}

/// The backup was in the vault, for as long as its class is kept.
pub fn was_taken(id: RunId) -> Answer {
    Answer::new(json!({"outcome": "backed up before, and no longer kept", "id": id.to_string()}))
}

/// Another backup has taken its place, since nothing was heard of it.
pub fn given_up(id: RunId, by: RunId) -> Answer {
    Answer::new(json!({"outcome": "given up", "id": id.to_string(), "by": by.to_string()}))
}

/// There is no backup yet.
pub fn nothing_to_drill(id: RunId) -> Answer {
    Answer::new(json!({"outcome": "nothing to drill", "id": id.to_string()}))
}
