//! A whole MongoDB database, as backup and restore see it.

mod look;
mod make;
mod remove;
mod stream;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocument};

use super::error::Fault;
use super::patience::Patience;
use super::{MongoDocuments, Uri};
use crate::{Database, DocumentStream, DocumentsError, Namespace, PutBack, Server};

/// A MongoDB database. Nothing is asked of the server, or of [`Uri`], before the first call that needs it.
#[derive(Clone)]
pub struct MongoDatabase {
    store: Arc<MongoDocuments>,
}

impl MongoDatabase {
    /// The database is the one that the URI names, or else `tidemill`.
    pub fn new(uri: Arc<dyn Uri>) -> MongoDatabase {
        MongoDatabase {
            store: Arc::new(MongoDocuments::new(uri)),
        }
    }
}

/// Tells nothing: what it holds is a secret, or leads to one.
impl fmt::Debug for MongoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDatabase").finish_non_exhaustive()
    }
}

#[async_trait]
impl Database for MongoDatabase {
    async fn server(&self) -> Result<Server, DocumentsError> {
        let server = patiently(|| look::server(&self.store)).await;
        server.map_err(|fault| fault.named("ask what the server is", "*"))
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, DocumentsError> {
        let namespaces = patiently(|| look::namespaces(&self.store)).await;
        namespaces.map_err(|fault| fault.named("list the collections", "*"))
    }

    async fn identity(&self, collection: &str) -> Result<Option<Vec<u8>>, DocumentsError> {
        let identity = patiently(|| look::identity(&self.store, collection)).await;
        identity.map_err(|fault| fault.named("look which collection it is", collection))
    }

    async fn read(&self, collection: &str, after: Option<RawBsonRef<'_>>) -> Result<Box<dyn DocumentStream>, DocumentsError> {
        Ok(Box::new(stream::Stream::new(&self.store, collection, after).await?))
    }

    async fn create(&self, namespace: &Namespace) -> Result<(), DocumentsError> {
        let created = patiently(|| make::create(&self.store, namespace)).await;
        created.map_err(|fault| fault.named("create the collection", &namespace.name))
    }

    async fn put_back(&self, collection: &str, documents: &[&RawDocument]) -> Result<PutBack, DocumentsError> {
        let put = make::put_back(&self.store, collection, documents).await;
        put.map_err(|fault| fault.named("put documents back", collection))
    }

    async fn complete(&self, namespace: &Namespace) -> Result<Vec<String>, DocumentsError> {
        let complete = patiently(|| make::complete(&self.store, namespace)).await;
        complete.map_err(|fault| fault.named("make indexes, validator or view", &namespace.name))
    }

    async fn drop_namespace(&self, name: &str) -> Result<(), DocumentsError> {
        let dropped = patiently(|| remove::drop_namespace(&self.store, name)).await;
        dropped.map_err(|fault| fault.named("drop the collection", name))
    }

    async fn drop_all(&self) -> Result<(), DocumentsError> {
        let named = |fault: Fault| fault.named("drop the database", "*");
        if patiently(|| remove::drop_all(&self.store)).await.map_err(named)? {
            return Ok(());
        }
        let connected = self.store.link.connected().await.map_err(named)?;
        Err(DocumentsError::NotAScratch {
            database: connected.place.database.clone(),
        })
    }

    async fn mark(&self) -> Result<Option<String>, DocumentsError> {
        let mark = patiently(|| remove::mark(&self.store)).await;
        mark.map_err(|fault| fault.named("read the mark of a restore", remove::RESTORE))
    }

    async fn set_mark(&self, text: Option<&str>) -> Result<(), DocumentsError> {
        let set = patiently(|| remove::set_mark(&self.store, text)).await;
        set.map_err(|fault| fault.named("set the mark of a restore", remove::RESTORE))
    }

    fn sibling(&self, name: &str) -> Result<Arc<dyn Database>, DocumentsError> {
        let problem = match name {
            "admin" | "local" | "config" => Some("it is one of the server's own"),
            _ if name.is_empty() || name.len() > DATABASE_NAME_BYTES_MAX => Some("it must have 1 to 63 bytes"),
            _ if name.contains(|c: char| "/\\. \"$*<>:|?".contains(c) || c.is_control()) => {
                Some("it must hold no space, no control character and none of / \\ . \" $ * < > : | ?")
            }
            _ => None,
        };
        match problem {
            None => Ok(Arc::new(MongoDatabase {
                store: Arc::new(self.store.of(name)),
            })),
            Some(problem) => Err(DocumentsError::NoDatabase {
                name: name.to_owned(),
                problem,
            }),
        }
    }

    async fn close(&self) {
        self.store.link.close().await;
    }
}

const DATABASE_NAME_BYTES_MAX: usize = 63;

/// Does what may be done any number of times, until it is done or does not pass.
async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut patience = Patience::new();
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(fault) => patience.after(fault).await?,
        }
    }
}
