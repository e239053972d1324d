//! Receipts: what a batch's first write answered, kept with the documents in one commit until the object is settled.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Failure;
use crate::{Batch, Refusal, Tally, WriteOutcome};

/// The answer of an earlier write of the same batch.
pub(super) fn find(transaction: &Transaction<'_>, batch: &Batch<'_>) -> Result<Option<WriteOutcome>, Failure> {
    let mut statement = transaction.prepare_cached(
        r#"SELECT inserted, updated, unchanged, stale, superseded, refused, refusals FROM "tidemill:receipts" WHERE object = ? AND ordinal = ?"#,
    )?;
    let found = statement.query_row(params![batch.object, batch.ordinal], |row| {
        Ok((tally(row)?, row.get::<_, String>(6)?))
    });
    let Some((tally, refusals)) = found.optional()? else {
        return Ok(None);
    };
    let refusals: Vec<(usize, String)> =
        serde_json::from_str(&refusals).map_err(|error| Failure::Damaged(format!("the refusals of a receipt can't be read: {error}")))?;
    let refusals = refusals.into_iter().map(|(index, message)| Refusal { index, message }).collect();
    Ok(Some(WriteOutcome { tally, refusals }))
}

pub(super) fn keep(transaction: &Transaction<'_>, batch: &Batch<'_>, outcome: &WriteOutcome) -> Result<(), Failure> {
    let refusals: Vec<(usize, &str)> = outcome
        .refusals
        .iter()
        .map(|refusal| (refusal.index, refusal.message.as_str()))
        .collect();
    let refusals = serde_json::to_string(&refusals).map_err(|error| Failure::Damaged(format!("refusals can't be written: {error}")))?;
    let tally = &outcome.tally;
    let mut statement = transaction.prepare_cached(r#"INSERT INTO "tidemill:receipts" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"#)?;
    statement.execute(params![
        batch.object,
        batch.ordinal,
        tally.inserted as i64,
        tally.updated as i64,
        tally.unchanged as i64,
        tally.stale as i64,
        tally.superseded as i64,
        tally.refused as i64,
        refusals,
    ])?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, object: &str) -> Result<(), Failure> {
    connection
        .prepare_cached(r#"DELETE FROM "tidemill:receipts" WHERE object = ?"#)?
        .execute([object])?;
    Ok(())
}

fn tally(row: &Row<'_>) -> rusqlite::Result<Tally> {
    let number = |column| row.get::<_, i64>(column).map(|value| value as u64);
    Ok(Tally {
        inserted: number(0)?,
        updated: number(1)?,
        unchanged: number(2)?,
        stale: number(3)?,
        superseded: number(4)?,
        refused: number(5)?,
    })
}
