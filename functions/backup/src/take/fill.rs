//! Fills parts with documents, in the order of the collections and of their `_id`.

use super::Work;
use super::checkpoint::{Checkpoint, PartNote, Position};
use super::plan::Plan;
use crate::archive::{self, Described, Writer};
use crate::hash::{Crc64, Sums, sha256_hex};
use crate::id::Id;
use crate::manifest::{Part, Range};
use crate::{Error, keys, stored};
use bson::RawDocumentBuf;
use bytes::Bytes;
use documents::{DocumentStream, DocumentsError};
use lake::{Key, Written};
use ledger::{BackupRecord, Step};
use std::vec;

/// The longest `_id` of a document at which a part may end: it stands in the part's note.
const ID_BYTES_MAX: usize = 8 << 10;

/// No more ranges are begun in a part when those it has take so much of its note.
const RANGES_BYTES_MAX: usize = 150_000;

/// About what a range takes in a note, beside its name and keys.
const RANGE_BYTES: usize = 600;

/// The collection that is being read. Kept from part to part, it is opened once.
#[derive(Default)]
pub(super) struct Reading {
    open: Option<Open>,
}

struct Open {
    namespace: usize,
    identity: Option<Vec<u8>>,
    stream: Box<dyn DocumentStream>,
    batch: vec::IntoIter<RawDocumentBuf>,
    /// A document that did not fit into the part before.
    left_over: Option<RawDocumentBuf>,
    /// When the batch was asked for, and when it was there.
    asked_ms: i64,
    got_ms: i64,
}

/// The part being filled.
struct Filling {
    writer: Writer,
    ranges: Vec<Range>,
    sums: Vec<Sums>,
    /// What the ranges take in the note.
    ranges_bytes: usize,
    position: Position,
    current: Option<Current>,
}

/// The range being filled.
struct Current {
    collection: String,
    first: Id,
    last: RawDocumentBuf,
    documents: u64,
    began_ms: i64,
    ended_ms: i64,
    sums: Sums,
}

impl Work<'_> {
    /// Fills the next part, puts it and notes it. Nothing is put when the time was up before there was a document.
    pub(super) async fn put_next_part(&self, plan: &Plan, checkpoint: &mut Checkpoint, reading: &mut Reading) -> Result<(), Error> {
        let mut part = Filling {
            writer: Writer::new(&plan.prelude.database, self.request.policy.part_bytes_max),
            ranges: Vec::new(),
            sums: Vec::new(),
            ranges_bytes: 0,
            position: checkpoint.position(),
            current: None,
        };
        let all_read = self.fill(&mut part, plan, checkpoint, reading).await?;
        part.end_range()?;
        if part.ranges.is_empty() {
            if !all_read {
                return Ok(());
            }
            // The ends stand in a part of their own, the last.
            for namespace in &plan.prelude.namespaces {
                let crc64 = if namespace.view {
                    Crc64::default()
                } else {
                    checkpoint.sums(&namespace.name).crc64
                };
                part.writer.end(&namespace.name, crc64)?;
            }
            part.position = Position::End;
        }
        let Filling {
            writer,
            ranges,
            sums,
            position,
            ..
        } = part;
        let note = PartNote {
            part: self.put(checkpoint.parts() + 1, writer.finish()?, ranges, plan).await?,
            start: None,
            sums,
            position,
            noted_ms: self.run.clock.now_ms(),
        };
        self.note(checkpoint, note).await
    }

    /// Fills the part until it is full, the time is up, or all is read (then it answers `true`).
    async fn fill(&self, part: &mut Filling, plan: &Plan, checkpoint: &Checkpoint, reading: &mut Reading) -> Result<bool, Error> {
        loop {
            let (namespace, after, identity) = match &part.position {
                Position::Before { namespace } => (*namespace, None, None),
                Position::Within {
                    namespace,
                    after,
                    identity,
                } => (*namespace, Some(after), Some(identity)),
                Position::End => return Ok(true),
            };
            let Some(described) = plan.prelude.namespaces.get(namespace) else {
                return Ok(true);
            };
            if described.view {
                part.position = Position::Before { namespace: namespace + 1 };
                continue;
            }
            let name = described.name.as_str();
            let open = match reading.open.take().filter(|open| open.namespace == namespace) {
                Some(open) => open,
                None => self.open(namespace, described, after, identity).await?,
            };
            let open = reading.open.insert(open);
            while let Some(document) = self.next(open, name).await? {
                let out_of_time = part.has_documents() && open.batch.len() == 0 && self.run.is_out_of_time();
                if out_of_time || !part.has_room_for(name, &document) {
                    open.left_over = Some(document);
                    return Ok(false);
                }
                part.add(name, document, open, checkpoint)?;
            }
            self.still_the_same(name, &open.identity).await?;
            // Half restored, it would be read as if it were all.
            self.refuse_half_restored().await?;
            part.end_range()?;
            part.position = Position::Before { namespace: namespace + 1 };
            if self.run.is_out_of_time() {
                return Ok(false);
            }
        }
    }

    async fn open(
        &self,
        namespace: usize,
        described: &Described,
        after: Option<&Id>,
        began_as: Option<&Option<Vec<u8>>>,
    ) -> Result<Open, Error> {
        let database = self.services.database.as_ref();
        let name = described.name.as_str();
        let identity = database.identity(name).await?;
        let is_another = match began_as {
            Some(began_as) => *began_as != identity,
            None => self.is_renamed(described, identity.as_ref()).await?,
        };
        if is_another {
            return Err(changed(name));
        }
        let asked_ms = self.run.clock.now_ms();
        Ok(Open {
            namespace,
            identity,
            stream: database.read(name, after.map(Id::value)).await?,
            batch: Vec::new().into_iter(),
            left_over: None,
            asked_ms,
            got_ms: asked_ms,
        })
    }

    /// Whether the collection that the plan is of has another name now, under which it would not be read. One that was dropped, or that a new version took the
    /// place of, is gone for its readers too.
    async fn is_renamed(&self, described: &Described, found: Option<&Vec<u8>>) -> Result<bool, Error> {
        let planned = archive::namespace(&described.metadata)?.identity;
        if planned.is_none() || planned.as_ref() == found {
            return Ok(false);
        }
        let there = self.services.database.namespaces().await?;
        Ok(there.iter().any(|namespace| namespace.identity == planned))
    }

    async fn next(&self, open: &mut Open, name: &str) -> Result<Option<RawDocumentBuf>, Error> {
        if let Some(document) = open.left_over.take() {
            return Ok(Some(document));
        }
        loop {
            if let Some(document) = open.batch.next() {
                return Ok(Some(document));
            }
            open.asked_ms = self.run.clock.now_ms();
            match open.stream.next().await {
                Ok(Some(batch)) => open.batch = batch.into_iter(),
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.read_failed(name, &open.identity, error).await),
            }
            open.got_ms = self.run.clock.now_ms().max(open.asked_ms);
        }
    }

    /// A reading also fails when its collection is taken away under it.
    async fn read_failed(&self, name: &str, identity: &Option<Vec<u8>>, error: DocumentsError) -> Error {
        match self.still_the_same(name, identity).await {
            Err(changed @ Error::Changed { .. }) => changed,
            _ => error.into(),
        }
    }

    async fn still_the_same(&self, name: &str, identity: &Option<Vec<u8>>) -> Result<(), Error> {
        match self.services.database.identity(name).await? == *identity {
            true => Ok(()),
            false => Err(changed(name)),
        }
    }

    /// Puts a part into the vault, locked.
    pub(super) async fn put(&self, number: u32, bytes: Vec<u8>, ranges: Vec<Range>, plan: &Plan) -> Result<Part, Error> {
        let sha256 = sha256_hex(&bytes);
        // Of its own bytes: what another worker put under this key is the very same. And of the attempt: what an earlier one put would go before the others.
        let named = sha256_hex(format!("{} {sha256}", self.record.attempt).as_bytes());
        let digits = named.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
        let key = keys::part(self.class(), self.record.id, number, digits)?;
        let part = Part {
            key: key.to_string(),
            size: bytes.len() as u64,
            sha256,
            ranges,
        };
        self.put_locked(&key, Bytes::from(bytes), plan.start.locked_until_ms, &part).await?;
        self.run.reached(Step::PartPut { number, bytes: part.size })?;
        Ok(part)
    }

    async fn put_locked(&self, key: &Key, bytes: Bytes, until_ms: i64, part: &Part) -> Result<(), Error> {
        let vault = self.services.vault.as_ref();
        match vault.put_locked(key, bytes, until_ms).await? {
            Written::Created => Ok(()),
            Written::AlreadyThere => stored::part(&self.record.id.to_string(), part, vault).await.map(drop),
        }
    }

    /// Notes a part that is in the vault, and gives a sign of life.
    pub(super) async fn note(&self, checkpoint: &mut Checkpoint, note: PartNote) -> Result<(), Error> {
        let documents = note.part.ranges.iter().map(|range| range.documents).sum();
        checkpoint.note(self.services.ledger.as_ref(), &self.record, note).await?;
        self.update_record(|record| {
            record.seen_ms = self.run.clock.now_ms();
            record.parts = checkpoint.parts();
            record.documents = checkpoint.documents();
            record.bytes = checkpoint.bytes();
        })
        .await?;
        self.run.reached(Step::PartNoted {
            number: checkpoint.parts(),
            documents,
        })?;
        Ok(())
    }

    /// Changes the record, as long as this attempt is the one at work.
    pub(super) async fn update_record(&self, change: impl Fn(&mut BackupRecord) + Send + Sync) -> Result<(), Error> {
        let ledger = self.services.ledger.as_ref();
        let is_ours = |record: &&BackupRecord| record.is_running() && record.attempt == self.record.attempt;
        let there = ledger::backup::change_backup(ledger, self.record.id, |there| {
            let mut record = there.filter(is_ours)?.clone();
            change(&mut record);
            Some(record)
        })
        .await?;
        match there {
            Some(record) if record.attempt == self.record.attempt && record.is_running() => Ok(()),
            _ => Err(Error::Overtaken { id: self.record.id }),
        }
    }
}

impl Filling {
    fn has_documents(&self) -> bool {
        self.current.is_some() || !self.ranges.is_empty()
    }

    fn has_room_for(&self, name: &str, document: &RawDocumentBuf) -> bool {
        let begins = self.current.as_ref().is_none_or(|current| current.collection != name);
        self.writer.has_room(document.as_bytes().len()) && !(begins && self.ranges_bytes > RANGES_BYTES_MAX)
    }

    fn add(&mut self, name: &str, document: RawDocumentBuf, open: &Open, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.writer.document(name, &document)?;
        let current = match self.current.take() {
            Some(mut current) => {
                current.sums.add(&document);
                current.documents += 1;
                // A clock that is put back must not undo a backup at its very end.
                current.ended_ms = open.got_ms.max(current.ended_ms);
                current.last = document;
                current
            }
            None => {
                let mut sums = checkpoint.sums(name);
                sums.add(&document);
                Current {
                    collection: name.to_owned(),
                    first: id_of(name, &document)?,
                    last: document,
                    documents: 1,
                    began_ms: open.asked_ms,
                    ended_ms: open.got_ms,
                    sums,
                }
            }
        };
        self.current = Some(current);
        // Overwritten by the end of the collection; `after` is set when the range ends.
        if let Position::Before { namespace } = self.position {
            let after = self.current.as_ref().map(|current| current.first.clone());
            if let Some(after) = after {
                self.position = Position::Within {
                    namespace,
                    after,
                    identity: open.identity.clone(),
                };
            }
        }
        Ok(())
    }

    fn end_range(&mut self) -> Result<(), Error> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let last = id_of(&current.collection, &current.last)?;
        let range = Range {
            first: archive::canonical(current.first.value())?,
            last: archive::canonical(last.value())?,
            collection: current.collection,
            documents: current.documents,
            began_ms: current.began_ms,
            ended_ms: current.ended_ms,
        };
        if let Position::Within { after, .. } = &mut self.position {
            *after = last;
        }
        self.ranges_bytes += RANGE_BYTES + range.collection.len() + 2 * (range.first.len() + range.last.len());
        self.ranges.push(range);
        self.sums.push(current.sums);
        Ok(())
    }
}

fn id_of(collection: &str, document: &RawDocumentBuf) -> Result<Id, Error> {
    let id = Id::of(document).ok_or_else(|| Error::NoKey {
        collection: collection.to_owned(),
    })?;
    match id.bytes() {
        bytes if bytes > ID_BYTES_MAX => Err(Error::LongKey {
            collection: collection.to_owned(),
            bytes,
            bytes_max: ID_BYTES_MAX,
        }),
        _ => Ok(id),
    }
}

fn changed(collection: &str) -> Error {
    Error::Changed {
        collection: collection.to_owned(),
    }
}
