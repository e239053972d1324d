//! Writing a batch: one transaction, with its receipt.

use rusqlite::{CachedStatement, Connection, Row, Transaction, TransactionBehavior, params};

use super::tables::Place;
use super::{Failure, receipts, tables};
use crate::extended_json::readable;
use crate::prepare::{Candidate, Prepared, problem, stamp_of};
use crate::{Batch, DocumentsError, Stamp, Tally, Target, Verdict, WriteOutcome, judge};

pub(super) fn write(connection: &mut Connection, target: &Target, batch: &Batch<'_>) -> Result<WriteOutcome, DocumentsError> {
    let prepared = Prepared::new(batch)?;
    commit(connection, target, batch, prepared).map_err(|fault| match fault {
        Fault::Failure(failure) => failure.named("write documents", target.collection.as_str()),
        Fault::NotClean(index, problem) => DocumentsError::NotClean {
            object: batch.object.to_owned(),
            index,
            problem,
        },
    })
}

enum Fault {
    Failure(Failure),
    /// The document at this place can't be read.
    NotClean(usize, &'static str),
}

impl<E: Into<Failure>> From<E> for Fault {
    fn from(error: E) -> Fault {
        Fault::Failure(error.into())
    }
}

fn commit(connection: &mut Connection, target: &Target, batch: &Batch<'_>, prepared: Prepared<'_>) -> Result<WriteOutcome, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(outcome) = receipts::find(&transaction, batch)? {
        return Ok(outcome);
    }
    let outcome = match tables::place(&transaction, target)? {
        Place::Table(table) => {
            let tally = write_to(&transaction, &table, &prepared)?;
            WriteOutcome {
                tally,
                refusals: prepared.refusals,
            }
        }
        Place::Superseded => WriteOutcome {
            tally: Tally {
                superseded: batch.documents.len() as u64,
                ..Tally::default()
            },
            refusals: Vec::new(),
        },
    };
    receipts::keep(&transaction, batch, &outcome)?;
    transaction.commit()?;
    Ok(outcome)
}

fn write_to(transaction: &Transaction<'_>, table: &str, prepared: &Prepared<'_>) -> Result<Tally, Fault> {
    let mut writer = Writer::new(transaction, table)?;
    let mut tally = Tally {
        superseded: prepared.superseded,
        refused: prepared.refusals.len() as u64,
        ..Tally::default()
    };
    for candidate in &prepared.candidates {
        match writer.write(prepared.key(candidate), candidate)? {
            Verdict::Inserted => tally.inserted += 1,
            Verdict::Updated => tally.updated += 1,
            Verdict::Unchanged => tally.unchanged += 1,
            Verdict::Stale => tally.stale += 1,
        }
    }
    Ok(tally)
}

struct Writer<'t> {
    insert: CachedStatement<'t>,
    find: CachedStatement<'t>,
    update: CachedStatement<'t>,
    /// Was the last key a new one? The next is likely to be as it was, and a good guess saves a statement.
    new: bool,
    text: Vec<u8>,
}

impl<'t> Writer<'t> {
    fn new(transaction: &'t Transaction<'_>, table: &str) -> Result<Writer<'t>, Fault> {
        Ok(Writer {
            insert: transaction.prepare_cached(&format!(
                r#"INSERT INTO "{table}" (key, deleted, document, bson) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"#
            ))?,
            find: transaction.prepare_cached(&format!(r#"SELECT bson, rowid FROM "{table}" WHERE key = ?"#))?,
            update: transaction.prepare_cached(&format!(
                r#"UPDATE "{table}" SET deleted = ?, document = ?, bson = ? WHERE rowid = ?"#
            ))?,
            new: true,
            text: Vec::new(),
        })
    }

    fn write(&mut self, key: &[u8], candidate: &Candidate<'_>) -> Result<Verdict, Fault> {
        if self.new && self.insert(key, candidate)? {
            return Ok(Verdict::Inserted);
        }
        let found = self
            .find
            .query([key])?
            .next()?
            .map(|row| judge_row(row, candidate.stamp))
            .transpose()?;
        self.new = found.is_none();
        match found {
            Some((verdict, Some(row))) => self.update(row, candidate).map(|()| verdict),
            Some((verdict, None)) => Ok(verdict),
            None => self.insert(key, candidate).map(|_| Verdict::Inserted),
        }
    }

    /// `false` when the key is there already.
    fn insert(&mut self, key: &[u8], candidate: &Candidate<'_>) -> Result<bool, Fault> {
        let (deleted, bson) = (candidate.stamp.deleted, candidate.document.as_bytes());
        let text = render(&mut self.text, candidate)?;
        Ok(self.insert.execute(params![key, deleted, text, bson])? == 1)
    }

    fn update(&mut self, row: i64, candidate: &Candidate<'_>) -> Result<(), Fault> {
        let (deleted, bson) = (candidate.stamp.deleted, candidate.document.as_bytes());
        let text = render(&mut self.text, candidate)?;
        self.update.execute(params![deleted, text, bson, row])?;
        Ok(())
    }
}

fn render<'o>(space: &'o mut Vec<u8>, candidate: &Candidate<'_>) -> Result<&'o str, Fault> {
    readable(space, candidate.document).map_err(|fault| Fault::NotClean(candidate.index, problem(fault)))
}

/// The verdict, and the row that is to be overwritten, if any.
fn judge_row(row: &Row<'_>, incoming: Stamp<'_>) -> Result<(Verdict, Option<i64>), Failure> {
    let bson = row
        .get_ref(0)?
        .as_blob()
        .map_err(|_| Failure::Damaged("a document is not a blob".to_owned()))?;
    let stored = stamp_of(bson).map_err(|problem| Failure::Damaged(format!("a document can't be read: {problem}")))?;
    let verdict = judge(Some(stored), incoming);
    // The very document that is there need not be written again; an equal one of a higher rank must.
    let overwrites = verdict == Verdict::Updated || (verdict == Verdict::Unchanged && incoming.rank != stored.rank);
    Ok((verdict, if overwrites { Some(row.get(1)?) } else { None }))
}
