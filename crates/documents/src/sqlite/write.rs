//! Writing a batch: one transaction, with its receipt.

use rusqlite::{CachedStatement, Connection, Row, ToSql, Transaction, TransactionBehavior, params};

use super::read::blob;
use super::tables::Place;
use super::{Failure, receipts, tables};
use crate::extended_json::{Writer as TextWriter, readable};
use crate::prepare::{Candidate, Prepared, problem};
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

/// Writes those whose keys are free; how many they were.
pub(super) fn insert_all(transaction: &Transaction<'_>, table: &str, prepared: &Prepared<'_>) -> Result<u64, Failure> {
    let insert = || {
        let mut writer = Writer::new(transaction, table)?;
        let mut inserted = 0;
        for candidate in &prepared.candidates {
            inserted += u64::from(writer.insert(prepared.key(candidate), candidate)?);
        }
        Ok(inserted)
    };
    insert().map_err(|fault| match fault {
        Fault::Failure(failure) => failure,
        Fault::NotClean(_, problem) => Failure::Damaged(format!("a document can't be written: {problem}")),
    })
}

struct Writer<'t> {
    insert: CachedStatement<'t>,
    find: CachedStatement<'t>,
    update: CachedStatement<'t>,
    /// Was the last key a new one? The next is likely to be as it was, and a good guess saves a statement.
    new: bool,
    text: TextWriter,
}

impl<'t> Writer<'t> {
    fn new(transaction: &'t Transaction<'_>, table: &str) -> Result<Writer<'t>, Fault> {
        Ok(Writer {
            insert: transaction.prepare_cached(&format!(
                r#"INSERT INTO "{table}" (key, deleted, rank, hash, longs, document, bson) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                ON CONFLICT (key) DO NOTHING"#
            ))?,
            find: transaction.prepare_cached(&format!(r#"SELECT rowid, deleted, rank, hash FROM "{table}" WHERE key = ?"#))?,
            update: transaction.prepare_cached(&format!(
                r#"UPDATE "{table}" SET deleted = ?2, rank = ?3, hash = ?4, longs = ?5, document = ?6, bson = ?7 WHERE rowid = ?1"#
            ))?,
            new: true,
            text: TextWriter::default(),
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
        Ok(execute(&mut self.insert, key, &mut self.text, candidate)? == 1)
    }

    fn update(&mut self, row: i64, candidate: &Candidate<'_>) -> Result<(), Fault> {
        execute(&mut self.update, row, &mut self.text, candidate).map(|_| ())
    }
}

/// Runs one of the two statements that write a row. Their first parameter says which row.
fn execute(
    statement: &mut CachedStatement<'_>,
    row: impl ToSql,
    text: &mut TextWriter,
    Candidate {
        index, document, stamp, ..
    }: &Candidate<'_>,
) -> Result<usize, Fault> {
    let readable = readable(text, document).map_err(|fault| Fault::NotClean(*index, problem(fault)))?;
    let longs = Some(readable.longs).filter(|longs| !longs.is_empty());
    let bson = (!readable.exact).then_some(document.as_bytes());
    Ok(statement.execute(params![row, stamp.deleted, stamp.rank, stamp.hash, longs, readable.text, bson])?)
}

/// The verdict, and the row that is to be overwritten, if any.
fn judge_row(row: &Row<'_>, incoming: Stamp<'_>) -> Result<(Verdict, Option<i64>), Failure> {
    let stored = Stamp {
        deleted: row.get(1)?,
        rank: blob(row, 2)?,
        hash: blob(row, 3)?,
    };
    let verdict = judge(Some(stored), incoming);
    // The very document that is there need not be written again; an equal one of a higher rank must.
    let overwrites = verdict == Verdict::Updated || (verdict == Verdict::Unchanged && incoming.rank != stored.rank);
    Ok((verdict, if overwrites { Some(row.get(0)?) } else { None }))
}
