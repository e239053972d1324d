//! Law 7: memory does not grow with the database. A process of its own, so that nothing else is in what is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use async_trait::async_trait;
use backup::{Policy, Report, Request, Restored, Services, Taken, Unseen, Wish};
use bson::raw::cstr;
use bson::{Binary, RawBsonRef, RawDocument, RawDocumentBuf, spec::BinarySubtype};
use documents::{Certainty, Database, DocumentStream, DocumentsError, Namespace, NamespaceKind, PutBack, Server};
use lake::{DirectoryStore, RunId};
use ledger::{Clock, Run, SqliteLedger, Unwatched};
use peak_alloc::PeakAlloc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const PART_BYTES_MAX: usize = 1 << 20;
const BATCH_BYTES: u64 = 256 << 10;
const DOCUMENT_BYTES: u64 = 4 << 10;
/// In the smaller of the two databases.
const DOCUMENTS: u64 = 1_500;
/// What the encoder keeps, SQLite's caches, a few hundred bytes a part.
const ELSE_BYTES: usize = 1 << 20;
/// What a reader of packed documents may hold.
const READER_BYTES: usize = 1 << 20;

/// The most that is held at once while `work` is done, over what was held before.
async fn peak<T>(work: impl Future<Output = T>) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let done = work.await;
    (done, ALLOCATOR.peak_usage() - before)
}

/// A collection of documents that are made as they are read, of bytes that do not pack; what is put back is counted and forgotten.
struct Generated {
    documents: u64,
    put_back: AtomicU64,
    mark: Mutex<Option<String>>,
}

struct Stream {
    next: u64,
    end: u64,
}

fn document(n: u64) -> RawDocumentBuf {
    let mut random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as u8
    };
    let bytes = (0..DOCUMENT_BYTES).map(|_| byte()).collect();
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), n as i64);
    let subtype = BinarySubtype::Generic;
    document.append(cstr!("bytes"), Binary { subtype, bytes });
    document
}

#[async_trait]
impl DocumentStream for Stream {
    async fn next(&mut self) -> Result<Option<Vec<RawDocumentBuf>>, DocumentsError> {
        let from = self.next;
        self.next = (from + BATCH_BYTES / DOCUMENT_BYTES).min(self.end);
        Ok(Some((from..self.next).map(document).collect::<Vec<_>>()).filter(|batch| !batch.is_empty()))
    }
}

#[async_trait]
impl Database for Generated {
    async fn server(&self) -> Result<Server, DocumentsError> {
        Ok(Server {
            version: "8.0.4".to_owned(),
            database: "generated".to_owned(),
            certainty: Certainty::Local,
        })
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, DocumentsError> {
        let namespace = Namespace {
            name: "rows".to_owned(),
            kind: NamespaceKind::Collection,
            options: bson::doc! {},
            indexes: Vec::new(),
            identity: None,
            estimate: None,
        };
        Ok(if self.documents > 0 { vec![namespace] } else { Vec::new() })
    }

    async fn identity(&self, _collection: &str) -> Result<Option<Vec<u8>>, DocumentsError> {
        Ok(None)
    }

    async fn read(&self, _collection: &str, after: Option<RawBsonRef<'_>>) -> Result<Box<dyn DocumentStream>, DocumentsError> {
        let next = after.map_or(0, |id| id.as_i64().unwrap() as u64 + 1);
        Ok(Box::new(Stream { next, end: self.documents }))
    }

    async fn create(&self, _namespace: &Namespace) -> Result<(), DocumentsError> {
        Ok(())
    }

    async fn put_back(&self, _collection: &str, documents: &[&RawDocument]) -> Result<PutBack, DocumentsError> {
        let inserted = documents.len() as u64;
        self.put_back.fetch_add(inserted, Ordering::Relaxed);
        Ok(PutBack {
            inserted,
            already_there: 0,
        })
    }

    async fn complete(&self, _namespace: &Namespace) -> Result<Vec<String>, DocumentsError> {
        Ok(Vec::new())
    }

    async fn drop_namespace(&self, _name: &str) -> Result<(), DocumentsError> {
        Ok(())
    }

    async fn drop_all(&self) -> Result<(), DocumentsError> {
        Ok(())
    }

    async fn mark(&self) -> Result<Option<String>, DocumentsError> {
        Ok(self.mark.lock().unwrap().clone())
    }

    async fn set_mark(&self, text: Option<&str>) -> Result<(), DocumentsError> {
        *self.mark.lock().unwrap() = text.map(str::to_owned);
        Ok(())
    }

    fn sibling(&self, _name: &str) -> Result<Arc<dyn Database>, DocumentsError> {
        Ok(generated(0))
    }
}

fn generated(documents: u64) -> Arc<Generated> {
    Arc::new(Generated {
        documents,
        put_back: AtomicU64::new(0),
        mark: Mutex::new(None),
    })
}

struct Still;

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        1_795_489_200_000
    }
}

/// What was held at most by a backup, and by a restore of it.
async fn peaks(documents: u64) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Arc::new(DirectoryStore::open(folder.path().join("vault")).unwrap());
    let services = Services {
        vault: vault.clone(),
        ledger: Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap()),
        database: generated(documents),
    };
    let run = Run {
        clock: Arc::new(Still),
        observer: Arc::new(Unwatched),
        deadline_ms: None,
    };
    let request = Request {
        id: RunId::new(1_795_489_200_000, 1),
        allow_empty: false,
        policy: Policy {
            part_bytes_max: PART_BYTES_MAX,
            ..Policy::default()
        },
    };
    let (taken, of_backup) = peak(backup::take(&request, &run, &services)).await;
    let Ok(Taken::Done(manifest)) = taken else { panic!("{taken:?}") };
    assert_eq!(
        (manifest.documents(), manifest.parts.len() as u64 > documents / 300),
        (documents, true)
    );

    let target = generated(0);
    let wish = Wish::default();
    let (restored, of_restore) = peak(backup::restore(&manifest, &wish, &run, vault.as_ref(), target.as_ref(), &Unseen)).await;
    let Ok(Restored::Done(Report { inserted, .. })) = restored else {
        panic!("{restored:?}")
    };
    assert_eq!((inserted, target.put_back.load(Ordering::Relaxed)), (documents, documents));
    (of_backup, of_restore)
}

#[tokio::test]
async fn a_database_ten_times_as_large_takes_no_more_memory() {
    let (backup, restore) = peaks(DOCUMENTS).await;
    let (backup_of_ten, restore_of_ten) = peaks(10 * DOCUMENTS).await;
    let bound = PART_BYTES_MAX + BATCH_BYTES as usize + ELSE_BYTES;
    assert!(
        backup_of_ten <= bound,
        "{backup} bytes were held by the small backup, {backup_of_ten} by the large one"
    );
    let bound = PART_BYTES_MAX + READER_BYTES + ELSE_BYTES;
    assert!(
        restore_of_ten <= bound,
        "{restore} bytes were held by the small restore, {restore_of_ten} by the large one"
    );
    // What grows is what the manifest says of a part.
    assert!(backup_of_ten <= backup + (256 << 10), "{backup} {backup_of_ten}");
    assert!(restore_of_ten <= restore + (256 << 10), "{restore} {restore_of_ten}");
}
