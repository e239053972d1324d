//! The lake that announces its new objects, as the bucket does in the cloud: a store around the store, and the queues it feeds.

use super::routes::{Function, started_by};
use async_trait::async_trait;
use bytes::Bytes;
use lake::{Key, Metadata, Object, Store, StoreError, Upload, Written};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// How many objects may wait for a function; whoever writes one more waits. The queues hold keys, so memory is bounded.
const WAITING_MAX: usize = 64;

/// The queues of the functions. A queue ends when it is closed and empty.
#[derive(Clone, Default)]
pub struct Queues {
    open: Arc<Mutex<BTreeMap<Function, Sender<Key>>>>,
}

impl Queues {
    /// Opens the queue of a function, and returns its other end.
    pub fn open(&self, function: Function) -> Receiver<Key> {
        let (sender, receiver) = channel(WAITING_MAX);
        self.lock().insert(function, sender);
        receiver
    }

    /// Nothing more will come for this function.
    pub fn close(&self, function: Function) {
        self.lock().remove(&function);
    }

    /// Queues the object for the function it starts, if any. An object that is announced while nobody listens stays owed in the ledger.
    pub async fn announce(&self, key: &Key) {
        let sender = started_by(key.as_str()).and_then(|function| self.lock().get(&function).cloned());
        if let Some(sender) = sender {
            // The receiver is gone when the work was stopped: the next run finds the object by the ledger.
            let _ = sender.send(key.clone()).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Function, Sender<Key>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store that announces what is written to it.
pub struct AnnouncingStore {
    inner: Arc<dyn Store>,
    queues: Queues,
}

impl AnnouncingStore {
    pub fn new(inner: Arc<dyn Store>, queues: Queues) -> AnnouncingStore {
        AnnouncingStore { inner, queues }
    }
}

#[async_trait]
impl Store for AnnouncingStore {
    async fn get(&self, key: &Key) -> Result<Object, StoreError> {
        self.inner.get(key).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Metadata>, StoreError> {
        self.inner.head(key).await
    }

    /// An object that is there already is announced again: the process that put it may have died with its queues. Work done twice is work done once.
    async fn put_new(&self, key: &Key, metadata: &Metadata, body: Bytes) -> Result<Written, StoreError> {
        let written = self.inner.put_new(key, metadata, body).await?;
        self.queues.announce(key).await;
        Ok(written)
    }

    /// Nothing of the lake is locked, and nothing that is locked starts a stage.
    async fn put_locked(&self, key: &Key, body: Bytes, until_ms: i64) -> Result<Written, StoreError> {
        self.inner.put_locked(key, body, until_ms).await
    }

    async fn upload(&self, key: &Key, metadata: &Metadata) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(AnnouncingUpload {
            inner: self.inner.upload(key, metadata).await?,
            key: key.clone(),
            queues: self.queues.clone(),
        }))
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.inner.list(prefix, after, limit).await
    }
}

struct AnnouncingUpload {
    inner: Box<dyn Upload>,
    key: Key,
    queues: Queues,
}

#[async_trait]
impl Upload for AnnouncingUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.inner.write(chunk).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.finish().await?;
        self.queues.announce(&self.key).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use lake::DirectoryStore;

    const RAW: &str = "raw/p/r/dt=2026-11-24/01M869X26REPS9TQZ60A3DBEYN/000001.jsonl.zst";
    const CLEAN: &str = "clean/p/r/v=01234567/dt=2026-11-24/01M869X26REPS9TQZ60A3DBEYN/000001.bson.zst";
    const REJECTED: &str = "rejected/p/r/v=01234567/dt=2026-11-24/01M869X26REPS9TQZ60A3DBEYN/000001.jsonl.zst";

    fn store(folder: &tempfile::TempDir, queues: &Queues) -> AnnouncingStore {
        let inner = DirectoryStore::open(folder.path().to_owned()).unwrap();
        AnnouncingStore::new(Arc::new(inner), queues.clone())
    }

    #[tokio::test]
    async fn what_is_written_is_announced_to_the_function_it_starts() {
        let (folder, queues) = (tempfile::tempdir().unwrap(), Queues::default());
        let store = store(&folder, &queues);
        let (mut to_clean, mut to_load) = (queues.open(Function::Clean), queues.open(Function::Load));
        let [raw, clean, rejected] = [RAW, CLEAN, REJECTED].map(|key| Key::parse(key).unwrap());
        for written in [Written::Created, Written::AlreadyThere] {
            let put = store.put_new(&raw, &Metadata::new(), Bytes::new()).await.unwrap();
            assert_eq!((put, to_clean.recv().await), (written, Some(raw.clone())));
        }
        for key in [&rejected, &clean] {
            let mut upload = store.upload(key, &Metadata::new()).await.unwrap();
            upload.write(Bytes::from_static(b"x")).await.unwrap();
            assert!(to_load.try_recv().is_err(), "announced before it is there");
            upload.finish().await.unwrap();
        }
        drop(store.upload(&clean, &Metadata::new()).await.unwrap());
        queues.close(Function::Clean);
        queues.close(Function::Load);
        assert_eq!((to_load.recv().await, to_load.recv().await), (Some(clean), None));
        assert_eq!(to_clean.recv().await, None);
    }

    #[tokio::test]
    async fn a_writer_waits_while_too_many_objects_wait() {
        let queues = Queues::default();
        let mut to_clean = queues.open(Function::Clean);
        let raw = Key::parse(RAW).unwrap();
        for _ in 0..WAITING_MAX {
            queues.announce(&raw).await;
        }
        let mut one_more = std::pin::pin!(queues.announce(&raw));
        let waits = tokio::select! {
            biased;
            () = &mut one_more => false,
            () = std::future::ready(()) => true,
        };
        assert!(waits);
        assert_eq!(to_clean.recv().await, Some(raw.clone()));
        one_more.await;
    }
}
