//! The ends of a backup: its manifest, or its failure; and what is tidied up then.

use super::Work;
use super::checkpoint::{self, Checkpoint};
use super::plan::Plan;
use crate::archive::Described;
use crate::manifest::{Collection, FORMAT, Manifest};
use crate::{Error, choose, keys};
use bytes::Bytes;
use lake::{RunId, Written};
use ledger::backup::{backup, change_backup};
use ledger::{BackupRecord, Ledger, Shelf, Step};

/// Puts the manifest, by which it becomes a backup, and records it.
pub(super) async fn end(work: &Work<'_>, plan: &Plan, checkpoint: &Checkpoint) -> Result<Manifest, Error> {
    let vault = work.services.vault.as_ref();
    let (class, id) = (work.class(), work.record.id);
    let sealed = manifest(work, plan, checkpoint).sealed();
    let written = sealed.and_then(|manifest| Ok((manifest.to_bytes()?, manifest)));
    let key = keys::manifest(class, id)?;
    let (bytes, manifest) = written.map_err(|error| Error::Damaged {
        id: id.to_string(),
        object: key.to_string(),
        problem: crate::error::chain(&error),
    })?;
    let manifest = match vault.put_locked(&key, Bytes::from(bytes), manifest.locked_until_ms).await? {
        Written::Created => manifest,
        // An attempt that died right after it, or another worker: the first one stands.
        Written::AlreadyThere => choose::read(class, id, vault).await?,
    };
    work.run.reached(Step::ManifestPut)?;
    let now_ms = work.run.clock.now_ms();
    let parts = u32::try_from(manifest.parts.len()).unwrap_or(u32::MAX);
    let done = |there: Option<&BackupRecord>| {
        let record = there.unwrap_or(&work.record);
        let is_done = record.state == ledger::BackupState::Done;
        (!is_done).then(|| BackupRecord {
            parts,
            documents: manifest.documents(),
            bytes: manifest.packed_bytes(),
            ..record.done(now_ms)
        })
    };
    change_backup(work.services.ledger.as_ref(), id, done).await?;
    work.run.reached(Step::BackupRecorded)?;
    remove_notes(work.services.ledger.as_ref(), id).await?;
    work.run.reached(Step::PartNotesRemoved)?;
    Ok(manifest)
}

/// Records that the backup failed. Its notes go: tried again, it begins anew.
pub(super) async fn failed(work: &Work<'_>, words: &str) -> Result<(), Error> {
    let now_ms = work.run.clock.now_ms();
    end_attempt(work, |record| record.failed(words, None, now_ms)).await
}

/// Begins another attempt, which uses nothing of this one.
pub(super) async fn anew(work: &Work<'_>) -> Result<(), Error> {
    let now_ms = work.run.clock.now_ms();
    end_attempt(work, |record| record.anew(now_ms)).await
}

/// Another worker was faster. If it is done, so are the notes: the last of this one, too.
pub(super) async fn tidy(work: &Work<'_>) -> Result<(), Error> {
    let ledger = work.services.ledger.as_ref();
    match backup(ledger, work.record.id).await? {
        Some(record) if !record.is_running() => remove_notes(ledger, record.id).await,
        _ => Ok(()),
    }
}

async fn end_attempt(work: &Work<'_>, change: impl Fn(&BackupRecord) -> BackupRecord + Send + Sync) -> Result<(), Error> {
    let ledger = work.services.ledger.as_ref();
    let attempt = work.record.attempt;
    change_backup(ledger, work.record.id, |there| {
        there.filter(|record| record.is_running() && record.attempt == attempt).map(&change)
    })
    .await?;
    remove_notes_under(ledger, &checkpoint::prefix(&work.record)).await
}

/// Takes away all part notes of a backup.
pub(super) async fn remove_notes(ledger: &dyn Ledger, id: RunId) -> Result<(), Error> {
    remove_notes_under(ledger, &checkpoint::prefix_of_all(id)).await
}

async fn remove_notes_under(ledger: &dyn Ledger, prefix: &str) -> Result<(), Error> {
    // The last first: what is left when it is stopped is still the beginning of a backup, and no gap.
    let mut notes = checkpoint::keys_under(ledger, prefix).await?;
    while let Some((key, revision)) = notes.pop() {
        ledger.remove_note(Shelf::BackupParts, &key, revision).await?;
    }
    Ok(())
}

fn manifest(work: &Work<'_>, plan: &Plan, checkpoint: &Checkpoint) -> Manifest {
    let collection = |described: &Described| {
        let sums = checkpoint.sums(&described.name);
        Collection {
            name: described.name.clone(),
            view: described.view,
            metadata: described.metadata.clone(),
            documents: sums.documents,
            bytes: sums.bytes,
            hash: sums.hash.to_hex(),
            crc64: sums.crc64.to_hex(),
        }
    };
    Manifest {
        format: FORMAT,
        id: work.record.id.to_string(),
        class: work.class(),
        database: plan.prelude.database.clone(),
        server_version: plan.prelude.server_version.clone(),
        tool: plan.prelude.tool_version.clone(),
        began_ms: plan.start.began_ms,
        ended_ms: checkpoint.ended_ms().unwrap_or(plan.start.began_ms).max(plan.start.began_ms),
        locked_until_ms: plan.start.locked_until_ms,
        consistency: plan.start.consistency.clone(),
        collections: plan.prelude.namespaces.iter().map(collection).collect(),
        left_out: plan.start.left_out.clone(),
        parts: checkpoint.to_parts(),
        checksum: String::new(),
    }
}
