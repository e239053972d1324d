//! Databases in memory, beside one another on one server, with faults where a test wants them. What is done to them is counted.

use async_trait::async_trait;
use bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use documents::key::key_of;
use documents::{Certainty, Database, DocumentStream, DocumentsError, Namespace, NamespaceKind, PutBack, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// What Tidemill notes of collections.
pub const CONTROL: &str = "tidemill.collections";

/// A database of a server.
#[derive(Clone)]
pub struct MemoryDatabase {
    name: String,
    server: Arc<Mutex<Memory>>,
}

/// Changes the server's databases, when a batch of this collection is about to be read.
pub type BeforeBatch = Box<dyn FnMut(&mut BTreeMap<String, Content>, &str) + Send>;

/// All that a server has.
#[derive(Default)]
pub struct Memory {
    pub databases: BTreeMap<String, Content>,
    /// How often something was changed through the port.
    pub changes: u64,
    /// How many documents come at once.
    pub batch_documents: usize,
    /// Called before each batch is read.
    pub before_batch: Option<BeforeBatch>,
    /// What is put back is lost, but said to be there.
    pub loses_documents: bool,
    /// The user may not read this collection.
    pub denied: Option<String>,
    identities: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    pub collections: BTreeMap<String, Collection>,
    pub mark: Option<String>,
    /// The collections of which there are receipts.
    pub receipts: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Collection {
    pub kind: NamespaceKind,
    pub options: Document,
    pub indexes: Vec<Document>,
    pub identity: Option<Vec<u8>>,
    /// By their `_id`, in the order of BSON.
    pub documents: BTreeMap<Vec<u8>, RawDocumentBuf>,
}

impl MemoryDatabase {
    pub fn new(name: &str) -> MemoryDatabase {
        let memory = Memory {
            batch_documents: 1_000,
            ..Memory::default()
        };
        MemoryDatabase {
            name: name.to_owned(),
            server: Arc::new(Mutex::new(memory)),
        }
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.server.lock().unwrap()
    }

    /// Another database of the same server.
    pub fn beside(&self, name: &str) -> MemoryDatabase {
        MemoryDatabase {
            name: name.to_owned(),
            server: self.server.clone(),
        }
    }

    /// What the database has.
    pub fn content(&self) -> Content {
        self.memory().databases.get(&self.name).cloned().unwrap_or_default()
    }

    /// What may differ between a database and its copy is taken away: which collections they are by the server.
    pub fn comparable(&self) -> Content {
        let mut content = self.content();
        for collection in content.collections.values_mut() {
            collection.identity = None;
        }
        content
    }

    pub fn collection(&self, name: &str, options: Document, indexes: Vec<Document>) {
        let mut memory = self.memory();
        let identity = memory.new_identity();
        let id_index = doc! {"v": 2, "key": {"_id": 1}, "name": "_id_"};
        let collection = Collection {
            kind: NamespaceKind::Collection,
            options,
            indexes: std::iter::once(id_index).chain(indexes).collect(),
            identity,
            documents: BTreeMap::new(),
        };
        memory.of(&self.name).collections.insert(name.to_owned(), collection);
    }

    pub fn other(&self, name: &str, kind: NamespaceKind, options: Document) {
        let collection = Collection {
            kind,
            options,
            indexes: Vec::new(),
            identity: None,
            documents: BTreeMap::new(),
        };
        self.memory().of(&self.name).collections.insert(name.to_owned(), collection);
    }

    /// Puts documents into a collection, which is made where it is not there; over those that are there.
    pub fn put(&self, name: &str, documents: impl IntoIterator<Item = Document>) {
        if !self.content().collections.contains_key(name) {
            self.collection(name, doc! {}, Vec::new());
        }
        let mut memory = self.memory();
        let collection = memory.of(&self.name).collections.get_mut(name).unwrap();
        for document in documents {
            let document = RawDocumentBuf::try_from(&document).unwrap();
            collection.documents.insert(key(&document), document);
        }
    }

    pub fn documents(&self, name: &str) -> Vec<RawDocumentBuf> {
        let collections = self.content().collections;
        collections
            .get(name)
            .map(|collection| collection.documents.values().cloned().collect())
            .unwrap_or_default()
    }

    pub fn names(&self) -> Vec<String> {
        self.content().collections.into_keys().collect()
    }
}

impl Memory {
    pub fn of(&mut self, database: &str) -> &mut Content {
        self.databases.entry(database.to_owned()).or_default()
    }

    fn new_identity(&mut self) -> Option<Vec<u8>> {
        self.identities += 1;
        Some(self.identities.to_be_bytes().to_vec())
    }

    fn is_empty(&self, database: &str) -> bool {
        self.databases.get(database).is_none_or(|content| *content == Content::default())
    }
}

fn key(document: &RawDocument) -> Vec<u8> {
    key_of(document.get("_id").unwrap().unwrap()).unwrap()
}

struct Stream {
    database: MemoryDatabase,
    collection: String,
    after: Option<Vec<u8>>,
}

#[async_trait]
impl DocumentStream for Stream {
    async fn next(&mut self) -> Result<Option<Vec<RawDocumentBuf>>, DocumentsError> {
        tokio::task::yield_now().await;
        let mut memory = self.database.memory();
        if let Some(mut before_batch) = memory.before_batch.take() {
            before_batch(&mut memory.databases, &self.collection);
            memory.before_batch = Some(before_batch);
        }
        let batch_documents = memory.batch_documents;
        let collections = &memory.of(&self.database.name).collections;
        let Some(collection) = collections.get(&self.collection) else {
            return Ok(None);
        };
        let from = match &self.after {
            Some(after) => std::ops::Bound::Excluded(after.clone()),
            None => std::ops::Bound::Unbounded,
        };
        let range = collection.documents.range((from, std::ops::Bound::Unbounded));
        let (keys, batch): (Vec<_>, Vec<_>) = range.take(batch_documents).map(|(key, it)| (key.clone(), it.clone())).unzip();
        self.after = keys.into_iter().next_back().or_else(|| self.after.take());
        Ok(Some(batch).filter(|batch| !batch.is_empty()))
    }
}

#[async_trait]
impl Database for MemoryDatabase {
    async fn server(&self) -> Result<Server, DocumentsError> {
        Ok(Server {
            version: "8.0.4".to_owned(),
            database: self.name.clone(),
            certainty: Certainty::Majority,
        })
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, DocumentsError> {
        let collections = self.content().collections;
        let namespaces = collections.into_iter().map(|(name, collection)| Namespace {
            name,
            kind: collection.kind,
            options: collection.options,
            indexes: collection.indexes,
            identity: collection.identity,
            estimate: Some(collection.documents.len() as u64),
        });
        let (mut first, rest): (Vec<_>, Vec<_>) = namespaces.partition(|namespace| namespace.name == CONTROL);
        first.extend(rest);
        Ok(first)
    }

    async fn identity(&self, collection: &str) -> Result<Option<Vec<u8>>, DocumentsError> {
        Ok(self.content().collections.get(collection).and_then(|it| it.identity.clone()))
    }

    async fn read(&self, collection: &str, after: Option<RawBsonRef<'_>>) -> Result<Box<dyn DocumentStream>, DocumentsError> {
        if self.memory().denied.as_deref() == Some(collection) {
            return Err(DocumentsError::Denied {
                action: "read documents",
                collection: collection.to_owned(),
                database: self.name.clone(),
                server: "db.example.org".to_owned(),
                problem: "not authorized".to_owned(),
            });
        }
        Ok(Box::new(Stream {
            database: self.clone(),
            collection: collection.to_owned(),
            after: after.map(|id| key_of(id).unwrap()),
        }))
    }

    async fn create(&self, namespace: &Namespace) -> Result<(), DocumentsError> {
        if namespace.kind == NamespaceKind::View {
            return Ok(());
        }
        self.memory().changes += 1;
        if !self.content().collections.contains_key(&namespace.name) {
            let mut options = namespace.options.clone();
            options.remove("validator");
            self.collection(&namespace.name, options, Vec::new());
        }
        Ok(())
    }

    async fn put_back(&self, collection: &str, documents: &[&RawDocument]) -> Result<PutBack, DocumentsError> {
        tokio::task::yield_now().await;
        let mut memory = self.memory();
        memory.changes += 1;
        let loses_documents = memory.loses_documents;
        let there = &mut memory.of(&self.name).collections.get_mut(collection).unwrap().documents;
        let mut put = PutBack::default();
        for document in documents {
            let key = key(document);
            if there.contains_key(&key) {
                put.already_there += 1;
                continue;
            }
            put.inserted += 1;
            if !loses_documents {
                there.insert(key, (*document).to_owned());
            }
        }
        Ok(put)
    }

    async fn complete(&self, namespace: &Namespace) -> Result<Vec<String>, DocumentsError> {
        let mut memory = self.memory();
        memory.changes += 1;
        let content = memory.of(&self.name);
        let mut made = Collection {
            kind: namespace.kind,
            options: namespace.options.clone(),
            indexes: namespace.indexes.clone(),
            identity: None,
            documents: BTreeMap::new(),
        };
        if let Some(there) = content.collections.remove(&namespace.name) {
            // All that is here is older than any expiry.
            let expires = namespace.indexes.iter().any(|index| index.contains_key("expireAfterSeconds"));
            if !expires {
                made.documents = there.documents;
            }
            made.identity = there.identity;
        } else {
            assert_eq!(namespace.kind, NamespaceKind::View, "a collection is made before it is completed");
        }
        content.collections.insert(namespace.name.clone(), made);
        let text = namespace.indexes.iter().filter(|index| index.contains_key("textIndexVersion"));
        Ok(text
            .map(|_| format!("`{}`: there are no text indexes here", namespace.name))
            .collect())
    }

    async fn drop_namespace(&self, name: &str) -> Result<(), DocumentsError> {
        let mut memory = self.memory();
        memory.changes += 1;
        memory.of(&self.name).receipts.remove(name);
        let collections = &mut memory.of(&self.name).collections;
        if name != CONTROL {
            collections.remove(name);
        }
        // What is noted of collections that are not there goes.
        let there: Vec<Vec<u8>> = collections.keys().map(|name| key_of(RawBsonRef::String(name)).unwrap()).collect();
        if let Some(control) = collections.get_mut(CONTROL) {
            control.documents.retain(|key, _| there.contains(key));
        }
        Ok(())
    }

    async fn drop_all(&self) -> Result<(), DocumentsError> {
        let mut memory = self.memory();
        if memory.is_empty(&self.name) {
            return Ok(());
        }
        if memory.of(&self.name).mark.is_none() {
            return Err(DocumentsError::NotOurCollection {
                collection: "*".to_owned(),
                problem: "it is not a scratch of ours".to_owned(),
            });
        }
        memory.changes += 1;
        memory.databases.remove(&self.name);
        Ok(())
    }

    async fn mark(&self) -> Result<Option<String>, DocumentsError> {
        Ok(self.content().mark)
    }

    async fn set_mark(&self, text: Option<&str>) -> Result<(), DocumentsError> {
        let mut memory = self.memory();
        memory.changes += 1;
        memory.of(&self.name).mark = text.map(str::to_owned);
        Ok(())
    }

    fn sibling(&self, name: &str) -> Result<Arc<dyn Database>, DocumentsError> {
        Ok(Arc::new(self.beside(name)))
    }
}
